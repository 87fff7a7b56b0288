package gateway_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/rfb"
)

// rawUpdate is a framebuffer update of one raw rectangle of side² pixels.
func rawUpdate(side uint16) []byte {
	message := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: side, Height: side})
	return append(message, make([]byte, int(side)*int(side)*4)...)
}

// open lets an owner's viewer into a session whose desktop is d.
func (h *house) open(d *desktop, permissions ...streamspace.Permission) (*viewer, streamspace.SessionID) {
	h.t.Helper()
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	pass, _ := h.mint(session, permissions...)
	return h.dial(h.url(session, pass), nil).handshake(), session
}

func TestWaitsForTheDesktop(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Relay.Ping = 5 * time.Millisecond })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := h.broker.Subscribe(ctx, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	session := streamspace.NewSessionID()
	pass, claims := h.mint(session)
	v := h.dial(h.url(session, pass), nil)
	var pings atomic.Int32
	answer := v.conn.PingHandler()
	v.conn.SetPingHandler(func(data string) error { pings.Add(1); return answer(data) })

	done := make(chan struct{})
	go func() { defer close(done); v.handshake() }()
	for {
		event, err := events.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == broker.EventWant && event.Session == session {
			break
		}
	}
	viewers, err := h.broker.Viewers(ctx, session)
	if err != nil || len(viewers) != 1 || viewers[0].ID != claims.Viewer || viewers[0].Gateway != h.gateway.ID() {
		t.Errorf("present: %v %v", viewers, err)
	}
	eventually(t, "pings during the wait", func() bool { return pings.Load() > 2 })
	select {
	case <-done:
		t.Fatal("ServerInit came without a desktop")
	default:
	}
	h.publish(session, newDesktop(t, func(conn net.Conn) { conn.Write(rawUpdate(4)); silent(conn) }).address, 1)
	<-done
	v.next("an update", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerFramebufferUpdate })
	v.conn.Close()
	eventually(t, "the viewer to be gone", func() bool {
		viewers, _ := h.broker.Viewers(ctx, session)
		return len(viewers) == 0
	})
	eventually(t, "the close to be counted", func() bool { return h.metric("closed_total", "viewer_left") == 1 })
}

func TestDesktopThatDoesNotStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Start = 50 * time.Millisecond })
	session := streamspace.NewSessionID()
	pass, _ := h.mint(session)
	v := h.dial(h.url(session, pass), nil)
	v.greet()
	v.closed(gateway.StatusDesktopStart, streamspace.CodeDesktopStart)
}

// greet says the viewer's part of the handshake and waits for no ServerInit.
func (v *viewer) greet() {
	v.t.Helper()
	read := func(n int) {
		if _, err := io.ReadFull(v, make([]byte, n)); err != nil {
			v.t.Fatalf("viewer's handshake: %v", err)
		}
	}
	read(12)
	v.send([]byte("RFB 003.008\n"))
	read(2)
	v.send([]byte{1})
	read(4)
	v.send([]byte{1})
}

func TestPublishedDesktopThatIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, "unix:"+t.TempDir()+"/nobody", 1)
	pass, _ := h.mint(session)
	v := h.dial(h.url(session, pass), nil)
	v.greet()
	v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
}

func TestViewerThatDoesNotGreet(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Handshake = 50 * time.Millisecond })
	session := streamspace.NewSessionID()
	pass, _ := h.mint(session)
	h.dial(h.url(session, pass), nil).closed(gateway.StatusIdle, streamspace.CodeViewerIdle)
}

func TestRevocationEndsTheStream(t *testing.T) {
	t.Parallel()
	desk := newDesktop(t, silent)
	for _, c := range []struct {
		code   streamspace.Code
		status int
	}{
		{streamspace.CodeAccessRevoked, gateway.StatusAccessRevoked},
		{streamspace.CodeSessionStopped, gateway.StatusStopped},
		{streamspace.CodeSessionHibernate, gateway.StatusHibernated},
	} {
		h := newHouse(t, nil)
		session := streamspace.NewSessionID()
		h.publish(session, desk.address, 1)
		pass, claims := h.mint(session)
		watching := h.dial(h.url(session, pass), nil).handshake()
		waiting, _ := h.mint(session) // a viewer of the same session that still waits for its turn
		other := h.dial(h.url(session, waiting), nil)
		other.greet()
		start := time.Now()
		err := h.broker.Revoke(context.Background(), broker.Revocation{User: claims.User, Before: start.Add(time.Second), Code: c.code}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		watching.closed(c.status, c.code)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s took %s", c.code, took)
		}
		// Another user's stream of the same session stays.
		other.conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(other, make([]byte, 24)); err != nil {
			t.Errorf("another user's stream ended: %v", err)
		}
	}
}

func TestDesktopEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	v, _ := h.open(newDesktop(t, func(conn net.Conn) { conn.Write(rawUpdate(64)) }))
	v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)

	// The same end after somebody stopped the session has a better reason.
	let := make(chan struct{})
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, func(net.Conn) { <-let }).address, 1)
	pass, _ := h.mint(session)
	v = h.dial(h.url(session, pass), nil).handshake()
	if err := h.broker.Revoke(context.Background(), broker.Revocation{Session: session, Before: time.Now().Add(time.Second), Code: streamspace.CodeSessionStopped}, time.Minute); err != nil {
		t.Fatal(err)
	}
	close(let)
	v.closed(gateway.StatusStopped, streamspace.CodeSessionStopped)
}

func TestRouteChangesEndTheStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	desk := newDesktop(t, silent)
	v, session := h.open(desk)
	h.publish(session, desk.address, 2) // the desktop was started anew
	v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)

	pass, _ := h.mint(session)
	v = h.dial(h.url(session, pass), nil).handshake()
	if err := h.broker.Withdraw(context.Background(), session, 2); err != nil {
		t.Fatal(err)
	}
	v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
}

func TestAnotherGatewayHoldsTheDesktop(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	if _, err := h.broker.Claim(context.Background(), session, streamspace.NewGatewayID(), time.Minute); err != nil {
		t.Fatal(err)
	}
	h.publish(session, newDesktop(t, silent).address, 1)
	pass, _ := h.mint(session)
	v := h.dial(h.url(session, pass), nil)
	v.greet()
	v.closed(gateway.StatusTryAgain, streamspace.CodeUnavailable)
}

func TestClaimLivesAsLongAsViewers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Claim = 1500 * time.Millisecond })
	desk := &desktop{address: newXvnc(t).address}
	one, session := h.open(desk)
	pass, _ := h.mint(session)
	two := h.dial(h.url(session, pass), nil).handshake()
	other := streamspace.NewGatewayID()
	deadline := time.Now().Add(4 * time.Second) // several lives of a claim
	for time.Now().Before(deadline) {
		if _, err := h.broker.Claim(context.Background(), session, other, time.Second); err == nil {
			t.Fatal("the claim ran out while viewers were there")
		}
		if viewers, _ := h.broker.Viewers(context.Background(), session); len(viewers) != 2 {
			t.Fatalf("%d viewers are present, want 2", len(viewers))
		}
		time.Sleep(5 * time.Millisecond)
	}
	one.conn.Close()
	two.conn.Close()
	eventually(t, "the claim to be free", func() bool {
		_, err := h.broker.Claim(context.Background(), session, other, time.Second)
		return err == nil
	})
	eventually(t, "the desktop to be forgotten", func() bool { return h.metric("desktops") == 0 })
}

func TestTouchComesFromInputOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	v, session := h.open(newDesktop(t, func(conn net.Conn) { // answers each request
		b := make([]byte, 4096)
		for {
			if _, err := conn.Read(b); err != nil {
				return
			}
			conn.Write(rawUpdate(2))
		}
	}))
	request := rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Width: 800, Height: 600})
	answered := func() {
		t.Helper()
		v.next("an update", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerFramebufferUpdate })
	}
	v.send(slices.Concat(rfb.AppendSetEncodings(nil, rfb.EncodingTight), request))
	answered()
	if at, _ := h.broker.LastTouch(context.Background(), session); !at.IsZero() {
		t.Error("watching counted as input")
	}
	v.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 1, Y: 1}))
	answered()
	eventually(t, "the touch", func() bool {
		at, _ := h.broker.LastTouch(context.Background(), session)
		return !at.IsZero()
	})
	watcher, session := h.open(newDesktop(t, func(conn net.Conn) { conn.Write(rawUpdate(2)); silent(conn) }), streamspace.PermissionView)
	watcher.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 1, Y: 1}))
	watcher.conn.Close()
	eventually(t, "the watcher to be gone", func() bool { return h.metric("filtered_total", "in") == 1 && h.metric("viewers") == 1 })
	if at, _ := h.broker.LastTouch(context.Background(), session); !at.IsZero() {
		t.Error("input that was withheld counted")
	}
}

