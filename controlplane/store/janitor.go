package store

import (
	"context"
	"log/slog"
	"time"
)

const (
	janitorEvery = 10 * time.Minute
	// janitorBatch keeps one statement far below its timeout: it takes about 50 ms.
	janitorBatch = 10_000
	// eventRetention is how long a durable consumer may be away.
	eventRetention = 7 * 24 * time.Hour
	// throttleRetention is longer than the longest block and than the time
	// after which failures are forgotten.
	throttleRetention = 48 * time.Hour
	// shareRetention is how long an ended share can still be looked up by hand;
	// the audit trail keeps what was done with it.
	shareRetention = 30 * 24 * time.Hour
)

// Janitor removes rows that have had their day: old events, expired sign-ins
// and one-time links, forgotten failures, shares that ended long ago.
type Janitor struct {
	Store *Store
	Log   *slog.Logger
	Now   func() time.Time
}

// Run cleans at once and then every ten minutes, until ctx ends.
func (j *Janitor) Run(ctx context.Context) error {
	for tick := time.NewTicker(janitorEvery); ; {
		if err := j.Clean(ctx); err != nil && ctx.Err() == nil {
			j.Log.Warn("cleaning the database, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}

// Clean removes what is due now.
func (j *Janitor) Clean(ctx context.Context) error {
	now := j.Now()
	if _, err := j.Store.DeleteExpiredLogins(ctx, now); err != nil {
		return err
	}
	if _, err := j.Store.DeleteExpiredSetupTokens(ctx, now); err != nil {
		return err
	}
	if _, err := j.Store.DeleteOldThrottles(ctx, now.Add(-throttleRetention)); err != nil {
		return err
	}
	for {
		n, err := j.Store.DeleteSharesBefore(ctx, DeleteSharesBeforeParams{Before: now.Add(-shareRetention), Max: janitorBatch})
		if err != nil {
			return err
		}
		if n < janitorBatch {
			break
		}
	}
	for {
		n, err := j.Store.DeleteEventsBefore(ctx, DeleteEventsBeforeParams{Before: now.Add(-eventRetention), Max: janitorBatch})
		if err != nil || n < janitorBatch {
			return err
		}
	}
}
