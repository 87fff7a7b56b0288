package gateway

import (
	"context"
	"crypto"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
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
}

type peer struct {
	tree.Peer
	url      string
	near     bool // of our region
	draining bool
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

// bury takes a gateway off that was found dead; what it signed stays good.
func (p *peers) bury(id streamspace.GatewayID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.known[id]; ok {
		known.draining = true
		p.known[id] = known
	}
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

// living returns those that were on the list when it was last looked at.
func (p *peers) living() (list []peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.known {
		if known.seen.Equal(p.at) {
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
	for _, node := range nodes {
		key, err := ticket.ParsePublicKey(node.Key)
		if err != nil || len(p.known) >= maxPeers {
			continue // it has none, or is of another version
		}
		p.known[node.Gateway] = peer{
			Peer: tree.Peer{Gateway: node.Gateway, Address: node.Link, Key: key},
			url:  node.URL, near: node.Region == p.region, draining: node.Draining, seen: p.at,
		}
	}
	for id, known := range p.known {
		if p.at.Sub(known.seen) > peersKeep {
			delete(p.known, id)
		}
	}
	return nil
}
