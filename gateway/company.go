package gateway

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/tree"
	"github.com/streamspace/streamspace/rfb"
)

const (
	// cursorEvery is between two looks at where others point: 20 a second look
	// smooth with the page's own movement between them, whatever the mouse sends.
	cursorEvery = 50 * time.Millisecond
	// statusEvery is between two reports of how a stream does.
	statusEvery = time.Second
	// listEvery, times the number of viewers, is between two lists of who is here:
	// each coming and going is told to all, and a crowd comes at once.
	listEvery = time.Millisecond
)

// company is those who are at one desktop: the room, which says who has
// control, and a seat for each viewer.
//
// What is to be told after a while is told by a goroutine of the company that is
// there while there is something.
type company struct {
	stirred atomic.Bool // a figure of a seat has changed since the last look

	mu      sync.Mutex
	room    room.Room      // guarded by mu
	seats   []*seat        // guarded by mu; in the order of their coming
	others  []*seat        // guarded by mu; gateways that serve viewers of their own from here
	trunk   *trunk         // guarded by mu; to the gateway whose company this is a copy of; nil when it is of its own
	tickAt  time.Time      // guarded by mu; when the room is to be told the time; zero for never, as the next three
	listAt  time.Time      // guarded by mu; when to tell who is here
	pointAt time.Time      // guarded by mu; when to tell where they point
	lookAt  time.Time      // guarded by mu; when to tell how streams do
	listed  time.Time      // guarded by mu; when who is here was last told
	pointed time.Time      // guarded by mu; when where they point was last told
	crying  bool           // guarded by mu; the goroutine is there
	over    bool           // guarded by mu; there shall be none any more
	until   time.Time      // guarded by mu; when it looks again by itself
	wake    chan struct{}  // immutable; holds one when it is to look earlier
	criers  sync.WaitGroup // grows under mu while over is false
}

func newCompany() *company { return &company{wake: make(chan struct{}, 1)} }

// enter gives a viewer its seat. control says that it had control before, in a
// company of which this one is the next.
func (c *company) enter(s *seat, control bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if former := c.find(s.member.ID); former != nil { // whose connection has ended, and we have not heard of it
		c.seats = slices.DeleteFunc(c.seats, func(other *seat) bool { return other == former })
		if former.via == nil {
			former.stream.end(closing{streamspace.CodeViewerIdle})
		}
		control = control || c.room.Holder() == s.member.ID
		c.room.Leave(s.member.ID, now)
	}
	c.seats = append(c.seats, s)
	if c.trunk != nil {
		c.trunk.send(tree.Up{Type: tree.Join, Member: &s.member, Control: control}, nil)
	} else {
		c.room.Join(s.member)
	}
	if control && c.trunk == nil {
		c.room.Reclaim(s.member.ID, now)
	}
	s.tell(newsWelcome | newsViewers | newsControl)
	c.settle(now)
}

// connect gives another gateway its seat.
func (c *company) connect(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = append(c.others, s)
	s.tell(newsViewers | newsControl)
}

// disconnect takes it back, and those of its viewers.
func (c *company) disconnect(s *seat) {
	s.fall()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = slices.DeleteFunc(c.others, func(other *seat) bool { return other == s })
}

// leave takes it back.
func (c *company) leave(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.seats)
	c.seats = slices.DeleteFunc(c.seats, func(other *seat) bool { return other == s })
	if len(c.seats) == before {
		return // its viewer has another seat
	}
	if c.trunk != nil {
		c.trunk.send(tree.Up{Type: tree.Leave, Viewer: s.member.ID}, nil)
	} else {
		c.room.Leave(s.member.ID, time.Now())
	}
	if s.shown {
		c.tellCursor(s, cursor{gone: true})
	}
	c.settle(time.Now())
}

// close ends the company after the last viewer has left.
func (c *company) close() {
	c.mu.Lock()
	c.over = true
	c.rouse()
	c.mu.Unlock()
	c.criers.Wait()
}

// act decides whether a message that acts on the desktop may pass.
func (c *company) act(s *seat, m rfb.ClientMessage) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.trunk != nil {
		return c.actFar(s, m, now)
	}
	if pointer, points := m.Pointer(); points {
		c.point(s, pointer, now)
	}
	holder := c.room.Holder()
	var may bool
	switch m.Type {
	case rfb.ClientSetDesktopSize:
		// Pages send it by themselves: it takes no control. While nobody has that,
		// the desktop fits who came first.
		may = holder == s.member.ID || holder == "" && c.room.First() == s.member.ID
	case rfb.ClientCutText:
		// So do they with clipboards, which who may not control can have, too.
		may = holder == "" || holder == s.member.ID
		if holder != "" && may {
			c.room.Input(s.member.ID, true, now)
		}
	default:
		may = c.room.Input(s.member.ID, purposeful(m), now)
	}
	c.settle(now)
	return may
}

// purposeful tells whether input is more than a pointer that passes by.
func purposeful(m rfb.ClientMessage) bool {
	pointer, points := m.Pointer()
	key, isKey := m.Key()
	return !points && !isKey || points && pointer.Buttons != 0 || isKey && key.Down
}

