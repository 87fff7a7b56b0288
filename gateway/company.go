package gateway

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/room"
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

// enter gives a viewer its seat.
func (c *company) enter(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seats = append(c.seats, s)
	c.room.Join(s.member)
	s.tell(newsWelcome | newsViewers | newsControl)
	c.settle(time.Now())
}

// leave takes it back.
func (c *company) leave(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seats = slices.DeleteFunc(c.seats, func(other *seat) bool { return other == s })
	c.room.Leave(s.member.ID, time.Now())
	if s.shown {
		for _, other := range c.seats {
			other.tellCursor(s.member.ID, cursor{gone: true})
		}
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
	pointer, points := m.Pointer()
	if points {
		c.point(s, pointer, now)
	}
	holder := c.room.Holder()
	var may bool
	switch m.Type {
	case rfb.ClientSetDesktopSize:
		// Pages send it by themselves: it takes no control. While nobody has that,
		// the desktop fits who came first.
		may = holder == s.member.ID || holder == "" && c.first() == s
	case rfb.ClientCutText:
		// So do they with clipboards, which who may not control can have, too.
		may = holder == "" || holder == s.member.ID
		if holder != "" && may {
			c.room.Input(s.member.ID, true, now)
		}
	default:
		key, isKey := m.Key()
		purpose := !points && !isKey || points && pointer.Buttons != 0 || isKey && key.Down
		may = c.room.Input(s.member.ID, purpose, now)
	}
	c.settle(now)
	return may
}

// first is the one who came first of those who may control. It needs mu.
func (c *company) first() *seat {
	for _, s := range c.seats {
		if s.member.Allows(streamspace.PermissionControl) {
			return s
		}
	}
	return nil
}

// point notes where a viewer points. It needs mu.
func (c *company) point(s *seat, p rfb.PointerEvent, now time.Time) {
	if len(c.seats) < 2 {
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
	c.room.Do(s.member.ID, command, now)
	c.settle(now)
}

// settle brings the room to the present and tells everybody what has changed in
// it. It needs mu.
func (c *company) settle(now time.Time) {
	c.tickAt = c.room.Tick(now)
	changes := c.room.Changes()
	for _, id := range changes.Lost {
		if s := c.find(id); s != nil {
			s.lose()
		}
	}
	for _, refusal := range changes.Refusals {
		if s := c.find(refusal.To); s != nil {
			s.tellRefusal(refusal.Message())
		}
	}
	if changes.Control {
		for _, s := range c.seats {
			s.tell(newsControl)
		}
	}
	if changes.Viewers && c.listAt.IsZero() {
		c.listAt = later(now, c.listed.Add(time.Duration(len(c.seats))*listEvery))
	}
	c.rouse()
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
		for _, s := range c.seats {
			s.tell(newsViewers)
		}
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
		for _, s := range c.seats {
			s.tell(newsStatus)
		}
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
		s.pointing, s.shown = false, true
		for _, other := range c.seats {
			if other != s {
				other.tellCursor(s.member.ID, s.pointer)
			}
		}
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
