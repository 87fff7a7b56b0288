// Package store is the control plane's memory in Postgres: rows, migrations,
// and the outbox of events that is written in the transaction of each change.
//
// The queries are SQL in queries/, turned into Go by sqlc. What touches more
// than one row, or tells an event, is a method of Store. Who may see or change
// a row is decided above.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrNotFound says that no such row exists.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the row's state, or another row, does not allow the change.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable says that Postgres did not answer; the same call may
	// succeed later, and what it was to change has not been changed for sure.
	ErrUnavailable = errors.New("database is unavailable")
)

const (
	// maxConnections is small on purpose: every query is short, and a private
	// Postgres on the same two cores is not helped by more.
	maxConnections = 10
	// statementTimeout ends a statement that hangs on a lock or a dying disk.
	statementTimeout = 15 * time.Second
	// startTimeout is how long Open waits for a server that is coming up.
	startTimeout = 30 * time.Second
	// minServerVersion is the oldest that is tested: it has xid8 (PostgreSQL 13).
	minServerVersion = 130000
)

// Store is the database. Its Queries run outside of any transaction.
type Store struct {
	*Queries
	pool *pgxpool.Pool
	log  *slog.Logger
}

// Open connects, waiting up to 30 s for the server, and brings the schema up
// to date. url is a postgres:// URL or a keyword string; it is never logged.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's own message repeats the address, which may hold a password.
		return nil, errors.New("the database address is not one that PostgreSQL understands")
	}
	config.MaxConns = maxConnections
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = "streamspace"
	config.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the database pool: %w", err)
	}
	s := &Store{Queries: New(pool), pool: pool, log: log}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.awaitServer(ctx); err != nil {
		return err
	}
	var version int
	if err := s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("asking PostgreSQL for its version: %w", err)
	}
	if version < minServerVersion {
		return fmt.Errorf("PostgreSQL %d.%d is too old: version 13 or newer is needed", version/10000, version%10000)
	}
	return migrate(ctx, s.pool, s.log)
}

func (s *Store) awaitServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := s.pool.Ping(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		starting := errors.As(err, &refused) && refused.Code == "57P03" // cannot_connect_now
		if refused != nil && !starting {
			return fmt.Errorf("PostgreSQL refuses the connection: %s (%s)", refused.Message, refused.Code)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", errors.Join(err, ErrUnavailable))
		case <-time.After(wait):
		}
	}
}

// Close ends every connection. Queries under way are waited for.
func (s *Store) Close() { s.pool.Close() }

// Ping asks the server for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return ErrUnavailable // the cause may name hosts and users: readiness is public
	}
	return nil
}

// InTx runs fn in one transaction: what it did holds whole when fn returns
// nil, and not at all otherwise.
func (s *Store) InTx(ctx context.Context, fn func(q *Queries) error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return fn(s.Queries.WithTx(tx)) })
	return Classify(err)
}

// Classify turns what pgx returns into one of the package's errors where it
// is one, keeping the cause.
func Classify(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnavailable) {
		return err
	}
	var answered *pgconn.PgError
	var connecting *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.As(err, &answered):
		switch answered.Code {
		case "23505", "23503", "40001", "40P01": // unique, foreign key, serialization, deadlock
			return fmt.Errorf("%w: %w", ErrConflict, err)
		case "57P01", "57P02", "57P03", "53300", "53100", "08006": // shutting down, crashed, starting, too many, disk full, lost
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	case errors.As(err, &connecting), errors.As(err, &network), pgconn.SafeToRetry(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
