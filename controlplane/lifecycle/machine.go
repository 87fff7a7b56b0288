// Package lifecycle turns what people want of a session into what is: a pure
// state machine, and a level-triggered reconciler around it. Hibernation,
// waking and idleness are decided here and nowhere else.
//
// It says which desktops run; how they run is the runtime's business, and who
// may ask for what is the API's.
package lifecycle

import (
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
)

// Input is everything a decision rests on.
type Input struct {
	Row      store.Session
	Seen     runtime.Observation // the newest of the session's desktop; zero: there is none
	Hopeless bool                // Seen is a failure that no further attempt will mend
	Did      Did
	Now      time.Time
	Touched  time.Time // the newest input from a person
	Wanted   bool      // a viewer waits for the desktop
	Repeat   bool      // what the runtime took is told it again if nothing came of it
	Timing   Timing
}

// Did is what this process has had done for the session. It is forgotten with
// the process: everything in it may be done again.
type Did struct {
	Applied  uint64    // epoch that the runtime was given
	Since    time.Time // when that was, or when this process found the session
	Deleted  time.Time // when the runtime took a Delete; zero: not since a desktop showed
	Routed   uint64    // epoch of the route that is published
	Address  string    // its address
	Unrouted bool      // no route is published
	Revoked  time.Time // the change of state for which viewers were sent away
}

// Actions are what has to be done to the world, in the order of the fields.
type Actions struct {
	Apply    bool             // the desktop of the row's epoch shall run
	Publish  bool             // its route shall be known
	Revoke   streamspace.Code // viewers shall leave, for this reason
	Withdraw bool             // no route shall be known
	Delete   bool             // no desktop shall run
}

// Plan is a decision: either a changed row, which is written before anything
// else happens, or what to do under the row as it is.
type Plan struct {
	Row     store.Session
	Changed bool
	Do      Actions
	Again   time.Time // decide again then, even if nothing happens; zero: no need
}

// Decide says what follows. It is a function of its input alone, and repeating
// it after its plan was carried out leads to a plan with nothing in it.
//
// The state tells how far the session is on its way to the desired state:
//
//	pending ─▶ starting ─▶ running ─▶ hibernating ─▶ hibernated ─▶ waking ─▶ running
//	           starting, waking, running ─▶ starting or waking again, after a death
//	           … ─▶ failed, after too many; a new desired state leads out of it
//	any ─▶ stopping ─▶ stopped
func Decide(in Input) Plan {
	d := decision{Input: in, next: in.Row}
	d.transit()
	if !sameRow(d.next, in.Row) {
		d.next.LastActiveAt = d.active()
		return Plan{Row: d.next, Changed: true}
	}
	return Plan{Row: in.Row, Do: d.actions(), Again: d.again}
}

// decision is one call of Decide under way.
type decision struct {
	Input
	next  store.Session
	again time.Time
}

// transit makes at most one step from state to state.
func (d *decision) transit() {
	row := &d.next
	switch row.State {
	case streamspace.StateStopped: // final
		return
	case streamspace.StateStopping: // so is the wish to stop
		row.DesiredState = streamspace.DesiredStopped
		if d.ended() {
			d.enter(streamspace.StateStopped)
		}
		return
	}
	switch row.DesiredState {
	case streamspace.DesiredStopped:
		d.enter(streamspace.StateStopping)
	case streamspace.DesiredHibernated:
		d.towardsSleep()
	default:
		d.towardsRunning()
	}
}

func (d *decision) towardsSleep() {
	switch d.next.State {
	case streamspace.StatePending:
		d.enter(streamspace.StateHibernated) // nothing was started yet
	case streamspace.StateStarting, streamspace.StateRunning, streamspace.StateWaking:
		d.enter(streamspace.StateHibernating)
	case streamspace.StateHibernating:
		if d.Wanted {
			d.next.DesiredState = streamspace.DesiredRunning
		} else if d.ended() {
			d.enter(streamspace.StateHibernated)
		}
	case streamspace.StateHibernated:
		if d.Wanted {
			d.next.DesiredState = streamspace.DesiredRunning
		}
	case streamspace.StateFailed: // stays: sleep is as good as any
	}
}

