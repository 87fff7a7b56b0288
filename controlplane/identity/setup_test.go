package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

func TestEnsureAdminByLink(t *testing.T) {
	w := newWorld(t)
	if required, err := w.SetupRequired(t.Context()); err != nil || !required {
		t.Fatalf("before: %v, %v", required, err)
	}
	old, err := w.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	link, err := w.EnsureAdmin(t.Context(), "")
	if err != nil || link.Token == old.Token {
		t.Fatalf("the second start: %v", err)
	}
	if url := link.URL("https://desk.example/"); url != "https://desk.example/setup#token="+link.Token {
		t.Errorf("the link is %s", url)
	}
	if _, err := w.CompleteSetup(t.Context(), visitor, old.Token, password); err != ErrUnauthenticated {
		t.Errorf("the first start's link: %v", err)
	}
	var policy *PolicyError
	if _, err := w.CompleteSetup(t.Context(), visitor, link.Token, "admin"); !errors.As(err, &policy) {
		t.Errorf("a bad password: %v", err)
	}
	in, err := w.CompleteSetup(t.Context(), visitor, link.Token, password)
	if err != nil || in.Principal.Username != "admin" || !in.Principal.Admin() {
		t.Fatalf("a bad password must not use up the link: %+v, %v", in.Principal, err)
	}
	if _, err := w.CompleteSetup(t.Context(), visitor, link.Token, another); err != ErrUnauthenticated {
		t.Errorf("a used link: %v", err)
	}
	if required, err := w.SetupRequired(t.Context()); err != nil || required {
		t.Errorf("after: %v, %v", required, err)
	}
	if link, err := w.EnsureAdmin(t.Context(), ""); link != nil || err != nil {
		t.Errorf("a start after setup: %v, %v", link, err)
	}
	w.signIn("admin")
}

