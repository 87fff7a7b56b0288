package gateway

import (
	"slices"
	"sync"
	"time"
)

const (
	// aloneFor is how long a viewer is alone before it gets a connection to the
	// desktop of its own again: who reloads a page comes back within that.
	aloneFor = 3 * time.Second
	// glanceFor is how long a desktop with a viewer stays with its host after
	// somebody glanced at it: a dashboard that is open asks again before that, and
	// the viewer is not moved to and fro.
	glanceFor = 75 * time.Second
	// filmBytes is how much a viewer that is alone is sent, in bytes a second over
	// filmLook, for a film to be looked for: after every filmStep bytes. A host finds out whether it is one: it then stays until
	// there has been none for filmFor, and otherwise none is looked for again for
	// barrenFor.
	filmBytes = 600_000
	filmStep  = 1 << 20
	filmLook  = 3 * time.Second
	filmFor   = 12 * time.Second
	barrenFor = 2 * time.Minute
)

// share is how a desktop's pixels come to its viewers. One that is alone has a
// connection to the desktop of its own, through a relay. From the second one on,
// while somebody glances at the desktop from outside, and while one sees a film
// that it had better get as video, all are served by one host.
//
// A stream asks for its place before it is served, and again whenever it was
// asked to move.
type share struct {
	desktop *desktop // immutable

	mu      sync.Mutex
	streams []*stream        // guarded by mu; that are served or about to be
	bound   map[*stream]bool // guarded by mu; those that only a host can serve
	host    *host            // guarded by mu; nil when nobody needs one
	glanced time.Time        // guarded by mu; when somebody glanced, until which the host stays is glanceFor later
	alone   time.Time        // guarded by mu; since when there is no second stream
	watched *stream          // guarded by mu; of which sent is
	sent    int64            // guarded by mu; bytes that it had been sent at counted
	counted time.Time        // guarded by mu
	filmed  time.Time        // guarded by mu; when a film was last seen, or supposed
	barren  time.Time        // guarded by mu; when one was last supposed in vain
	look    *time.Timer      // guarded by mu; tells the desktop to look at the share again; may be nil
	hosts   sync.WaitGroup   // grows under mu, while the desktop has a stream or a visit
}

// place decides who serves the stream from now on: a host, or, if nil, a relay
// of its own. bound says that no relay can.
func (sh *share) place(s *stream, bound bool) *host {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now()
	if !slices.Contains(sh.streams, s) {
		sh.streams = append(sh.streams, s)
	}
	if bound {
		if sh.bound == nil {
			sh.bound = make(map[*stream]bool)
		}
		sh.bound[s] = true
	}
	s.host = nil
	if sh.needed(now) {
		sh.open()
		s.host = sh.host
	}
	sh.settle(now)
	return s.host
}

// leave takes a stream out that is not served any more.
func (sh *share) leave(s *stream) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.host = nil
	delete(sh.bound, s)
	sh.streams = slices.DeleteFunc(sh.streams, func(other *stream) bool { return other == s })
	switch len(sh.streams) {
	case 0:
		sh.glanced = time.Time{} // the host makes a last picture
	case 1:
		sh.alone = time.Now()
	}
	sh.settle(time.Now())
}

// hostOf is who serves the stream; nil for a relay.
func (sh *share) hostOf(s *stream) *host {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return s.host
}

// glance keeps or opens a host, which makes a picture.
func (sh *share) glance() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now()
	sh.glanced = now
	sh.open()
	sh.host.glance()
	sh.settle(now)
}

// screen looks for a film, now that its viewer has been sent filmStep more: whoever
// is alone and sent very much is moved to a host, which codes films as video.
func (sh *share) screen(now time.Time) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.host != nil || len(sh.streams) != 1 || !sh.streams[0].films.Load() || now.Before(sh.barren.Add(barrenFor)) {
		sh.watched = nil
		return
	}
	s := sh.streams[0]
	sent, passed := s.observer.figures.bytes.Load(), now.Sub(sh.counted)
	if sh.watched == s && passed < filmLook {
		return
	}
	much := sh.watched == s && float64(sent-sh.sent) > filmBytes*passed.Seconds()
	sh.watched, sh.sent, sh.counted = s, sent, now
	if much {
		sh.filmed, sh.barren = now, now // it is barren until the host says that it is not
		sh.open()
		sh.settle(now)
	}
}

