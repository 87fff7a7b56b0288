package rfb

import (
	"encoding/binary"
	"fmt"
)

// ClientLimits bound what a viewer may send. The zero value means the limits of
// this package.
type ClientLimits struct {
	CutText int // bytes of one clipboard message; MaxClientCutText when 0
}

// ClientParser takes the stream of a viewer apart, from ClientInit on. The bytes
// may come in any pieces, which is how WebSocket frames bring them. A message
// that lies whole in a piece is not copied; one that is cut is kept until it is
// complete, which the limits bound.
//
//	for len(p) > 0 {
//		n, message, err := parser.Next(p)
//		if err != nil {
//			return err // a *ProtocolError
//		}
//		if message.Raw != nil && allowed(message) {
//			forward(message.Raw)
//		}
//		p = p[n:]
//	}
//
// A parser has one user at a time.
type ClientParser struct {
	limits ClientLimits // immutable

	offset        int64
	err           error
	extendedMouse bool // the viewer's latest SetEncodings has ExtendedMouseButtons
	sync          bool // the message before was a fence that asks for SyncNext

	part  []byte   // the beginning of a message
	given bool     // part is a message that was returned
	small [64]byte // where part starts, so that most cut messages allocate nothing
}

// keepPart is the capacity in bytes up to which part stays after use: a viewer
// that once sent a long clipboard must not hold its memory for ever.
const keepPart = 4096

// NewClientParser starts at a viewer's first message behind ClientInit.
func NewClientParser(limits ClientLimits) *ClientParser {
	if limits.CutText <= 0 {
		limits.CutText = MaxClientCutText
	}
	return &ClientParser{limits: limits}
}

// Next takes bytes from p, at most to the end of one message. When it gets
// there it returns the message; otherwise it has taken all of p and
// message.Raw is nil. The message is valid until the next call and as long as
// p is. An error is final.
func (c *ClientParser) Next(p []byte) (n int, message ClientMessage, err error) {
	if c.err != nil || len(p) == 0 {
		return 0, ClientMessage{}, c.err
	}
	if c.given {
		c.forget()
	}
	if len(c.part) == 0 {
		need, err := c.size(p)
		if err != nil {
			return 0, ClientMessage{}, c.fail(p[0], err)
		}
		if need <= len(p) {
			return c.give(need, p[:need:need])
		}
		c.part = append(c.small[:0], p[0])
		n = 1
	}
	for {
		need, err := c.size(c.part)
		if err != nil {
			return n, ClientMessage{}, c.fail(c.part[0], err)
		}
		if need <= len(c.part) {
			c.given = true
			return c.give(n, c.part)
		}
		more := min(need-len(c.part), len(p)-n)
		if more == 0 {
			c.offset += int64(n)
			return n, ClientMessage{}, nil
		}
		c.part = append(c.part, p[n:n+more]...)
		n += more
	}
}

// Offset is the number of bytes taken since the start.
func (c *ClientParser) Offset() int64 { return c.offset }

// Between says that no message has begun or the latest one has ended.
func (c *ClientParser) Between() bool { return len(c.part) == 0 || c.given }

// forget makes room for the next message.
func (c *ClientParser) forget() {
	c.given = false
	if cap(c.part) > keepPart {
		c.part = nil
	}
	c.part = c.part[:0]
}

// give returns a complete message and remembers what later ones depend on.
func (c *ClientParser) give(n int, raw []byte) (int, ClientMessage, error) {
	c.offset += int64(n)
	m := ClientMessage{Type: ClientMessageType(raw[0]), Synced: c.sync, Raw: raw}
	c.sync = false
	switch m.Type {
	case ClientSetPixelFormat:
		format, _ := m.PixelFormat()
		if err := format.Check(); err != nil {
			return n, ClientMessage{}, c.fail(raw[0], err)
		}
	case ClientSetEncodings:
		c.extendedMouse = m.HasEncoding(EncodingExtendedMouseButtons)
	case ClientFence:
		fence, _ := m.Fence()
		c.sync = fence.Flags&FenceRequest != 0 && fence.Flags&FenceSyncNext != 0
	}
	return n, m, nil
}

func (c *ClientParser) fail(message byte, err error) error {
	c.err = &ProtocolError{Offset: c.offset, Message: ClientMessageType(message).String(), Reason: err.Error()}
	return c.err
}

// size returns how long the message that b begins is, or, when b is too short to
// tell, more than len(b) but no more than the message has.
func (c *ClientParser) size(b []byte) (int, error) {
	fixed := 0
	switch t := ClientMessageType(b[0]); t {
	case ClientSetPixelFormat:
		return 4 + pixelFormatSize, nil
	case ClientFramebufferUpdateRequest, ClientEnableContinuousUpdates:
		return 10, nil
	case ClientKeyEvent:
		return 8, nil
	case ClientXVP:
		return 4, nil
	case ClientPointerEvent:
		if c.extendedMouse && len(b) > 1 && b[1]&extendedButtons != 0 {
			return 7, nil
		}
		return 6, nil
	case ClientSetEncodings, ClientGII, ClientQEMU:
		fixed = 4
	case ClientCutText, ClientSetDesktopSize:
		fixed = 8
	case ClientFence:
		fixed = 9
	default:
		return 0, fmt.Errorf("unknown message type")
	}
	if len(b) < fixed {
		return fixed, nil
	}
	variable, err := c.variable(b)
	return fixed + variable, err
}

// variable returns the length of what follows the fixed part, which is in b.
func (c *ClientParser) variable(b []byte) (int, error) {
	switch ClientMessageType(b[0]) {
	case ClientSetEncodings:
		count := int(binary.BigEndian.Uint16(b[2:]))
		if count > MaxEncodings {
			return 0, fmt.Errorf("%d encodings, more than %d", count, MaxEncodings)
		}
		return 4 * count, nil
	case ClientCutText:
		length, extended := cutTextLength(b[4:8])
		if length > int64(c.limits.CutText) {
			return 0, fmt.Errorf("clipboard of %d bytes, more than %d", length, c.limits.CutText)
		}
		if extended && length < 4 {
			return 0, fmt.Errorf("extended clipboard of %d bytes, too short for its flags", length)
		}
		return int(length), nil
	case ClientFence:
		if b[8] > MaxFencePayload {
			return 0, fmt.Errorf("fence with %d bytes of payload, more than %d", b[8], MaxFencePayload)
		}
		return int(b[8]), nil
	case ClientSetDesktopSize:
		return screenSize * int(b[6]), nil
	case ClientGII: // in the byte order of the submessage's top bit
		if b[1]&0x80 != 0 {
			return int(binary.BigEndian.Uint16(b[2:])), nil
		}
		return int(binary.LittleEndian.Uint16(b[2:])), nil
	default:
		return qemuVariable(b[1], binary.BigEndian.Uint16(b[2:]))
	}
}

// qemuVariable is the same for QEMU's submessages. The third and fourth byte
// are the down flag of a key or the operation of sound.
func qemuVariable(submessage byte, operation uint16) (int, error) {
	switch {
	case submessage == QEMUExtendedKey:
		return 8, nil
	case submessage != QEMUAudio:
		return 0, fmt.Errorf("unknown QEMU submessage %d", submessage)
	case operation == QEMUAudioEnable, operation == QEMUAudioDisable:
		return 0, nil
	case operation == QEMUAudioSetFormat:
		return 6, nil
	}
	return 0, fmt.Errorf("unknown QEMU audio operation %d", operation)
}
