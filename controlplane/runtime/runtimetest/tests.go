package runtimetest

import (
	"sync"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

var tests = []struct {
	name string
	run  func(b *bench)
}{
	{"NothingIsThereAtFirst", func(b *bench) {
		if _, before := b.watch(); len(before) != 0 {
			b.Fatalf("there was %+v", before)
		}
	}},
	{"AppliedComesUp", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		w.ready(desktop)
		b.runs(desktop.Session, 1)
	}},
	{"AppliedAgainIsLeftAlone", appliedAgain},
	{"DeletedIsGone", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		w.ready(desktop)
		b.delete(desktop.Session)
		w.until(desktop.Session, desktop.Epoch, runtime.PhaseGone)
		b.runs(desktop.Session, 0)
		b.delete(desktop.Session) // again, and it is no error
	}},
	{"DeletedWhileStartingIsGone", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		b.delete(desktop.Session)
		w.until(desktop.Session, desktop.Epoch, runtime.PhaseGone)
		b.runs(desktop.Session, 0)
	}},
	{"DeletingNothingIsNoError", func(b *bench) {
		b.delete(streamspace.NewSessionID())
	}},
	{"HigherEpochReplaces", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		w.ready(desktop)
		desktop.Epoch = 5
		b.apply(desktop)
		w.ready(desktop)
		b.runs(desktop.Session, 1)
		w.epochsGrow(desktop.Session)
	}},
	{"HigherEpochReplacesOneThatIsStarting", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		for range 3 {
			b.apply(desktop)
			desktop.Epoch++
		}
		b.apply(desktop)
		w.ready(desktop)
		b.runs(desktop.Session, 1)
		w.epochsGrow(desktop.Session)
	}},
	{"ComesBackAfterDelete", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		w.ready(desktop)
		b.delete(desktop.Session)
		desktop.Epoch++
		b.apply(desktop) // while the one before may still be ending
		w.ready(desktop)
		b.runs(desktop.Session, 1)
	}},
	{"CrashIsTold", func(b *bench) {
		w, _ := b.watch()
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		w.ready(desktop)
		b.Crash(b.T, desktop.Session)
		for {
			o := w.next()
			if o.Session == desktop.Session && o.Phase == runtime.PhaseFailed {
				if o.Reason == "" || o.Epoch != desktop.Epoch {
					b.Fatalf("told without a reason, or of another epoch: %+v", o)
				}
				break
			}
		}
		b.runs(desktop.Session, 0)
		desktop.Epoch++
		b.apply(desktop)
		w.ready(desktop)
	}},
	{"WatchTellsWhatIsThere", func(b *bench) {
		first, _ := b.watch()
		up, gone := b.Desktop(b.T), b.Desktop(b.T)
		b.apply(up)
		b.apply(gone)
		first.ready(up)
		b.delete(gone.Session)
		b.runs(gone.Session, 0)
		first.close()
		_, before := b.watch()
		if o := before[up.Session]; o.Phase != runtime.PhaseReady || o.Epoch != up.Epoch || o.Address == "" {
			b.Fatalf("of the desktop that is up was told %+v", o)
		}
		if o := before[gone.Session]; o.Phase == runtime.PhaseReady || o.Phase == runtime.PhaseStarting {
			b.Fatalf("of the desktop that is gone was told %+v", o)
		}
	}},
	{"WhatHappensUnwatchedIsFoundLater", func(b *bench) {
		desktop := b.Desktop(b.T)
		b.apply(desktop)
		b.runs(desktop.Session, 1)
		w, before := b.watch()
		if o := before[desktop.Session]; o.Phase != runtime.PhaseReady {
			w.ready(desktop)
		}
	}},
	{"SlowWatcherGetsTheNewest", slowWatcher},
	{"ManyAtOnce", manyAtOnce},
}

// epochsGrow fails the test if life of an epoch was told after life of a later one.
func (w *watch) epochsGrow(session streamspace.SessionID) {
	w.Helper()
	var highest uint64
	for _, o := range w.all {
		alive := o.Phase == runtime.PhaseStarting || o.Phase == runtime.PhaseReady
		if o.Session != session || !alive {
			continue
		}
		if o.Epoch < highest {
			w.Fatalf("epoch %d showed life after epoch %d: %+v", o.Epoch, highest, w.all)
		}
		highest = o.Epoch
	}
}

// appliedAgain has a desktop that is up applied again and again: it stays as
// it is, which is seen for as long as another takes to come and go.
func appliedAgain(b *bench) {
	w, _ := b.watch()
	desktop, other := b.Desktop(b.T), b.Desktop(b.T)
	b.apply(desktop)
	b.apply(desktop)
	up := w.ready(desktop)
	from := len(w.all)
	b.apply(desktop)
	b.apply(other)
	w.ready(other)
	b.apply(desktop)
	b.delete(other.Session)
	w.until(other.Session, other.Epoch, runtime.PhaseGone)
	for _, o := range w.all[from:] {
		if o.Session == desktop.Session && (o.Phase != runtime.PhaseReady || o.Address != up.Address) {
			b.Fatalf("applied again with the same epoch, it went to %+v", o)
		}
	}
	b.runs(desktop.Session, 1)
}

// slowWatcher has much happen while nobody reads: no call may block on that,
// and then the newest of each desktop is told.
func slowWatcher(b *bench) {
	w, _ := b.watch()
	stays, goes := b.Desktop(b.T), b.Desktop(b.T)
	for range 3 {
		b.apply(stays)
		b.apply(goes)
		b.delete(stays.Session)
		stays.Epoch++
		goes.Epoch++
	}
	b.apply(stays)
	b.runs(stays.Session, 1)
	b.delete(goes.Session)
	b.runs(goes.Session, 0)
	last := make(map[streamspace.SessionID]runtime.Observation)
	for last[stays.Session].Phase != runtime.PhaseReady || last[stays.Session].Epoch != stays.Epoch || last[goes.Session].Phase != runtime.PhaseGone {
		o := w.next()
		last[o.Session] = o
	}
	w.epochsGrow(stays.Session)
}

// manyAtOnce has several sessions come and go side by side.
func manyAtOnce(b *bench) {
	const sessions = 4
	w, _ := b.watch()
	var desktops []runtime.Desktop
	for range sessions {
		desktops = append(desktops, b.Desktop(b.T))
	}
	each := func(do func(d runtime.Desktop) error) {
		var group sync.WaitGroup
		for _, d := range desktops {
			for range 2 { // and each of them twice at the same time
				group.Go(func() {
					if err := do(d); err != nil {
						b.Errorf("%s: %v", d.Session, err)
					}
				})
			}
		}
		group.Wait()
	}
	all := func(phase runtime.Phase) {
		left := make(map[streamspace.SessionID]bool)
		for _, d := range desktops {
			left[d.Session] = true
		}
		for len(left) > 0 {
			if o := w.next(); o.Phase == phase {
				delete(left, o.Session)
			}
		}
	}
	each(func(d runtime.Desktop) error { return b.Runtime.Apply(b.ctx, d) })
	all(runtime.PhaseReady)
	for _, d := range desktops {
		b.runs(d.Session, 1)
	}
	each(func(d runtime.Desktop) error { return b.Runtime.Delete(b.ctx, d.Session) })
	all(runtime.PhaseGone)
	for _, d := range desktops {
		b.runs(d.Session, 0)
	}
}
