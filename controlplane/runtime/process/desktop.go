package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/images/agent"
)

const (
	readyLimit = 30 * time.Second // from launch to the RFB handshake
	stopLimit  = 8 * time.Second  // longer than the agent gives its programs
	killLimit  = 5 * time.Second  // the kernel needs that long only with a hanging disk
	goneLimit  = 3 * time.Second  // from the agent's farewell to its end
	lastLines  = 8                // of a log, in a reason
)

// running are the processes of one desktop that we started. Whatever else runs
// inside ends with Inner, which is its namespace's init.
type running struct {
	Outer   pid `json:"outer"`   // bwrap, waiting
	Inner   pid `json:"inner"`   // PID 1 inside: bwrap first, then the agent
	Network pid `json:"network"` // slirp4netns
}

// state is what a later start must know of a running desktop: state.json in
// its run folder.
type state struct {
	Session   streamspace.SessionID `json:"session"`
	Epoch     uint64                `json:"epoch"`
	Template  string                `json:"template"`
	Home      streamspace.HomeID    `json:"home"`
	UID       int                   `json:"uid"` // of the desktop's user
	Resources streamspace.Resources `json:"resources"`
	Boot      string                `json:"boot"` // see bootID
	Running   running               `json:"running"`
}

// desktop is one sandbox with an agent in it.
type desktop struct {
	// immutable
	runtime  *Runtime
	state    state
	dir      string // run folder
	began    time.Time
	prepared time.Duration      // until the agent began; 0 when that was an earlier server's time
	cancel   context.CancelFunc // ends watching, not the desktop

	answers atomic.Bool // the agent is there: it hears signals, which bwrap does not

	// owned by the goroutine that watches
	control  net.Conn // where the agent's status comes from; nil before it has connected
	oomKills int64    // seen and told

	ended  chan struct{} // closed when it is no longer watched
	why    string        // valid after ended: crashed, memory, timeout
	reason string        // valid after ended: for people
}

// launch brings up a sandbox and begins to watch it. Of one that does not come
// up nothing is left.
func launch(r *Runtime, wanted runtime.Desktop) (*desktop, error) {
	d := &desktop{runtime: r, dir: filepath.Join(r.run, string(wanted.Session)), began: time.Now(), ended: make(chan struct{})}
	box, err := newSandbox(r, d.dir, wanted)
	if err != nil {
		os.RemoveAll(d.dir)
		return nil, err
	}
	defer box.close()
	d.state = state{
		Session: wanted.Session, Epoch: wanted.Epoch, Template: wanted.Template.Name, Home: wanted.Home, UID: box.uid,
		Resources: wanted.Template.Resources, Boot: r.boot,
	}
	d.state.Running, err = box.start(func(now running) error {
		d.state.Running = now
		text, err := json.Marshal(d.state)
		if err == nil {
			err = os.WriteFile(filepath.Join(d.dir, stateFile), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("writing the desktop's state: %w", err)
		}
		// Now, and not when the agent has begun: it may have ended, and not been heard.
		return d.connect(context.Background())
	})
	if err != nil {
		if d.control != nil {
			d.control.Close()
		}
		d.clear()
		return nil, err
	}
	d.prepared = time.Since(d.began)
	r.metrics.started.WithLabelValues("sandbox").Observe(d.prepared.Seconds())
	d.watch()
	return d, nil
}

// forPeople says why a desktop did not start, with what to do about it where
// we know.
func forPeople(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "The disk of the server's data folder is full. Free some room on it, then start the desktop again. (" + err.Error() + ")"
	case errors.Is(err, errHomeInUse):
		return "The home folder is used by another desktop. Stop that one first. (" + err.Error() + ")"
	}
	return "The desktop did not start: " + err.Error()
}

// watch follows the agent's status in a goroutine that closes ended.
func (d *desktop) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	go func() {
		defer close(d.ended)
		last, err := d.follow(ctx)
		if ctx.Err() != nil { // detached, or being stopped
			return
		}
		d.why, d.reason = d.explain(last, err)
		leaving, done := context.WithTimeout(ctx, goneLimit)
		defer done()
		d.state.Running.Inner.wait(leaving) // what does not leave by itself is killed
	}()
}

