package lifecycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
)

const epoch = 7 // of the row in every table

var (
	testTiming = Timing{}.withDefaults()
	testNow    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	states = []streamspace.State{
		streamspace.StatePending, streamspace.StateStarting, streamspace.StateRunning, streamspace.StateHibernating,
		streamspace.StateHibernated, streamspace.StateWaking, streamspace.StateStopping, streamspace.StateStopped, streamspace.StateFailed,
	}
	desires = []streamspace.DesiredState{streamspace.DesiredRunning, streamspace.DesiredHibernated, streamspace.DesiredStopped}

	observations = map[string]runtime.Observation{
		"none":     {},
		"starting": {Phase: runtime.PhaseStarting, Epoch: epoch, Step: "Starting the window manager"},
		"ready":    {Phase: runtime.PhaseReady, Epoch: epoch, Address: "unix:/run/7.sock"},
		"failed":   {Phase: runtime.PhaseFailed, Epoch: epoch, Reason: "The X server died"},
		"gone":     {Phase: runtime.PhaseGone, Epoch: epoch},
		"older":    {Phase: runtime.PhaseReady, Epoch: epoch - 1, Address: "unix:/run/6.sock"},
		"newer":    {Phase: runtime.PhaseReady, Epoch: epoch + 1, Address: "unix:/run/8.sock"},
	}
)

func testRow(state streamspace.State, desired streamspace.DesiredState) store.Session {
	row := store.Session{
		ID: streamspace.NewSessionID(), State: state, DesiredState: desired, Epoch: epoch, IdleTimeoutSeconds: 600,
		CreatedAt: testNow.Add(-time.Hour), UpdatedAt: testNow.Add(-time.Minute), StateChangedAt: testNow.Add(-time.Minute),
	}
	if state == streamspace.StateRunning {
		started := row.StateChangedAt
		row.StartedAt = &started
	}
	if state == streamspace.StatePending {
		row.Epoch = 0
	}
	return row
}

// settled is the memory of a process that has done all it could.
func settled(row store.Session) Did {
	return Did{Since: row.StateChangedAt, Deleted: row.StateChangedAt, Unrouted: true, Revoked: row.StateChangedAt}
}

// Every state under every wish and every observation. A cell is the next state,
// "=" for no change, "*" for another attempt after a pause, "!" for a changed
// wish in the same state.
const table = `
desired running   none         starting     ready        failed       gone         older        newer
pending           starting     starting     starting     starting     starting     starting     starting
starting          =            =step        running      *            *            =            *
running           *            starting     =            *            *            *            *
hibernating       waking       =            =            waking       waking       =            =
hibernated        waking       waking       waking       waking       waking       waking       waking
waking            =            =step        running      *            *            =            *
stopping          stopped      !            !            stopped      stopped      !            !
stopped           =            =            =            =            =            =            =
failed            starting     starting     starting     starting     starting     starting     starting

desired hibernated none        starting     ready        failed       gone         older        newer
pending           hibernated   hibernated   hibernated   hibernated   hibernated   hibernated   hibernated
starting          hibernating  hibernating  hibernating  hibernating  hibernating  hibernating  hibernating
running           hibernating  hibernating  hibernating  hibernating  hibernating  hibernating  hibernating
hibernating       hibernated   =            =            hibernated   hibernated   =            =
hibernated        =            =            =            =            =            =            =
waking            hibernating  hibernating  hibernating  hibernating  hibernating  hibernating  hibernating
stopping          stopped      !            !            stopped      stopped      !            !
stopped           =            =            =            =            =            =            =
failed            =            =            =            =            =            =            =

desired stopped   none         starting     ready        failed       gone         older        newer
pending           stopping     stopping     stopping     stopping     stopping     stopping     stopping
starting          stopping     stopping     stopping     stopping     stopping     stopping     stopping
running           stopping     stopping     stopping     stopping     stopping     stopping     stopping
hibernating       stopping     stopping     stopping     stopping     stopping     stopping     stopping
hibernated        stopping     stopping     stopping     stopping     stopping     stopping     stopping
waking            stopping     stopping     stopping     stopping     stopping     stopping     stopping
stopping          stopped      =            =            stopped      stopped      =            =
stopped           =            =            =            =            =            =            =
failed            stopping     stopping     stopping     stopping     stopping     stopping     stopping
`

