package brokertest

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

var routes = []test{
	{"NoneAtFirst", func(t *testing.T, b *bench) {
		b.noRoute(streamspace.NewSessionID())
	}},
	{"PublishedIsSeenEverywhere", func(t *testing.T, b *bench) {
		want := broker.Route{Session: streamspace.NewSessionID(), Address: "unix:/run/a.sock", Secret: []byte{0, 1, 0xff}, Epoch: 3}
		b.must(b.on(0).Publish(b.ctx, want))
		for i := range b.Handles {
			b.routeIs(i, want)
		}
		b.noRoute(streamspace.NewSessionID())
	}},
	{"SecretIsACopy", func(t *testing.T, b *bench) {
		route := broker.Route{Session: streamspace.NewSessionID(), Address: "unix:/a", Secret: []byte("kept"), Epoch: 1}
		b.must(b.on(0).Publish(b.ctx, route))
		copy(route.Secret, "oops")
		got, err := b.on(0).Route(b.ctx, route.Session)
		b.must(err)
		copy(got.Secret, "oops")
		route.Secret = []byte("kept")
		b.routeIs(0, route)
	}},
	{"HigherEpochReplaces", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/1", Epoch: 1}))
		b.must(b.on(1).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/2", Epoch: 2}))
		b.routeIs(0, broker.Route{Session: session, Address: "unix:/2", Epoch: 2})
	}},
	{"LowerEpochChangesNothing", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/2", Epoch: 2}))
		b.must(b.on(1).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/1", Epoch: 1}))
		b.routeIs(0, broker.Route{Session: session, Address: "unix:/2", Epoch: 2})
		b.must(b.on(0).Want(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventRoute, Session: session, Epoch: 2})
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: session})
	}},
	{"SameEpochMayBePublishedAgain", func(t *testing.T, b *bench) {
		route := broker.Route{Session: streamspace.NewSessionID(), Address: "unix:/old", Epoch: 5}
		b.must(b.on(0).Publish(b.ctx, route))
		route.Address = "unix:/moved"
		b.must(b.on(1).Publish(b.ctx, route))
		b.routeIs(0, route)
	}},
	{"Withdraw", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/1", Epoch: 4}))
		b.must(b.on(1).Withdraw(b.ctx, session, 4))
		b.noRoute(session)
		b.must(b.on(0).Withdraw(b.ctx, session, 4)) // again: nothing happens, and nothing is told
		b.must(b.on(0).Want(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventRoute, Session: session, Epoch: 4})
		b.expect(events, broker.Event{Kind: broker.EventWithdrawn, Session: session, Epoch: 4})
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: session})
	}},
	{"WithdrawSparesALaterStart", func(t *testing.T, b *bench) {
		route := broker.Route{Session: streamspace.NewSessionID(), Address: "unix:/5", Epoch: 5}
		b.must(b.on(0).Publish(b.ctx, route))
		b.must(b.on(1).Withdraw(b.ctx, route.Session, 4))
		b.routeIs(0, route)
		b.must(b.on(1).Withdraw(b.ctx, route.Session, 6))
		b.noRoute(route.Session)
	}},
	{"ConcurrentPublishesLeaveTheHighest", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		events := b.subscribe(b.on(0), 200)
		const highest = 50
		var group sync.WaitGroup
		for epoch := uint64(1); epoch <= highest; epoch++ {
			group.Go(func() {
				if err := b.on(int(epoch)).Publish(b.ctx, broker.Route{Session: session, Address: "unix:/x", Epoch: epoch}); err != nil {
					t.Errorf("publishing epoch %d: %v", epoch, err)
				}
				// A control plane that was replaced cleans up after itself.
				if err := b.on(int(epoch)).Withdraw(b.ctx, session, epoch-1); err != nil {
					t.Errorf("withdrawing epoch %d: %v", epoch-1, err)
				}
			})
		}
		group.Wait()
		b.routeIs(0, broker.Route{Session: session, Address: "unix:/x", Epoch: highest})
		b.routeIs(1, broker.Route{Session: session, Address: "unix:/x", Epoch: highest})
		var last uint64
		for last != highest {
			event, err := b.next(events, session)
			b.must(err)
			if event.Kind == broker.EventRoute && event.Epoch <= last {
				t.Fatalf("route of epoch %d was told after that of %d", event.Epoch, last)
			}
			if event.Kind == broker.EventRoute {
				last = event.Epoch
			}
		}
	}},
}

func (b *bench) noRoute(session streamspace.SessionID) {
	b.Helper()
	for i := range b.Handles {
		if route, err := b.on(i).Route(b.ctx, session); !errors.Is(err, broker.ErrNoRoute) {
			b.Fatalf("handle %d: got route %+v and error %v, want ErrNoRoute", i, route, err)
		}
	}
}

func (b *bench) routeIs(handle int, want broker.Route) {
	b.Helper()
	got, err := b.on(handle).Route(b.ctx, want.Session)
	b.must(err)
	if got.Session != want.Session || got.Address != want.Address || got.Epoch != want.Epoch || !bytes.Equal(got.Secret, want.Secret) {
		b.Fatalf("handle %d: got route %+v, want %+v", handle, got, want)
	}
}
