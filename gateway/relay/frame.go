package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// WebSocket frames, RFC 6455 section 5.2. Only what a server needs: frames
// from a client are masked, ours are not, and no extension is negotiated.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	// maxHeader is the longest header a server writes: two bytes and a 64-bit
	// length. Buffers keep that much room before the data.
	maxHeader = 10
	// maxControl is the longest payload of a control frame (section 5.5).
	maxControl = 125
	// maxMessage bounds one message of a viewer. Nothing is gathered here, so
	// it costs no memory: it only ends what cannot be a browser. RFB's largest
	// message is a cut text, and a client may send several in one.
	maxMessage = 16 << 20
	// MaxText bounds one text message of a viewer in bytes: it is gathered, and
	// what viewers ask for in texts is short.
	MaxText = 4 << 10
)

// errFrame says that the viewer's bytes are not WebSocket frames as a client
// may send them.
var errFrame = errors.New("malformed WebSocket frame")

// appendHeader appends the header of a final, unmasked frame.
func appendHeader(b []byte, op byte, length int) []byte {
	switch {
	case length < 126:
		return append(b, 0x80|op, byte(length))
	case length <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(b, 0x80|op, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, 0x80|op, 127), uint64(length))
	}
}

// headerSize is what appendHeader will append.
func headerSize(length int) int {
	switch {
	case length < 126:
		return 2
	case length <= 0xFFFF:
		return 4
	default:
		return maxHeader
	}
}

// frameReader takes a client's byte stream apart. It keeps no more than one
// frame's header or control payload between calls.
type frameReader struct {
	header    [14]byte // of the frame being read
	headerLen int8     // how much of header is here
	inFrame   bool     // header is complete, payload is being read

	op        byte   // of the current frame
	remaining uint64 // payload bytes still to come
	mask      uint32 // as little-endian word, turned so that it fits the next byte

	inMessage bool   // a data message awaits its continuation
	textual   bool   // the message is text
	message   uint64 // payload bytes of the message so far

	onText func(text []byte) error // gets each whole text message; nil: there may be none
	text   []byte                  // of the message so far; no more than MaxText

	control []byte // payload of the control frame being read; no more than maxControl
	pinged  []byte // payload of the latest whole ping; browsers send none
}

// controls is what came between the data of one feed: of several pings or
// pongs, the latest counts (section 5.5.3 allows it).
type controls struct {
	pinged bool   // a ping came
	ping   []byte // its payload
	ponged bool   // a pong came
	pong   uint64 // its payload, if it is one of ours: eight bytes
	closed bool   // a close frame came: nothing after it counts
	status int    // its status; 1005 if it carried none
	frames int    // how many frames ended
}

// feed unmasks the binary payload in b in place and packs it at b's start, and
// gives whole texts to onText. It returns that part, and the control frames seen, whose slice is valid until
// the next feed.
func (r *frameReader) feed(b []byte) (payload []byte, seen controls, err error) {
	out := 0
	for in := 0; in < len(b) && !seen.closed; {
		if !r.inFrame {
			n, err := r.readHeader(b[in:])
			if err != nil {
				return nil, seen, err
			}
			in += n
			if r.inFrame && r.remaining == 0 {
				if err := r.endFrame(&seen); err != nil {
					return nil, seen, err
				}
			}
			continue
		}
		n := int(min(uint64(len(b)-in), r.remaining))
		chunk := b[in : in+n]
		r.mask = unmask(chunk, r.mask)
		if r.op >= opClose {
			r.control = append(r.control, chunk...)
		} else if r.textual {
			r.text = append(r.text, chunk...)
		} else {
			out += copy(b[out:], chunk) // a move to the left: out never passes in
		}
		in += n
		r.remaining -= uint64(n)
		if r.remaining == 0 {
			if err := r.endFrame(&seen); err != nil {
				return nil, seen, err
			}
		}
	}
	return b[:out], seen, nil
}

