package brokertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

var admission = []test{
	{"RedeemOnce", func(t *testing.T, b *bench) {
		ticket := streamspace.NewTicketID()
		b.must(b.on(0).Redeem(b.ctx, ticket, b.Now().Add(long)))
		for i := range b.Handles {
			if err := b.on(i).Redeem(b.ctx, ticket, b.Now().Add(long)); !errors.Is(err, broker.ErrRedeemed) {
				t.Fatalf("handle %d: second use: got error %v, want ErrRedeemed", i, err)
			}
		}
		b.must(b.on(1).Redeem(b.ctx, streamspace.NewTicketID(), b.Now().Add(long)))
	}},
	{"RedeemOnceOfManyAtOnce", func(t *testing.T, b *bench) {
		ticket := streamspace.NewTicketID()
		var let atomic.Int32
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range claimants {
			group.Go(func() {
				<-start
				switch err := b.on(i).Redeem(b.ctx, ticket, b.Now().Add(long)); {
				case err == nil:
					let.Add(1)
				case !errors.Is(err, broker.ErrRedeemed):
					t.Errorf("redeeming: %v", err)
				}
			})
		}
		close(start)
		group.Wait()
		if n := let.Load(); n != 1 {
			t.Fatalf("one ticket let %d viewers in", n)
		}
	}},
	{"RevokeNamesSomebody", func(t *testing.T, b *bench) {
		if err := b.on(0).Revoke(b.ctx, broker.Revocation{Before: b.Now(), Code: streamspace.CodeAccessRevoked}, long); err == nil {
			t.Fatal("a revocation of everything was taken")
		}
	}},
	{"EveryFieldThatIsSetMustMatch", revocationFields},
	{"BeforeIsTheBoundary", func(t *testing.T, b *bench) {
		session, before := streamspace.NewSessionID(), b.Now()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: session, Before: before, Code: streamspace.CodeSessionStopped}, long))
		viewer := stream{session: session, user: streamspace.NewUserID(), viewer: streamspace.NewViewerID()}
		b.revoked(viewer, before.Add(-time.Millisecond), true)
		b.revoked(viewer, before, false)
		b.revoked(viewer, before.Add(time.Millisecond), false)
	}},
	{"WhatWasRevokedIsTold", func(t *testing.T, b *bench) {
		want := broker.Revocation{
			Session: streamspace.NewSessionID(), User: streamspace.NewUserID(), Viewer: streamspace.NewViewerID(),
			Before: b.Now().Truncate(time.Millisecond), Code: streamspace.CodeSessionHibernate,
		}
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Revoke(b.ctx, want, long))
		got, ok, err := b.on(1).Revoked(b.ctx, want.Session, want.User, want.Viewer, want.Before.Add(-time.Second))
		b.must(err)
		if !ok || !sameRevocation(got, want) {
			t.Fatalf("got %+v (%t), want %+v", got, ok, want)
		}
		event, err := b.next(events, want.Session)
		b.must(err)
		if event.Kind != broker.EventRevocation || !sameRevocation(event.Revocation, want) {
			t.Fatalf("got event %+v, want one of %+v", event, want)
		}
	}},
	{"AnEarlierOneTakesNothingBack", func(t *testing.T, b *bench) {
		session, now := streamspace.NewSessionID(), b.Now()
		viewer := stream{session: session, user: streamspace.NewUserID(), viewer: streamspace.NewViewerID()}
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: session, Before: now, Code: streamspace.CodeSessionStopped}, long))
		b.must(b.on(1).Revoke(b.ctx, broker.Revocation{Session: session, Before: now.Add(-time.Minute), Code: streamspace.CodeAccessRevoked}, short))
		b.Pass(2 * short)
		b.revoked(viewer, now.Add(-time.Second), true)
	}},
	{"KeptAsLongAsAsked", func(t *testing.T, b *bench) {
		session, now := streamspace.NewSessionID(), b.Now()
		viewer := stream{session: session, user: streamspace.NewUserID(), viewer: streamspace.NewViewerID()}
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: session, Before: now, Code: streamspace.CodeSessionStopped}, patience))
		b.revoked(viewer, now.Add(-time.Second), true)

		brief := stream{session: session, user: viewer.user, viewer: viewer.viewer}
		brief.session = streamspace.NewSessionID()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: brief.session, Before: now, Code: streamspace.CodeSessionStopped}, short))
		b.Pass(short)
		b.eventually("the revocation is forgotten", func() bool {
			_, ok, err := b.on(1).Revoked(b.ctx, brief.session, brief.user, brief.viewer, now.Add(-time.Second))
			b.must(err)
			return !ok
		})
	}},
}

// stream is who a viewer is to a revocation.
type stream struct {
	session streamspace.SessionID
	user    streamspace.UserID
	viewer  streamspace.ViewerID
}

func (b *bench) revoked(s stream, issued time.Time, want bool) {
	b.Helper()
	for i := range b.Handles {
		revocation, got, err := b.on(i).Revoked(b.ctx, s.session, s.user, s.viewer, issued)
		b.must(err)
		if got != want {
			b.Fatalf("handle %d: ticket issued at %s: revoked is %t (%+v), want %t", i, issued, got, revocation, want)
		}
	}
}

func sameRevocation(a, b broker.Revocation) bool {
	sameTime := a.Before.Equal(b.Before)
	a.Before, b.Before = time.Time{}, time.Time{}
	return sameTime && a == b
}

// revocationFields tries each of the seven aims against each of the eight
// streams that share some of the aim's fields: exactly those streams are
// revoked that share all the fields which the aim sets.
func revocationFields(t *testing.T, b *bench) {
	const session, user, viewer = 1, 2, 4
	for set := 1; set <= session|user|viewer; set++ {
		own := stream{streamspace.NewSessionID(), streamspace.NewUserID(), streamspace.NewViewerID()}
		revocation := broker.Revocation{Before: b.Now(), Code: streamspace.CodeAccessRevoked}
		if set&session != 0 {
			revocation.Session = own.session
		}
		if set&user != 0 {
			revocation.User = own.user
		}
		if set&viewer != 0 {
			revocation.Viewer = own.viewer
		}
		b.must(b.on(set).Revoke(b.ctx, revocation, long))
		for shared := 0; shared <= session|user|viewer; shared++ {
			other := stream{streamspace.NewSessionID(), streamspace.NewUserID(), streamspace.NewViewerID()}
			if shared&session != 0 {
				other.session = own.session
			}
			if shared&user != 0 {
				other.user = own.user
			}
			if shared&viewer != 0 {
				other.viewer = own.viewer
			}
			t.Run(fmt.Sprintf("set %03b shared %03b", set, shared), func(t *testing.T) {
				at := *b
				at.T = t
				at.revoked(other, revocation.Before.Add(-time.Second), shared&set == set)
			})
		}
	}
}
