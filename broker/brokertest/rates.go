package brokertest

import (
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/broker"
)

var rates = []test{
	{"EveryProcessSpendsOfOne", func(t *testing.T, b *bench) {
		a := broker.Allowance{Key: "address:192.0.2.1", Rate: 1 / long.Seconds(), Burst: 5}
		for i := range int(a.Burst) {
			if wait := b.spend(b.on(i), a, 1); wait != 0 {
				t.Fatalf("of %g the one after %d waits %s", a.Burst, i, wait)
			}
		}
		for i := range 3 {
			if wait := b.spend(b.on(i), a, 1); wait < long-skew || wait > long {
				t.Fatalf("with nothing left it waits %s", wait)
			}
		}
		a.Key = "address:192.0.2.2"
		if wait := b.spend(b.on(0), a, 1); wait != 0 {
			t.Fatalf("another's waits %s", wait)
		}
	}},
	{"ItComesBack", func(t *testing.T, b *bench) {
		a := broker.Allowance{Key: "address:2001:db8::", Rate: 2 / short.Seconds(), Burst: 1}
		if wait := b.spend(b.on(0), a, 1); wait != 0 {
			t.Fatalf("the first waits %s", wait)
		}
		b.eventually("something left", func() bool { return b.spend(b.on(1), a, 1) == 0 })
	}},
	{"MoreThanThereIs", func(t *testing.T, b *bench) {
		a := broker.Allowance{Key: "user:usr_x", Rate: 1 / long.Seconds(), Burst: 4}
		if wait := b.spend(b.on(0), a, 6); wait != 0 {
			t.Fatalf("the first waits %s", wait)
		}
		if wait := b.spend(b.on(1), a, 1); wait < 3*long-skew || wait > 3*long {
			t.Fatalf("two too many and one: %s", wait)
		}
	}},
	{"NoAllowance", func(t *testing.T, b *bench) {
		good := broker.Allowance{Key: "k", Rate: 1, Burst: 1}
		for _, change := range []func(*broker.Allowance){
			func(a *broker.Allowance) { a.Key = "" },
			func(a *broker.Allowance) { a.Key = strings.Repeat("k", broker.MaxAllowanceKey+1) },
			func(a *broker.Allowance) { a.Rate = 0 },
			func(a *broker.Allowance) { a.Burst = 0 },
		} {
			bad := good
			change(&bad)
			if _, err := b.on(0).Spend(b.ctx, bad, 1); err == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
	}},
}

func (b *bench) spend(handle broker.Broker, a broker.Allowance, n float64) time.Duration {
	b.Helper()
	wait, err := handle.Spend(b.ctx, a, n)
	b.must(err)
	return wait
}
