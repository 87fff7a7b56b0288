package gateway

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/tree"
	"github.com/streamspace/streamspace/rfb"
)

// trunk is a host's connection to the gateway that owns the desktop. While it is
// there, the company here is a copy of the one there: who may act is decided
// there, and here only as far as that is known.
type trunk struct {
	company *company // immutable
	conn    *tree.Conn

	mu      sync.Mutex
	queue   []upward      // guarded by mu; no more than maxUpward
	over    bool          // guarded by mu
	arrived chan struct{} // holds one when there is something in the queue
}

// upward is a message to the owner, and the RFB that belongs to it.
type upward struct {
	text, raw []byte
}

// maxUpward bounds what waits for the owner: every viewer here may come, ask and
// point at once.
const maxUpward = 8192

// dialTrunk connects to the owner. The company follows it from then on.
func dialTrunk(ctx context.Context, g *Gateway, c *company, owner tree.Peer, session streamspace.SessionID) (*trunk, error) {
	t := &trunk{company: c, arrived: make(chan struct{}, 1)}
	conn, err := tree.Dial(ctx, g.certificate, owner, session, t.hear)
	if err != nil {
		return nil, err
	}
	g.tuner.tune(conn.Conn)
	t.conn = conn
	c.follow(t)
	return t, nil
}

// send queues a message. It does not wait: an owner that does not read loses the
// connection, and all begins anew.
func (t *trunk) send(m tree.Up, raw []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	if len(t.queue) == maxUpward {
		t.conn.Conn.Close()
		return
	}
	t.queue = append(t.queue, upward{tree.Encode(m), append([]byte(nil), raw...)})
	t.rouse()
}

func (t *trunk) rouse() {
	select {
	case t.arrived <- struct{}{}:
	default:
	}
}

// write sends what is queued until close. What cannot be written ends the
// connection, which its reader sees.
func (t *trunk) write() {
	for range t.arrived {
		t.mu.Lock()
		queue, over := t.queue, t.over
		t.queue = nil
		t.mu.Unlock()
		if over {
			return
		}
		for _, m := range queue {
			if err := t.conn.WriteText(m.text, m.raw); err != nil {
				t.conn.Conn.Close()
				break
			}
		}
	}
}

// close ends write, and the company's following.
func (t *trunk) close() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.rouse()
	t.company.part(t)
	t.conn.Conn.Close()
}

// hear takes a text of the owner, on the connection's reader.
func (t *trunk) hear(text []byte) error {
	m, err := tree.Decode[tree.Down](text)
	if err != nil {
		return err
	}
	switch {
	case m.Type == tree.Who && m.Who != nil:
		t.company.copyWho(t, *m.Who)
	case m.Type == tree.Held && m.Held != nil:
		t.company.copyHeld(t, *m.Held)
	case m.Type == tree.Cursors:
		t.company.copyCursors(m.Cursors)
	case m.Type == tree.Refused:
		t.company.copyRefusal(m.Viewer, m.Refusal)
	}
	return nil
}

// The company's part.

// follow makes the company a copy of the owner's.
func (c *company) follow(t *trunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trunk, c.tickAt = t, time.Time{}
	for _, s := range c.seats {
		t.send(tree.Up{Type: tree.Join, Member: &s.member, Control: s.member.ID == c.room.Holder()}, nil)
	}
}

// part makes it one of its own again.
func (c *company) part(t *trunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trunk != t {
		return
	}
	c.trunk = nil
	now := time.Now()
	c.room.Part(func(id streamspace.ViewerID) bool { return c.find(id) != nil }, now)
	c.settle(now)
}

func (c *company) copyWho(t *trunk, who room.Who) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trunk == t {
		c.room.CopyWho(who)
		c.settle(time.Now())
	}
}

func (c *company) copyHeld(t *trunk, held room.Held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trunk == t {
		c.room.CopyHeld(held)
		c.settle(time.Now())
	}
}

func (c *company) copyCursors(cursors []tree.Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range cursors {
		for _, s := range c.seats {
			if s.member.ID != at.Viewer {
				s.tellCursor(at.Viewer, cursor{x: at.X, y: at.Y, gone: at.Gone})
			}
		}
	}
}

func (c *company) copyRefusal(to streamspace.ViewerID, message []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(to); s != nil {
		s.refuse(message)
	}
}

// actFar decides as far as it is known here. While nobody has control, what a
// viewer does goes to the owner with its name, and may take control there. It
// needs mu.
func (c *company) actFar(s *seat, m rfb.ClientMessage, now time.Time) (may bool) {
	holder := c.room.Holder()
	if holder == s.member.ID {
		return true
	}
	pointer, points := m.Pointer()
	switch {
	case m.Type == rfb.ClientSetDesktopSize:
		return holder == "" && c.room.First() == s.member.ID
	case m.Type == rfb.ClientCutText:
		return holder == ""
	case holder == "":
		c.trunk.send(tree.Up{Type: tree.Act, Viewer: s.member.ID, Purpose: purposeful(m)}, m.Raw)
		s.stream.observer.Input()
	case points:
		c.point(s, pointer, now)
	}
	return false
}

// dialed is the trunk as the connection of a hub, which closes it.
type dialed struct {
	*tree.Conn
	trunk   *trunk
	writers *sync.WaitGroup
}

func (d *dialed) Close() error {
	d.trunk.close()
	d.writers.Wait()
	return nil
}

var _ net.Conn = (*dialed)(nil)

// errTrunk marks the end of a host by the owner's gateway, after which its
// viewers go on with another.
type errTrunk struct{ error }

func (e errTrunk) Unwrap() error { return e.error }

func trunkEnded(err error) error { return fmt.Errorf("through another gateway: %w", errTrunk{err}) }
