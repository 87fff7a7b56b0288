package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/rfb"
)

// xvnc is a real desktop on a Unix socket.
type xvnc struct {
	t       *testing.T
	display string
	address string
	process *os.Process
}

func newXvnc(t *testing.T) *xvnc {
	t.Helper()
	if _, err := exec.LookPath("Xvnc"); err != nil {
		t.Skip("Xvnc is not installed")
	}
	x := &xvnc{t: t}
	for range 10 { // a display may be taken; with -displayfd servers that start at once take the same one
		path := filepath.Join(t.TempDir(), "rfb.sock")
		display := fmt.Sprintf(":%d", 1000+rand.IntN(30000))
		command := exec.Command("Xvnc", display, "-rfbunixpath", path, "-rfbport", "-1", "-SecurityTypes", "None",
			"-AlwaysShared", "-geometry", "640x480", "-depth", "24", "-nolisten", "tcp", "-SendPrimary=0")
		ended := x.start(command)
		for ended != nil {
			select {
			case <-ended:
				ended = nil
				continue
			case <-time.After(10 * time.Millisecond): // between tries
			}
			if conn, err := net.Dial("unix", path); err == nil {
				conn.Close()
				x.display, x.address, x.process = display, "unix:"+path, command.Process
				return x
			}
		}
	}
	t.Fatal("Xvnc does not start")
	return nil
}

// start runs a program until the test ends. The channel is closed when it has
// ended.
func (x *xvnc) start(command *exec.Cmd) <-chan struct{} {
	x.t.Helper()
	if x.display != "" {
		command.Env = append(os.Environ(), "DISPLAY="+x.display)
	}
	if err := command.Start(); err != nil {
		x.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command.Wait()
	}()
	x.t.Cleanup(func() { command.Process.Kill(); <-ended })
	return ended
}

// run runs a program to its end and returns what it said.
func (x *xvnc) run(name string, args ...string) string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "DISPLAY="+x.display)
	out, err := command.Output()
	if err != nil {
		x.t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// pointer is where the desktop has its pointer: "x:1 y:2 …".
func (x *xvnc) pointer() string { return x.run("xdotool", "getmouselocation") }

// typist opens a window that writes the line that is typed into it to a file.
func (x *xvnc) typist() (line func() string) {
	x.t.Helper()
	path := filepath.Join(x.t.TempDir(), "line")
	x.start(exec.Command("xterm", "-geometry", "60x20+0+0", "-e", "sh", "-c", `read line; printf %s "$line" >"$0.new"; mv "$0.new" "$0"; sleep 60`, path))
	x.run("xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm")
	return func() string {
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			x.t.Fatal(err)
		}
		return string(text)
	}
}

// keys types text, with Return after it.
func keys(text string) []byte {
	var b []byte
	for _, r := range text {
		b = rfb.AppendKeyEvent(b, rfb.KeyEvent{Down: true, Keysym: uint32(r)})
		b = rfb.AppendKeyEvent(b, rfb.KeyEvent{Keysym: uint32(r)})
	}
	const enter = 0xff0d
	return rfb.AppendKeyEvent(rfb.AppendKeyEvent(b, rfb.KeyEvent{Down: true, Keysym: enter}), rfb.KeyEvent{Keysym: enter})
}

var wholeScreen = rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Width: 640, Height: 480})

// settle makes sure that the desktop has handled all that the viewer sent: it
// asks for the screen and waits for it.
func (v *viewer) settle() {
	v.t.Helper()
	v.send(wholeScreen)
	v.next("the screen", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerFramebufferUpdate && len(m.Rects) > 0 })
}

func TestXvncPixelsAndInput(t *testing.T) {
	t.Parallel()
	x := newXvnc(t)
	h := newHouse(t, nil)
	desk := &desktop{address: x.address}
	line := x.typist()

	v, session := h.open(desk)
	if v.init.Width != 640 || v.init.Height != 480 {
		t.Errorf("desktop of %dx%d", v.init.Width, v.init.Height)
	}
	encodings := []rfb.Encoding{
		rfb.EncodingTight, rfb.EncodingZRLE, rfb.EncodingCopyRect, rfb.EncodingRaw, rfb.JPEGQuality(6), rfb.EncodingCursor,
		rfb.EncodingLastRect, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingExtendedDesktopSize, 4711,
	}
	v.send(rfb.AppendSetEncodings(nil, encodings...))
	v.settle()
	if h.metric("filtered_total", "encoding") != 1 {
		t.Error("the unknown encoding was not taken out")
	}

	// A viewer that may only watch: nothing of what it does reaches the desktop.
	before := x.pointer()
	watcher, _ := h.open(desk, streamspace.PermissionView)
	watcher.send(slices.Concat(
		rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 333, Y: 222}),
		keys("watcher"),
		rfb.AppendQEMUKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'q', Keycode: 16}),
		rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 320, Height: 200, Screens: []rfb.Screen{{Width: 320, Height: 200}}}),
		rfb.AppendClientCutText(nil, "watcher's"),
		rfb.AppendClientXVP(nil, 1, rfb.XVPReboot),
	))
	watcher.settle()
	if after := x.pointer(); after != before {
		t.Errorf("a watcher moved the pointer: %s to %s", before, after)
	}
	if got := line(); got != "" {
		t.Errorf("a watcher typed %q", got)
	}
	if size := x.run("xdotool", "getdisplaygeometry"); size != "640 480\n" {
		t.Errorf("a watcher resized the desktop to %s", size)
	}

	v.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 100, Y: 100}))
	eventually(t, "the pointer to move", func() bool { return strings.HasPrefix(x.pointer(), "x:100 y:100 ") })
	v.send(keys("hello"))
	eventually(t, "the typed line", func() bool { return line() != "" })
	if got := line(); got != "hello" {
		t.Errorf("typed %q", got)
	}
	v.send(rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 800, Height: 600, Screens: []rfb.Screen{{Width: 800, Height: 600}}}))
	eventually(t, "the resize", func() bool { return x.run("xdotool", "getdisplaygeometry") == "800 600\n" })

	// The desktop dies under both.
	x.process.Kill()
	v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
	watcher.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
	eventually(t, "the touch", func() bool {
		at, _ := h.broker.LastTouch(context.Background(), session)
		return !at.IsZero()
	})
}

