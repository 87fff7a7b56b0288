package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/sound"
)

// desktop is one session that has viewers here. It holds the claim, follows the
// route, and tells the broker who watches and that somebody does something. It
// lives from the first viewer to the last, or for as long as a picture of it is
// made that somebody wishes for who only glances at it.
//
// What it has to do are its chores: they are done one after the other by a
// goroutine of the desktop that is there while there are any.
type desktop struct {
	gateway *Gateway              // immutable
	session streamspace.SessionID // immutable
	todo    atomic.Uint32         // chores that wait to be done
	done    chan struct{}         // closed when the desktop has ended
	owned   atomic.Bool           // the claim is held
	offered atomic.Bool           // it is, but not for long: another gateway is to take it
	company *company              // immutable
	share   *share                // immutable

	streams []*stream // guarded by gateway.mu
	closing bool      // guarded by gateway.mu; takes no more streams

	mu        sync.Mutex
	route     broker.Route   // guarded by mu; valid if up
	up        bool           // guarded by mu
	owner     *owner         // guarded by mu; the gateway that holds the desktop; nil when this one does
	dead      broker.Claim   // guarded by mu; of a gateway that has died
	retry     time.Time      // guarded by mu; when to ask again who holds it
	lastTouch time.Time      // guarded by mu
	sound     *sound.Station // guarded by mu; nil while nobody has listened

	// owned by work
	claim    broker.Claim
	claimed  bool
	lonely   time.Time   // since when only other gateways are served from here
	warned   time.Time   // when it was last told that the broker does not answer
	wanted   time.Time   // when the broker was last told that viewers wait
	stranger time.Time   // since when a gateway that is not on the list holds it
	again    *time.Timer // tells to look again; nil when events do
}

// What a desktop can be told to do.
const (
	choreLook   uint32 = 1 << iota // the route or the viewers may have changed
	choreTouch                     // somebody did something
	choreKeep                      // prolong what runs out
	choreScreen                    // look whether a viewer sees a film
	choreGlance                    // somebody would like a picture
	choreReview                    // the share may have to change
	choreBusy                      // none, but the mark that work runs, or never will again
)

const (
	// wantEvery is how often a wait is told again: a want may be lost with the
	// process that took it.
	wantEvery = 10 * time.Second
	// warnEvery is between two lines of one desktop about a broker that is away.
	warnEvery = 30 * time.Second
	// brokerTimeout bounds one call to the broker outside an admission.
	brokerTimeout = 5 * time.Second
)

// attach joins the stream to its session's desktop, and starts that if the
// stream is the first.
func (g *Gateway) attach(s *stream) *desktop {
	for {
		g.mu.Lock()
		d := g.desktops[s.claims.Session]
		if d == nil {
			d = g.newDesktop(s.claims.Session)
			d.nudge()
		}
		if !d.closing {
			d.streams = append(d.streams, s)
			g.mu.Unlock()
			return d
		}
		g.mu.Unlock()
		<-d.done // it gives its claim up first: the next desktop takes it anew
	}
}

// newDesktop needs mu, and that the group is not waited for yet.
func (g *Gateway) newDesktop(session streamspace.SessionID) *desktop {
	d := &desktop{gateway: g, session: session, done: make(chan struct{}), company: newCompany()}
	d.share = &share{desktop: d}
	g.desktops[session] = d
	g.metrics.desktops.Inc()
	g.group.Add(1) // until giveUp
	return d
}

// detach takes the stream off; with the last one the desktop ends.
func (d *desktop) detach(s *stream) {
	d.gateway.mu.Lock()
	d.streams = slices.DeleteFunc(d.streams, func(other *stream) bool { return other == s })
	d.gateway.mu.Unlock()
	d.nudge()
}

// nudge makes run look at the route and the viewers again.
func (d *desktop) nudge() { d.tell(choreLook) }

// tell adds a chore, and starts work if it does not run.
func (d *desktop) tell(chore uint32) {
	if d.todo.Or(chore|choreBusy)&choreBusy == 0 {
		go d.work() // giveUp, the last thing it does, is waited for
	}
}

