package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// migrationLock is the key of the advisory lock: "streamsp" in ASCII.
	migrationLock int64 = 0x73747265616d7370
	// migrationPoll is how often a process looks whether another has finished.
	migrationPoll = 50 * time.Millisecond
	// migrationWait is how long it goes on looking: a migration may rewrite a large table.
	migrationWait = 10 * time.Minute
)

// migrate brings the schema to this binary's version. Several processes may do
// so at once: one works, the others wait. It uses a connection of its own,
// since no statement timeout may cut a migration short.
func migrate(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	config = config.Copy()
	delete(config.RuntimeParams, "statement_timeout")
	delete(config.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(migrationLocker{}))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	current, err := provider.GetDBVersion(ctx) // under the lock: when it returns, nobody else migrates
	if err != nil {
		return fmt.Errorf("asking the database for its schema version: %w", Classify(err))
	}
	if current > newest {
		return fmt.Errorf("the database has schema version %d, and this binary knows versions up to %d: start a newer StreamSpace, or restore a backup", current, newest)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrating the database from schema version %d: %w", current, Classify(err))
	}
	for _, result := range results {
		log.Info("database migrated", "version", result.Source.Version, "duration", result.Duration)
	}
	return nil
}

// migrationLocker holds an advisory lock while goose works. It polls rather
// than waits in the server: a statement that waits there holds a snapshot, for
// which CREATE INDEX CONCURRENTLY in the other's migration would wait in turn.
type migrationLocker struct{}

// SessionLock implements goose's lock.SessionLocker.
func (migrationLocker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, migrationWait)
	defer cancel()
	for {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", migrationLock).Scan(&locked); err != nil {
			return fmt.Errorf("taking the migration lock: %w", err)
		}
		if locked {
			return nil
		}
		if err := sleep(ctx, migrationPoll); err != nil {
			return fmt.Errorf("waiting for another process to migrate the database: %w", err)
		}
	}
}

// SessionUnlock implements goose's lock.SessionLocker.
func (migrationLocker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", migrationLock); err != nil {
		return fmt.Errorf("releasing the migration lock: %w", err)
	}
	return nil
}
