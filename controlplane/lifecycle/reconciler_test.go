package lifecycle_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/lifecycle"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
	"github.com/streamspace/streamspace/controlplane/store"
)

func TestStart(t *testing.T) {
	t.Parallel()
	steps := []string{"Starting the X server", "Starting the window manager", "Starting the application"}
	w := newWorld(t, quick, func(runtime.Desktop) runtimetest.Script {
		return runtimetest.Script{Steps: steps, Step: 30 * time.Millisecond}
	})
	events, err := w.feed.Subscribe(t.Context(), 0, 100)
	w.must(err)
	defer events.Close()
	row := w.runs("terminal", 0)
	if row.Epoch != 1 || row.StartedAt == nil || row.Step != "" || row.Reason != "" {
		t.Fatalf("running as %+v", row)
	}
	type told struct{ State, Step string }
	var got []told
	for len(got) == 0 || got[len(got)-1].State != "running" {
		event, err := events.Next(t.Context())
		w.must(err)
		if event.Subject != string(row.ID) {
			continue // the owner was created a moment ago
		}
		var payload told
		w.must(json.Unmarshal(event.Payload, &payload))
		got = append(got, payload)
	}
	want := []told{{"pending", ""}, {"starting", "Preparing the desktop"}}
	for _, step := range steps {
		want = append(want, told{"starting", step})
	}
	want = append(want, told{"running", ""})
	// A busy machine may pass over a step that the next one has ended.
	missed := slices.DeleteFunc(slices.Clone(want), func(s told) bool { return slices.Contains(got, s) })
	inOrder := slices.DeleteFunc(slices.Clone(want), func(s told) bool { return slices.Contains(missed, s) })
	if !slices.Equal(got, inOrder) || got[0].State != "pending" || len(missed) >= len(steps) {
		t.Fatalf("people were told %q, want %q", got, want)
	}
	for name, labels := range map[string][]string{
		"sessions": {"running"}, "start_seconds": {"start"}, "transitions_total": {"pending", "starting"},
	} {
		if n := w.metric(name, labels...); n != 1 {
			t.Errorf("metric %s%v is %v, want 1", name, labels, n)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, func(runtime.Desktop) runtimetest.Script {
		return runtimetest.Script{EndTime: time.Second}
	})
	row := w.runs("terminal", 0)
	viewer := w.join(row.ID)
	w.wish(row.ID, streamspace.DesiredStopped)
	w.becomes(row.ID, streamspace.StateStopping)
	w.eventually("the viewer is sent away", func() bool {
		return w.revoked(viewer, w.clock.now()) == streamspace.CodeSessionStopped
	})
	if home, err := w.store.HomeByID(t.Context(), row.HomeID); err != nil || home.SessionID == nil {
		t.Fatalf("home %+v was detached before its desktop ended (%v)", home, err)
	}
	row = w.becomes(row.ID, streamspace.StateStopped)
	if epochs := w.running(row.ID); len(epochs) != 0 {
		t.Fatalf("desktops %v run on", epochs)
	}
	if _, err := w.broker.Route(t.Context(), row.ID); err == nil {
		t.Fatal("the route is still there")
	}
	home, err := w.store.HomeByID(t.Context(), row.HomeID)
	w.must(err)
	if home.SessionID != nil {
		t.Fatalf("home is still attached: %+v", home)
	}
	if next := w.runs("terminal", 0); next.HomeID != home.ID {
		t.Fatalf("the next session has home %s, want %s", next.HomeID, home.ID)
	}
	w.eventually("the stopped session is not counted", func() bool {
		return w.metric("sessions", "running") == 1 && w.metric("sessions", "stopping") == 0
	})
}

func TestStopBeforeAndWhileItStarts(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := newWorld(t, quick, func(d runtime.Desktop) runtimetest.Script {
		if d.Template.Name == "held" {
			return runtimetest.Script{Hold: hold}
		}
		return runtimetest.Script{Steps: []string{"Starting the X server"}, Step: 10 * time.Second, EndTime: 20 * time.Millisecond}
	})
	slow := w.create("slow", 0)
	w.reaches(slow.ID, "a step is told", func(row store.Session) bool { return row.Step == "Starting the X server" })
	held := w.create("held", 0)
	w.becomes(held.ID, streamspace.StateStarting)
	w.wish(slow.ID, streamspace.DesiredStopped)
	w.wish(held.ID, streamspace.DesiredStopped)
	w.becomes(slow.ID, streamspace.StateStopped) // held holds nothing up but itself
	close(hold)
	w.becomes(held.ID, streamspace.StateStopped)
	w.eventually("nothing runs", func() bool { return len(w.runtime.Running()) == 0 })
}

func TestSlowApplyHoldsUpNobody(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := newWorld(t, quick, func(d runtime.Desktop) runtimetest.Script {
		if d.Template.Name == "held" {
			return runtimetest.Script{Hold: hold}
		}
		return runtimetest.Script{}
	})
	var held []store.Session
	for range 20 { // more than the store and the broker serve at once
		held = append(held, w.create("held", 0))
	}
	for range 5 {
		w.runs("terminal", 0)
	}
	close(hold)
	for _, row := range held {
		w.becomes(row.ID, streamspace.StateRunning)
	}
}

func TestIdleSessionSleepsAndIsWoken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 2*time.Second) // much more than touching it takes on a busy machine
	viewer := w.join(row.ID)                 // it watches, and does nothing
	touched := w.clock.now().Add(500 * time.Millisecond)
	w.eventually("half a second has passed", func() bool { return w.clock.now().After(touched) })
	w.must(w.broker.Touch(t.Context(), row.ID, w.clock.now()))
	slept := w.becomes(row.ID, streamspace.StateHibernated)
	if slept.LastActiveAt == nil || slept.LastActiveAt.Before(touched) {
		t.Fatalf("last active at %v, was touched at %s", slept.LastActiveAt, touched)
	}
	if after := slept.StateChangedAt.Sub(*slept.LastActiveAt); after < 2*time.Second || slept.DesiredState != streamspace.DesiredHibernated || slept.Reason != "Nobody used it for 2 seconds" {
		t.Fatalf("slept %s after its last use as %+v", after, slept)
	}
	if code := w.revoked(viewer, w.clock.now()); code != streamspace.CodeSessionHibernate {
		t.Fatalf("the viewer was sent away with %q", code)
	}
	if _, err := w.broker.Route(t.Context(), row.ID); err == nil {
		t.Fatal("the route is still there")
	}
	returned := w.join(row.ID)
	w.must(w.broker.Want(t.Context(), row.ID))
	woken := w.becomes(row.ID, streamspace.StateRunning)
	w.routed(woken)
	if woken.Epoch != 2 || woken.DesiredState != streamspace.DesiredRunning || woken.Reason != "" || woken.HomeID != row.HomeID {
		t.Fatalf("woken as %+v", woken)
	}
	if code := w.revoked(returned, w.clock.now().Truncate(time.Second)); code != "" {
		t.Fatalf("a new ticket of the same second was refused with %q", code)
	}
	for name, want := range map[string]float64{"hibernations_total": 1, "wakes_total": 1, "restarts_total": 0} {
		if got := w.metric(name); got != want {
			t.Errorf("metric %s is %v, want %v", name, got, want)
		}
	}
	if n := w.metric("start_seconds", "wake"); n != 1 {
		t.Errorf("%v wakes were timed, want 1", n)
	}
}

