package brokertest

import (
	"errors"
	"testing"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// resets are run with brokers that can forget: there is no other way to lose
// what was told, and with it nothing to come back from.
var resets = []test{
	{"ToldToEverySubscriber", func(t *testing.T, b *bench) {
		var all []broker.Subscription
		for i := range 2 * len(b.Handles) {
			all = append(all, b.subscribe(b.on(i), 10))
		}
		b.Forget()
		for _, events := range all {
			b.untilReset(events)
		}
		session := streamspace.NewSessionID() // and they go on
		b.must(b.on(0).Want(b.ctx, session))
		for _, events := range all {
			for told := false; !told; {
				event, err := b.next(events, session)
				if err != nil && !errors.Is(err, broker.ErrDropped) {
					t.Fatal(err)
				}
				told = err == nil && event.Kind == broker.EventWant
			}
		}
	}},
	{"EpochsGoOn", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		before, err := b.on(0).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
		b.must(err)
		b.Forget()
		after, err := b.on(1).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
		b.must(err)
		if after.Epoch <= before.Epoch {
			t.Fatalf("epoch went from %d to %d", before.Epoch, after.Epoch)
		}
		b.stale(before) // who was faster keeps it
		_, err = b.on(1).Renew(b.ctx, after, long)
		b.must(err)
	}},
	{"AHolderPutsItsClaimBack", func(t *testing.T, b *bench) {
		for name, again := range map[string]func(broker.Claim) (broker.Claim, error){
			"renewing": func(c broker.Claim) (broker.Claim, error) { return b.on(0).Renew(b.ctx, c, long) },
			"claiming": func(c broker.Claim) (broker.Claim, error) { return b.on(0).Claim(b.ctx, c.Session, c.Gateway, long) },
		} {
			held, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), long)
			b.must(err)
			b.Forget()
			back, err := again(held)
			b.must(err)
			if back.Epoch != held.Epoch {
				t.Fatalf("%s: the holder's epoch went from %d to %d", name, held.Epoch, back.Epoch)
			}
			other, err := b.on(1).Claim(b.ctx, held.Session, streamspace.NewGatewayID(), long)
			if !errors.Is(err, broker.ErrClaimed) || other.Epoch != held.Epoch {
				t.Fatalf("%s: another got %+v and error %v, want ErrClaimed and epoch %d", name, other, err, held.Epoch)
			}
		}
	}},
	{"WhatRanOutStaysSo", func(t *testing.T, b *bench) {
		expired, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), short)
		b.must(err)
		released, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), long)
		b.must(err)
		b.must(b.on(0).Release(b.ctx, released))
		b.Pass(2 * short)
		b.Forget()
		b.stale(expired)
		b.stale(released)
	}},
	{"RoutesArePublishedAgain", func(t *testing.T, b *bench) {
		route := broker.Route{Session: streamspace.NewSessionID(), Address: "unix:/a", Epoch: 7}
		b.must(b.on(0).Publish(b.ctx, route))
		events := b.subscribe(b.on(1), 10)
		b.Forget()
		b.noRoute(route.Session)
		b.must(b.on(0).Publish(b.ctx, route))
		b.routeIs(1, route)
		for { // that events were lost is not wrong here
			event, err := b.next(events, route.Session)
			if err == nil && event.Kind == broker.EventRoute && event.Epoch == route.Epoch {
				return
			}
			if !errors.Is(err, broker.ErrDropped) {
				t.Fatalf("got event %+v and error %v, want the route's", event, err)
			}
		}
	}},
	{"RevocationsComeBackByThemselves", func(t *testing.T, b *bench) {
		viewer, now := someone(), b.Now()
		events := b.subscribe(b.on(0), 10)
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Share: viewer.Share, Before: now, Code: streamspace.CodeAccessRevoked}, long))
		b.Forget()
		b.untilReset(events)
		b.revoked(viewer, now.Add(-1), true)
	}},
}

// untilReset reads up to the event that tells of a reset.
func (b *bench) untilReset(events broker.Subscription) {
	b.Helper()
	for {
		event, err := b.next(events, "") // the event names no session
		switch {
		case errors.Is(err, broker.ErrDropped):
		case err != nil:
			b.Fatalf("waiting for a reset: %v", err)
		case event.Kind == broker.EventReset:
			return
		}
	}
}
