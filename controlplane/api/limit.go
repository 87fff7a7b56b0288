package api

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/broker"
)

const (
	// askTimeout bounds what asking the broker may add to a request.
	askTimeout = 100 * time.Millisecond
	// askAgain is how long a broker that did not answer is left alone: meanwhile
	// each control plane counts by itself.
	askAgain = time.Second
)

// limit is what one key may do in a time, at all control planes together. What this
// one has counted is enough to refuse, so that a flood costs the broker no more than
// what passes.
type limit struct {
	name   string                    // immutable
	own    *buckets                  // has its own lock
	shared broker.Rates              // immutable
	away   atomic.Pointer[time.Time] // until when the broker is not asked
}

func newLimit(name string, rate, burst float64, shared broker.Rates, now func() time.Time) *limit {
	return &limit{name: name, own: newBuckets(rate, burst, now), shared: shared}
}

// take takes one and returns zero, or how long to wait for it.
func (l *limit) take(ctx context.Context, key string) time.Duration {
	if wait := l.own.take(key); wait > 0 {
		return wait
	}
	return l.ask(ctx, key, 1)
}

// spend takes n more, for what turned out to cost them.
func (l *limit) spend(ctx context.Context, key string, n float64) {
	l.own.spend(key, n)
	l.ask(ctx, key, n)
}

func (l *limit) ask(ctx context.Context, key string, n float64) time.Duration {
	now := time.Now()
	if until := l.away.Load(); until != nil && now.Before(*until) {
		return 0
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	wait, err := l.shared.Spend(asking, broker.Allowance{Key: l.name + ":" + key, Rate: l.own.rate, Burst: l.own.burst}, n)
	if err != nil && ctx.Err() == nil {
		until := now.Add(askAgain)
		l.away.Store(&until)
	}
	return wait
}
