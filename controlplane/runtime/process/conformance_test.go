package process

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		r, stop := newUnwatched(t, options(dataDir(t)))
		t.Cleanup(stop)
		return runtimetest.Harness{
			Runtime: r,
			Desktop: func(*testing.T) runtime.Desktop { return shell("") },
			Crash: func(t *testing.T, session streamspace.SessionID) {
				b := &bed{Runtime: r}
				if err := b.running(t, session).Inner.signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
			Count: func(_ *testing.T, session streamspace.SessionID) int {
				return len(taggedProcesses(r.tag, session)) / 2 // bwrap and the agent
			},
		}
	})
}
