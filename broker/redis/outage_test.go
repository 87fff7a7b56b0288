package redis_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

const (
	// patience bounds every wait, and is only ever used up by a failure.
	patience = 20 * time.Second
	// soon is the timeout of calls that are to fail.
	soon = time.Second
	long = time.Hour
)

// harmed is a broker whose Redis something happens to.
type harmed struct {
	*testing.T
	*redis.Broker
	ctx    context.Context
	log    *lines
	events broker.Subscription
}

func harm(t *testing.T, addresses ...string) *harmed {
	t.Helper()
	return harmWith(t, redis.Options{Addresses: addresses})
}

func harmWith(t *testing.T, options redis.Options) *harmed {
	t.Helper()
	h := &harmed{T: t, ctx: t.Context(), log: &lines{}}
	options.Timeout = cmp.Or(options.Timeout, soon)
	options.Log = slog.New(slog.NewTextHandler(h.log, nil))
	h.Broker = start(t, options)
	h.until("it has subscribed", func() (err error) {
		h.events, err = h.Subscribe(h.ctx, 1000)
		return err
	})
	t.Cleanup(h.events.Close)
	return h
}

// lines is a log that is looked at later.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), message)
}

func (h *harmed) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *harmed) until(what string, f func() error) {
	h.Helper()
	if err := redistest.Until(f); err != nil {
		h.Fatalf("still not: %s: %v", what, err)
	}
}

// unavailable makes every kind of call and expects of each that it says, in
// its own time and not the caller's, that Redis does not answer.
func (h *harmed) unavailable() {
	h.Helper()
	session, gateway := streamspace.NewSessionID(), streamspace.NewGatewayID()
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: session}
	var group sync.WaitGroup
	for name, call := range map[string]func() error{
		"route":   func() error { _, err := h.Route(h.ctx, session); return err },
		"publish": func() error { return h.Publish(h.ctx, broker.Route{Session: session, Epoch: 1}) },
		"want":    func() error { return h.Want(h.ctx, session) },
		"claim":   func() error { _, err := h.Claim(h.ctx, session, gateway, long); return err },
		"renew":   func() error { _, err := h.Renew(h.ctx, broker.Claim{Session: session}, long); return err },
		"release": func() error { return h.Release(h.ctx, broker.Claim{Session: session}) },
		"join":    func() error { return h.Join(h.ctx, viewer, long) },
		"viewers": func() error { _, err := h.Viewers(h.ctx, session); return err },
		"redeem":  func() error { return h.Redeem(h.ctx, streamspace.NewTicketID(), time.Now()) },
		"revoked": func() error { _, _, err := h.Revoked(h.ctx, viewer, time.Now()); return err },
		"nodes":   func() error { _, err := h.Nodes(h.ctx); return err },
		"ready":   func() error { return h.Ready(h.ctx) },
	} {
		group.Go(func() {
			began := time.Now()
			if err := call(); !errors.Is(err, broker.ErrUnavailable) {
				h.Errorf("%s: got error %v, want ErrUnavailable", name, err)
			}
			if took := time.Since(began); took > patience {
				h.Errorf("%s took %s", name, took)
			}
		})
	}
	group.Wait()
}

// away waits until the outage was noticed, and expects that each was logged once.
func (h *harmed) away(outages int) {
	h.Helper()
	h.until("the outage is noticed", func() error {
		if n := h.log.count("Redis does not answer"); n != outages {
			return fmt.Errorf("%d outages were logged %d times", outages, n)
		}
		return nil
	})
}

// told reads events until all of what is expected has come: kinds of events,
// and "dropped". It returns how often each came.
func (h *harmed) told(expected ...broker.EventKind) map[broker.EventKind]int {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	seen := make(map[broker.EventKind]int)
	for {
		missing := false
		for _, kind := range expected {
			missing = missing || seen[kind] == 0
		}
		if !missing {
			return seen
		}
		event, err := h.events.Next(ctx)
		switch {
		case errors.Is(err, broker.ErrDropped):
			seen["dropped"]++
		case err != nil:
			h.Fatalf("waiting for %v, having seen %v: %v", expected, seen, err)
		default:
			seen[event.Kind]++
		}
	}
}