// follow tells every status as an observation, and returns the last one when
// the agent hangs up.
func (d *desktop) follow(ctx context.Context) (agent.Status, error) {
	var last agent.Status
	if d.control == nil { // of a desktop that runs since before
		if err := d.connect(ctx); err != nil {
			return last, err
		}
	}
	conn := d.control
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
		d.answers.Store(true)
		if status.Phase == agent.PhaseReady && last.Phase != agent.PhaseReady {
			conn.SetReadDeadline(time.Time{})
			if err := d.publish(); err != nil {
				return last, err
			}
		}
		d.note(last, status)
		last = status
		d.tell(status)
	}
}

// connect connects with the agent. Its socket listens since before the agent
// begins: this does not wait.
func (d *desktop) connect(ctx context.Context) (err error) {
	var dialer net.Dialer
	if d.control, err = dialer.DialContext(ctx, "unix", filepath.Join(d.dir, controlSocket)); err != nil {
		return fmt.Errorf("connecting with the desktop's agent: %w", err)
	}
	return nil
}

// publish gives the RFB socket a second name beside io. The folder io belongs
// to the desktop, who could put a link to any socket of this machine there,
// and have the gateway connect to that in its place.
func (d *desktop) publish() error {
	if err := d.publishSocket(rfbSocket); err != nil {
		return err
	}
	for _, name := range []string{streamspace.SoundSocket, streamspace.MicrophoneSocket} {
		if err := d.publishSocket(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have no sound
			return err
		}
	}
	return nil
}

func (d *desktop) publishSocket(socket string) error {
	name := filepath.Join(d.dir, socket)
	if err := os.Link(filepath.Join(d.dir, ioDir, socket), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("publishing the desktop's socket: %w", err)
	}
	info, err := os.Lstat(name) // link(2) does not follow symbolic links, and neither do we
	if err != nil {
		return fmt.Errorf("publishing the desktop's socket: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); info.Mode().Type() != fs.ModeSocket || !ok || int(owner.Uid) != d.state.UID {
		return fmt.Errorf("publishing the desktop's socket: it is not one of the desktop's: %w", fs.ErrInvalid)
	}
	return nil
}

// note puts what is new in a status into metrics and log.
func (d *desktop) note(last, status agent.Status) {
	for name, at := range status.Milestones {
		if _, known := last.Milestones[name]; known || d.prepared == 0 {
			continue
		}
		d.runtime.metrics.started.WithLabelValues(name).Observe(d.prepared.Seconds() + float64(at)/1000)
		if name == "application" {
			d.runtime.log.Info("desktop is up", "session_id", d.state.Session, "epoch", d.state.Epoch, "template", d.state.Template,
				"sandbox_ms", d.prepared.Milliseconds(), "milestones_ms", status.Milestones)
		}
	}
	if status.Sound != "" && status.Sound != last.Sound {
		d.runtime.log.Warn("sound in the desktop went wrong", "session_id", d.state.Session, "reason", status.Sound)
	}
	if status.LastError != "" && (status.LastError != last.LastError || status.Restarts != last.Restarts) {
		d.runtime.metrics.restarts.Add(float64(status.Restarts - last.Restarts))
		killed := d.newOOMKills()
		d.runtime.log.Warn("something in the desktop went wrong", "session_id", d.state.Session, "error", status.LastError, "out_of_memory", killed > 0)
	}
}

// newOOMKills returns what the kernel has killed since the last call.
func (d *desktop) newOOMKills() int64 {
	all := d.runtime.limits.oomKills(d.state.Session)
	killed := all - d.oomKills
	d.oomKills = all
	d.runtime.metrics.oomKills.Add(float64(max(killed, 0)))
	return killed
}

func (d *desktop) tell(status agent.Status) {
	o := runtime.Observation{Session: d.state.Session, Epoch: d.state.Epoch, At: status.At}
	switch status.Phase {
	case agent.PhaseStarting:
		o.Phase, o.Step = runtime.PhaseStarting, status.Step
	case agent.PhaseReady:
		o.Phase, o.Address = runtime.PhaseReady, "unix:"+filepath.Join(d.dir, rfbSocket)
	default: // its end is told when it has ended
		return
	}
	d.runtime.watch.tell(o)
}

// explain says why a desktop ended that nobody asked to end.
func (d *desktop) explain(last agent.Status, err error) (why, reason string) {
	earlier := d.oomKills
	killed := d.newOOMKills() > 0 || earlier > 0 && strings.Contains(last.Reason, unix.SignalName(unix.SIGKILL))
	switch {
	case killed:
		return "memory", fmt.Sprintf("The desktop ran out of its %s of memory. Start it again, or use a template with more.", size(memoryOf(d.state.Resources)))
	case last.Phase == agent.PhaseFailed:
		return "crashed", "The desktop ended: " + last.Reason
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout", fmt.Sprintf("The desktop did not come up within %s. Its log says:\n%s", readyLimit, d.lastWords())
	case errors.Is(err, fs.ErrInvalid):
		return "crashed", "The desktop was stopped: " + err.Error()
	}
	return "crashed", "The desktop ended unexpectedly. Its log says:\n" + d.lastWords()
}

// lastWords returns the ends of the logs. The first of them is the desktop's to
// write: nothing but an ordinary file is read, and not much of it.
func (d *desktop) lastWords() string {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return "(nothing)"
	}
	defer root.Close()
	for _, name := range []string{filepath.Join(ioDir, desktopLog), sandboxLog} {
		text := tail(root, name)
		if lines := strings.Split(strings.TrimSpace(text), "\n"); lines[0] != "" {
			return strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
		}
	}
	return "(nothing)"
}

