package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrNotFound says that no such row exists.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the row's state, or another row, does not allow the change.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable says that Postgres did not answer, or could not do what it
	// was asked for now. The same call may succeed later; whether it has changed
	// anything is unknown when it was under way.
	ErrUnavailable = errors.New("database is unavailable")
)

// Classify turns what pgx returns into one of the package's errors where it
// is one, keeping the cause. What Store and its Queries return is classified.
func Classify(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	var answered *pgconn.PgError
	if errors.As(err, &answered) {
		if kind := kindOf(answered.Code); kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
		return err
	}
	if errors.Is(err, context.Canceled) { // the caller's own doing
		return err
	}
	var connecting *pgconn.ConnectError
	var network net.Error // context.DeadlineExceeded is one too
	if errors.As(err, &connecting) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// kindOf maps an SQLSTATE (PostgreSQL documentation, appendix A).
func kindOf(code string) error {
	switch code {
	case "23505", "23503", "40001", "40P01": // unique, foreign key, serialization, deadlock
		return ErrConflict
	case "57014", "25P03", "55P03", "25006": // statement timeout, idle too long, lock not to be had, read only after a fail-over
		return ErrUnavailable
	}
	// Classes: connection lost, out of resources (disk full is one), operator
	// intervention (shutting down, crashed, starting), input/output error.
	for _, class := range []string{"08", "53", "57", "58"} {
		if strings.HasPrefix(code, class) {
			return ErrUnavailable
		}
	}
	return nil
}

// newQueries returns Queries whose errors are classified.
func newQueries(db DBTX) *Queries { return New(classified{db}) }

// classified passes everything through, errors after Classify.
type classified struct{ db DBTX }

func (c classified) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := c.db.Exec(ctx, sql, args...)
	return tag, Classify(err)
}

func (c classified) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := c.db.Query(ctx, sql, args...)
	return classifiedRows{rows}, Classify(err)
}

func (c classified) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return classifiedRow{c.db.QueryRow(ctx, sql, args...)}
}

type classifiedRows struct{ pgx.Rows }

func (r classifiedRows) Err() error             { return Classify(r.Rows.Err()) }
func (r classifiedRows) Scan(dest ...any) error { return Classify(r.Rows.Scan(dest...)) }

type classifiedRow struct{ row pgx.Row }

func (r classifiedRow) Scan(dest ...any) error { return Classify(r.row.Scan(dest...)) }
