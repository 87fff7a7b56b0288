package redis

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

// Whoever gives up waiting, all others are carried, also by a Redis that does
// not know the scripts, and nothing stays behind.
func TestCallsThatGoTogether(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b, err := New(Options{Addresses: []string{server.Address}, Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.client.Close()
	for range 3 {
		if err := server.Client(t).ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		session, at := streamspace.NewSessionID(), time.Now()
		const calls = 500
		var group sync.WaitGroup
		for i := range calls {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				impatient := i%5 == 0 && i < calls-1
				if impatient {
					time.AfterFunc(rand.N(2*time.Millisecond), cancel)
				}
				err := b.Touch(ctx, session, at.Add(time.Duration(i)))
				if err != nil && !(impatient && errors.Is(err, context.Canceled)) {
					t.Errorf("call %d: %v", i, err)
				}
			})
		}
		group.Wait()
		if last, err := b.LastTouch(t.Context(), session); err != nil || !last.Equal(at.Add(calls-1)) {
			t.Errorf("got %s and error %v, want the last of all touches, %s", last, err, at.Add(calls-1))
		}
		if b.batch.busy != 0 || len(b.batch.waiting) != 0 {
			t.Errorf("%d pipelines are on their way and %d calls wait when all are done", b.batch.busy, len(b.batch.waiting))
		}
	}
}

// Answers find their own callers.
func TestEachCallGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b, err := New(Options{Addresses: []string{server.Address}, Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.client.Close()
	gateway := streamspace.NewGatewayID()
	var group sync.WaitGroup
	for range 300 {
		group.Go(func() {
			claim, err := b.Claim(t.Context(), streamspace.NewSessionID(), gateway, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			renewed, err := b.Renew(t.Context(), claim, time.Hour)
			if err != nil || renewed.Session != claim.Session || renewed.Epoch != claim.Epoch {
				t.Errorf("renewing %+v: got %+v and error %v", claim, renewed, err)
			}
			claim.Epoch--
			if _, err := b.Renew(t.Context(), claim, time.Hour); !errors.Is(err, broker.ErrStaleClaim) {
				t.Errorf("renewing an old epoch: got error %v, want ErrStaleClaim", err)
			}
		})
	}
	group.Wait()
}