func TestActivityKeepsAwakeAndIsWrittenNowAndThen(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.FlushTouch = 200 * time.Millisecond
	w := newWorld(t, timing, nil)
	row := w.runs("terminal", 2*time.Second)
	writes, last := 0, time.Time{}
	began := time.Now()
	w.never("went to sleep while used", 3*time.Second, func() bool {
		w.must(w.broker.Touch(t.Context(), row.ID, w.clock.now()))
		now := w.row(row.ID)
		if now.LastActiveAt != nil && !now.LastActiveAt.Equal(last) {
			writes, last = writes+1, *now.LastActiveAt
		}
		return now.State != streamspace.StateRunning
	})
	if most := int(time.Since(began)/timing.FlushTouch) + 2; writes < 2 || writes > most {
		t.Fatalf("activity was written %d times, want 2 to %d", writes, most)
	}
}

func TestSleepOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 0)
	viewer := w.join(row.ID)
	w.wish(row.ID, streamspace.DesiredHibernated)
	w.reaches(row.ID, "it falls asleep", func(row store.Session) bool { // it may be asleep before one looks
		return row.State == streamspace.StateHibernating || row.State == streamspace.StateHibernated
	})
	w.must(w.broker.Want(t.Context(), row.ID)) // its gateway misses the route, and has yet to read that the viewer must go
	asleep := w.becomes(row.ID, streamspace.StateHibernated)
	w.never("woken by a viewer that was sent away", 2*quick.WakeGrace, func() bool {
		return w.row(row.ID).State != streamspace.StateHibernated
	})
	w.must(w.broker.Leave(t.Context(), viewer))
	w.must(w.broker.Want(t.Context(), row.ID))
	woken := w.becomes(row.ID, streamspace.StateRunning)
	if woken.Epoch != asleep.Epoch+1 {
		t.Fatalf("woken with epoch %d after %d", woken.Epoch, asleep.Epoch)
	}
	w.wish(row.ID, streamspace.DesiredHibernated)
	w.becomes(row.ID, streamspace.StateHibernated)
	w.wish(row.ID, streamspace.DesiredRunning)
	w.becomes(row.ID, streamspace.StateRunning)
}

