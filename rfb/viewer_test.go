package rfb_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// handshake is what a viewer of version 3.8 says before its first message: the
// version, security type None, ClientInit.
const handshake = "RFB 003.008\n\x01\x01"

// TestRecordViewers makes testdata/viewer-*.rfb.gz again when told to: what real
// viewers send to a real Xvnc, from their first byte on.
func TestRecordViewers(t *testing.T) {
	if !*record {
		t.Skip("run with -record to make testdata again")
	}
	t.Run("viewer-tigervnc", func(t *testing.T) {
		window := startXvnc(t, "-SecurityTypes", "None", "-geometry", "800x600") // where the viewer's window is
		recordViewer(t, "viewer-tigervnc", func(address string) {
			window.start(t, "openbox")
			host, port, _ := net.SplitHostPort(address)
			window.start(t, need(t, "xtigervncviewer", "tigervnc-viewer"), "-Shared", "-RemoteResize", "-QualityLevel", "7", "-AutoSelect=0", "-FullColor=0", host+"::"+port)
			window.start(t, "sh", "-c", `while :; do
				xdotool mousemove --sync 400 300 click 1 click 3 click 4 click 5 click 8
				xdotool key a Shift_L Caps_Lock Right
				echo "Grüße" | xclip -selection clipboard -i
				xdotool mousemove --sync 10 590; xdotool getactivewindow windowsize $((500 + RANDOM % 50)) 400
				sleep 0.5; done`)
		}, []string{"SetPixelFormat", "SetEncodings", "FramebufferUpdateRequest", "PointerEvent", "ClientQEMU",
			"ClientCutText extended", "ClientFence", "EnableContinuousUpdates", "SetDesktopSize"})
	})
	t.Run("viewer-novnc", func(t *testing.T) {
		recordViewer(t, "viewer-novnc", func(address string) {
			browse(t, address)
		}, []string{"SetPixelFormat", "SetEncodings", "FramebufferUpdateRequest", "KeyEvent", "PointerEvent", "ClientQEMU",
			"ClientCutText extended", "ClientFence", "EnableContinuousUpdates", "SetDesktopSize"})
	})
}

// page drives noVNC the way a person would.
const page = `<!doctype html><body style="margin:0;width:640px;height:480px"><script type="module">
import RFB from './novnc/core/rfb.js';
const rfb = new RFB(document.body, 'ws://' + location.host + '/websockify', {shared: true});
rfb.resizeSession = true;
rfb.qualityLevel = 7;
const mouse = (type, x, buttons) => document.querySelector('canvas').dispatchEvent(
  new MouseEvent(type, {clientX: x, clientY: 99, buttons, bubbles: true, cancelable: true}));
rfb.addEventListener('connect', () => setInterval(() => {
  rfb.sendKey(0x61, 'KeyA'); rfb.sendKey(0xe4); rfb.sendCtrlAltDel();
  for (const [x, buttons] of [[50, 0], [51, 1], [52, 0], [53, 2], [54, 8], [55, 16]]) {
    mouse(buttons ? 'mousedown' : 'mouseup', x, buttons); mouse('mousemove', x + 7, buttons);
  }
  document.querySelector('canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: 120, clientX: 9, clientY: 9, bubbles: true, cancelable: true}));
  rfb.clipboardPasteFrom('Grüße, 世界 ' + Math.random());
  document.body.style.width = (600 + Math.floor(Math.random() * 100)) + 'px';
}, 700));
</script>`

