package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamspace/streamspace"
)

// Event types of shares. The first is for the session's owner, and whoever
// enforces shares; the others are for the one who is invited. All have the
// session as their subject.
const (
	EventSessionShares   = "session.shares"   // a share was made, changed or ended: the payload is a ShareChange
	EventSessionShared   = "session.shared"   // the user may enter, or may do other things than before
	EventSessionUnshared = "session.unshared" // the user may no longer
)

// ErrTooManyShares says that the session has as many shares as allowed.
var ErrTooManyShares = fmt.Errorf("%w: too many shares", ErrConflict)

// ErrInvited says that the user is invited to the session already.
var ErrInvited = fmt.Errorf("%w: invited already", ErrConflict)

// ShareEnd is why a share ended.
type ShareEnd string

const (
	ShareRevoked  ShareEnd = "revoked"          // somebody ended it
	ShareExpired  ShareEnd = "expired"          // it ran out
	ShareStopped  ShareEnd = "session_stopped"  // with its session
	ShareDisabled ShareEnd = "account_disabled" // with the account that made it, or that it let in
	ShareDemoted  ShareEnd = "sharer_demoted"   // the administrator who made it of another's session is none any more
)

// ShareChange is what EventSessionShares tells.
type ShareChange struct {
	Share    streamspace.ShareID   `json:"share"`
	Session  streamspace.SessionID `json:"session"`
	User     *streamspace.UserID   `json:"user,omitempty"` // who is invited; nil: a link
	By       streamspace.UserID    `json:"by"`             // who made the share
	Ended    ShareEnd              `json:"ended,omitempty"`
	Narrowed *time.Time            `json:"narrowed,omitempty"` // permissions were taken away then
}

// NewShare is what CreateShare needs.
type NewShare struct {
	Session     streamspace.SessionID
	By          streamspace.UserID
	User        *streamspace.UserID // who is invited, or
	TokenHash   []byte              // whose token lets in
	Origin      *string             // of the site that may show it in a frame; nil: no embedding
	Label       string
	Permissions []streamspace.Permission
	ExpiresAt   *time.Time
	Max         int // most standing shares of the session, this one counted
	Now         time.Time
}

