package lifecycle

import (
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// What is done under a row that stays as it is.
func TestActions(t *testing.T) {
	ready := observations["ready"].Address
	long := testNow.Add(-time.Minute) // when every row here entered its state
	running, hibernated := streamspace.DesiredRunning, streamspace.DesiredHibernated
	for _, c := range []struct {
		name    string
		state   streamspace.State
		desired streamspace.DesiredState
		seen    string
		did     Did
		repeat  bool
		want    Actions
	}{
		{"applied once", streamspace.StateStarting, running, "none", Did{Applied: epoch, Since: testNow, Unrouted: true}, false, Actions{}},
		{"applied again in case it was lost", streamspace.StateStarting, running, "none", Did{Applied: epoch, Since: testNow, Unrouted: true}, true, Actions{Apply: true}},
		{"an older desktop makes way", streamspace.StateStarting, running, "older", Did{Applied: epoch - 1, Unrouted: true}, false, Actions{Apply: true}},
		{"a route of an earlier process", streamspace.StateStarting, running, "starting", Did{Since: testNow}, false, Actions{Withdraw: true}},
		{"published", streamspace.StateRunning, running, "ready", Did{Routed: epoch, Address: ready}, false, Actions{}},
		{"published again by a new process", streamspace.StateRunning, running, "ready", Did{}, false, Actions{Publish: true}},
		{"published at another address", streamspace.StateRunning, running, "ready", Did{Routed: epoch, Address: "unix:/old"}, false, Actions{Publish: true}},
		{"published for another epoch", streamspace.StateRunning, running, "ready", Did{Routed: epoch - 1, Address: ready}, false, Actions{Publish: true}},
		{"on the way to sleep", streamspace.StateHibernating, hibernated, "ready", Did{Applied: epoch, Routed: epoch, Address: ready}, false,
			Actions{Revoke: streamspace.CodeSessionHibernate, Withdraw: true, Delete: true}},
		{"on the way to sleep, all done", streamspace.StateHibernating, hibernated, "ready", Did{Applied: epoch, Unrouted: true, Revoked: long, Deleted: testNow}, false, Actions{}},
		{"on the way to sleep, of an earlier change", streamspace.StateHibernating, hibernated, "ready", Did{Unrouted: true, Revoked: long.Add(-1), Deleted: testNow}, false,
			Actions{Revoke: streamspace.CodeSessionHibernate}},
		{"ending", streamspace.StateStopping, streamspace.DesiredStopped, "none", Did{}, false,
			Actions{Revoke: streamspace.CodeSessionStopped, Withdraw: true, Delete: true}},
		{"asleep, and nothing there", streamspace.StateHibernated, hibernated, "none", Did{Unrouted: true}, false, Actions{}},
		{"asleep, and a desktop shows", streamspace.StateHibernated, hibernated, "ready", Did{Unrouted: true}, false, Actions{Delete: true}},
		{"asleep, and it does not go", streamspace.StateHibernated, hibernated, "ready", Did{Unrouted: true, Deleted: testNow}, false, Actions{}},
		{"asleep, and it does not go, once more", streamspace.StateHibernated, hibernated, "ready", Did{Unrouted: true, Deleted: testNow}, true, Actions{Delete: true}},
		{"asleep, and what was applied may yet show", streamspace.StateHibernated, hibernated, "none", Did{Unrouted: true, Applied: epoch}, false, Actions{Delete: true}},
		{"failed", streamspace.StateFailed, hibernated, "failed", Did{Unrouted: true}, false, Actions{Revoke: streamspace.CodeDesktopGone, Delete: true}},
		{"stopped, and a desktop shows", streamspace.StateStopped, streamspace.DesiredStopped, "starting", Did{Unrouted: true}, false, Actions{Delete: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := testRow(c.state, c.desired)
			seen := observations[c.seen]
			if seen.Phase == runtime.PhaseStarting {
				row.Step = seen.Step
			}
			plan := Decide(Input{Row: row, Seen: seen, Did: c.did, Repeat: c.repeat, Now: testNow, Timing: testTiming})
			if plan.Changed || plan.Do != c.want {
				t.Fatalf("got %+v (row changed: %t, %s), want %+v", plan.Do, plan.Changed, plan.Row.State, c.want)
			}
		})
	}
}

// A session that never had a desktop needs nothing but a farewell.
func TestStopBeforeTheFirstStart(t *testing.T) {
	row := testRow(streamspace.StateStopping, streamspace.DesiredStopped)
	row.Epoch = 0
	if plan := Decide(Input{Row: row, Now: testNow, Timing: testTiming}); plan.Do != (Actions{Revoke: streamspace.CodeSessionStopped}) {
		t.Fatalf("got %+v", plan)
	}
}

// A Delete that the runtime took and never speaks of is believed after a while.
func TestSilenceAfterDeleteEnds(t *testing.T) {
	row := testRow(streamspace.StateStopping, streamspace.DesiredStopped)
	in := Input{
		Row: row, Now: testNow, Timing: testTiming,
		Did: Did{Applied: epoch, Unrouted: true, Revoked: row.StateChangedAt, Deleted: testNow},
	}
	plan := Decide(in)
	if plan.Changed || !plan.Again.Equal(testNow.Add(testTiming.GoneTimeout)) {
		t.Fatalf("at once: %+v", plan)
	}
	in.Now = plan.Again
	if plan := Decide(in); plan.Row.State != streamspace.StateStopped {
		t.Fatalf("after the silence: %+v", plan)
	}
}

// A desktop that its agent brings up anew has as long as one that is new.
func TestRegressedDesktopHasTime(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	row.StateChangedAt, row.Step = testNow, observations["starting"].Step
	plan := Decide(Input{
		Row: row, Seen: observations["starting"], Now: testNow, Timing: testTiming,
		Did: Did{Applied: epoch, Since: testNow.Add(-time.Hour), Unrouted: true},
	})
	if plan.Changed || !plan.Again.Equal(testNow.Add(testTiming.StartTimeout)) {
		t.Fatalf("got %+v", plan)
	}
}

func TestRunningHasNoReason(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	row.Reason, row.Step = "The X server died", "Starting again after it ended"
	plan := Decide(Input{Row: row, Seen: observations["ready"], Did: settled(row), Now: testNow, Timing: testTiming})
	if plan.Row.State != streamspace.StateRunning || plan.Row.Reason != "" || plan.Row.Step != "" || !at(plan.Row.StartedAt).Equal(testNow) {
		t.Fatalf("got %+v", plan.Row)
	}
}

func TestRetryIsNotPutOffByAClockSetBack(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	retry := testNow.Add(time.Hour)
	row.RetryAt, row.Restarts = &retry, 2
	plan := Decide(Input{Row: row, Did: settled(row), Now: testNow, Timing: testTiming})
	if plan.Row.RetryAt != nil || plan.Row.Epoch != epoch+1 {
		t.Fatalf("got %+v", plan)
	}
}

// A viewer that waits wakes what sleeps, and changes nothing else.
func TestWantedWakesOnlyWhatSleeps(t *testing.T) {
	for _, state := range states {
		for _, desired := range desires {
			row := testRow(state, desired)
			in := Input{Row: row, Did: settled(row), Seen: observations["ready"], Now: testNow, Timing: testTiming}
			without := Decide(in)
			in.Wanted = true
			with := Decide(in)
			sleeps := desired == streamspace.DesiredHibernated && (state == streamspace.StateHibernating || state == streamspace.StateHibernated)
			switch {
			case sleeps && with.Row.DesiredState != streamspace.DesiredRunning:
				t.Errorf("%s, desired %s: was not woken: %+v", state, desired, with)
			case !sleeps && (with.Changed != without.Changed || !sameRow(with.Row, without.Row) || with.Do != without.Do):
				t.Errorf("%s, desired %s: a viewer made it %+v", state, desired, with)
			}
		}
	}
}
