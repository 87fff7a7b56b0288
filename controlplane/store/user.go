package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
)

// ErrLastAdmin says that the change would leave nobody to administer.
var ErrLastAdmin = fmt.Errorf("%w: the last administrator", ErrConflict)

// CreateUser writes an account and tells it. ErrConflict: the name is taken.
func (s *Store) CreateUser(ctx context.Context, p InsertUserParams) (User, error) {
	var user User
	err := s.InTx(ctx, func(q *Queries) (err error) {
		if user, err = q.InsertUser(ctx, p); err != nil {
			return err
		}
		return q.tellUser(ctx, EventUserCreated, user)
	})
	return user, err
}

// ChangeUser alters what p sets and tells it. A disabled user's sign-ins end,
// and so do the shares that they made or got.
// It returns ErrLastAdmin rather than leave no active administrator.
func (s *Store) ChangeUser(ctx context.Context, p UpdateUserParams) (User, error) {
	var user User
	err := s.InTx(ctx, func(q *Queries) (err error) {
		if _, err = q.LockAdmins(ctx); err != nil { // two demotions at once must not both pass
			return err
		}
		if user, err = q.UpdateUser(ctx, p); err != nil {
			return err
		}
		if err = q.mustHaveAdmin(ctx); err != nil {
			return err
		}
		if user.DisabledAt != nil {
			if err = q.DeleteLoginsBut(ctx, DeleteLoginsButParams{UserID: user.ID}); err != nil {
				return err
			}
		}
		if err = q.endSharesOf(ctx, user, p.Now); err != nil {
			return err
		}
		return q.tellUser(ctx, EventUserUpdated, user)
	})
	return user, err
}

// DeleteUser removes an account whose sessions have all stopped, with its
// sign-ins, keys, past sessions and homes, and tells it. It returns the homes, whose
// folders the caller removes. ErrConflict: a session still lives.
func (s *Store) DeleteUser(ctx context.Context, id streamspace.UserID) ([]streamspace.HomeID, error) {
	var homes []streamspace.HomeID
	err := s.InTx(ctx, func(q *Queries) error {
		if _, err := q.LockAdmins(ctx); err != nil {
			return err
		}
		user, err := q.LockUser(ctx, id)
		if err != nil {
			return err
		}
		live, err := q.CountLiveSessions(ctx, id)
		if err != nil {
			return err
		}
		if live > 0 {
			return fmt.Errorf("%w: user %s has %d live sessions", ErrConflict, id, live)
		}
		if homes, err = q.DeleteHomesOf(ctx, id); err != nil {
			return err
		}
		if err := q.DeleteSessionsOf(ctx, id); err != nil {
			return err
		}
		if _, err := q.DeleteUserRow(ctx, id); err != nil {
			return err
		}
		if err := q.mustHaveAdmin(ctx); err != nil {
			return err
		}
		return q.tellUser(ctx, EventUserDeleted, user)
	})
	return homes, err
}

// SetPassword stores a hash and ends every sign-in of the user but keep (which
// may be empty) and every one-time link.
func (s *Store) SetPassword(ctx context.Context, id streamspace.UserID, hash string, keep streamspace.LoginID, now time.Time) (User, error) {
	var user User
	err := s.InTx(ctx, func(q *Queries) (err error) {
		if user, err = q.SetPasswordHash(ctx, SetPasswordHashParams{ID: id, PasswordHash: &hash, Now: now}); err != nil {
			return err
		}
		if err = q.DeleteLoginsBut(ctx, DeleteLoginsButParams{UserID: id, Keep: keep}); err != nil {
			return err
		}
		if err = q.DeleteSetupTokens(ctx, id); err != nil {
			return err
		}
		return q.tellUser(ctx, EventUserUpdated, user)
	})
	return user, err
}

func (q *Queries) mustHaveAdmin(ctx context.Context) error {
	admins, err := q.CountActiveAdmins(ctx)
	if err == nil && admins == 0 {
		return ErrLastAdmin
	}
	return err
}

func (q *Queries) tellUser(ctx context.Context, event string, user User) error {
	payload, err := json.Marshal(map[string]any{"username": user.Username, "role": user.Role, "disabled": user.DisabledAt != nil})
	if err != nil {
		return err
	}
	_, err = q.InsertEvent(ctx, InsertEventParams{Type: event, Subject: string(user.ID), OwnerID: &user.ID, Payload: payload})
	return err
}