func TestTable(t *testing.T) {
	cells := 0
	for block := range strings.SplitSeq(strings.TrimSpace(table), "\n\n") {
		lines := strings.Split(block, "\n")
		head := strings.Fields(lines[0])
		desired, columns := streamspace.DesiredState(head[1]), head[2:]
		for _, line := range lines[1:] {
			fields := strings.Fields(line)
			for i, want := range fields[1:] {
				cells++
				state, seen := streamspace.State(fields[0]), columns[i]
				row := testRow(state, desired)
				plan := Decide(Input{Row: row, Seen: observations[seen], Did: settled(row), Now: testNow, Timing: testTiming})
				if got := cell(row, plan); got != want {
					t.Errorf("%s, desired %s, seen %s: got %s, want %s", state, desired, seen, got, want)
				}
			}
		}
	}
	if want := len(states) * len(desires) * len(observations); cells != want {
		t.Fatalf("the table has %d cells, want %d", cells, want)
	}
}

func cell(before store.Session, plan Plan) string {
	switch {
	case plan.Row.RetryAt != nil:
		return "*"
	case plan.Row.State != before.State:
		return string(plan.Row.State)
	case plan.Row.DesiredState != before.DesiredState:
		return "!"
	case plan.Row.Step != before.Step:
		return "=step"
	}
	return "="
}

// inputs calls check with every combination of what a decision may rest on.
func inputs(check func(name string, in Input)) {
	past, future := testNow.Add(-time.Second), testNow.Add(time.Second)
	for _, state := range states {
		for _, desired := range desires {
			for seen, observation := range observations {
				for retryName, retry := range map[string]*time.Time{"none": nil, "due": &past, "later": &future} {
					for _, restarts := range []int32{0, 5, 6} {
						for didName, did := range map[string]func(store.Session) Did{
							"new process": func(store.Session) Did { return Did{Since: testNow} },
							"settled":     settled,
							"applied": func(row store.Session) Did {
								return Did{Applied: uint64(row.Epoch), Since: testNow.Add(-time.Second), Routed: uint64(row.Epoch), Address: "unix:/run/7.sock"}
							},
						} {
							for _, flags := range []int{0, 1, 2, 3} {
								row := testRow(state, desired)
								row.RetryAt, row.Restarts = retry, restarts
								check(fmt.Sprintf("%s, desired %s, seen %s, retry %s, restarts %d, %s, flags %d", state, desired, seen, retryName, restarts, didName, flags), Input{
									Row: row, Seen: observation, Did: did(row), Now: testNow, Timing: testTiming, Wanted: flags&1 != 0, Repeat: flags&2 != 0,
								})
							}
						}
					}
				}
			}
		}
	}
}