// pictured is told by a host that it has made a picture. Where nobody watches,
// that was all that it was for.
func (sh *share) pictured() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.streams) == 0 {
		sh.forgo()
	}
}

// over forgets glances, since the gateway is about to go.
func (sh *share) over() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.forgo()
}

// forgo needs mu.
func (sh *share) forgo() {
	sh.glanced = time.Time{}
	sh.settle(time.Now())
	sh.desktop.nudge()
}

// ready moves the streams that have a relay to the host.
func (sh *share) ready(h *host) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, s := range sh.streams {
		switch {
		case sh.host == h && s.host == nil:
			s.host = h
			s.socket.Yield()
			sh.desktop.gateway.metrics.promoted.Inc()
		case s.host == h: // waits for it
			s.socket.Nudge()
		}
	}
}

// ended takes a host out that has ended by itself.
func (sh *share) ended(h *host) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.host == h {
		sh.host, sh.glanced = nil, time.Time{}
		sh.desktop.nudge()
	}
	for _, s := range sh.streams {
		if s.host == h {
			s.socket.Nudge()
		}
	}
}

// close ends the host and waits for it, after the last stream has left.
func (sh *share) close() {
	sh.mu.Lock()
	sh.glanced = time.Time{}
	sh.settle(time.Now())
	if sh.look != nil {
		sh.look.Stop()
	}
	sh.mu.Unlock()
	sh.hosts.Wait()
}

// busy tells whether there is a host.
func (sh *share) busy() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.host != nil
}

// moved ends a host in front of a desktop that is not the session's any more.
func (sh *share) moved(epoch uint64, up bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if h := sh.host; h != nil && (!up || h.epoch() != epoch) {
		h.stop()
	}
}

// review gives the last stream a relay of its own again when it is time.
func (sh *share) review() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now()
	if !sh.filmed.IsZero() && sh.host != nil && sh.host.isReady() {
		if at := sh.host.hub.Filmed(); at.After(sh.filmed) {
			sh.filmed, sh.barren = at, time.Time{}
		}
	}
	sh.settle(now)
	if sh.host == nil || sh.needed(now) || len(sh.streams) != 1 || now.Before(sh.alone.Add(aloneFor)) {
		return
	}
	s := sh.streams[0]
	if s.host != sh.host || !s.host.isReady() || s.seat.holding.Load() {
		return // it is on its way, or a key would be let go of
	}
	if s.host.hub.HandBack(s.socket) { // it then asks for its place again
		sh.desktop.gateway.metrics.demoted.Inc()
	}
}

// needed tells whether there has to be a host. It needs mu, as the next do.
func (sh *share) needed(now time.Time) bool {
	return len(sh.streams) > 1 || len(sh.bound) > 0 || sh.desktop.isFar() || !sh.glanced.IsZero() && now.Before(sh.glanced.Add(glanceFor)) ||
		!sh.filmed.IsZero() && now.Before(sh.filmed.Add(filmFor))
}

// open starts a host if there is none.
func (sh *share) open() {
	if sh.host == nil {
		sh.host = newHost(sh)
		sh.hosts.Go(sh.host.run)
	}
}

// settle ends a host that nobody needs or is served by, and has the share looked
// at again when one may not be needed any more. Who only waits for one that is not
// needed any more asks for another place.
func (sh *share) settle(now time.Time) {
	if sh.host == nil {
		return
	}
	if len(sh.streams) > 1 {
		return
	}
	serves := sh.host.isReady() && slices.ContainsFunc(sh.streams, func(s *stream) bool { return s.host == sh.host })
	if !serves && !sh.needed(now) {
		sh.host.stop()
		sh.host = nil
		return
	}
	if sh.look == nil {
		sh.look = time.AfterFunc(aloneFor, func() { sh.desktop.tell(choreReview) })
	} else {
		sh.look.Reset(aloneFor)
	}
}
