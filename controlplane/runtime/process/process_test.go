package process

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/rfb"
)

// agentBinary is built once for the whole test process.
var agentBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "streamspace-agent-")
	if err != nil {
		panic(err)
	}
	agentBinary = filepath.Join(dir, "streamspace-agent")
	build := exec.Command("go", "build", "-o", agentBinary, "github.com/streamspace/streamspace/cmd/streamspace-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the agent: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// dataDir is a folder that the desktops' users can pass through.
func dataDir(t *testing.T) string {
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
	stop func()

	mu   sync.Mutex
	seen []runtime.Observation // guarded by mu
}

func newBed(t *testing.T, dir string, keep bool) *bed {
	t.Helper()
	r, err := New(Options{DataDir: dir, AgentPath: agentBinary, KeepDesktops: keep, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Runtime: r}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	watching, stopWatching := context.WithCancel(context.Background())
	running.Go(func() {
		for o := range r.Watch(watching) {
			b.mu.Lock()
			b.seen = append(b.seen, o)
			b.mu.Unlock()
		}
	})
	b.stop = sync.OnceFunc(func() { cancel(); stopWatching(); running.Wait() })
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

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 40 s", what)
		}
	}
}

var homeIndex = struct {
	sync.Mutex
	n int
}{n: 1000}

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
	text, _ := os.ReadFile(filepath.Join(b.data, "homes", string(d.Home), name))
	return strings.TrimSpace(string(text))
}

func (b *bed) apply(t *testing.T, d runtime.Desktop) runtime.Observation {
	t.Helper()
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return b.awaitPhase(t, d.Session, runtime.PhaseReady)
}

