package gateway

import (
	"context"
	"crypto"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/ingress"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/gateway/tree"
)

const (
	// peersEvery is between two looks at the fleet's list, which are made when
	// somebody unknown is asked for.
	peersEvery = 250 * time.Millisecond
	// peersKeep is how long a gateway is remembered that is on the list no more:
	// what it signed for its viewers is good for less.
	peersKeep = 2 * ticket.ResumeLife
	// maxPeers bounds the memory; a fleet has hundreds at most.
	maxPeers = 4096
)

// peers are the fleet's gateways as this one knows them. Who was on the list is
// known for a while, since those who ask for one that died are many.
type peers struct {
	nodes  func(ctx context.Context) ([]broker.Node, error) // immutable
	region string                                           // immutable; ours

	mu    sync.Mutex
	at    time.Time                      // guarded by mu; of the latest look
	known map[streamspace.GatewayID]peer // guarded by mu

	fleet atomic.Pointer[[]ingress.Gateway] // those that take viewers, as of the latest look
}

type peer struct {
	tree.Peer
	url      string
	near     bool // of our region
	draining bool // for good
	dead     bool // nobody is at its address
	seen     time.Time
}

// find returns the gateway, from the list if it is not known.
func (p *peers) find(ctx context.Context, id streamspace.GatewayID) (peer, bool) {
	return p.search(ctx, func(known peer) bool { return known.Gateway == id })
}

// keyed returns the gateway that has the key.
func (p *peers) keyed(ctx context.Context, key crypto.PublicKey) (peer, bool) {
	return p.search(ctx, func(known peer) bool { return known.Key.Is(key) })
}

// signer returns the key that has the id.
func (p *peers) signer(ctx context.Context, id string) (ticket.PublicKey, bool) {
	known, ok := p.search(ctx, func(known peer) bool { return known.Key.ID() == id })
	return known.Key, ok
}

// bury takes a gateway off that was found dead; what it signed stays good. It
// returns false for one that was taken off before.
func (p *peers) bury(id streamspace.GatewayID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.known[id]
	if !ok || known.dead {
		return false
	}
	known.dead = true
	p.known[id] = known
	p.withhold(id)
	return true
}

// leave sends no more viewers to a gateway that has said that it drains.
func (p *peers) leave(id streamspace.GatewayID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.known[id]
	if !ok {
		return
	}
	known.draining = true
	p.known[id] = known
	p.withhold(id)
}

// withhold needs mu. It takes the gateway off those that take viewers.
func (p *peers) withhold(id streamspace.GatewayID) {
	fleet := slices.DeleteFunc(slices.Clone(p.serving()), func(g ingress.Gateway) bool { return g.ID == id })
	p.fleet.Store(&fleet)
}

// lives tells whether the gateway was on the list when it was last looked at.
func (p *peers) lives(known peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return known.seen.Equal(p.at) && !known.dead
}

func (p *peers) search(ctx context.Context, is func(peer) bool) (peer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for _, known := range p.known {
			if is(known) {
				return known, true
			}
		}
		if time.Since(p.at) < peersEvery || p.look(ctx) != nil {
			return peer{}, false
		}
	}
}

// remembered returns the key that has the id, without a look at the list.
func (p *peers) remembered(id string) (ticket.PublicKey, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.known {
		if known.Key.ID() == id {
			return known.Key, true
		}
	}
	return ticket.PublicKey{}, false
}

// serving returns those that take viewers by a load balancer. The list is shared:
// it is not to be changed.
func (p *peers) serving() []ingress.Gateway {
	if fleet := p.fleet.Load(); fleet != nil {
		return *fleet
	}
	return nil
}

// living returns those that were on the list when it was last looked at.
func (p *peers) living() (list []peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.known {
		if known.seen.Equal(p.at) && !known.dead {
			list = append(list, known)
		}
	}
	return list
}

// refresh looks at the list.
func (p *peers) refresh(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.look(ctx)
}

// look needs mu: of many who ask at once one looks.
func (p *peers) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	nodes, err := p.nodes(ctx)
	if err != nil {
		return err
	}
	p.at = time.Now()
	fleet := make([]ingress.Gateway, 0, len(nodes))
	for _, node := range nodes {
		before := p.known[node.Gateway]
		if before.dead {
			continue // the list does not know yet
		}
		node.Draining = node.Draining || before.draining // the list may not say so yet
		if !node.Draining && node.Streams != "" {
			fleet = append(fleet, ingress.Gateway{ID: node.Gateway, Address: node.Streams, Viewers: node.Viewers})
		}
		key, err := ticket.ParsePublicKey(node.Key)
		if err != nil || len(p.known) >= maxPeers {
			continue // it has none, or is of another version
		}
		p.known[node.Gateway] = peer{
			Peer: tree.Peer{Gateway: node.Gateway, Address: node.Link, Key: key},
			url:  node.URL, near: node.Region == p.region, draining: node.Draining, seen: p.at,
		}
	}
	p.fleet.Store(&fleet)
	for id, known := range p.known {
		if p.at.Sub(known.seen) > peersKeep {
			delete(p.known, id)
		}
	}
	return nil
}
