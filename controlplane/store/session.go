package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
)

// Event types, as they stand in the outbox.
const (
	EventSessionCreated = "session.created"
	EventSessionUpdated = "session.updated"
	EventSessionDeleted = "session.deleted" // it stopped: it is gone from the lists
	EventUserCreated    = "user.created"
	EventUserUpdated    = "user.updated"
	EventUserDeleted    = "user.deleted"
)

// ErrTooMany says that the owner has as many live sessions as allowed.
var ErrTooMany = fmt.Errorf("%w: too many live sessions", ErrConflict)

// ErrUnchanged is returned by the function given to ChangeSession when there
// is nothing to write; ChangeSession then returns the row as it is, and nil.
var ErrUnchanged = errors.New("unchanged")

// NewSession is what CreateSession needs.
type NewSession struct {
	ID                 streamspace.SessionID // empty: a new one
	Owner              streamspace.UserID
	Template           string
	Name               string
	Home               streamspace.HomeID // empty: the newest free home of this owner and template, or a new one
	NewHome            bool               // make a new home in any case
	IdleTimeoutSeconds int32              // 0: never hibernates
	MaxLive            int                // most live sessions of the owner, this one counted
	Now                time.Time
}

// CreateSession writes a pending session that should run, with a home of its
// own, and tells it. It returns ErrNotFound for a home that is not the
// owner's, ErrConflict for one in use or of another template, and ErrTooMany.
func (s *Store) CreateSession(ctx context.Context, n NewSession) (Session, error) {
	var session Session
	err := s.InTx(ctx, func(q *Queries) error {
		owner, err := q.LockUser(ctx, n.Owner) // one creation at a time counts right
		if err != nil {
			return fmt.Errorf("owner %s: %w", n.Owner, err)
		}
		if owner.DisabledAt != nil {
			return fmt.Errorf("%w: owner %s is disabled", ErrConflict, n.Owner)
		}
		live, err := q.CountLiveSessions(ctx, n.Owner)
		if err != nil {
			return err
		}
		if live >= int64(n.MaxLive) {
			return ErrTooMany
		}
		home, err := q.takeHome(ctx, n)
		if err != nil {
			return err
		}
		session, err = q.InsertSession(ctx, InsertSessionParams{
			ID: cmp.Or(n.ID, streamspace.NewSessionID()), OwnerID: n.Owner, Template: n.Template, Name: n.Name, HomeID: home.ID,
			IdleTimeoutSeconds: n.IdleTimeoutSeconds, Now: n.Now,
		})
		if err != nil {
			return err
		}
		if err := q.AttachHome(ctx, AttachHomeParams{ID: home.ID, SessionID: &session.ID, Now: n.Now}); err != nil {
			return err
		}
		return q.tellSession(ctx, EventSessionCreated, session)
	})
	return session, err
}

func (q *Queries) takeHome(ctx context.Context, n NewSession) (Home, error) {
	if n.Home != "" {
		home, err := q.HomeForUpdate(ctx, HomeForUpdateParams{ID: n.Home, OwnerID: n.Owner})
		if err != nil {
			return Home{}, fmt.Errorf("home %s: %w", n.Home, err)
		}
		if home.SessionID != nil || home.Template != n.Template {
			return Home{}, fmt.Errorf("%w: home %s is in use or belongs to another template", ErrConflict, n.Home)
		}
		return home, nil
	}
	if !n.NewHome {
		home, err := q.FreeHome(ctx, FreeHomeParams{OwnerID: n.Owner, Template: n.Template})
		if !errors.Is(err, ErrNotFound) {
			return home, err
		}
	}
	return q.InsertHome(ctx, InsertHomeParams{ID: streamspace.NewHomeID(), OwnerID: n.Owner, Template: n.Template, Now: n.Now})
}

// ChangeSession locks the row, lets change alter it, writes it and tells it.
// When the state becomes stopped, the home is detached and the shares end in the
// same transaction, and the event is session.deleted. change sees the newest row and may return
// ErrUnchanged, or any other error to give up. now stamps the change.
// ErrConflict: change lets a stopped session live again, or takes its epoch
// back, by which an older desktop would pass for the present one.
func (s *Store) ChangeSession(ctx context.Context, id streamspace.SessionID, now time.Time, change func(row *Session) error) (Session, error) {
	var row Session
	err := s.InTx(ctx, func(q *Queries) error {
		before, err := q.SessionForUpdate(ctx, id)
		if err != nil {
			return fmt.Errorf("session %s: %w", id, err)
		}
		row = before
		if err := change(&row); err != nil {
			row = before
			return err
		}
		if row.Epoch < before.Epoch || before.State == streamspace.StateStopped && row.State != streamspace.StateStopped {
			return fmt.Errorf("%w: session %s cannot go from %s, epoch %d, to %s, epoch %d",
				ErrConflict, id, before.State, before.Epoch, row.State, row.Epoch)
		}
		row.UpdatedAt = now
		if row.State != before.State {
			row.StateChangedAt = now
		}
		event := EventSessionUpdated
		if row.State == streamspace.StateStopped && before.State != streamspace.StateStopped {
			event = EventSessionDeleted
			row.StoppedAt = &now
			ended, err := q.EndSharesOfSession(ctx, EndSharesOfSessionParams{SessionID: id, Now: now})
			if err != nil {
				return err
			}
			if err := q.tellEndedShares(ctx, ended, ShareStopped); err != nil {
				return err
			}
			if err := q.DetachHome(ctx, DetachHomeParams{SessionID: &id, Now: now}); err != nil {
				return err
			}
		}
		row, err = q.UpdateSession(ctx, UpdateSessionParams{
			ID: id, Name: row.Name, DesiredState: row.DesiredState, State: row.State, Epoch: row.Epoch, Step: row.Step,
			Reason: row.Reason, Restarts: row.Restarts, RetryAt: row.RetryAt, IdleTimeoutSeconds: row.IdleTimeoutSeconds,
			UpdatedAt: row.UpdatedAt, StateChangedAt: row.StateChangedAt, StartedAt: row.StartedAt,
			LastActiveAt: row.LastActiveAt, StoppedAt: row.StoppedAt,
		})
		if err != nil {
			return err
		}
		return q.tellSession(ctx, event, row)
	})
	if errors.Is(err, ErrUnchanged) {
		return row, nil
	}
	return row, err
}

// tellSession writes the event of a change to the outbox.
func (q *Queries) tellSession(ctx context.Context, event string, row Session) error {
	payload, err := json.Marshal(map[string]any{
		"template": row.Template, "name": row.Name, "desiredState": row.DesiredState, "state": row.State,
		"step": row.Step, "reason": row.Reason, "epoch": row.Epoch,
	})
	if err != nil {
		return err
	}
	_, err = q.InsertEvent(ctx, InsertEventParams{Type: event, Subject: string(row.ID), OwnerID: &row.OwnerID, Payload: payload})
	return err
}