func TestInvariants(t *testing.T) {
	inputs(func(name string, in Input) {
		before := in.Row
		plan := Decide(in)
		row, do := plan.Row, plan.Do
		up := row.State == streamspace.StateStarting || row.State == streamspace.StateWaking || row.State == streamspace.StateRunning
		for broken, is := range map[string]bool{
			"the input was changed":                         !sameRow(before, in.Row),
			"changed does not tell whether the row changed": plan.Changed == sameRow(row, in.Row),
			"acts before the row is written":                plan.Changed && do != (Actions{}),
			"the epoch went back":                           row.Epoch < in.Row.Epoch,
			"a new epoch is not above what was seen":        row.Epoch > in.Row.Epoch && uint64(row.Epoch) <= in.Seen.Epoch,
			"a new epoch outside of a start":                row.Epoch > in.Row.Epoch && !up,
			"stopped was left":                              in.Row.State == streamspace.StateStopped && plan.Changed,
			"stopping was left for something else":          in.Row.State == streamspace.StateStopping && row.State != streamspace.StateStopping && row.State != streamspace.StateStopped,
			"failed was left without a new wish":            in.Row.State == streamspace.StateFailed && in.Row.DesiredState == streamspace.DesiredHibernated && plan.Changed,
			"the wish to stop was changed":                  in.Row.DesiredState == streamspace.DesiredStopped && row.DesiredState != streamspace.DesiredStopped,
			"applies what should not run":                   do.Apply && (!up || row.RetryAt != nil || row.DesiredState != streamspace.DesiredRunning),
			"applies over a desktop of the same epoch":      do.Apply && in.Seen.Epoch == uint64(row.Epoch) && in.Seen.Phase != "",
			"applies and deletes at once":                   do.Apply && do.Delete,
			"publishes what is not ready":                   do.Publish && (in.Seen.Phase != runtime.PhaseReady || in.Seen.Epoch != uint64(row.Epoch) || row.State != streamspace.StateRunning),
			"publishes and withdraws at once":               do.Publish && do.Withdraw,
			"deletes what runs as it should":                do.Delete && up && row.RetryAt == nil,
			"stopped while a desktop lives":                 plan.Changed && row.State == streamspace.StateStopped && alive(in),
			"hibernated without a farewell":                 plan.Changed && row.State == streamspace.StateHibernated && in.Row.State == streamspace.StateHibernating && !in.Did.Revoked.Equal(in.Row.StateChangedAt),
			"failed but not by too many deaths":             plan.Changed && row.State == streamspace.StateFailed && int(row.Restarts) <= testTiming.MaxRestarts,
			"failed without a reason":                       plan.Changed && row.State == streamspace.StateFailed && row.Reason == "",
			"a pause that is over already":                  plan.Changed && row.RetryAt != nil && in.Row.RetryAt == nil && !row.RetryAt.After(in.Now),
			"waits for a moment that has passed":            !plan.Again.IsZero() && !plan.Again.After(in.Now),
			"dies of old age before it was applied":         plan.Changed && row.RetryAt != nil && in.Row.RetryAt == nil && in.Row.State != streamspace.StateRunning && in.Seen.Phase == "" && in.Did.Applied != uint64(in.Row.Epoch),
			"starting without anything that will end it":    !plan.Changed && do == (Actions{}) && (row.State == streamspace.StateStarting || row.State == streamspace.StateWaking) && plan.Again.IsZero(),
		} {
			if is {
				t.Errorf("%s: %s\nplan: %+v", name, broken, plan)
			}
		}
	})
}

func alive(in Input) bool {
	return in.Seen.Phase == runtime.PhaseReady || in.Seen.Phase == runtime.PhaseStarting
}

// carryOut does what a plan says to a world in which everything succeeds at once.
func carryOut(in *Input, plan Plan) {
	if plan.Changed {
		if plan.Row.State != in.Row.State {
			plan.Row.StateChangedAt = in.Now
		}
		plan.Row.UpdatedAt = in.Now
		in.Row = plan.Row
		return
	}
	epoch := uint64(in.Row.Epoch)
	if plan.Do.Apply {
		in.Did.Applied, in.Did.Since, in.Did.Deleted = epoch, in.Now, time.Time{}
		in.Seen = runtime.Observation{Phase: runtime.PhaseReady, Epoch: epoch, Address: "unix:/new"}
	}
	if plan.Do.Publish {
		in.Did.Routed, in.Did.Address, in.Did.Unrouted = in.Seen.Epoch, in.Seen.Address, false
	}
	if plan.Do.Revoke != "" {
		in.Did.Revoked = in.Row.StateChangedAt
	}
	if plan.Do.Withdraw {
		in.Did.Routed, in.Did.Address, in.Did.Unrouted = 0, "", true
	}
	if plan.Do.Delete {
		in.Did.Deleted = in.Now
		if alive(*in) {
			in.Seen.Phase = runtime.PhaseGone
		}
	}
}

