package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/rfb"
)

// stream is one viewer from its admission to its close.
type stream struct {
	// immutable
	gateway   *Gateway
	claims    ticket.Claims
	remote    netip.Addr
	requestID string
	since     time.Time

	mu     sync.Mutex
	socket *relay.Socket      // guarded by mu until open, then immutable
	cancel context.CancelFunc // guarded by mu; set while run blocks outside the socket
	cause  error              // guarded by mu; why the stream shall end
	epoch  uint64             // guarded by mu; of the desktop that it speaks with
	dialed bool               // guarded by mu; epoch is set

	desktop  *desktop  // owned by run
	upgraded time.Time // owned by run
}

func newStream(g *Gateway, claims ticket.Claims, remote netip.Addr, requestID string) *stream {
	return &stream{gateway: g, claims: claims, remote: remote, requestID: requestID, since: time.Now()}
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

// open gives the stream its connection, after the upgrade.
func (s *stream) open(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = relay.NewSocket(conn, s.gateway.buffers, &s.gateway.timing.Relay, s.gateway.metrics)
	s.upgraded = time.Now()
	if s.cause != nil { // somebody ended it during the upgrade
		s.socket.Interrupt(s.cause)
	}
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
	aside(s.join)
	err := s.serve()
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
	s.leave()
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
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	if err := s.gateway.broker.Leave(ctx, s.viewer()); err != nil {
		s.log().Warn("ending presence", "error", err) // it runs out by itself
	}
}

// serve takes the stream through its parts and returns why it ended.
func (s *stream) serve() error {
	conn, init, err := s.begin()
	if s.desktop != nil {
		defer s.desktop.detach(s)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = relay.Run(s.socket, conn, init, relay.Options{
		Policy: relay.Policy{
			Control:      s.claims.Allows(streamspace.PermissionControl),
			ClipboardIn:  s.claims.Allows(streamspace.PermissionClipboardIn),
			ClipboardOut: s.claims.Allows(streamspace.PermissionClipboardOut),
			Audio:        s.claims.Allows(streamspace.PermissionAudio),
		},
		Timing:   &s.gateway.timing.Relay,
		Observer: &observer{metrics: s.gateway.metrics, stream: s},
	})
	return err
}

// begin does what comes before the relay.
func (s *stream) begin() (conn net.Conn, init rfb.ServerInit, err error) {
	aside(func() {
		if err = s.greet(); err != nil {
			return
		}
		s.desktop = s.gateway.attach(s)
		if conn, init, err = s.upstream(); err != nil {
			return
		}
		if _, err = s.socket.Write(rfb.AppendServerInit(nil, init)); err != nil {
			conn.Close()
		}
	})
	return conn, init, err
}

// patience with a published desktop that does not answer: it may have just
// died, or its listen queue be full for a moment.
const (
	dialAttempts = 8
	dialPause    = 250 * time.Millisecond
)

// upstream waits for the session's desktop and connects to it.
func (s *stream) upstream() (net.Conn, rfb.ServerInit, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		route, err := s.awaitRoute(began.Add(s.gateway.timing.Start))
		if err != nil {
			return nil, rfb.ServerInit{}, err
		}
		if attempt == 1 {
			s.gateway.metrics.wait.Observe(time.Since(began).Seconds())
		}
		start := time.Now()
		conn, init, err := s.connect(route)
		switch {
		case err == nil:
			s.gateway.metrics.dial.Observe(time.Since(start).Seconds())
			return conn, init, nil
		case errors.Is(err, relay.ErrDesktopProtocol):
			return nil, init, err
		case attempt == dialAttempts:
			return nil, init, fmt.Errorf("%w: %w", relay.ErrDesktopGone, err)
		}
		s.forgetRoute()
		if err := s.pause(dialPause); err != nil {
			return nil, init, err
		}
	}
}

// pause keeps the viewer's connection alive for d.
func (s *stream) pause(d time.Duration) error {
	until := time.Now().Add(d)
	for {
		switch err := s.socket.Hoard(until); {
		case errors.Is(err, relay.ErrTimeout):
			return nil
		case err != nil && !errors.Is(err, relay.ErrNudged):
			return err
		}
	}
}

// awaitRoute returns the route as soon as there is one. From then on a change
// of the route ends the stream.
func (s *stream) awaitRoute(deadline time.Time) (broker.Route, error) {
	for {
		if route, up := s.desktop.current(); up {
			s.mu.Lock()
			s.epoch, s.dialed = route.Epoch, true
			s.mu.Unlock()
			if now, up := s.desktop.current(); up && now.Epoch == route.Epoch {
				return route, nil
			}
			s.forgetRoute()
			continue
		}
		switch err := s.socket.Hoard(deadline); {
		case errors.Is(err, relay.ErrTimeout):
			return broker.Route{}, closing{streamspace.CodeDesktopStart}
		case err != nil && !errors.Is(err, relay.ErrNudged):
			return broker.Route{}, err
		}
	}
}

func (s *stream) forgetRoute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialed = false
}
