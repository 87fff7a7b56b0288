package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

// serve takes the stream through its parts and returns why it ended.
func (s *stream) serve() error {
	var err error
	aside(func() {
		if err = s.greet(); err == nil {
			s.desktop = s.gateway.attach(s)
			s.sit()
		}
	})
	if err != nil {
		return err
	}
	defer s.desktop.detach(s)
	defer s.stand()
	defer s.desktop.share.leave(s)
	began := time.Now()
	var at footing
	for {
		var on server
		aside(func() { on, err = s.approach(&at, began) })
		if err != nil {
			return err
		}
		if on.host != nil {
			err = s.share(on.host, &at)
		} else {
			err = s.relay(on, &at)
		}
		if !errors.Is(err, hub.ErrHandedBack) && !errors.Is(err, relay.ErrYielded) {
			return err
		}
		s.forgetRoute()
		began = time.Now()
	}
}

// footing is where a viewer stands between two servers.
type footing struct {
	state  relay.State // as the one before left it; of a viewer that had none, without a parser
	replay []byte      // what it holds down, for the next
}

// server is who serves next: a host, or the desktop itself.
type server struct {
	host *host
	conn net.Conn
	init rfb.ServerInit
}

// sit gives the viewer its seat in the desktop's company, stand takes it back.
func (s *stream) sit() {
	s.seat = newSeat(s, s.desktop.company)
	if s.branch {
		s.desktop.company.connect(s.seat)
	} else {
		s.desktop.company.enter(s.seat, s.controlled)
	}
}

func (s *stream) stand() {
	s.seat.hush()
	if s.branch {
		s.desktop.company.disconnect(s.seat)
	} else {
		s.desktop.company.leave(s.seat)
	}
}

// policy is what the ticket allows.
func (s *stream) policy() relay.Policy {
	return relay.Policy{
		Control:      s.claims.Allows(streamspace.PermissionControl),
		ClipboardIn:  s.claims.Allows(streamspace.PermissionClipboardIn),
		ClipboardOut: s.claims.Allows(streamspace.PermissionClipboardOut),
		Audio:        s.claims.Allows(streamspace.PermissionAudio),
	}
}

// share serves the viewer from a host.
func (s *stream) share(h *host, at *footing) error {
	state, err := h.hub.Serve(s.socket, hub.Seat{Policy: s.policy(), Gate: s.seat, Observer: s.observer, Replay: at.replay, Screen: s.screen}, at.state)
	if errors.Is(err, hub.ErrHandedBack) {
		_, at.replay = s.seat.held.move() // the host's connection lets go when it ends
		at.state = state
	}
	return err
}

// relay serves the viewer from the desktop's connection, and closes that.
func (s *stream) relay(on server, at *footing) error {
	defer on.conn.Close()
	options := relay.Options{Policy: s.policy(), Gate: s.seat, Observer: s.observer, Timing: &s.gateway.timing.Relay, Asked: s.asked}
	if at.state.Parser != nil {
		options.Resume, options.Replay = &at.state, at.replay
	}
	state, err := relay.Run(s.socket, on.conn, on.init, options)
	var release []byte
	if errors.Is(err, relay.ErrYielded) {
		at.state = state
		release, at.replay = s.seat.held.move()
	} else {
		release = s.seat.held.release()
	}
	letGo(on.conn, release)
	return err
}

// asked notes whether the viewer would rather see films as video.
func (s *stream) asked(encodings []rfb.Encoding) {
	s.films.Store(hub.TakesFilms(encodings) && s.gateway.codesFilms())
}

// releaseTimeout bounds how long a desktop is waited for to let go of keys.
const releaseTimeout = 250 * time.Millisecond

// letGo tells a desktop what a viewer does not hold down any more, and waits
// until it has heard it: another connection may be about to press it again.
func letGo(conn net.Conn, release []byte) {
	if len(release) == 0 {
		return
	}
	conn.SetDeadline(time.Now().Add(releaseTimeout))
	if _, err := conn.Write(release); err != nil {
		return // it is gone
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.Copy(io.Discard, conn) // until the desktop closes, or the time is over
	}
}

// approach finds who serves next, and greets a viewer that nobody served yet.
func (s *stream) approach(at *footing, began time.Time) (on server, err error) {
	for attempt := 1; ; attempt++ {
		route, err := s.awaitRoute(began.Add(s.gateway.timing.Start))
		if err != nil {
			return server{}, err
		}
		if attempt == 1 && at.state.Parser == nil {
			s.gateway.metrics.wait.Observe(time.Since(began).Seconds())
		}
		bound := s.branch || s.screen != nil || at.state.Parser != nil && !at.state.Resumable()
		if on.host = s.desktop.share.place(s, bound); on.host != nil {
			on.init, err = s.awaitHost(on.host)
		} else {
			on.conn, on.init, err = s.dial(route)
		}
		switch {
		case err == nil:
			return on, s.introduce(&on, at)
		case attempt < dialAttempts && errors.Is(err, hub.ErrStopped): // in the moment in which it was to serve
		case errors.As(err, new(errTrunk)): // there is a way again as soon as there is a route
			s.forgetRoute()
			continue
		case attempt < dialAttempts && errors.Is(err, relay.ErrDesktopGone) && on.host == nil: // a host is patient itself
		default:
			return server{}, err
		}
		s.forgetRoute()
		if err := s.pause(dialPause); err != nil {
			return server{}, err
		}
	}
}

// introduce sends the viewer that nobody served yet what it waits for.
func (s *stream) introduce(on *server, at *footing) error {
	if at.state.Parser != nil {
		return nil
	}
	_, err := s.socket.Write(rfb.AppendServerInit(nil, on.init))
	switch {
	case err != nil && on.conn != nil:
		on.conn.Close()
	case err == nil && on.host != nil:
		at.state = relay.Greeted(on.init)
	}
	return err
}

// patience with a published desktop that does not answer: it may have just
// died, or its listen queue be full for a moment.
const (
	dialAttempts = 8
	dialPause    = 250 * time.Millisecond
)

// dial connects to the route's desktop.
func (s *stream) dial(route broker.Route) (net.Conn, rfb.ServerInit, error) {
	ctx, cancel := s.interruptible(s.gateway.timing.Dial + s.gateway.timing.Handshake)
	defer cancel()
	start := time.Now()
	conn, init, err := s.gateway.connect(ctx, route)
	if err != nil {
		if !errors.Is(err, relay.ErrDesktopProtocol) {
			err = fmt.Errorf("%w: %w", relay.ErrDesktopGone, err)
		}
		return nil, init, err
	}
	s.gateway.metrics.dial.Observe(time.Since(start).Seconds())
	return conn, init, nil
}

// awaitHost waits until the host has a picture.
func (s *stream) awaitHost(h *host) (rfb.ServerInit, error) {
	deadline := time.Now().Add(s.gateway.timing.Dial + s.gateway.timing.Handshake)
	for {
		select {
		case <-h.up:
			return h.hub.Init(), nil
		case <-h.over:
			return rfb.ServerInit{}, h.err
		default:
		}
		switch err := s.socket.Hoard(deadline); {
		case errors.Is(err, relay.ErrTimeout):
			return rfb.ServerInit{}, fmt.Errorf("%w: it shows no picture", relay.ErrDesktopGone)
		case err != nil && !errors.Is(err, relay.ErrNudged):
			return rfb.ServerInit{}, err
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