func browse(t *testing.T, address string) {
	t.Helper()
	novnc, err := filepath.Abs("../web/node_modules/@novnc/novnc")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Symlink(novnc, filepath.Join(root, "novnc")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "page.html"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a free port
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	begin(t, exec.Command(need(t, "websockify", "websockify"), "--web", root, listener.Addr().String(), address))
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	begin(t, exec.Command(need(t, "chromium", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", fmt.Sprintf("http://%s/page.html", listener.Addr())))
}

// recordViewer puts itself between a viewer and an Xvnc, until the viewer has
// sent all kinds of messages.
func recordViewer(t *testing.T, name string, launch func(address string), kinds []string) {
	x := startXvnc(t, "-SecurityTypes", "None", "-geometry", "360x240")
	x.start(t, "xclock", "-update", "1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	launch(listener.Addr().String())
	viewer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	viewer.SetDeadline(time.Now().Add(patience))
	server := x.dial(t)
	var back sync.WaitGroup
	back.Go(func() { io.Copy(viewer, server) })
	var stream []byte
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	seen := map[string]int{}
	buffer := make([]byte, 4096)
	for missing := ""; ; {
		n, err := viewer.Read(buffer)
		if err != nil {
			t.Fatalf("%v, after %v, without %s", err, seen, missing)
		}
		server.Write(buffer[:n])
		before := max(len(stream), len(handshake))
		stream = append(stream, buffer[:n]...)
		if len(stream) > before {
			for _, m := range parse(t, parser, stream[before:]) {
				seen[kind(m)]++
			}
		}
		i := slices.IndexFunc(kinds, func(k string) bool { return seen[k] == 0 || k == "ClientCutText extended" && seen[k] < 3 })
		if i < 0 && parser.Between() {
			break
		}
		if i >= 0 {
			missing = kinds[i]
		}
	}
	viewer.Close()
	server.Close()
	back.Wait()
	save(t, name, stream)
	writeGolden(t, name, summariseViewer(t, stream))
}

// parse returns copies of the messages that the parser finds in p.
func parse(t testing.TB, parser *rfb.ClientParser, p []byte) []rfb.ClientMessage {
	t.Helper()
	var messages []rfb.ClientMessage
	for len(p) > 0 {
		n, m, err := parser.Next(p)
		if err != nil {
			t.Fatal(err)
		}
		if m.Raw != nil {
			m.Raw = slices.Clone(m.Raw)
			messages = append(messages, m)
		}
		p = p[n:]
	}
	return messages
}

func kind(m rfb.ClientMessage) string {
	if cut, _, ok := m.CutText(); ok && cut.Extended {
		return m.Type.String() + " extended"
	}
	return m.Type.String()
}

// summariseViewer counts the messages of a viewer's stream, and spells out those
// that are always the same.
func summariseViewer(t testing.TB, stream []byte) string {
	t.Helper()
	if !bytes.HasPrefix(stream, []byte(handshake)) {
		t.Fatalf("begins with %q", stream[:20])
	}
	counts := map[string]int{}
	for _, m := range parse(t, rfb.NewClientParser(rfb.ClientLimits{}), stream[len(handshake):]) {
		name := kind(m)
		switch {
		case m.Type == rfb.ClientSetEncodings:
			encodings, _ := m.Encodings()
			name += fmt.Sprintf(" %v", encodings)
		case m.Type == rfb.ClientSetPixelFormat:
			format, _ := m.PixelFormat()
			name += fmt.Sprintf(" %+v synced %v", format, m.Synced)
		case m.Type == rfb.ClientCutText:
			cut, _, _ := m.CutText()
			name += fmt.Sprintf(" flags %#x", uint32(cut.Flags))
		}
		counts[name]++
	}
	var lines []string
	for name, n := range counts {
		lines = append(lines, fmt.Sprintf("message %s: %d", name, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// TestViewersAreParsed checks the recordings of viewers, and that it makes no
// difference how the bytes come.
func TestViewersAreParsed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"viewer-novnc", "viewer-tigervnc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := load(t, name)
			golden, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			if got := summariseViewer(t, stream); got != string(golden) {
				t.Errorf("parsed\n%s\nrecorded\n%s", got, golden)
			}

			// What the viewer said first is a handshake that the server takes.
			session, err := rfb.ServerHandshake(readWriter{bytes.NewReader(stream), io.Discard}, rfb.ServerConfig{})
			if err != nil || session.Version != rfb.Version38 || !session.Shared {
				t.Fatalf("%+v, %v", session, err)
			}

			stream = stream[len(handshake):]
			want := parse(t, rfb.NewClientParser(rfb.ClientLimits{}), stream)
			random := rand.New(rand.NewPCG(3, 4))
			for range 20 {
				parser := rfb.NewClientParser(rfb.ClientLimits{})
				var got []rfb.ClientMessage
				for rest, most := stream, 1+random.IntN(300); len(rest) > 0; {
					n := min(1+random.IntN(most), len(rest))
					got = append(got, parse(t, parser, rest[:n])...)
					rest = rest[n:]
				}
				if !slices.EqualFunc(got, want, sameMessage) {
					t.Fatal("pieces make a difference")
				}
			}
			var joined []byte
			for _, m := range want {
				joined = append(joined, m.Raw...)
			}
			if !bytes.Equal(joined, stream) {
				t.Error("messages are not the stream")
			}
		})
	}
}

func sameMessage(a, b rfb.ClientMessage) bool {
	return a.Type == b.Type && a.Synced == b.Synced && bytes.Equal(a.Raw, b.Raw)
}
