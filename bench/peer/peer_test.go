package peer

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func launch(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	process, err := Launch(Here(), exec.Command(name, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	return process
}

func TestAProcessIsHeardToldAndStopped(t *testing.T) {
	t.Parallel()
	process := launch(t, "sh", "-c", `echo "ready here"; read line; echo "got $line"; sleep 60`)
	target, err := Ready(process)
	if err != nil || target != "here" {
		t.Fatalf("ready for %q, %v", target, err)
	}
	if err := process.Tell("something"); err != nil {
		t.Fatal(err)
	}
	if line, err := process.Line(); err != nil || line != "got something" {
		t.Fatalf("it says %q, %v", line, err)
	}
	process.Stop()
	process.Stop() // again is no harm
	if _, err := process.Line(); err == nil {
		t.Error("a stopped process says something")
	}
}

func TestAProcessThatFailsTellsWhy(t *testing.T) {
	t.Parallel()
	process := launch(t, "sh", "-c", "echo 'no such thing' >&2; exit 3")
	if _, err := Ready(process); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("the error is %v, want the process's own words", err)
	}
}

func TestStopEndsGrandchildrenThatIgnoreIt(t *testing.T) {
	t.Parallel()
	process := launch(t, "sh", "-c", `sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done' & wait`)
	if _, err := process.Line(); err != nil {
		t.Fatal(err)
	}
	if n := len(descendants(process.PID())); n < 2 {
		t.Fatalf("the process has %d members, want a child too", n)
	}
	begin := time.Now()
	process.Stop()
	if took := time.Since(begin); took > 2*stopTimeout {
		t.Errorf("stopping took %v", took)
	}
}

func TestUsageCountsTheWholeTree(t *testing.T) {
	t.Parallel()
	process := launch(t, "sh", "-c", `sh -c 'while :; do :; done' & wait`)
	// Wait on the condition: a child that burns CPU shows.
	var usage Usage
	for deadline := time.Now().Add(10 * time.Second); usage.CPU < 50*time.Millisecond; {
		if time.Now().After(deadline) {
			t.Fatalf("after ten seconds the usage is %+v", usage)
		}
		var err error
		if usage, err = process.Usage(); err != nil {
			t.Fatal(err)
		}
	}
	if usage.Processes != 2 || usage.PSS <= 0 || usage.RSS < usage.PSS {
		t.Errorf("usage is %+v, want two processes with memory", usage)
	}
	cpu, err := process.CPU()
	if err != nil || cpu < usage.CPU {
		t.Errorf("CPU is %v, %v after %v", cpu, err, usage.CPU)
	}
}

func TestAMissingProgramNamesItsPackage(t *testing.T) {
	t.Parallel()
	_, err := find("no-such-program", "its-package")
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install its-package") {
		t.Errorf("error is %v", err)
	}
	_, err = Gateway("gateway", "/nonexistent/relayhost", Tuning{}).Start(t.Context(), Here(), "tcp:127.0.0.1:1")
	if !errors.Is(err, ErrMissing) {
		t.Errorf("error is %v", err)
	}
}

// Every foreign relay that is installed carries a stream.
func TestForeignRelaysCarryAStream(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- source.New(source.Config{Kind: source.JPEG20K, Pattern: source.Flood()}).Run(ctx, listener)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for _, relay := range []Relay{Direct(), Websockify(), Nginx()} {
		t.Run(relay.Name, func(t *testing.T) {
			running, err := relay.Start(ctx, Here(), "tcp:"+listener.Addr().String())
			if errors.Is(err, ErrMissing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer running.Stop()
			targets, err := running.Targets(2)
			if err != nil || len(targets) != 2 {
				t.Fatalf("targets are %v, %v", targets, err)
			}
			v, err := viewer.Connect(ctx, targets[0], viewer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if err := v.Stream(); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if _, err := v.Next(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
