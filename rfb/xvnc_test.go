package rfb_test

import (
	"flag"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/rfbtest"
)

// record makes the files in testdata again, from the programs of this machine:
//
//	apt-get install tigervnc-standalone-server tigervnc-viewer tigervnc-tools openbox xterm x11-apps x11-xserver-utils xdotool xclip chromium websockify
//	(cd web && npm ci)
//	go test ./rfb -run 'Record' -record
var record = flag.Bool("record", false, "make the recordings in testdata again")

// patience is how long a test waits for another program, which on a loaded
// machine may take seconds to start.
const patience = 60 * time.Second

// need returns the program's path. A machine without it skips the test, except
// where everything must be tested.
func need(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	const format = "%s is not installed: apt-get install %s (or make deps-test)"
	if os.Getenv("CI") == "true" || *record {
		t.Fatalf(format, program, debianPackage)
	}
	t.Skipf(format, program, debianPackage)
	return ""
}

// xvnc is a TigerVNC server of a test's own.
type xvnc struct {
	display string // ":7"
	socket  string // where it speaks RFB
}

func startXvnc(t testing.TB, args ...string) *xvnc {
	t.Helper()
	x := rfbtest.StartXvnc(t, args...)
	return &xvnc{display: x.Display, socket: x.Socket}
}

// begin starts the program in a process group of its own and ends the group
// with the test.
func begin(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
}

// command is a program on the display, not started.
func (x *xvnc) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+x.display, "LANG=C.UTF-8")
	return cmd
}

// start runs an X client until the test ends.
func (x *xvnc) start(t testing.TB, program string, args ...string) {
	t.Helper()
	begin(t, x.command(need(t, program, "x11-apps xterm openbox xclip xdotool"), args...))
}

// run runs an X client to its end.
func (x *xvnc) run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := x.command(need(t, program, "x11-apps xterm openbox xclip xdotool tigervnc-tools"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// dial connects and gives the connection a deadline.
func (x *xvnc) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", x.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// busy fills the display with things that change: scrolling text, a clock,
// eyes that follow the pointer.
func (x *xvnc) busy(t testing.TB) {
	t.Helper()
	x.run(t, "xsetroot", "-solid", "steelblue")
	x.start(t, "xclock", "-geometry", "120x120+240+10", "-update", "1")
	x.start(t, "xeyes", "-geometry", "120x80+240+150")
	x.start(t, "xterm", "-geometry", "36x16+0+0", "-fg", "wheat", "-bg", "black", "-e", "sh", "-c",
		`while :; do for f in /usr/share/doc/*; do echo "$f"; sleep 0.02; done; done`)
	x.start(t, "sh", "-c", `i=0; while :; do i=$((i+7)); xdotool mousemove $((i%320)) $((i*3%240)); sleep 0.05; done`)
}

// peer is a client of a desktop, driven by a test.
type peer struct {
	t       testing.TB
	conn    net.Conn
	session *rfb.ClientSession
	reader  *rfb.ServerReader
	ask     bool // ask for the next update after each

	messages map[rfb.ServerMessageType]int
	rects    map[rfb.Encoding]int
	last     rfb.ServerMessage
}

// connect shakes hands and, when tee is not nil, gives it all that follows
// ServerInit.
func (x *xvnc) connect(t testing.TB, config rfb.ClientConfig, tee io.Writer) *peer {
	t.Helper()
	conn := x.dial(t)
	session, err := rfb.ClientHandshake(conn, config)
	if err != nil {
		t.Fatal(err)
	}
	var stream io.Reader = session.Conn
	if tee != nil {
		stream = io.TeeReader(stream, tee)
	}
	return &peer{
		t: t, conn: conn, session: session, ask: true,
		reader:   rfb.NewServerReader(stream, session.Init, 0),
		messages: map[rfb.ServerMessageType]int{},
		rects:    map[rfb.Encoding]int{},
	}
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.session.Conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// request asks for the whole framebuffer.
func (p *peer) request(incremental bool) {
	p.t.Helper()
	width, height := p.reader.Walker().Size()
	p.send(rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: incremental, Width: width, Height: height}))
}

// until reads messages, answers fences, asks for updates, and returns when the
// condition holds after a message.
func (p *peer) until(what string, condition func() bool) {
	p.t.Helper()
	for {
		m, err := p.reader.Read()
		if err != nil {
			p.t.Fatalf("waiting for %s, with %v %v: %v", what, p.messages, p.rects, err)
		}
		p.last = m
		p.messages[m.Type]++
		for _, r := range m.Rects {
			p.rects[r.Encoding]++
		}
		if fence, ok := m.Fence(); ok && fence.Flags&rfb.FenceRequest != 0 {
			p.send(rfb.AppendClientFence(nil, fence.Answer()))
		}
		if m.Type == rfb.ServerFramebufferUpdate && p.ask {
			p.request(true)
		}
		if condition() {
			return
		}
	}
}

// rect returns the first rectangle of the encoding in the last message.
func (p *peer) rect(encoding rfb.Encoding) (rfb.ServerRect, bool) {
	for _, r := range p.last.Rects {
		if r.Encoding == encoding {
			return r, true
		}
	}
	return rfb.ServerRect{}, false
}
