// Package runtimetest is the suite that every runtime.Runtime passes, and a
// scripted runtime without desktops for tests of what stands above.
//
// The suite knows no implementation: a harness starts, kills and counts real
// desktops for it.
package runtimetest

import (
	"context"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// Harness is a runtime with nothing in it.
type Harness struct {
	Runtime runtime.Runtime
	// Desktop returns one that this runtime can start, of a new session and a
	// new home, with epoch 1.
	Desktop func(t *testing.T) runtime.Desktop
	// Crash has the session's desktop, which is up, die by itself.
	Crash func(t *testing.T, session streamspace.SessionID)
	// Count says how many desktops of the session really run, not by the
	// runtime's own word.
	Count func(t *testing.T, session streamspace.SessionID) int
	// Patience is how long a desktop may take to come up or to end; zero
	// means 30 s.
	Patience time.Duration
}

// Run runs the suite. fresh returns a harness that no other test uses, and
// cleans it up with the test.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := fresh(t)
			if h.Patience == 0 {
				h.Patience = 30 * time.Second
			}
			test.run(&bench{T: t, Harness: h, ctx: t.Context()})
		})
	}
}

// bench is one test's harness with the few words that tests are written in.
type bench struct {
	*testing.T
	Harness
	ctx context.Context
}

func (b *bench) apply(desktop runtime.Desktop) {
	b.Helper()
	if err := b.Runtime.Apply(b.ctx, desktop); err != nil {
		b.Fatalf("applying epoch %d: %v", desktop.Epoch, err)
	}
}

func (b *bench) delete(session streamspace.SessionID) {
	b.Helper()
	if err := b.Runtime.Delete(b.ctx, session); err != nil {
		b.Fatalf("deleting: %v", err)
	}
}

// watch starts the watch and returns what was there before it, by session.
func (b *bench) watch() (*watch, map[streamspace.SessionID]runtime.Observation) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	w := &watch{bench: b, cancel: cancel, observations: b.Runtime.Watch(ctx)}
	b.Cleanup(w.close)
	before := make(map[streamspace.SessionID]runtime.Observation)
	for {
		o := w.next()
		if o.Synced {
			if o.Session != "" || o.Phase != "" {
				b.Fatalf("Synced is set alone, got %+v", o)
			}
			return w, before
		}
		before[o.Session] = o
	}
}

// watch is the one watcher, with what it has seen.
type watch struct {
	*bench
	cancel       context.CancelFunc
	observations <-chan runtime.Observation
	all          []runtime.Observation
}

// next returns the next observation, and fails the test when none comes.
func (w *watch) next() runtime.Observation {
	w.Helper()
	timer := time.NewTimer(w.Patience)
	defer timer.Stop()
	select {
	case o, open := <-w.observations:
		if !open {
			w.Fatal("the watch ended by itself")
		}
		w.all = append(w.all, o)
		return o
	case <-timer.C:
		w.Fatalf("nothing was told for %s; so far: %+v", w.Patience, w.all)
		return runtime.Observation{}
	}
}

// until reads up to the observation of the session's phase in the epoch.
func (w *watch) until(session streamspace.SessionID, epoch uint64, phase runtime.Phase) runtime.Observation {
	w.Helper()
	for {
		o := w.next()
		if o.Session != session {
			continue
		}
		if o.Epoch == epoch && o.Phase == phase {
			return o
		}
		if o.Epoch == epoch && o.Phase == runtime.PhaseFailed {
			w.Fatalf("waiting for %s: it failed: %s", phase, o.Reason)
		}
	}
}

// ready reads until the desktop is up.
func (w *watch) ready(desktop runtime.Desktop) runtime.Observation {
	w.Helper()
	o := w.until(desktop.Session, desktop.Epoch, runtime.PhaseReady)
	if o.Address == "" {
		w.Fatalf("ready without an address: %+v", o)
	}
	return o
}

// close ends the watch and waits for the channel to close.
func (w *watch) close() {
	w.cancel()
	timer := time.NewTimer(w.Patience)
	defer timer.Stop()
	for {
		select {
		case _, open := <-w.observations:
			if !open {
				return
			}
		case <-timer.C:
			w.Errorf("the channel was not closed within %s after its context ended", w.Patience)
			return
		}
	}
}

// runs waits until so many desktops of the session run.
func (b *bench) runs(session streamspace.SessionID, want int) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(b.Patience); ; <-tick.C {
		got := b.Count(b.T, session)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d desktops of %s run, want %d", got, session, want)
		}
	}
}
