package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

const (
	// inviteLife is how long an invitation can be used: over a weekend.
	inviteLife = 72 * time.Hour
	// adminLinkLife is how long the link printed at start can be used; the next
	// start prints a new one.
	adminLinkLife = 24 * time.Hour

	adminName = "admin"

	// maxPasswordFileBytes is the longest password with a line end.
	maxPasswordFileBytes = MaxPasswordBytes + 2

	// setupPath is the web UI's page. The token is in the fragment, which
	// browsers keep from servers, proxies and their logs.
	setupPath = "/setup#token="
)

// SetupLink is a one-time link for setting a password.
type SetupLink struct {
	Token     string
	ExpiresAt time.Time
}

// URL is what to open, on a base URL without a trailing slash.
func (l SetupLink) URL(base string) string {
	return strings.TrimSuffix(base, "/") + setupPath + l.Token
}

// SetupRequired tells whether no administrator has a password yet.
func (i *Identity) SetupRequired(ctx context.Context) (bool, error) {
	done, err := i.store.AnyAdminHasPassword(ctx)
	if err != nil {
		return false, fmt.Errorf("asking whether setup is done: %w", store.Classify(err))
	}
	return !done, nil
}

// CreateSetupLink makes a link for somebody's account; earlier ones end.
func (i *Identity) CreateSetupLink(ctx context.Context, by Principal, id streamspace.UserID) (SetupLink, error) {
	link, err := i.newSetupLink(ctx, id, inviteLife)
	if err != nil {
		return SetupLink{}, err
	}
	i.Audit(ctx, by, Entry{Action: "setup_link.create", Subject: string(id), Outcome: OutcomeOK})
	return *link, nil
}

func (i *Identity) newSetupLink(ctx context.Context, id streamspace.UserID, life time.Duration) (*SetupLink, error) {
	link := SetupLink{Token: newToken(), ExpiresAt: i.now().Add(life)}
	hash, _ := hashToken(link.Token)
	if err := i.store.ReplaceSetupToken(ctx, hash, id, i.now(), link.ExpiresAt); err != nil {
		return nil, fmt.Errorf("writing a setup link of %s: %w", id, err)
	}
	return &link, nil
}

// CompleteSetup uses a link up: sets the password and signs in.
func (i *Identity) CompleteSetup(ctx context.Context, v Visitor, token, password string) (SignedIn, error) {
	hash, ok := hashToken(token)
	if !ok {
		return SignedIn{}, ErrUnauthenticated
	}
	// A password that the policy refuses must not cost the link, and a link
	// that is none must not cost a hash.
	user, err := i.store.SetupTokenUser(ctx, store.SetupTokenUserParams{TokenHash: hash, Now: i.now()})
	if err = store.Classify(err); errors.Is(err, store.ErrNotFound) {
		i.audit(ctx, v, nil, nobody, Entry{Action: "setup.complete", Outcome: OutcomeDenied})
		return SignedIn{}, ErrUnauthenticated
	}
	if err != nil {
		return SignedIn{}, fmt.Errorf("reading a setup link: %w", err)
	}
	if err := CheckPassword(user.Username, password); err != nil {
		return SignedIn{}, err
	}
	phc, err := i.passwords.hash(ctx, password)
	if err != nil {
		return SignedIn{}, err
	}
	login, params := i.newLogin(v)
	user, err = i.store.CompleteSetup(ctx, hash, phc, params)
	if errors.Is(err, store.ErrNotFound) { // somebody was faster
		return SignedIn{}, ErrUnauthenticated
	}
	if err != nil {
		return SignedIn{}, fmt.Errorf("completing setup: %w", err)
	}
	i.audit(ctx, v, &user.ID, user.Username, Entry{Action: "setup.complete", Subject: string(user.ID), Outcome: OutcomeOK})
	return signedIn(user, v, login, params), nil
}

// EnsureAdmin sees to it that somebody can administer. It makes the account
// admin when there is none at all. While no administrator has a password, the
// one in passwordFile is set, or with an empty passwordFile a fresh setup link
// is returned, and earlier ones end. Once a password is set, nil is returned
// and the file is not looked at: what people changed stays changed.
func (i *Identity) EnsureAdmin(ctx context.Context, passwordFile string) (*SetupLink, error) {
	if required, err := i.SetupRequired(ctx); err != nil || !required {
		return nil, err
	}
	admin, err := i.ensureAdminAccount(ctx)
	if err != nil {
		return nil, err
	}
	if passwordFile == "" {
		return i.newSetupLink(ctx, admin.ID, adminLinkLife)
	}
	password, err := readPasswordFile(passwordFile)
	if err != nil {
		return nil, err
	}
	if err := CheckPassword(admin.Username, password); err != nil {
		return nil, fmt.Errorf("admin password file %s: %w", passwordFile, err)
	}
	hash, err := i.passwords.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	if _, err := i.store.SetPassword(ctx, admin.ID, hash, "", i.now()); err != nil {
		return nil, fmt.Errorf("storing the administrator's password: %w", err)
	}
	i.audit(ctx, Visitor{}, nil, system, Entry{Action: "setup.complete", Subject: string(admin.ID), Outcome: OutcomeOK, Detail: map[string]any{"from": "password file"}})
	return nil, nil
}

func (i *Identity) ensureAdminAccount(ctx context.Context) (store.User, error) {
	user, err := i.store.UserByName(ctx, adminName)
	if err = store.Classify(err); err == nil {
		if user.Role != streamspace.RoleAdmin || user.DisabledAt != nil {
			return store.User{}, fmt.Errorf("account %s exists but is no active administrator, and no other administrator has a password", adminName)
		}
		return user, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return store.User{}, fmt.Errorf("reading account %s: %w", adminName, err)
	}
	user, err = i.store.CreateUser(ctx, store.InsertUserParams{
		ID: streamspace.NewUserID(), Username: adminName, DisplayName: "Administrator", Role: streamspace.RoleAdmin, Now: i.now(),
	})
	if errors.Is(err, store.ErrConflict) { // another process was faster
		user, err = i.store.UserByName(ctx, adminName)
		err = store.Classify(err)
	} else if err == nil {
		i.audit(ctx, Visitor{}, nil, system, Entry{Action: "user.create", Subject: string(user.ID), Outcome: OutcomeOK, Detail: map[string]any{"username": adminName, "role": streamspace.RoleAdmin}})
	}
	if err != nil {
		return store.User{}, fmt.Errorf("making account %s: %w", adminName, err)
	}
	return user, nil
}

// readPasswordFile returns what is in the file without the line end.
func readPasswordFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("admin password file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("admin password file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("admin password file %s is no regular file", path)
	}
	// The group may read it: that is how services are handed secrets.
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return "", fmt.Errorf("admin password file %s has mode %04o and can be read by everybody or written by others: chmod 600 it", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxPasswordFileBytes+1))
	if err != nil {
		return "", fmt.Errorf("admin password file %s: %w", path, err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if len(password) > MaxPasswordBytes {
		return "", fmt.Errorf("admin password file %s: %w", path, &PolicyError{fmt.Sprintf("is longer than %d bytes", MaxPasswordBytes)})
	}
	return password, nil
}
