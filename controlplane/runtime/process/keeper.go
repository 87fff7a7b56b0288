package process

import (
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// keeper makes one session's desktop be what was last asked for. It is the
// only one that starts and stops it.
type keeper struct {
	runtime *Runtime
	session streamspace.SessionID
	changed chan struct{} // capacity 1
	retired chan struct{} // closed when run has returned

	mu      sync.Mutex
	wanted  *runtime.Desktop // guarded by mu; nil: none should run
	goneDue bool             // guarded by mu; somebody waits to hear that it is gone
	epoch   uint64           // guarded by mu; the highest that was wished for or found

	// owned by run
	current *desktop // nil: none runs
	failed  uint64   // epoch of the last one that ended by itself
}

func newKeeper(r *Runtime, session streamspace.SessionID) *keeper {
	return &keeper{runtime: r, session: session, changed: make(chan struct{}, 1), retired: make(chan struct{})}
}

// want sets the wish. A lower epoch than the one wished for changes nothing.
func (k *keeper) want(d *runtime.Desktop) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d != nil && k.wanted != nil && d.Epoch < k.wanted.Epoch {
		return
	}
	k.wanted = d
	k.goneDue = d == nil
	if d != nil {
		k.epoch = max(k.epoch, d.Epoch)
	}
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

func (k *keeper) wish() *runtime.Desktop {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wanted
}

func (k *keeper) idle() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wanted == nil && !k.goneDue
}

func (k *keeper) run() {
	defer close(k.retired)
	for {
		wanted := k.wish()
		switch {
		case k.current != nil && (wanted == nil || wanted.Epoch > k.current.state.Epoch):
			k.end("asked", "")
			continue
		case k.current == nil && wanted == nil:
			k.tellGone()
			if k.runtime.retire(k) {
				return
			}
			continue
		case k.current == nil && wanted.Epoch > k.failed:
			k.begin(*wanted)
			continue
		}
		var ended <-chan struct{}
		if k.current != nil {
			ended = k.current.ended
		}
		select {
		case <-k.changed:
		case <-ended:
			k.end(k.current.why, k.current.reason)
		case <-k.runtime.ctx.Done(): // desktops are kept: the next start finds them
			if k.current != nil {
				k.current.detach()
			}
			return
		}
	}
}

func (k *keeper) tellGone() {
	k.mu.Lock()
	due, epoch := k.goneDue, k.epoch
	k.goneDue = false
	k.mu.Unlock()
	if due {
		k.runtime.watch.tell(runtime.Observation{Session: k.session, Epoch: epoch, Phase: runtime.PhaseGone, At: time.Now()})
	}
}

// begin starts the desktop that is wanted.
func (k *keeper) begin(wanted runtime.Desktop) {
	step := "Preparing the sandbox"
	if wanted.Template.Network == streamspace.NetworkInternet && k.runtime.offline != "" {
		step = "Preparing the sandbox, without a network: " + k.runtime.offline
	}
	k.tell(wanted.Epoch, runtime.PhaseStarting, step, "")
	d, err := launch(k.runtime, wanted)
	if err != nil {
		k.runtime.log.Error("desktop did not start", "session_id", k.session, "error", err)
		k.runtime.metrics.ended.WithLabelValues("crashed").Inc()
		k.failed = wanted.Epoch
		k.tell(wanted.Epoch, runtime.PhaseFailed, "", forPeople(err))
		return
	}
	k.current = d
}

// end stops what is left of the current desktop. A reason says that it ended by itself.
func (k *keeper) end(why, reason string) {
	d := k.current
	k.runtime.watch.ends(k.session)
	d.stop()
	k.runtime.watch.over(k.session)
	k.current = nil
	k.failed = d.state.Epoch
	k.runtime.metrics.ended.WithLabelValues(why).Inc()
	k.runtime.log.Info("desktop ended", "session_id", k.session, "epoch", d.state.Epoch, "why", why)
	if reason != "" {
		k.tell(d.state.Epoch, runtime.PhaseFailed, "", reason)
	}
}

func (k *keeper) tell(epoch uint64, phase runtime.Phase, step, reason string) {
	k.runtime.watch.tell(runtime.Observation{
		Session: k.session, Epoch: epoch, Phase: phase, Step: step, Reason: reason, At: time.Now(),
	})
}
