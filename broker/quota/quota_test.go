package quota

import (
	"context"
	"fmt"
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

// Processes count together, and each alone while there is no broker.
func TestShared(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Unix(1e9, 0) }
	pass := func(limits ...*Quota) (passed int) {
		for i := range 40 {
			if limits[i%len(limits)].Take(t.Context(), "192.0.2.1") == 0 {
				passed++
			}
		}
		return passed
	}
	const burst = 6
	shared := memory.New(now)
	if n := pass(New("address", 1, burst, shared, now), New("address", 1, burst, shared, now)); n != burst {
		t.Errorf("two processes let %d pass", n)
	}
	if n := pass(New("caller", 1, burst, shared, now)); n != burst {
		t.Errorf("another limit lets %d pass", n)
	}
	first := New("joins", 1, burst, shared, now)
	first.Take(t.Context(), "192.0.2.1")
	first.Spend(t.Context(), "192.0.2.1", burst)
	if n := pass(New("joins", 1, burst, shared, now)); n != 0 {
		t.Errorf("what was spent at one lets %d pass at another", n)
	}
	away := new(absent)
	if n := pass(New("address", 1, burst, away, now)); n != burst || away.asked > 2 {
		t.Errorf("without a broker %d pass, and it was asked %d times", n, away.asked)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	alone := New("address", 1, burst, away, now)
	if alone.Take(gone, "192.0.2.1"); alone.away.Load() != nil {
		t.Error("a caller who leaves makes the broker be left alone")
	}
}

func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := newBuckets(1, 2, func() time.Time { return now })
	for n := range 3 * maxBuckets {
		b.take(fmt.Sprint(n))
	}
	if len(b.byKey) > maxBuckets {
		t.Errorf("%d buckets", len(b.byKey))
	}
	b.take("x")
	b.take("x")
	if wait := b.take("x"); wait != time.Second {
		t.Errorf("the third of two waits %s", wait)
	}
	if wait := b.empty("x"); wait != time.Second || b.empty("y") != 0 {
		t.Errorf("empty for %s", wait)
	}
	now = now.Add(time.Second)
	if wait := b.empty("x"); wait != 0 {
		t.Errorf("a second later it is empty for %s", wait)
	}
	if wait := b.take("x"); wait != 0 {
		t.Errorf("a second later: %s", wait)
	}
}
