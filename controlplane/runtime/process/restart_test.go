package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// A server that ends without a word leaves its desktops, and the next one has
// them. KeepDesktops ends the first here in the same way: nothing is told to
// the desktops.
func TestDesktopsAreFoundAgain(t *testing.T) {
	t.Parallel()
	o := options(dataDir(t))
	o.KeepDesktops = true
	first := newBed(t, o)
	kept, lost := shell("echo $$ > pid"), shell("")
	kept.Template.Network = streamspace.NetworkInternet
	address := first.apply(t, kept).Address
	first.apply(t, lost)
	eventually(t, "it runs", func() bool { return first.homeFile(kept, "pid") != "" })
	before, gone := first.running(t, kept.Session), first.running(t, lost.Session)
	first.stop()
	if !before.Inner.alive() || !before.Outer.alive() || before.Network.Number != 0 && !before.Network.alive() {
		t.Fatal("the desktop did not outlive the server")
	}
	if err := gone.Inner.signal(unix.SIGKILL); err != nil { // it dies while nobody looks
		t.Fatal(err)
	}
	if err := gone.Inner.wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	o.KeepDesktops = false
	second := newBed(t, o)
	if found := second.awaitPhase(t, kept.Session, runtime.PhaseReady); found.Address != address || found.Epoch != kept.Epoch {
		t.Errorf("found %+v, was at %s", found, address)
	}
	open(t, address)
	if err := second.Apply(t.Context(), kept); err != nil { // the same epoch: left alone
		t.Fatal(err)
	}
	if second.running(t, kept.Session) != before {
		t.Error("the running desktop was replaced")
	}
	if _, err := os.Stat(filepath.Join(second.run, string(lost.Session))); !os.IsNotExist(err) {
		t.Errorf("the dead desktop's folder is left: %v", err)
	}
	third := shell("")
	third.Home, third.HomeIndex = kept.Home, kept.HomeIndex
	if err := second.Apply(t.Context(), third); err != nil {
		t.Fatal(err)
	}
	second.awaitPhase(t, third.Session, runtime.PhaseFailed) // the home is held by the desktop, not by the server
	if err := second.Delete(t.Context(), third.Session); err != nil {
		t.Fatal(err)
	}
	kept.Epoch = 2
	second.apply(t, kept)
	if before.Inner.alive() || before.Network.alive() {
		t.Error("the old desktop, or its network, lives on")
	}
	second.stop()
}

// doomedEnv has the test binary be a server in the folder that it names.
const doomedEnv = "STREAMSPACE_TEST_DOOMED"

// serveUntilKilled runs one desktop, tells when it is ready, and never ends.
func serveUntilKilled(data string) int {
	o := options(data)
	o.AgentPath = filepath.Join(data, "streamspace-agent")
	o.Registerer = prometheus.NewRegistry()
	r, err := New(o)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	observations := r.Watch(context.Background())
	d := shell("")
	d.Template.Network = streamspace.NetworkInternet
	if err := r.Apply(context.Background(), d); err != nil {
		fmt.Println(err)
		return 1
	}
	for o := range observations {
		if o.Phase == runtime.PhaseReady || o.Phase == runtime.PhaseFailed {
			fmt.Println(o.Phase, o.Session, o.Address, o.Reason)
		}
	}
	return 0
}

// The real thing: the server is killed, and a new one starts.
func TestDesktopsSurviveAKilledServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	agent, err := os.ReadFile(agentBinary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "streamspace-agent"), agent, 0o755); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), doomedEnv+"="+dir)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var phase runtime.Phase
	var session streamspace.SessionID
	var address string
	_, scanned := fmt.Fscan(out, &phase, &session, &address)
	if err := server.Process.Kill(); err != nil {
		t.Error(err)
	}
	server.Wait()
	if scanned != nil || phase != runtime.PhaseReady {
		t.Fatalf("the server said %s %s %s: %v", phase, session, address, scanned)
	}

	b := newBed(t, options(dir))
	if found := b.awaitPhase(t, session, runtime.PhaseReady); found.Address != address {
		t.Errorf("found at %s, was at %s", found.Address, address)
	}
	open(t, address)
	before := b.running(t, session)
	if err := b.Delete(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	b.awaitPhase(t, session, runtime.PhaseGone)
	for _, p := range []pid{before.Outer, before.Inner, before.Network} {
		if p.alive() {
			t.Errorf("process %d is left", p.Number)
		}
	}
	if b.slirp != "" && before.Network.Number == 0 {
		t.Error("it had no network")
	}
}

// A desktop that nobody wants any more is ended by the next server's Delete.
func TestFoundDesktopsCanBeDeleted(t *testing.T) {
	t.Parallel()
	o := options(dataDir(t))
	o.KeepDesktops = true
	first := newBed(t, o)
	d := shell("")
	first.apply(t, d)
	first.stop()
	o.KeepDesktops = false
	second := newBed(t, o)
	second.awaitPhase(t, d.Session, runtime.PhaseReady)
	second.remove(t, d)
}

// What is in no state file is no desktop, and does not live on.
func TestStraysAreEnded(t *testing.T) {
	t.Parallel()
	o := options(dataDir(t))
	o.KeepDesktops = true
	first := newBed(t, o)
	unknown, restarted := shell(""), shell("")
	first.apply(t, unknown)
	first.apply(t, restarted)
	first.stop()
	if err := os.Remove(filepath.Join(first.run, string(unknown.Session), stateFile)); err != nil {
		t.Fatal(err)
	}
	// Numbers of processes from before the machine started anew mean nothing.
	state := filepath.Join(first.run, string(restarted.Session), stateFile)
	text, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, []byte(strings.ReplaceAll(string(text), first.boot, "another-boot")), 0o600); err != nil {
		t.Fatal(err)
	}
	o.KeepDesktops = false
	second := newBed(t, o)
	eventually(t, "the strays have ended", func() bool { return len(taggedProcesses(second.tag, "")) == 0 })
	entries, err := os.ReadDir(second.run)
	if err != nil || len(entries) > 0 {
		t.Errorf("run folders are left: %v %v", entries, err)
	}
	if left := second.limits.sessions(); len(left) > 0 {
		t.Errorf("groups are left: %v", left)
	}
	d := shell("")
	d.Home, d.HomeIndex = unknown.Home, unknown.HomeIndex
	second.apply(t, d) // the home is free again
	second.remove(t, d)
}

// A number that has passed on to another process is not that process.
func TestProcessesAreKnownByTheirStart(t *testing.T) {
	t.Parallel()
	own, err := pidOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !own.alive() {
		t.Error("we are not alive")
	}
	other := pid{own.Number, own.Start + 1}
	if other.alive() {
		t.Error("a process with another time of start is alive")
	}
	if err := other.signal(unix.SIGKILL); err != nil { // or this is the end of the test
		t.Error(err)
	}
	if err := other.wait(t.Context()); err != nil {
		t.Error(err)
	}
	var nobody pid
	if nobody.alive() || nobody.signal(syscall.SIGKILL) != nil || nobody.wait(t.Context()) != nil {
		t.Error("nobody is somebody")
	}
}
