package identity

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// usernames is the form that the users table holds, in lower case.
var usernames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func normalizeUsername(typed string) (string, bool) {
	name := strings.ToLower(strings.TrimSpace(typed))
	return name, usernames.MatchString(name)
}

// NewAccount is what CreateAccount needs.
type NewAccount struct {
	Username    string
	DisplayName string // empty: the username
	Role        streamspace.Role
	Password    *string // nil: they set their own through a setup link
}

// CreateAccount makes an account. Without a password it returns a setup link
// too. store.ErrConflict: the name is taken.
func (i *Identity) CreateAccount(ctx context.Context, by Principal, n NewAccount) (Account, *SetupLink, error) {
	name, ok := normalizeUsername(n.Username)
	if !ok {
		return Account{}, nil, ErrUsername
	}
	if n.DisplayName == "" {
		n.DisplayName = strings.TrimSpace(n.Username)
	}
	params := store.InsertUserParams{
		ID: streamspace.NewUserID(), Username: name, DisplayName: n.DisplayName, Role: n.Role, Now: i.now(),
	}
	if n.Password != nil {
		if err := CheckPassword(name, *n.Password); err != nil {
			return Account{}, nil, err
		}
		hash, err := i.passwords.hash(ctx, *n.Password)
		if err != nil {
			return Account{}, nil, err
		}
		params.PasswordHash = &hash
	}
	user, err := i.store.CreateUser(ctx, params)
	if err != nil {
		return Account{}, nil, fmt.Errorf("making account %s: %w", name, err)
	}
	i.Audit(ctx, by, Entry{Action: "user.create", Subject: string(user.ID), Outcome: OutcomeOK, Detail: map[string]any{"username": name, "role": n.Role}})
	if n.Password != nil {
		return AccountOf(user), nil, nil
	}
	link, err := i.newSetupLink(ctx, user.ID, inviteLife)
	return AccountOf(user), link, err
}

// Account returns one account, or store.ErrNotFound.
func (i *Identity) Account(ctx context.Context, id streamspace.UserID) (Account, error) {
	user, err := i.store.UserByID(ctx, id)
	if err != nil {
		return Account{}, fmt.Errorf("reading account %s: %w", id, store.Classify(err))
	}
	return AccountOf(user), nil
}

// Accounts lists at most most accounts whose id is greater than after: in the
// order in which they were made.
func (i *Identity) Accounts(ctx context.Context, after streamspace.UserID, most int) ([]Account, error) {
	users, err := i.store.Users(ctx, store.UsersParams{After: after, Max: int32(most)})
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", store.Classify(err))
	}
	accounts := make([]Account, len(users))
	for n, user := range users {
		accounts[n] = AccountOf(user)
	}
	return accounts, nil
}

// AccountChange says what to change; nil stays.
type AccountChange struct {
	DisplayName *string
	Role        *streamspace.Role
	Disabled    *bool
}

// ChangeAccount changes an account. Disabling ends its logins in the same
// transaction. ErrSelf: nobody disables themselves; store.ErrLastAdmin: nobody
// would be left to administer.
func (i *Identity) ChangeAccount(ctx context.Context, by Principal, id streamspace.UserID, c AccountChange) (Account, error) {
	if id == by.ID && c.Disabled != nil && *c.Disabled {
		return Account{}, ErrSelf
	}
	params := store.UpdateUserParams{ID: id, DisplayName: c.DisplayName, Disabled: c.Disabled, Now: i.now()} // an empty role stays
	if c.Role != nil {
		params.Role = *c.Role
	}
	user, err := i.store.ChangeUser(ctx, params)
	if err != nil {
		return Account{}, fmt.Errorf("changing account %s: %w", id, err)
	}
	detail := map[string]any{}
	if c.Role != nil {
		detail["role"] = *c.Role
	}
	if c.Disabled != nil {
		detail["disabled"] = *c.Disabled
	}
	i.Audit(ctx, by, Entry{Action: "user.update", Subject: string(id), Outcome: OutcomeOK, Detail: detail})
	return AccountOf(user), nil
}

// DeleteAccount removes an account whose sessions have all stopped and returns
// its homes, whose folders the caller removes. ErrSelf, store.ErrLastAdmin and
// store.ErrConflict, when a session still lives, say why not.
func (i *Identity) DeleteAccount(ctx context.Context, by Principal, id streamspace.UserID) ([]streamspace.HomeID, error) {
	if id == by.ID {
		return nil, ErrSelf
	}
	homes, err := i.store.DeleteUser(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("deleting account %s: %w", id, err)
	}
	i.Audit(ctx, by, Entry{Action: "user.delete", Subject: string(id), Outcome: OutcomeOK, Detail: map[string]any{"homes": homes}})
	return homes, nil
}

// ChangePassword replaces the principal's own password and ends all their
// other logins. A wrong current password counts as a failed sign-in.
func (i *Identity) ChangePassword(ctx context.Context, p Principal, current, next string) error {
	entry := Entry{Action: "password.change", Subject: string(p.ID), Outcome: OutcomeOK}
	if err := CheckPassword(p.Username, next); err != nil {
		return err
	}
	keys := throttleKeys(p.Username, p.RemoteAddr)
	if err := i.attempt(ctx, keys); err != nil {
		return err
	}
	user, err := i.store.UserByID(ctx, p.ID)
	if err != nil {
		return fmt.Errorf("reading account %s: %w", p.ID, store.Classify(err))
	}
	match, _, err := i.passwords.verify(ctx, user.PasswordHash, current)
	if err != nil {
		i.forgive(ctx, keys, false)
		return err
	}
	if !match {
		entry.Outcome = OutcomeDenied
		i.Audit(ctx, p, entry)
		return ErrWrongPassword
	}
	i.forgive(ctx, keys, true)
	hash, err := i.passwords.hash(ctx, next)
	if err != nil {
		return err
	}
	if _, err := i.store.SetPassword(ctx, p.ID, hash, p.Login, i.now()); err != nil {
		return fmt.Errorf("storing the password of %s: %w", p.ID, err)
	}
	i.Audit(ctx, p, entry)
	return nil
}