func (b *bed) remove(t *testing.T, d runtime.Desktop) {
	t.Helper()
	b.mu.Lock()
	b.seen = nil // an earlier end is not this one
	b.mu.Unlock()
	if err := b.Delete(t.Context(), d.Session); err != nil {
		t.Fatal(err)
	}
	b.awaitPhase(t, d.Session, runtime.PhaseGone)
	if left := find(b.tag, d.Session); left != (processes{}) {
		t.Errorf("processes are left: %+v", left)
	}
	if _, err := os.Stat(filepath.Join(b.run, string(d.Session))); !os.IsNotExist(err) {
		t.Errorf("the run folder is left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.data, "homes", string(d.Home))); err != nil {
		t.Errorf("the home is gone: %v", err)
	}
}

// dial opens RFB at the desktop's address.
func dial(t *testing.T, address string) *rfb.ClientSession {
	t.Helper()
	conn, err := net.Dial("unix", strings.TrimPrefix(address, "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestDesktopTakesKeysAndKeepsItsHome(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	d := desktopOf("xterm", "-e", "sh", "-c", "echo up > started; while read line; do echo \"$line\" >> typed; done")
	ready := b.apply(t, d)
	session := dial(t, ready.Address)
	eventually(t, "the terminal is up", func() bool { return b.homeFile(d, "started") == "up" })
	eventually(t, "the typed line arrives", func() bool {
		var keys []byte
		for _, key := range []uint32{'h', 'i', 0xff0d} { // XK_Return
			keys = rfb.AppendKeyEvent(keys, rfb.KeyEvent{Keysym: key, Down: true})
			keys = rfb.AppendKeyEvent(keys, rfb.KeyEvent{Keysym: key})
		}
		if !strings.Contains(b.homeFile(d, "typed"), "hi") { // the window may not have had the focus yet
			session.Conn.Write(keys)
		}
		return strings.Contains(b.homeFile(d, "typed"), "hi")
	})
	b.remove(t, d)

	d.Epoch = 2
	d.Template.Command = []string{"sh", "-c", "cat typed > again; sleep 1000"}
	b.apply(t, d)
	eventually(t, "the home is the same", func() bool { return strings.Contains(b.homeFile(d, "again"), "hi") })
	b.remove(t, d)
	if err := b.DeleteHome(t.Context(), d.Home); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(b.data, "homes", string(d.Home))); !os.IsNotExist(err) {
		t.Errorf("the home is left: %v", err)
	}
}

func TestSandboxKeepsDesktopsApart(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	b := newBed(t, dataDir(t), false)
	secret := filepath.Join(b.data, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	probe := `
{ id -u; } > uid
ls /proc | grep -c '^[0-9]' > processes
{ cat /etc/shadow /root/.bashrc ` + secret + `; ls /home /data ` + b.data + `; } > seen 2>/dev/null
{ touch /usr/x /etc/x /run/spec.json || true; } 2>&1 | grep -c . > refused
grep CapEff /proc/self/status | cut -f2 > caps
grep NoNewPrivs /proc/self/status | cut -f2 > nnp
bash -c 'exec 3<>/dev/tcp/127.0.0.1/` + port + `' 2>/dev/null && echo reached > network || echo unreachable > network
bash -c 'exec 3<>/dev/tcp/10.0.2.2/` + port + `' 2>/dev/null && echo reached > host || echo unreachable > host
ls /proc/self/fd > fds
echo done > done`
	for _, network := range []streamspace.Network{streamspace.NetworkNone, streamspace.NetworkInternet} {
		d := shell(probe)
		d.Template.Network = network
		other := shell("sleep 5000")
		b.apply(t, other)
		b.apply(t, d)
		eventually(t, "the probe is done", func() bool { return b.homeFile(d, "done") == "done" })
		if os.Geteuid() == 0 {
			if want := fmt.Sprint(DefaultUIDBase + d.HomeIndex); b.homeFile(d, "uid") != want {
				t.Errorf("%s: runs as %s, want %s", network, b.homeFile(d, "uid"), want)
			}
		}
		for file, want := range map[string]string{"seen": "/home:\nuser", "refused": "3", "caps": "0000000000000000", "nnp": "1", "network": "unreachable", "host": "unreachable"} {
			if got := b.homeFile(d, file); got != want {
				t.Errorf("%s: %s is %q, want %q", network, file, got, want)
			}
		}
		b.remove(t, d)
		b.remove(t, other)
	}
}

func TestACrashIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	for name, d := range map[string]runtime.Desktop{
		"is not installed": desktopOf("no-such-program"),
		"ended with status 3, 5 times in a row; its last words:": desktopOf("sh", "-c", "echo I am broken; exit 3"),
		"I am broken": desktopOf("sh", "-c", "echo I am broken; exit 3"),
	} {
		d.Template.Packages = []string{"x"}
		if err := b.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		o := b.awaitPhase(t, d.Session, runtime.PhaseFailed)
		if !strings.Contains(o.Reason, name) {
			t.Errorf("the reason %q lacks %q", o.Reason, name)
		}
		b.remove(t, d)
	}
}

func TestKilledAgentIsSeen(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	d := shell("")
	b.apply(t, d)
	if err := syscall.Kill(find(b.tag, d.Session).agent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.awaitPhase(t, d.Session, runtime.PhaseFailed)
	d.Epoch = 2
	eventually(t, "the next epoch runs", func() bool {
		b.Apply(t.Context(), d)
		b.mu.Lock()
		defer b.mu.Unlock()
		last := b.seen[len(b.seen)-1]
		return last.Epoch == 2 && last.Phase == runtime.PhaseReady
	})
	b.remove(t, d)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	if _, none := b.limits.(unlimited); none {
		t.Skip("no control group can be made here")
	}
	d := shell("tail /dev/zero; echo $? > outcome")
	d.Template.Resources.MemoryBytes = 128 << 20
	b.apply(t, d)
	eventually(t, "the hog is killed", func() bool { return b.homeFile(d, "outcome") == "137" })
	if !b.limits.killed(d.Session) {
		t.Error("the kill is not seen")
	}
	b.remove(t, d)
}

func TestForksAreBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	if _, none := b.limits.(unlimited); none {
		t.Skip("no control group can be made here")
	}
	d := shell("for i in $(seq 100); do sleep 1000 & done 2> errors; sleep 0.1; echo done > done")
	d.Template.Resources.Processes = 40
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	o := b.await(t, d.Session, "it stops at the bound", func(o runtime.Observation) bool {
		return strings.Contains(b.homeFile(d, "errors"), "fork") || o.Phase == runtime.PhaseFailed && strings.Contains(strings.ToLower(o.Reason), "fork")
	})
	t.Logf("seen: %s %s", o.Phase, b.homeFile(d, "errors"))
	b.remove(t, d)
}

func TestDesktopsAreFoundAgain(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := newBed(t, dir, true)
	kept, lost := shell("echo $$ > pid"), shell("")
	first.apply(t, kept)
	first.apply(t, lost)
	eventually(t, "it runs", func() bool { return first.homeFile(kept, "pid") != "" })
	before := find(first.tag, kept.Session)
	first.stop() // as a crash would, it leaves the desktops
	if find(first.tag, kept.Session) != before {
		t.Fatal("the desktop did not outlive the server")
	}
	if err := killAll(first.tag, lost.Session); err != nil { // it dies while nobody looks
		t.Fatal(err)
	}
	second := newBed(t, dir, false)
	second.awaitPhase(t, kept.Session, runtime.PhaseReady)
	if err := second.Apply(t.Context(), kept); err != nil { // the same epoch: left alone
		t.Fatal(err)
	}
	if find(second.tag, kept.Session) != before {
		t.Error("the running desktop was replaced")
	}
	if _, err := os.Stat(filepath.Join(second.run, string(lost.Session))); !os.IsNotExist(err) {
		t.Errorf("the dead desktop's folder is left: %v", err)
	}
	kept.Epoch = 2
	if err := second.Apply(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	second.await(t, kept.Session, "epoch 2 is ready", func(o runtime.Observation) bool { return o.Epoch == 2 && o.Phase == runtime.PhaseReady })
	second.stop()
	if left := find(second.tag, kept.Session); left != (processes{}) {
		t.Errorf("a clean end left %+v", left)
	}
}

func TestTwoDesktopsNeverShareAHome(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	d := shell("")
	b.apply(t, d)
	second := shell("")
	second.Home, second.HomeIndex = d.Home, d.HomeIndex
	if err := b.Apply(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	o := b.awaitPhase(t, second.Session, runtime.PhaseFailed)
	if !strings.Contains(o.Reason, "used by another desktop") {
		t.Errorf("reason: %s", o.Reason)
	}
}

func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, dataDir(t), false)
	d := shell("")
	d.Session = "../../etc"
	if err := b.Apply(t.Context(), d); err == nil {
		t.Error("a session id that climbs passed")
	}
	if err := b.DeleteHome(t.Context(), "../run"); err == nil {
		t.Error("a home id that climbs passed")
	}
}