func TestStalledDesktop(t *testing.T) {
	t.Parallel()
	quick := func(o *gateway.Options) { // and still long for a machine that does much else
		o.Timing.Relay.DesktopStall = 400 * time.Millisecond
		o.Timing.Relay.Probe = 300 * time.Millisecond
	}
	request := rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Width: 800, Height: 600})
	t.Run("does not answer a request", func(t *testing.T) {
		t.Parallel()
		v, _ := newHouse(t, quick).open(newDesktop(t, silent))
		v.send(request)
		v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
	})
	t.Run("does not read", func(t *testing.T) {
		t.Parallel()
		over := make(chan struct{})
		defer close(over)
		v, _ := newHouse(t, quick).open(newDesktop(t, func(net.Conn) { <-over }))
		text := rfb.AppendClientCutText(nil, string(make([]byte, 1<<20)))
		go func() {
			for v.conn.WriteMessage(websocket.BinaryMessage, text) == nil {
			}
		}()
		v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
	})
	t.Run("stops answering fences", func(t *testing.T) {
		t.Parallel()
		var answers atomic.Int32
		h := newHouse(t, quick)
		v, _ := h.open(newDesktop(t, func(conn net.Conn) {
			conn.Write(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: []byte("hello")}))
			answerFences(conn, func() bool { return answers.Add(1) <= 3 })
		}))
		fence := v.next("the desktop's fence", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerFence })
		if f, _ := fence.Fence(); string(f.Payload) != "hello" {
			t.Fatalf("the fence came with %q", f.Payload)
		}
		v.send(rfb.AppendClientFence(nil, rfb.Fence{Payload: []byte("hello")}))
		for { // the answers to the gateway's fences are not for the viewer
			m, err := v.reader.Read()
			if err != nil {
				break
			}
			t.Errorf("viewer got %v", m.Type)
		}
		if got := answers.Load(); got != 4 {
			t.Errorf("the desktop was asked %d times, want 4", got)
		}
		eventually(t, "the close", func() bool { return h.metric("closed_total", "desktop_gone") == 1 })
	})
	t.Run("idle is not stalled", func(t *testing.T) {
		t.Parallel()
		v, _ := newHouse(t, quick).open(newDesktop(t, func(conn net.Conn) {
			conn.Write(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest}))
			answerFences(conn, func() bool { return true })
		}))
		v.next("the fence", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerFence })
		v.send(rfb.AppendClientFence(nil, rfb.Fence{}))
		v.conn.SetReadDeadline(time.Now().Add(3 * time.Second)) // many times the limit
		if _, err := v.reader.Read(); err == nil || websocket.IsCloseError(err, gateway.StatusDesktopGone) {
			t.Errorf("an idle stream ended or spoke: %v", err)
		}
	})
}

// answerFences answers the viewer's fence requests while more says so, and
// reads on after that.
func answerFences(conn net.Conn, more func() bool) {
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		for p := b[:n]; len(p) > 0; {
			n, m, err := parser.Next(p)
			if err != nil {
				return
			}
			p = p[n:]
			if f, ok := m.Fence(); m.Raw != nil && ok && f.Flags&rfb.FenceRequest != 0 && more() {
				conn.Write(rfb.AppendServerFence(nil, f.Answer()))
			}
		}
	}
}

// TestViewerThatDoesNotRead has a desktop that sends without end: the gateway
// must hold it back, hold little itself, and end the stream.
func TestViewerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Relay.WriteStall = 300 * time.Millisecond })
	var sent atomic.Int64
	update := rawUpdate(256)
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	v, _ := h.open(newDesktop(t, func(conn net.Conn) {
		for {
			n, err := conn.Write(update)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	v.conn.NetConn().(*net.TCPConn).SetReadBuffer(64 << 10)
	eventually(t, "the stream to end", func() bool { return h.metric("closed_total", string(streamspace.CodeViewerTooSlow)) == 1 })
	runtime.ReadMemStats(&during)
	// Kernel buffers of two connections take some megabytes; the desktop could
	// have sent gigabytes in that time.
	if sent.Load() > 32<<20 {
		t.Errorf("%d bytes were taken from the desktop for a viewer that does not read", sent.Load())
	}
	if grown := int64(during.HeapInuse) - int64(before.HeapInuse); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if h.metric("write_stall_seconds_total") < 0.2 {
		t.Error("the stall was not measured")
	}
}

func TestViewerThatIsDead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) {
		o.Timing.Relay.Ping, o.Timing.Relay.DeadAfter = 50*time.Millisecond, 5*time.Second // its handshake takes less
	})
	v, _ := h.open(newDesktop(t, silent))
	v.conn.SetPingHandler(func(string) error { return nil })
	v.closed(gateway.StatusIdle, streamspace.CodeViewerIdle)
}

func TestFloodOfInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	v, _ := h.open(newDesktop(t, silent))
	flood := make([]byte, 0, 60<<10)
	for len(flood) < 60<<10 {
		flood = rfb.AppendPointerEvent(flood, rfb.PointerEvent{X: 1, Y: 1})
	}
	go func() {
		for v.conn.WriteMessage(websocket.BinaryMessage, flood) == nil {
		}
	}()
	v.closed(gateway.StatusFlood, streamspace.CodeViewerFlood)
}

func TestHostileBytes(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 4096)
	rand.Read(noise)
	noise[0] = 77 // no message has this type, in either direction
	fromDesktop := map[string][]byte{
		"noise":              noise,
		"oversized rect":     rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{X: 799, Width: 65535, Height: 65535}),
		"unknown encoding":   rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 1, Height: 1, Encoding: 4711}),
		"endless clipboard":  {3, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
		"truncated then end": nil, // below
	}
	for name, bytes := range fromDesktop {
		t.Run("desktop: "+name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			good := rawUpdate(8)
			v, _ := h.open(newDesktop(t, func(conn net.Conn) {
				conn.Write(good)
				if bytes == nil {
					conn.Write(good[:100])
					return
				}
				conn.Write(bytes)
				silent(conn)
			}))
			v.next("what came before", func(m rfb.ServerMessage) bool { return len(m.Raw) == len(good) })
			if bytes == nil {
				v.closed(gateway.StatusDesktopGone, streamspace.CodeDesktopGone)
				return
			}
			v.closed(gateway.StatusProtocol, streamspace.CodeProtocol)
		})
	}
	for name, bytes := range map[string][]byte{
		"noise":             noise,
		"endless clipboard": {6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
		"unknown message":   {99, 1, 2, 3},
	} {
		t.Run("viewer: "+name, func(t *testing.T) {
			t.Parallel()
			v, _ := newHouse(t, nil).open(newDesktop(t, silent))
			v.send(bytes)
			v.closed(gateway.StatusProtocol, streamspace.CodeProtocol)
		})
	}
	t.Run("viewer: not RFB", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		session := streamspace.NewSessionID()
		pass, _ := h.mint(session)
		v := h.dial(h.url(session, pass), nil)
		v.send(noise)
		v.closed(gateway.StatusProtocol, streamspace.CodeProtocol)
	})
	t.Run("viewer: text frames", func(t *testing.T) {
		t.Parallel()
		v, _ := newHouse(t, nil).open(newDesktop(t, silent))
		if err := v.conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		v.closed(gateway.StatusProtocol, streamspace.CodeProtocol)
	})
	t.Run("desktop: not RFB", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(nil)
		server.Listener.Close()
		server.Listener = listener
		server.Config.ReadTimeout = 50 * time.Millisecond // then it says 400, which is no RFB
		server.Start()
		t.Cleanup(server.Close)
		h := newHouse(t, nil)
		session := streamspace.NewSessionID()
		h.publish(session, "tcp:"+listener.Addr().String(), 1)
		pass, _ := h.mint(session)
		v := h.dial(h.url(session, pass), nil)
		v.greet()
		_, _, err = v.conn.ReadMessage()
		if !websocket.IsCloseError(err, gateway.StatusProtocol, gateway.StatusDesktopGone) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	desk := newDesktop(t, silent)
	var viewers []*viewer
	for range 5 {
		v, _ := h.open(desk)
		viewers = append(viewers, v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- h.gateway.Drain(ctx) }()
	eventually(t, "not to be ready", func() bool { return h.gateway.Ready(ctx) != nil })
	session := streamspace.NewSessionID()
	pass, _ := h.mint(session)
	if code := h.refused(h.url(session, pass), nil, 503); code != streamspace.CodeGatewayDraining {
		t.Errorf("during the drain: %s", code)
	}
	for _, v := range viewers {
		v.closed(gateway.StatusRestart, streamspace.CodeGatewayDraining)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain = %v", err)
	}
	if open := h.metric("viewers"); open != 0 {
		t.Errorf("%v viewers after the drain", open)
	}
}

func TestDrainCutsTheStubborn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Timing.Relay.Linger = time.Hour })
	h.open(newDesktop(t, silent)) // and never reads: it does not answer the close
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := h.gateway.Drain(ctx); err == nil {
		t.Error("Drain did not say that it cut somebody")
	}
}

func TestEndWithoutDrain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	v, _ := h.open(newDesktop(t, silent))
	go h.stop()
	v.closed(gateway.StatusRestart, streamspace.CodeGatewayDraining)
}
