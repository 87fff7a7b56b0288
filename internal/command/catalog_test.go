package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCatalog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	const text = "name: mine\ndisplayName: Mine\ndescription: Of my own.\ncategory: Tests\nicon: science\ncommand: [xclock]\npackages: [x11-apps]\nnetwork: none\n"
	if err := os.WriteFile(filepath.Join(mine, "mine.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.Mkdir(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "x.yaml"), []byte("name: X\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string // in what is printed
	}{
		{"catalog list", exitOK, "debian-xfce"},
		{"catalog list --template-dir " + mine, exitOK, "xclock"},
		{"catalog list --template-dir " + broken, exitMistaken, "displayName"},
		{"catalog template mine --template-dir " + mine + " --registry r.example --tag 3", exitOK, "image: r.example/desktop-mine:3"},
		{"catalog template nosuch", exitFailure, "nosuch"},
		{"catalog recipes " + filepath.Join(dir, "out") + " mine --template-dir " + mine, exitOK, ""},
		{"catalog recipes", exitFailure, "arg"},
		{"catalog sbom " + dir, exitFailure, "installed"},
		{"setup --namespace x --name NO", exitMistaken, "--name"},
	} {
		var out bytes.Buffer
		if code := Main(strings.Fields(c.args), &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: exit code %d, and:\n%s", c.args, code, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "desktop", "mine", "Containerfile")); err != nil {
		t.Error(err)
	}
}