// From every input, a world in which everything succeeds comes to rest where
// it was wished, with nothing left running that should not.
func TestEveryInputComesToRest(t *testing.T) {
	inputs(func(name string, in Input) {
		if alive(in) {
			in.Did.Deleted = time.Time{} // by its meaning
		}
		plan := Decide(in)
		for range 40 {
			if !plan.Changed && plan.Do == (Actions{}) {
				sleeps, idles := HibernatesAt(in.Row)
				if plan.Again.IsZero() || idles && plan.Again.Equal(sleeps) {
					break
				}
				in.Now = plan.Again
			}
			carryOut(&in, plan)
			in.Repeat, in.Wanted = false, false
			plan = Decide(in)
		}
		if plan.Changed || plan.Do != (Actions{}) {
			t.Fatalf("%s: still at work on %+v", name, plan)
		}
		rest := in.Row.State == streamspace.State(in.Row.DesiredState) ||
			in.Row.State == streamspace.StateFailed && in.Row.DesiredState == streamspace.DesiredHibernated ||
			in.Row.State == streamspace.StateStopped // whatever was wished of it
		if runs := in.Row.State == streamspace.StateRunning; !rest || alive(in) != runs {
			t.Errorf("%s: came to rest %s, wished %s, with a desktop %q", name, in.Row.State, in.Row.DesiredState, in.Seen.Phase)
		} else if runs && (in.Did.Routed != uint64(in.Row.Epoch) || in.Seen.Epoch != uint64(in.Row.Epoch)) {
			t.Errorf("%s: runs as epoch %d, desktop %d, route %d", name, in.Row.Epoch, in.Seen.Epoch, in.Did.Routed)
		} else if !runs && in.Did.Routed != 0 {
			t.Errorf("%s: a route is left", name)
		}
	})
}

func TestDeathsAreCountedAndPaced(t *testing.T) {
	row := testRow(streamspace.StateRunning, streamspace.DesiredRunning)
	in := Input{Row: row, Now: testNow, Timing: testTiming, Did: Did{Unrouted: true}}
	in.Seen = runtime.Observation{Phase: runtime.PhaseFailed, Epoch: epoch, Reason: "Out of memory: close something, or ask for more"}
	pause := testTiming.Backoff
	for n := 1; n <= testTiming.MaxRestarts; n++ {
		plan := Decide(in)
		if plan.Row.RetryAt == nil || !plan.Row.RetryAt.Equal(in.Now.Add(pause)) {
			t.Fatalf("death %d: next attempt at %v, want in %s", n, plan.Row.RetryAt, pause)
		}
		if plan.Row.Reason != in.Seen.Reason || int(plan.Row.Restarts) != n {
			t.Fatalf("death %d: row says %q and counts %d", n, plan.Row.Reason, plan.Row.Restarts)
		}
		carryOut(&in, plan)
		in.Now = *plan.Row.RetryAt
		plan = Decide(in)
		if plan.Row.Epoch != in.Row.Epoch+1 {
			t.Fatalf("attempt after death %d has epoch %d, the one before %d", n, plan.Row.Epoch, in.Row.Epoch)
		}
		carryOut(&in, plan)
		in.Seen = runtime.Observation{Phase: runtime.PhaseFailed, Epoch: uint64(in.Row.Epoch), Reason: in.Seen.Reason}
		pause *= 2
	}
	plan := Decide(in)
	if plan.Row.State != streamspace.StateFailed || plan.Row.Reason != in.Seen.Reason || plan.Row.RetryAt != nil {
		t.Fatalf("after too many deaths: %+v", plan.Row)
	}
	carryOut(&in, plan)
	in.Wanted = true
	if plan := Decide(in); plan.Changed {
		t.Fatalf("a waiting viewer revived a failed session: %+v", plan.Row)
	}
	in.Row.DesiredState = streamspace.DesiredRunning
	plan = Decide(in)
	if plan.Row.State != streamspace.StateStarting || plan.Row.Restarts != 0 || plan.Row.Reason != "" || plan.Row.Epoch != in.Row.Epoch+1 {
		t.Fatalf("a new wish led to %+v", plan.Row)
	}
}

