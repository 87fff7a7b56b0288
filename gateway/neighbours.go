package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/tree"
)

// watchAgain is between two attempts to watch a gateway that does not answer.
const watchAgain = time.Second

// keepWatch watches the gateways that are on the list: one whose process ends is
// noticed at once, and not when its word that it lives runs out.
func (g *Gateway) keepWatch(ctx context.Context) {
	if g.link.Listener == nil {
		return
	}
	for _, p := range g.peers.living() {
		if p.Gateway == g.id || p.Address == "" || !g.watching.begin(p.Gateway) {
			continue
		}
		g.watchers.Go(func() {
			defer g.watching.end(p.Gateway)
			g.watchNeighbour(ctx, p.Peer)
		})
	}
}

// watchNeighbour returns when the gateway is dead or off the list.
func (g *Gateway) watchNeighbour(ctx context.Context, p tree.Peer) {
	for ctx.Err() == nil {
		began := time.Now()
		err := tree.Watch(ctx, g.certificate, p, func() { g.peers.leave(p.Gateway) })
		if errors.Is(err, tree.ErrDead) {
			g.bury(p.Gateway)
			return
		}
		if time.Since(began) > watchAgain {
			continue // it ended: a second look says whether it is dead
		}
		if known, on := g.peers.find(ctx, p.Gateway); !on || !g.peers.lives(known) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

// bury takes a dead gateway off every list. Its viewers come to the others now.
func (g *Gateway) bury(id streamspace.GatewayID) {
	if !g.peers.bury(id) {
		return
	}
	g.log.Info("another gateway is gone", "gone", id)
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	if err := g.broker.Retire(ctx, id); err != nil {
		g.log.Warn("taking a dead gateway off the list", "dead", id, "error", err) // it runs out
	}
}

// watched keeps a neighbour's request until this gateway, or that one, ends. It says
// nothing but that this one drains.
func (g *Gateway) watched(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	if flush() != nil {
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-g.drained:
	}
	if _, err := io.WriteString(w, tree.Leaving); err == nil && flush() == nil {
		<-r.Context().Done()
	}
}

// watching is who is watched.
type watching struct {
	mu   sync.Mutex
	some map[streamspace.GatewayID]bool // guarded by mu
}

// begin notes a gateway, and returns false if it is noted already.
func (w *watching) begin(id streamspace.GatewayID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.some[id] {
		return false
	}
	if w.some == nil {
		w.some = make(map[streamspace.GatewayID]bool)
	}
	w.some[id] = true
	return true
}

func (w *watching) end(id streamspace.GatewayID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.some, id)
}
