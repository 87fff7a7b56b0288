package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// feedPoll is the safety net under LISTEN, and bounds how late an event is
	// whose transaction was still running when the notification came.
	feedPoll = 5 * time.Second
	// feedHurry is the poll while something was announced that is not yet
	// visible: another transaction, older than it, is still running.
	feedHurry = 10 * time.Millisecond
	feedBatch = 500
	// maxFeedWait is the longest pause between attempts while Postgres is away.
	maxFeedWait = 2 * time.Second
)

// ErrDropped says that events were lost to this subscriber, because it read
// too slowly or came back too late: what it derived from events must be read
// again. Newer events follow.
var ErrDropped = errors.New("events were dropped")

// Event is one row of the outbox.
type Event struct {
	ID        int64
	Type      string
	Subject   string              // the id of what changed
	Owner     *streamspace.UserID // whom it concerns; nil: administrators only
	Payload   json.RawMessage
	CreatedAt time.Time
}

// Feed delivers the outbox to any number of subscribers of this process: every
// event once, in order, a few milliseconds after its commit. One connection
// listens for all of them.
type Feed struct {
	store *Store
	ready chan struct{} // closed when last is known

	mu   sync.Mutex
	last int64                      // guarded by mu; newest event delivered
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
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, maxFeedWait)
	}
	return nil
}

// listen delivers over one connection until that fails.
func (f *Feed) listen(ctx context.Context, healthy func()) error {
	conn, err := f.store.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// LISTEN must not go back into the pool with the connection.
	defer func() { conn.Hijack().Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN events"); err != nil {
		return err
	}
	queries := New(conn)
	if err := f.begin(ctx, queries); err != nil {
		return err
	}
	for {
		pending, err := f.deliver(ctx, queries)
		if err != nil {
			return err
		}
		healthy()
		poll := feedPoll
		if pending {
			poll = feedHurry
		}
		waiting, cancel := context.WithTimeout(ctx, poll)
		_, err = conn.Conn().WaitForNotification(waiting)
		expired := waiting.Err() != nil
		cancel()
		if err != nil && (ctx.Err() != nil || !expired) {
			return err
		}
	}
}

// begin sets where delivery starts: with what comes after now.
func (f *Feed) begin(ctx context.Context, queries *Queries) error {
	select {
	case <-f.ready:
		return nil
	default:
	}
	last, err := queries.LastEventID(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.last = last
	f.mu.Unlock()
	close(f.ready)
	return nil
}

// deliver hands out what is new. pending says that there are events that
// cannot be read yet.
func (f *Feed) deliver(ctx context.Context, queries *Queries) (pending bool, err error) {
	for {
		f.mu.Lock()
		after := f.last
		f.mu.Unlock()
		rows, err := queries.EventsAfter(ctx, EventsAfterParams{After: after, Max: feedBatch})
		if err != nil {
			return false, err
		}
		f.mu.Lock()
		for _, row := range rows {
			event := Event{row.ID, row.Type, row.Subject, row.OwnerID, row.Payload, row.CreatedAt}
			f.last = event.ID
			for sub := range f.subs {
				sub.offer(event)
			}
		}
		f.mu.Unlock()
		if len(rows) < feedBatch {
			newest, err := queries.NewestEventID(ctx)
			return newest > f.lastID(), err
		}
	}
}

func (f *Feed) lastID() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Subscribe delivers every event after the one with id after, or only new ones
// when after is 0. At most buffer wait; when more do, or when after is too old
// to still be in the table, the subscriber gets ErrDropped once. It blocks until
// the feed has reached the database for the first time.
func (f *Feed) Subscribe(ctx context.Context, after int64, buffer int) (*EventSubscription, error) {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the event feed: %w", ctx.Err())
	}
	sub := &EventSubscription{feed: f, limit: buffer, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	upTo := f.last
	f.subs[sub] = true
	sub.Start = upTo
	f.mu.Unlock()
	if after <= 0 || after >= upTo {
		return sub, nil
	}
	if err := sub.replay(ctx, after, upTo); err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// EventSubscription is one reader's queue.
type EventSubscription struct {
	feed  *Feed
	limit int
	wake  chan struct{} // capacity 1
	// Start is the id of the newest event when the subscription began.
	Start int64

	mu      sync.Mutex
	replays []Event // guarded by mu; before everything in queue
	queue   []Event // guarded by mu; at most limit
	dropped bool    // guarded by mu
	closed  bool    // guarded by mu
}

func (sub *EventSubscription) offer(event Event) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.queue) >= sub.limit {
		sub.queue, sub.replays = nil, nil
		sub.dropped = true
	}
	sub.queue = append(sub.queue, event)
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// replay queues the events in (after, upTo], or notes that they are lost.
func (sub *EventSubscription) replay(ctx context.Context, after, upTo int64) error {
	first, err := sub.feed.store.FirstEventID(ctx)
	if err != nil {
		return Classify(err)
	}
	rows, err := sub.feed.store.EventsAfter(ctx, EventsAfterParams{After: after, Max: int32(sub.limit) + 1})
	if err != nil {
		return Classify(err)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if first > after+1 || len(rows) > sub.limit {
		sub.dropped = true
		return nil
	}
	for _, row := range rows {
		if row.ID <= upTo {
			sub.replays = append(sub.replays, Event{row.ID, row.Type, row.Subject, row.OwnerID, row.Payload, row.CreatedAt})
		}
	}
	return nil
}

// Next blocks for the next event. It returns ErrDropped once for any number of
// lost ones, ctx's error when ctx ends, and ErrNotFound after Close.
func (sub *EventSubscription) Next(ctx context.Context) (Event, error) {
	for {
		event, ok, err := sub.take()
		if ok || err != nil {
			return event, err
		}
		select {
		case <-sub.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

func (sub *EventSubscription) take() (Event, bool, error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch {
	case sub.closed:
		return Event{}, false, fmt.Errorf("subscription is closed: %w", ErrNotFound)
	case sub.dropped:
		sub.dropped = false
		return Event{}, false, ErrDropped
	case len(sub.replays) > 0:
		event := sub.replays[0]
		sub.replays = sub.replays[1:]
		return event, true, nil
	case len(sub.queue) > 0:
		event := sub.queue[0]
		sub.queue = sub.queue[1:]
		return event, true, nil
	}
	return Event{}, false, nil
}

// Close ends the subscription and wakes Next. It may be called more than once.
func (sub *EventSubscription) Close() {
	sub.feed.mu.Lock()
	delete(sub.feed.subs, sub)
	sub.feed.mu.Unlock()
	sub.mu.Lock()
	sub.closed = true
	sub.mu.Unlock()
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}