// CreateShare writes a share and tells it. ErrNotFound: the session, or the
// user who is invited, is not there (or disabled), or By may not share it.
// ErrInvited, ErrTooManyShares, and ErrConflict for a session that ends.
func (s *Store) CreateShare(ctx context.Context, n NewShare) (Share, error) {
	var share Share
	err := s.InTx(ctx, func(q *Queries) error {
		session, err := q.lockForSharing(ctx, n)
		if err != nil {
			return err
		}
		if n.User != nil {
			out, err := q.EndInvitation(ctx, EndInvitationParams{Now: n.Now, SessionID: n.Session, UserID: string(*n.User)})
			if err != nil {
				return err
			}
			if err := q.tellEndedShares(ctx, out, ShareExpired); err != nil {
				return err
			}
			_, err = q.ShareFor(ctx, ShareForParams{SessionID: n.Session, UserID: string(*n.User), Now: n.Now})
			if err == nil {
				return ErrInvited
			}
			if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		standing, err := q.CountShares(ctx, n.Session)
		if err != nil {
			return err
		}
		if standing >= int64(n.Max) {
			return ErrTooManyShares
		}
		share, err = q.InsertShare(ctx, InsertShareParams{
			ID: streamspace.NewShareID(), SessionID: n.Session, CreatedBy: n.By, UserID: n.User, TokenHash: n.TokenHash, Origin: n.Origin,
			Label: n.Label, Permissions: n.Permissions, Now: n.Now, ExpiresAt: n.ExpiresAt,
		})
		if err != nil {
			return err
		}
		return q.tellShare(ctx, share, session.OwnerID, ShareChange{})
	})
	return share, err
}

// lockForSharing holds still the rights of who shares and who is invited, and
// the session. Users come before sessions, as when an account is deleted.
func (q *Queries) lockForSharing(ctx context.Context, n NewShare) (Session, error) {
	ids := []string{string(n.By)}
	if n.User != nil {
		ids = append(ids, string(*n.User))
	}
	users, err := q.LockUsersShared(ctx, ids)
	if err != nil {
		return Session{}, err
	}
	session, err := q.SessionForUpdate(ctx, n.Session)
	if err != nil {
		return Session{}, fmt.Errorf("session %s: %w", n.Session, err)
	}
	active := func(id streamspace.UserID, may func(User) bool) bool {
		return slices.ContainsFunc(users, func(u User) bool { return u.ID == id && u.DisabledAt == nil && may(u) })
	}
	if !active(n.By, func(u User) bool { return u.ID == session.OwnerID || u.Role == streamspace.RoleAdmin }) {
		return Session{}, fmt.Errorf("%w: user %s does not share session %s", ErrNotFound, n.By, n.Session)
	}
	if n.User != nil && !active(*n.User, func(User) bool { return true }) {
		return Session{}, fmt.Errorf("%w: user %s", ErrNotFound, *n.User)
	}
	if session.State == streamspace.StateStopped || session.DesiredState == streamspace.DesiredStopped {
		return Session{}, fmt.Errorf("%w: session %s ends", ErrConflict, n.Session)
	}
	return session, nil
}

// ChangeShare lets change alter the label, the permissions and the expiry of a
// standing share, writes it and tells it. narrowed says that permissions were
// taken away: tickets older than the share's NarrowedAt hold too much.
func (s *Store) ChangeShare(ctx context.Context, session streamspace.SessionID, id streamspace.ShareID, now time.Time, change func(*Share)) (share Share, narrowed bool, err error) {
	err = s.InTx(ctx, func(q *Queries) error {
		before, err := q.ShareForUpdate(ctx, ShareForUpdateParams{ID: id, SessionID: session, Now: now})
		if err != nil {
			return fmt.Errorf("share %s: %w", id, err)
		}
		after := before
		change(&after)
		told := ShareChange{}
		if narrowed = slices.ContainsFunc(before.Permissions, func(p streamspace.Permission) bool {
			return !slices.Contains(after.Permissions, p)
		}); narrowed {
			at := now
			// Tickets tell their age in whole seconds: two in one are told apart.
			if last := before.NarrowedAt; last != nil {
				if next := last.Truncate(time.Second).Add(time.Second); at.Before(next) {
					at = next
				}
			}
			after.NarrowedAt, told.Narrowed = &at, &at
		}
		share, err = q.UpdateShare(ctx, UpdateShareParams{
			ID: id, Label: after.Label, Permissions: after.Permissions, NarrowedAt: after.NarrowedAt, ExpiresAt: after.ExpiresAt,
		})
		if err != nil {
			return err
		}
		row, err := q.SessionByID(ctx, session)
		if err != nil {
			return err
		}
		return q.tellShare(ctx, share, row.OwnerID, told)
	})
	return share, narrowed, err
}

// RevokeShare ends a share and tells it. ErrNotFound: it has ended already.
func (s *Store) RevokeShare(ctx context.Context, session streamspace.SessionID, id streamspace.ShareID, now time.Time) (Share, error) {
	var share Share
	err := s.InTx(ctx, func(q *Queries) (err error) {
		if share, err = q.EndShare(ctx, EndShareParams{ID: id, SessionID: session, Now: now}); err != nil {
			return fmt.Errorf("share %s: %w", id, err)
		}
		return q.tellEndedShares(ctx, []Share{share}, ShareRevoked)
	})
	return share, err
}

// sweepBatch bounds one transaction of the sweeper.
const sweepBatch = 500

// EndExpired ends the shares that have run out, tells and returns them.
func (s *Store) EndExpired(ctx context.Context, now time.Time) ([]Share, error) {
	var ended []Share
	for {
		var batch []Share
		err := s.InTx(ctx, func(q *Queries) (err error) {
			if batch, err = q.EndExpiredShares(ctx, EndExpiredSharesParams{Now: now, Max: sweepBatch}); err != nil {
				return err
			}
			return q.tellEndedShares(ctx, batch, ShareExpired)
		})
		if err != nil {
			return ended, err
		}
		if ended = append(ended, batch...); len(batch) < sweepBatch {
			return ended, nil
		}
	}
}

// endSharesOf ends what a changed account may no longer share or enter.
func (q *Queries) endSharesOf(ctx context.Context, user User, now time.Time) error {
	var ended []Share
	var err error
	why := ShareDisabled
	switch {
	case user.DisabledAt != nil:
		ended, err = q.EndSharesOfUser(ctx, EndSharesOfUserParams{Now: now, UserID: string(user.ID)})
	case user.Role != streamspace.RoleAdmin:
		why = ShareDemoted
		ended, err = q.EndForeignSharesBy(ctx, EndForeignSharesByParams{Now: now, UserID: string(user.ID)})
	}
	if err != nil {
		return err
	}
	return q.tellEndedShares(ctx, ended, why)
}

func (q *Queries) tellEndedShares(ctx context.Context, ended []Share, why ShareEnd) error {
	for _, share := range ended {
		session, err := q.SessionByID(ctx, share.SessionID)
		if err != nil {
			return err
		}
		if err := q.tellShare(ctx, share, session.OwnerID, ShareChange{Ended: why}); err != nil {
			return err
		}
	}
	return nil
}

// tellShare writes the events of a change: to the session's owner, and to the
// one who is invited.
func (q *Queries) tellShare(ctx context.Context, share Share, owner streamspace.UserID, told ShareChange) error {
	told.Share, told.Session, told.User, told.By = share.ID, share.SessionID, share.UserID, share.CreatedBy
	payload, err := json.Marshal(told)
	if err != nil {
		return err
	}
	event := InsertEventParams{Type: EventSessionShares, Subject: string(share.SessionID), OwnerID: &owner, Payload: payload}
	if _, err := q.InsertEvent(ctx, event); err != nil || share.UserID == nil {
		return err
	}
	event.Type, event.OwnerID = EventSessionShared, share.UserID
	if told.Ended != "" {
		event.Type = EventSessionUnshared
	}
	_, err = q.InsertEvent(ctx, event)
	return err
}
