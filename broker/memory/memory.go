// Package memory is the broker of one process: maps behind one lock.
//
// It starts no goroutine. What has a lifetime is ignored from the moment it
// ends and forgotten within a minute of further use; nothing survives the
// process, and nothing needs to: the control plane publishes its routes again
// and gateways repeat what they hold.
package memory

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// Broker implements broker.Broker. Every gateway and control plane of the
// process shares one.
type Broker struct {
	now func() time.Time // immutable

	mu            sync.Mutex
	routes        map[streamspace.SessionID]broker.Route                               // guarded by mu; as many as desktops run
	claims        table[streamspace.SessionID, broker.Claim]                           // guarded by mu
	fence         uint64                                                               // guarded by mu; the last claim's epoch, common to all sessions so that none needs to be remembered
	viewers       map[streamspace.SessionID]table[streamspace.ViewerID, broker.Viewer] // guarded by mu
	touches       table[streamspace.SessionID, time.Time]                              // guarded by mu
	redeemed      table[streamspace.TicketID, struct{}]                                // guarded by mu
	revocations   table[target, broker.Revocation]                                     // guarded by mu
	thumbnails    table[streamspace.SessionID, broker.Thumbnail]                       // guarded by mu; MaxThumbnail bytes each
	nodes         table[streamspace.GatewayID, broker.Node]                            // guarded by mu
	spent         table[string, time.Time]                                             // guarded by mu; when each allowance is whole again
	subscriptions map[*subscription]struct{}                                           // guarded by mu
	sweepAt       time.Time                                                            // guarded by mu
}

// New returns an empty broker that tells time by now.
func New(now func() time.Time) *Broker {
	return &Broker{
		now:           now,
		routes:        make(map[streamspace.SessionID]broker.Route),
		claims:        make(table[streamspace.SessionID, broker.Claim]),
		viewers:       make(map[streamspace.SessionID]table[streamspace.ViewerID, broker.Viewer]),
		touches:       make(table[streamspace.SessionID, time.Time]),
		redeemed:      make(table[streamspace.TicketID, struct{}]),
		revocations:   make(table[target, broker.Revocation]),
		thumbnails:    make(table[streamspace.SessionID, broker.Thumbnail]),
		nodes:         make(table[streamspace.GatewayID, broker.Node]),
		spent:         make(table[string, time.Time]),
		subscriptions: make(map[*subscription]struct{}),
	}
}

var _ broker.Broker = (*Broker)(nil)

// lock takes the lock, forgets what has ended when that is due, and returns
// the time by which everything in the critical section is judged.
func (b *Broker) lock() time.Time {
	b.mu.Lock()
	now := b.now()
	if !now.Before(b.sweepAt) {
		b.sweepAt = now.Add(sweepEvery)
		b.sweep(now)
	}
	return now
}

// Publish makes the route known, unless a later start of the desktop is known.
func (b *Broker) Publish(_ context.Context, route broker.Route) error {
	route.Secret = bytes.Clone(route.Secret)
	b.lock()
	defer b.mu.Unlock()
	if route.Epoch < b.routes[route.Session].Epoch {
		return nil
	}
	b.routes[route.Session] = route
	b.tell(broker.Event{Kind: broker.EventRoute, Session: route.Session, Epoch: route.Epoch})
	return nil
}

// Withdraw removes the route, unless it is of a later start than epoch.
func (b *Broker) Withdraw(_ context.Context, session streamspace.SessionID, epoch uint64) error {
	b.lock()
	defer b.mu.Unlock()
	route, ok := b.routes[session]
	if !ok || route.Epoch > epoch {
		return nil
	}
	delete(b.routes, session)
	b.tell(broker.Event{Kind: broker.EventWithdrawn, Session: session, Epoch: route.Epoch})
	return nil
}

// Route returns the route to the session's desktop.
func (b *Broker) Route(_ context.Context, session streamspace.SessionID) (broker.Route, error) {
	b.lock()
	defer b.mu.Unlock()
	route, ok := b.routes[session]
	if !ok {
		return broker.Route{}, broker.ErrNoRoute
	}
	route.Secret = bytes.Clone(route.Secret)
	return route, nil
}

// Want tells the control plane that a viewer waits for the session.
func (b *Broker) Want(_ context.Context, session streamspace.SessionID) error {
	b.lock()
	defer b.mu.Unlock()
	b.tell(broker.Event{Kind: broker.EventWant, Session: session})
	return nil
}

// Claim takes the desktop for ttl, or tells who holds it.
func (b *Broker) Claim(_ context.Context, session streamspace.SessionID, gateway streamspace.GatewayID, ttl time.Duration) (broker.Claim, error) {
	now := b.lock()
	defer b.mu.Unlock()
	claim, held := b.claims.get(session, now)
	if held && claim.Gateway != gateway {
		return claim, broker.ErrClaimed
	}
	if !held {
		b.fence++
		claim = broker.Claim{Session: session, Gateway: gateway, Epoch: b.fence}
	}
	return b.hold(claim, now.Add(ttl)), nil
}

// Inherit takes the desktop over from a gateway that has died.
func (b *Broker) Inherit(ctx context.Context, from broker.Claim, gateway streamspace.GatewayID, ttl time.Duration) (broker.Claim, error) {
	now := b.lock()
	if held, ok := b.claims.get(from.Session, now); ok && held.Gateway == from.Gateway && held.Epoch == from.Epoch {
		delete(b.claims, from.Session)
	}
	b.mu.Unlock()
	return b.Claim(ctx, from.Session, gateway, ttl)
}

// Renew prolongs the claim by ttl from now.
func (b *Broker) Renew(_ context.Context, claim broker.Claim, ttl time.Duration) (broker.Claim, error) {
	now := b.lock()
	defer b.mu.Unlock()
	held, ok := b.claims.get(claim.Session, now)
	if !ok || held.Gateway != claim.Gateway || held.Epoch != claim.Epoch {
		return broker.Claim{}, broker.ErrStaleClaim
	}
	return b.hold(held, now.Add(ttl)), nil
}

// hold records the claim until expires; the caller holds mu.
func (b *Broker) hold(claim broker.Claim, expires time.Time) broker.Claim {
	claim.Expires = expires
	b.claims.put(claim.Session, claim, expires)
	return claim
}

// Release gives the claim up, if it is the present one.
func (b *Broker) Release(_ context.Context, claim broker.Claim) error {
	now := b.lock()
	defer b.mu.Unlock()
	if held, ok := b.claims.get(claim.Session, now); ok && held.Gateway == claim.Gateway && held.Epoch == claim.Epoch {
		delete(b.claims, claim.Session)
	}
	return nil
}
