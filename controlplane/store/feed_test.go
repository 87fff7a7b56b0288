package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamspace/streamspace/controlplane/store"
)

const insertEvent = "INSERT INTO events (type, subject, payload) VALUES ('test', $1, '{}') RETURNING id"

// feed runs a feed until the test ends.
func feed(t testing.TB, s *store.Store) *store.Feed {
	t.Helper()
	f := store.NewFeed(s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("feed: %v", err)
		}
	})
	return f
}

func subscribe(t testing.TB, f *store.Feed, after int64, buffer int) *store.EventSubscription {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sub, err := f.Subscribe(ctx, after, buffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return sub
}

func tell(t testing.TB, conn *pgx.Conn, subject string) int64 {
	t.Helper()
	var id int64
	if err := conn.QueryRow(t.Context(), insertEvent, subject).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// next returns the id of the next event.
func next(t testing.TB, sub *store.EventSubscription) (int64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := sub.Next(ctx)
	return event.ID, err
}

func expect(t testing.TB, sub *store.EventSubscription, ids ...int64) {
	t.Helper()
	for _, want := range ids {
		if got, err := next(t, sub); got != want || err != nil {
			t.Fatalf("got event %d, %v; want %d", got, err, want)
		}
	}
}

func expectDropped(t testing.TB, sub *store.EventSubscription) {
	t.Helper()
	if got, err := next(t, sub); !errors.Is(err, store.ErrDropped) {
		t.Fatalf("got event %d, %v; want ErrDropped", got, err)
	}
}

// expectNothing checks what cannot be waited for: that nothing comes for a while.
func expectNothing(t testing.TB, sub *store.EventSubscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if event, err := sub.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got event %d, %v; want nothing", event.ID, err)
	}
}

// The transaction with the older xid has the younger event and commits first.
func TestFeedWaitsForAnIDStillToCome(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	sub := subscribe(t, feed(t, s), 0, 10)
	older, younger := connect(t, url), connect(t, url)
	run(t, older, "BEGIN")
	run(t, older, "SELECT pg_current_xact_id()")
	run(t, younger, "BEGIN")
	first := tell(t, younger, "first")
	second := tell(t, older, "second")
	run(t, older, "COMMIT")
	expectNothing(t, sub)
	run(t, younger, "COMMIT")
	expect(t, sub, first, second)
}

func TestFeedGoesPastARollback(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	sub := subscribe(t, feed(t, s), 0, 10)
	undone, other := connect(t, url), connect(t, url)
	run(t, undone, "BEGIN")
	tell(t, undone, "never")
	second := tell(t, other, "second")
	expectNothing(t, sub)
	run(t, undone, "ROLLBACK")
	expect(t, sub, second)
	run(t, undone, "BEGIN")
	tell(t, undone, "never")
	run(t, undone, "ROLLBACK")
	expect(t, sub, tell(t, other, "fourth"))
}

func TestFeedIsNotHeldUpByStrangers(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	sub := subscribe(t, feed(t, s), 0, 10)
	stranger, other := connect(t, url), connect(t, url)
	run(t, stranger, "BEGIN")
	run(t, stranger, "CREATE TABLE big AS SELECT generate_series(1, 10)")
	expect(t, sub, tell(t, other, "a"), tell(t, other, "b"))
	run(t, other, "BEGIN")
	tell(t, other, "never")
	run(t, other, "ROLLBACK") // a gap while the stranger still runs
	expect(t, sub, tell(t, other, "d"))
	run(t, stranger, "ROLLBACK")
}

func TestFeedDeliversEveryEventOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	const writers, each, readers = 8, 50, 3
	begun := make(chan struct{})
	var reading, writing sync.WaitGroup
	got := make([][]int64, 2*readers)
	for i := range 2 { // two processes
		f := feed(t, s)
		for j := range readers {
			sub := subscribe(t, f, 0, writers*each+1)
			reading.Go(func() {
				for {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					event, err := sub.Next(ctx)
					cancel()
					if err != nil {
						t.Errorf("reader: %v", err)
						return
					}
					if event.Subject == "last" {
						return
					}
					got[i*readers+j] = append(got[i*readers+j], event.ID)
				}
			})
		}
	}
	for range writers {
		conn := connect(t, url)
		writing.Go(func() {
			<-begun
			for range each {
				commit := "COMMIT"
				if rand.IntN(5) == 0 {
					commit = "ROLLBACK"
				}
				for _, sql := range []string{
					"BEGIN", "SELECT pg_current_xact_id()", delay(),
					"INSERT INTO events (type, subject, payload) VALUES ('test', 'x', '{}')", delay(), commit,
				} {
					if _, err := conn.Exec(t.Context(), sql); err != nil {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
			}
		})
	}
	close(begun)
	writing.Wait()
	conn := connect(t, url)
	tell(t, conn, "last")
	reading.Wait()
	rows, err := conn.Query(t.Context(), "SELECT id FROM events WHERE subject = 'x' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(want) < writers {
		t.Fatalf("%d events were written, %v", len(want), err)
	}
	for i := range got {
		if !slices.Equal(got[i], want) {
			t.Errorf("reader %d got %d events, %d were committed, or their order is wrong", i, len(got[i]), len(want))
		}
	}
}

// delay is a statement that takes up to 4 ms, so that commits overtake each other.
func delay() string { return fmt.Sprintf("SELECT pg_sleep(%f)", rand.Float64()*0.004) }

func TestFeedStartsAfterWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	slow, other := connect(t, url), connect(t, url)
	run(t, slow, "BEGIN")
	tell(t, slow, "slow")
	newest := tell(t, other, "done")
	f := feed(t, s)
	waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := f.Subscribe(waiting, 0, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a place to start was found before an older event: %v", err)
	}
	run(t, slow, "COMMIT")
	sub := subscribe(t, f, 0, 10)
	if sub.Start != newest {
		t.Errorf("started at %d, want %d", sub.Start, newest)
	}
	expect(t, sub, tell(t, other, "new"))
}

func TestFeedTellsASlowReader(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	f := feed(t, s)
	slow, quick := subscribe(t, f, 0, 3), subscribe(t, f, 0, 100)
	conn := connect(t, url)
	var ids []int64
	for range 10 {
		ids = append(ids, tell(t, conn, "x"))
	}
	expect(t, quick, ids...) // by now the slow one has been offered everything
	expectDropped(t, slow)
	got, err := next(t, slow)
	if err != nil || got <= ids[0] {
		t.Fatalf("after the loss: event %d, %v", got, err)
	}
	for ; got < ids[len(ids)-1] && err == nil; got, err = next(t, slow) {
	}
	if err != nil {
		t.Errorf("after the loss: %v", err)
	}
	expectNothing(t, slow) // and the loss is told once
	slow.Close()
	slow.Close()
	if _, err := next(t, slow); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestFeedReplays(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	var ids []int64
	for range 6 {
		ids = append(ids, tell(t, conn, "x"))
	}
	f := feed(t, s)
	sub := subscribe(t, f, ids[1], 4)
	expect(t, sub, ids[2:]...)
	expect(t, sub, tell(t, conn, "new"))
	expectNothing(t, subscribe(t, f, 0, 4))

	tooMany := subscribe(t, f, ids[0], 4)
	expectDropped(t, tooMany)
	newest := tell(t, conn, "new")
	expect(t, tooMany, newest)

	run(t, conn, "DELETE FROM events WHERE id <= $1", ids[3])
	expectDropped(t, subscribe(t, f, ids[1], 100))
	expect(t, subscribe(t, f, ids[3], 100), ids[4:]...)
	expectDropped(t, subscribe(t, f, newest+1000, 100)) // of another database
}

// A reader who comes from a process whose feed was ahead gets nothing twice.
func TestFeedThatIsBehindRepeatsNothing(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	f := feed(t, s)
	watch := subscribe(t, f, 0, 10)
	slow, other := connect(t, url), connect(t, url)
	run(t, slow, "BEGIN")
	first := tell(t, slow, "slow")
	second := tell(t, other, "done") // visible, and not yet delivered
	sub := subscribe(t, f, second, 10)
	run(t, slow, "COMMIT")
	expect(t, watch, first, second)
	expect(t, sub, tell(t, other, "third"))
}

func TestFeedSurvivesItsConnection(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	f := feed(t, s)
	sub := subscribe(t, f, 0, 100)
	conn := connect(t, url)
	for range 3 {
		expect(t, sub, tell(t, conn, "x"))
		run(t, conn, "BEGIN") // the event is there before the feed is back
		id := tell(t, conn, "y")
		var ended int
		if err := conn.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&ended); err != nil || ended == 0 {
			t.Fatalf("ended %d connections, %v", ended, err)
		}
		run(t, conn, "COMMIT")
		expect(t, sub, id)
	}
}

func TestFeedNoticesThatTheDatabaseWentBack(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	f := feed(t, s)
	sub := subscribe(t, f, 0, 100)
	conn := connect(t, url)
	expect(t, sub, tell(t, conn, "a"), tell(t, conn, "b"), tell(t, conn, "c"))
	// As after a fail-over to a replica that had not seen the last two.
	run(t, conn, "DELETE FROM events WHERE subject <> 'a'")
	run(t, conn, "ALTER TABLE events ALTER COLUMN id RESTART WITH 2")
	run(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	expectDropped(t, sub)
	expect(t, sub, tell(t, conn, "d"))
}

// BenchmarkFeed is the time from the commit of one event to its subscriber.
func BenchmarkFeed(b *testing.B) {
	s, url := open(b)
	sub := subscribe(b, feed(b, s), 0, 10)
	conn := connect(b, url)
	var took []time.Duration
	for b.Loop() {
		id := tell(b, conn, "x")
		committed := time.Now()
		expect(b, sub, id)
		took = append(took, time.Since(committed))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