// point notes where a viewer points. It needs mu.
func (c *company) point(s *seat, p rfb.PointerEvent, now time.Time) {
	if len(c.seats) < 2 && c.trunk == nil {
		return
	}
	s.pointer, s.pointing = cursor{x: p.X, y: p.Y}, true
	if c.pointAt.IsZero() {
		c.pointAt = later(now, c.pointed.Add(cursorEvery))
		c.rouse()
	}
}

// do carries out what a viewer asks for.
func (c *company) do(s *seat, command room.Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.trunk != nil {
		c.trunk.send(tree.Up{Type: tree.Do, Viewer: s.member.ID, Command: command}, nil)
		return
	}
	c.room.Do(s.member.ID, command, now)
	c.settle(now)
}

// settle brings the room to the present and tells everybody what has changed in
// it. It needs mu.
func (c *company) settle(now time.Time) {
	if c.trunk == nil {
		c.tickAt = c.room.Tick(now)
	}
	changes := c.room.Changes()
	for _, id := range changes.Lost {
		if s := c.find(id); s != nil {
			s.lose()
		}
	}
	for _, refusal := range changes.Refusals {
		if s := c.find(refusal.To); s != nil {
			s.refuse(refusal.Message())
		}
	}
	if changes.Control {
		c.tell(newsControl)
	}
	if changes.Viewers && c.listAt.IsZero() {
		c.listAt = later(now, c.listed.Add(time.Duration(len(c.seats))*listEvery))
	}
	c.rouse()
}

// holds tells whether the viewer has control.
func (c *company) holds(s *seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.Holder() == s.member.ID
}

// seated tells whether a viewer has a seat.
func (c *company) seated(id streamspace.ViewerID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(id) != nil
}

// renew has everybody told how to come back, whose telling is old.
func (c *company) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seats {
		s.tell(newsResume)
	}
}

func (c *company) find(id streamspace.ViewerID) *seat {
	for _, s := range c.seats {
		if s.member.ID == id {
			return s
		}
	}
	return nil
}

// stir notes that a figure of a seat has changed. It is called for each message
// and seldom does anything.
func (c *company) stir() {
	if c.stirred.Load() || c.stirred.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lookAt.IsZero() {
		c.lookAt = time.Now().Add(statusEvery)
		c.rouse()
	}
}

// rouse has the goroutine look when the next thing is due, and starts it if it
// is not there. It needs mu.
func (c *company) rouse() {
	next := c.next()
	switch {
	case c.crying && (c.over || !next.IsZero() && next.Before(c.until)):
		select {
		case c.wake <- struct{}{}:
		default:
		}
	case !c.crying && !c.over && !next.IsZero():
		c.crying = true
		c.criers.Go(c.cry)
	}
}

// next is when the next thing is due, zero for never. It needs mu.
func (c *company) next() (next time.Time) {
	for _, t := range [...]time.Time{c.tickAt, c.listAt, c.pointAt, c.lookAt} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// cry tells what is due, until there is nothing more to come.
func (c *company) cry() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c.catchUp(timer) {
		select {
		case <-timer.C:
		case <-c.wake:
		}
	}
}

// catchUp tells what is due and sets the timer to what comes next. It returns
// false when there is nothing.
func (c *company) catchUp(timer *time.Timer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if due(c.tickAt) {
		c.settle(now)
	}
	if due(c.listAt) {
		c.listAt, c.listed = time.Time{}, now
		c.tell(newsViewers)
	}
	if due(c.pointAt) {
		c.pointAt, c.pointed = time.Time{}, now
		c.tellPointers()
	}
	if due(c.lookAt) {
		c.lookAt = time.Time{}
		if c.stirred.Swap(false) {
			c.lookAt = now.Add(statusEvery)
		}
		c.tell(newsStatus)
	}
	c.until = c.next()
	if c.over || c.until.IsZero() {
		c.crying = false
		return false
	}
	timer.Reset(max(c.until.Sub(now), 0))
	return true
}

// tellPointers tells who points elsewhere since the last time. It needs mu.
func (c *company) tellPointers() {
	for _, s := range c.seats {
		if !s.pointing {
			continue
		}
		s.pointing = false
		if c.trunk != nil { // which tells everybody
			c.trunk.send(tree.Up{Type: tree.Point, Viewer: s.member.ID, X: s.pointer.x, Y: s.pointer.y}, nil)
			continue
		}
		s.shown = true
		c.tellCursor(s, s.pointer)
	}
}

// tell tells everybody here, and other gateways for theirs. It needs mu, as the
// next.
func (c *company) tell(n news) {
	for _, s := range c.seats {
		s.tell(n)
	}
	for _, s := range c.others {
		s.tell(n)
	}
}

// tellCursor tells all but s itself where s points; the other gateways see to that
// for theirs.
func (c *company) tellCursor(s *seat, at cursor) {
	for _, other := range c.seats {
		if other != s {
			other.tellCursor(s.member.ID, at)
		}
	}
	for _, other := range c.others {
		other.tellCursor(s.member.ID, at)
	}
}

// list and control are what a seat's writer asks for when it tells.

func (c *company) list(to streamspace.ViewerID) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.Viewers(to)
}

func (c *company) control() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.Control()
}

// later is the later of the two.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
