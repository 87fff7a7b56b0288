package runtimetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// Fake is a runtime without desktops, for tests of what is above: it does what
// its script says, and keeps an eye on what is asked of it. It passes Run.
type Fake struct {
	script func(runtime.Desktop) Script // immutable

	mu       sync.Mutex
	desktops map[streamspace.SessionID]*fakeDesktop        // guarded by mu; those that exist
	homes    map[streamspace.HomeID]*fakeDesktop           // guarded by mu; those in use
	highest  map[streamspace.SessionID]uint64              // guarded by mu; epoch ever applied
	wrongs   []string                                      // guarded by mu
	told     map[streamspace.SessionID]runtime.Observation // guarded by mu; not yet delivered
	queue    []streamspace.SessionID                       // guarded by mu; the order of told
	wake     chan struct{}                                 // capacity 1
	group    sync.WaitGroup
}

// Script is how a desktop goes. The zero Script is up at once and ends at once.
type Script struct {
	Refuse  error           // Apply returns it and nothing starts
	Hold    <-chan struct{} // Apply blocks until it is closed
	Steps   []string        // told while starting
	Step    time.Duration   // each takes
	Fail    string          // it dies with this reason instead of being ready
	EndTime time.Duration   // from being asked to end until it has
}

type fakeDesktop struct {
	runtime.Desktop
	script Script
	before *fakeDesktop        // the one it replaces; it waits for its end
	stop   chan struct{}       // closed to end it
	crash  chan string         // capacity 1
	done   chan struct{}       // closed when it has ended
	ended  bool                // guarded by Fake.mu; stop is closed
	seen   runtime.Observation // guarded by Fake.mu
}

// NewFake returns a runtime whose desktops go by script; nil means the zero
// Script for all. Close ends it.
func NewFake(script func(runtime.Desktop) Script) *Fake {
	if script == nil {
		script = func(runtime.Desktop) Script { return Script{} }
	}
	return &Fake{
		script: script, desktops: make(map[streamspace.SessionID]*fakeDesktop), homes: make(map[streamspace.HomeID]*fakeDesktop),
		highest: make(map[streamspace.SessionID]uint64), told: make(map[streamspace.SessionID]runtime.Observation), wake: make(chan struct{}, 1),
	}
}

var _ runtime.Runtime = (*Fake)(nil)

// Close ends every desktop and waits for all that was started.
func (f *Fake) Close() {
	f.mu.Lock()
	for _, d := range f.desktops {
		d.end()
	}
	f.mu.Unlock()
	f.group.Wait()
}

