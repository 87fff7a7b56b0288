package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// alone runs f while no other process that shares the database runs something of
// the same name. It returns false and no error when another one does. f's ctx ends
// when another process may have begun.
func (s *Store) alone(ctx context.Context, name string, f func(ctx context.Context) error) (held bool, err error) {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	conn := pooled.Hijack() // the lock lasts as long as the connection
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(closing)
	}()
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey(name)).Scan(&held); err != nil || !held {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		cancel(guard(ctx, conn))
	}()
	err = f(ctx)
	cancel(nil)
	<-guarded
	if cause := context.Cause(ctx); (err == nil || errors.Is(err, context.Canceled)) && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return true, err
}

// lockKey names the advisory lock.
func lockKey(name string) int64 {
	hash := fnv.New64a()
	hash.Write([]byte("streamspace " + name))
	return int64(hash.Sum64())
}

// guard returns when the connection that holds the lock is lost.
func guard(ctx context.Context, conn *pgx.Conn) error {
	for {
		if err := awaitNotification(ctx, conn, consumerPoll); err != nil {
			return fmt.Errorf("the connection that holds the lock: %w", err)
		}
		if err := within(ctx, conn.Ping); err != nil {
			return fmt.Errorf("the connection that holds the lock: %w", err)
		}
	}
}

// Leader runs something in one process at a time of those that share the
// database. Another one takes over within seconds of the first one's end.
type Leader struct {
	Store *Store
	Name  string
	Log   *slog.Logger
	// Lead must return when ctx ends: another process may lead from then on. It
	// is called again when this one does.
	Lead func(ctx context.Context) error
}

// leaderPoll is how often a process that does not lead asks whether it may.
const leaderPoll = time.Second

// Run leads whenever it can, until ctx ends or Lead fails by itself.
func (l *Leader) Run(ctx context.Context) error {
	const leading, following, cut = "this process leads", "another process leads", "leading ended with the database's connection"
	told := ""
	tell := func(message string, args ...any) {
		if told != message {
			told = message
			l.Log.Info(message, append([]any{"part", l.Name}, args...)...)
		}
	}
	for {
		var failed error
		held, err := l.Store.alone(ctx, "leader "+l.Name, func(ctx context.Context) error {
			tell(leading)
			failed = l.Lead(ctx)
			if failed == nil && ctx.Err() == nil {
				failed = errors.New("ended by itself")
			}
			return failed
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case failed != nil && !errors.Is(failed, context.Canceled):
			return fmt.Errorf("%s: %w", l.Name, failed)
		case held || err != nil:
			tell(cut, "error", err)
		default:
			tell(following)
		}
		if sleep(ctx, leaderPoll) != nil {
			return nil
		}
	}
}
