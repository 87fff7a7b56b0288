// Package trace is recorded screens: what a server sent to one viewer that
// asked for exact pixels, with its times, so that anyone can repeat it. It
// records and replays bytes; it decodes no pixel.
//
// A trace is a gzip stream: the line "rfbtrace 1", one line of JSON (Header),
// and for each update the microseconds since the one before and its length,
// both as unsigned varints, and the bytes of its FramebufferUpdate message.
package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

const (
	magic = "rfbtrace 1\n"
	// maxBytes bounds a trace in memory: some minutes of video.
	maxBytes = 1 << 30
	// maxHeader bounds the line of JSON.
	maxHeader = 64 << 10
)

// Header says what a viewer must know of a trace.
type Header struct {
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Name      string         `json:"name"`
	Encodings []rfb.Encoding `json:"encodings"` // that its rectangles have
	Recorded  time.Time      `json:"recorded"`
	Source    string         `json:"source,omitempty"` // what was recorded
	Updates   int            `json:"updates"`
	Pixels    int64          `json:"pixels"`
	Duration  time.Duration  `json:"duration"` // nanoseconds, to the last update
}

// Update is one message with its time since the trace's beginning.
type Update struct {
	At      time.Duration
	Message []byte // a whole FramebufferUpdate, in rfb.RGB888
}

// Trace is a recorded screen.
type Trace struct {
	Header  Header
	Updates []Update
}

// Recorder puts a trace together.
type Recorder struct {
	trace Trace
	begin time.Time
	size  int
	err   error
}

// NewRecorder begins a trace of a screen.
func NewRecorder(width, height int, name, source string) *Recorder {
	return &Recorder{trace: Trace{Header: Header{Width: width, Height: height, Name: name, Source: source}}}
}

// Offer is what a recording viewer offers: exact pixels, as Xvnc compresses
// them for noVNC. Cursors are asked for so that they are not painted into the
// picture, and left out.
func Offer() []rfb.Encoding {
	return []rfb.Encoding{
		rfb.EncodingCopyRect, rfb.EncodingTight, rfb.EncodingRaw, rfb.CompressLevel(2), rfb.EncodingLastRect, rfb.EncodingCursor,
	}
}

// Add takes a server's message at a time. What is no update of pixels is left
// out.
func (r *Recorder) Add(message rfb.ServerMessage, now time.Time) {
	if message.Type != rfb.ServerFramebufferUpdate || r.err != nil {
		return
	}
	var rects []rfb.ServerRect
	for _, rect := range message.Rects {
		if rect.Encoding.Pixels() {
			rects = append(rects, rect)
		}
	}
	if len(rects) == 0 {
		return
	}
	header := &r.trace.Header
	out := rfb.AppendFramebufferUpdate(nil, uint16(len(rects)))
	for _, rect := range rects {
		out = append(rfb.AppendRect(out, rect.Rect), rect.Data...)
		header.Pixels += rect.Area()
		if !slices.Contains(header.Encodings, rect.Encoding) {
			header.Encodings = append(header.Encodings, rect.Encoding)
		}
	}
	if r.size += len(out); r.size > maxBytes {
		r.err = fmt.Errorf("the recording is larger than %d MiB", maxBytes>>20)
		return
	}
	if len(r.trace.Updates) == 0 {
		r.begin = now
		header.Recorded = now.UTC().Truncate(time.Second)
	}
	header.Updates++
	header.Duration = now.Sub(r.begin)
	r.trace.Updates = append(r.trace.Updates, Update{At: header.Duration, Message: out})
}

// Trace is what was recorded.
func (r *Recorder) Trace() (*Trace, error) {
	if r.err == nil && len(r.trace.Updates) == 0 {
		r.err = errors.New("no update came")
	}
	return &r.trace, r.err
}

// Write writes the trace.
func (t *Trace) Write(to io.Writer) error {
	header, err := json.Marshal(t.Header)
	if err != nil {
		return fmt.Errorf("coding a trace's header: %w", err)
	}
	packed, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(packed)
	out.WriteString(magic)
	out.Write(append(header, '\n'))
	var before time.Duration
	for _, u := range t.Updates {
		out.Write(binary.AppendUvarint(nil, uint64((u.At - before).Microseconds())))
		out.Write(binary.AppendUvarint(nil, uint64(len(u.Message))))
		out.Write(u.Message)
		before += (u.At - before).Truncate(time.Microsecond)
	}
	if err := errors.Join(out.Flush(), packed.Close()); err != nil {
		return fmt.Errorf("writing a trace: %w", err)
	}
	return nil
}

// Read reads a trace and checks that its messages are whole.
func Read(from io.Reader) (*Trace, error) {
	t, err := read(from)
	if err != nil {
		return nil, fmt.Errorf("reading a trace: %w", err)
	}
	return t, nil
}

func read(from io.Reader) (*Trace, error) {
	packed, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	in := bufio.NewReaderSize(io.LimitReader(packed, maxBytes+maxHeader), maxHeader)
	line, err := in.ReadSlice('\n')
	if err != nil || string(line) != magic {
		return nil, errors.New("it is none")
	}
	if line, err = in.ReadSlice('\n'); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	t := &Trace{}
	if err := json.Unmarshal(line, &t.Header); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if h := t.Header; h.Width < 1 || h.Height < 1 || h.Width > rfb.MaxDimension || h.Height > rfb.MaxDimension {
		return nil, fmt.Errorf("a screen of %d × %d", h.Width, h.Height)
	}
	var at time.Duration
	size := 0
	for {
		pause, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		length, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, noEOF(err)
		}
		if size += int(length); length > maxBytes || size > maxBytes || pause > uint64(24*time.Hour/time.Microsecond) {
			return nil, errors.New("it is larger or longer than any")
		}
		message, err := readExactly(in, int(length))
		if err != nil {
			return nil, noEOF(err)
		}
		at += time.Duration(pause) * time.Microsecond
		t.Updates = append(t.Updates, Update{At: at, Message: message})
	}
	return t, t.check()
}

// readExactly grows with what comes, not with what was announced.
func readExactly(in io.Reader, length int) ([]byte, error) {
	var out bytes.Buffer
	if _, err := io.CopyN(&out, in, int64(length)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// check walks over all messages: a server must not send half of one.
func (t *Trace) check() error {
	if len(t.Updates) == 0 {
		return errors.New("it holds no update")
	}
	walker := rfb.NewServerWalker(t.Init())
	for i, u := range t.Updates {
		if len(u.Message) == 0 {
			return fmt.Errorf("update %d is empty", i)
		}
		for rest := u.Message; len(rest) > 0; {
			n, _, err := walker.Next(rest)
			if err != nil {
				return fmt.Errorf("update %d: %w", i, err)
			}
			rest = rest[n:]
		}
		if !walker.Between() || walker.Message() != rfb.ServerFramebufferUpdate {
			return fmt.Errorf("update %d is not a whole framebuffer update", i)
		}
	}
	return nil
}

// Init is how a server that plays the trace introduces itself.
func (t *Trace) Init() rfb.ServerInit {
	return rfb.ServerInit{Width: uint16(t.Header.Width), Height: uint16(t.Header.Height), Format: rfb.RGB888(), Name: t.Header.Name}
}