func TestSetupLinksExpire(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	_, link, err := w.CreateAccount(t.Context(), root, NewAccount{Username: "ada", Role: streamspace.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	before := w.hashes()
	w.clock.add(inviteLife)
	if _, err := w.CompleteSetup(t.Context(), visitor, link.Token, password); err != ErrUnauthenticated {
		t.Errorf("after %s: %v", inviteLife, err)
	}
	if w.hashes() != before {
		t.Error("an expired link costs a hash")
	}
}

func TestSetupLinkOfADisabledAccount(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	ada := w.account(root, "ada", streamspace.RoleUser)
	link, err := w.CreateSetupLink(t.Context(), root, ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	if _, err := w.ChangeAccount(t.Context(), root, ada.ID, AccountChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CompleteSetup(t.Context(), visitor, link.Token, another); err != ErrUnauthenticated {
		t.Errorf("a link of a disabled account: %v", err)
	}
}

// A link that resets a password ends what the old one opened.
func TestSetupLinkEndsLogins(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	ada := w.account(root, "ada", streamspace.RoleUser)
	thief := w.signIn("ada")
	link, err := w.CreateSetupLink(t.Context(), root, ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.CompleteSetup(t.Context(), visitor, link.Token, another); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, thief.Token); err != ErrUnauthenticated {
		t.Errorf("a login from before: %v", err)
	}
}

func TestSetupLinkIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	link, err := w.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var wins sync.Map
	var racers sync.WaitGroup
	for n := range 8 {
		racers.Go(func() {
			_, err := w.CompleteSetup(t.Context(), visitor, link.Token, password)
			if err == nil {
				wins.Store(n, true)
			} else if err != ErrUnauthenticated {
				t.Errorf("racer %d: %v", n, err)
			}
		})
	}
	racers.Wait()
	count := 0
	wins.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d of 8 used the link", count)
	}
}

func TestEnsureAdminByFile(t *testing.T) {
	dir := t.TempDir()
	file := func(t *testing.T, text string, mode os.FileMode) string {
		path := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string // in the error; empty: none
	}{
		{"plain", password, 0o600, ""},
		{"line end", password + "\n", 0o640, ""},
		{"dos line end", password + "\r\n", 0o400, ""},
		{"readable by all", password, 0o644, "chmod 600"},
		{"writable by the group", password, 0o660, "chmod 600"},
		{"short", "tiny pw\n", 0o600, "shorter than 10"},
		{"common", "password123\n", 0o600, "most common"},
		{"empty", "", 0o600, "shorter than 10"},
		{"huge", strings.Repeat("abcdefgh", 1000), 0o600, "longer than 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			link, err := w.EnsureAdmin(t.Context(), file(t, c.text, c.mode))
			if link != nil {
				t.Error("a link beside a password file")
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v does not tell of %q", err, c.want)
				}
				if c.text != "" && strings.Contains(err.Error(), strings.TrimSpace(c.text)) {
					t.Error("the error repeats the password")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.signIn("admin")
		})
	}
	t.Run("changed passwords stay", func(t *testing.T) {
		w := newWorld(t)
		w.root()
		if link, err := w.EnsureAdmin(t.Context(), file(t, another, 0o600)); link != nil || err != nil {
			t.Fatalf("%v, %v", link, err)
		}
		w.signIn("admin")
	})
	t.Run("missing", func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.EnsureAdmin(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
	t.Run("folder", func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.EnsureAdmin(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%v", err)
		}
	})
}

func TestEnsureAdminBySeveralProcesses(t *testing.T) {
	w := newWorld(t)
	var starts sync.WaitGroup
	for range 6 {
		starts.Go(func() {
			if _, err := w.EnsureAdmin(t.Context(), ""); err != nil {
				t.Errorf("EnsureAdmin: %v", err)
			}
		})
	}
	starts.Wait()
	if count, err := w.store.CountUsers(t.Context()); err != nil || count != 1 {
		t.Errorf("%d users, %v", count, err)
	}
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	ada := w.account(root, "Ada.Lovelace", streamspace.RoleUser)
	if ada.Username != "ada.lovelace" || ada.DisplayName != "Ada.Lovelace" {
		t.Errorf("made %+v", ada)
	}
	secret := password
	if _, _, err := w.CreateAccount(t.Context(), root, NewAccount{Username: "ADA.LOVELACE", Role: streamspace.RoleUser, Password: &secret}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same name: %v", err)
	}
	if _, _, err := w.CreateAccount(t.Context(), root, NewAccount{Username: "no spaces", Role: streamspace.RoleUser}); !errors.Is(err, ErrUsername) {
		t.Errorf("an impossible name: %v", err)
	}
	yes, no, user, admin := true, false, streamspace.RoleUser, streamspace.RoleAdmin
	if _, err := w.ChangeAccount(t.Context(), root, root.ID, AccountChange{Disabled: &yes}); !errors.Is(err, ErrSelf) {
		t.Errorf("disabling oneself: %v", err)
	}
	if _, err := w.ChangeAccount(t.Context(), root, root.ID, AccountChange{Role: &user}); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("demoting the last administrator: %v", err)
	}
	if _, err := w.DeleteAccount(t.Context(), root, root.ID); !errors.Is(err, ErrSelf) {
		t.Errorf("deleting oneself: %v", err)
	}
	in := w.signIn("ada.lovelace")
	_, key, err := w.CreateAPIKey(t.Context(), in.Principal, "bot", 0)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := w.ChangeAccount(t.Context(), root, ada.ID, AccountChange{Disabled: &yes}); err != nil || !changed.Disabled || changed.Role != streamspace.RoleUser {
		t.Fatalf("disabled: %+v, %v", changed, err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, in.Token); err != ErrUnauthenticated {
		t.Errorf("login of a disabled account: %v", err)
	}
	if _, err := w.ByAPIKey(t.Context(), visitor, key); err != ErrUnauthenticated {
		t.Errorf("key of a disabled account: %v", err)
	}
	if changed, err := w.ChangeAccount(t.Context(), root, ada.ID, AccountChange{Disabled: &no, Role: &admin}); err != nil || changed.Disabled || changed.Role != streamspace.RoleAdmin {
		t.Fatalf("enabled: %+v, %v", changed, err)
	}
	if _, err := w.ByAPIKey(t.Context(), visitor, key); err != nil {
		t.Errorf("key of an enabled account: %v", err)
	}
	if _, err := w.DeleteAccount(t.Context(), root, ada.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Account(t.Context(), ada.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted account: %v", err)
	}
	if _, err := w.DeleteAccount(t.Context(), root, ada.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	w.account(w.root(), "ada", streamspace.RoleUser)
	here, elsewhere := w.signIn("ada"), w.signIn("ada")
	change := func(current, next string) error { return w.ChangePassword(t.Context(), here.Principal, current, next) }
	var policy *PolicyError
	if err := change(password, "short"); !errors.As(err, &policy) {
		t.Errorf("a short one: %v", err)
	}
	if err := change(another, another); err != ErrWrongPassword {
		t.Errorf("a wrong current one: %v", err)
	}
	if err := change(password, another); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, here.Token); err != nil {
		t.Errorf("the login that changed it: %v", err)
	}
	if _, err := w.ByLogin(t.Context(), visitor, elsewhere.Token); err != ErrUnauthenticated {
		t.Errorf("another login: %v", err)
	}
	if _, err := w.SignIn(t.Context(), visitor, "ada", password); err != ErrUnauthenticated {
		t.Errorf("the old password: %v", err)
	}
	if _, err := w.SignIn(t.Context(), visitor, "ada", another); err != nil {
		t.Errorf("the new password: %v", err)
	}
	var throttled *ThrottledError
	for n := 0; !errors.As(change(password, another), &throttled); n++ {
		if n > freeUserFailures+1 {
			t.Fatal("guessing the current password is not throttled")
		}
	}
	w.clock.add(time.Hour)
	if err := change(another, password); err != nil {
		t.Errorf("after the block: %v", err)
	}
}
