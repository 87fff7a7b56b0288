package postgres

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dataDir is a folder that PostgreSQL's account can reach, which t.TempDir is
// not for root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamspace-pg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

func start(t *testing.T, dir string) (s *Server, stop func() error) {
	t.Helper()
	s, err := New(t.Context(), Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { stop() })
	select {
	case <-s.Ready():
	case err := <-ended:
		ended <- err
		t.Fatalf("the server ended: %v", err)
	}
	return s, stop
}

func query(t *testing.T, s *Server, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var text string
	err = conn.QueryRow(ctx, sql).Scan(&text)
	return text, err
}

func postmaster(t *testing.T, s *Server) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestDataOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	if _, err := query(t, s, "WITH made AS (SELECT lo_create(4711)) SELECT lo_create::text FROM made"); err != nil {
		t.Fatal(err) // a large object: the one thing that a single SELECT can leave behind
	}
	pid := postmaster(t, s)
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is left: %v", pid, err)
	}
	again, _ := start(t, dir)
	if got, err := query(t, again, "SELECT count(*)::text FROM pg_largeobject_metadata WHERE oid = 4711"); got != "1" || err != nil {
		t.Errorf("after a restart: %q objects, %v", got, err)
	}
}

func TestItComesBackWhenKilled(t *testing.T) {
	t.Parallel()
	s, _ := start(t, dataDir(t))
	old := postmaster(t, s)
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := query(t, s, "SELECT 'up'"); err == nil && postmaster(t, s) != old {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("it did not come back: %v", err)
		}
	}
}

func TestALeftoverServerIsStopped(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, _ := start(t, dir)
	pid := postmaster(t, s)
	second, err := New(t.Context(), Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	if second.isOurs(pid) {
		t.Errorf("process %d still serves the folder", pid)
	}
}

func TestOnlyThePasswordOpensIt(t *testing.T) {
	t.Parallel()
	s, _ := start(t, dataDir(t))
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), s.password, "guessed", 1)); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a wrong password: %v", err)
	}
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder: %v, %v", info.Mode(), err)
	}
}

func TestAnotherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
		t.Errorf("got %v", err)
	}
}

func TestADyingServerIsGivenUpWithItsLastWords(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	stop()
	// A cluster without its control file cannot start.
	if err := os.Remove(filepath.Join(s.data, "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	broken, err := New(t.Context(), Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	err = broken.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("got %v", err)
	}
}
