package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

const (
	// LoginIdle is how long an unused login lasts.
	LoginIdle = 7 * 24 * time.Hour
	// LoginMax is how long any login lasts.
	LoginMax = 30 * 24 * time.Hour

	// seenEvery is how often a login or key notes that it was used: a write a
	// minute, not one a request.
	seenEvery = time.Minute

	maxLogins         = 50  // of one account; the least used ones go first
	maxUserAgentBytes = 256 // enough to tell browsers apart
)

// SignedIn is a login that was just made. Token goes into the cookie and
// nowhere else.
type SignedIn struct {
	Principal Principal
	Token     string
}

// SignIn checks a password. Every failure looks the same from outside and
// takes the same time, whether the account exists or not.
func (i *Identity) SignIn(ctx context.Context, v Visitor, username, password string) (SignedIn, error) {
	name, known := normalizeUsername(username)
	if !known {
		name = ""
	}
	keys := throttleKeys(name, v.RemoteAddr)
	if err := i.attempt(ctx, keys); err != nil {
		var throttled *ThrottledError
		if errors.As(err, &throttled) {
			i.signIns.WithLabelValues("throttled").Inc()
			i.log.Warn("sign-in throttled", "remote_addr", v.RemoteAddr, "request_id", v.RequestID, "retry_after", throttled.RetryAfter)
		}
		return SignedIn{}, err
	}
	user, err := i.userByPassword(ctx, name, password)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		i.signIns.WithLabelValues("denied").Inc()
		i.auditSignIn(ctx, v, user, OutcomeDenied)
		return SignedIn{}, ErrUnauthenticated
	case errors.Is(err, ErrBusy):
		i.signIns.WithLabelValues("busy").Inc()
		i.forgive(ctx, keys, false)
		return SignedIn{}, err
	case err != nil:
		i.signIns.WithLabelValues("error").Inc()
		i.forgive(ctx, keys, false)
		return SignedIn{}, err
	}
	i.forgive(ctx, keys, true)
	token, params := i.newLogin(v)
	params.UserID = user.ID
	if err := i.store.AddLogin(ctx, params, maxLogins); err != nil {
		return SignedIn{}, fmt.Errorf("writing a login of %s: %w", user.ID, err)
	}
	i.signIns.WithLabelValues("ok").Inc()
	i.auditSignIn(ctx, v, user, OutcomeOK)
	return signedIn(user, v, token, params), nil
}

// userByPassword returns ErrUnauthenticated with the account, if there is one,
// when the password is not good.
func (i *Identity) userByPassword(ctx context.Context, name, password string) (store.User, error) {
	user, err := i.store.UserByName(ctx, name)
	if err = store.Classify(err); err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.User{}, fmt.Errorf("reading an account: %w", err)
	}
	if len(password) > MaxPasswordBytes {
		password = "" // no account has one: same work, same answer
	}
	match, stale, err := i.passwords.verify(ctx, user.PasswordHash, password)
	if err != nil {
		return store.User{}, fmt.Errorf("checking a password: %w", err)
	}
	if !match || user.DisabledAt != nil {
		return user, ErrUnauthenticated
	}
	if stale {
		i.rehash(ctx, user, password)
	}
	return user, nil
}

// rehash brings a stored hash to the present cost. The sign-in does not depend on it.
func (i *Identity) rehash(ctx context.Context, user store.User, password string) {
	hash, err := i.passwords.hash(ctx, password)
	if err == nil {
		err = i.store.ReplacePasswordHash(ctx, store.ReplacePasswordHashParams{NewHash: hash, ID: user.ID, OldHash: *user.PasswordHash})
	}
	if err != nil {
		i.log.Warn("password hash not renewed", "error", err, "user", user.ID)
	}
}

func (i *Identity) auditSignIn(ctx context.Context, v Visitor, user store.User, outcome Outcome) {
	e := Entry{Action: "login.create", Subject: string(user.ID), Outcome: outcome}
	if user.ID == "" {
		i.audit(ctx, v, nil, nobody, e)
		return
	}
	i.audit(ctx, v, &user.ID, user.Username, e)
}

// newLogin returns a token and the row that stands for it, without a user.
func (i *Identity) newLogin(v Visitor) (string, store.InsertLoginParams) {
	token, now := newToken(), i.now()
	hash, _ := hashToken(token)
	return token, store.InsertLoginParams{
		ID: streamspace.NewLoginID(), TokenHash: hash, Now: now, ExpiresAt: now.Add(LoginIdle),
		UserAgent: cleanText(v.UserAgent, maxUserAgentBytes), RemoteAddr: v.RemoteAddr,
	}
}

func signedIn(user store.User, v Visitor, token string, p store.InsertLoginParams) SignedIn {
	user.LastLoginAt = &p.Now
	return SignedIn{
		Principal: Principal{Account: AccountOf(user), Visitor: v, Login: p.ID, ExpiresAt: p.ExpiresAt},
		Token:     token,
	}
}

// ByLogin returns who the cookie's token belongs to, and prolongs the login.
func (i *Identity) ByLogin(ctx context.Context, v Visitor, token string) (Principal, error) {
	hash, ok := hashToken(token)
	if !ok {
		return Principal{}, ErrUnauthenticated
	}
	now := i.now()
	row, err := i.store.LoginByToken(ctx, store.LoginByTokenParams{TokenHash: hash, Now: now})
	if err = store.Classify(err); errors.Is(err, store.ErrNotFound) {
		return Principal{}, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, fmt.Errorf("reading a login: %w", err)
	}
	expires := row.Login.ExpiresAt
	if now.Sub(row.Login.LastSeenAt) >= seenEvery {
		expires = earlier(now.Add(LoginIdle), row.Login.CreatedAt.Add(LoginMax))
		if err := i.store.SeeLogin(ctx, store.SeeLoginParams{ID: row.Login.ID, Now: now, ExpiresAt: expires}); err != nil {
			return Principal{}, fmt.Errorf("prolonging login %s: %w", row.Login.ID, store.Classify(err))
		}
	}
	return Principal{Account: AccountOf(row.User), Visitor: v, Login: row.Login.ID, ExpiresAt: expires}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Logins lists the principal's browsers, the latest used first.
func (i *Identity) Logins(ctx context.Context, p Principal) ([]store.Login, error) {
	logins, err := i.store.LoginsByUser(ctx, store.LoginsByUserParams{UserID: p.ID, Now: i.now()})
	if err != nil {
		return nil, fmt.Errorf("listing logins of %s: %w", p.ID, store.Classify(err))
	}
	return logins, nil
}

// SignOut ends the login that the principal came with; with an API key there
// is none.
func (i *Identity) SignOut(ctx context.Context, p Principal) error {
	if p.Login == "" {
		return nil
	}
	return i.RevokeLogin(ctx, p, p.Login)
}

// RevokeLogin ends one of the principal's logins at once, or returns
// store.ErrNotFound.
func (i *Identity) RevokeLogin(ctx context.Context, p Principal, id streamspace.LoginID) error {
	if err := i.store.EndLogin(ctx, p.ID, id); err != nil {
		return fmt.Errorf("ending login %s: %w", id, err)
	}
	i.Audit(ctx, p, Entry{Action: "login.delete", Subject: string(id), Outcome: OutcomeOK})
	return nil
}

// cleanText makes text that came in a header fit for storing and showing.
func cleanText(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)
}
