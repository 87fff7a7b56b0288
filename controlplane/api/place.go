package api

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// placesLife is how long the list of gateways is believed. They announce
// themselves every ten seconds.
const placesLife = 2 * time.Second

// places knows the gateways that browsers can reach by themselves.
type places struct {
	mu    sync.Mutex
	at    time.Time     // guarded by mu; when nodes were read
	nodes []broker.Node // guarded by mu
}

// list returns the gateways that take viewers and have an address of their own.
// When the broker does not answer, those that were known.
func (a *API) gateways(ctx context.Context) []broker.Node {
	p := &a.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := a.Now(); now.Sub(p.at) >= placesLife || now.Before(p.at) {
		p.at = now // also when it fails: one call finds out for all
		nodes, err := a.Broker.Nodes(ctx)
		if err == nil {
			p.nodes = slices.DeleteFunc(nodes, func(n broker.Node) bool { return n.URL == "" || n.Draining })
		} else {
			a.Logger.Warn("gateways not listed", "error", err)
		}
	}
	return p.nodes
}

// GatewayOrigins are where streams may come from besides the page's own host.
func (a *API) GatewayOrigins(ctx context.Context) []string {
	var origins []string
	for _, node := range a.gateways(ctx) {
		if u, err := url.Parse(node.URL); err == nil {
			origins = append(origins, webSocket(u).String())
		}
	}
	slices.Sort(origins)
	return slices.Compact(origins)
}

// place chooses the gateway for a viewer: the one where others watch the session
// already, else one of our region if there is one, and of those the one that has
// the least to do.
// Without any that can be reached by itself it is the common address.
func (a *API) place(ctx context.Context, v visit, session streamspace.SessionID) *url.URL {
	nodes := a.gateways(ctx)
	if len(nodes) == 0 {
		return webSocket(a.base(v))
	}
	there := func(n broker.Node) bool { return false }
	if viewers, err := a.Broker.Viewers(ctx, session); err == nil && len(viewers) > 0 {
		there = func(n broker.Node) bool { return n.Gateway == viewers[0].Gateway }
	}
	rank := func(n broker.Node) int {
		switch {
		case there(n):
			return 0
		case n.Region == a.Region:
			return 1
		default:
			return 2
		}
	}
	best := slices.MinFunc(nodes, func(x, y broker.Node) int {
		return cmp.Or(rank(x)-rank(y), cmp.Compare(busy(x), busy(y)), cmp.Compare(x.Viewers, y.Viewers))
	})
	u, err := url.Parse(best.URL)
	if err != nil {
		a.Logger.Warn("gateway announces what is no URL", "gateway", best.Gateway, "error", err)
		return webSocket(a.base(v))
	}
	return webSocket(u)
}

// busy is how much a gateway has to do, in steps: the figures are seconds old,
// and everybody who comes meanwhile would go to the one that was least busy by a
// hair. A step is a quarter of a core, or what a gigabit line carries in a tenth of
// its time.
func busy(n broker.Node) int {
	return max(int(n.CPU*4), int(n.Bytes/(12<<20)))
}

// webSocket is the same place for streams.
func webSocket(u *url.URL) *url.URL {
	stream := *u
	stream.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	return &stream
}