// work does chores until there are none, or until nobody needs the desktop any
// more: then it ends. The end of the gateway's context does not end it, but the
// streams: they need it to the last.
func (d *desktop) work() {
	for {
		if d.retire() {
			d.giveUp(context.Background())
			return // busy for ever
		}
		chores := d.todo.Swap(choreBusy) &^ choreBusy
		if chores != 0 {
			d.attend(context.Background(), chores)
			continue
		}
		if d.todo.CompareAndSwap(choreBusy, 0) {
			return
		}
	}
}

func (d *desktop) attend(ctx context.Context, chores uint32) {
	if chores&choreTouch != 0 {
		d.tellTouch(ctx)
	}
	if chores&choreKeep != 0 {
		d.keep(ctx)
	}
	if chores&choreScreen != 0 {
		d.share.screen(time.Now())
	}
	if chores&choreReview != 0 {
		d.share.review()
	}
	if chores&choreGlance != 0 && d.stale(ctx) {
		defer d.glance()
		chores |= choreLook
	}
	if chores&(choreLook|choreKeep) == 0 {
		return
	}
	if d.again != nil {
		d.again.Stop()
		d.again = nil
	}
	after := d.refresh(ctx)
	if wait := d.offer(time.Now()); wait > 0 && (after == 0 || wait < after) {
		after = wait
	}
	if after > 0 {
		d.again = time.AfterFunc(after, d.nudge)
	}
}

// retire tells whether the last stream has left and no picture is wished for,
// and if so takes no more.
func (d *desktop) retire() bool {
	d.gateway.mu.Lock()
	defer d.gateway.mu.Unlock()
	d.closing = len(d.streams) == 0 && d.todo.Load()&choreGlance == 0 && !d.share.busy()
	return d.closing
}

// pictureAge is how old the picture of a desktop that nobody watches gets before
// another is made: it takes a connection.
const pictureAge = time.Minute

// stale tells whether a glance is worth a picture.
func (d *desktop) stale(ctx context.Context) bool {
	if len(d.open()) > 0 {
		return true // its host is there for longer, and looks whether something has changed
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	taken, err := d.gateway.broker.ThumbnailTaken(ctx, d.session)
	if err != nil {
		d.warn("looking for a thumbnail", "error", err)
		return false
	}
	return time.Since(taken) > pictureAge
}

// glance has a picture made, if the desktop is ours and up.
func (d *desktop) glance() {
	if _, up := d.current(); up && d.claimed {
		d.share.glance()
	}
}

// giveUp releases the claim and takes the desktop out of the gateway's books.
func (d *desktop) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	if d.again != nil {
		d.again.Stop()
	}
	d.company.close()
	d.share.close()
	d.mu.Lock()
	station := d.sound
	d.mu.Unlock()
	if station != nil {
		station.Close()
	}
	d.owned.Store(false)
	if d.claimed {
		if err := d.gateway.broker.Release(ctx, d.claim); err != nil {
			d.warn("releasing the claim", "error", err)
		}
	}
	d.gateway.mu.Lock()
	delete(d.gateway.desktops, d.session)
	d.gateway.mu.Unlock()
	d.gateway.metrics.desktops.Dec()
	close(d.done)
	d.gateway.group.Done()
}

// refresh brings what the streams see in line with the broker. It returns after
// what time to look again without being told, zero for never.
func (d *desktop) refresh(ctx context.Context) (again time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	route, err := d.gateway.broker.Route(ctx, d.session)
	switch {
	case errors.Is(err, broker.ErrNoRoute):
		d.setRoute(broker.Route{}, nil, false)
		if len(d.open()) == 0 {
			return 0 // a glance wakes nobody
		}
		return d.want(ctx)
	case err != nil:
		if now := time.Now(); now.Sub(d.warned) >= warnEvery {
			d.warned = now
			d.warn("reading the route", "error", err)
		}
		return time.Second // a stream that runs goes on: the desktop is not what failed
	}
	if wait := d.waits(time.Now()); wait > 0 {
		return wait
	}
	holder, err := d.take(ctx)
	var through *owner
	if errors.Is(err, broker.ErrClaimed) {
		through, err = d.ownerOf(ctx, holder)
	}
	if errors.Is(err, errStranger) && d.estranged(time.Now()) {
		d.setRoute(broker.Route{}, nil, false)
		return askAgain
	}
	d.stranger = time.Time{}
	if err == nil {
		d.wanted = time.Time{}
		d.setRoute(route, through, true)
		return 0
	}
	if len(d.open()) > 0 || !errors.Is(err, broker.ErrClaimed) {
		d.warn("claiming the desktop", "error", err)
	}
	d.endStreams(closing{streamspace.CodeUnavailable})
	return time.Second
}