func tail(root *os.Root, name string) string {
	const most = 4 << 10 // bytes; a screen of text
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	text := make([]byte, min(info.Size(), most))
	n, _ := file.ReadAt(text, info.Size()-int64(len(text))) // io.EOF: it has shrunk
	return strings.ToValidUTF8(string(text[:n]), "?")
}

// stop ends the desktop, politely when there is somebody to be polite to, and
// returns when no process of it is left.
func (d *desktop) stop() {
	if d.answers.Load() && d.state.Running.Inner.signal(unix.SIGTERM) == nil {
		timer := time.NewTimer(stopLimit)
		defer timer.Stop()
		select {
		case <-d.ended:
		case <-timer.C:
		}
	}
	d.detach()
	d.clear()
}

// detach stops watching; the desktop goes on.
func (d *desktop) detach() {
	d.cancel()
	<-d.ended
}

// clear leaves no process of the desktop, no group and no run folder.
func (d *desktop) clear() {
	if err := d.kill(); err != nil {
		d.runtime.log.Error("desktop does not end", "session_id", d.state.Session, "error", err)
	}
	d.runtime.limits.remove(d.state.Session)
	if err := os.RemoveAll(d.dir); err != nil {
		d.runtime.log.Warn("removing a desktop's run folder", "session_id", d.state.Session, "error", err)
	}
}

// kill ends every process of the desktop and waits until they have: with its
// PID 1 the kernel ends the whole sandbox.
func (d *desktop) kill() error {
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	now := d.state.Running
	var errs []error
	for _, p := range []pid{now.Inner, now.Outer, now.Network} {
		if err := p.signal(unix.SIGKILL); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := p.wait(ctx); err != nil {
			errs = append(errs, fmt.Errorf("waiting for the end of process %d: %w", p.Number, err))
		}
	}
	for d.runtime.limits.kill(d.state.Session) > 0 { // who got out of the namespace's sight, if anybody ever does
		if ctx.Err() != nil {
			errs = append(errs, errors.New("its control group does not empty"))
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return errors.Join(errs...)
}

// size writes bytes as people do.
func size(bytes int64) string {
	if bytes%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
