// Package ticket is the short-lived signed pass that lets one viewer into one
// session once, with what the viewer may do there.
//
// The control plane mints with a private Ed25519 key; a gateway verifies with
// the public ones, without asking anyone. Whether a ticket was used before, or
// withdrawn, is not known here: that is the broker's part.
package ticket

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/streamspace/streamspace"
)

const (
	// Life is how long a ticket can be used: a browser opens the stream at
	// once, and a copied URL is worthless a minute later.
	Life = 60 * time.Second
	// Leeway is what the clocks of control plane and gateway may differ.
	Leeway = 5 * time.Second
	// MaxBytes bounds a token before it is looked at. Ours are about 700 bytes.
	MaxBytes = 2048
	// MaxName bounds a viewer's name in bytes: it stands in a list beside others.
	MaxName = 64

	audience = "streamspace-stream"
)

var (
	// ErrInvalid says that the token is not one of ours, damaged, or not valid yet.
	ErrInvalid = errors.New("ticket is invalid")
	// ErrExpired says that the token was ours and is too old.
	ErrExpired = errors.New("ticket has expired")
	// ErrSession says that the token is good, but for another session.
	ErrSession = errors.New("ticket is for another session")
)

// Claims is what a ticket says.
type Claims struct {
	ID          streamspace.TicketID
	Session     streamspace.SessionID
	User        streamspace.UserID  // empty: a guest, who came by a link
	Share       streamspace.ShareID // what lets the viewer in; empty: the session's owner, or an administrator
	Viewer      streamspace.ViewerID
	Name        string // what other viewers are shown, at most MaxName bytes
	Permissions []streamspace.Permission
	Origin      string // origin of the page that embeds the viewer; empty for our own pages
	Issued      time.Time
	Expires     time.Time
}

// Guest tells whether the viewer has no account.
func (c Claims) Guest() bool { return c.User == "" }

// Allows tells whether the ticket carries the permission.
func (c Claims) Allows(p streamspace.Permission) bool { return slices.Contains(c.Permissions, p) }

// Ticket is a signed token. It prints redacted whatever the verb: only Reveal
// gives the text, for the one answer in which it is handed out.
type Ticket struct{ token string }

const redacted = "[ticket]"

// Reveal returns the token itself.
func (t Ticket) Reveal() string { return t.token }

func (t Ticket) String() string               { return redacted }
func (t Ticket) GoString() string             { return redacted }
func (t Ticket) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (t Ticket) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format covers the verbs that would print the field.
func (t Ticket) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// wireClaims is the JWT's payload. The names are the contract.
type wireClaims struct {
	jwt.RegisteredClaims
	Session     streamspace.SessionID    `json:"ses"`
	User        streamspace.UserID       `json:"usr,omitempty"`
	Share       streamspace.ShareID      `json:"shr,omitempty"`
	Viewer      streamspace.ViewerID     `json:"vwr"`
	Name        string                   `json:"nam,omitempty"`
	Permissions []streamspace.Permission `json:"perms"`
	Origin      string                   `json:"org,omitempty"`
}

// Minter signs tickets with one private key.
type Minter struct {
	key Key              // immutable
	now func() time.Time // immutable
}

// NewMinter returns a minter. now is the clock; nil means time.Now.
func NewMinter(key Key, now func() time.Time) *Minter {
	if now == nil {
		now = time.Now
	}
	return &Minter{key: key, now: now}
}

// Grant is what a new ticket shall allow.
type Grant struct {
	Session     streamspace.SessionID
	User        streamspace.UserID  // empty for a guest, who needs a share
	Share       streamspace.ShareID // see Claims.Share
	Name        string              // see Claims.Name
	Permissions []streamspace.Permission
	Origin      string // see Claims.Origin
	// After is when rights were last taken away: the ticket counts as issued no
	// earlier than the whole second that follows, so that the withdrawal is of
	// older tickets only. It is not in the future.
	After time.Time
}

// AfterWithdrawal is the earliest date of issue of a ticket that a withdrawal
// at that time does not concern: the whole second that follows.
func AfterWithdrawal(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.UTC().Truncate(time.Second).Add(time.Second)
}