// held is a claim of a gateway's that lasts.
func (h *harmed) held(ttl time.Duration) broker.Claim {
	h.Helper()
	claim, err := h.Claim(h.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), ttl)
	h.must(err)
	return claim
}

// keeps has the holder renew and expects the epoch that it had.
func (h *harmed) keeps(claim broker.Claim) {
	h.Helper()
	h.until("its claim is renewed", func() error {
		renewed, err := h.Renew(h.ctx, claim, long)
		if err == nil && renewed.Epoch != claim.Epoch {
			h.Fatalf("epoch went from %d to %d", claim.Epoch, renewed.Epoch)
		}
		return err
	})
}

func TestRedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := harm(t, server.Address)
	claim := h.held(long)
	for outage := 1; outage <= 2; outage++ {
		server.Kill()
		h.unavailable()
		h.away(outage)
		h.unavailable()
		h.must(server.Restart())
		h.keeps(claim) // with nothing in it but what its users say
		if seen := h.told("dropped", broker.EventReset); seen["dropped"] != 1 || seen[broker.EventReset] != 1 {
			t.Errorf("after an outage came %v, want each once", seen)
		}
		h.must(h.Want(h.ctx, claim.Session))
		h.told(broker.EventWant)
		h.away(outage)
	}
}

// What is not there when a process starts may come later.
func TestRedisNotThereAtFirst(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	b := start(t, redis.Options{Addresses: []string{server.Address}, Timeout: soon, Log: slog.New(slog.DiscardHandler)})
	if _, err := b.Subscribe(t.Context(), 1); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("subscribing: got error %v, want ErrUnavailable", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := redistest.Until(func() error { _, err := b.Subscribe(t.Context(), 1); return err }); err != nil {
		t.Fatal(err)
	}
}

func TestRedisPaused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := harm(t, server.Address)
	claim := h.held(2 * soon)
	h.must(server.Pause())
	h.unavailable()
	h.away(1)
	h.must(server.Resume())
	h.taken(claim, h.Broker)
	h.told(broker.EventReset)
}

// taken has another gateway claim the desktop as soon as it can, which is
// after the holder's own deadline.
func (h *harmed) taken(claim broker.Claim, by *redis.Broker) broker.Claim {
	h.Helper()
	var other broker.Claim
	gateway := streamspace.NewGatewayID()
	h.until("another gateway has the desktop", func() (err error) {
		other, err = by.Claim(h.ctx, claim.Session, gateway, long)
		if err == nil && time.Now().Before(claim.Expires) {
			h.Errorf("the desktop was given away %s before its holder's deadline", time.Until(claim.Expires))
		}
		return err
	})
	if other.Epoch <= claim.Epoch {
		h.Errorf("epoch went from %d to %d", claim.Epoch, other.Epoch)
	}
	return other
}

func TestRedisFlushed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := harm(t, server.Address)
	claim := h.held(long)
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: claim.Session}
	h.must(h.Join(h.ctx, viewer, long))
	h.told(broker.EventPresence)
	h.must(server.Client(t).FlushAll(h.ctx).Err())
	h.told(broker.EventReset)
	h.keeps(claim)
	if viewers, err := h.Viewers(h.ctx, claim.Session); err != nil || len(viewers) != 0 {
		t.Fatalf("got viewers %v and error %v after all was deleted", viewers, err)
	}
	h.must(h.Join(h.ctx, viewer, long))
	h.told(broker.EventPresence)
	if n := h.log.count("Redis does not answer"); n != 0 {
		t.Errorf("an outage was logged %d times and there was none", n)
	}
}

// A gateway that is cut off has stopped before another can take over, and when
// it comes back all that it says is refused.
func TestNetworkCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Address)
	cut, whole := harm(t, proxy.Address), harm(t, server.Address)
	claim := cut.held(2 * soon)
	proxy.Cut()
	cut.unavailable()
	cut.away(1)
	other := whole.taken(claim, whole.Broker)
	whole.must(whole.Want(whole.ctx, claim.Session))
	proxy.Heal()
	cut.until("the cut off gateway is told that it is too late", func() error {
		_, err := cut.Renew(cut.ctx, claim, long)
		if err == nil {
			t.Fatal("a stale claim was renewed")
		}
		if errors.Is(err, broker.ErrStaleClaim) {
			return nil
		}
		return err
	})
	cut.must(cut.Release(cut.ctx, claim))
	whole.keeps(other)
	cut.told(broker.EventReset) // and its subscription goes on
	cut.must(cut.Want(cut.ctx, claim.Session))
	cut.told(broker.EventWant)
}