// readHeader takes header bytes from b, and checks the header when it is whole.
func (r *frameReader) readHeader(b []byte) (n int, err error) {
	for n < len(b) {
		need := int8(2)
		if r.headerLen >= 2 {
			need = r.headerNeeds()
		}
		take := min(int(need-r.headerLen), len(b)-n)
		copy(r.header[r.headerLen:], b[n:n+take])
		r.headerLen += int8(take)
		n += take
		if r.headerLen < need {
			return n, nil
		}
		if r.headerLen == 2 {
			if r.header[1]&0x80 == 0 {
				return n, fmt.Errorf("%w: not masked", errFrame)
			}
			continue
		}
		return n, r.beginFrame()
	}
	return n, nil
}

// headerNeeds is the header's whole length, mask included.
func (r *frameReader) headerNeeds() int8 {
	switch r.header[1] & 0x7F {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	default:
		return 2 + 4
	}
}

func (r *frameReader) beginFrame() error {
	length := uint64(r.header[1] & 0x7F)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(r.header[2:]))
	case 127:
		length = binary.BigEndian.Uint64(r.header[2:])
	}
	r.mask = binary.LittleEndian.Uint32(r.header[r.headerLen-4:])
	r.op, r.remaining = r.header[0]&0x0F, length
	final := r.header[0]&0x80 != 0

	if r.header[0]&0x70 != 0 {
		return fmt.Errorf("%w: reserved bits", errFrame)
	}
	switch r.op {
	case opText, opBinary, opContinuation:
		return r.beginData(length, final)
	case opClose, opPing, opPong:
		if !final || length > maxControl {
			return fmt.Errorf("%w: control frame of %d bytes, final %t", errFrame, length, final)
		}
		r.control = r.control[:0]
	default:
		return fmt.Errorf("%w: opcode %#x", errFrame, r.op)
	}
	r.inFrame = true
	return nil
}

// beginData begins a frame of a text or binary message.
func (r *frameReader) beginData(length uint64, final bool) error {
	if (r.op == opContinuation) != r.inMessage {
		return fmt.Errorf("%w: fragments out of order", errFrame)
	}
	if r.op != opContinuation {
		r.message, r.textual = 0, r.op == opText
		if r.textual && r.onText == nil {
			return fmt.Errorf("%w: text, which was not agreed upon", errFrame)
		}
	}
	limit := uint64(maxMessage)
	if r.textual {
		limit = MaxText
	}
	// The first test keeps the sum from wrapping.
	if length > limit || r.message+length > limit {
		return fmt.Errorf("%w: message of more than %d bytes", errFrame, limit)
	}
	r.message += length
	r.inMessage, r.inFrame = !final, true
	return nil
}

func (r *frameReader) endFrame(seen *controls) error {
	r.inFrame, r.headerLen = false, 0
	seen.frames++
	payload := r.control
	switch r.op {
	case opText, opContinuation:
		if r.textual && !r.inMessage {
			text := r.text
			r.text = nil // seldom used, so not kept
			return r.onText(text)
		}
	case opPing:
		r.pinged = append(r.pinged[:0], payload...)
		seen.pinged, seen.ping = true, r.pinged
	case opPong:
		seen.ponged, seen.pong = true, 0
		if len(payload) == 8 {
			seen.pong = binary.BigEndian.Uint64(payload)
		}
	case opClose:
		seen.closed, seen.status = true, 1005
		if len(payload) == 1 {
			return fmt.Errorf("%w: close status of one byte", errFrame)
		}
		if len(payload) >= 2 {
			seen.status = int(binary.BigEndian.Uint16(payload))
		}
	}
	return nil
}

// unmask applies the mask to b and returns it turned for the byte after b.
func unmask(b []byte, mask uint32) uint32 {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask)
		mask = bits.RotateLeft32(mask, -8)
	}
	return mask
}
