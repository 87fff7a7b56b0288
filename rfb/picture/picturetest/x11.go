package picturetest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"net"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb/picture"
)

// x11 is as much of an X client as draws pictures on the root window: a test that
// compares encoders must show both the same pixels at the same moment.
type x11 struct {
	conn          net.Conn
	answers       *bufio.Reader
	root, context uint32
}

// Of the X protocol, version 11.
const (
	x11QueryPointer  = 38
	x11CreateGC      = 55
	x11PutImage      = 72
	x11GetInputFocus = 43
	x11ZPixmap       = 2
	x11AnswerSize    = 32
	x11IncludeChild  = 1
	x11SubwindowMode = 1 << 15
	// x11MaxRequest is the longest request without an extension, in bytes.
	x11MaxRequest = 4 * 0xFFFF
)

func dialX11(t testing.TB, display string) *x11 {
	t.Helper()
	conn, err := net.Dial("unix", "/tmp/.X11-unix/X"+display)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	x := &x11{conn: conn, answers: bufio.NewReader(conn)}
	if err := x.begin(); err != nil {
		t.Fatalf("beginning with the X server: %v", err)
	}
	return x
}

func (x *x11) begin() error {
	if err := x.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	// Little-endian, version 11.0, no authorization.
	if _, err := x.conn.Write([]byte{'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(x.answers, head[:]); err != nil {
		return err
	}
	body := make([]byte, 4*int(binary.LittleEndian.Uint16(head[6:])))
	if _, err := io.ReadFull(x.answers, body); err != nil {
		return err
	}
	if head[0] != 1 {
		return fmt.Errorf("refused: %q", body)
	}
	le := binary.LittleEndian
	vendor, formats := int(le.Uint16(body[16:])), int(body[21])
	screen := body[32+(vendor+3)/4*4+8*formats:]
	x.root, x.context = le.Uint32(screen), le.Uint32(body[4:])
	b := le.AppendUint32([]byte{x11CreateGC, 0, 5, 0}, x.context)
	b = le.AppendUint32(b, x.root)
	b = le.AppendUint32(b, x11SubwindowMode)
	b = le.AppendUint32(b, x11IncludeChild)
	_, err := x.conn.Write(b)
	return err
}

// put draws the picture at a place of the screen, and returns when it is there.
func (x *x11) put(p *picture.Picture, at image.Point) error {
	if err := x.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	const head = 24
	le := binary.LittleEndian
	rows := (x11MaxRequest - head) / (p.Width * picture.BytesPerPixel)
	var b []byte
	for y := 0; y < p.Height; y += rows {
		n := min(rows, p.Height-y)
		pixels := p.Pix[y*p.Width*picture.BytesPerPixel:][:n*p.Width*picture.BytesPerPixel]
		b = le.AppendUint16(append(b, x11PutImage, x11ZPixmap), uint16((head+len(pixels))/4))
		b = le.AppendUint32(le.AppendUint32(b, x.root), x.context)
		b = le.AppendUint16(le.AppendUint16(b, uint16(p.Width)), uint16(n))
		b = le.AppendUint16(le.AppendUint16(b, uint16(at.X)), uint16(at.Y+y))
		b = append(b, 0, 24, 0, 0) // no padding to the left, depth
		b = append(b, pixels...)
	}
	b = append(b, x11GetInputFocus, 0, 1, 0) // its answer comes when all is drawn
	if _, err := x.conn.Write(b); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	if _, err := x.answer(); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	return nil
}

// answer reads the next answer, past what every client is told, such as that the
// keyboard's mapping has changed.
func (x *x11) answer() (answer [x11AnswerSize]byte, err error) {
	for {
		if _, err := io.ReadFull(x.answers, answer[:]); err != nil {
			return answer, err
		}
		switch answer[0] {
		case 0:
			return answer, fmt.Errorf("the X server answers with error %d", answer[1])
		case 1:
			return answer, nil
		}
	}
}

// pointer asks where the pointer is and what is held down.
func (x *x11) pointer() (at image.Point, held uint16, err error) {
	if err := x.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return at, 0, err
	}
	le := binary.LittleEndian
	if _, err := x.conn.Write(le.AppendUint32([]byte{x11QueryPointer, 0, 2, 0}, x.root)); err != nil {
		return at, 0, fmt.Errorf("asking for the pointer: %w", err)
	}
	answer, err := x.answer()
	if err != nil {
		return at, 0, fmt.Errorf("asking for the pointer: %w", err)
	}
	return image.Pt(int(le.Uint16(answer[16:])), int(le.Uint16(answer[18:]))), le.Uint16(answer[24:]), nil
}
