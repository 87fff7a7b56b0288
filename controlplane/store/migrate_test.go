package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

func TestManyMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := storetest.BlankURL(t)
	const processes = 8
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	begun := make(chan struct{})
	var wait sync.WaitGroup
	for range processes {
		wait.Go(func() {
			<-begun
			s, err := store.Open(t.Context(), url, logger)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.CountUsers(t.Context()); err != nil {
				t.Errorf("opened before the tables were there: %v", err)
			}
		})
	}
	close(begun)
	wait.Wait()
	for _, version := range []string{"version=1 ", "version=2 "} {
		if n := strings.Count(log.String(), version); n != 1 {
			t.Errorf("migrated %d times to %s:\n%s", n, version, log.String())
		}
	}
}

func TestAMigrationIsWaitedFor(t *testing.T) {
	t.Parallel()
	url := storetest.BlankURL(t)
	busy := connect(t, url)
	run(t, busy, "SELECT pg_advisory_lock($1)", int64(0x73747265616d7370)) // as another process that migrates
	waiting, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if s, err := store.Open(waiting, url, quiet); err == nil {
		s.Close()
		t.Error("opened while another process migrates")
	}
	run(t, busy, "SELECT pg_advisory_unlock_all()")
	s, err := store.Open(t.Context(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	s.Close()
	run(t, connect(t, url), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	_, err := store.Open(t.Context(), url, quiet)
	if err == nil || !strings.Contains(err.Error(), "schema version 99999") {
		t.Errorf("got %v", err)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
