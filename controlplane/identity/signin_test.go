package identity

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	in, err := w.SignIn(t.Context(), visitor, " ADA ", password)
	if err != nil {
		t.Fatal(err)
	}
	if in.Principal.Username != "ada" || in.Principal.Login == "" || in.Principal.LastLoginAt == nil {
		t.Errorf("signed in as %+v", in.Principal)
	}
	p, err := w.ByLogin(t.Context(), visitor, in.Token)
	if err != nil || p.ID != in.Principal.ID || p.Login != in.Principal.Login {
		t.Errorf("the token belongs to %+v, %v", p, err)
	}
	logins, err := w.Logins(t.Context(), p)
	if err != nil || len(logins) != 1 || logins[0].UserAgent != visitor.UserAgent || logins[0].RemoteAddr != visitor.RemoteAddr {
		t.Fatalf("logins: %+v, %v", logins, err)
	}
	if bytes.Contains(logins[0].TokenHash, []byte(in.Token)) || len(logins[0].TokenHash) != 32 {
		t.Error("the token itself is stored")
	}
	if !slices.Contains(w.trail(), "ada login.create ok") {
		t.Errorf("audit trail: %q", w.trail())
	}
}

// Whoever cannot sign in gets the same answer for the same work.
func TestEveryFailureIsAlike(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.account(root, "ada", streamspace.RoleUser)
	disabled := w.account(root, "disabled", streamspace.RoleUser)
	yes := true
	if _, err := w.ChangeAccount(t.Context(), root, disabled.ID, AccountChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.CreateAccount(t.Context(), root, NewAccount{Username: "invited", Role: streamspace.RoleUser}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, username, password string }{
		{"wrong password", "ada", another},
		{"unknown", "nobody", password},
		{"impossible name", "no\x00body", password},
		{"empty name", "", password},
		{"disabled", "disabled", password},
		{"no password yet", "invited", ""},
		{"too long", "ada", string(bytes.Repeat([]byte("x"), 1000))},
	} {
		before := w.hashes()
		if _, err := w.SignIn(t.Context(), visitor, c.username, c.password); err != ErrUnauthenticated {
			t.Errorf("%s: %v", c.name, err)
		}
		if did := w.hashes() - before; did != 1 {
			t.Errorf("%s: %v hashes were computed, want 1", c.name, did)
		}
	}
	if got := testutil.ToFloat64(w.signIns.WithLabelValues("denied")); got != 7 {
		t.Errorf("denied sign-ins: %v", got)
	}
	for _, line := range w.trail() {
		if line == "nobody login.create denied" {
			t.Error("the audit trail keeps what was typed as a name")
		}
	}
}

func TestThrottleOfAnAccount(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	addr := 0
	attempt := func(password string) error { // each from another address
		addr++
		_, err := w.SignIn(t.Context(), Visitor{RemoteAddr: fmt.Sprintf("192.0.2.%d", addr)}, "ada", password)
		return err
	}
	for n := range freeUserFailures + 1 {
		if err := attempt(another); err != ErrUnauthenticated {
			t.Fatalf("failure %d: %v", n+1, err)
		}
	}
	for _, wait := range []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		before := w.hashes()
		var throttled *ThrottledError
		if err := attempt(password); !errors.As(err, &throttled) || throttled.RetryAfter != wait {
			t.Fatalf("while blocked: %v, want a wait of %s", err, wait)
		}
		if w.hashes() != before {
			t.Error("a blocked attempt was tried")
		}
		w.clock.add(wait)
		if err := attempt(another); err != ErrUnauthenticated {
			t.Fatalf("after %s: %v", wait, err)
		}
	}
	// The block outlives the process.
	w.Identity = New(Options{Store: w.store, Now: w.clock.now, Cost: cheap})
	var throttled *ThrottledError
	if err := attempt(password); !errors.As(err, &throttled) || throttled.RetryAfter != 16*time.Second {
		t.Fatalf("after a restart: %v", err)
	}
	w.clock.add(16 * time.Second)
	if err := attempt(password); err != nil {
		t.Fatalf("the right password after the block: %v", err)
	}
	for n := range freeUserFailures { // a success clears the count
		if err := attempt(another); err != ErrUnauthenticated {
			t.Fatalf("failure %d after a success: %v", n+1, err)
		}
	}
	if err := attempt(password); err != nil {
		t.Errorf("after few failures: %v", err)
	}
}

