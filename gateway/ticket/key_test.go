package ticket

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrCreateKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ticket.key")
	created, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if created.ID() != loaded.ID() || !created.private.Equal(loaded.private) {
		t.Errorf("the second start has another key")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %o", info.Mode().Perm())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("creating left %d files (%v), want 1", len(entries), err)
	}
}

func TestLoadOrCreateKeyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ticket.key")
	ids := make([]string, 8)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			key, err := LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
			}
			ids[i] = key.ID()
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two processes hold different keys: %v", ids)
		}
	}
}

func TestLoadOrCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good")
	if _, err := LoadOrCreateKey(good); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	public, err := EncodePublicKeys(NewKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		write("world", string(text), 0o604):        "mode 0604",
		write("group", string(text), 0o640):        "mode 0640",
		write("empty", "", 0o600):                  "no PEM block",
		write("public", string(public), 0o600):     "no PEM block",
		write("cut", string(text[:60]), 0o600):     "no PEM block",
		dir:                                        "not a key file",
		filepath.Join(dir, "no", "such", "folder"): "creating ticket key",
	} {
		if _, err := LoadOrCreateKey(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		} else if strings.Contains(err.Error(), strings.Split(string(text), "\n")[1]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func TestPublicKeysRoundTrip(t *testing.T) {
	t.Parallel()
	a, b := NewKey(), NewKey()
	text, err := EncodePublicKeys(a.Public(), b.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParsePublicKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].ID() != a.ID() || keys[1].ID() != b.ID() {
		t.Fatalf("read %v", keys)
	}
	ticket, claims := mint(t, b, noon)
	if _, err := NewVerifier(at(noon), keys...).Verify(ticket.Reveal(), claims.Session); err != nil {
		t.Error(err)
	}
	if _, err := ParsePublicKeys([]byte("nothing")); err == nil {
		t.Error("no key at all was accepted")
	}
}