func TestXvncClipboard(t *testing.T) {
	t.Parallel()
	x := newXvnc(t)
	h := newHouse(t, nil)
	desk := &desktop{address: x.address}
	encodings := rfb.AppendSetEncodings(nil, rfb.EncodingTight)
	both, _ := h.open(desk)
	onlyIn, _ := h.open(desk, streamspace.PermissionView, streamspace.PermissionClipboardIn)
	onlyOut, _ := h.open(desk, streamspace.PermissionView, streamspace.PermissionClipboardOut)
	none, _ := h.open(desk, streamspace.PermissionView, streamspace.PermissionControl)
	all := []*viewer{both, onlyIn, onlyOut, none}
	for _, v := range all {
		v.send(encodings)
		v.settle()
	}

	copied := func(text string) {
		command := exec.Command("xclip", "-selection", "clipboard", "-quiet")
		command.Stdin = strings.NewReader(text)
		command.Stdout, command.Stderr = io.Discard, io.Discard
		x.start(command)
	}
	pasted := func() string {
		command := exec.Command("xclip", "-selection", "clipboard", "-o")
		command.Env = append(os.Environ(), "DISPLAY="+x.display)
		out, _ := command.Output() // fails while nobody owns the clipboard
		return string(out)
	}
	isCut := func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerCutText }

	copied("from the desktop")
	for _, v := range []*viewer{both, onlyOut} {
		m := v.next("the clipboard", isCut)
		if _, text, _ := m.CutText(); string(text) != "from the desktop" {
			t.Errorf("clipboard %q", text)
		}
	}
	for name, v := range map[string]*viewer{"only in": onlyIn, "none": none} {
		v.send(wholeScreen)
		v.next("the screen", func(m rfb.ServerMessage) bool {
			if isCut(m) {
				t.Errorf("%s: the desktop's clipboard came out", name)
			}
			return m.Type == rfb.ServerFramebufferUpdate
		})
	}

	for _, v := range []*viewer{onlyOut, none} {
		v.send(rfb.AppendClientCutText(nil, "forbidden"))
		v.settle()
	}
	if got := pasted(); got != "from the desktop" {
		t.Errorf("the desktop's clipboard became %q", got)
	}
	for _, v := range []*viewer{both, onlyIn} {
		text := "from viewer " + time.Now().String()
		v.send(rfb.AppendClientCutText(nil, text))
		eventually(t, "the viewer's clipboard", func() bool { return pasted() == text })
	}
}

// TestXvncBytesAreUntouched compares a stream through the gateway with the
// same screen fetched directly.
func TestXvncBytesAreUntouched(t *testing.T) {
	t.Parallel()
	x := newXvnc(t)
	x.run("xsetroot", "-mod", "16", "5", "-fg", "red", "-bg", "blue")
	h := newHouse(t, nil)
	v, _ := h.open(&desktop{address: x.address}, streamspace.PermissionView)
	v.send(rfb.AppendSetEncodings(nil, rfb.EncodingRaw))
	fetch := func(write io.Writer, reader *rfb.ServerReader) []byte {
		if _, err := write.Write(wholeScreen); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := reader.Read()
			if err != nil {
				t.Fatal(err)
			}
			if m.Type == rfb.ServerFramebufferUpdate && len(m.Raw) > 640*480*4 {
				return bytes.Clone(m.Raw)
			}
		}
	}
	through := fetch(v, v.reader)
	conn, err := net.Dial("unix", strings.TrimPrefix(x.address, "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(rfb.AppendSetEncodings(nil, rfb.EncodingRaw))
	direct := fetch(conn, rfb.NewServerReader(conn, session.Init, 0))
	if !bytes.Equal(through, direct) {
		t.Errorf("%d bytes through the gateway differ from %d direct ones", len(through), len(direct))
	}
}
