package runtimetest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFakeConforms(t *testing.T) {
	for name, script := range map[string]runtimetest.Script{
		"at once": {},
		"slowly":  {Steps: []string{"Starting the X server", "Starting the window manager"}, Step: 5 * time.Millisecond, EndTime: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
				fake := runtimetest.NewFake(func(runtime.Desktop) runtimetest.Script { return script })
				t.Cleanup(func() {
					fake.Close()
					if wrongs := fake.Wrongs(); len(wrongs) > 0 {
						t.Errorf("the fake saw wrongs in a right order of calls: %v", wrongs)
					}
				})
				return runtimetest.Harness{
					Runtime: fake,
					Desktop: func(*testing.T) runtime.Desktop {
						return runtime.Desktop{Session: streamspace.NewSessionID(), Home: streamspace.NewHomeID(), Epoch: 1}
					},
					Crash: func(t *testing.T, session streamspace.SessionID) { fake.Crash(session, "It was killed by the test") },
					Count: func(_ *testing.T, session streamspace.SessionID) int {
						n := 0
						for _, d := range fake.Running() {
							if d.Session == session {
								n++
							}
						}
						return n
					},
					Patience: time.Minute,
				}
			})
		})
	}
}
