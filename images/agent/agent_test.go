package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The agent is in every desktop: what it links is in every desktop's memory.
func TestLinksLittle(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "github.com/streamspace/streamspace/cmd/streamspace-agent").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dependency := range strings.Lines(string(out)) {
		dependency = strings.TrimSpace(dependency)
		first, _, _ := strings.Cut(dependency, "/")
		ours := strings.HasPrefix(dependency, "github.com/streamspace/")
		sound := dependency == "github.com/jfreymuth/pulse/proto" // PulseAudio's protocol, and nothing besides
		if strings.Contains(first, ".") && !ours && !sound && !strings.HasPrefix(dependency, "golang.org/x/sys/") {
			t.Errorf("it links %s", dependency)
		}
		if ours && (strings.Contains(dependency, "/controlplane") || strings.Contains(dependency, "/gateway") || strings.Contains(dependency, "/broker")) {
			t.Errorf("it links %s", dependency)
		}
		if dependency == "net/http" {
			t.Error("it links net/http, 4 MB that it does not need")
		}
	}
}

func TestSpecIsChecked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(file, []byte(`{"width": 8, "height": 600}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadSpec(file)
	for _, want := range []string{"command", "rfbSocket", "controlSocket", "logFile", "8x600"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
	if err := os.WriteFile(file, []byte(`{"command":["xterm"],"width":800,"height":600,"rfbSocket":"/r","controlFD":3,"logFile":"/l"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSpec(file); err != nil {
		t.Error(err)
	}
}

func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	j, err := newJournal(file)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 99) + "\n"
	for range 3 * maxLog / len(line) {
		if _, err := j.write.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	j.write.WriteString(strings.Repeat("y", 3*maxLine) + "\nthe end\n")
	await(t, "the last line is read", func() bool { return strings.HasSuffix(j.lastWords(), "\nthe end") })
	j.close()
	if info, err := os.Stat(file); err != nil || info.Size() > maxLog || info.Size() == 0 {
		t.Errorf("the log has %d bytes: %v", info.Size(), err)
	}
	lines := strings.Split(j.lastWords(), "\n")
	if len(lines) != logTail || len(lines[len(lines)-2]) != maxLine {
		t.Errorf("%d last lines, the one before last of %d bytes", len(lines), len(lines[len(lines)-2]))
	}
}

// What a child leaves behind when it ends falls to us, and leaves nothing in
// the process table.
func TestOrphansAreReaped(t *testing.T) {
	n, err := newNursery()
	if err != nil {
		t.Fatal(err)
	}
	pids := filepath.Join(t.TempDir(), "pids")
	c, err := n.start([]string{"sh", "-c", "for i in 1 2 3 4 5; do (sh -c 'echo $$; exec sleep .05' & ) done > " + pids}, os.Environ(), "/", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	<-c.ended
	if !c.clean() {
		t.Errorf("it %s", c.outcome())
	}
	await(t, "the orphans are gone", func() bool {
		text, _ := os.ReadFile(pids)
		numbers := strings.Fields(string(text))
		return len(numbers) == 5 && !slices.ContainsFunc(numbers, func(number string) bool { _, err := os.Stat("/proc/" + number); return err == nil })
	})
	if _, err := n.start([]string{"no-such-program"}, nil, "/", os.Stderr); err == nil || !strings.Contains(err.Error(), "no-such-program is not installed") {
		t.Errorf("a missing program: %v", err)
	}
	n.endAll(endGrace, nil)
}

func TestDisplayEndsLast(t *testing.T) {
	n, err := newNursery()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start := func(name string, script string) *child {
		c, err := n.start([]string{"sh", "-c", "cd " + dir + "; " + script + "; touch " + name + ".up; while :; do sleep .02; done"}, os.Environ(), "/", os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		await(t, name+" is up", func() bool { _, err := os.Stat(filepath.Join(dir, name+".up")); return err == nil })
		return c
	}
	display := start("display", ":")
	start("editor", fmt.Sprintf("trap 'kill -0 %d && touch saved; exit' TERM", display.pid))
	stubborn := start("stubborn", "trap '' TERM")
	n.endAll(300*time.Millisecond, display)
	if _, err := os.Stat(filepath.Join(dir, "saved")); err != nil {
		t.Error("the display was gone before the editor")
	}
	if stubborn.status.Signal() != syscall.SIGKILL {
		t.Errorf("the stubborn one %s", stubborn.outcome())
	}
}

func newTestAgent(t *testing.T) *Agent {
	t.Helper()
	dir := t.TempDir()
	a := &Agent{spec: Spec{ControlSocket: filepath.Join(dir, "control"), RFBSocket: filepath.Join(dir, "rfb")}, began: time.Now(), home: dir, private: dir}
	var err error
	if a.control, err = newControl(a.spec); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestControlTellsEveryone(t *testing.T) {
	t.Parallel()
	a := newTestAgent(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.control.run(ctx) }()
	var readers []*json.Decoder
	for range 3 {
		conn, err := net.Dial("unix", a.spec.ControlSocket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		readers = append(readers, json.NewDecoder(bufio.NewReader(conn)))
	}
	until := func(r *json.Decoder, passes func(Status) bool) {
		t.Helper()
		for {
			var s Status
			if err := r.Decode(&s); err != nil {
				t.Fatal(err)
			}
			if passes(s) {
				return
			}
		}
	}
	for _, r := range readers {
		until(r, func(s Status) bool { return s.Phase == PhaseStarting })
	}
	a.reached("display", "Starting the application")
	a.control.tell(func(s *Status) { s.Phase = PhaseReady })
	for _, r := range readers {
		until(r, func(s Status) bool { return s.Phase == PhaseReady && s.Step != "" && s.Milestones["display"] >= 0 })
	}
	a.control.tell(func(s *Status) { s.Phase, s.Reason = PhaseFailed, "told last" })
	cancel()
	for _, r := range readers { // what was told last arrives
		until(r, func(s Status) bool { return s.Reason == "told last" })
	}
	<-done
}

// Who connected before the end, and was not accepted yet, hears why it ended.
func TestControlTellsWhoWaited(t *testing.T) {
	t.Parallel()
	a := newTestAgent(t)
	conn, err := net.Dial("unix", a.spec.ControlSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	a.control.tell(func(s *Status) { s.Phase, s.Reason = PhaseFailed, "told last" })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.control.run(ctx)
	var s Status
	if err := json.NewDecoder(conn).Decode(&s); err != nil || s.Reason != "told last" {
		t.Errorf("heard %+v: %v", s, err)
	}
}

// A display that takes connections and says nothing is given up.
func TestSilentDisplayIsNoticed(t *testing.T) {
	t.Parallel()
	a := newTestAgent(t)
	defer a.control.listener.Close()
	listener, err := net.Listen("unix", a.spec.RFBSocket)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	go func() { // hangs up on each instead of speaking RFB
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	tick := make(chan time.Time, maxMisses)
	for range maxMisses {
		tick <- time.Time{}
	}
	err = a.watchDisplay(t.Context(), tick)
	if err == nil || !strings.Contains(err.Error(), "has stopped answering") {
		t.Errorf("it said %v", err)
	}
	if status, _ := a.control.now(); !strings.Contains(status.LastError, "does not answer") {
		t.Errorf("status %+v", status)
	}
	listener.Close()
	<-accepted
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.watchDisplay(ended, nil); err != nil {
		t.Errorf("the end is no failure: %v", err)
	}
	if err := a.handshake(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a handshake after the end: %v", err)
	}
}

// xauth, an independent reader, knows the cookie for what it is.
func TestCookieIsOne(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("xauth"); err != nil {
		t.Fatal("the tests need xauth: run `sudo apt-get install -y xauth`")
	}
	a := newTestAgent(t)
	defer a.control.listener.Close()
	if err := a.writeCookie(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xauth", "-f", a.cookieFile(), "nlist").CombinedOutput()
	if fields := strings.Fields(string(out)); err != nil || len(fields) != 8 || fields[0] != "ffff" || len(fields[7]) != 32 {
		t.Errorf("%v: %s", err, out)
	}
	if info, err := os.Stat(a.cookieFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestWholeDesktopsBringTheirWindowManager(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{"xfce4-session": true, "/usr/bin/lxsession": true, "startlxqt": true, "xterm": false, "/usr/bin/start/xterm": false} {
		if bringsWindowManager(command) != want {
			t.Errorf("%s: %v", command, !want)
		}
	}
}

// await waits for what only the outside world can tell.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func FuzzRing(f *testing.F) {
	f.Add([]byte("one\ntwo\n"), []byte("\n\nthree"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var r ring
		for range logTail {
			r.add(first)
			r.add(second)
		}
		if len(r.lines) > logTail || len(r.partial) > maxLine || len(r.text()) > logTail*(maxLine+1) {
			t.Errorf("%d lines, %d bytes begun", len(r.lines), len(r.partial))
		}
	})
}
