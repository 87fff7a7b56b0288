package postgres

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(superviseDir); dir != "" {
		superviseForATest(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

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

func prepare(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := New(t.Context(), Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a server until stop, which returns what Run returned.
func start(t *testing.T, dir string) (s *Server, stop func() error) {
	t.Helper()
	s = prepare(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	select {
	case <-s.Ready():
	case err := <-ended:
		ended <- err
		t.Fatalf("the server ended: %v", err)
	case <-time.After(patience):
		t.Fatal("the server does not come up")
	}
	return s, stop
}

func query(t *testing.T, s *Server, sql string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience/2) // who asks a server that falls has time to ask again
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL()+"&synchronous_commit=on") // a volatile server else forgets the last 200 ms
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var text string
	err = conn.QueryRow(ctx, sql).Scan(&text)
	return text, err
}

// mark leaves something in the database: a large object is the one thing that
// a single SELECT can.
func mark(t *testing.T, s *Server) {
	t.Helper()
	if _, err := query(t, s, "SELECT lo_create(4711)::text"); err != nil {
		t.Fatal(err)
	}
}

func expectMark(t *testing.T, s *Server) {
	t.Helper()
	if got, err := query(t, s, "SELECT count(*)::text FROM pg_largeobject_metadata WHERE oid = 4711"); got != "1" || err != nil {
		t.Errorf("what was written is gone: %q, %v", got, err)
	}
}

func postmaster(t *testing.T, data string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive is false for a zombie too, which whoever adopted it has yet to reap.
func alive(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(cmdline) > 0
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func TestDataOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	mark(t, s)
	pid := postmaster(t, s.data)
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if alive(pid) {
		t.Errorf("process %d is left", pid)
	}
	again, _ := start(t, dir)
	expectMark(t, again)
}

func TestItComesBackWhenKilled(t *testing.T) {
	t.Parallel()
	s, _ := start(t, dataDir(t))
	mark(t, s)
	old := postmaster(t, s.data)
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to come back", func() bool {
		_, err := query(t, s, "SELECT 'up'")
		return err == nil
	})
	if now := postmaster(t, s.data); now == old {
		t.Errorf("process %d was killed and answers", old)
	}
	expectMark(t, s)
}

func TestOnlyOneMayUseTheFolder(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, _ := start(t, dir)
	err := prepare(t, dir).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := query(t, s, "SELECT 'up'"); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestOnlyThePasswordOpensIt(t *testing.T) {
	t.Parallel()
	s, _ := start(t, dataDir(t))
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), s.password, "guessed", 1)); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a wrong password: %v", err)
	}
	for _, dir := range []string{s.socket.path, s.data} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(s.dir, "password")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file: %v, %v", info.Mode(), err)
	}
	if got, err := query(t, s, "SELECT current_setting('listen_addresses')"); got != "" || err != nil {
		t.Errorf("it listens on %q, %v", got, err)
	}
	if got, err := query(t, s, "SELECT count(*)::text FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'"); got != "0" || err != nil {
		t.Errorf("%s rules let in without a password, %v", got, err)
	}
}

func TestALostPasswordIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "password")); err != nil {
		t.Fatal(err)
	}
	other := prepare(t, dir)
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "password in "+dir) || strings.Contains(err.Error(), other.password) {
		t.Errorf("got %v", err)
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
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9, and the installed one is "+strconv.Itoa(installed()[0].major)) {
		t.Errorf("got %v", err)
	}
}

func TestADyingServerIsGivenUpWithItsLastWords(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// A cluster without its control file cannot start.
	if err := os.Remove(filepath.Join(s.data, "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	err := prepare(t, dir).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedStartLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := prepare(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	eventually(t, "initdb to be at work", func() bool {
		_, err := os.Stat(filepath.Join(s.data+".new", "data", "PG_VERSION"))
		return err == nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Stat(s.data); err == nil {
		t.Skip("initdb was faster than the interruption")
	}
	again, _ := start(t, dir)
	mark(t, again)
}

func TestALongPathHasItsSocketElsewhere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), strings.Repeat("long/", 20), "pg")
	if os.Geteuid() == 0 { // MkdirAll makes parents 0711 only where it makes them
		if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	s, stop := start(t, dir)
	mark(t, s)
	if len(s.socket.path) > maxSocketPath || !s.socket.temp {
		t.Errorf("the socket is in %s", s.socket.path)
	}
	if again := prepare(t, dir); again.socket != s.socket {
		t.Errorf("another start would leave %s behind and use %s", s.socket.path, again.socket.path)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.socket.path); err == nil {
		t.Errorf("%s is left", s.socket.path)
	}
	again, _ := start(t, dir)
	expectMark(t, again)
}

func TestAClosedParentIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("PostgreSQL runs as who we are")
	}
	closed := filepath.Join(filepath.Dir(dataDir(t)), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "open"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Options{Dir: filepath.Join(closed, "open", "pg"), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "may not pass through "+closed+":") {
		t.Errorf("got %v", err)
	}
}

func TestTheLogSpeaksUpForTheServerOnly(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tail := &tail{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	tail.Write([]byte("LOG:  checkpoint starting\nERROR:  duplicate key value\nFATAL:  the database system is starting up\n"))
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	tail.Write([]byte("PANIC:  could not write to file: No space "))
	tail.Write([]byte("left on device\nERROR:  could not extend file\n"))
	if n := strings.Count(log.String(), "level=WARN"); n != 2 || !strings.Contains(log.String(), "No space left on device") {
		t.Errorf("logged: %s", log.String())
	}
	tail.Write(bytes.Repeat([]byte("x"), 10*maxTailLine))
	for range 3 * tailLines {
		tail.Write([]byte("line\n"))
	}
	if n := len(tail.text()); n > (tailLines+1)*maxTailLine || strings.Count(tail.text(), "\n") >= tailLines {
		t.Errorf("it keeps %d bytes", n)
	}
}
