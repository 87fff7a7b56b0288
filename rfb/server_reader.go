package rfb

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// readerBuffer is how many bytes a ServerReader asks for at once: what a
	// socket usually holds.
	readerBuffer = 64 << 10
	// DefaultMessageLimit bounds one message in a ServerReader, in bytes: a raw
	// update of a 4K framebuffer, with room to spare.
	DefaultMessageLimit = 64 << 20
)

// ServerMessage is one whole message of a desktop. It is valid until the next
// Read.
type ServerMessage struct {
	Type  ServerMessageType
	Raw   []byte       // the message as it came, type byte included
	Rects []ServerRect // of a FramebufferUpdate
}

// ServerRect is a rectangle with its data, which is not decoded.
type ServerRect struct {
	Rect
	Data []byte // a part of the message's Raw

	start, end int // of Data in Raw
}

// ServerReader returns a desktop's messages one by one. It is for callers that
// want to look at messages; who only hands them on uses a [ServerWalker].
type ServerReader struct {
	r      io.Reader
	walker *ServerWalker
	limit  int

	buffer []byte // what r gives is read into here
	unread []byte // the part of buffer that no message has taken
	raw    []byte // the message being put together
	rects  []ServerRect
}

// NewServerReader reads from a desktop that has just sent init. Messages of more
// than limit bytes are an error; 0 means DefaultMessageLimit. It reads ahead.
func NewServerReader(r io.Reader, init ServerInit, limit int) *ServerReader {
	if limit <= 0 {
		limit = DefaultMessageLimit
	}
	return &ServerReader{r: r, walker: NewServerWalker(init), limit: limit, buffer: make([]byte, readerBuffer)}
}

// Walker is what follows the stream: it knows the framebuffer's size and format
// and must be told of a SetPixelFormat. Only its Next and Skip are the reader's.
func (s *ServerReader) Walker() *ServerWalker { return s.walker }

// Read returns the next message. At the end of the stream it returns io.EOF, or
// io.ErrUnexpectedEOF within a message.
func (s *ServerReader) Read() (ServerMessage, error) {
	s.raw, s.rects = s.raw[:0], s.rects[:0]
	for {
		if len(s.unread) == 0 {
			if err := s.fill(); err != nil {
				return ServerMessage{}, err
			}
		}
		n, event, err := s.walker.Next(s.unread)
		if err != nil {
			return ServerMessage{}, err
		}
		if len(s.raw)+n > s.limit {
			return ServerMessage{}, fmt.Errorf("rfb %v of more than %d bytes", s.walker.Message(), s.limit)
		}
		s.raw = append(s.raw, s.unread[:n]...)
		s.unread = s.unread[n:]
		if event.Has(EventRect) {
			s.rects = append(s.rects, ServerRect{Rect: s.walker.Rect(), start: len(s.raw)})
		}
		if event.Has(EventRectEnd) {
			s.rects[len(s.rects)-1].end = len(s.raw)
		}
		if event.Has(EventEnd) {
			return s.message(), nil
		}
	}
}

func (s *ServerReader) fill() error {
	n, err := s.r.Read(s.buffer)
	s.unread = s.buffer[:n]
	switch {
	case n > 0:
		return nil // an error comes again at the next read
	case err == io.EOF && len(s.raw) > 0:
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

func (s *ServerReader) message() ServerMessage {
	for i := range s.rects {
		r := &s.rects[i]
		r.Data = s.raw[r.start:r.end:r.end]
	}
	return ServerMessage{Type: s.walker.Message(), Raw: s.raw, Rects: s.rects}
}

// Fence reads ServerFence.
func (m ServerMessage) Fence() (Fence, bool) {
	if m.Type != ServerFence {
		return Fence{}, false
	}
	return Fence{Flags: FenceFlags(binary.BigEndian.Uint32(m.Raw[4:])), Payload: m.Raw[9:]}, true
}

// CutText reads the header of ServerCutText and returns what follows its
// length: Latin-1 text, or what ParseClipboard reads when it is extended.
func (m ServerMessage) CutText() (CutText, []byte, bool) {
	if m.Type != ServerCutText {
		return CutText{}, nil, false
	}
	cut, body := parseCutText(m.Raw)
	return cut, body, true
}

// DesktopSize reads DesktopSize and ExtendedDesktopSize; the former has no
// screens.
func (r ServerRect) DesktopSize() (DesktopSize, bool) {
	switch r.Encoding {
	case EncodingDesktopSize:
		return DesktopSize{Width: r.Width, Height: r.Height}, true
	case EncodingExtendedDesktopSize:
		return DesktopSize{Width: r.Width, Height: r.Height, Screens: parseScreens(r.Data[4:])}, true
	}
	return DesktopSize{}, false
}

// DesktopName reads DesktopName.
func (r ServerRect) DesktopName() (string, bool) {
	if r.Encoding != EncodingDesktopName {
		return "", false
	}
	return string(r.Data[4:]), true
}

// LEDState reads QEMULEDState and VMwareLEDState.
func (r ServerRect) LEDState() (leds uint8, ok bool) {
	switch r.Encoding {
	case EncodingQEMULEDState, EncodingVMwareLEDState:
		return r.Data[len(r.Data)-1], true
	}
	return 0, false
}
