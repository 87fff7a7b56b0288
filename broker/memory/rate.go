package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/broker"
)

// Spend takes n of the allowance, if there is anything left.
func (b *Broker) Spend(_ context.Context, allowance broker.Allowance, n float64) (wait time.Duration, err error) {
	if err := allowance.Check(); err != nil {
		return 0, fmt.Errorf("spending %g: %w", n, err)
	}
	now := b.lock()
	defer b.mu.Unlock()
	whole, spent := b.spent.get(allowance.Key, now)
	if !spent {
		whole = now
	}
	if wait := whole.Sub(now) - allowance.Tolerance(); wait > 0 {
		return wait, nil
	}
	whole = whole.Add(allowance.Cost(n))
	b.spent.put(allowance.Key, whole, whole)
	return 0, nil
}
