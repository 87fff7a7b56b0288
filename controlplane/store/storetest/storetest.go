// Package storetest gives each test a database of its own on one real,
// private PostgreSQL per test process.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
//
// which also checks that no goroutine is left.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/postgres"
)

const (
	prefix   = "streamspace-storetest-"
	template = "template_streamspace"
)

// server is the one of this test process. The tests of one process share it,
// so it is the package's, and Main ends it.
var server struct {
	main    atomic.Bool // Main runs
	start   sync.Once
	err     error
	stop    func() // ends the server and removes its folder
	janitor func() // ends the shell that would
	pg      *postgres.Server
	count   atomic.Int64
}

// Main runs the tests, stops the server, and exits. It fails the run when
// goroutines are left.
func Main(m *testing.M) {
	code := Run(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Run runs the tests and stops the server, where more than that is to be done in
// TestMain. It returns what to exit with.
func Run(m *testing.M) int {
	server.main.Store(true)
	code := m.Run()
	if server.stop != nil {
		server.stop()
	}
	if server.janitor != nil {
		server.janitor()
	}
	return code
}

// New returns a migrated, empty store that the test has to itself.
func New(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), URL(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("opening the test's database: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// URL returns the address of a migrated, empty database that the test has to
// itself, for tests that open several stores on it.
func URL(t testing.TB) string {
	t.Helper()
	return database(t, template)
}

// BlankURL is URL without any table.
func BlankURL(t testing.TB) string {
	t.Helper()
	return database(t, "template0")
}

func database(t testing.TB, from string) string {
	t.Helper()
	if !server.main.Load() {
		t.Fatal("the package's TestMain does not call storetest.Main")
	}
	server.start.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("starting a private PostgreSQL for tests: %v", server.err)
	}
	name := fmt.Sprintf("test_%d", server.count.Add(1))
	if err := admin(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		t.Fatalf("making the test's database: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return to(name)
}

func start() error {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return err
	}
	if err := removeWithUs(dir); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // as root, PostgreSQL runs as another account
		return err
	}
	pg, err := postgres.New(context.Background(), postgres.Options{Dir: filepath.Join(dir, "pg"), Log: slog.New(slog.DiscardHandler), Volatile: true})
	if err != nil {
		return err
	}
	server.pg = pg
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pg.Run(ctx) }()
	server.stop = func() {
		cancel()
		<-ended
		os.RemoveAll(dir)
	}
	select {
	case err := <-ended:
		ended <- err
		return err
	case <-pg.Ready():
	}
	if err := admin(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	migrated, err := store.Open(ctx, to(template), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	migrated.Close()
	return nil
}

// admin runs one statement outside of any test's database.
func admin(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, to("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func to(db string) string {
	u, err := url.Parse(server.pg.URL())
	if err != nil {
		panic(err) // our own URL
	}
	u.Path = "/" + db
	return u.String()
}

// removeWithUs starts a shell that removes dir once this process is gone,
// however it ends: by a panic, a time limit, or a kill. The server, told by
// its parent-death signal, may write a little longer.
func removeWithUs(dir string) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	const script = `read -r _; n=0; until rm -rf "$0" && [ ! -e "$0" ] || [ $n -ge 300 ]; do n=$((n+1)); sleep 0.1; done`
	cmd := exec.Command("/bin/sh", "-c", script, dir)
	cmd.Dir = "/"
	cmd.Stdin = ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	if err := cmd.Start(); err != nil {
		return errors.Join(err, theirs.Close())
	}
	server.janitor = func() {
		theirs.Close() // the shell wakes, and finds nothing left to do
		cmd.Wait()
	}
	return nil
}
