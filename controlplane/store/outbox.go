package store

import (
	"context"
	"fmt"
	"slices"
)

// outbox reads the events table in the order of ids without ever passing an id
// that is still to come. It belongs to one goroutine.
//
// An id is drawn before its transaction commits, so a reader may see 7 before
// 6. While ids follow each other there is no question. Where one is missing,
// the reader notes which transactions have the table open for writing: only
// they can hold it, since each has taken its lock before it drew an id and
// keeps it until its commit can be seen. When all of those have ended, what is
// still missing was rolled back. Transactions that never wrote an event, long
// ones of other databases included, delay nothing.
type outbox struct {
	queries *Queries
	last    int64 // everything up to here has been read or will never be

	barrier int64    // ids up to here are settled when writers have ended; 0: none is waited for
	writers []string // virtual transaction ids
}

// next returns what follows last, at most feedBatch. blocked says that more can be
// seen that may not be read yet.
func (o *outbox) next(ctx context.Context) (rows []OutboxRow, blocked bool, err error) {
	for {
		if err := o.refresh(ctx); err != nil { // before reading: what has ended by now will be seen
			return nil, false, err
		}
		settled := int64(0)
		if o.barrier > 0 && len(o.writers) == 0 {
			settled = o.barrier
		}
		seen, err := o.queries.EventsBetween(ctx, EventsBetweenParams{After: o.last, UpTo: maxEventID, Max: feedBatch})
		if err != nil {
			return nil, false, fmt.Errorf("reading events after %d: %w", o.last, err)
		}
		ready := 0
		for ready < len(seen) && (seen[ready].ID == o.last+1 || seen[ready].ID <= settled) {
			o.last = seen[ready].ID
			ready++
		}
		if o.last >= o.barrier {
			o.barrier, o.writers = 0, nil
		}
		if ready > 0 || len(seen) == 0 {
			return seen[:ready], ready < len(seen), nil
		}
		if o.barrier > 0 {
			return nil, true, nil
		}
		if err := o.raise(ctx, seen[len(seen)-1].ID); err != nil {
			return nil, false, err
		}
	}
}

// raise begins to wait for all who might hold an id up to barrier, of which an
// event has been seen.
func (o *outbox) raise(ctx context.Context, barrier int64) (err error) {
	if o.writers, err = o.queries.EventWriters(ctx); err != nil {
		return fmt.Errorf("asking who writes events: %w", err)
	}
	o.barrier = barrier
	return nil
}

// refresh forgets the writers that have ended.
func (o *outbox) refresh(ctx context.Context) error {
	if len(o.writers) == 0 {
		return nil
	}
	running, err := o.queries.EventWriters(ctx)
	if err != nil {
		return fmt.Errorf("asking who writes events: %w", err)
	}
	o.writers = slices.DeleteFunc(o.writers, func(w string) bool { return !slices.Contains(running, w) })
	return nil
}

// settle sets last to the newest event there is, and returns once nothing
// before it can appear any more.
func (o *outbox) settle(ctx context.Context) error {
	bounds, err := o.queries.EventBounds(ctx)
	if err != nil {
		return fmt.Errorf("asking for the newest event: %w", err)
	}
	if err := o.raise(ctx, bounds.Newest); err != nil {
		return err
	}
	for pause := feedHurry; len(o.writers) > 0; pause = min(2*pause, maxFeedHurry) {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if err := o.refresh(ctx); err != nil {
			return err
		}
	}
	o.last, o.barrier, o.writers = bounds.Newest, 0, nil
	return nil
}

// rewound says that the table no longer fits to what was read: it ends before
// last (a backup, or a replica that was behind, took over), or what follows
// last has been cleaned away.
func (o *outbox) rewound(ctx context.Context) (bool, error) {
	bounds, err := o.queries.EventBounds(ctx)
	if err != nil {
		return false, fmt.Errorf("asking for the oldest and newest event: %w", err)
	}
	return bounds.Newest < o.last || bounds.Oldest > o.last+1, nil
}
