// Package identity is who somebody is: accounts with passwords, browser
// logins, API keys and one-time setup links, with the throttling that protects
// them and the audit trail of what was done.
//
// What somebody may do with a session or a home is not decided here.
package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

var (
	// ErrUnauthenticated says that the credential is not good. It does not say
	// whether it is unknown, wrong, expired, revoked, or of a disabled account.
	ErrUnauthenticated = errors.New("credential is not accepted")
	// ErrWrongPassword says that the current password, asked for again, is wrong.
	ErrWrongPassword = errors.New("current password is wrong")
	// ErrBusy says that too many passwords are being checked already.
	ErrBusy = errors.New("too many password checks at once")
	// ErrSelf says that nobody disables or deletes their own account.
	ErrSelf = errors.New("not on one's own account")
	// ErrTooManyKeys says that the account has as many API keys as allowed.
	ErrTooManyKeys = fmt.Errorf("more than %d API keys", maxAPIKeys)
	// ErrUsername says that the name has a form that no account can have.
	ErrUsername = errors.New("username has characters other than letters, digits and . _ -, or more than 63")
)

// ThrottledError says that there were too many failed attempts.
type ThrottledError struct{ RetryAfter time.Duration }

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed sign-ins, blocked for %s", e.RetryAfter)
}

// Options are what an Identity is made of. Store is required.
type Options struct {
	Store      *store.Store
	Logger     *slog.Logger          // nil: discarded
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now
	Cost       Cost                  // of hashing a password; zero: DefaultCost()
}

// Identity answers who somebody is.
type Identity struct {
	store     *store.Store     // immutable
	log       *slog.Logger     // immutable
	now       func() time.Time // immutable
	passwords *passwords       // immutable
	signIns   *prometheus.CounterVec
}

// New returns an Identity on the store.
func New(o Options) *Identity {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost()
	}
	i := &Identity{
		store: o.Store, log: o.Logger, now: o.Now, passwords: newPasswords(o.Cost),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_identity_sign_ins_total",
			Help: "Sign-in attempts by outcome: ok, denied, throttled, busy or error.",
		}, []string{"outcome"}),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(i.signIns, i.passwords.hashes, i.passwords.waiting)
	}
	return i
}

// Account is a person or program that can sign in.
type Account struct {
	ID          streamspace.UserID
	Username    string
	DisplayName string
	Role        streamspace.Role
	Disabled    bool
	CreatedAt   time.Time
	LastLoginAt *time.Time
}

// AccountOf leaves the password hash behind.
func AccountOf(u store.User) Account {
	return Account{
		ID: u.ID, Username: u.Username, DisplayName: u.DisplayName, Role: u.Role, Disabled: u.DisabledAt != nil,
		CreatedAt: u.CreatedAt, LastLoginAt: u.LastLoginAt,
	}
}

// Visitor is what is known of a request before it is known who sent it.
type Visitor struct {
	RemoteAddr string // IP address
	UserAgent  string
	RequestID  string
}

// Principal is who a request comes from, and by which credential.
type Principal struct {
	Account
	Visitor
	Login     streamspace.LoginID  // the browser login, or empty
	Key       streamspace.APIKeyID // the API key, or empty
	ExpiresAt time.Time            // of the credential; zero: never
}

// Admin tells whether the principal administers the installation.
func (p Principal) Admin() bool { return p.Role == streamspace.RoleAdmin }

// Alive tells whether the principal's credential still stands: what was opened
// with it, such as an event socket, ends when it does not.
func (i *Identity) Alive(ctx context.Context, p Principal) (bool, error) {
	var alive bool
	var err error
	if p.Key != "" {
		alive, err = i.store.APIKeyAlive(ctx, store.APIKeyAliveParams{ID: p.Key, Now: i.now()})
	} else {
		alive, err = i.store.LoginAlive(ctx, store.LoginAliveParams{ID: p.Login, Now: i.now()})
	}
	if err != nil {
		return false, fmt.Errorf("asking whether a credential of %s stands: %w", p.ID, store.Classify(err))
	}
	return alive, nil
}