// A connection that breaks loses events and says so once; calls do not notice.
func TestConnectionsBroken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Address)
	h := harmWith(t, redis.Options{Addresses: []string{proxy.Address}, Timeout: patience})
	for range 3 {
		proxy.Break()
		h.must(h.Publish(h.ctx, broker.Route{Session: streamspace.NewSessionID(), Epoch: 1}))
		if seen := h.told("dropped"); seen["dropped"] != 1 {
			t.Errorf("after one break came %v", seen)
		}
		h.must(h.Want(h.ctx, streamspace.NewSessionID()))
		if seen := h.told(broker.EventWant); seen["dropped"] != 0 {
			t.Errorf("lost events were told again: %v", seen)
		}
	}
}

// A part of a cluster goes and comes back empty: what the others keep stays,
// and all is told that it may be missing.
func TestNodeOfAClusterRestarted(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t, 3)
	h := harmWith(t, redis.Options{Addresses: []string{nodes[0].Address}, Cluster: true})
	var claims []broker.Claim
	for range 12 {
		claims = append(claims, h.held(long))
	}
	for i, node := range nodes {
		node.Kill()
		h.away(i + 1)
		h.must(node.Restart())
		h.told(broker.EventReset)
		for _, claim := range claims {
			h.keeps(claim)
			if other, err := h.Claim(h.ctx, claim.Session, streamspace.NewGatewayID(), long); !errors.Is(err, broker.ErrClaimed) || other.Epoch != claim.Epoch {
				t.Errorf("another got %+v and error %v, want ErrClaimed and epoch %d", other, err, claim.Epoch)
			}
		}
		h.until("events come again", func() error { return h.Want(h.ctx, claims[0].Session) })
		h.told(broker.EventWant)
	}
}

// A Redis that is set up as a cache is complained about.
func TestEvictionIsWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = "Redis may evict"
	cache := redistest.Start(t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
	if n := harm(t, cache.Address).log.count(warning); n != 1 {
		t.Errorf("a cache was warned of %d times", n)
	}
	store := redistest.Start(t, "--maxmemory", "64mb", "--maxmemory-policy", "noeviction")
	if n := harm(t, store.Address).log.count(warning); n != 0 {
		t.Errorf("a store was warned of %d times", n)
	}
}

// A Redis whose memory is full says so, and what is there goes on.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	h := harm(t, server.Address)
	claim := h.held(long)
	h.must(h.Publish(h.ctx, broker.Route{Session: claim.Session, Address: "unix:/a", Epoch: 1}))
	h.must(server.Client(t).ConfigSet(h.ctx, "maxmemory", "1mb").Err())
	if err := h.Publish(h.ctx, broker.Route{Session: claim.Session, Address: "unix:/b", Epoch: 2}); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("publishing: got error %v, want ErrUnavailable", err)
	}
	if route, err := h.Route(h.ctx, claim.Session); err != nil || route.Epoch != 1 {
		t.Errorf("got route %v and error %v", route, err)
	}
	h.must(server.Client(t).ConfigSet(h.ctx, "maxmemory", "0").Err())
	h.keeps(claim)
}

func TestFailover(t *testing.T) {
	t.Parallel()
	s := redistest.Sentinel(t)
	h := harmWith(t, redis.Options{Addresses: []string{s.Sentinel.Address}, Sentinel: redis.Sentinel{Master: s.Name}})
	claim := h.held(long)
	h.must(h.Publish(h.ctx, broker.Route{Session: claim.Session, Address: "unix:/a", Epoch: 3}))
	s.Master.Kill()
	h.told("dropped", broker.EventReset)
	h.keeps(claim)
	h.until("another is told who has the desktop", func() error {
		other, err := h.Claim(h.ctx, claim.Session, streamspace.NewGatewayID(), long)
		if errors.Is(err, broker.ErrClaimed) && other.Epoch == claim.Epoch {
			return nil
		}
		return errors.Join(err, errors.New("it was not"))
	})
	h.must(h.Want(h.ctx, claim.Session))
	h.told(broker.EventWant)
}
