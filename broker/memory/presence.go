package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// touchKeep is how long a session's last touch is remembered. The control
// plane writes activity down within seconds; this only has to outlast a
// database that is away for a night.
const touchKeep = 24 * time.Hour

// Join records the viewer for ttl.
func (b *Broker) Join(_ context.Context, viewer broker.Viewer, ttl time.Duration) error {
	viewer.Permissions = slices.Clone(viewer.Permissions)
	now := b.lock()
	defer b.mu.Unlock()
	viewers := b.viewers[viewer.Session]
	if viewers == nil {
		viewers = make(table[streamspace.ViewerID, broker.Viewer])
		b.viewers[viewer.Session] = viewers
	}
	_, known := viewers.get(viewer.ID, now)
	viewers.put(viewer.ID, viewer, now.Add(ttl))
	if !known {
		b.tell(broker.Event{Kind: broker.EventPresence, Session: viewer.Session})
	}
	return nil
}

// Leave forgets the viewer.
func (b *Broker) Leave(_ context.Context, viewer broker.Viewer) error {
	b.lock()
	defer b.mu.Unlock()
	viewers := b.viewers[viewer.Session]
	if _, known := viewers[viewer.ID]; !known {
		return nil
	}
	delete(viewers, viewer.ID)
	if len(viewers) == 0 {
		delete(b.viewers, viewer.Session)
	}
	b.tell(broker.Event{Kind: broker.EventPresence, Session: viewer.Session})
	return nil
}

// Viewers lists who watches the session, the longest watching first.
func (b *Broker) Viewers(_ context.Context, session streamspace.SessionID) ([]broker.Viewer, error) {
	now := b.lock()
	viewers := b.viewers[session].values(now)
	b.mu.Unlock()
	for i := range viewers {
		viewers[i].Permissions = slices.Clone(viewers[i].Permissions)
	}
	slices.SortFunc(viewers, func(a, b broker.Viewer) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return viewers, nil
}

// Touch records input from a person, unless later input is known.
func (b *Broker) Touch(_ context.Context, session streamspace.SessionID, at time.Time) error {
	now := b.lock()
	defer b.mu.Unlock()
	if last, ok := b.touches.get(session, now); ok && !at.After(last) {
		return nil
	}
	b.touches.put(session, at, now.Add(touchKeep))
	b.tell(broker.Event{Kind: broker.EventTouch, Session: session, At: at})
	return nil
}

// LastTouch returns the latest touch, or the zero time.
func (b *Broker) LastTouch(_ context.Context, session streamspace.SessionID) (time.Time, error) {
	now := b.lock()
	defer b.mu.Unlock()
	last, _ := b.touches.get(session, now)
	return last, nil
}

// Announce records the gateway for ttl.
func (b *Broker) Announce(_ context.Context, node broker.Node, ttl time.Duration) error {
	now := b.lock()
	defer b.mu.Unlock()
	b.nodes.put(node.Gateway, node, now.Add(ttl))
	return nil
}

// Retire takes the gateway off the list.
func (b *Broker) Retire(_ context.Context, gateway streamspace.GatewayID) error {
	b.lock()
	defer b.mu.Unlock()
	delete(b.nodes, gateway)
	return nil
}

// Nodes lists the live gateways by id.
func (b *Broker) Nodes(context.Context) ([]broker.Node, error) {
	now := b.lock()
	nodes := b.nodes.values(now)
	b.mu.Unlock()
	slices.SortFunc(nodes, func(a, b broker.Node) int { return cmp.Compare(a.Gateway, b.Gateway) })
	return nodes, nil
}
