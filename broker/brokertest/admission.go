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
		viewer, before := someone(), b.Now()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: viewer.Session, Before: before, Code: streamspace.CodeSessionStopped}, long))
		b.revoked(viewer, before.Add(-time.Millisecond), true)
		b.revoked(viewer, before, false)
		b.revoked(viewer, before.Add(time.Millisecond), false)
	}},
	{"WhatWasRevokedIsTold", func(t *testing.T, b *bench) {
		want := broker.Revocation{
			Session: streamspace.NewSessionID(), User: streamspace.NewUserID(), Viewer: streamspace.NewViewerID(),
			Share: streamspace.NewShareID(), Before: b.Now().Truncate(time.Millisecond), Code: streamspace.CodeSessionHibernate,
		}
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Revoke(b.ctx, want, long))
		got, ok, err := b.on(1).Revoked(b.ctx, broker.Viewer{Session: want.Session, User: want.User, ID: want.Viewer, Share: want.Share}, want.Before.Add(-time.Second))
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
		viewer, now := someone(), b.Now()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: viewer.Session, Before: now, Code: streamspace.CodeSessionStopped}, long))
		b.must(b.on(1).Revoke(b.ctx, broker.Revocation{Session: viewer.Session, Before: now.Add(-time.Minute), Code: streamspace.CodeAccessRevoked}, short))
		b.Pass(2 * short)
		b.revoked(viewer, now.Add(-time.Second), true)
	}},
	{"KeptAsLongAsAsked", func(t *testing.T, b *bench) {
		viewer, now := someone(), b.Now()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: viewer.Session, Before: now, Code: streamspace.CodeSessionStopped}, patience))
		b.revoked(viewer, now.Add(-time.Second), true)

		brief := viewer
		brief.Session = streamspace.NewSessionID()
		b.must(b.on(0).Revoke(b.ctx, broker.Revocation{Session: brief.Session, Before: now, Code: streamspace.CodeSessionStopped}, short))
		b.Pass(short)
		b.eventually("the revocation is forgotten", func() bool {
			_, ok, err := b.on(1).Revoked(b.ctx, brief, now.Add(-time.Second))
			b.must(err)
			return !ok
		})
	}},
}

// someone is a viewer who shares nothing with any other.
func someone() broker.Viewer {
	return broker.Viewer{
		ID: streamspace.NewViewerID(), Session: streamspace.NewSessionID(), User: streamspace.NewUserID(), Share: streamspace.NewShareID(),
	}
}

func (b *bench) revoked(viewer broker.Viewer, issued time.Time, want bool) {
	b.Helper()
	for i := range b.Handles {
		revocation, got, err := b.on(i).Revoked(b.ctx, viewer, issued)
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

// revocationFields tries each of the fifteen aims against each of the sixteen
// viewers that share some of the aim's fields: exactly those are revoked that
// share all the fields which the aim sets. A guest, who has no user, is one
// of those that do not share the user.
func revocationFields(t *testing.T, b *bench) {
	const session, user, viewer, share = 1, 2, 4, 8
	for set := 1; set <= session|user|viewer|share; set++ {
		own := someone()
		revocation := broker.Revocation{Before: b.Now(), Code: streamspace.CodeAccessRevoked}
		if set&session != 0 {
			revocation.Session = own.Session
		}
		if set&user != 0 {
			revocation.User = own.User
		}
		if set&viewer != 0 {
			revocation.Viewer = own.ID
		}
		if set&share != 0 {
			revocation.Share = own.Share
		}
		b.must(b.on(set).Revoke(b.ctx, revocation, long))
		for shared := 0; shared <= session|user|viewer|share; shared++ {
			other := someone()
			if shared&session != 0 {
				other.Session = own.Session
			}
			if shared&user != 0 {
				other.User = own.User
			}
			if shared&viewer != 0 {
				other.ID = own.ID
			}
			if shared&share != 0 {
				other.Share = own.Share
			}
			t.Run(fmt.Sprintf("set %04b shared %04b", set, shared), func(t *testing.T) {
				at := *b
				at.T = t
				at.revoked(other, revocation.Before.Add(-time.Second), shared&set == set)
				if revocation.Matches(other) != (shared&set == set) {
					t.Errorf("%+v says of %+v that it matches: %t", revocation, other, shared&set != set)
				}
				if shared&user == 0 && shared&share != 0 {
					other.User = ""
					at.revoked(other, revocation.Before.Add(-time.Second), shared&set == set)
				}
			})
		}
	}
}
