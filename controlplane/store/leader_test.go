package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/streamspace/streamspace/controlplane/store"
)

// Of two processes one leads; when its connection is cut, or when it ends, one
// does again.
func TestOneLeads(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	var leaders, terms atomic.Int32
	lead := func(ctx context.Context) error {
		leaders.Add(1)
		defer leaders.Add(-1)
		terms.Add(1)
		<-ctx.Done()
		return nil
	}
	var group sync.WaitGroup
	var ends []context.CancelFunc
	for range 2 {
		ctx, end := context.WithCancel(context.Background())
		ends = append(ends, end)
		l := &store.Leader{Store: s, Name: "test", Log: quiet, Lead: lead}
		group.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { ends[0](); ends[1](); group.Wait() })
	one := func(term int32) func() bool {
		return func() bool { return leaders.Load() == 1 && terms.Load() >= term }
	}
	eventually(t, "one leads", one(1))
	run(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	eventually(t, "one leads after the cut", one(2))
	ends[0]()
	eventually(t, "one leads after an end", func() bool { return leaders.Load() == 1 })
	ends[1]()
	group.Wait()
	if leaders.Load() != 0 {
		t.Error("somebody still leads")
	}
}

func TestALeaderThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	l := &store.Leader{Store: s, Name: "test", Log: quiet, Lead: func(context.Context) error { return store.ErrNotFound }}
	if err := l.Run(t.Context()); err == nil {
		t.Error("it ended without an error")
	}
}
