package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// agentBinary is built once for the whole test process.
var agentBinary string

func TestMain(m *testing.M) {
	os.Exit(testAll(m))
}

func testAll(m *testing.M) int {
	if err := checkTools(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "streamspace-agent-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if data := os.Getenv(doomedEnv); data != "" {
		return serveUntilKilled(data)
	}
	agentBinary = filepath.Join(dir, "streamspace-agent")
	build := exec.Command("go", "build", "-o", agentBinary, "github.com/streamspace/streamspace/cmd/streamspace-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the agent: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// checkTools fails the tests, and does not skip them, when one could not do
// its work: a desktop that is not tried is not known to run.
func checkTools() error {
	err := checkPrograms()
	var programs, install []string
	for _, n := range []struct{ program, debian string }{
		{"xterm", "xterm"}, {"xclip", "xclip"}, {"xrandr", "x11-xserver-utils"}, {"xsetroot", "x11-xserver-utils"},
		{"slirp4netns", "slirp4netns"}, {"dbus-daemon", "dbus"}, {"python3", "python3"},
	} {
		if !lookInside(n.program) {
			programs, install = append(programs, n.program), append(install, n.debian)
		}
	}
	if err == nil && len(programs) > 0 {
		err = fmt.Errorf("the tests need %s: run `sudo apt-get install -y %s`", strings.Join(programs, ", "), strings.Join(install, " "))
	}
	return err
}

// dataDir is a folder that the desktops' users can pass through.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamspace-process-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// bed is a runtime under test with what its watcher has seen.
type bed struct {
	*Runtime
	registry *prometheus.Registry
	stop     func()

	mu   sync.Mutex
	seen []runtime.Observation // guarded by mu
}

// options of a runtime in the folder.
func options(dir string) Options {
	return Options{DataDir: dir, AgentPath: agentBinary, Log: slog.New(slog.DiscardHandler)}
}

// newUnwatched is a runtime that runs until stop, which sees that nothing is left.
func newUnwatched(t testing.TB, o Options) (r *Runtime, stop func()) {
	t.Helper()
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return r, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if o.KeepDesktops {
			return
		}
		if left := taggedProcesses(r.tag, ""); len(left) > 0 {
			t.Errorf("a clean end left processes %v", left)
		}
		for _, name := range r.limits.sessions() {
			t.Errorf("a clean end left group %s", name)
		}
	})
}

func newBed(t *testing.T, o Options) *bed {
	t.Helper()
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	r, stop := newUnwatched(t, o)
	b := &bed{Runtime: r, registry: registry}
	watching, stopWatching := context.WithCancel(context.Background())
	var watched sync.WaitGroup
	watched.Go(func() {
		for o := range r.Watch(watching) {
			b.mu.Lock()
			b.seen = append(b.seen, o)
			b.mu.Unlock()
		}
	})
	b.stop = sync.OnceFunc(func() { stop(); stopWatching(); watched.Wait() })
	t.Cleanup(b.stop)
	return b
}

// await returns the newest observation of the session that passes.
func (b *bed) await(t *testing.T, session streamspace.SessionID, what string, passes func(runtime.Observation) bool) runtime.Observation {
	t.Helper()
	var found runtime.Observation
	eventually(t, what, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for i := len(b.seen) - 1; i >= 0; i-- {
			if o := b.seen[i]; o.Session == session && passes(o) {
				found = o
				return true
			}
		}
		return false
	})
	return found
}

func (b *bed) awaitPhase(t *testing.T, session streamspace.SessionID, phase runtime.Phase) runtime.Observation {
	t.Helper()
	return b.await(t, session, "phase "+string(phase), func(o runtime.Observation) bool {
		if phase == runtime.PhaseReady && o.Phase == runtime.PhaseFailed {
			t.Fatalf("the desktop failed: %s", o.Reason)
		}
		return o.Phase == phase
	})
}

// eventually waits for a condition that only the outside world can tell, so it
// looks again and again.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 60 s", what)
		}
	}
}

// homeIndex begins at another place in each test process, so that several on
// one machine do not take each other's users for their own.
var homeIndex = struct {
	sync.Mutex
	n int
}{n: 1000 + os.Getpid()%10_000*1000}

