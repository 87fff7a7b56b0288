package relay

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// inBinary is the stream in a WebSocket's binary messages.
type inBinary struct {
	*websocket.Conn
	rest []byte
}

func (b *inBinary) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		_, message, err := b.ReadMessage()
		if err != nil {
			return 0, io.EOF
		}
		b.rest = message
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *inBinary) Write(p []byte) (int, error) {
	return len(p), b.WriteMessage(websocket.BinaryMessage, p)
}

func fresh(t *testing.T, x *picturetest.Xvnc) (net.Conn, rfb.ServerInit) {
	t.Helper()
	conn, err := net.Dial("unix", x.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return conn, session.Init
}

// A relay stops while the desktop draws and in the middle of the viewer's message,
// another takes its place in front of a fresh connection, and the viewer shows
// what the desktop does: several times over.
func TestHandsOverAndTakesBack(t *testing.T) {
	t.Parallel()
	for name, continuous := range map[string]bool{"continuous": true, "on request": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const width, height = 500, 400
			x := picturetest.StartXvnc(t, width, height)
			conn, socket := dialSocket(t, Timing{}, nobody{}, false)
			conn.SetReadDeadline(time.Time{})
			desktop, init := fresh(t, x)
			encodings := []rfb.Encoding{rfb.EncodingTight, rfb.EncodingCopyRect, rfb.EncodingDesktopSize, rfb.CompressLevel(2)}
			if continuous {
				encodings = append(encodings, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingLastRect, rfb.EncodingExtendedDesktopSize)
			}
			mirror := picturetest.Reflect(t, &inBinary{Conn: conn}, init, encodings...)

			type outcome struct {
				state State
				err   error
			}
			timing, seen := Timing{}.WithDefaults(), new(counts)
			options := Options{Policy: Policy{Control: true}, Observer: seen, Timing: &timing}
			run := func() <-chan outcome {
				ran := make(chan outcome, 1)
				go func() {
					state, err := Run(socket, desktop, init, options)
					ran <- outcome{state, err}
				}()
				return ran
			}
			random := rand.New(rand.NewPCG(1, 1))
			show := func() *picture.Picture {
				p := picturetest.Random(random, width, height)
				x.Show(t, p)
				return p
			}
			for cycle := range 6 {
				ran := run()
				p := show()
				mirror.Shows(p)
				half := rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 300, Y: uint16(200 + cycle)})
				show()
				mirror.SendAround(half[:3], half[3:], socket.Yield)
				got := <-ran
				if !errors.Is(got.err, ErrYielded) {
					t.Fatalf("Run = %v", got.err)
				}
				desktop.Close()
				if !got.state.Resumable() || got.state.Width != width || got.state.Continuous.Enable != continuous {
					t.Fatalf("state %+v", got.state)
				}
				// What a hub would send last: a rectangle that resets Tight's streams.
				reset := rfb.AppendTightFill(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 1, Height: 1, Encoding: rfb.EncodingTight}, 0xF, []byte{9, 9, 9})
				if _, err := socket.Write(reset); err != nil {
					t.Fatal(err)
				}
				desktop, init = fresh(t, x)
				options.Resume = &got.state
			}
			ran := run()
			p := show()
			mirror.Shows(p)
			if ends := mirror.Count(rfb.ServerEndOfContinuousUpdates); continuous && ends != 1 || !continuous && ends != 0 {
				t.Errorf("the viewer was told %d times that continuous updates are known", ends)
			}
			if continuous && seen.ages.Load() == 0 {
				t.Error("no age was measured")
			}
			conn.Close()
			if got := <-ran; !errors.Is(got.err, ErrViewerGone) {
				t.Errorf("Run = %v", got.err)
			}
		})
	}
}
