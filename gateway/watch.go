package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

const (
	// eventBuffer is how many events may wait: the watch loop only hands them
	// on, so that even a burst of a thousand starts fits.
	eventBuffer = 1024
	// subscribeAgain is the pause before a lost subscription is taken up again.
	subscribeAgain = time.Second
)

// watch hands the broker's events to the desktops and streams they concern,
// until ctx ends.
func (g *Gateway) watch(ctx context.Context, subscription broker.Subscription) {
	for {
		err := g.follow(ctx, subscription)
		subscription.Close()
		if ctx.Err() != nil {
			return
		}
		g.log.Warn("subscription to the broker ended", "error", err)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(subscribeAgain):
			}
			if subscription, err = g.broker.Subscribe(ctx, eventBuffer); err == nil {
				break
			}
			g.log.Warn("subscribing to the broker", "error", err)
		}
		g.recheck(ctx)
	}
}

// follow handles events until the subscription ends.
func (g *Gateway) follow(ctx context.Context, subscription broker.Subscription) error {
	for {
		event, err := subscription.Next(ctx)
		switch {
		case errors.Is(err, broker.ErrDropped):
			g.recheck(ctx)
			continue
		case err != nil:
			return err
		}
		switch event.Kind {
		case broker.EventRoute, broker.EventWithdrawn:
			g.mu.Lock()
			d := g.desktops[event.Session]
			g.mu.Unlock()
			if d != nil {
				d.nudge()
			}
		case broker.EventGlance:
			g.glance(event.Session)
		case broker.EventRevocation:
			g.revoke(event.Revocation)
		case broker.EventReset:
			g.repeat(ctx)
		}
	}
}

// repeat tells the broker again what it may have forgotten.
func (g *Gateway) repeat(ctx context.Context) {
	g.mu.Lock()
	for _, d := range g.desktops {
		d.tell(choreKeep)
	}
	g.mu.Unlock()
	select {
	case g.again <- struct{}{}: // announces it
	default:
	}
	g.recheck(ctx)
}

// maxVisits bounds the desktops of which pictures are made though nobody watches
// them: a dashboard asks for many at once, and asks again.
const maxVisits = 16

// glance has a picture made of a desktop that is here, or for whose moment it
// can be.
func (g *Gateway) glance(session streamspace.SessionID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.desktops[session]
	if d == nil {
		if g.phase != phaseOpen || g.visits() >= maxVisits {
			return
		}
		d = g.newDesktop(session)
	}
	d.tell(choreGlance)
}

// visits counts the desktops that nobody watches. It needs mu.
func (g *Gateway) visits() (count int) {
	for _, d := range g.desktops {
		if len(d.streams) == 0 {
			count++
		}
	}
	return count
}

// revoke ends the streams that the revocation names.
func (g *Gateway) revoke(r broker.Revocation) {
	for _, s := range g.openStreams() {
		if r.Matches(s.viewer()) && s.claims.Issued.Before(r.Before) {
			s.end(closing{revokedCode(r)})
		}
	}
}

// recheck reads again what lost events would have told.
func (g *Gateway) recheck(ctx context.Context) {
	g.mu.Lock()
	for _, d := range g.desktops {
		d.nudge()
	}
	g.mu.Unlock()
	for _, s := range g.openStreams() {
		if code, ok := g.revokedNow(ctx, s); ok {
			s.end(closing{code})
		}
	}
}

// revokedNow asks the broker whether the stream is revoked, and with which
// code. A broker that does not answer revokes nothing.
func (g *Gateway) revokedNow(ctx context.Context, s *stream) (streamspace.Code, bool) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	c := s.claims
	r, revoked, err := g.broker.Revoked(ctx, s.viewer(), c.Issued)
	if err != nil {
		g.log.Warn("looking for revocations", "viewer_id", c.Viewer, "error", err)
		return "", false
	}
	return revokedCode(r), revoked
}

// revokedCode is the code with which the revocation ends a stream. One that has
// no close status would tell the viewer nothing.
func revokedCode(r broker.Revocation) streamspace.Code {
	if _, ok := closeStatuses[r.Code]; ok {
		return r.Code
	}
	return streamspace.CodeAccessRevoked
}
