package agent

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nursery starts programs and reaps every child of this process, the orphans
// that fall to PID 1 included. os/exec's own waiting would race with that, so
// nothing else in the agent may use it.
type nursery struct {
	signals chan os.Signal
	done    chan struct{}

	mu       sync.Mutex
	children map[int]*child // guarded by mu
}

// child is one program that the agent started.
type child struct {
	pid     int
	started time.Time
	ended   chan struct{} // closed when it has been reaped
	status  syscall.WaitStatus
}

func newNursery() (*nursery, error) {
	if os.Getpid() != 1 {
		// Outside of a PID namespace the orphans must fall to us all the same.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("becoming the reaper of orphans: %w", err)
		}
	}
	n := &nursery{signals: make(chan os.Signal, 1), done: make(chan struct{}), children: make(map[int]*child)}
	signal.Notify(n.signals, syscall.SIGCHLD)
	go n.reap()
	return n, nil
}

func (n *nursery) reap() {
	defer close(n.done)
	for range n.signals {
		n.reapEnded()
	}
}

// reapEnded holds the lock while it waits, so that a child cannot end between
// its start and its entry in the map.
func (n *nursery) reapEnded() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		if c := n.children[pid]; c != nil {
			c.status = status
			close(c.ended)
			delete(n.children, pid)
		}
	}
}

// start runs argv in a process group of its own. extra become file descriptors
// 3 and up. What it writes goes to out.
func (n *nursery) start(argv, env []string, dir string, out *os.File, extra ...*os.File) (*child, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, fmt.Errorf("%s is not installed: %w", argv[0], err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	process, err := os.StartProcess(path, argv, &os.ProcAttr{
		Dir: dir, Env: env, Files: append([]*os.File{null, out, out}, extra...),
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	c := &child{pid: process.Pid, started: time.Now(), ended: make(chan struct{})}
	n.children[c.pid] = c
	process.Release()
	return c, nil
}

// endAll asks every process below us to end, and kills what has not within
// grace. The display ends after the others: a program that loses it first dies
// without putting anything away.
func (n *nursery) endAll(grace time.Duration, display *child) {
	n.askAll(display)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	expired := false
	for c := n.anyBut(display); c != nil && !expired; c = n.anyBut(display) {
		select {
		case <-c.ended:
		case <-deadline.C:
			expired = true
		}
	}
	n.killAll()
	for c := n.anyBut(nil); c != nil; c = n.anyBut(nil) {
		<-c.ended
	}
	signal.Stop(n.signals)
	close(n.signals)
	<-n.done
}

// anyBut returns some child that has not ended, but not that one.
func (n *nursery) anyBut(except *child) *child {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.children {
		if c != except {
			return c
		}
	}
	return nil
}

// askAll sends SIGTERM to every process of the PID namespace when we are its
// init, and to our children's groups otherwise, but not to the one. An
// interactive shell ignores it, but ends with its terminal.
func (n *nursery) askAll(except *child) {
	var pids []int
	if os.Getpid() == 1 {
		names, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
		for _, name := range names {
			if pid, err := strconv.Atoi(filepath.Base(name)); err == nil && pid != 1 && (except == nil || pid != except.pid) {
				pids = append(pids, pid)
			}
		}
	} else {
		n.mu.Lock()
		for pid, c := range n.children {
			if c != except {
				pids = append(pids, -pid)
			}
		}
		n.mu.Unlock()
	}
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGTERM) // ESRCH: it has ended by itself
	}
}

// killAll reaches whom askAll does, and the display.
func (n *nursery) killAll() {
	if os.Getpid() == 1 {
		syscall.Kill(-1, syscall.SIGKILL) // ESRCH: nobody is left
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for pid := range n.children {
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// outcome is how the child ended, for people. Valid after ended is closed.
func (c *child) outcome() string {
	if c.status.Signaled() {
		return "was killed by " + unix.SignalName(c.status.Signal())
	}
	return fmt.Sprintf("ended with status %d", c.status.ExitStatus())
}

func (c *child) clean() bool { return c.status.Exited() && c.status.ExitStatus() == 0 }
