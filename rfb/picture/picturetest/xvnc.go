package picturetest

import (
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/rfbtest"
)

// patience is how long a test waits for another program, which on a loaded
// machine may take seconds to start.
const patience = 60 * time.Second

// Xvnc is a TigerVNC server of a test's own, whose screen the test draws on.
type Xvnc struct {
	server *rfbtest.Xvnc
	x      *x11
}

// StartXvnc starts a desktop of the size, which ends with the test.
func StartXvnc(t testing.TB, width, height int) *Xvnc {
	t.Helper()
	server := rfbtest.StartXvnc(t, "-geometry", fmt.Sprintf("%dx%d", width, height), "-br")
	return &Xvnc{server: server, x: dialX11(t, strings.TrimPrefix(server.Display, ":"))}
}

// Socket is the Unix socket on which it speaks RFB.
func (x *Xvnc) Socket() string { return x.server.Socket }

// Show puts a picture on the screen, and returns when Xvnc has it.
func (x *Xvnc) Show(t testing.TB, p *picture.Picture) {
	t.Helper()
	x.ShowAt(t, p, image.Point{})
}

// ShowAt puts one on a part of it.
func (x *Xvnc) ShowAt(t testing.TB, p *picture.Picture, at image.Point) {
	t.Helper()
	if err := x.x.put(p, at); err != nil {
		t.Fatal(err)
	}
}

// What can be held down, as Pointer tells it.
const (
	HeldShift   uint16 = 1 << 0
	HeldControl uint16 = 1 << 2
	HeldButton  uint16 = 1 << 8 // the first
)

// Pointer is where the pointer is, and what is held down.
func (x *Xvnc) Pointer(t testing.TB) (at image.Point, held uint16) {
	t.Helper()
	at, held, err := x.x.pointer()
	if err != nil {
		t.Fatal(err)
	}
	return at, held
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

// CPU is the processor time that Xvnc has used, in steps of 10 ms.
func (x *Xvnc) CPU(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", x.server.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// Behind the name, which may have blanks: the state, then numbers, of which
	// the 11th and 12th are the times in user and kernel.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	kernel, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+kernel) * tick
}

// Viewer is a client that has drawn what the desktop sent.
type Viewer struct {
	Picture *picture.Picture
	Bytes   int64            // of messages read
	Rects   []rfb.ServerRect // of the latest update; their data is gone at the next Update
	conn    net.Conn
	session *rfb.ClientSession
	reader  *rfb.ServerReader
	decoder *picture.Decoder
}

// Connect connects a viewer that asks for the encodings.
func (x *Xvnc) Connect(t testing.TB, encodings ...rfb.Encoding) *Viewer {
	t.Helper()
	conn, err := net.Dial("unix", x.server.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	v := &Viewer{
		conn: conn, session: session, decoder: picture.NewDecoder(),
		Picture: picture.New(int(session.Init.Width), int(session.Init.Height)),
		reader:  rfb.NewServerReader(session.Conn, session.Init, 0),
	}
	v.send(t, rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, rfb.RGB888()), encodings...))
	return v
}

func (v *Viewer) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := v.session.Conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// Update asks for what has changed, or for everything, and draws it when it has
// come. Only then may it be called again.
func (v *Viewer) Update(t testing.TB, incremental bool) {
	t.Helper()
	v.read(t, incremental, func(m rfb.ServerMessage) { Draw(t, v.decoder, v.Picture, m) })
}

// Skip is Update without drawing.
func (v *Viewer) Skip(t testing.TB, incremental bool) {
	t.Helper()
	v.read(t, incremental, func(rfb.ServerMessage) {})
}

func (v *Viewer) read(t testing.TB, incremental bool, draw func(rfb.ServerMessage)) {
	t.Helper()
	if err := v.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	width, height := v.reader.Walker().Size()
	v.send(t, rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: incremental, Width: width, Height: height}))
	for {
		m, err := v.reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		v.Bytes += int64(len(m.Raw))
		if m.Type == rfb.ServerFramebufferUpdate {
			v.Rects = m.Rects
			draw(m)
			return
		}
	}
}
