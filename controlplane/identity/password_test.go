package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username, password string
		ok                       bool
	}{
		{"a phrase", "ada", "purple monkey dishwasher", true},
		{"ten characters", "ada", "abcdefg123", true},
		{"ten characters of more bytes", "ada", "größeräöüß", true},
		{"nine", "ada", "abcdefg12", false},
		{"empty", "ada", "", false},
		{"the longest", "ada", strings.Repeat("abcd", 64), true},
		{"too long", "ada", strings.Repeat("abcd", 64) + "e", false},
		{"the username", "ada.lovelace", "Ada.Lovelace", false},
		{"common", "ada", "Password123", false},
		{"few characters", "ada", "aaaaaaaabbbb", false},
		{"no UTF-8", "ada", "abcdefgh\xff\xfeij", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := CheckPassword(c.username, c.password)
			if (err == nil) != c.ok {
				t.Fatalf("CheckPassword: %v", err)
			}
			var policy *PolicyError
			if err != nil && !errors.As(err, &policy) {
				t.Errorf("%T is no PolicyError", err)
			}
			if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Error("the error repeats the password")
			}
		})
	}
}

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	p := newPasswords(cheap)
	phc, err := p.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash %q is not PHC", phc)
	}
	again, _ := p.hash(t.Context(), password)
	if again == phc {
		t.Error("two hashes are equal: there is no salt")
	}
	for _, c := range []struct {
		password     string
		match, stale bool
		verifier     *passwords
	}{
		{password, true, false, p},
		{password + " ", false, false, p},
		{"", false, false, p},
		{password, true, true, newPasswords(Cost{MemoryKiB: 128, Passes: 1, Lanes: 1})},
	} {
		match, stale, err := c.verifier.verify(t.Context(), &phc, c.password)
		if err != nil || match != c.match || stale != c.stale {
			t.Errorf("verify %q: match %v, stale %v, %v", c.password, match, stale, err)
		}
	}
	if match, _, err := p.verify(t.Context(), nil, ""); match || err != nil {
		t.Errorf("verify against nobody: %v, %v", match, err)
	}
}

// A flood of sign-ins takes the memory of maxHashing hashes and no more, and
// those that would wait too long are refused.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	p := newPasswords(cheap)
	for range maxHashing {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range cap(p.queue) {
		go func() {
			_, err := p.hash(ctx, password)
			ended <- err
		}()
	}
	for len(p.queue) < cap(p.queue) { // until all wait
		if t.Context().Err() != nil {
			t.Fatal("the queue does not fill")
		}
	}
	if _, err := p.hash(t.Context(), password); !errors.Is(err, ErrBusy) {
		t.Errorf("a hash beyond the queue: %v, want ErrBusy", err)
	}
	cancel()
	for range cap(p.queue) {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a waiting hash ended with %v", err)
		}
	}
	if len(p.queue) != 0 {
		t.Errorf("%d places are not given back", len(p.queue))
	}
}

func FuzzDecodePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$6W4y3mCWh4xY0yT0Q2Gx0w1m4l2qk3b3m1n0o9p8q7r")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAA$AAAA")
	f.Add("$argon2i$v=19$m=64,t=1,p=1$$")
	f.Add("")
	f.Fuzz(func(t *testing.T, phc string) {
		cost, salt, key, err := decodePHC(phc)
		if err != nil {
			return
		}
		if cost.MemoryKiB > maxStoredMemoryKiB || cost.Passes > maxStoredPasses || cost.Passes == 0 || cost.Lanes == 0 || len(salt) < 8 || len(key) != hashBytes {
			t.Errorf("%q passes as %+v", phc, cost)
		}
		back, _, _, err := decodePHC(encodePHC(cost, salt, key))
		if err != nil || back != cost {
			t.Errorf("%q does not survive: %+v, %v", phc, back, err)
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add(newToken())
	f.Add(KeyPrefix + newToken())
	f.Add("")
	f.Add(strings.Repeat("A", tokenChars))
	f.Fuzz(func(t *testing.T, text string) {
		if hash, ok := hashToken(text); ok && (len(hash) != 32 || len(text) != tokenChars) {
			t.Errorf("%q passes as a token", text)
		}
		if _, ok := hashKey(text); ok && !strings.HasPrefix(text, KeyPrefix) {
			t.Errorf("%q passes as a key", text)
		}
		if !ValidCSRFToken(text, CSRFToken(text)) || ValidCSRFToken(text, "") || ValidCSRFToken(text, CSRFToken(text+"x")) {
			t.Errorf("CSRF tokens of %q", text)
		}
	})
}
