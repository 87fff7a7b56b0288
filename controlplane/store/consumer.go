package store

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// consumerRetry is the first pause after a handler's error, doubled up to maxConsumerRetry.
	consumerRetry    = time.Second
	maxConsumerRetry = time.Minute
	// consumerPoll is how often a process that does not hold the consumer asks for it.
	consumerPoll = 5 * time.Second
)

// Consumer hands every event to Handle, at least once and in order, across
// restarts and processes: of those that run the same consumer one works, and
// another takes over when it ends. A new consumer begins with what comes after
// its first start.
type Consumer struct {
	Feed *Feed // must run
	Name string
	Log  *slog.Logger
	// Handle must tolerate an event that it has already had. An error means
	// that the event is tried again, for ever, while those behind it wait. Its
	// ctx ends when another process may have taken over.
	Handle func(ctx context.Context, event Event) error
	// Lost is called before the next event when the consumer was away for
	// longer than events are kept.
	Lost func(ctx context.Context) error
}

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	for told := false; ctx.Err() == nil; {
		held, err := c.hold(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !told {
			c.Log.Warn("event consumer lost the database, trying again", "consumer", c.Name, "error", err)
		}
		told = err != nil && !held
		if sleep(ctx, consumerPoll) != nil {
			return nil
		}
	}
	return nil
}

// hold consumes while this process has the consumer to itself. It returns
// false and no error when another process has it.
func (c *Consumer) hold(ctx context.Context) (held bool, err error) {
	return c.Feed.store.alone(ctx, "consumer "+c.Name, c.consume)
}

func (c *Consumer) consume(ctx context.Context) error {
	sub, err := c.Feed.Subscribe(ctx, 0, 1) // tells that there is something new; a loss tells it too
	if err != nil {
		return err
	}
	defer sub.Close()
	cursor, err := c.begin(ctx, sub.Start)
	if err != nil {
		return err
	}
	for {
		if cursor, err = c.catchUp(ctx, cursor); err != nil {
			return err
		}
		if _, err := sub.Next(ctx); err != nil && !errors.Is(err, ErrDropped) {
			return err
		}
	}
}

// begin returns where the consumer stands.
func (c *Consumer) begin(ctx context.Context, newest int64) (int64, error) {
	store := c.Feed.store
	cursor, err := store.EventCursor(ctx, c.Name)
	if errors.Is(err, ErrNotFound) {
		return newest, store.SetEventCursor(ctx, SetEventCursorParams{Consumer: c.Name, LastID: newest})
	}
	if err != nil {
		return 0, err
	}
	bounds, err := store.EventBounds(ctx)
	if err != nil {
		return 0, err
	}
	if bounds.Newest >= cursor && bounds.Oldest <= cursor+1 {
		return cursor, nil
	}
	c.Log.Error("events were deleted before the consumer had them", "consumer", c.Name, "after", cursor, "oldest", bounds.Oldest, "newest", bounds.Newest)
	if c.Lost != nil {
		if err := c.retry(ctx, c.Lost); err != nil {
			return 0, err
		}
	}
	cursor = min(max(cursor, bounds.Oldest-1), bounds.Newest)
	return cursor, store.ResetEventCursor(ctx, ResetEventCursorParams{Consumer: c.Name, LastID: cursor})
}

// catchUp handles what the feed has delivered so far.
func (c *Consumer) catchUp(ctx context.Context, cursor int64) (int64, error) {
	store := c.Feed.store
	for {
		rows, err := store.EventsBetween(ctx, EventsBetweenParams{After: cursor, UpTo: c.Feed.lastID(), Max: feedBatch})
		if err != nil || len(rows) == 0 {
			return cursor, err
		}
		for _, row := range rows {
			if err := c.retry(ctx, func(ctx context.Context) error { return c.Handle(ctx, eventOf(row)) }); err != nil {
				return cursor, err
			}
			if err := store.SetEventCursor(ctx, SetEventCursorParams{Consumer: c.Name, LastID: row.ID}); err != nil {
				return cursor, err
			}
			cursor = row.ID
		}
	}
}

// retry repeats do until it succeeds or ctx ends.
func (c *Consumer) retry(ctx context.Context, do func(ctx context.Context) error) error {
	for wait := consumerRetry; ; wait = min(2*wait, maxConsumerRetry) {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.Log.Warn("event consumer will try again", "consumer", c.Name, "after", wait, "error", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
