package relay

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// watcher draws what it is sent and answers fences, as a browser does.
type watcher struct {
	t        *testing.T
	conn     *websocket.Conn
	requests bool // asks for each update

	writing sync.Mutex

	mu      sync.Mutex
	picture *picture.Picture // guarded by mu
	updates int              // guarded by mu
	ends    int              // guarded by mu; EndOfContinuousUpdates that came
}

func (w *watcher) send(b []byte) {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.conn.WriteMessage(websocket.BinaryMessage, b) // what reads notices an end
}

func (w *watcher) whole(incremental bool) []byte {
	return rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: incremental, Width: uint16(w.picture.Width), Height: uint16(w.picture.Height)})
}

// Read is the stream in the WebSocket's messages.
func (w *watcher) Read(p []byte) (int, error) {
	_, r, err := w.conn.NextReader()
	if err != nil {
		return 0, io.EOF
	}
	b, err := io.ReadAll(r)
	if len(b) > len(p) {
		return 0, io.ErrShortBuffer
	}
	return copy(p, b), err
}

// watch draws until the connection ends.
func (w *watcher) watch(init rfb.ServerInit) {
	reader, writer := io.Pipe()
	var copying sync.WaitGroup
	copying.Go(func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{writer}, w, make([]byte, 1<<20))
		writer.CloseWithError(err)
	})
	defer copying.Wait()
	defer reader.Close()
	decoder, messages := picture.NewDecoder(), rfb.NewServerReader(reader, init, 0)
	for {
		m, err := messages.Read()
		if err != nil {
			return
		}
		if fence, ok := m.Fence(); ok && fence.Flags&rfb.FenceRequest != 0 {
			w.send(rfb.AppendClientFence(nil, fence.Answer()))
		}
		w.mu.Lock()
		switch m.Type {
		case rfb.ServerEndOfContinuousUpdates:
			w.ends++
		case rfb.ServerFramebufferUpdate:
			picturetest.Draw(w.t, decoder, w.picture, m)
			w.updates++
		}
		w.mu.Unlock()
		if m.Type == rfb.ServerFramebufferUpdate && w.requests {
			w.send(w.whole(true))
		}
	}
}

func (w *watcher) await(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) { // between looks
		w.mu.Lock()
		ok := done()
		w.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
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
			w := &watcher{t: t, conn: conn, requests: !continuous, picture: picture.New(width, height)}
			desktop, init := fresh(t, x)
			canonical := init
			canonical.Format = rfb.RGB888()
			var watching sync.WaitGroup
			watching.Go(func() { w.watch(canonical) })
			t.Cleanup(func() { conn.Close(); watching.Wait() })

			encodings := []rfb.Encoding{rfb.EncodingTight, rfb.EncodingCopyRect, rfb.EncodingDesktopSize, rfb.CompressLevel(2)}
			if continuous {
				encodings = append(encodings, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingLastRect, rfb.EncodingExtendedDesktopSize)
			}
			w.send(rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, rfb.RGB888()), encodings...))
			w.send(w.whole(false))
			if continuous {
				w.send(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: width, Height: height}))
			}

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
				w.await("the viewer shows the picture", func() bool { return w.picture.Equal(p, p.Bounds()) })
				half := rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 300, Y: uint16(200 + cycle)})
				show()
				w.writing.Lock()
				conn.WriteMessage(websocket.BinaryMessage, half[:3])
				socket.Yield()
				conn.WriteMessage(websocket.BinaryMessage, half[3:])
				w.writing.Unlock()
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
			w.await("the viewer shows the last picture", func() bool { return w.picture.Equal(p, p.Bounds()) })
			w.mu.Lock()
			if ends := w.ends; continuous && ends != 1 || !continuous && ends != 0 {
				t.Errorf("the viewer was told %d times that continuous updates are known", ends)
			}
			w.mu.Unlock()
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
