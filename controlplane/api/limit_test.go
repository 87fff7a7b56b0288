package api

import (
	"context"
	"testing"
	"time"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
)

// absent is a broker that does not answer.
type absent struct{ asked int }

func (a *absent) Spend(ctx context.Context, _ broker.Allowance, _ float64) (time.Duration, error) {
	a.asked++
	<-ctx.Done()
	return 0, broker.ErrUnavailable
}

// Control planes count together, and each alone while there is no broker.
func TestLimitIsShared(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Unix(1e9, 0) }
	pass := func(limits ...*limit) (passed int) {
		for i := range 40 {
			if limits[i%len(limits)].take(t.Context(), "192.0.2.1") == 0 {
				passed++
			}
		}
		return passed
	}
	const burst = 6
	shared := memory.New(now)
	if n := pass(newLimit("address", 1, burst, shared, now), newLimit("address", 1, burst, shared, now)); n != burst {
		t.Errorf("two control planes let %d pass", n)
	}
	if n := pass(newLimit("caller", 1, burst, shared, now)); n != burst {
		t.Errorf("another limit lets %d pass", n)
	}
	first := newLimit("joins", 1, burst, shared, now)
	first.take(t.Context(), "192.0.2.1")
	first.spend(t.Context(), "192.0.2.1", burst)
	if n := pass(newLimit("joins", 1, burst, shared, now)); n != 0 {
		t.Errorf("what was spent at one lets %d pass at another", n)
	}
	away := new(absent)
	if n := pass(newLimit("address", 1, burst, away, now)); n != burst || away.asked > 2 {
		t.Errorf("without a broker %d pass, and it was asked %d times", n, away.asked)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	alone := newLimit("address", 1, burst, away, now)
	if alone.take(gone, "192.0.2.1"); alone.away.Load() != nil {
		t.Error("a caller who leaves makes the broker be left alone")
	}
}