// Apply declares that the desktop should run.
func (f *Fake) Apply(ctx context.Context, desktop runtime.Desktop) error {
	script := f.script(desktop)
	if script.Hold != nil {
		select {
		case <-script.Hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if script.Refuse != nil {
		return script.Refuse
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if desktop.Epoch < f.highest[desktop.Session] {
		f.wrong("%s: epoch %d applied after %d", desktop.Session, desktop.Epoch, f.highest[desktop.Session])
	}
	f.highest[desktop.Session] = max(f.highest[desktop.Session], desktop.Epoch)
	before := f.desktops[desktop.Session]
	if before != nil {
		if before.Epoch == desktop.Epoch && !before.ended && before.seen.Phase != runtime.PhaseFailed {
			return nil
		}
		before.end()
	}
	d := &fakeDesktop{
		Desktop: desktop, script: script, before: before,
		stop: make(chan struct{}), crash: make(chan string, 1), done: make(chan struct{}),
		seen: runtime.Observation{Session: desktop.Session, Epoch: desktop.Epoch, Phase: runtime.PhaseStarting},
	}
	f.desktops[desktop.Session] = d
	f.group.Go(func() { f.run(d) })
	return nil
}

// Delete declares that the session's desktop should not run.
func (f *Fake) Delete(_ context.Context, session streamspace.SessionID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.desktops[session]
	if d == nil {
		return nil
	}
	d.end()
	if d.seen.Phase == runtime.PhaseFailed {
		delete(f.desktops, session)
	}
	return nil
}

// end has the desktop end; the caller holds Fake.mu.
func (d *fakeDesktop) end() {
	if !d.ended {
		d.ended = true
		close(d.stop)
	}
}

// run is one desktop's life.
func (f *Fake) run(d *fakeDesktop) {
	defer close(d.done)
	if d.before != nil {
		<-d.before.done
		d.before = nil
	}
	f.mu.Lock()
	if other := f.homes[d.Home]; other != nil && d.Home != "" {
		f.wrong("home %s: %s came up while %s had it", d.Home, d.Session, other.Session)
	}
	f.homes[d.Home] = d
	f.mu.Unlock()
	phase, reason := f.live(d)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.homes[d.Home] == d {
		delete(f.homes, d.Home)
	}
	if f.desktops[d.Session] == d && (phase == runtime.PhaseGone || d.ended) {
		delete(f.desktops, d.Session)
	}
	f.tell(d, runtime.Observation{Phase: phase, Reason: reason})
}

// live takes the desktop from its start to its end, and returns which it was.
func (f *Fake) live(d *fakeDesktop) (runtime.Phase, string) {
	select {
	case <-d.stop: // before it began
		return runtime.PhaseGone, ""
	default:
	}
	f.note(d, runtime.Observation{Phase: runtime.PhaseStarting})
	for _, step := range d.script.Steps {
		f.note(d, runtime.Observation{Phase: runtime.PhaseStarting, Step: step})
		if phase, reason := d.wait(d.script.Step); phase != "" {
			return phase, reason
		}
	}
	if d.script.Fail != "" {
		return runtime.PhaseFailed, d.script.Fail
	}
	f.note(d, runtime.Observation{Phase: runtime.PhaseReady, Address: fmt.Sprintf("unix:/run/%s.sock", d.Session)})
	return d.wait(-1)
}

// wait lets the desktop live for a while, a negative one being for ever, and
// returns how it ended if it did.
func (d *fakeDesktop) wait(while time.Duration) (runtime.Phase, string) {
	var over <-chan time.Time
	if while >= 0 {
		timer := time.NewTimer(while)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return "", ""
	case reason := <-d.crash:
		return runtime.PhaseFailed, reason
	case <-d.stop:
		if d.script.EndTime > 0 {
			time.Sleep(d.script.EndTime) // this is the desktop's own time, which nothing shortens
		}
		return runtime.PhaseGone, ""
	}
}

func (f *Fake) note(d *fakeDesktop, o runtime.Observation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(d, o)
}

// tell puts down what the watcher is to hear; the caller holds mu.
func (f *Fake) tell(d *fakeDesktop, o runtime.Observation) {
	o.Session, o.Epoch, o.At = d.Session, d.Epoch, time.Now()
	d.seen = o
	if _, waits := f.told[d.Session]; !waits {
		f.queue = append(f.queue, d.Session)
	}
	f.told[d.Session] = o
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Watch delivers what there is, Synced, and then every change.
func (f *Fake) Watch(ctx context.Context) <-chan runtime.Observation {
	observations := make(chan runtime.Observation)
	f.mu.Lock()
	first := make([]runtime.Observation, 0, len(f.desktops)+1)
	for _, d := range f.desktops {
		first = append(first, d.seen)
	}
	clear(f.told)
	f.queue = nil
	f.mu.Unlock()
	first = append(first, runtime.Observation{Synced: true, At: time.Now()})
	f.group.Go(func() {
		defer close(observations)
		send := func(o runtime.Observation) bool {
			select {
			case observations <- o:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for _, o := range first {
			if !send(o) {
				return
			}
		}
		for {
			if o, ok := f.next(); ok {
				if !send(o) {
					return
				}
				continue
			}
			select {
			case <-f.wake:
			case <-ctx.Done():
				return
			}
		}
	})
	return observations
}

// next takes the observation that has waited longest.
func (f *Fake) next() (runtime.Observation, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return runtime.Observation{}, false
	}
	o := f.told[f.queue[0]]
	delete(f.told, f.queue[0])
	f.queue = f.queue[1:]
	return o, true
}
