package lifecycle

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/streamspace/streamspace/controlplane/store"
)

// quickTimeout bounds one call to the store or the broker.
const quickTimeout = 10 * time.Second

// Each neighbour is called through one function, which bounds how many calls
// it has to bear and how long one takes, and says when it went away.

func (r *Reconciler) inStore(ctx context.Context, call func(ctx context.Context) error) error {
	return bounded(ctx, r.slots.store, quickTimeout, &r.outages.store, r.log, func(ctx context.Context) error { return store.Classify(call(ctx)) })
}

func (r *Reconciler) inBroker(ctx context.Context, call func(ctx context.Context) error) error {
	return bounded(ctx, r.slots.broker, quickTimeout, &r.outages.broker, r.log, call)
}

func (r *Reconciler) inRuntime(ctx context.Context, call func(ctx context.Context) error) error {
	return bounded(ctx, r.slots.runtime, r.timing.CallTimeout, &r.outages.runtime, r.log, call)
}

func bounded(ctx context.Context, slots chan struct{}, timeout time.Duration, o *outage, log *slog.Logger, call func(ctx context.Context) error) error {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-slots }()
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	err := call(bounded)
	if ctx.Err() == nil { // our own end is nobody's outage
		o.note(log, began, err)
	}
	return err
}

// outage remembers whether a neighbour answers, so that its absence is logged
// once and not with every attempt.
type outage struct {
	what string // immutable

	mu    sync.Mutex
	since time.Time // guarded by mu; zero: it answers
}

// note takes the outcome of a call. One that began before the outage did, and
// still succeeded, does not end it.
func (o *outage) note(log *slog.Logger, began time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && o.since.IsZero():
		o.since = time.Now()
		log.Warn("call did not succeed, trying again", "neighbour", o.what, "error", err)
	case err == nil && !o.since.IsZero() && began.After(o.since):
		log.Info("calls succeed again", "neighbour", o.what, "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}