func TestViewerThatComesWhileItFallsAsleepWakesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 0)
	w.wish(row.ID, streamspace.DesiredHibernated)
	w.becomes(row.ID, streamspace.StateHibernated)
	w.join(row.ID)
	w.must(w.broker.Want(t.Context(), row.ID)) // within the moment in which wants are doubted
	w.becomes(row.ID, streamspace.StateRunning)
}

func TestDeathIsMadeUpForAndGivenUpOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, func(d runtime.Desktop) runtimetest.Script {
		if d.Epoch >= 3 && d.Epoch <= 6 {
			return runtimetest.Script{Fail: "The X server did not start: the disk is full"}
		}
		return runtimetest.Script{}
	})
	row := w.runs("terminal", 0)
	if !w.runtime.Crash(row.ID, "The X server died") {
		t.Fatal("there was no desktop to crash")
	}
	again := w.reaches(row.ID, "it runs again", func(row store.Session) bool {
		return row.State == streamspace.StateRunning && row.Epoch == 2
	})
	if again.Restarts != 1 || again.Reason != "" {
		t.Fatalf("runs again as %+v", again)
	}
	w.routed(again)
	viewer := w.join(row.ID)
	w.eventually("it crashes", func() bool { return w.runtime.Crash(row.ID, "The X server died") })
	failed := w.becomes(row.ID, streamspace.StateFailed)
	if failed.Reason != "The X server did not start: the disk is full" || failed.DesiredState != streamspace.DesiredHibernated || failed.Epoch != 4 {
		t.Fatalf("failed as %+v", failed)
	}
	w.eventually("the waiting viewer is told", func() bool {
		return w.revoked(viewer, failed.CreatedAt) == streamspace.CodeDesktopGone
	})
	w.must(w.broker.Want(t.Context(), row.ID))
	w.never("a viewer revived it", 100*time.Millisecond, func() bool { return w.row(row.ID).State != streamspace.StateFailed })
	w.wish(row.ID, streamspace.DesiredRunning)
	w.reaches(row.ID, "it was tried anew, and runs after two more deaths", func(row store.Session) bool {
		return row.State == streamspace.StateRunning && row.Epoch == 7
	})
	if restarts := w.metric("restarts_total"); restarts != 5 { // two crashes; epoch 3; 5 and 6
		t.Errorf("%v restarts are counted, want 5", restarts)
	}
}

func TestWithdrawnTemplateFailsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.becomes(w.create("withdrawn", 0).ID, streamspace.StateFailed)
	if row.Reason != `The template "withdrawn" is no longer in the catalog` || row.Epoch != 1 {
		t.Fatalf("failed as %+v", row)
	}
	w.wish(row.ID, streamspace.DesiredStopped)
	w.becomes(row.ID, streamspace.StateStopped)
}

func TestNewControlPlaneTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	runs, asleep, dies := w.runs("terminal", 0), w.runs("terminal", 0), w.runs("terminal", 0)
	stopped, waits := w.runs("terminal", 0), w.runs("terminal", 0)
	w.wish(asleep.ID, streamspace.DesiredHibernated)
	w.becomes(asleep.ID, streamspace.StateHibernated)
	w.wish(stopped.ID, streamspace.DesiredStopped)
	w.becomes(stopped.ID, streamspace.StateStopped)
	w.stop()

	w.runtime.Crash(dies.ID, "killed while nobody looked")
	w.eventually("it died", func() bool { return len(w.running(dies.ID)) == 0 })
	w.must(w.runtime.Delete(t.Context(), dies.ID)) // and nothing remembers it
	for _, orphan := range []streamspace.SessionID{asleep.ID, stopped.ID, streamspace.NewSessionID()} {
		w.must(w.runtime.Apply(t.Context(), runtime.Desktop{Session: orphan, Home: streamspace.NewHomeID(), Epoch: 9}))
	}
	w.wish(waits.ID, streamspace.DesiredStopped)
	created := w.create("terminal", 0)

	w.start()
	w.becomes(created.ID, streamspace.StateRunning)
	w.becomes(waits.ID, streamspace.StateStopped)
	back := w.reaches(dies.ID, "it runs again", func(row store.Session) bool {
		return row.State == streamspace.StateRunning && row.Epoch == 2
	})
	w.eventually("exactly what should run runs", func() bool {
		running := w.runtime.Running()
		return len(running) == 3 && len(w.running(runs.ID)) == 1 && len(w.running(created.ID)) == 1 && len(w.running(back.ID)) == 1
	})
	if row := w.row(runs.ID); row.Epoch != 1 || row.State != streamspace.StateRunning || row.Restarts != 0 {
		t.Fatalf("what ran on was not left alone: %+v", row)
	}
	if row := w.row(asleep.ID); row.State != streamspace.StateHibernated {
		t.Fatalf("what slept is %+v", row)
	}
}

func TestRestoredDatabaseGoesAboveWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 0)
	w.stop()
	w.must(w.runtime.Apply(t.Context(), runtime.Desktop{Session: row.ID, Home: row.HomeID, Epoch: 8}))
	w.start()
	w.reaches(row.ID, "it runs above", func(row store.Session) bool {
		return row.State == streamspace.StateRunning && row.Epoch == 9
	})
	w.eventually("one desktop runs", func() bool { return slices.Equal(w.running(row.ID), []uint64{9}) })
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	runs, dies, idle := w.runs("terminal", 0), w.runs("terminal", 0), w.runs("terminal", time.Second)
	w.store.down.Store(true)
	w.runtime.Crash(dies.ID, "The X server died")
	created := w.create("terminal", 0)
	w.eventually("it is logged", func() bool { return w.log.count("neighbour=store") > 0 })
	w.never("desktops were touched while the database was away", 1500*time.Millisecond, func() bool {
		return len(w.running(runs.ID)) != 1 || len(w.running(idle.ID)) != 1 || len(w.running(created.ID)) != 0
	})
	if n := w.log.count("neighbour=store"); n != 1 {
		t.Fatalf("the outage was logged %d times:\n%s", n, w.log.text())
	}
	w.store.down.Store(false)
	w.becomes(created.ID, streamspace.StateRunning)
	w.becomes(idle.ID, streamspace.StateHibernated)
	w.reaches(dies.ID, "it runs again", func(row store.Session) bool {
		return row.State == streamspace.StateRunning && row.Epoch == 2
	})
	if row := w.row(runs.ID); row.Epoch != 1 {
		t.Fatalf("what ran was restarted: %+v", row)
	}
	if w.metric("reconcile_errors_total") == 0 {
		t.Error("no error was counted")
	}
}

func TestBrokerAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	ends, idle := w.runs("terminal", 0), w.runs("terminal", time.Second)
	w.broker.down.Store(true)
	w.wish(ends.ID, streamspace.DesiredStopped)
	w.eventually("its desktop goes all the same", func() bool { return len(w.running(ends.ID)) == 0 })
	created := w.becomes(w.create("terminal", 0).ID, streamspace.StateRunning)
	w.never("put to sleep though nobody knows of its use", 1500*time.Millisecond, func() bool {
		return w.row(idle.ID).State != streamspace.StateRunning || w.row(ends.ID).State != streamspace.StateStopping
	})
	if n := w.log.count("neighbour=broker"); n != 1 {
		t.Fatalf("the outage was logged %d times:\n%s", n, w.log.text())
	}
	w.broker.down.Store(false)
	w.becomes(ends.ID, streamspace.StateStopped)
	w.becomes(idle.ID, streamspace.StateHibernated)
	w.routed(created)
}

func TestLostRouteIsPublishedAgainWhenMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 0)
	w.must(w.broker.Broker.Withdraw(t.Context(), row.ID, uint64(row.Epoch))) // as a broker that has forgotten
	w.must(w.broker.Want(t.Context(), row.ID))
	w.routed(row)
}

func TestRoutesAreToldAgainToABrokerThatForgot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick, nil)
	row := w.runs("terminal", 0)
	w.must(w.broker.Broker.Withdraw(t.Context(), row.ID, uint64(row.Epoch)))
	w.broker.reset.Store(true)
	w.must(w.broker.Touch(t.Context(), row.ID, w.clock.now())) // any event
	w.routed(row)
}

func TestLookingAtAllFindsWhatNobodyTold(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Resync = 50 * time.Millisecond
	w := newWorld(t, timing, nil)
	row := w.runs("terminal", 10*time.Minute)
	w.clock.jump(11 * time.Minute) // timers do not see it
	w.becomes(row.ID, streamspace.StateHibernated)
	w.clock.jump(-11 * time.Minute)
	w.must(w.broker.Want(t.Context(), row.ID))
	w.clock.jump(time.Minute)
	w.must(w.broker.Want(t.Context(), row.ID))
	w.eventually("it is woken in the end", func() bool {
		w.must(w.broker.Want(t.Context(), row.ID))
		return w.row(row.ID).State == streamspace.StateRunning
	})
}

// From the commit of the API's transaction to a published route each step is
// told to whoever takes the next one: where nobody looks by himself, all start
// all the same. How long that takes is in the log.
func TestStartsWaitForNoLook(t *testing.T) {
	w := newWorld(t, lifecycle.Timing{Resync: time.Hour}, nil)
	events, err := w.broker.Subscribe(t.Context(), 100)
	w.must(err)
	defer events.Close()
	var took []time.Duration
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 20 {
		row := w.create("terminal", 0)
		began := time.Now()
		for {
			event, err := events.Next(ctx)
			w.must(err)
			if event.Kind == broker.EventRoute && event.Session == row.ID {
				break
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("from the click's commit to the route: p50 %s, worst %s", took[len(took)/2], took[len(took)-1])
}
