package ticket

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/streamspace/streamspace"
)

// ResumeLife is how long a viewer may come back with what a gateway gave it: the
// page tries at once, and gets a new one while its stream lives.
const ResumeLife = 2 * time.Minute

// Keep is how long a withdrawal has to be remembered: what it concerns can be used
// for that long, by clocks that differ.
const Keep = ResumeLife + Life + 2*Leeway

const resumeAudience = "streamspace-resume"

// Resume lets a viewer back in whose stream broke, at any gateway of the fleet. A
// gateway signs it with its own key for a viewer that it serves.
type Resume struct {
	Claims       // Issued is the first ticket's: what was withdrawn since stays withdrawn
	Control bool // the viewer had control
}

type resumeClaims struct {
	wireClaims
	First   *jwt.NumericDate `json:"fst"`
	Control bool             `json:"ctl,omitempty"`
}

// SignResume signs what lets the viewer of these claims back in, once.
func (k Key) SignResume(c Claims, control bool, now time.Time) (Ticket, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, resumeClaims{
		wireClaims: wireClaims{
			RegisteredClaims: jwt.RegisteredClaims{
				ID: string(streamspace.NewTicketID()), Audience: jwt.ClaimStrings{resumeAudience},
				IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ResumeLife)),
			},
			Session: c.Session, User: c.User, Share: c.Share, Viewer: c.Viewer, Name: c.Name, Permissions: c.Permissions, Origin: c.Origin,
		},
		First: jwt.NewNumericDate(c.Issued), Control: control,
	})
	token.Header["kid"] = k.id
	signed, err := token.SignedString(k.private)
	if err != nil {
		return Ticket{}, fmt.Errorf("signing what lets %s back in: %w", c.Viewer, err)
	}
	return Ticket{signed}, nil
}

// VerifyResume returns what the token says if a gateway of the fleet signed it, it
// is in time, and for session. keyed finds a gateway's key by its id. Errors are as
// Verify's.
func VerifyResume(token string, session streamspace.SessionID, now time.Time, keyed func(id string) (PublicKey, bool)) (Resume, error) {
	if token == "" || len(token) > MaxBytes {
		return Resume{}, fmt.Errorf("%w: %d bytes", ErrInvalid, len(token))
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(resumeAudience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithStrictDecoding(),
	)
	var wire resumeClaims
	_, err := parser.ParseWithClaims(token, &wire, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		key, known := keyed(id)
		if !known {
			return nil, errUnknownKey
		}
		return key.key, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Resume{}, ErrExpired
	case err != nil:
		return Resume{}, fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	}
	claims, err := wire.claims()
	if err != nil {
		return Resume{}, err
	}
	if wire.First == nil || claims.Expires.Sub(claims.Issued) > ResumeLife {
		return Resume{}, fmt.Errorf("%w: it lives longer than %s, or does not say since when", ErrInvalid, ResumeLife)
	}
	if claims.Session != session {
		return Resume{}, ErrSession
	}
	claims.Issued = wire.First.Time
	return Resume{Claims: claims, Control: wire.Control}, nil
}
