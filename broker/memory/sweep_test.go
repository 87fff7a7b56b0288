package memory

import (
	"context"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// Everything that ends by itself is let go by later use of anything.
func TestNothingThatEndedIsKept(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b := New(func() time.Time { return now })
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const each = 1000
	for range each {
		session := streamspace.NewSessionID()
		_, err := b.Claim(ctx, session, streamspace.NewGatewayID(), time.Second)
		must(err)
		must(b.Join(ctx, broker.Viewer{ID: streamspace.NewViewerID(), Session: session}, time.Second))
		must(b.Touch(ctx, session, now))
		must(b.Redeem(ctx, streamspace.NewTicketID(), now.Add(time.Second)))
		must(b.Revoke(ctx, broker.Revocation{Session: session, Before: now}, time.Second))
		must(b.PutThumbnail(ctx, session, broker.Thumbnail{JPEG: []byte("jpeg"), Taken: now}, time.Second))
		must(b.Announce(ctx, broker.Node{Gateway: streamspace.NewGatewayID()}, time.Second))
	}
	kept := func() []int {
		return []int{len(b.claims), len(b.viewers), len(b.touches), len(b.redeemed), len(b.revocations), len(b.thumbnails), len(b.nodes)}
	}
	for i, n := range kept() {
		if n != each {
			t.Fatalf("table %d holds %d entries while they are alive, want %d", i, n, each)
		}
	}
	events, err := b.Subscribe(ctx, 2*each)
	must(err)
	defer events.Close()
	now = now.Add(touchKeep)
	must(b.Want(ctx, streamspace.NewSessionID()))
	for i, n := range kept() {
		if n != 0 {
			t.Errorf("table %d still holds %d entries", i, n)
		}
	}
	for range each { // that viewers vanished with their gateway is told
		if event, err := events.Next(ctx); err != nil || event.Kind != broker.EventPresence {
			t.Fatalf("got %+v and error %v, want a presence event", event, err)
		}
	}
}

// A subscription that was left takes nothing.
func TestClosedSubscriptionIsForgotten(t *testing.T) {
	b := New(time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 10 {
		s, err := b.Subscribe(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	if n := len(b.subscriptions); n != 0 {
		t.Fatalf("%d closed subscriptions are kept", n)
	}
}