func (d *decision) towardsRunning() {
	switch d.next.State {
	case streamspace.StatePending, streamspace.StateFailed:
		d.revive(streamspace.StateStarting)
	case streamspace.StateHibernated:
		d.revive(streamspace.StateWaking)
	case streamspace.StateHibernating:
		if d.ended() {
			d.revive(streamspace.StateWaking)
		}
	case streamspace.StateStarting, streamspace.StateWaking:
		d.starting()
	case streamspace.StateRunning:
		d.running()
	}
}

// starting follows a desktop that is coming up, or is about to be tried again.
func (d *decision) starting() {
	row := &d.next
	if row.RetryAt != nil {
		pause := d.pause()
		if wait := row.RetryAt.Sub(d.Now); wait > 0 && wait <= pause { // a longer one means that the clock was set back
			d.remind(*row.RetryAt)
			return
		}
		d.start()
		return
	}
	switch d.desktop() {
	case runtime.PhaseReady:
		d.enter(streamspace.StateRunning)
		row.StartedAt, row.Reason = &d.Now, ""
		return
	case runtime.PhaseFailed, runtime.PhaseGone:
		d.died(d.Seen.Reason)
		return
	case runtime.PhaseStarting:
		d.progress(d.Seen.Step)
	}
	if d.actions().Apply {
		return // its time has not begun
	}
	deadline := later(d.Did.Since, row.StateChangedAt).Add(d.Timing.StartTimeout)
	if !d.Now.Before(deadline) {
		d.died("It did not come up within " + forPeople(d.Timing.StartTimeout) + lastStep(row.Step))
		return
	}
	d.remind(deadline)
}

// running watches over a desktop that is up, and puts it to sleep when nobody
// has used it for long enough.
func (d *decision) running() {
	row := &d.next
	switch d.desktop() {
	case runtime.PhaseStarting: // it is being brought up anew by its own agent
		d.enter(streamspace.StateStarting)
		row.Step, row.StartedAt = d.Seen.Step, nil
		return
	case runtime.PhaseFailed, runtime.PhaseGone:
		d.died(d.Seen.Reason)
		return
	case "":
		d.died("It was no longer there")
		return
	}
	used := *row
	used.LastActiveAt = d.active()
	deadline, sleeps := HibernatesAt(used)
	switch {
	case !sleeps:
	case d.Now.Before(deadline):
		d.remind(deadline)
	default:
		row.DesiredState = streamspace.DesiredHibernated
		d.enter(streamspace.StateHibernating)
		row.Reason = "Nobody used it for " + forPeople(time.Duration(row.IdleTimeoutSeconds)*time.Second)
	}
}

// active returns when somebody last did something, which the row may not know
// yet. A gateway's clock may be ahead of ours: nobody is active in the future.
func (d *decision) active() *time.Time {
	touched := earlier(d.Touched, d.Now)
	if !touched.After(at(d.Row.LastActiveAt)) {
		return d.Row.LastActiveAt
	}
	return &touched
}

// HibernatesAt says when a running session goes to sleep if nobody touches it.
// Only input counts: a viewer that merely watches keeps nothing awake.
func HibernatesAt(row store.Session) (time.Time, bool) {
	if row.State != streamspace.StateRunning || row.DesiredState != streamspace.DesiredRunning || row.IdleTimeoutSeconds == 0 {
		return time.Time{}, false
	}
	active := later(later(at(row.StartedAt), at(row.LastActiveAt)), row.CreatedAt)
	return active.Add(time.Duration(row.IdleTimeoutSeconds) * time.Second), true
}

// enter changes the state; what people are told about the old one goes.
func (d *decision) enter(state streamspace.State) {
	row := &d.next
	row.State, row.Step, row.RetryAt = state, "", nil
	switch state {
	case streamspace.StateHibernating, streamspace.StateStopping:
		row.Reason, row.Restarts = "", 0
	case streamspace.StateHibernated:
		row.StartedAt = nil
	}
}

// revive starts a desktop because somebody wants it: earlier deaths do not count.
func (d *decision) revive(state streamspace.State) {
	d.enter(state)
	d.next.Restarts, d.next.Reason = 0, ""
	d.start()
}

// start takes the next epoch, above any that was ever seen: a database that
// was restored from a backup may lag behind the desktops.
func (d *decision) start() {
	d.next.Epoch = max(d.Row.Epoch, int64(d.Seen.Epoch)) + 1
	d.next.RetryAt = nil
	d.next.Step = "Preparing the desktop"
}

