// Package process runs desktops as local processes, each in a bubblewrap
// sandbox of its own: private processes, IPC, /tmp and network, a read-only
// system, its own home, and, when we are root, its own Unix user.
//
// Desktops are not children that die with us: after a crash of the server the
// next one finds them again through the run folder. A clean end stops them.
//
// What a desktop may not reach: other desktops' processes, homes and sockets;
// the data folder; this machine's loopback and abstract sockets. What one with
// network "internet" does reach: every address that this machine reaches, its
// own outward ones and its local network included.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// DefaultUIDBase is above what Debian gives to people and services, and below
// the ranges of container tools. Home number n is Unix user base+n.
const DefaultUIDBase = 200_000

// Options of a Runtime.
type Options struct {
	DataDir      string // homes and run folders; must be searchable by other users when we are root
	AgentPath    string // the agent binary; empty: beside our own, then in PATH
	KeepDesktops bool   // leave them running when Run ends
	UIDBase      int    // see DefaultUIDBase, which 0 means
	Log          *slog.Logger
	Registerer   prometheus.Registerer

	noGroups bool // for tests: as if no control group could be made
}

// Runtime implements runtime.Runtime.
type Runtime struct {
	// immutable
	data, run string // folders
	agent     string // the agent binary, copied to where sandboxes can read it
	scene     string // the bench's marker program, likewise; empty where it is not installed
	tag       string // marks our processes among all of this machine's
	boot      string // see bootID
	uidBase   int    // 0 when we are not root: then desktops run as ourselves
	keep      bool
	limits    limiter
	filter    []byte // seccomp; empty on machines that we have none for
	slirp     string // path of slirp4netns; empty: desktops have no network
	offline   string // why slirp is empty
	log       *slog.Logger
	metrics   *metrics

	watch *watch

	ctx    context.Context // of every desktop's keeper
	cancel context.CancelFunc
	ending sync.WaitGroup // keepers, and who waits for the end of our children

	mu      sync.Mutex
	closed  bool                              // guarded by mu
	keepers map[streamspace.SessionID]*keeper // guarded by mu
}

// New checks that the machine has what desktops need, and finds those that run.
func New(o Options) (*Runtime, error) {
	if err := checkPrograms(); err != nil {
		return nil, err
	}
	r := &Runtime{
		data: o.DataDir, boot: bootID(), keep: o.KeepDesktops, log: o.Log, metrics: newMetrics(o.Registerer),
		keepers: make(map[streamspace.SessionID]*keeper),
	}
	r.watch = newWatch(r.metrics.phases)
	if os.Geteuid() == 0 {
		if r.uidBase = o.UIDBase; r.uidBase == 0 {
			r.uidBase = DefaultUIDBase
		}
	}
	if err := r.prepareFolders(); err != nil {
		return nil, err
	}
	if err := r.installAgent(o.AgentPath); err != nil {
		return nil, err
	}
	if err := r.trySandbox(); err != nil {
		return nil, err
	}
	var err error
	if r.filter, err = seccompFilter(); err != nil {
		r.log.Warn("desktops have no seccomp filter", "reason", err)
	}
	r.limits = chooseLimiter(o.Log, r.tag, o.noGroups)
	r.metrics.limits.WithLabelValues(r.limits.name()).Set(1)
	r.chooseNetwork()
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.adopt()
	return r, nil
}

// Run waits for ctx, then stops every desktop (unless KeepDesktops) and
// returns when no keeper is left.
func (r *Runtime) Run(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	r.closed = true
	keepers := make([]*keeper, 0, len(r.keepers))
	for _, k := range r.keepers {
		keepers = append(keepers, k)
		if !r.keep {
			k.want(nil)
		}
	}
	r.mu.Unlock()
	if !r.keep {
		for _, k := range keepers {
			<-k.retired
		}
	}
	r.cancel()
	r.ending.Wait()
	r.limits.close()
	return nil
}

// Apply implements runtime.Runtime.
func (r *Runtime) Apply(_ context.Context, desktop runtime.Desktop) error {
	if _, err := streamspace.ParseSessionID(string(desktop.Session)); err != nil { // it names a folder
		return err
	}
	if _, err := streamspace.ParseHomeID(string(desktop.Home)); err != nil {
		return err
	}
	if desktop.HomeIndex < 0 || len(desktop.Template.Command) == 0 || desktop.Template.Command[0] == "" {
		return fmt.Errorf("desktop of %s: home number %d, command %q: not one that can run", desktop.Session, desktop.HomeIndex, desktop.Template.Command)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the runtime is ending")
	}
	r.keeper(desktop.Session).want(&desktop)
	return nil
}

// Delete implements runtime.Runtime.
func (r *Runtime) Delete(_ context.Context, session streamspace.SessionID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.keepers[session]; k != nil {
		k.want(nil)
		return nil
	}
	r.watch.tell(runtime.Observation{Session: session, Phase: runtime.PhaseGone})
	return nil
}

// Watch implements runtime.Runtime.
func (r *Runtime) Watch(ctx context.Context) <-chan runtime.Observation { return r.watch.stream(ctx) }

// keeper returns the session's keeper, starting one when there is none. The
// caller holds mu.
func (r *Runtime) keeper(session streamspace.SessionID) *keeper {
	k := r.keepers[session]
	if k == nil {
		k = newKeeper(r, session)
		r.keepers[session] = k
		r.ending.Go(k.run)
	}
	return k
}

// retire forgets a keeper that has nothing to do; false when it has again.
func (r *Runtime) retire(k *keeper) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !k.idle() {
		return false
	}
	delete(r.keepers, k.session)
	return true
}

// reap waits in the background for a child of ours to end, so that it leaves
// nothing behind, and returns its name. Children that outlive us are init's.
func (r *Runtime) reap(cmd *exec.Cmd) (pid, error) {
	p, err := pidOf(cmd.Process.Pid)
	if err != nil { // it stays in the table until Wait, so this is no race
		cmd.Process.Kill()
		cmd.Wait()
		return pid{}, err
	}
	r.ending.Go(func() {
		if p.wait(r.ctx) == nil {
			cmd.Wait() // returns at once
		}
	})
	return p, nil
}
