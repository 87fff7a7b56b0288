package hub_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come, on a machine that does
// much else.
const patience = 3 * time.Minute

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond) // between looks, which hold the viewer up
	}
}

// connect returns a connection to the desktop that has just sent Init.
func connect(t *testing.T, x *picturetest.Xvnc) (net.Conn, rfb.ServerInit) {
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

// serve runs a hub until the test ends.
func serve(t *testing.T, up hub.Upstream, options hub.Options) (h *hub.Hub, ended <-chan error) {
	t.Helper()
	h = hub.New(up, options)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		over <- h.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-stopped })
	return h, over
}

// desktop runs a hub in front of a real Xvnc.
func desktop(t *testing.T, width, height int) (*picturetest.Xvnc, *hub.Hub) {
	t.Helper()
	return desktopWith(t, width, height, hub.Options{})
}

func desktopWith(t *testing.T, width, height int, options hub.Options) (*picturetest.Xvnc, *hub.Hub) {
	t.Helper()
	x := picturetest.StartXvnc(t, width, height)
	conn, init := connect(t, x)
	h, _ := serve(t, hub.Upstream{Conn: conn, Init: init}, options)
	select {
	case <-h.Ready():
	case <-time.After(patience):
		t.Fatal("the hub does not get a picture")
	}
	return x, h
}

// deaf observes nothing.
type deaf struct{}

func (deaf) Moved(relay.Direction, int)       {}
func (deaf) Updated(int, int)                 {}
func (deaf) Withheld(string, relay.Direction) {}
func (deaf) Input()                           {}
func (deaf) Slow(bool)                        {}
func (deaf) FrameAge(time.Duration)           {}
func (deaf) ClickToPixel(time.Duration)       {}

// nobody measures nothing.
type nobody struct{}

func (nobody) PingSent()                  {}
func (nobody) RoundTrip(time.Duration)    {}
func (nobody) WriteStalled(time.Duration) {}

// sockets returns both ends of a viewer's WebSocket.
func sockets(t *testing.T) (*websocket.Conn, *relay.Socket) {
	t.Helper()
	timing := relay.Timing{Linger: 100 * time.Millisecond, WriteStall: time.Hour}.WithDefaults()
	accepted := make(chan *relay.Socket, 1)
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		accepted <- relay.NewSocket(conn.NetConn(), relay.NewBuffers(), &timing, nobody{})
	}))
	t.Cleanup(server.Close)
	client, response, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	socket := <-accepted
	t.Cleanup(func() { client.Close(); socket.Kill() })
	return client, socket
}

// watcher is a viewer that draws what it gets.
type watcher struct {
	t        *testing.T
	conn     *websocket.Conn
	socket   *relay.Socket
	serving  sync.WaitGroup
	served   chan error  // what Serve returned
	state    relay.State // owned by whoever heard from served
	requests bool        // asks for each update
	mute     bool        // does not answer fences
	init     rfb.ServerInit

	writing sync.Mutex

	mu      sync.Mutex
	picture *picture.Picture // guarded by mu
	format  rfb.PixelFormat
	updates int                 // guarded by mu
	others  []rfb.ServerMessage // guarded by mu; messages that are no updates
	rects   []rfb.ServerRect    // guarded by mu; rectangles without pixels
	pixels  []rfb.Encoding      // guarded by mu; encodings of those with
	scenes  []scene             // guarded by mu; those in H.264, which are not drawn
	err     error               // guarded by mu; why it stopped
	paused  chan struct{}       // guarded by mu; not nil: does not read until closed
}

// watch joins a viewer that asks for the encodings; without any it sends nothing.
func watch(t *testing.T, h *hub.Hub, seat hub.Seat, setup func(w *watcher), encodings ...rfb.Encoding) *watcher {
	t.Helper()
	w := &watcher{t: t, served: make(chan error, 1), format: rfb.RGB888(), init: h.Init()}
	if setup != nil {
		setup(w)
	}
	w.conn, w.socket = sockets(t)
	w.picture = picture.New(int(w.init.Width), int(w.init.Height))
	var reading sync.WaitGroup
	reading.Go(w.read)
	t.Cleanup(func() {
		w.resume()
		w.conn.Close()
		reading.Wait()
		w.serving.Wait()
	})
	w.serve(h, seat, relay.Greeted(w.init))
	if len(encodings) > 0 {
		b := rfb.AppendSetPixelFormat(nil, w.format)
		w.send(rfb.AppendSetEncodings(b, encodings...))
		w.send(w.request(false))
	}
	return w
}

// serve has a hub serve the viewer from a state on.
func (w *watcher) serve(h *hub.Hub, seat hub.Seat, state relay.State) {
	w.serving.Go(func() {
		state, err := h.Serve(w.socket, seat, state)
		w.state = state
		w.served <- err
	})
}

func (w *watcher) request(incremental bool) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: incremental, Width: uint16(w.picture.Width), Height: uint16(w.picture.Height)})
}

func (w *watcher) send(b []byte) {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.conn.WriteMessage(websocket.BinaryMessage, b) // the reader notices an end
}

// messages is a WebSocket's binary messages as one stream.
type messages struct {
	w    *watcher
	rest []byte
}

func (m *messages) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		m.w.mu.Lock()
		paused := m.w.paused
		m.w.mu.Unlock()
		if paused != nil {
			<-paused
		}
		_, b, err := m.w.conn.ReadMessage()
		if err != nil {
			return 0, io.EOF
		}
		m.rest = b
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func (w *watcher) read() {
	reader := rfb.NewServerReader(&messages{w: w}, w.init, 0)
	reader.Walker().SetPixelFormat(w.format)
	decoder := picture.NewDecoder()
	for {
		m, err := reader.Read()
		if err == nil {
			err = w.take(m, decoder)
		}
		if err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
	}
}

