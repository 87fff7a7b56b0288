// Package redis is the broker of a fleet: what gateways and control planes
// share lives in Redis, and changes there in Lua scripts, each of them atomic
// and judged by the server's own clock.
//
// It keeps nothing that its users cannot say again, so that a Redis that lost
// its memory is filled by them; the one thing that must not go back, a claim's
// epoch, is kept above the past by the clock. What Redis is trusted with, and
// what not, stands in docs/SECURITY.md.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace/broker"
)

// Broker implements broker.Broker. Calls may be made before Run and while
// Redis is away: each ends within Options.Timeout. Subscriptions get events
// while Run runs.
type Broker struct {
	// immutable
	client  client.UniversalClient
	cluster bool
	scripts *scripts
	keys    keys
	kinds   []broker.EventKind
	timeout time.Duration
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time // this process's clock, with its monotonic part

	leases  leases
	revoked revocations
	batch   batch
	events  events
}

var _ broker.Broker = (*Broker)(nil)

// New checks the options and returns a broker that has not connected yet.
func New(options Options) (*Broker, error) {
	settings, err := options.settings()
	if err != nil {
		return nil, fmt.Errorf("options of the Redis broker: %w", err)
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Registerer == nil {
		options.Registerer = prometheus.NewRegistry()
	}
	counters, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the broker's metrics: %w", err)
	}
	// The library reports each failed dial to a log of its own; an outage is
	// told once, by watch.
	client.SetLogger(silence{})
	b := &Broker{
		client: client.NewUniversalClient(settings), cluster: options.Cluster,
		scripts: newScripts(serverClock), keys: keys{cmp.Or(options.Prefix, defaultPrefix)},
		kinds: options.Events, timeout: cmp.Or(options.Timeout, defaultTimeout),
		log: options.Log, metrics: counters, now: time.Now,
	}
	if len(b.kinds) == 0 {
		b.kinds = allKinds[:]
	}
	b.events.init(counters.dropped.Inc)
	return b, nil
}

// silence takes the place of the client library's log.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Run follows the events and watches over Redis until ctx ends; then it ends
// every subscription and closes the connections.
func (b *Broker) Run(ctx context.Context) error {
	var group sync.WaitGroup
	known := make(chan struct{}) // from then on a loss of memory is noticed
	group.Go(func() { b.watch(ctx, known) })
	group.Go(func() {
		select {
		case <-known:
			b.follow(ctx)
		case <-ctx.Done():
		}
	})
	group.Wait()
	b.events.close()
	if err := b.client.Close(); err != nil { // of a connection that broke before: nothing is lost with it
		b.log.Debug("closing the connections to Redis", "error", err)
	}
	return nil
}

// Ready is a readiness check: it fails while Redis does not answer.
func (b *Broker) Ready(ctx context.Context) error {
	return b.call(ctx, "ping", func(ctx context.Context) error {
		return b.client.Get(ctx, b.keys.life(0)).Err()
	})
}

// call bounds one exchange with Redis in time and tells its failures apart:
// what the broker's contract names, the caller's own end, and all else, which
// is ErrUnavailable.
func (b *Broker) call(ctx context.Context, name string, f func(ctx context.Context) error) error {
	started := time.Now()
	within, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	err := f(within)
	b.metrics.seconds.WithLabelValues(name).Observe(time.Since(started).Seconds())
	switch {
	case err == nil, errors.Is(err, client.Nil):
		return nil
	case ctx.Err() != nil:
		err = fmt.Errorf("asking Redis (%s): %w: %w", name, ctx.Err(), err)
	case within.Err() != nil:
		err = fmt.Errorf("asking Redis (%s): %w: no answer within %s: %w", name, broker.ErrUnavailable, b.timeout, err)
	default:
		err = fmt.Errorf("asking Redis (%s): %w: %w", name, broker.ErrUnavailable, err)
	}
	b.metrics.failures.WithLabelValues(name).Inc()
	return err
}

// run has Redis run a script.
func (b *Broker) run(ctx context.Context, name string, s *client.Script, keys []string, args ...any) (*client.Cmd, error) {
	var answer *client.Cmd
	err := b.call(ctx, name, func(ctx context.Context) error {
		answer = s.Run(ctx, b.client, keys, args...)
		return answer.Err()
	})
	return answer, err
}

// jitter spreads what many processes do at once by a quarter around d.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}
