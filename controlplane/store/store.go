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
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"
)

const (
	// maxConnections is small on purpose: every query is short, and a private
	// Postgres on the same two cores is not helped by more.
	maxConnections = 10
	// statementTimeout ends a statement that hangs on a lock or a dying disk.
	statementTimeout = 15 * time.Second
	// startTimeout is how long Open waits for a server that is coming up.
	startTimeout = 30 * time.Second
	// vanishTimeout is when a server that sends nothing at all, not even TCP
	// acknowledgements, is given up.
	vanishTimeout = 15 * time.Second
	// minServerVersion is the oldest that is supported, as server_version_num:
	// DROP DATABASE … WITH (FORCE) and trusted extensions came with it.
	minServerVersion = 130000
)

// Store is the database. Its Queries run outside of any transaction; their
// errors are classified.
type Store struct {
	*Queries
	pool *pgxpool.Pool
	log  *slog.Logger
}

// Open connects, waiting up to 30 s for the server, and brings the schema up
// to date. url is a postgres:// URL or a keyword string; it is never logged.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	config, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the database pool: %w", err)
	}
	s := &Store{Queries: newQueries(pool), pool: pool, log: log}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func poolConfig(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's own message repeats the address, which may hold a password.
		return nil, errors.New("the database address is not one that PostgreSQL understands")
	}
	config.MaxConns = maxConnections
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.DialFunc = dialer().DialContext
	config.ConnConfig.RuntimeParams["application_name"] = "streamspace"
	config.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	return config, nil
}

// dialer notices a server that vanished without a word, be the connection idle
// (keep-alive) or waiting for an answer (TCP_USER_TIMEOUT, tcp(7)).
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: vanishTimeout / 3, Interval: vanishTimeout / 3, Count: 2},
		Control: func(network, _ string, conn syscall.RawConn) (err error) {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			if controlErr := conn.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(vanishTimeout.Milliseconds()))
			}); controlErr != nil {
				return controlErr
			}
			return err
		},
	}
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.awaitServer(ctx); err != nil {
		return err
	}
	var version int
	if err := s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("asking PostgreSQL for its version: %w", Classify(err))
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	return migrate(ctx, s.pool.Config().ConnConfig, s.log)
}

// checkVersion takes what PostgreSQL calls server_version_num.
func checkVersion(version int) error {
	if version < minServerVersion {
		return fmt.Errorf("PostgreSQL %d.%d is too old: version %d or newer is needed", version/10000, version%10000, minServerVersion/10000)
	}
	return nil
}

// awaitServer retries while the server is coming up, or out of connections for
// a moment. What only a person can mend, a wrong password say, ends it at once.
func (s *Store) awaitServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := s.pool.Ping(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && !errors.Is(Classify(err), ErrUnavailable) {
			return fmt.Errorf("PostgreSQL refuses the connection: %s (%s)", refused.Message, refused.Code)
		}
		if sleep(ctx, wait) != nil {
			return fmt.Errorf("PostgreSQL does not answer: %w", Classify(err))
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
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return fn(newQueries(tx)) })
	return Classify(err)
}