// want tells the control plane that viewers wait.
func (d *desktop) want(ctx context.Context) time.Duration {
	if since := time.Since(d.wanted); since < wantEvery {
		return wantEvery - since
	}
	if err := d.gateway.broker.Want(ctx, d.session); err != nil {
		d.warn("asking for the desktop", "error", err)
		return time.Second
	}
	d.wanted = time.Now()
	return wantEvery
}

// take claims the desktop, once. Of a desktop that another gateway holds it
// returns that one's claim.
func (d *desktop) take(ctx context.Context) (broker.Claim, error) {
	if d.claimed {
		return d.claim, nil
	}
	g := d.gateway
	claim, err := g.broker.Claim(ctx, d.session, g.id, g.timing.Claim)
	if dead := d.deceased(); errors.Is(err, broker.ErrClaimed) && dead.Epoch == claim.Epoch && dead.Gateway == claim.Gateway {
		claim, err = g.broker.Inherit(ctx, claim, g.id, g.timing.Claim)
	}
	if err != nil {
		return claim, fmt.Errorf("claiming %s: %w", d.session, err)
	}
	d.claim, d.claimed = claim, true
	d.owned.Store(true)
	return claim, nil
}

// setRoute makes the route known to the streams: those that wait look at it,
// those that speak with an earlier desktop end.
func (d *desktop) setRoute(route broker.Route, through *owner, up bool) {
	d.mu.Lock()
	changed := d.up != up || d.route.Epoch != route.Epoch
	d.route, d.owner, d.up = route, through, up
	d.mu.Unlock()
	if !changed {
		return
	}
	for _, s := range d.open() {
		s.routeChanged(route.Epoch, up)
	}
	d.share.moved(route.Epoch, up)
}

// current returns the route, if the desktop is up.
func (d *desktop) current() (broker.Route, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.route, d.up
}

// keep prolongs the claim and everybody's presence.
func (d *desktop) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	if d.claimed {
		claim, err := d.gateway.broker.Renew(ctx, d.claim, d.gateway.timing.Claim)
		switch {
		case errors.Is(err, broker.ErrStaleClaim):
			d.claimed = false
			d.owned.Store(false)
			d.warn("claim was lost", "epoch", d.claim.Epoch)
			// It may have run out while the broker was away, and nobody taken the desktop.
			if _, err := d.take(ctx); err != nil {
				d.endStreams(closing{streamspace.CodeUnavailable})
			}
		case err != nil:
			d.warn("renewing the claim", "error", err)
			d.doubt(ctx)
		default:
			d.claim = claim
		}
	}
	d.company.renew()
	for _, s := range d.open() {
		if s.branch {
			continue
		}
		if err := d.gateway.broker.Join(ctx, s.viewer(), d.gateway.timing.Claim); err != nil {
			d.warn("prolonging presence", "viewer_id", s.claims.Viewer, "error", err)
			return
		}
	}
}

// touch notes real input. It is called for each message and seldom does
// anything.
func (d *desktop) touch() {
	now := time.Now()
	d.mu.Lock()
	due := now.Sub(d.lastTouch) >= d.gateway.timing.Touch
	if due {
		d.lastTouch = now
	}
	d.mu.Unlock()
	if due {
		d.tell(choreTouch)
	}
}

func (d *desktop) tellTouch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	d.mu.Lock()
	at := d.lastTouch
	d.mu.Unlock()
	if err := d.gateway.broker.Touch(ctx, d.session, at); err != nil {
		d.warn("telling activity", "error", err)
	}
}

func (d *desktop) open() []*stream {
	d.gateway.mu.Lock()
	defer d.gateway.mu.Unlock()
	return slices.Clone(d.streams)
}

func (d *desktop) endStreams(cause closing) {
	for _, s := range d.open() {
		s.end(cause)
	}
}

// warn logs with the session's id. A logger of its own would be kept by every
// desktop, for lines that are seldom written.
func (d *desktop) warn(message string, args ...any) {
	d.gateway.log.With("session_id", d.session).Warn(message, args...)
}