func TestThrottleOfAnAddress(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	attempt := func(v Visitor, name, password string) error {
		_, err := w.SignIn(t.Context(), v, name, password)
		return err
	}
	guesser := Visitor{RemoteAddr: "2001:db8::1"}
	for n := range freeAddrFailures + 1 {
		if err := attempt(guesser, fmt.Sprintf("user%d", n), another); err != ErrUnauthenticated {
			t.Fatalf("failure %d: %v", n+1, err)
		}
		if n == freeAddrFailures/2 { // an own account does not clear the count
			if err := attempt(guesser, "ada", password); err != nil {
				t.Fatal(err)
			}
		}
	}
	var throttled *ThrottledError
	if err := attempt(Visitor{RemoteAddr: "2001:db8::ffff"}, "ada", password); !errors.As(err, &throttled) {
		t.Errorf("another address of the same /64: %v", err)
	}
	if err := attempt(visitor, "ada", password); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.clock.add(forgetFailures + time.Hour)
	if err := attempt(guesser, "user0", another); err != ErrUnauthenticated {
		t.Errorf("a day later: %v", err)
	}
	if err := attempt(guesser, "ada", password); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestBlockIsBounded(t *testing.T) {
	t.Parallel()
	for _, k := range throttleKeys("ada", "192.0.2.1") {
		if k.block(k.free) != 0 || k.block(k.free+1) != time.Second || k.block(k.free+1000000) != k.most {
			t.Errorf("%s: %s, %s, %s", k.key, k.block(k.free), k.block(k.free+1), k.block(k.free+1000000))
		}
	}
}

// Guesses at the same moment are counted before any is tried.
func TestParallelGuesses(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	before := w.hashes()
	var guesses sync.WaitGroup
	for n := range 60 {
		guesses.Go(func() {
			if _, err := w.SignIn(t.Context(), Visitor{RemoteAddr: fmt.Sprintf("192.0.2.%d", n)}, "ada", another); err == nil {
				t.Error("a wrong password passed")
			}
		})
	}
	guesses.Wait()
	if tried := w.hashes() - before; tried != freeUserFailures+1 {
		t.Errorf("%v guesses were tried, want %d", tried, freeUserFailures+1)
	}
}

func TestHashIsRenewedAtAnotherCost(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	w.Identity = New(Options{Store: w.store, Now: w.clock.now, Cost: Cost{MemoryKiB: 128, Passes: 2, Lanes: 1}})
	w.signIn("ada")
	user, err := w.store.UserByName(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if cost, _, _, err := decodePHC(*user.PasswordHash); err != nil || cost.MemoryKiB != 128 {
		t.Errorf("stored at %+v, %v", cost, err)
	}
	before := w.hashes()
	w.signIn("ada")
	if w.hashes()-before != 1 {
		t.Error("a fresh hash was renewed again")
	}
}

func TestLoginsExpire(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	in := w.signIn("ada")
	by := func() error {
		_, err := w.ByLogin(t.Context(), visitor, in.Token)
		return err
	}
	for day := range int(LoginMax/(24*time.Hour)) - 1 { // used daily it slides
		w.clock.add(24 * time.Hour)
		if err := by(); err != nil {
			t.Fatalf("day %d: %v", day+1, err)
		}
	}
	w.clock.add(24 * time.Hour) // but not for ever
	if err := by(); err != ErrUnauthenticated {
		t.Errorf("after %s: %v", LoginMax, err)
	}
	in = w.signIn("ada")
	w.clock.add(LoginIdle)
	if err := by(); err != ErrUnauthenticated {
		t.Errorf("unused for %s: %v", LoginIdle, err)
	}
}

func TestLoginsAreRevoked(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.account(root, "ada", streamspace.RoleUser)
	first, second := w.signIn("ada"), w.signIn("ada")
	if err := w.RevokeLogin(t.Context(), root, first.Principal.Login); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("somebody else's login: %v", err)
	}
	if err := w.RevokeLogin(t.Context(), second.Principal, first.Principal.Login); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, first.Token); err != ErrUnauthenticated {
		t.Errorf("a revoked login: %v", err)
	}
	if alive, err := w.Alive(t.Context(), first.Principal); alive || err != nil {
		t.Errorf("a revoked login is alive: %v, %v", alive, err)
	}
	if alive, err := w.Alive(t.Context(), second.Principal); !alive || err != nil {
		t.Errorf("the other login: %v, %v", alive, err)
	}
	if err := w.SignOut(t.Context(), second.Principal); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, second.Token); err != ErrUnauthenticated {
		t.Errorf("after signing out: %v", err)
	}
	for range maxLogins + 5 {
		w.clock.add(time.Second)
		w.signIn("ada")
	}
	if logins, err := w.Logins(t.Context(), second.Principal); err != nil || len(logins) != maxLogins {
		t.Errorf("%d logins, %v", len(logins), err)
	}
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	row, key, err := w.CreateAPIKey(t.Context(), root, "bot", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if row.LastUsedAt != nil || len(key) != len(KeyPrefix)+tokenChars {
		t.Errorf("a new key: %+v", row)
	}
	p, err := w.ByAPIKey(t.Context(), visitor, key)
	if err != nil || p.ID != root.ID || p.Key != row.ID || p.Login != "" {
		t.Fatalf("the key belongs to %+v, %v", p, err)
	}
	used := w.clock.now()
	w.clock.add(seenEvery - time.Second) // noted lazily
	if _, err := w.ByAPIKey(t.Context(), visitor, key); err != nil {
		t.Fatal(err)
	}
	keys, err := w.APIKeys(t.Context(), root)
	if err != nil || len(keys) != 1 || !keys[0].LastUsedAt.Equal(used) {
		t.Errorf("keys: %+v, %v", keys, err)
	}
	for _, wrong := range []string{"", "ssk_", key[:len(key)-1], key + "A", "SSK_" + key[4:], KeyPrefix + newToken()} {
		if _, err := w.ByAPIKey(t.Context(), visitor, wrong); err != ErrUnauthenticated {
			t.Errorf("key %q: %v", wrong, err)
		}
	}
	w.clock.add(time.Hour)
	if _, err := w.ByAPIKey(t.Context(), visitor, key); err != ErrUnauthenticated {
		t.Errorf("an expired key: %v", err)
	}
	row, key, err = w.CreateAPIKey(t.Context(), root, "bot 2", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteAPIKey(t.Context(), root, row.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByAPIKey(t.Context(), visitor, key); err != ErrUnauthenticated {
		t.Errorf("a deleted key: %v", err)
	}
	for n := 1; n < maxAPIKeys; n++ {
		if _, _, err := w.CreateAPIKey(t.Context(), root, "many", 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.CreateAPIKey(t.Context(), root, "too many", 0); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("key %d: %v", maxAPIKeys+1, err)
	}
}
