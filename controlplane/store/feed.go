package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamspace/streamspace"
)

const (
	// feedPoll is the safety net under LISTEN: a notification that was lost
	// delays an event by no more.
	feedPoll = 5 * time.Second
	// feedHurry is the first pause before looking again for an id that is
	// missing. Its commit wakes us earlier; its rollback does not.
	feedHurry    = 5 * time.Millisecond
	maxFeedHurry = 200 * time.Millisecond
	// feedBatch bounds what one read holds in memory: about 500 KB.
	feedBatch = 500
	// maxFeedWait is the longest pause between attempts while Postgres is away.
	maxFeedWait = 2 * time.Second
	// feedStall is longer than any statement may take: a read that takes
	// longer has lost its connection without being told.
	feedStall = statementTimeout + 5*time.Second

	maxEventID = math.MaxInt64
)

// ErrDropped says that events were lost to this subscriber, because it read
// too slowly or came back too late: what it derived from events must be read
// again. Newer events follow.
var ErrDropped = errors.New("events were dropped")

// ErrClosed is what Next returns after Close.
var ErrClosed = errors.New("subscription is closed")

// Event is one row of the outbox.
type Event struct {
	ID        int64
	Type      string
	Subject   string              // the id of what changed
	Owner     *streamspace.UserID // whom it concerns; nil: administrators only
	Payload   json.RawMessage
	CreatedAt time.Time
}

func eventOf(row OutboxRow) Event {
	return Event{row.ID, row.Type, row.Subject, row.OwnerID, row.Payload, row.CreatedAt}
}

// Feed delivers the outbox to any number of subscribers of this process: every
// event once, in the order of ids, a few milliseconds after its commit. One
// connection, which is not the pool's, listens for all of them.
type Feed struct {
	store *Store
	ready chan struct{} // closed when last is known

	mu   sync.Mutex
	last int64                       // guarded by mu; everything up to it has been delivered
	subs map[*EventSubscription]bool // guarded by mu
}

// NewFeed returns a feed; it delivers while Run runs.
func NewFeed(store *Store) *Feed {
	return &Feed{store: store, ready: make(chan struct{}), subs: make(map[*EventSubscription]bool)}
}

// Run reads the outbox until ctx ends. It survives the loss of the database:
// when that returns, delivery goes on with the next event.
func (f *Feed) Run(ctx context.Context) error {
	wait := feedHurry
	told := false // an outage is logged once
	for ctx.Err() == nil {
		err := f.listen(ctx, func() { wait, told = feedHurry, false })
		if ctx.Err() != nil {
			return nil
		}
		if !told {
			f.store.log.Warn("event feed lost the database, trying again", "error", err)
			told = true
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, maxFeedWait)
	}
	return nil
}

// listen delivers over one connection until that fails.
func (f *Feed) listen(ctx context.Context, healthy func()) error {
	pooled, err := f.store.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // LISTEN must never go back into the pool
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(closing)
	}()
	out := &outbox{queries: newQueries(conn)}
	// LISTEN comes first: what commits after the first read is announced.
	if err := within(ctx, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN events")
		return err
	}); err != nil {
		return err
	}
	if err := f.begin(ctx, out); err != nil {
		return err
	}
	for hurry := feedHurry; ; {
		blocked := false
		if err := within(ctx, func(ctx context.Context) (err error) {
			blocked, err = f.deliver(ctx, out)
			return err
		}); err != nil {
			return err
		}
		healthy()
		poll := feedPoll
		if blocked {
			poll, hurry = hurry, min(2*hurry, maxFeedHurry)
		} else {
			hurry = feedHurry
		}
		if err := awaitNotification(ctx, conn, poll); err != nil {
			return err
		}
	}
}

// within bounds one exchange with the server.
func within(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, feedStall)
	defer cancel()
	return do(ctx)
}

// awaitNotification returns nil after a notification, or after most.
func awaitNotification(ctx context.Context, conn *pgx.Conn, most time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_, err := conn.WaitForNotification(waiting)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil && !conn.IsClosed() {
		return nil
	}
	return err
}

// begin sets where delivery starts: the first time with what comes after now,
// later where it stopped, unless that place is gone.
func (f *Feed) begin(ctx context.Context, out *outbox) error {
	started := false
	select {
	case <-f.ready:
		started = true
	default:
	}
	if started {
		out.last = f.lastID()
		if gone, err := out.rewound(ctx); err != nil || !gone {
			return err
		}
	}
	if err := out.settle(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = out.last
	for sub := range f.subs {
		sub.lose(f.last)
	}
	if !started {
		close(f.ready)
	}
	return nil
}

// deliver hands out everything that is new and settled.
func (f *Feed) deliver(ctx context.Context, out *outbox) (blocked bool, err error) {
	for {
		rows, blocked, err := out.next(ctx)
		if err != nil {
			return false, err
		}
		f.mu.Lock()
		for _, row := range rows {
			event := eventOf(row)
			for sub := range f.subs {
				sub.offer(event)
			}
		}
		f.last = out.last
		f.mu.Unlock()
		if len(rows) == 0 || len(rows) < feedBatch && !blocked {
			return blocked, nil
		}
	}
}

func (f *Feed) lastID() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Subscribe delivers every event after the one with id after, or only new ones
// when after is 0. At most buffer (at least 1) past and as many new ones are
// held; when there are more, or when after is too old to still be in the table
// or is of another time of this database, the subscriber gets ErrDropped once.
// It blocks until the feed has reached the database for the first time.
func (f *Feed) Subscribe(ctx context.Context, after int64, buffer int) (*EventSubscription, error) {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the event feed: %w", ctx.Err())
	}
	sub := &EventSubscription{feed: f, limit: max(buffer, 1), wake: make(chan struct{}, 1)}
	f.mu.Lock()
	upTo := f.last
	sub.Start, sub.last = upTo, max(upTo, after)
	f.subs[sub] = true
	f.mu.Unlock()
	if after <= 0 || after == upTo {
		return sub, nil
	}
	if err := sub.replay(ctx, after, upTo); err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// sleep waits for d, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