// died handles an end that nobody asked for: another attempt after a pause, or
// none after too many in a row.
func (d *decision) died(reason string) {
	row := &d.next
	if row.State == streamspace.StateRunning && d.Now.Sub(at(row.StartedAt)) >= d.Timing.Settled {
		row.Restarts = 0 // it ran well: what was before is forgiven
	}
	row.StartedAt, row.Step, row.Reason = nil, "", reason
	row.Restarts++
	if reason == "" {
		row.Reason = "It ended without saying why"
	}
	if d.Hopeless || int(row.Restarts) > d.Timing.MaxRestarts {
		row.State, row.RetryAt = streamspace.StateFailed, nil
		// Asking for it to run is then a new wish, which revives it.
		row.DesiredState = streamspace.DesiredHibernated
		return
	}
	if row.State == streamspace.StateRunning {
		row.State = streamspace.StateStarting
	}
	retry := d.Now.Add(d.pause())
	row.RetryAt = &retry
	row.Step = "Starting again after it ended"
}

// pause is how long the next attempt waits after so many deaths.
func (d *decision) pause() time.Duration {
	return d.Timing.Backoff << max(d.next.Restarts-1, 0)
}

// progress passes on what the desktop says it does, not more often than people read.
func (d *decision) progress(step string) {
	if step == "" || step == d.next.Step {
		return
	}
	if due := d.Row.UpdatedAt.Add(d.Timing.StepEvery); d.Now.Before(due) {
		d.remind(due)
		return
	}
	d.next.Step = step
}

// desktop returns the phase of the desktop that the row speaks of. One of
// another epoch is not it: an older one makes way, a newer one cannot be ours.
func (d *decision) desktop() runtime.Phase {
	if d.Seen.Epoch == uint64(d.Row.Epoch) {
		return d.Seen.Phase
	}
	if d.alive() && d.Seen.Epoch > uint64(d.Row.Epoch) {
		return runtime.PhaseFailed
	}
	return ""
}

func (d *decision) alive() bool {
	return d.Seen.Phase == runtime.PhaseStarting || d.Seen.Phase == runtime.PhaseReady
}

// unseen says that a desktop was applied of which nothing was heard yet: it
// may still come up.
func (d *decision) unseen() bool { return d.Seen.Epoch < d.Did.Applied }

// ended says whether the way down is complete: everything was done that leads
// there, and no desktop runs.
func (d *decision) ended() bool {
	if d.actions() != (Actions{}) || d.alive() {
		return false
	}
	if d.unseen() { // a runtime that took the Delete and stays silent has nothing to tell
		silence := d.Did.Deleted.Add(d.Timing.GoneTimeout)
		d.remind(silence)
		return !d.Now.Before(silence)
	}
	return true
}

// actions says what is still to be done under the row as it was given.
func (d *decision) actions() Actions {
	row, epoch := d.Row, uint64(d.Row.Epoch)
	var do Actions
	runs := row.RetryAt == nil && (row.State == streamspace.StateStarting || row.State == streamspace.StateWaking || row.State == streamspace.StateRunning)
	if runs {
		do.Apply = d.desktop() == "" && (d.Did.Applied != epoch || d.Repeat)
	}
	if row.State == streamspace.StateRunning {
		do.Publish = d.desktop() == runtime.PhaseReady && (d.Did.Routed != epoch || d.Did.Address != d.Seen.Address)
		return do
	}
	do.Withdraw = epoch > 0 && !d.Did.Unrouted
	if code := farewell(row.State); code != "" && !d.Did.Revoked.Equal(row.StateChangedAt) {
		do.Revoke = code
	}
	if !runs {
		lingers := d.alive() || d.unseen()
		cleans := epoch > 0 && farewell(row.State) != "" // what a dead desktop left behind, or one from before our time
		do.Delete = d.Did.Deleted.IsZero() && (lingers || cleans) || d.Repeat && lingers
	}
	return do
}

// farewell is what viewers are told when the session enters the state.
func farewell(state streamspace.State) streamspace.Code {
	switch state {
	case streamspace.StateStopping:
		return streamspace.CodeSessionStopped
	case streamspace.StateHibernating:
		return streamspace.CodeSessionHibernate
	case streamspace.StateFailed:
		return streamspace.CodeDesktopGone
	}
	return ""
}

func (d *decision) remind(when time.Time) {
	if d.again.IsZero() || when.Before(d.again) {
		d.again = when
	}
}
