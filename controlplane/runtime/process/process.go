// Package process runs desktops as local processes, each in a bubblewrap
// sandbox of its own: private processes, IPC, /tmp and network, a read-only
// system, its own home, and, when we are root, its own Unix user.
//
// Desktops are not children that die with us: after a crash of the server the
// next one finds them again through the run folder. A clean end stops them.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// DefaultUIDBase is above what Debian gives to people and services, and below
// the ranges of container tools. Home number n is Unix user base+n.
const DefaultUIDBase = 200_000

// maxSocketPath is what fits into sockaddr_un.
const maxSocketPath = 107

// Options of a Runtime.
type Options struct {
	DataDir      string // homes and run folders; must be searchable by other users when we are root
	AgentPath    string // the agent binary; empty: beside our own, then in PATH
	KeepDesktops bool   // leave them running when Run ends
	UIDBase      int    // see DefaultUIDBase, which 0 means
	Log          *slog.Logger
	Registerer   prometheus.Registerer
}

// Runtime implements runtime.Runtime.
type Runtime struct {
	// immutable
	data, run string // folders
	agent     string // the agent binary, copied to where sandboxes can read it
	tag       string // marks our processes among all of this machine's
	uidBase   int    // 0 when we are not root: then desktops run as ourselves
	keep      bool
	limits    limiter
	slirp     string // path of slirp4netns; empty: desktops have no network
	log       *slog.Logger
	metrics   *metrics

	watch *watch

	ctx    context.Context // of every desktop's keeper
	cancel context.CancelFunc
	ending sync.WaitGroup // keepers

	mu      sync.Mutex
	closed  bool                              // guarded by mu
	keepers map[streamspace.SessionID]*keeper // guarded by mu
}

// New checks that the machine has what desktops need, and finds those that run.
func New(o Options) (*Runtime, error) {
	if err := checkPrograms(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runtime{
		data: o.DataDir, keep: o.KeepDesktops, log: o.Log, metrics: newMetrics(o.Registerer),
		watch: newWatch(), ctx: ctx, cancel: cancel, keepers: make(map[streamspace.SessionID]*keeper),
	}
	if os.Geteuid() == 0 {
		if r.uidBase = o.UIDBase; r.uidBase == 0 {
			r.uidBase = DefaultUIDBase
		}
	}
	if err := r.prepareFolders(); err != nil {
		cancel()
		return nil, err
	}
	if err := r.installAgent(o.AgentPath); err != nil {
		cancel()
		return nil, err
	}
	r.limits = chooseLimiter(o.Log, r.tag)
	if path, err := exec.LookPath("slirp4netns"); err == nil {
		r.slirp = path
	} else {
		r.log.Warn("slirp4netns is not installed: desktops have no network", "install", "sudo apt-get install slirp4netns")
	}
	r.adopt()
	return r, nil
}

// Run waits for ctx, then stops every desktop (unless KeepDesktops) and
// returns when no keeper is left.
func (r *Runtime) Run(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	r.closed = true
	if !r.keep {
		for _, k := range r.keepers {
			k.want(nil)
		}
	}
	r.mu.Unlock()
	if r.keep {
		r.cancel()
	}
	r.ending.Wait()
	r.cancel()
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

// DeleteHome removes a home's folder. The caller knows that no desktop uses it.
func (r *Runtime) DeleteHome(_ context.Context, home streamspace.HomeID) error {
	if _, err := streamspace.ParseHomeID(string(home)); err != nil {
		return err
	}
	homes, err := os.OpenRoot(filepath.Join(r.data, "homes"))
	if err != nil {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	defer homes.Close()
	// Root follows no symbolic link out of the folder, whatever the home holds.
	if err := homes.RemoveAll(string(home)); err != nil {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	if err := homes.Remove(string(home) + ".lock"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	return nil
}

// Availability says whether the template's program is installed here.
func (r *Runtime) Availability(template streamspace.Template) runtime.Availability {
	if _, err := exec.LookPath(template.Command[0]); err == nil {
		return runtime.Availability{Installed: true}
	}
	return runtime.Availability{
		Missing:        []string{template.Command[0]},
		InstallCommand: "sudo apt-get install -y " + strings.Join(template.Packages, " "),
	}
}

// checkPrograms names everything missing at once.
func checkPrograms() error {
	packages := map[string]string{"bwrap": "bubblewrap", "Xvnc": "tigervnc-standalone-server", "openbox": "openbox", "xkbcomp": "x11-xkb-utils"}
	var programs, install []string
	for _, program := range []string{"bwrap", "Xvnc", "openbox", "xkbcomp"} {
		if _, err := exec.LookPath(program); err != nil {
			programs, install = append(programs, program), append(install, packages[program])
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return fmt.Errorf("desktops need %s: run `sudo apt-get install %s`", strings.Join(programs, ", "), strings.Join(install, " "))
}

func (r *Runtime) prepareFolders() error {
	r.run = filepath.Join(r.data, "run")
	longest := filepath.Join(r.run, string(streamspace.NewSessionID()), "io", "control.sock")
	if len(longest) > maxSocketPath {
		sum := sha256.Sum256([]byte(r.data))
		r.run = filepath.Join(os.TempDir(), "streamspace-"+hex.EncodeToString(sum[:6]))
		r.log.Info("the data folder's path is too long for sockets, using another", "run_dir", r.run)
	}
	for _, dir := range []string{filepath.Join(r.data, "homes"), filepath.Join(r.data, "agent"), r.run} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("making a folder for desktops: %w", err)
		}
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			return fmt.Errorf("%s is not a folder: %w", dir, errors.Join(err, os.ErrInvalid))
		}
		if err := os.Chmod(dir, 0o711); err != nil { // also against a umask; fails when it is not ours
			return fmt.Errorf("%s belongs to somebody else: %w", dir, err)
		}
	}
	sum := sha256.Sum256([]byte(r.run))
	r.tag = "streamspace-" + hex.EncodeToString(sum[:6])
	return nil
}

// installAgent copies the agent to where every sandbox may read it: our own
// folder may be closed to the desktops' users.
func (r *Runtime) installAgent(path string) error {
	if path == "" {
		if own, err := os.Executable(); err == nil {
			path = filepath.Join(filepath.Dir(own), "streamspace-agent")
		}
		if _, err := os.Stat(path); err != nil {
			if path, err = exec.LookPath("streamspace-agent"); err != nil {
				return errors.New("streamspace-agent stands neither beside streamspace nor in PATH: build both with `make build`")
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the desktop agent: %w", err)
	}
	sum := sha256.Sum256(text)
	r.agent = filepath.Join(r.data, "agent", hex.EncodeToString(sum[:8])) // a running desktop keeps the one it has
	if _, err := os.Stat(r.agent); err == nil {
		return nil
	}
	temp := r.agent + ".new"
	err = errors.Join(os.WriteFile(temp, text, 0o755), os.Chmod(temp, 0o755), os.Rename(temp, r.agent))
	if err != nil {
		return fmt.Errorf("installing the desktop agent: %w", err)
	}
	return nil
}
