package lifecycle

import (
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
)

// session is what the reconciler knows of one session, and its place in line.
type session struct {
	id streamspace.SessionID // immutable

	heard heard // guarded by Reconciler.mu
	dirty bool  // guarded by Reconciler.mu; something was heard, or is due
	busy  bool  // guarded by Reconciler.mu; work runs
	timer timer // guarded by Reconciler.mu

	// owned by work
	row      store.Session
	loaded   bool // row was read
	did      Did
	home     store.Home                    // read before the first start; never changes
	flushed  time.Time                     // when activity was last written
	expelled map[streamspace.ViewerID]bool // viewers that were sent away last
	failures int                           // of the store, broker or runtime, in a row
}

// heard is what watchers leave for the session's work.
type heard struct {
	seen     runtime.Observation
	hopeless bool // seen is a failure that no further attempt will mend
	lively   bool // a desktop showed itself since the work last looked

	fresh   *store.Session // a row that somebody else read
	stale   bool           // the row was changed by somebody
	touched time.Time
	wanted  time.Time // when a viewer last asked for the desktop; zero: not since that was dealt with
	forgot  time.Time // when to tell a broker that may have forgotten again; zero: it has not
	repeat  bool      // what the runtime took may be told it again, in case it was lost
}

// observe takes what the runtime says. News of an earlier epoch does not
// replace that of a later one, unless there is life in it.
func (h *heard) observe(o runtime.Observation) {
	alive := o.Phase == runtime.PhaseStarting || o.Phase == runtime.PhaseReady
	if o.Epoch < h.seen.Epoch && !alive {
		return
	}
	h.seen, h.hopeless = o, false
	h.lively = h.lively || alive
}

// over says that nothing more can come of the session: it may be forgotten.
// Called when no work runs, with Reconciler.mu held.
func (s *session) over() bool {
	alive := s.heard.seen.Phase == runtime.PhaseStarting || s.heard.seen.Phase == runtime.PhaseReady
	return s.loaded && s.row.State == streamspace.StateStopped && !alive && !s.timer.running()
}

// backoff counts a failure and returns the pause after it.
func (s *session) backoff(t Timing) time.Duration {
	pause := min(t.RetryFirst<<min(s.failures, 16), t.RetryMost)
	s.failures++
	return pause
}

// timer is one reminder; the owner's lock guards it.
type timer struct {
	timer *time.Timer
	when  time.Time
}

// start keeps the earlier of the reminder there is and the new one.
func (t *timer) start(when time.Time, in time.Duration, remind func()) {
	if t.timer != nil && !when.Before(t.when) {
		return
	}
	t.stop()
	t.when = when
	t.timer = time.AfterFunc(max(in, 0), remind)
}

func (t *timer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = nil
}

func (t *timer) running() bool { return t.timer != nil }

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
