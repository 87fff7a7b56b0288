package brokertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// claimants is how many gateways want the same desktop at once.
const claimants = 50

var claims = []test{
	{"FirstGetsIt", func(t *testing.T, b *bench) {
		session, gateway := streamspace.NewSessionID(), streamspace.NewGatewayID()
		claim, err := b.on(0).Claim(b.ctx, session, gateway, long)
		b.must(err)
		if claim.Session != session || claim.Gateway != gateway || claim.Epoch == 0 {
			t.Fatalf("got %+v", claim)
		}
		b.around("its end", claim.Expires, b.Now().Add(long))
	}},
	{"SecondIsToldWho", func(t *testing.T, b *bench) {
		session, first, second := streamspace.NewSessionID(), streamspace.NewGatewayID(), streamspace.NewGatewayID()
		held, err := b.on(0).Claim(b.ctx, session, first, long)
		b.must(err)
		got, err := b.on(1).Claim(b.ctx, session, second, long)
		if !errors.Is(err, broker.ErrClaimed) {
			t.Fatalf("second claim: got error %v, want ErrClaimed", err)
		}
		if got.Gateway != first || got.Epoch != held.Epoch {
			t.Fatalf("second claim was told of %+v, the holder is %+v", got, held)
		}
	}},
	{"OneOfManyGetsIt", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		var winners atomic.Int32
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range claimants {
			group.Go(func() {
				<-start
				gateway := streamspace.NewGatewayID()
				claim, err := b.on(i).Claim(b.ctx, session, gateway, long)
				switch {
				case err == nil && claim.Gateway == gateway:
					winners.Add(1)
				case !errors.Is(err, broker.ErrClaimed) || claim.Gateway == gateway:
					t.Errorf("claimant %d: got %+v and error %v", i, claim, err)
				}
			})
		}
		close(start)
		group.Wait()
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d of %d claimants hold the desktop", n, claimants)
		}
	}},
	{"OwnRepeatKeepsTheEpoch", func(t *testing.T, b *bench) {
		session, gateway := streamspace.NewSessionID(), streamspace.NewGatewayID()
		first, err := b.on(0).Claim(b.ctx, session, gateway, long)
		b.must(err)
		again, err := b.on(1).Claim(b.ctx, session, gateway, 2*long)
		b.must(err)
		if again.Epoch != first.Epoch {
			t.Fatalf("the holder's repeated claim went from epoch %d to %d", first.Epoch, again.Epoch)
		}
		b.around("its end", again.Expires, b.Now().Add(2*long))
	}},
	{"Inherit", func(t *testing.T, b *bench) {
		session, dead, heir, late := streamspace.NewSessionID(), streamspace.NewGatewayID(), streamspace.NewGatewayID(), streamspace.NewGatewayID()
		held, err := b.on(0).Claim(b.ctx, session, dead, long)
		b.must(err)
		claim, err := b.on(1).Inherit(b.ctx, held, heir, long)
		b.must(err)
		if claim.Gateway != heir || claim.Epoch <= held.Epoch {
			t.Fatalf("inherited %+v from %+v", claim, held)
		}
		if _, err := b.on(0).Renew(b.ctx, held, long); !errors.Is(err, broker.ErrStaleClaim) {
			t.Errorf("the one who lost it renews: %v", err)
		}
		// Another who heard of the same death comes too late.
		if got, err := b.on(2).Inherit(b.ctx, held, late, long); !errors.Is(err, broker.ErrClaimed) || got.Gateway != heir {
			t.Errorf("the second heir got %+v, %v", got, err)
		}
		// What is free is taken as by Claim.
		b.must(b.on(1).Release(b.ctx, claim))
		got, err := b.on(2).Inherit(b.ctx, held, late, long)
		b.must(err)
		if got.Gateway != late || got.Epoch <= claim.Epoch {
			t.Errorf("a free desktop was inherited as %+v after %+v", got, claim)
		}
	}},
	{"OneOfManyInherits", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		held, err := b.on(0).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
		b.must(err)
		var winners atomic.Int32
		var group sync.WaitGroup
		for i := range claimants {
			group.Go(func() {
				gateway := streamspace.NewGatewayID()
				switch claim, err := b.on(i).Inherit(b.ctx, held, gateway, long); {
				case err == nil && claim.Gateway == gateway:
					winners.Add(1)
				case !errors.Is(err, broker.ErrClaimed):
					t.Errorf("heir %d: got %+v and error %v", i, claim, err)
				}
			})
		}
		group.Wait()
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d of %d heirs hold the desktop", n, claimants)
		}
	}},
	{"Renew", func(t *testing.T, b *bench) {
		claim, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), long)
		b.must(err)
		renewed, err := b.on(1).Renew(b.ctx, claim, 3*long)
		b.must(err)
		b.around("its end", renewed.Expires, b.Now().Add(3*long))
		renewed.Expires, claim.Expires = time.Time{}, time.Time{}
		if renewed != claim {
			t.Fatalf("renewing %+v gave %+v", claim, renewed)
		}
	}},
	{"RenewKeepsIt", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		claim, err := b.on(0).Claim(b.ctx, session, streamspace.NewGatewayID(), patience)
		b.must(err)
		_, err = b.on(0).Renew(b.ctx, claim, long)
		b.must(err)
		b.Pass(short)
		if _, err := b.on(1).Claim(b.ctx, session, streamspace.NewGatewayID(), long); !errors.Is(err, broker.ErrClaimed) {
			t.Fatalf("claiming what was renewed: got error %v, want ErrClaimed", err)
		}
	}},
	{"RenewOfNothingIsStale", func(t *testing.T, b *bench) {
		b.stale(broker.Claim{Session: streamspace.NewSessionID(), Gateway: streamspace.NewGatewayID(), Epoch: 1})
	}},
	{"RenewOfAnotherEpochIsStale", func(t *testing.T, b *bench) {
		claim, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), long)
		b.must(err)
		claim.Epoch--
		b.stale(claim)
	}},
	{"RenewForAnotherGatewayIsStale", func(t *testing.T, b *bench) {
		claim, err := b.on(0).Claim(b.ctx, streamspace.NewSessionID(), streamspace.NewGatewayID(), long)
		b.must(err)
		claim.Gateway = streamspace.NewGatewayID()
		b.stale(claim)
	}},
	{"ReleasedIsFree", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		claim, err := b.on(0).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
		b.must(err)
		b.must(b.on(1).Release(b.ctx, claim))
		b.stale(claim)
		next, err := b.on(1).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
		b.must(err)
		if next.Epoch <= claim.Epoch {
			t.Fatalf("epoch went from %d to %d", claim.Epoch, next.Epoch)
		}
	}},
	{"StaleReleaseSparesTheHolder", func(t *testing.T, b *bench) {
		session, first := streamspace.NewSessionID(), streamspace.NewGatewayID()
		stale, err := b.on(0).Claim(b.ctx, session, first, long)
		b.must(err)
		b.must(b.on(0).Release(b.ctx, stale))
		held, err := b.on(0).Claim(b.ctx, session, first, long)
		b.must(err)
		b.must(b.on(1).Release(b.ctx, stale))
		if _, err := b.on(1).Renew(b.ctx, held, long); err != nil {
			t.Fatalf("the holder lost the desktop to the release of its earlier claim: %v", err)
		}
	}},
	{"ExpiredIsTakenOver", func(t *testing.T, b *bench) {
		session, lost := streamspace.NewSessionID(), streamspace.NewGatewayID()
		old, err := b.on(0).Claim(b.ctx, session, lost, short)
		b.must(err)
		b.Pass(short)
		var taken broker.Claim
		b.eventually("the expired claim can be taken over", func() bool {
			var err error
			taken, err = b.on(1).Claim(b.ctx, session, streamspace.NewGatewayID(), long)
			return err == nil
		})
		if taken.Epoch <= old.Epoch {
			t.Fatalf("epoch went from %d to %d", old.Epoch, taken.Epoch)
		}
		b.stale(old)
		b.must(b.on(0).Release(b.ctx, old))
		_, err = b.on(1).Renew(b.ctx, taken, long)
		b.must(err)
	}},
	{"ExpiredIsStaleEvenUntaken", func(t *testing.T, b *bench) {
		session, gateway := streamspace.NewSessionID(), streamspace.NewGatewayID()
		old, err := b.on(0).Claim(b.ctx, session, gateway, short)
		b.must(err)
		b.Pass(2 * short)
		b.stale(old)
		again, err := b.on(0).Claim(b.ctx, session, gateway, long)
		b.must(err)
		if again.Epoch <= old.Epoch {
			t.Fatalf("a claim that ran out came back with epoch %d, not above %d", again.Epoch, old.Epoch)
		}
	}},
	{"NeverTwoHolders", neverTwoHolders},
}

