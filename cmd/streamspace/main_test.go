package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/streamspace/streamspace/internal/config"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--help"}, 0, []string{"streamspace up", "streamspace config"}},
		{[]string{"up", "--help"}, 0, []string{"--listen host:port", "STREAMSPACE_DATA_DIR", "Ctrl-C"}},
		{[]string{"config"}, 0, []string{config.Example}},
		{[]string{"version"}, 0, []string{"streamspace "}},
		{[]string{"up", "--lissten", "x"}, 2, []string{"nothing was started", "unknown flag: --lissten", "up --help"}},
		{[]string{"up", "now"}, 2, []string{"takes no arguments"}},
		{[]string{"up", "--tls-cert", "/no", "--listen", "nowhere", "--log-format", "xml"}, 2,
			[]string{"tls-cert and tls-key belong together", "--listen: \"nowhere\"", "--log-format: \"xml\""}},
	} {
		code, output := run(t, c.args...)
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, output)
		}
		for _, want := range c.want {
			if !strings.Contains(output, want) {
				t.Errorf("%v does not say %q:\n%s", c.args, want, output)
			}
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	code, output := run(t, "up", "--listen", listener.Addr().String(), "--data-dir", dataDir(t))
	if code != 1 || !strings.Contains(output, "another program uses this port") || !strings.Contains(output, "--listen") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func TestClosedParentOfTheDataFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs desktops as other users")
	}
	dir := filepath.Join(dataDir(t), "closed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	code, output := run(t, "up", "--listen", freePort(t), "--data-dir", filepath.Join(dir, "data"))
	if code != 1 || !strings.Contains(output, "chmod o+x "+dir) {
		t.Errorf("exit code %d: %s", code, output)
	}
}

// The life of an installation through bad days, on one data folder.
func TestBadDays(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	p := start(t, dir)

	code, output := run(t, "up", "--listen", freePort(t), "--data-dir", dir)
	if code != 1 || !strings.Contains(output, "used by another StreamSpace") {
		t.Errorf("a second start on the folder: exit code %d: %s", code, output)
	}

	p.signIn()
	session := p.startSession()
	p.awaitState(session, "running")
	desktop := agentOf(t, session)

	// PostgreSQL dies: what runs goes on, and it comes back.
	pid := postmaster(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("the database is back", func() bool {
		status, _ := p.call("GET", "/sessions/"+session, nil)
		return status == http.StatusOK && postmaster(t, dir) != pid
	})
	if agentOf(t, session) != desktop {
		t.Error("the desktop did not outlive the database")
	}

	// We die: the desktop goes on and is found again.
	p.kill()
	if agentOf(t, session) != desktop {
		t.Error("the desktop did not outlive the server")
	}
	p = start(t, dir)
	p.signIn()
	p.awaitState(session, "running")
	if agentOf(t, session) != desktop {
		t.Error("the desktop was not found again")
	}

	// The desktop dies: it is started again.
	if err := syscall.Kill(desktop, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("the desktop is back", func() bool {
		now := agentOf(t, session)
		_, s := p.call("GET", "/sessions/"+session, nil)
		return now != 0 && now != desktop && s["state"] == "running"
	})

	// A clean end, and a new start: what should run, runs.
	p.stop()
	p = start(t, dir)
	p.signIn()
	s := p.awaitState(session, "running")
	home := filepath.Join(dir, "homes", s["homeId"].(string))

	if status, _ := p.call("DELETE", "/sessions/"+session, nil); status != http.StatusAccepted {
		t.Errorf("stopping: %d", status)
	}
	p.awaitState(session, "stopped")
	if agentOf(t, session) != 0 {
		t.Error("the stopped desktop runs")
	}
	if _, err := os.Stat(home); err != nil {
		t.Errorf("the home is gone: %v", err)
	}
	p.stop()
	for _, secret := range []string{adminPassword, p.csrf, "ticket=", "password=", "eyJ"} {
		if strings.Contains(p.said(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := dataDir(t)
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=400m,mode=0711"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	p := start(t, disk)
	p.signIn()

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	status, answer := p.call("POST", "/sessions", map[string]string{"template": "terminal"})
	if status == http.StatusCreated { // the database had room: then the desktop tells
		p.eventually("it says that the disk is full", func() bool {
			_, answer = p.call("GET", "/sessions/"+answer["id"].(string), nil)
			return strings.Contains(strings.ToLower(text(answer["reason"])), "no space left")
		})
	} else if status != http.StatusServiceUnavailable || answer["code"] != "unavailable" {
		t.Errorf("on a full disk: %d %v", status, answer)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.eventually("with room it works again", func() bool {
		status, answer = p.call("POST", "/sessions", map[string]string{"template": "terminal"})
		return status == http.StatusCreated
	})
	p.awaitState(answer["id"].(string), "running")
	p.stop()
}

func TestSelfSignedTLS(t *testing.T) {
	t.Parallel()
	p := start(t, dataDir(t), "--tls-self-signed")
	p.signIn()
	if status, _ := p.call("GET", "/me", nil); status != http.StatusOK {
		t.Errorf("over TLS: %d", status)
	}
	session := p.startSession()
	p.awaitState(session, "running")
	_, connection := p.call("POST", "/sessions/"+session+"/connect", map[string]any{})
	if !strings.HasPrefix(text(connection["url"]), "wss://") {
		t.Errorf("the stream's address is %v", connection["url"])
	}
	p.stop()
}

// fill takes all the room that is left.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for {
		if _, err := file.Write(block); err != nil {
			return
		}
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return 0
	}
	return pid
}

// agentOf is the process of the session's PID 1, or 0.
func agentOf(t *testing.T, session string) int {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(content), session) || strings.HasPrefix(string(content), "bwrap") {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(name, "/")[2])
		if err == nil && strings.Contains(string(content), "streamspace-agent") {
			return pid
		}
	}
	return 0
}
