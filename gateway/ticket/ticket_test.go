package ticket

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/streamspace/streamspace"
)

// noon is the clock of these tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func mint(t *testing.T, key Key, now time.Time) (Ticket, Claims) {
	t.Helper()
	ticket, claims, err := NewMinter(key, at(now)).Mint(Grant{
		Session: streamspace.NewSessionID(), User: streamspace.NewUserID(), Share: streamspace.NewShareID(), Name: "Ada \"π\" Lovelace",
		Permissions: streamspace.OwnerPermissions, Origin: "https://embed.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	return ticket, claims
}

func TestMintedTicketVerifies(t *testing.T) {
	t.Parallel()
	old, current := NewKey(), NewKey()
	verifier := NewVerifier(at(noon.Add(30*time.Second)), old.Public(), current.Public())
	for _, key := range []Key{old, current} {
		ticket, minted := mint(t, key, noon)
		claims, err := verifier.Verify(ticket.Reveal(), minted.Session)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(claims) != fmt.Sprint(minted) {
			t.Errorf("verified %v, minted %v", claims, minted)
		}
		if !claims.Allows(streamspace.PermissionControl) || claims.Allows("everything") {
			t.Errorf("wrong permissions: %v", claims.Permissions)
		}
	}
}

func TestGuestHasAShareAndNoUser(t *testing.T) {
	t.Parallel()
	key := NewKey()
	minter := NewMinter(key, at(noon))
	grant := Grant{Session: streamspace.NewSessionID(), Share: streamspace.NewShareID(), Name: "Guest", Permissions: []streamspace.Permission{streamspace.PermissionView}}
	ticket, minted, err := minter.Mint(grant)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := NewVerifier(at(noon), key.Public()).Verify(ticket.Reveal(), grant.Session)
	if err != nil || !claims.Guest() || claims.Share != grant.Share || claims.Name != "Guest" || fmt.Sprint(claims) != fmt.Sprint(minted) {
		t.Errorf("verified %v (%v), minted %v", claims, err, minted)
	}
	grant.Name = strings.Repeat("x", MaxName+1)
	if _, _, err := minter.Mint(grant); err == nil {
		t.Error("a name that is too long was minted")
	}
	grant.Name, grant.Share = "", ""
	if _, _, err := minter.Mint(grant); err == nil {
		t.Error("a ticket for nobody was minted")
	}
}

func TestTicketsAfterAWithdrawal(t *testing.T) {
	t.Parallel()
	key, grant := NewKey(), Grant{Session: streamspace.NewSessionID(), User: streamspace.NewUserID()}
	for _, c := range []struct {
		now, after time.Duration // since noon
		issued     time.Duration
	}{
		{300 * time.Millisecond, 200 * time.Millisecond, time.Second}, // the same second: the next one
		{time.Second, 200 * time.Millisecond, time.Second},
		{time.Minute, 0, time.Minute},
		{0, 0, time.Second},
	} {
		grant.After = noon.Add(c.after)
		ticket, claims, err := NewMinter(key, at(noon.Add(c.now))).Mint(grant)
		if err != nil || !claims.Issued.Equal(noon.Add(c.issued)) || claims.Issued.Before(AfterWithdrawal(grant.After)) {
			t.Errorf("%+v: issued %s (%v)", c, claims.Issued, err)
		}
		if _, err := NewVerifier(at(noon.Add(c.now)), key.Public()).Verify(ticket.Reveal(), grant.Session); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	key := NewKey()
	public := key.Public().key
	ticket, minted := mint(t, key, noon)
	good := ticket.Reveal()
	parts := strings.Split(good, ".")
	foreign := NewKey()
	foreign.id = key.id // a stranger's key under our name
	foreignTicket, foreignClaims := mint(t, foreign, noon)
	unknownTicket, unknownClaims := mint(t, NewKey(), noon)

	resign := func(change func(*wireClaims), method jwt.SigningMethod, with any) string {
		var wire wireClaims
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			err = json.Unmarshal(payload, &wire)
		}
		if err != nil {
			t.Fatal(err)
		}
		change(&wire)
		token := jwt.NewWithClaims(method, wire)
		token.Header["kid"] = key.id
		signed, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	nothing := func(*wireClaims) {}
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

	for name, c := range map[string]struct {
		token   string
		session streamspace.SessionID
		now     time.Time
		want    error
	}{
		"empty":              {"", minted.Session, noon, ErrInvalid},
		"huge":               {good + strings.Repeat("A", MaxBytes), minted.Session, noon, ErrInvalid},
		"no JWT":             {"let me in", minted.Session, noon, ErrInvalid},
		"foreign key":        {foreignTicket.Reveal(), foreignClaims.Session, noon, ErrInvalid},
		"unknown key":        {unknownTicket.Reveal(), unknownClaims.Session, noon, ErrInvalid},
		"damaged signature":  {parts[0] + "." + parts[1] + "." + flip(parts[2]), minted.Session, noon, ErrInvalid},
		"no signature":       {parts[0] + "." + parts[1] + ".", minted.Session, noon, ErrInvalid},
		"alg none":           {resign(nothing, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), minted.Session, noon, ErrInvalid},
		"HS256, public key":  {resign(nothing, jwt.SigningMethodHS256, []byte(public)), minted.Session, noon, ErrInvalid},
		"kid is a number":    {header(`{"alg":"EdDSA","kid":7}`) + "." + parts[1] + "." + parts[2], minted.Session, noon, ErrInvalid},
		"other session":      {good, streamspace.NewSessionID(), noon, ErrSession},
		"expired":            {good, minted.Session, noon.Add(Life + Leeway), ErrExpired},
		"not yet valid":      {good, minted.Session, noon.Add(-Leeway - time.Second), ErrInvalid},
		"other audience":     {resign(func(w *wireClaims) { w.Audience = jwt.ClaimStrings{"else"} }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"no expiry":          {resign(func(w *wireClaims) { w.ExpiresAt = nil }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"no date of issue":   {resign(func(w *wireClaims) { w.IssuedAt = nil }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"lives too long":     {resign(func(w *wireClaims) { w.ExpiresAt = jwt.NewNumericDate(noon.Add(time.Hour)) }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"no id":              {resign(func(w *wireClaims) { w.ID = "" }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"no viewer":          {resign(func(w *wireClaims) { w.Viewer = "" }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"nobody":             {resign(func(w *wireClaims) { w.User, w.Share = "", "" }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"long name":          {resign(func(w *wireClaims) { w.Name = strings.Repeat("x", MaxName+1) }, jwt.SigningMethodEdDSA, key.private), minted.Session, noon, ErrInvalid},
		"expired and forged": {parts[0] + "." + parts[1] + "." + flip(parts[2]), minted.Session, noon.Add(time.Hour), ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewVerifier(at(c.now), key.Public()).Verify(c.token, c.session)
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify = %v, want %v", err, c.want)
			}
			for _, part := range strings.Split(c.token, ".") {
				if len(part) > 8 && strings.Contains(err.Error(), part) {
					t.Errorf("the error quotes the token: %v", err)
				}
			}
		})
	}
}

// flip changes bits in the middle of a base64url text and keeps it one.
func flip(s string) string {
	i := len(s) / 2
	replacement := byte('A')
	if s[i] == 'A' {
		replacement = 'B'
	}
	return s[:i] + string(replacement) + s[i+1:]
}

func TestLeewayCoversSkewedClocks(t *testing.T) {
	t.Parallel()
	key := NewKey()
	ticket, minted := mint(t, key, noon)
	for _, now := range []time.Time{noon.Add(-Leeway + time.Second), noon.Add(Life + Leeway - time.Second)} {
		if _, err := NewVerifier(at(now), key.Public()).Verify(ticket.Reveal(), minted.Session); err != nil {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	t.Parallel()
	key := NewKey()
	ticket, _ := mint(t, key, noon)
	secrets := []string{ticket.Reveal(), string(key.private), fmt.Sprintf("%x", []byte(key.private)), fmt.Sprint([]byte(key.private))}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ticket", ticket, "key", key, "pointer", &ticket)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ticket", ticket, "key", key, "pointer", &ticket, "inside", struct{ T Ticket }{ticket})
	printed := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, ticket), fmt.Sprintf(verb, &ticket), fmt.Sprintf(verb, key), fmt.Sprintf(verb, struct{ T Ticket }{ticket}))
	}
	encoded, err := json.Marshal(map[string]any{"ticket": ticket, "key": key})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(printed, string(encoded)) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("printed a secret: %s", text)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	key := NewKey()
	session := streamspace.NewSessionID()
	ticket, _, err := NewMinter(key, at(noon)).Mint(Grant{Session: session, User: streamspace.NewUserID(), Permissions: streamspace.OwnerPermissions})
	if err != nil {
		f.Fatal(err)
	}
	verifier := NewVerifier(at(noon), key.Public())
	f.Add(ticket.Reveal())
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := verifier.Verify(token, session); err == nil && token != ticket.Reveal() {
			t.Errorf("a token that nobody minted passed: %q", token)
		}
	})
}
