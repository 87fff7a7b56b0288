package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/images/agent"
)

const (
	readyLimit = 30 * time.Second // from launch to the RFB handshake
	stopLimit  = 8 * time.Second  // longer than the agent gives its programs
	killLimit  = 5 * time.Second  // the kernel needs that long only with a hanging disk
	goneLimit  = 3 * time.Second  // from the agent's farewell to its end
)

// state is what a later start must know of a running desktop: state.json in
// its run folder.
type state struct {
	Session   streamspace.SessionID `json:"session"`
	Epoch     uint64                `json:"epoch"`
	Resources streamspace.Resources `json:"resources"`
}

// desktop is one sandbox with an agent in it.
type desktop struct {
	// immutable
	runtime *Runtime
	state   state
	dir     string // run folder
	began   time.Time
	cancel  context.CancelFunc // ends watching, not the desktop

	ended  chan struct{} // closed when it is no longer watched
	why    string        // valid after ended: crashed, memory, timeout
	reason string        // valid after ended: for people
}

func (d *desktop) socket() string { return filepath.Join(d.dir, "io", "rfb.sock") }

// launch brings up a sandbox and begins to watch it.
func launch(r *Runtime, wanted runtime.Desktop) (*desktop, error) {
	d := &desktop{
		runtime: r, dir: filepath.Join(r.run, string(wanted.Session)), began: time.Now(),
		state: state{wanted.Session, wanted.Epoch, wanted.Template.Resources}, ended: make(chan struct{}),
	}
	if err := killAll(r.tag, wanted.Session); err != nil { // never two desktops of one session
		return nil, err
	}
	box, err := newSandbox(r, d.dir, wanted)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(d.state)
	if err == nil {
		err = os.WriteFile(filepath.Join(d.dir, "state.json"), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the desktop's state: %w", err)
	}
	exited, err := box.start()
	if err != nil {
		killAll(r.tag, wanted.Session)
		r.limits.remove(wanted.Session)
		return nil, err
	}
	d.watch(exited, false)
	return d, nil
}

// adopt takes up the desktops that an earlier start left running, and removes
// the folders of those that ended since.
func (r *Runtime) adopt() {
	entries, err := os.ReadDir(r.run)
	if err != nil {
		r.log.Warn("looking for desktops of an earlier start", "error", err)
		return
	}
	for _, entry := range entries {
		session, err := streamspace.ParseSessionID(entry.Name())
		if err != nil {
			continue
		}
		d := &desktop{runtime: r, dir: filepath.Join(r.run, entry.Name()), began: time.Now(), ended: make(chan struct{})}
		text, err := os.ReadFile(filepath.Join(d.dir, "state.json"))
		if err == nil {
			err = json.Unmarshal(text, &d.state)
		}
		if err != nil || d.state.Session != session || find(r.tag, session).agent == 0 {
			killAll(r.tag, session)
			r.limits.remove(session)
			os.RemoveAll(d.dir)
			continue
		}
		r.log.Info("found a running desktop", "session_id", session, "epoch", d.state.Epoch)
		r.metrics.adoption.Inc()
		r.metrics.running.Inc()
		r.watch.tell(runtime.Observation{Session: session, Epoch: d.state.Epoch, Phase: runtime.PhaseStarting, Step: "Found again", At: time.Now()})
		d.watch(nil, true)
		k := newKeeper(r, session)
		k.current = d
		k.wanted = &runtime.Desktop{Session: session, Epoch: d.state.Epoch} // until somebody says otherwise
		r.keepers[session] = k
		r.ending.Go(k.run)
	}
}

// watch follows the agent's status in a goroutine that closes ended. exited
// delivers the end of bwrap when it is our child.
func (d *desktop) watch(exited <-chan error, adopted bool) {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	go func() {
		defer close(d.ended)
		last, err := d.follow(ctx, adopted)
		if ctx.Err() != nil { // detached, or being stopped
			return
		}
		d.why, d.reason = d.explain(last, err)
		if exited != nil {
			select {
			case <-exited:
			case <-time.After(goneLimit):
			}
		}
	}()
}

// follow tells every status as an observation, and returns the last one when
// the agent hangs up.
func (d *desktop) follow(ctx context.Context, adopted bool) (agent.Status, error) {
	var last agent.Status
	starting, done := context.WithTimeout(ctx, readyLimit)
	defer done()
	conn, err := d.dial(starting)
	if err != nil {
		return last, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(readyLimit))
	decoder := json.NewDecoder(conn)
	for {
		var status agent.Status
		if err := decoder.Decode(&status); err != nil {
			return last, err
		}
		if status.Phase == agent.PhaseReady && last.Phase != agent.PhaseReady {
			conn.SetReadDeadline(time.Time{})
			if !adopted {
				d.runtime.metrics.started.Observe(time.Since(d.began).Seconds())
			}
			d.runtime.log.Info("desktop is ready", "session_id", d.state.Session, "epoch", d.state.Epoch,
				"duration", time.Since(d.began), "milestones_ms", status.Milestones)
		}
		last = status
		d.tell(status)
	}
}

func (d *desktop) tell(status agent.Status) {
	o := runtime.Observation{Session: d.state.Session, Epoch: d.state.Epoch, Step: status.Step, At: status.At}
	switch status.Phase {
	case agent.PhaseStarting:
		o.Phase = runtime.PhaseStarting
	case agent.PhaseReady:
		o.Phase, o.Address = runtime.PhaseReady, "unix:"+d.socket()
	default: // its end is told when it has ended
		return
	}
	d.runtime.watch.tell(o)
}

// dial waits for the agent's control socket, which appears within milliseconds.
func (d *desktop) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", filepath.Join(d.dir, "io", "control.sock"))
		if err == nil {
			return conn, nil
		}
		if find(d.runtime.tag, d.state.Session).outer == 0 && time.Since(d.began) > time.Second {
			return nil, errors.New("the sandbox ended at once")
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// explain says why a desktop ended that nobody asked to end.
func (d *desktop) explain(last agent.Status, err error) (why, reason string) {
	var network net.Error
	switch {
	case d.runtime.limits.killed(d.state.Session):
		return "memory", fmt.Sprintf("The desktop ran out of its %s of memory. Start it again, or ask for a template with more.", size(memoryOf(d.state.Resources)))
	case last.Phase == agent.PhaseFailed:
		return "crashed", "The desktop ended: " + last.Reason
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "timeout", fmt.Sprintf("The desktop did not come up within %s. Its log says:\n%s", readyLimit, d.lastWords())
	}
	return "crashed", "The desktop ended unexpectedly. Its log says:\n" + d.lastWords()
}

func (d *desktop) lastWords() string {
	for _, name := range []string{"io/desktop.log", "sandbox.log"} {
		text, err := os.ReadFile(filepath.Join(d.dir, name))
		if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); err == nil && lines[0] != "" {
			return strings.Join(lines[max(0, len(lines)-8):], "\n")
		}
	}
	return "(nothing)"
}

// stop ends the desktop, politely first, and returns when no process of it is left.
func (d *desktop) stop() {
	if pid := find(d.runtime.tag, d.state.Session).agent; pid != 0 {
		syscall.Kill(pid, syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(stopLimit):
		}
	}
	d.detach()
	if err := killAll(d.runtime.tag, d.state.Session); err != nil {
		d.runtime.log.Error("desktop does not end", "session_id", d.state.Session, "error", err)
	}
	d.runtime.limits.remove(d.state.Session)
	if err := os.RemoveAll(d.dir); err != nil {
		d.runtime.log.Warn("removing a desktop's run folder", "session_id", d.state.Session, "error", err)
	}
}

// detach stops watching; the desktop goes on.
func (d *desktop) detach() {
	d.cancel()
	<-d.ended
}

// processes of one session, by what they are; 0 where there is none.
type processes struct{ outer, agent int }

// find looks through this machine's processes for the session's: their
// arguments carry our tag and the session's id. Nothing that could go stale
// is kept of them.
func find(tag string, session streamspace.SessionID) processes {
	var found processes
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		n := len(args)
		if n < 5 || args[n-2] != tag || args[n-1] != string(session) {
			continue
		}
		var pid int
		fmt.Sscanf(name, "/proc/%d/", &pid)
		if filepath.Base(args[0]) == "bwrap" {
			if parent(pid) != found.outer || found.outer == 0 {
				found.outer = pid
			}
		} else {
			found.agent = pid
		}
	}
	return found
}

func parent(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name) state parent …; the name may hold spaces and brackets.
	_, rest, _ := strings.Cut(string(text), ") ")
	var status string
	var ppid int
	fmt.Sscan(rest, &status, &ppid)
	return ppid
}

// killAll ends every process of the session: with its PID 1 the kernel ends
// the whole sandbox.
func killAll(tag string, session streamspace.SessionID) error {
	for deadline := time.Now().Add(killLimit); ; time.Sleep(2 * time.Millisecond) {
		found := find(tag, session)
		if found == (processes{}) {
			return nil
		}
		for _, pid := range []int{found.agent, found.outer} {
			if pid != 0 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %d and %d of %s do not end", found.agent, found.outer, session)
		}
	}
}

func size(bytes int64) string {
	if bytes >= 1<<30 && bytes%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
