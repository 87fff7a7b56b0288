package process

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// watch keeps the newest observation of each desktop for the one watcher.
type watch struct {
	mu      sync.Mutex
	latest  map[streamspace.SessionID]runtime.Observation // guarded by mu; of desktops that exist
	ending  map[streamspace.SessionID]bool                // guarded by mu; these show no more life
	pending map[streamspace.SessionID]runtime.Observation // guarded by mu; not yet delivered
	order   []streamspace.SessionID                       // guarded by mu; of pending, oldest first
	wake    chan struct{}                                 // capacity 1
	phases  *prometheus.GaugeVec
}

func newWatch(phases *prometheus.GaugeVec) *watch {
	return &watch{
		latest:  make(map[streamspace.SessionID]runtime.Observation),
		ending:  make(map[streamspace.SessionID]bool),
		pending: make(map[streamspace.SessionID]runtime.Observation),
		wake:    make(chan struct{}, 1),
		phases:  phases,
	}
}

func (w *watch) tell(o runtime.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	alive := o.Phase != runtime.PhaseGone && o.Phase != runtime.PhaseFailed
	if alive && w.ending[o.Session] {
		return
	}
	w.drop(o.Session)
	if alive {
		w.latest[o.Session] = o
		w.phases.WithLabelValues(string(o.Phase)).Inc()
	}
	if _, waiting := w.pending[o.Session]; !waiting {
		w.order = append(w.order, o.Session)
	}
	w.pending[o.Session] = o
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// ends has nobody hear of a sign of life of a desktop that is on its way out;
// how it ended is told when it has, which the caller tells with over.
func (w *watch) ends(session streamspace.SessionID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(session)
	w.ending[session] = true
}

func (w *watch) over(session streamspace.SessionID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ending, session)
}

// drop takes a desktop off those that exist; the caller holds mu.
func (w *watch) drop(session streamspace.SessionID) {
	if before, exists := w.latest[session]; exists {
		w.phases.WithLabelValues(string(before.Phase)).Dec()
		delete(w.latest, session)
	}
}

// stream begins a new watch: what exists, the mark, then every change. What was
// told before it began and no longer exists is not delivered.
func (w *watch) stream(ctx context.Context) <-chan runtime.Observation {
	w.mu.Lock()
	first := make([]runtime.Observation, 0, len(w.latest)+1)
	for _, o := range w.latest {
		first = append(first, o)
	}
	first = append(first, runtime.Observation{Synced: true})
	clear(w.pending)
	w.order = nil
	w.mu.Unlock()

	out := make(chan runtime.Observation)
	go func() { // ends with ctx
		defer close(out)
		for _, o := range first {
			select {
			case out <- o:
			case <-ctx.Done():
				return
			}
		}
		for {
			o, ok := w.next()
			if !ok {
				select {
				case <-w.wake:
					continue
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- o:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (w *watch) next() (runtime.Observation, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return runtime.Observation{}, false
	}
	session := w.order[0]
	w.order = w.order[1:]
	o := w.pending[session]
	delete(w.pending, session)
	return o, true
}
