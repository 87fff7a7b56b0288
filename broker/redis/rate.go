package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/broker"
)

// Spend takes n of the allowance, if there is anything left. An answer that is lost
// on its way may have taken it twice.
func (b *Broker) Spend(ctx context.Context, allowance broker.Allowance, n float64) (wait time.Duration, err error) {
	if err := allowance.Check(); err != nil {
		return 0, fmt.Errorf("spending %g: %w", n, err)
	}
	answer, err := b.run(ctx, "spend", b.scripts.spend, []string{b.keys.spent(allowance.Key)},
		allowance.Cost(n).Microseconds(), allowance.Tolerance().Microseconds())
	if err != nil {
		return 0, err
	}
	micro, err := answer.Int64()
	if err != nil {
		return 0, fmt.Errorf("spending of %s: an answer that is no number: %w", allowance.Key, err)
	}
	return time.Duration(micro) * time.Microsecond, nil
}
