package command_test

import (
	"errors"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

type session struct {
	ID, State string
}

func TestAPortInUseIsTold(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p.launch()
	err = <-p.ended
	p.process = nil
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	for _, want := range []string{p.listen, "another program uses this port", "--listen"} {
		if !strings.Contains(p.output.String(), want) {
			t.Errorf("no word of %q:\n%s", want, p.output)
		}
	}
}

func TestTwoCannotShareADataFolder(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.start()
	second := &product{t: t, role: "up", data: p.data, listen: freeAddress(t)}
	second.launch()
	if err := <-second.ended; err == nil || !strings.Contains(second.output.String(), p.data) {
		t.Errorf("the second ended with %v:\n%s", err, second.output)
	}
	if status := p.call("GET", "/auth/setup", nil, nil); status != http.StatusOK {
		t.Errorf("the first answers %d", status)
	}
}

// The database is killed under the product: requests in between get a clear
// answer, the stack comes back by itself, and nothing that was said is lost.
func TestKilledPostgresComesBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.start()
	p.signIn()
	var made struct{ User struct{ ID string } }
	if status := p.call("POST", "/users", map[string]string{"username": "grace", "role": "user"}, &made); status != http.StatusCreated {
		t.Fatalf("making a user: %d", status)
	}

	killed := p.postmaster()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("the API works again", func() bool {
		switch status := p.call("GET", "/me", nil, nil); status {
		case http.StatusOK:
			return p.postmaster() != killed
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("GET /me answers %d while the database is away", status)
		}
		return false
	})
	if status := p.call("GET", "/users/"+made.User.ID, nil, nil); status != http.StatusOK {
		t.Errorf("the user that was made before: %d", status)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left := p.family(""); len(left) > 0 {
		t.Errorf("processes stayed: %v", left)
	}
}

// Everything is killed at once and started again: sign-ins and sessions are
// still there, and a running desktop did not notice.
func TestKilledProductGoesOn(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.start()
	p.signIn()
	var s session
	if status := p.call("POST", "/sessions", map[string]string{"template": "terminal"}, &s); status != http.StatusCreated {
		t.Fatalf("starting a session: %d", status)
	}
	running := func() bool {
		var now session
		return p.call("GET", "/sessions/"+s.ID, nil, &now) == http.StatusOK && now.State == "running"
	}
	p.eventually("the session runs", running)
	desktop := p.family("bwrap")
	if len(desktop) == 0 {
		t.Fatal("no sandbox is to be seen")
	}

	if err := p.end(syscall.SIGKILL); err == nil {
		t.Error("a killed process ended well")
	}
	p.start()
	p.eventually("the session runs again", running)
	if now := p.family("bwrap"); !slices.Equal(now, desktop) {
		t.Errorf("the sandbox was %v and is %v", desktop, now)
	}
	if status := p.call("DELETE", "/sessions/"+s.ID, nil, nil); status != http.StatusAccepted {
		t.Errorf("stopping: %d", status)
	}
	p.eventually("the desktop ends", func() bool { return len(p.family("bwrap")) == 0 })
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left := p.family(""); len(left) > 0 {
		t.Errorf("processes stayed: %v", left)
	}
}
