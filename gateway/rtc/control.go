package rtc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/datachannel"
)

const (
	// channelMessage bounds one message of a browser's, in bytes: what every browser
	// can send (RFC 8831 section 6.6), and more than our page does.
	channelMessage = 64 << 10
	// channelPiece is the most bytes of the stream that go to the browser in one
	// message: other channels share the line.
	channelPiece = 16 << 10
	// farewellTime is how long the last messages may take.
	farewellTime = 2 * time.Second
)

// Operations of WebSocket frames (RFC 6455 section 5.2).
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// control joins a data channel and a connection that speaks WebSocket frames, of
// which this is the client's end. What frames have beyond messages, the channel has
// as texts of its own:
//
//	{"type":"ping","stamp":"0011aabb…"}   from us, which the page answers with
//	{"type":"pong","stamp":"0011aabb…"}
//	{"type":"close","status":4000,"reason":"desktop_gone"}   from us, the last
type control struct {
	near, far net.Conn // a pipe: near is given out

	writing sync.Mutex // the right to write to far

	ordering sync.Mutex
	arrived  uint32 // guarded by ordering; messages that came on the channel
	passed   uint32 // guarded by ordering; of them or of their copies, passed on
}

// note is such a text.
type note struct {
	Type   string `json:"type"`
	Stamp  string `json:"stamp,omitempty"`
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func newControl() *control {
	near, far := net.Pipe()
	return &control{near: near, far: far}
}

func (c *control) close() {
	c.near.Close()
	c.far.Close()
}

// run carries messages both ways until either end closes, and says why.
func (c *control) run(channel datachannel.ReadWriteCloserDeadliner, ended <-chan struct{}) error {
	defer channel.Close()
	var other sync.WaitGroup
	over := make(chan struct{})
	inward := make(chan error, 1)
	other.Go(func() {
		inward <- c.inward(channel)
		c.far.Close() // which is how the stream hears of it
	})
	other.Go(func() {
		select {
		case <-ended:
			c.close()
		case <-over:
		}
		channel.SetWriteDeadline(time.Now().Add(farewellTime))
		channel.SetReadDeadline(time.Now()) // nothing more is heard
	})
	err := c.outward(channel)
	c.far.Close()
	close(over)
	other.Wait()
	if cause := <-inward; err == nil || errors.Is(err, io.ErrClosedPipe) {
		err = cause
	}
	return err
}

// inward makes frames of the browser's messages.
func (c *control) inward(channel datachannel.ReadWriteCloserDeadliner) error {
	b := make([]byte, channelMessage)
	for {
		n, text, err := channel.ReadDataChannel(b)
		if err != nil {
			return fmt.Errorf("%w: its control channel: %w", errSilent, err)
		}
		op := byte(opBinary)
		if text {
			op = opText
		}
		payload := b[:n]
		if stamp, ok := pong(text, payload); ok {
			op, payload = opPong, stamp
		}
		if err := c.deliver(op, payload); err != nil {
			return fmt.Errorf("%w: the stream ended", ErrOver)
		}
	}
}

// pong reads the answer to a ping.
func pong(text bool, payload []byte) (stamp []byte, ok bool) {
	const most = 256 // bytes: longer texts are none
	if !text || len(payload) > most {
		return nil, false
	}
	var n note
	if json.Unmarshal(payload, &n) != nil || n.Type != "pong" {
		return nil, false
	}
	stamp, err := hex.DecodeString(n.Stamp)
	return stamp, err == nil && len(stamp) <= maxControl
}

// maxControl is the longest payload of a control frame (section 5.5).
const maxControl = 125

// frame writes a client's frame: masked, by zeros.
func (c *control) frame(op byte, payload []byte) error {
	b := make([]byte, 0, 14+len(payload))
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(append(b, 0, 0, 0, 0), payload...)
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.far.Write(b)
	return err
}

// outward makes messages of the stream's frames, until it closes.
func (c *control) outward(channel datachannel.ReadWriteCloserDeadliner) error {
	frames := bufio.NewReaderSize(c.far, 4<<10)
	var piece [channelPiece]byte
	for {
		op, length, err := header(frames)
		if err != nil {
			return ended(err)
		}
		if op == opBinary {
			for length > 0 {
				n := min(length, uint64(len(piece)))
				if _, err := io.ReadFull(frames, piece[:n]); err != nil {
					return ended(err)
				}
				if _, err := channel.WriteDataChannel(piece[:n], false); err != nil {
					return fmt.Errorf("%w: its control channel: %w", errSilent, err)
				}
				length -= n
			}
			continue
		}
		if length > channelMessage {
			return fmt.Errorf("sending a text of %d bytes, more than %d", length, channelMessage)
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(frames, payload); err != nil {
			return ended(err)
		}
		if err := c.tell(channel, op, payload); err != nil {
			return err
		}
		if op == opClose {
			drain(channel)
			return io.ErrClosedPipe
		}
	}
}

// drain waits until the browser has what was sent, or for a moment.
func drain(channel datachannel.ReadWriteCloserDeadliner) {
	buffer, ok := channel.(interface {
		BufferedAmount() uint64
		OnBufferedAmountLow(f func())
	})
	if !ok {
		return
	}
	empty := make(chan struct{}, 1)
	buffer.OnBufferedAmountLow(func() { // below the threshold, which is zero
		select {
		case empty <- struct{}{}:
		default:
		}
	})
	late := time.NewTimer(farewellTime)
	defer late.Stop()
	for buffer.BufferedAmount() > 0 {
		select {
		case <-empty:
		case <-late.C:
			return
		}
	}
}

// ended is why the stream ended, if nothing else is known.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		return io.ErrClosedPipe
	}
	return fmt.Errorf("reading the stream: %w", err)
}

// header reads that of a server's frame: whole and not masked.
func header(r *bufio.Reader) (op byte, length uint64, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return 0, 0, err
	}
	op, length = b[0]&0x0F, uint64(b[1])
	switch length {
	case 126:
		_, err = io.ReadFull(r, b[:2])
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(r, b[:8])
		length = binary.BigEndian.Uint64(b[:])
	}
	return op, length, err
}

// tell sends what is no part of the byte stream.
func (c *control) tell(channel datachannel.ReadWriteCloserDeadliner, op byte, payload []byte) error {
	var n note
	switch op {
	case opText:
		if _, err := channel.WriteDataChannel(payload, true); err != nil {
			return fmt.Errorf("%w: its control channel: %w", errSilent, err)
		}
		return nil
	case opPing:
		n = note{Type: "ping", Stamp: hex.EncodeToString(payload)}
	case opClose:
		n = note{Type: "close"}
		if len(payload) >= 2 {
			n.Status, n.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	default:
		return nil
	}
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("sending a %s: %w", n.Type, err)
	}
	if _, err := channel.WriteDataChannel(text, true); err != nil {
		return fmt.Errorf("%w: its control channel: %w", errSilent, err)
	}
	return nil
}