func desktopOf(command ...string) runtime.Desktop {
	homeIndex.Lock()
	defer homeIndex.Unlock()
	homeIndex.n++
	return runtime.Desktop{
		Session: streamspace.NewSessionID(), Owner: streamspace.NewUserID(), Home: streamspace.NewHomeID(), HomeIndex: homeIndex.n,
		Epoch: 1, Width: 800, Height: 600,
		Template: streamspace.Template{Name: "test", DisplayName: "Test", Command: command, Packages: []string{"xterm"}, Network: streamspace.NetworkNone,
			Resources: streamspace.Resources{MemoryBytes: 512 << 20, CPUs: 2, Processes: 200}},
	}
}

// shell is a desktop whose application is a script; what it writes to its home
// is seen on the host.
func shell(script string) runtime.Desktop {
	return desktopOf("sh", "-c", script+"\nexec sleep 1000")
}

func (b *bed) homeFile(d runtime.Desktop, name string) string {
	text, _ := os.ReadFile(filepath.Join(b.homes(), string(d.Home), name))
	return strings.TrimSpace(string(text))
}

// apply brings the desktop up.
func (b *bed) apply(t *testing.T, d runtime.Desktop) runtime.Observation {
	t.Helper()
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return b.await(t, d.Session, fmt.Sprintf("epoch %d is ready", d.Epoch), func(o runtime.Observation) bool {
		if o.Epoch == d.Epoch && o.Phase == runtime.PhaseFailed {
			t.Fatalf("the desktop failed: %s", o.Reason)
		}
		return o.Epoch == d.Epoch && o.Phase == runtime.PhaseReady
	})
}

// remove deletes the desktop, and sees that nothing but its home is left.
func (b *bed) remove(t *testing.T, d runtime.Desktop) {
	t.Helper()
	b.mu.Lock()
	b.seen = nil // an earlier end is not this one
	b.mu.Unlock()
	if err := b.Delete(t.Context(), d.Session); err != nil {
		t.Fatal(err)
	}
	b.awaitPhase(t, d.Session, runtime.PhaseGone)
	if left := taggedProcesses(b.tag, d.Session); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if b.uidBase != 0 {
		if left := processesOfUser(b.uidBase + d.HomeIndex); len(left) > 0 {
			t.Errorf("processes of its user are left: %v", left)
		}
	}
	if _, err := os.Stat(filepath.Join(b.run, string(d.Session))); !os.IsNotExist(err) {
		t.Errorf("the run folder is left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.homes(), string(d.Home))); err != nil {
		t.Errorf("the home is gone: %v", err)
	}
}

// running returns what the runtime put down of a desktop's processes.
func (b *bed) running(t *testing.T, session streamspace.SessionID) running {
	t.Helper()
	d := &desktop{runtime: b.Runtime, dir: filepath.Join(b.run, string(session))}
	if err := d.readState(); err != nil {
		t.Fatal(err)
	}
	return d.state.Running
}

// taggedProcesses looks through the whole machine for sandboxes of the runtime,
// of one session or of all, not by the runtime's own word.
func taggedProcesses(tag string, session streamspace.SessionID) []int {
	var found []int
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if n := len(args); n > 2 && args[n-2] == tag && (session == "" || args[n-1] == string(session)) {
			var number int
			fmt.Sscanf(name, "/proc/%d/", &number)
			found = append(found, number)
		}
	}
	return found
}

func processesOfUser(uid int) []string {
	var found []string
	names, _ := filepath.Glob("/proc/[0-9]*/status") // the pattern is well formed
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(text), fmt.Sprintf("\nUid:\t%d\t", uid)) && !strings.Contains(string(text), "\nState:\tZ") {
			program, _, _ := strings.Cut(string(text), "\n")
			found = append(found, program)
		}
	}
	return found
}

// inside returns the host's numbers of everything that stands below a process.
func inside(number int) []int {
	var found []int
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", number)) // a Go program starts others from any thread
	for _, thread := range threads {
		text, _ := os.ReadFile(thread) // gone: then it has no children
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field) // the kernel writes numbers
			found = append(append(found, child), inside(child)...)
		}
	}
	return found
}

// insideProcess waits for a process of that name in the desktop.
func insideProcess(t *testing.T, inner pid, name string) int {
	t.Helper()
	var found int
	eventually(t, name+" runs", func() bool {
		for _, number := range inside(inner.Number) {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", number)); strings.TrimSpace(string(comm)) == name {
				found = number
				return true
			}
		}
		return false
	})
	return found
}
