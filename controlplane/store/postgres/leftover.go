package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lock makes this process the only one that uses the folder. The kernel frees
// it when we end, however that comes; the server does not inherit it.
func (s *Server) lock() (*os.File, error) {
	name := filepath.Join(s.dir, "lock")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the private database: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(name) // only to say who
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("the private database in %s is in use by process %s", s.dir, bytes.TrimSpace(holder))
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	// Its content helps people only.
	if err := file.Truncate(0); err == nil {
		fmt.Fprintln(file, os.Getpid())
	}
	return file, nil
}

// stopOld ends a server that an earlier process of ours left in the data
// folder: we are not its parent, so we could not tell when it dies. The caller
// holds the lock, so nobody needs it.
func (s *Server) stopOld(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		return nil // there is none
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 || !s.isOurs(pid) {
		return nil // PostgreSQL itself removes a stale file
	}
	s.log.Warn("stopping a private database left by an earlier start", "pid", pid)
	for _, signal := range stopSignals() {
		syscall.Kill(pid, signal) // an error means that it has ended
		for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); {
			if !s.isOurs(pid) {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(answerPoll):
			}
		}
	}
	return fmt.Errorf("process %d serves the database in %s and does not end", pid, s.data)
}

// isOurs guards against a process id that was given to somebody else meanwhile.
func (s *Server) isOurs(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(cmdline, []byte("postgres")) && bytes.Contains(cmdline, []byte(s.data+"\x00"))
}
