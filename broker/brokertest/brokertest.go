// Package brokertest is the suite that every broker.Broker passes: it says in
// tests what the interface says in prose.
//
// It knows no implementation. Waiting is on conditions, so that a broker which
// lives in real time behind a network runs the same suite as one in memory
// with a clock of its own.
package brokertest

import (
	"context"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// Harness is a fresh broker as a fleet sees it.
type Harness struct {
	// Handles share one state, as the brokers of several processes do. At
	// least two; in memory they may be one and the same.
	Handles []broker.Broker
	// Now is the broker's clock.
	Now func() time.Time
	// Pass lets d go by on that clock: it moves it, or it sleeps.
	Pass func(d time.Duration)
	// Forget makes the broker lose all that it was told, as a server does that
	// is emptied; nil where nothing can.
	Forget func()
}

const (
	// long never ends while a test runs.
	long = time.Hour
	// short is let pass where something must end; a real clock waits it out.
	short = 200 * time.Millisecond
	// patience bounds every wait, and is only ever used up by a failure.
	patience = 60 * time.Second
	// skew is how far a broker's own clock may be from Harness.Now, or a busy
	// machine behind both.
	skew = 30 * time.Second
)

// Run runs the suite, its tests side by side. fresh returns a broker with
// nothing in it that no other test sees: a key prefix of its own will do.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Routes", routes}, {"Claims", claims}, {"Admission", admission}, {"Rates", rates},
		{"Presence", presence}, {"Thumbnails", thumbnails}, {"Fleet", fleet}, {"Subscriptions", subscriptions},
		{"Resets", resets},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					harness := fresh(t)
					if len(harness.Handles) < 2 {
						t.Fatalf("the harness has %d handles, fewer than two", len(harness.Handles))
					}
					if group.name == "Resets" && harness.Forget == nil {
						t.Skip("this broker forgets nothing")
					}
					test.run(t, &bench{T: t, Harness: harness, ctx: t.Context()})
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, b *bench)
}

// bench is one test's harness with the few words that tests are written in.
type bench struct {
	*testing.T
	Harness
	ctx context.Context
}

// on returns the nth handle, round and round.
func (b *bench) on(n int) broker.Broker { return b.Handles[n%len(b.Handles)] }

// must fails the test on an error.
func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// eventually waits for a condition that another process's change brings about.
func (b *bench) eventually(what string, holds func() bool) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			b.Fatalf("after %s still not: %s", patience, what)
		}
		b.Pass(short / 10)
	}
}

// around fails the test unless got is want, as far as clocks agree.
func (b *bench) around(what string, got, want time.Time) {
	b.Helper()
	if off := got.Sub(want).Abs(); off > skew {
		b.Fatalf("%s is %s, want about %s", what, got, want)
	}
}

// subscribe returns a subscription that ends with the test.
func (b *bench) subscribe(handle broker.Broker, buffer int) broker.Subscription {
	b.Helper()
	subscription, err := handle.Subscribe(b.ctx, buffer)
	b.must(err)
	b.Cleanup(subscription.Close)
	return subscription
}

// next returns the next event about the session, past those about others.
func (b *bench) next(subscription broker.Subscription, session streamspace.SessionID) (broker.Event, error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		event, err := subscription.Next(ctx)
		if ctx.Err() != nil {
			b.Fatalf("no event about %s within %s", session, patience)
		}
		if err != nil || event.Session == session {
			return event, err
		}
	}
}

// expect reads the next event about want.Session and compares what its kind sets.
func (b *bench) expect(subscription broker.Subscription, want broker.Event) {
	b.Helper()
	got, err := b.next(subscription, want.Session)
	if err != nil {
		b.Fatalf("waiting for %s: %v", want.Kind, err)
	}
	if got.Kind != want.Kind || got.Epoch != want.Epoch || !got.At.Equal(want.At) || got.Revocation.Code != want.Revocation.Code {
		b.Fatalf("got event %+v, want %+v", got, want)
	}
}
