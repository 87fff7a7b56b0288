package process

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// adopt takes up the desktops that an earlier start left running, and clears
// away what is left of others. It runs before anything else is started.
func (r *Runtime) adopt() {
	entries, err := os.ReadDir(r.run)
	if err != nil {
		r.log.Warn("looking for desktops of an earlier start", "error", err)
		return
	}
	ours := make(map[int]bool)
	for _, entry := range entries {
		session, err := streamspace.ParseSessionID(entry.Name())
		if err != nil {
			continue
		}
		d := &desktop{runtime: r, dir: filepath.Join(r.run, entry.Name()), began: time.Now(), ended: make(chan struct{})}
		if err := d.readState(); err != nil || d.state.Session != session || !d.state.Running.Inner.alive() {
			r.log.Info("clearing away what is left of a desktop", "session_id", session, "error", err)
			d.state.Session = session
			d.clear()
			continue
		}
		ours[d.state.Running.Outer.Number], ours[d.state.Running.Inner.Number] = true, true
		d.oomKills = r.limits.oomKills(session)
		r.log.Info("found a running desktop", "session_id", session, "epoch", d.state.Epoch)
		r.metrics.adopted.Inc()
		r.watch.tell(runtime.Observation{Session: session, Epoch: d.state.Epoch, Phase: runtime.PhaseStarting, Step: "Found again", At: time.Now()})
		d.watch()
		k := newKeeper(r, session)
		k.current = d
		k.want(&runtime.Desktop{Session: session, Epoch: d.state.Epoch}) // until somebody says otherwise
		r.keepers[session] = k
		r.ending.Go(k.run)
	}
	r.killStrays(ours)
	for _, name := range r.limits.sessions() {
		if session, err := streamspace.ParseSessionID(name); err == nil && r.keepers[session] == nil {
			stray := &desktop{runtime: r, dir: filepath.Join(r.run, name), state: state{Session: session}}
			stray.clear()
		}
	}
}

// readState reads what the server that started the desktop put down. It is of
// no use after the machine has started anew.
func (d *desktop) readState() error {
	text, err := os.ReadFile(filepath.Join(d.dir, stateFile))
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("reading %s: %w", stateFile, err)
	}
	if s.Boot == d.runtime.boot && s.Boot != "" {
		d.state = s
	}
	return nil
}

// killStrays ends sandboxes of ours that are in no state file: the server
// ended between starting and noting them. They are known by the tag at the end
// of their arguments. (A program inside a sandbox may dress up like that; all
// that it gets is its own end.)
func (r *Runtime) killStrays(ours map[int]bool) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		var number int
		fmt.Sscanf(name, "/proc/%d/", &number)
		if n := len(args); n < 3 || args[n-2] != r.tag || ours[number] {
			continue
		}
		stray, err := pidOf(number)
		if err == nil {
			err = stray.signal(unix.SIGKILL)
		}
		r.log.Warn("ended a stray sandbox", "pid", number, "error", err)
	}
}
