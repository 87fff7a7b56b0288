// Package rfbtest starts a real VNC server for a test, and ends it. It speaks
// nothing with it.
package rfbtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long a test waits for the server, which on a loaded
	// machine may take seconds to start.
	patience = 60 * time.Second
	// orderly is how long the server may take to end and to remove its locks.
	orderly = 5 * time.Second
	// tries is how many displays are tried: a number may be taken.
	tries = 10
)

// Displays are numbers beyond those that people and display managers use.
const (
	lowestDisplay = 1000
	displays      = 30_000
)

// Xvnc is a TigerVNC server of a test's own.
type Xvnc struct {
	Display string // ":4711"
	Socket  string // where it speaks RFB
	Process *os.Process
}

// StartXvnc starts a server with a screen of 24 bits a pixel and, where the
// arguments say nothing else, without authentication. It ends with the test. A machine that has none skips the test, except where everything
// must be tested.
func StartXvnc(t testing.TB, args ...string) *Xvnc {
	t.Helper()
	program, err := exec.LookPath("Xvnc")
	if err != nil {
		const text = "Xvnc is not installed: apt-get install tigervnc-standalone-server (or make deps-test)"
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	socket := filepath.Join(t.TempDir(), "rfb.sock")
	for range tries {
		// Not -displayfd: with it the server takes no lock, and servers that
		// start at the same time take the same display.
		display := fmt.Sprintf(":%d", lowestDisplay+rand.IntN(displays))
		all := append([]string{display, "-rfbunixpath", socket, "-rfbport", "-1", "-nolisten", "tcp", "-depth", "24",
			"-SecurityTypes", "None", "-AlwaysShared", "-FrameRate", "60", "-SendPrimary=0", "-BlacklistThreshold", "1000000"}, args...)
		if process := start(t, exec.Command(program, all...), socket); process != nil {
			return &Xvnc{Display: display, Socket: socket, Process: process}
		}
	}
	t.Fatalf("Xvnc does not start, %d times", tries)
	return nil
}

// start returns nil when the server has ended before it could be reached.
func start(t testing.TB, command *exec.Cmd, socket string) *os.Process {
	t.Helper()
	if testing.Verbose() {
		command.Stderr = os.Stderr
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command.Wait()
	}()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(orderly):
			command.Process.Kill()
			<-ended
		}
	})
	deadline := time.After(patience)
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return command.Process
		}
		select {
		case <-ended:
			return nil
		case <-deadline:
			t.Fatalf("Xvnc does not answer within %v", patience)
		case <-time.After(10 * time.Millisecond): // between tries
		}
	}
}
