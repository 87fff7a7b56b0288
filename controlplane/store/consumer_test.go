package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/streamspace/streamspace/controlplane/store"
)

// taker remembers what a consumer was handed.
type taker struct {
	mu   sync.Mutex
	got  []int64 // guarded by mu
	lost int     // guarded by mu
	fail int     // guarded by mu; so many calls fail
}

func (k *taker) take(_ context.Context, event store.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail > 0 {
		k.fail--
		return errors.New("not now")
	}
	k.got = append(k.got, event.ID)
	return nil
}

func (k *taker) has(ids ...int64) func() bool {
	return func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return slices.Equal(k.got, ids)
	}
}

// hasAtLeast allows that an event comes twice in a row, as after a take-over.
func (k *taker) hasAtLeast(ids ...int64) func() bool {
	return func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return slices.Equal(slices.Compact(slices.Clone(k.got)), ids)
	}
}

// consume runs a consumer until stop.
func consume(t *testing.T, f *store.Feed, k *taker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c := &store.Consumer{Feed: f, Name: "test", Log: quiet, Handle: k.take, Lost: func(context.Context) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.lost++
		return nil
	}}
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("consumer: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestAConsumerGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	f := feed(t, s)
	conn := connect(t, url)
	tell(t, conn, "before")
	k := &taker{fail: 1}
	stop := consume(t, f, k)
	eventually(t, "the consumer's first start", func() bool {
		_, err := s.EventCursor(t.Context(), "test")
		return err == nil
	})
	a, b := tell(t, conn, "a"), tell(t, conn, "b")
	eventually(t, "both events, the first after an error", k.has(a, b))
	stop()
	c := tell(t, conn, "while it was away")
	stop = consume(t, f, k)
	eventually(t, "the third event", k.has(a, b, c))
	stop()

	run(t, conn, "DELETE FROM events WHERE id <= $1", tell(t, conn, "cleaned away"))
	d := tell(t, conn, "d")
	consume(t, f, k)
	eventually(t, "the fourth event", k.has(a, b, c, d))
	if k.lost != 1 {
		t.Errorf("a loss was told %d times", k.lost)
	}
}

func TestOneOfManyConsumes(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	k := &taker{}
	conn := connect(t, url)
	var stops []func()
	for range 2 {
		stops = append(stops, consume(t, feed(t, s), k))
	}
	eventually(t, "the consumer's first start", func() bool {
		_, err := s.EventCursor(t.Context(), "test")
		return err == nil
	})
	var ids []int64
	for range 20 {
		ids = append(ids, tell(t, conn, "x"))
	}
	eventually(t, "every event once", k.has(ids...))
	// The one that works loses its lock with its connection; someone goes on,
	// perhaps with an event that was handled and not yet ticked off.
	run(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	ids = append(ids, tell(t, conn, "y"))
	eventually(t, "the event after the take-over", k.hasAtLeast(ids...))
	for _, stop := range stops {
		stop()
	}
}
