package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/tree"
)

// owner is another gateway that holds a desktop, through which it is served here.
type owner struct {
	tree.Peer
	claim broker.Claim
}

// askAgain is between two questions who holds a desktop, while that changes.
const askAgain = 50 * time.Millisecond

// ownerOf returns the gateway that holds the desktop, if it can be reached: err is
// what claiming the desktop ended with.
func (d *desktop) ownerOf(ctx context.Context, claim broker.Claim, err error) *owner {
	if !errors.Is(err, broker.ErrClaimed) || d.gateway.link.Listener == nil {
		return nil
	}
	peer, known := d.gateway.peers.find(ctx, claim.Gateway)
	if !known || peer.Address == "" {
		return nil
	}
	return &owner{Peer: peer.Peer, claim: claim}
}

// way is how the desktop is reached now; without a route there is none.
func (d *desktop) way() (broker.Route, *owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.route, d.owner
}

// isFar tells whether another gateway holds the desktop.
func (d *desktop) isFar() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owner != nil
}

// lost is told by a host that its way through the owner has ended. The streams
// wait until there is another: the owner's, if it is still there, or the desktop
// itself, if it has let go of it or has died.
func (d *desktop) lost(through *owner, cause error) {
	d.mu.Lock()
	if d.owner == through {
		d.owner, d.up = nil, false
	}
	if errors.Is(cause, tree.ErrDead) {
		d.dead = through.claim
		d.gateway.peers.bury(through.Gateway)
	} else {
		d.retry = time.Now().Add(askAgain)
	}
	d.mu.Unlock()
	d.nudge()
}

func (d *desktop) deceased() broker.Claim {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// waits is how long not to ask who holds the desktop.
func (d *desktop) waits(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.retry.Sub(now), 0)
}

// offer lets go of a desktop that is served here to other gateways only: one
// that is left takes it, and has a way that is shorter. It returns when to ask
// again, zero for never.
func (d *desktop) offer(now time.Time) time.Duration {
	open := d.open()
	branches := 0
	for _, s := range open {
		if s.branch {
			branches++
		}
	}
	draining := d.gateway.isDraining()
	if branches == 0 || branches < len(open) || branches > 1 && !draining {
		d.lonely = time.Time{}
		return 0
	}
	if d.lonely.IsZero() {
		d.lonely = now
	}
	if wait := d.lonely.Add(aloneFor).Sub(now); wait > 0 && !draining {
		return wait
	}
	for _, s := range open {
		s.end(closing{streamspace.CodeGatewayDraining})
	}
	return 0
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.phase >= phaseDraining
}
