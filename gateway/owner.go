package gateway

import (
	"context"
	"errors"
	"sync"
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

// errStranger says that nothing is known yet of the gateway that holds a desktop:
// it has come since the list was last looked at, or has left and not let go.
var errStranger = errors.New("the gateway that holds it is not on the list")

// ownerOf returns the gateway that has the claim, if desktops are served through
// other gateways and it can be reached.
func (d *desktop) ownerOf(ctx context.Context, claim broker.Claim) (*owner, error) {
	if d.gateway.link.Listener == nil {
		return nil, broker.ErrClaimed
	}
	peer, known := d.gateway.peers.find(ctx, claim.Gateway)
	switch {
	case !known:
		return nil, errStranger
	case peer.Address == "":
		return nil, broker.ErrClaimed
	}
	return &owner{Peer: peer.Peer, claim: claim}, nil
}

// estranged tells whether a desktop that a stranger holds may be waited for: no
// claim that is not renewed lasts longer.
func (d *desktop) estranged(now time.Time) bool {
	if d.stranger.IsZero() {
		d.stranger = now
	}
	return now.Sub(d.stranger) <= d.gateway.timing.Claim+time.Second
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
	} else {
		d.retry = time.Now().Add(askAgain)
	}
	d.mu.Unlock()
	if errors.Is(cause, tree.ErrDead) {
		d.gateway.bury(through.Gateway)
	}
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
	d.offered.Store(d.offered.Load() && branches == len(open))
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
	d.offered.Store(true) // or they would come back before it is let go of
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

// doubt decides whether a claim that cannot be renewed may be lived by. If the
// broker is away for all, nobody can take the desktop, and what runs goes on. If it
// is away for this gateway alone, another is about to take it, and whoever owns it
// must have stopped by then. The other gateways know which it is; without any of
// them, a gateway that had neighbours is the one that is cut off.
func (d *desktop) doubt(ctx context.Context) {
	g := d.gateway
	if left := time.Until(d.claim.Expires); left > g.timing.Claim/2 {
		return // the next tick comes early enough
	}
	if !g.isCutOff(ctx) {
		return
	}
	d.claimed = false
	d.owned.Store(false)
	d.warn("the broker is away for this gateway only: its desktop is given up", "epoch", d.claim.Epoch)
	d.endStreams(closing{streamspace.CodeUnavailable})
}

const (
	// maxAsked bounds the neighbours who are asked; one that answers is enough.
	maxAsked = 3
	// cutOffFor is how long an answer holds: many desktops ask at once.
	cutOffFor = time.Second
)

// isCutOff tells whether other gateways reach the broker, or none of them can be
// reached.
func (g *Gateway) isCutOff(ctx context.Context) bool {
	g.doubting.Lock()
	defer g.doubting.Unlock()
	if now := time.Now(); now.Sub(g.doubtedAt) >= cutOffFor {
		g.cutOff = g.askNeighbours(ctx)
		g.doubtedAt = time.Now()
	}
	return g.cutOff
}

func (g *Gateway) askNeighbours(ctx context.Context) bool {
	var neighbours []peer
	for _, p := range g.peers.living() {
		if p.Gateway != g.id && p.Address != "" && len(neighbours) < maxAsked {
			neighbours = append(neighbours, p)
		}
	}
	if len(neighbours) == 0 {
		return false // it is alone: there is nobody who could take anything
	}
	answers := make(chan *tree.View, len(neighbours))
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithTimeout(ctx, g.timing.Claim/4) // of the half that is left
	defer cancel()
	for _, p := range neighbours {
		asking.Go(func() {
			view, err := tree.Ask(ctx, g.certificate, p.Peer)
			if err != nil {
				answers <- nil
				return
			}
			answers <- &view
		})
	}
	reached := false
	for range neighbours {
		view := <-answers
		if view != nil && view.Broker {
			return true
		}
		reached = reached || view != nil
	}
	return !reached
}