func (b *bench) stale(claim broker.Claim) {
	b.Helper()
	for i := range b.Handles {
		if got, err := b.on(i).Renew(b.ctx, claim, long); !errors.Is(err, broker.ErrStaleClaim) {
			b.Fatalf("renewing %+v: got %+v and error %v, want ErrStaleClaim", claim, got, err)
		}
	}
}

// neverTwoHolders lets claimants take, renew and release one desktop for a
// while: between a claim and its release nobody else may be in, and epochs
// only grow from one holder to the next.
func neverTwoHolders(t *testing.T, b *bench) {
	session := streamspace.NewSessionID()
	const turns = 200
	var holders, served atomic.Int32
	var last atomic.Uint64
	var group sync.WaitGroup
	for i := range claimants {
		group.Go(func() {
			gateway := streamspace.NewGatewayID()
			for served.Load() < turns && !t.Failed() {
				claim, err := b.on(i).Claim(b.ctx, session, gateway, long)
				if errors.Is(err, broker.ErrClaimed) {
					continue
				}
				if err != nil {
					t.Errorf("claiming: %v", err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d gateways hold the desktop at once", n)
				}
				if before := last.Swap(claim.Epoch); before >= claim.Epoch {
					t.Errorf("epoch went from %d to %d", before, claim.Epoch)
				}
				if _, err := b.on(i+1).Renew(b.ctx, claim, long); err != nil {
					t.Errorf("renewing what is held: %v", err)
				}
				served.Add(1)
				holders.Add(-1)
				if err := b.on(i).Release(b.ctx, claim); err != nil {
					t.Errorf("releasing: %v", err)
				}
			}
		})
	}
	group.Wait()
}
