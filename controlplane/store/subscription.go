package store

import (
	"context"
	"sync"
)

// EventSubscription is one reader's place in the feed. Next is for one
// goroutine at a time.
type EventSubscription struct {
	// immutable
	feed  *Feed
	limit int
	wake  chan struct{} // capacity 1
	// Start is the id of the newest event when the subscription began.
	Start int64

	mu      sync.Mutex
	last    int64   // guarded by mu; events up to it are not queued again
	replays []Event // guarded by mu; before everything in queue; at most limit
	queue   []Event // guarded by mu; at most limit
	dropped bool    // guarded by mu; Next has to say so
	closed  bool    // guarded by mu
}

// Next blocks for the next event. It returns ErrDropped once for any number of
// lost ones, ctx's error when ctx ends, and ErrClosed after Close.
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

// Close ends the subscription and wakes Next. It may be called more than once.
func (sub *EventSubscription) Close() {
	sub.feed.mu.Lock()
	delete(sub.feed.subs, sub)
	sub.feed.mu.Unlock()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.closed = true
	sub.replays, sub.queue = nil, nil
	sub.signal()
}

func (sub *EventSubscription) take() (Event, bool, error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch {
	case sub.closed:
		return Event{}, false, ErrClosed
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

// offer queues a new event. The feed calls it in order.
func (sub *EventSubscription) offer(event Event) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if event.ID <= sub.last {
		return // seen through another process, whose feed was ahead
	}
	if len(sub.queue) >= sub.limit {
		sub.drop()
	}
	sub.last = event.ID
	sub.queue = append(sub.queue, event)
	sub.signal()
}

// lose notes that what comes after last is of another time of the database.
func (sub *EventSubscription) lose(last int64) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.drop()
	sub.last = last
	sub.signal()
}

// replay queues the events in (after, upTo], or notes that they are lost. All
// of them are settled.
func (sub *EventSubscription) replay(ctx context.Context, after, upTo int64) error {
	store := sub.feed.store
	bounds, err := store.EventBounds(ctx)
	if err != nil {
		return err
	}
	rows, err := store.EventsBetween(ctx, EventsBetweenParams{After: after, UpTo: upTo, Max: int32(sub.limit) + 1})
	if err != nil {
		return err
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch {
	case after > bounds.Newest: // this database never had that event
		sub.drop()
		sub.last = upTo
	case bounds.Oldest > after+1 || len(rows) > sub.limit:
		sub.drop()
	case !sub.dropped:
		for _, row := range rows {
			sub.replays = append(sub.replays, eventOf(row))
		}
	}
	return nil
}

// drop forgets everything queued. The caller holds mu.
func (sub *EventSubscription) drop() {
	sub.replays, sub.queue = nil, nil
	sub.dropped = true
}

// signal wakes Next. The caller holds mu.
func (sub *EventSubscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}