func (w *watcher) take(m rfb.ServerMessage, decoder *picture.Decoder) error {
	if fence, ok := m.Fence(); ok {
		if fence.Flags&rfb.FenceRequest != 0 && !w.mute {
			w.send(rfb.AppendClientFence(nil, fence.Answer()))
		}
	}
	switch m.Type {
	case rfb.ServerFramebufferUpdate:
		if err := w.draw(m, decoder); err != nil {
			return err
		}
		if w.requests {
			w.send(w.request(true))
		}
		return nil
	case rfb.ServerEndOfContinuousUpdates:
		if !w.requests {
			w.mu.Lock()
			area := rfb.ContinuousUpdates{Enable: true, Width: uint16(w.picture.Width), Height: uint16(w.picture.Height)}
			w.mu.Unlock()
			w.send(rfb.AppendEnableContinuousUpdates(nil, area))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.Raw = slices.Clone(m.Raw)
	w.others = append(w.others, m)
	return nil
}

func (w *watcher) draw(m rfb.ServerMessage, decoder *picture.Decoder) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.updates++
	for _, r := range m.Rects {
		if size, ok := r.DesktopSize(); ok {
			w.picture.Resize(int(size.Width), int(size.Height))
		}
		if !r.Encoding.Pixels() {
			r.Data = slices.Clone(r.Data)
			w.rects = append(w.rects, r)
			continue
		}
		w.pixels = append(w.pixels, r.Encoding)
		if w.format != rfb.RGB888() {
			w.drawForeign(r)
			continue
		}
		if r.Encoding == rfb.EncodingH264 {
			w.takeScene(r)
			continue
		}
		if err := decoder.Decode(w.picture, r); err != nil {
			return err
		}
	}
	return nil
}

// drawForeign draws raw pixels of 16 bits.
func (w *watcher) drawForeign(r rfb.ServerRect) {
	for i := 0; i+2 <= len(r.Data); i += 2 {
		pixel := int(r.Data[i]) | int(r.Data[i+1])<<8
		x, y := int(r.X)+i/2%int(r.Width), int(r.Y)+i/2/int(r.Width)
		p := w.picture.Row(y, x, x+1)
		p[2], p[1], p[0] = byte(pixel>>11<<3), byte(pixel>>5&63<<2), byte(pixel&31<<3)
	}
}

// shows waits until the viewer's picture is p, exactly or, in fewer bits, nearly.
func (w *watcher) shows(p *picture.Picture) {
	w.t.Helper()
	eventually(w.t, "a viewer shows the picture", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err != nil {
			w.t.Fatalf("viewer stopped: %v, served %v", w.err, w.ended())
		}
		if w.format != rfb.RGB888() {
			return near(w.picture, p, 12) // of 5 bits, cut off
		}
		return w.picture.Width == p.Width && w.picture.Height == p.Height && w.picture.Equal(p, p.Bounds())
	})
}

// showsNearly waits until it shows p but for a little.
func (w *watcher) showsNearly(p *picture.Picture) {
	w.t.Helper()
	eventually(w.t, "a viewer nearly shows the picture", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return near(w.picture, p, 24)
	})
}

// follows waits until the viewer has had so many updates.
func (w *watcher) follows(updates int) {
	w.t.Helper()
	eventually(w.t, "a viewer gets updates", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.updates >= updates
	})
}

// shown is what the viewer shows now.
func (w *watcher) shown() *picture.Picture {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.picture.Clone()
}

func (w *watcher) ended() error {
	select {
	case err := <-w.served:
		return err
	case <-time.After(patience):
		return errors.New("it does not end")
	}
}

func near(a, b *picture.Picture, within int) bool {
	for i := range a.Pix {
		if i%4 == 3 {
			continue
		}
		if d := int(a.Pix[i]) - int(b.Pix[i]); d > within || d < -within {
			return false
		}
	}
	return true
}

// pause makes the viewer stop reading until resume.
func (w *watcher) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = make(chan struct{})
}

func (w *watcher) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused != nil {
		close(w.paused)
		w.paused = nil
	}
}

// told waits for a rectangle without pixels.
func (w *watcher) told(encoding rfb.Encoding, like func(r rfb.ServerRect) bool) {
	w.t.Helper()
	eventually(w.t, encoding.String(), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.rects, func(r rfb.ServerRect) bool { return r.Encoding == encoding && (like == nil || like(r)) })
	})
}

// heard waits for a message that is no update.
func (w *watcher) heard(what string, like func(m rfb.ServerMessage) bool) {
	w.t.Helper()
	eventually(w.t, what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.others, like)
	})
}

// modern is what noVNC asks for, with a JPEG quality.
func modern(level int) []rfb.Encoding {
	return []rfb.Encoding{
		rfb.EncodingCopyRect, rfb.EncodingTight, rfb.EncodingRaw, rfb.JPEGQuality(level), rfb.CompressLevel(2),
		rfb.EncodingDesktopSize, rfb.EncodingLastRect, rfb.EncodingQEMUExtendedKey, rfb.EncodingQEMULEDState, rfb.EncodingExtendedDesktopSize,
		rfb.EncodingXVP, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingDesktopName, rfb.EncodingExtendedClipboard,
		rfb.EncodingExtendedMouseButtons, rfb.EncodingVMwareCursor, rfb.EncodingCursor,
	}
}

var everything = relay.Policy{Control: true, ClipboardIn: true, ClipboardOut: true}
