package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func load(t *testing.T, args, environ []string) (Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, RoleUp)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, environ, RoleUp)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "streamspace.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExampleIsTheDefaults(t *testing.T) {
	c, err := load(t, []string{"--config", writeFile(t, Example)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("the annotated file gives\n%+v, the defaults are\n%+v", c, want)
	}
	for _, s := range settings {
		if !strings.Contains(Example, "\n"+s.key+":") && !strings.Contains(Example, "\n# "+s.key+":") {
			t.Errorf("the annotated file lacks %s", s.key)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "listen: 127.0.0.1:1\nlog-level: debug\nallowed-origins: [https://a.example, https://b.example]\ntls-self-signed: true\n")
	c, err := load(t, []string{"--listen=127.0.0.1:3"}, []string{
		"STREAMSPACE_CONFIG=" + file, "STREAMSPACE_LISTEN=127.0.0.1:2", "STREAMSPACE_LOG_LEVEL=warn", "HOME=/x",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.LogLevel != "warn" || len(c.AllowedOrigins) != 2 || !c.TLSSelfSigned {
		t.Errorf("got %+v", c)
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	file := writeFile(t, "lissten: 127.0.0.1:1\nmax-viewers: none\nlog-format: {a: b}\nsessions-per-user: 0\n")
	_, err := load(t, []string{"--config", file, "--tls-cert", "/no/such/cert", "--shutdown-timeout", "soon"},
		[]string{"STREAMSPACE_DATADIR=/x", "STREAMSPACE_TRUSTED_PROXIES=10.0.0.1", "STREAMSPACE_POSTGRES_URL=mysql://u:hunter2@h/db"})
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{
		":1: lissten: no such setting", ":2: max-viewers: \"none\" is not a number", ":3: log-format: a mapping is not expected",
		":4: sessions-per-user", "STREAMSPACE_DATADIR: no such setting (did you mean data-dir?)", "STREAMSPACE_TRUSTED_PROXIES: \"10.0.0.1\" is not a network",
		"STREAMSPACE_POSTGRES_URL: not a postgres:// URL", "--shutdown-timeout: \"soon\"", "tls-cert and tls-key belong together", "tls-cert: stat /no/such/cert",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the report lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the report shows a password")
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, text := range []string{"listen: [", "- a\n- b\n", "just words", "a: b: c", "\x00"} {
		if _, err := load(t, []string{"--config", writeFile(t, text)}, nil); err == nil {
			t.Errorf("%q passed", text)
		}
	}
	if _, err := load(t, []string{"--config", writeFile(t, "# nothing\n")}, nil); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
	if _, err := load(t, []string{"--config", "/no/such/file"}, nil); err == nil {
		t.Error("a missing file passed")
	}
}
