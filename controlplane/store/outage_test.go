package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/postgres"
)

// privateServer runs a PostgreSQL of the test's own, as durable as a real one.
func privateServer(t *testing.T) (url, dir string) {
	t.Helper()
	parent, err := os.MkdirTemp("", "streamspace-outage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(parent, "pg")
	server, err := postgres.New(t.Context(), postgres.Options{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	select {
	case <-server.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the server ended: %v", err)
	}
	return server.URL(), dir
}

func killPostmaster(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// PostgreSQL is killed while users are being made: callers are told, it comes
// back, the same store goes on, and the feed has every user that was committed.
func TestTheStoreOutlivesAKilledServer(t *testing.T) {
	t.Parallel()
	url, dir := privateServer(t)
	s, err := store.Open(t.Context(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sub := subscribe(t, feed(t, s), 0, 100_000)

	var made atomic.Int64
	load, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for writer := range 4 {
		writers.Go(func() {
			for i := 0; load.Err() == nil; i++ {
				_, err := s.CreateUser(load, store.InsertUserParams{
					ID: streamspace.NewUserID(), Username: fmt.Sprintf("u%d-%d", writer, i), Role: streamspace.RoleUser, Now: time.Now(),
				})
				if err == nil {
					made.Add(1)
				} else if load.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("while the server is away: %v", err)
				}
			}
		})
	}
	for range 2 {
		before := made.Load()
		eventually(t, "some users", func() bool { return made.Load() > before+20 })
		killPostmaster(t, dir)
		before = made.Load()
		eventually(t, "more users", func() bool { return made.Load() > before+20 })
	}
	cancel()
	writers.Wait()
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}

	conn := connect(t, url)
	last := tell(t, conn, "last")
	var got []int64
	for {
		id, err := next(t, sub)
		if err != nil {
			t.Fatalf("after %d events: %v", len(got), err)
		}
		if got = append(got, id); id == last {
			break
		}
	}
	rows, err := s.EventsBetween(t.Context(), store.EventsBetweenParams{After: 0, UpTo: last, Max: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	for _, row := range rows {
		want = append(want, row.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the feed had %d events, %d were committed, or their order is wrong", len(got), len(want))
	}
	if users, err := s.CountUsers(t.Context()); err != nil || users < made.Load() || int(users) != len(want)-1 {
		t.Errorf("%d users, %d were acknowledged, %d were told; %v", users, made.Load(), len(want)-1, err)
	}
}
