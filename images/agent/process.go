package agent

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
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

// endAll asks every process below us to end, and kills what has not within grace.
func (n *nursery) endAll(grace time.Duration) {
	n.signalAll(syscall.SIGTERM)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for {
		c := n.any()
		if c == nil {
			break
		}
		select {
		case <-c.ended:
			continue
		case <-deadline.C:
		}
		break
	}
	n.signalAll(syscall.SIGKILL)
	for c := n.any(); c != nil; c = n.any() {
		<-c.ended
	}
	signal.Stop(n.signals)
	close(n.signals)
	<-n.done
}

func (n *nursery) any() *child {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.children {
		return c
	}
	return nil
}

// signalAll reaches every process of the PID namespace when we are its init,
// and our children's groups otherwise.
func (n *nursery) signalAll(sig syscall.Signal) {
	if os.Getpid() == 1 {
		syscall.Kill(-1, sig) // ESRCH: nobody is left
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for pid := range n.children {
		syscall.Kill(-pid, sig)
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

const (
	maxLog  = 1 << 20 // bytes of the log file; then it begins anew, keeping nothing old
	logTail = 12      // lines kept for a failure's reason
)

// journal collects what the programs say.
type journal struct {
	read, write *os.File
	done        chan struct{}

	mu   sync.Mutex
	file *os.File // guarded by mu
	size int64    // guarded by mu
	tail ring     // guarded by mu
}

func newJournal(file string) (*journal, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the desktop's log: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		f.Close()
		return nil, err
	}
	j := &journal{read: read, write: write, file: f, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		io.Copy(j, read) // ends when the last writer has closed, or close was called
	}()
	return j, nil
}

// Write takes output; it never fails, so that a full disk does not stop a desktop.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size+int64(len(p)) > maxLog {
		j.file.Truncate(0)
		j.file.Seek(0, io.SeekStart)
		j.size = 0
	}
	n, _ := j.file.Write(p)
	j.size += int64(n)
	j.tail.add(p)
	return len(p), nil
}

func (j *journal) lastWords() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tail.text()
}

func (j *journal) close() {
	j.write.Close()
	j.read.Close()
	<-j.done
	j.file.Close()
}
