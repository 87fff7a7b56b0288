package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/streamspace/streamspace"
)

// Event types of credentials that ended. Their subject is the credential's id
// and their owner the user; they let every process close what was opened with it.
const (
	EventLoginDeleted  = "login.deleted"
	EventAPIKeyDeleted = "api_key.deleted"
)

// AddLogin writes a sign-in and notes it on the account. Of a user's logins
// the newest keep stay.
func (s *Store) AddLogin(ctx context.Context, p InsertLoginParams, keep int32) error {
	return s.InTx(ctx, func(q *Queries) error { return q.addLogin(ctx, p, keep) })
}

func (q *Queries) addLogin(ctx context.Context, p InsertLoginParams, keep int32) error {
	if err := q.InsertLogin(ctx, p); err != nil {
		return err
	}
	if err := q.TrimLogins(ctx, TrimLoginsParams{UserID: p.UserID, Keep: keep}); err != nil {
		return err
	}
	return q.SetLastLogin(ctx, SetLastLoginParams{ID: p.UserID, Now: &p.Now})
}

// EndLogin deletes the user's login and tells it. ErrNotFound: it is not theirs.
func (s *Store) EndLogin(ctx context.Context, user streamspace.UserID, id streamspace.LoginID) error {
	return s.InTx(ctx, func(q *Queries) error {
		deleted, err := q.DeleteLogin(ctx, DeleteLoginParams{ID: id, UserID: user})
		return q.tellEnded(ctx, EventLoginDeleted, string(id), user, deleted, err)
	})
}

// EndAPIKey deletes the user's key and tells it. ErrNotFound: it is not theirs.
func (s *Store) EndAPIKey(ctx context.Context, user streamspace.UserID, id streamspace.APIKeyID) error {
	return s.InTx(ctx, func(q *Queries) error {
		deleted, err := q.DeleteAPIKey(ctx, DeleteAPIKeyParams{ID: id, UserID: user})
		return q.tellEnded(ctx, EventAPIKeyDeleted, string(id), user, deleted, err)
	})
}

func (q *Queries) tellEnded(ctx context.Context, event, subject string, user streamspace.UserID, deleted int64, err error) error {
	if err != nil {
		return err
	}
	if deleted == 0 {
		return ErrNotFound
	}
	_, err = q.InsertEvent(ctx, InsertEventParams{Type: event, Subject: subject, OwnerID: &user, Payload: json.RawMessage("{}")})
	return err
}

// CompleteSetup uses up a one-time link: the password is set, every earlier
// sign-in and link of the account ends, and a new sign-in is written. p.UserID
// is filled in. ErrNotFound: the link is unknown, expired or used.
func (s *Store) CompleteSetup(ctx context.Context, tokenHash []byte, passwordHash string, p InsertLoginParams) (User, error) {
	var user User
	err := s.InTx(ctx, func(q *Queries) (err error) {
		if p.UserID, err = q.ConsumeSetupToken(ctx, ConsumeSetupTokenParams{TokenHash: tokenHash, Now: p.Now}); err != nil {
			return err
		}
		if user, err = q.LockUser(ctx, p.UserID); err != nil {
			return err
		}
		if user.DisabledAt != nil {
			return ErrNotFound
		}
		if user, err = q.SetPasswordHash(ctx, SetPasswordHashParams{ID: p.UserID, PasswordHash: &passwordHash, Now: p.Now}); err != nil {
			return err
		}
		if err = q.DeleteLoginsBut(ctx, DeleteLoginsButParams{UserID: p.UserID}); err != nil {
			return err
		}
		if err = q.DeleteSetupTokens(ctx, p.UserID); err != nil {
			return err
		}
		if err = q.addLogin(ctx, p, 1); err != nil {
			return err
		}
		return q.tellUser(ctx, EventUserUpdated, user)
	})
	return user, err
}

// ReplaceSetupToken writes a one-time link that takes the place of all earlier
// ones of the account.
func (s *Store) ReplaceSetupToken(ctx context.Context, tokenHash []byte, user streamspace.UserID, now, expires time.Time) error {
	return s.InTx(ctx, func(q *Queries) error {
		if _, err := q.LockUser(ctx, user); err != nil {
			return err
		}
		if err := q.DeleteSetupTokens(ctx, user); err != nil {
			return err
		}
		return q.InsertSetupToken(ctx, InsertSetupTokenParams{TokenHash: tokenHash, UserID: user, CreatedAt: now, ExpiresAt: expires})
	})
}
