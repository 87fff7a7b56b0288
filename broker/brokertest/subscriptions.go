package brokertest

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

var subscriptions = []test{
	{"NothingFromBefore", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/a", Epoch: 1}))
		events := b.subscribe(b.on(0), 10)
		b.must(b.on(0).Want(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: session})
	}},
	{"EverySubscriberGetsEveryEvent", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		var all []broker.Subscription
		for i := range 2 * len(b.Handles) {
			all = append(all, b.subscribe(b.on(i), 10))
		}
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/a", Epoch: 1}))
		b.must(b.on(0).Withdraw(b.ctx, session, 1))
		for _, events := range all {
			b.expect(events, broker.Event{Kind: broker.EventRoute, Session: session, Epoch: 1})
			b.expect(events, broker.Event{Kind: broker.EventWithdrawn, Session: session, Epoch: 1})
		}
	}},
	{"InEachPublishersOrder", publishersOrder},
	{"OverflowIsToldOnce", overflow},
	{"SlowOneHoldsUpNobody", slowSubscriber},
	{"NextWaitsNoLongerThanItsContext", func(t *testing.T, b *bench) {
		events := b.subscribe(b.on(0), 10)
		ctx, cancel := context.WithCancel(b.ctx)
		got := make(chan error, 1)
		go func() {
			for {
				if _, err := events.Next(ctx); err != nil { // past the events of others
					got <- err
					return
				}
			}
		}()
		cancel()
		if err := receive(b, got); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want context.Canceled", err)
		}
		session := streamspace.NewSessionID() // and the subscription goes on
		b.must(b.on(0).Want(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: session})
	}},
	{"CloseEndsIt", func(t *testing.T, b *bench) {
		events := b.subscribe(b.on(0), 10)
		got := make(chan error, 1)
		go func() { got <- end(b.ctx, events) }()
		events.Close()
		events.Close()
		if err := receive(b, got); !errors.Is(err, io.EOF) {
			t.Fatalf("got error %v, want io.EOF", err)
		}
		b.must(b.on(0).Want(b.ctx, streamspace.NewSessionID()))
		if _, err := events.Next(b.ctx); !errors.Is(err, io.EOF) {
			t.Fatalf("after Close: got error %v, want io.EOF", err)
		}
		events.Close()
	}},
	{"CloseFromManySides", func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		events, err := b.on(0).Subscribe(ctx, 10)
		b.must(err)
		var group sync.WaitGroup
		for range 10 {
			group.Go(events.Close)
		}
		cancel()
		group.Wait()
		got := make(chan error, 1)
		go func() { got <- end(b.ctx, events) }()
		if err := receive(b, got); !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want io.EOF or context.Canceled", err)
		}
	}},
	{"ItsContextEndsIt", func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		events, err := b.on(0).Subscribe(ctx, 10)
		b.must(err)
		got := make(chan error, 1)
		go func() { got <- end(b.ctx, events) }()
		cancel()
		if err := receive(b, got); !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want io.EOF or context.Canceled", err)
		}
		events.Close()
	}},
	{"ABufferHoldsSomething", func(t *testing.T, b *bench) {
		if events, err := b.on(0).Subscribe(b.ctx, 0); err == nil {
			events.Close()
			t.Fatal("a subscription that can hold no event was given")
		}
	}},
}

// end reads until the subscription ends and returns with what.
func end(ctx context.Context, events broker.Subscription) error {
	for {
		if _, err := events.Next(ctx); err != nil && !errors.Is(err, broker.ErrDropped) {
			return err
		}
	}
}

func receive(b *bench, from <-chan error) error {
	b.Helper()
	select {
	case err := <-from:
		return err
	case <-time.After(patience):
		b.Fatalf("Next has not returned after %s", patience)
		return nil
	}
}

// publishersOrder has several publishers at once, each counting up in a
// session of its own: nobody's count may be seen to jump or to go back.
func publishersOrder(t *testing.T, b *bench) {
	const publishers, each = 8, 100
	events := b.subscribe(b.on(0), publishers*each*4)
	last := make(map[streamspace.SessionID]uint64)
	var group sync.WaitGroup
	for i := range publishers {
		session := streamspace.NewSessionID()
		last[session] = 0
		group.Go(func() {
			for epoch := uint64(1); epoch <= each; epoch++ {
				if err := b.on(i).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/a", Epoch: epoch}); err != nil {
					t.Errorf("publishing: %v", err)
				}
			}
		})
	}
	group.Wait()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for finished := 0; finished < publishers; {
		event, err := events.Next(ctx)
		b.must(err)
		before, ours := last[event.Session]
		if !ours {
			continue
		}
		if event.Epoch != before+1 {
			t.Fatalf("after event %d of a publisher came %d", before, event.Epoch)
		}
		last[event.Session] = event.Epoch
		if event.Epoch == each {
			finished++
		}
	}
}

// overflow fills a small buffer several times over: the reader is told once,
// before the newer events, which come without a gap up to the last.
func overflow(t *testing.T, b *bench) {
	const buffer, published = 4, 50
	session := streamspace.NewSessionID()
	events, witness := b.subscribe(b.on(0), buffer), b.subscribe(b.on(0), 1000)
	flood := func(from uint64) {
		for epoch := from; epoch < from+published; epoch++ {
			b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/a", Epoch: epoch}))
		}
		for { // until all have arrived somewhere, they may still be on their way
			if event, err := b.next(witness, session); err != nil {
				t.Fatalf("waiting for the last event: %v", err)
			} else if event.Epoch == from+published-1 {
				return
			}
		}
	}
	drain := func(last uint64) {
		t.Helper()
		// A broker with a network between may have moved a few events on to
		// the reader's side before the flood: those come first.
		dropped := 0
		for previous := uint64(0); previous != last; {
			event, err := b.next(events, session)
			switch {
			case errors.Is(err, broker.ErrDropped):
				if dropped++; dropped > 1 {
					t.Fatal("ErrDropped came twice for one overflow")
				}
				previous = 0
			case err != nil:
				t.Fatal(err)
			case previous != 0 && event.Epoch != previous+1:
				t.Fatalf("event %d came after %d and ErrDropped did not", event.Epoch, previous)
			default:
				previous = event.Epoch
			}
		}
		if dropped != 1 {
			t.Fatal("ErrDropped did not come")
		}
	}
	flood(1)
	drain(published)
	flood(published + 1) // and it is told again when it happens again
	drain(2 * published)
}

// slowSubscriber has one subscriber that never reads: publishers go on, and
// another gets everything.
func slowSubscriber(t *testing.T, b *bench) {
	const published = 2000
	b.subscribe(b.on(0), 1)
	reader := b.subscribe(b.on(0), published*4)
	session := streamspace.NewSessionID()
	for epoch := uint64(1); epoch <= published; epoch++ {
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/a", Epoch: epoch}))
	}
	for epoch := uint64(1); epoch <= published; epoch++ {
		b.expect(reader, broker.Event{Kind: broker.EventRoute, Session: session, Epoch: epoch})
	}
}
