package runtimetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// Crash has the session's desktop die by itself, and says whether there was one.
func (f *Fake) Crash(session streamspace.SessionID, reason string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.desktops[session]
	if d == nil || d.ended || d.seen.Phase == runtime.PhaseFailed {
		return false
	}
	select {
	case d.crash <- reason:
	default: // it is dying already
	}
	return true
}

// Running lists the desktops that run now, in no order.
func (f *Fake) Running() []runtime.Desktop {
	f.mu.Lock()
	defer f.mu.Unlock()
	var running []runtime.Desktop
	for _, d := range slices.Collect(maps.Values(f.desktops)) {
		if d.seen.Phase == runtime.PhaseStarting || d.seen.Phase == runtime.PhaseReady {
			running = append(running, d.Desktop)
		}
	}
	return running
}

// Highest returns the highest epoch that was applied for the session.
func (f *Fake) Highest(session streamspace.SessionID) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.highest[session]
}

// Wrongs lists what was asked that must never be: an epoch below an earlier
// one, two desktops on one home.
func (f *Fake) Wrongs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wrongs)
}

// wrong puts down what must never be; the caller holds mu.
func (f *Fake) wrong(format string, args ...any) {
	f.wrongs = append(f.wrongs, fmt.Sprintf(format, args...))
}
