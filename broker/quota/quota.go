// Package quota limits how often somebody may do something, at all processes that
// share a broker together. It decides nothing else: what is counted under which key,
// and what a refusal looks like, is its users'.
package quota

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

// Quota is what each of many keys may do in a time. What this process has counted is
// enough to refuse, so that a flood costs the broker no more than what passes.
type Quota struct {
	name   string                    // immutable
	own    *buckets                  // has its own lock
	shared broker.Rates              // immutable; nil: this process counts alone
	away   atomic.Pointer[time.Time] // until when the broker is not asked
}

// New returns a quota of burst at once and rate a second after that for each key. The
// name tells it from others at the broker; without one, this process counts alone.
func New(name string, rate, burst float64, shared broker.Rates, now func() time.Time) *Quota {
	return &Quota{name: name, own: newBuckets(rate, burst, now), shared: shared}
}

// Take takes one and returns zero, or how long to wait for it.
func (q *Quota) Take(ctx context.Context, key string) time.Duration {
	if wait := q.own.take(key); wait > 0 {
		return wait
	}
	return q.ask(ctx, key, 1)
}

// Spend takes n more, for what turned out to cost them.
func (q *Quota) Spend(ctx context.Context, key string, n float64) {
	q.own.spend(key, n)
	q.ask(ctx, key, n)
}

// Exhausted tells how long there is nothing left, as far as this process knows, and
// takes nothing.
func (q *Quota) Exhausted(key string) time.Duration { return q.own.empty(key) }

func (q *Quota) ask(ctx context.Context, key string, n float64) time.Duration {
	if q.shared == nil {
		return 0
	}
	now := time.Now()
	if until := q.away.Load(); until != nil && now.Before(*until) {
		return 0
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	wait, err := q.shared.Spend(asking, broker.Allowance{Key: q.name + ":" + key, Rate: q.own.rate, Burst: q.own.burst}, n)
	if err != nil && ctx.Err() == nil {
		until := now.Add(askAgain)
		q.away.Store(&until)
	}
	if wait > 0 { // others have used it up: those that follow need not ask
		q.own.spend(key, q.own.burst)
	}
	return wait
}