func TestRunningWellForgivesEarlierDeaths(t *testing.T) {
	for after, want := range map[time.Duration]int32{testTiming.Settled - time.Second: 4, testTiming.Settled: 1} {
		row := testRow(streamspace.StateRunning, streamspace.DesiredRunning)
		started := testNow.Add(-after)
		row.StartedAt, row.Restarts, row.IdleTimeoutSeconds = &started, 3, 0
		plan := Decide(Input{Row: row, Seen: observations["failed"], Now: testNow, Timing: testTiming})
		if plan.Row.Restarts != want {
			t.Errorf("died after running for %s: counts %d, want %d", after, plan.Row.Restarts, want)
		}
	}
}

func TestHopelessIsNotTriedAgain(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	plan := Decide(Input{Row: row, Seen: observations["failed"], Hopeless: true, Did: settled(row), Now: testNow, Timing: testTiming})
	if plan.Row.State != streamspace.StateFailed {
		t.Fatalf("got %+v", plan.Row)
	}
}

func TestStartHasADeadline(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	row.Step = "Starting the X server"
	in := Input{Row: row, Seen: observations["starting"], Did: Did{Applied: epoch, Since: row.StateChangedAt}, Timing: testTiming}
	in.Seen.Step = row.Step
	deadline := row.StateChangedAt.Add(testTiming.StartTimeout)
	in.Now = deadline.Add(-time.Microsecond)
	if plan := Decide(in); plan.Changed || !plan.Again.Equal(deadline) {
		t.Fatalf("before the deadline: %+v", plan)
	}
	in.Now = deadline
	plan := Decide(in)
	if plan.Row.RetryAt == nil || plan.Row.Reason != "It did not come up within 90 seconds (last step: Starting the X server)" {
		t.Fatalf("at the deadline: %+v", plan.Row)
	}
	carryOut(&in, plan)
	if plan := Decide(in); !plan.Do.Delete {
		t.Fatalf("what did not come up is left there: %+v", plan)
	}
}

func TestEveryAttemptHasItsOwnDeadline(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	row.StateChangedAt = testNow.Add(-2 * testTiming.StartTimeout)
	row.RetryAt, row.Restarts = &testNow, 2
	in := Input{Row: row, Did: Did{Applied: epoch, Since: row.StateChangedAt, Unrouted: true, Deleted: testNow}, Now: testNow, Timing: testTiming}
	carryOut(&in, Decide(in))
	plan := Decide(in)
	if !plan.Do.Apply || in.Row.Epoch != epoch+1 {
		t.Fatalf("the next attempt is not made: %+v", plan)
	}
	in.Did.Applied, in.Did.Since = epoch+1, in.Now
	if plan := Decide(in); plan.Changed || !plan.Again.Equal(testNow.Add(testTiming.StartTimeout)) {
		t.Fatalf("the next attempt has no time: %+v", plan)
	}
}

func TestProgressIsThrottled(t *testing.T) {
	row := testRow(streamspace.StateStarting, streamspace.DesiredRunning)
	row.UpdatedAt = testNow.Add(-testTiming.StepEvery / 2)
	in := Input{Row: row, Seen: observations["starting"], Did: Did{Applied: epoch, Since: testNow}, Now: testNow, Timing: testTiming}
	plan := Decide(in)
	if plan.Changed || !plan.Again.Equal(row.UpdatedAt.Add(testTiming.StepEvery)) {
		t.Fatalf("too early: %+v", plan)
	}
	in.Now = plan.Again
	if plan := Decide(in); plan.Row.Step != in.Seen.Step {
		t.Fatalf("in time: %+v", plan)
	}
	in.Now, in.Seen = testNow, observations["ready"]
	if plan := Decide(in); plan.Row.State != streamspace.StateRunning {
		t.Fatalf("ready had to wait: %+v", plan)
	}
}