// Mint signs a ticket for a new viewer and returns it with what it says.
func (m *Minter) Mint(grant Grant) (Ticket, Claims, error) {
	if grant.User == "" && grant.Share == "" {
		return Ticket{}, Claims{}, fmt.Errorf("ticket for %s is for nobody: neither user nor share is named", grant.Session)
	}
	if len(grant.Name) > MaxName {
		return Ticket{}, Claims{}, fmt.Errorf("ticket for %s names its viewer with %d bytes, more than %d", grant.Session, len(grant.Name), MaxName)
	}
	issued := m.now().UTC().Truncate(time.Second) // a JWT's dates are whole seconds
	if first := AfterWithdrawal(grant.After); issued.Before(first) {
		issued = first // at most a second ahead: within Leeway
	}
	claims := Claims{
		ID: streamspace.NewTicketID(), Viewer: streamspace.NewViewerID(),
		Session: grant.Session, User: grant.User, Share: grant.Share, Name: grant.Name, Permissions: slices.Clone(grant.Permissions), Origin: grant.Origin,
		Issued: issued, Expires: issued.Add(Life),
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, wireClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: string(claims.ID), Audience: jwt.ClaimStrings{audience},
			IssuedAt: jwt.NewNumericDate(claims.Issued), ExpiresAt: jwt.NewNumericDate(claims.Expires),
		},
		Session: claims.Session, User: claims.User, Share: claims.Share, Viewer: claims.Viewer, Name: claims.Name,
		Permissions: claims.Permissions, Origin: claims.Origin,
	})
	token.Header["kid"] = m.key.id
	signed, err := token.SignedString(m.key.private)
	if err != nil {
		return Ticket{}, Claims{}, fmt.Errorf("signing a ticket for %s: %w", grant.Session, err)
	}
	if len(signed) > MaxBytes {
		return Ticket{}, Claims{}, fmt.Errorf("ticket for %s has %d bytes, more than %d", grant.Session, len(signed), MaxBytes)
	}
	return Ticket{signed}, claims, nil
}

// Verifier checks tickets against public keys.
type Verifier struct {
	keys   map[string]ed25519.PublicKey // immutable; by key id
	now    func() time.Time             // immutable
	parser *jwt.Parser                  // immutable
}

// NewVerifier returns a verifier that accepts tickets signed by any of keys:
// while a key is rotated, the old and the new one. now is the clock; nil means
// time.Now.
func NewVerifier(now func() time.Time, keys ...PublicKey) *Verifier {
	if now == nil {
		now = time.Now
	}
	v := &Verifier{keys: make(map[string]ed25519.PublicKey, len(keys)), now: now}
	for _, key := range keys {
		v.keys[key.id] = key.key
	}
	v.parser = jwt.NewParser(
		// The algorithm is ours to say, not the token's (RFC 8725 section 3.1).
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	)
	return v
}

// Verify returns what the token says if it is ours, in time, and for session.
// The error is or wraps ErrInvalid, ErrExpired or ErrSession and holds nothing
// of the token.
func (v *Verifier) Verify(token string, session streamspace.SessionID) (Claims, error) {
	if token == "" || len(token) > MaxBytes {
		return Claims{}, fmt.Errorf("%w: %d bytes", ErrInvalid, len(token))
	}
	var wire wireClaims
	_, err := v.parser.ParseWithClaims(token, &wire, v.publicKey)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claims{}, ErrExpired
	case err != nil:
		return Claims{}, fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	}
	claims, err := wire.claims()
	if err != nil {
		return Claims{}, err
	}
	if claims.Expires.Sub(claims.Issued) > Life {
		return Claims{}, fmt.Errorf("%w: it lives longer than %s", ErrInvalid, Life)
	}
	if claims.Session != session {
		return Claims{}, ErrSession
	}
	return claims, nil
}

// claims returns what is said, if all is there.
func (wire wireClaims) claims() (Claims, error) {
	if wire.ID == "" || wire.Session == "" || (wire.User == "" && wire.Share == "") || wire.Viewer == "" || wire.IssuedAt == nil {
		return Claims{}, fmt.Errorf("%w: a claim is missing", ErrInvalid)
	}
	if len(wire.Name) > MaxName {
		return Claims{}, fmt.Errorf("%w: its name is longer than %d bytes", ErrInvalid, MaxName)
	}
	return Claims{
		ID: streamspace.TicketID(wire.ID), Session: wire.Session, User: wire.User, Share: wire.Share, Viewer: wire.Viewer, Name: wire.Name,
		Permissions: wire.Permissions, Origin: wire.Origin, Issued: wire.IssuedAt.Time, Expires: wire.ExpiresAt.Time,
	}, nil
}

func (v *Verifier) publicKey(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	key, ok := v.keys[id]
	if !ok {
		return nil, errUnknownKey
	}
	return key, nil
}

var errUnknownKey = errors.New("signed with an unknown key")

// reason names what is wrong in our own words: the library's texts may quote
// the token.
func reason(err error) string {
	for _, known := range []error{
		errUnknownKey, jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenNotValidYet, jwt.ErrTokenRequiredClaimMissing,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "it cannot be verified"
}
