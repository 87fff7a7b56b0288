package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// stream is one viewer from its admission to its close.
type stream struct {
	// immutable
	gateway    *Gateway
	claims     ticket.Claims
	remote     netip.Addr
	requestID  string
	since      time.Time
	branch     bool // the viewer is another gateway
	controlled bool // the viewer had control, before its stream broke
	observer   *observer
	films      atomic.Bool // the viewer would rather see films as video
	speaks     bool        // the viewer is told of the room; immutable from open
	ear        *ear        // nil without sound; immutable from open
	screen     hub.Screen  // takes the pixels as video; nil: they go to the socket; immutable from open

	mu     sync.Mutex
	socket *relay.Socket      // guarded by mu until open, then immutable
	cancel context.CancelFunc // guarded by mu; set while run blocks outside the socket
	cause  error              // guarded by mu; why the stream shall end
	epoch  uint64             // guarded by mu; of the desktop that it speaks with
	dialed bool               // guarded by mu; epoch is set

	host *host // guarded by the desktop's share; who serves it, nil for a relay

	desktop  *desktop  // owned by run
	seat     *seat     // owned by run; in the desktop's company
	upgraded time.Time // owned by run
}

func newStream(g *Gateway, claims ticket.Claims, remote netip.Addr, requestID string) *stream {
	s := &stream{gateway: g, claims: claims, remote: remote, requestID: requestID, since: time.Now()}
	s.observer = &observer{metrics: g.metrics, stream: s}
	return s
}

// log is made when there is something to say: an idle stream keeps none.
func (s *stream) log() *slog.Logger {
	return s.gateway.log.With("request_id", s.requestID, "session_id", s.claims.Session,
		"viewer_id", s.claims.Viewer, "user_id", s.claims.User, "remote_addr", s.remote)
}

// viewer is the stream as the broker knows it.
func (s *stream) viewer() broker.Viewer {
	return broker.Viewer{
		ID: s.claims.Viewer, Session: s.claims.Session, User: s.claims.User, Share: s.claims.Share,
		Name: s.claims.Name, Gateway: s.gateway.id,
		Permissions: s.claims.Permissions, Since: s.since,
	}
}

// open gives the stream its connection, after the upgrade. speaks says that
// the viewer agreed upon texts beside RFB.
func (s *stream) open(conn net.Conn, speaks bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = relay.NewSocket(conn, s.gateway.buffers, &s.gateway.timing.Relay, s.observer)
	if s.speaks = speaks; speaks {
		s.socket.OnText(s.hear)
	}
	if s.branch {
		s.socket.Trust()
	}
	s.ear = newEar(s)
	s.upgraded = time.Now()
	if s.cause != nil { // somebody ended it during the upgrade
		s.socket.Interrupt(s.cause)
	}
}

// hear takes a text of the viewer's. One that comes before its turn speaks of
// a room that the viewer has not been told of, and means nothing.
func (s *stream) hear(text []byte) error {
	if s.seat == nil {
		return nil
	}
	return s.seat.hear(text)
}

// stir notes that a figure has changed.
func (s *stream) stir() {
	if s.speaks && s.seat != nil && !s.branch {
		s.seat.company.stir()
	}
}

// serving is what the viewer's status says of who serves it.
func (s *stream) serving() room.Status {
	h := s.desktop.share.hostOf(s)
	if h == nil || !h.isReady() {
		return room.Status{Mode: room.ModeRelay}
	}
	told := room.Status{Mode: room.ModeHub}
	if status, ok := h.hub.Status(s.socket); ok { // it has asked for pixels
		told.Quality, told.Dropped = &status.Quality, status.Dropped
		if v := status.Video; v != nil {
			told.Encode, told.Queue, told.Bitrate = room.Millis(v.Encode), room.Millis(v.Queue), v.Bitrate
		}
	}
	return told
}

// interruptible returns a context that ends when the stream shall end. An idle
// stream holds none.
func (s *stream) interruptible(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	s.mu.Lock()
	s.cancel = cancel
	if s.cause != nil {
		cancel()
	}
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		cancel()
	}
}

// end makes the stream close with the cause's code. The first cause counts.
func (s *stream) end(cause closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	if s.socket != nil {
		s.socket.Interrupt(cause)
	}
	if s.cancel != nil {
		s.cancel()
	}
}

// kill closes the connection without a farewell.
func (s *stream) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket != nil {
		s.socket.Kill()
	}
	if s.cancel != nil {
		s.cancel()
	}
}

// routeChanged ends a stream whose desktop is not there any more, and wakes one
// that waits for a desktop.
func (s *stream) routeChanged(epoch uint64, up bool) {
	s.mu.Lock()
	lost := s.dialed && (!up || epoch != s.epoch)
	waits := !s.dialed
	s.mu.Unlock()
	if lost {
		s.end(closing{streamspace.CodeDesktopGone})
	} else if waits {
		s.socket.Nudge()
	}
}

// run is the stream's goroutine, from the upgrade to the close.
func (s *stream) run() {
	if !s.branch {
		aside(s.join)
	}
	err := s.serve()
	s.ear.close()
	aside(func() { s.finish(err) })
}

// aside runs f on a stack of its own and waits for it. A goroutine's stack
// grows with what it calls and shrinks only much later: one that lives for hours
// and mostly waits leaves the deep calls to others, so that thousands of
// them stay small.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// finish tells the viewer, the broker and the log why the stream ended.
func (s *stream) finish(err error) {
	code := codeOf(err)
	if code == streamspace.CodeDesktopGone {
		// A desktop that somebody stopped is gone too: the revocation knows why.
		if why, ok := s.gateway.revokedNow(context.Background(), s); ok {
			code = why
		}
	}
	if code != "" {
		s.socket.Close(statusOf(code), string(code))
	} else {
		s.socket.Kill()
	}
	if s.seat != nil {
		s.seat.wait()
	}
	s.ear.wait()
	if !s.branch {
		s.leave()
	}
	s.gateway.metrics.countClose(code)
	level := slog.LevelInfo
	if code == streamspace.CodeInternal {
		level = slog.LevelError
	}
	s.log().Log(context.Background(), level, "stream ended", "code", code, "reason", err, "duration", time.Since(s.upgraded).Round(time.Millisecond))
}

func (s *stream) join() {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	s.log().Info("stream opened", "permissions", s.claims.Permissions)
	if err := s.gateway.broker.Join(ctx, s.viewer(), s.gateway.timing.Claim); err != nil {
		s.log().Warn("recording presence", "error", err) // the next tick tries again
	}
}

func (s *stream) leave() {
	if s.seat != nil && s.seat.company.seated(s.claims.Viewer) {
		return // the viewer is here by another stream
	}
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	if err := s.gateway.broker.Leave(ctx, s.viewer()); err != nil {
		s.log().Warn("ending presence", "error", err) // it runs out by itself
	}
}
