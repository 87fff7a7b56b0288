package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// startLimit is how long one start may take: recovery after a power cut
	// replays at most max_wal_size.
	startLimit = 2 * time.Minute
	// stopLimit is how long a fast shutdown may take before an immediate one.
	stopLimit = 15 * time.Second
	// quickDeath is a server that ends sooner than this after it has answered;
	// so many of them in a row and something is wrong that a restart does not mend.
	quickDeath     = 10 * time.Second
	maxQuickDeaths = 5
	maxBackoff     = 5 * time.Second
)

// Run serves until ctx ends, then shuts the server down. A server that dies is
// started again; Run gives up, with the server's last words, when it dies
// quickly several times in a row.
func (s *Server) Run(ctx context.Context) error {
	// The kernel sends the parent-death signal when the *thread* that started
	// the child ends, so this one must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	first := true
	backoff := 100 * time.Millisecond
	for deaths := 0; ; {
		lived, err := s.serve(ctx, func() {
			if first {
				close(s.ready)
				first = false
			}
		})
		if ctx.Err() != nil {
			return err
		}
		deaths++
		if lived > quickDeath {
			deaths, backoff = 1, 100*time.Millisecond
		}
		if deaths >= maxQuickDeaths {
			return fmt.Errorf("the private database ended %d times in a row, last with: %w\n%s", deaths, err, s.tail.text())
		}
		s.log.Warn("private database ended, starting it again", "error", err, "after", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// serve runs the server once and returns how long it answered.
func (s *Server) serve(ctx context.Context, onReady func()) (lived time.Duration, err error) {
	args := []string{"-D", s.data, "-k", s.socket}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	cmd := s.command(context.Background(), "postgres", args...)
	cmd.Stdout, cmd.Stderr = s.tail, s.tail
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting the private database: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	answered, err := s.awaitAnswer(ctx, ended)
	if err == nil && answered {
		onReady()
		since := time.Now()
		select {
		case err = <-ended:
			return time.Since(since), fmt.Errorf("postgres: %w", exitError(err))
		case <-ctx.Done():
		}
	} else if ctx.Err() == nil {
		// It died, or never answered.
		stop(cmd, ended)
		return 0, err
	}
	stop(cmd, ended)
	return 0, nil
}

func (s *Server) settings() []string {
	settings := []string{
		"listen_addresses=", "unix_socket_permissions=0700", "max_connections=60",
		"shared_buffers=64MB", "max_wal_size=256MB", "min_wal_size=64MB", // small: one machine, shared with desktops
		"log_destination=stderr", "logging_collector=off", "log_line_prefix=", "password_encryption=scram-sha-256",
		"timezone=UTC", "jit=off",
	}
	if s.volatile {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
	}
	return settings
}

// awaitAnswer waits until the server takes connections and the database is there.
func (s *Server) awaitAnswer(ctx context.Context, ended chan error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return true, nil
		}
		select {
		case death := <-ended:
			ended <- death // for stop
			return false, fmt.Errorf("postgres did not start: %w\n%s", exitError(death), s.tail.text())
		case <-ctx.Done():
			return false, fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) ensureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", database).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+database)
	return err
}

// stop asks for a fast shutdown (sessions are ended, data is written), then for
// an immediate one (the next start recovers), then kills.
func stop(cmd *exec.Cmd, ended <-chan error) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		cmd.Process.Signal(signal) // an error means that it has ended
		select {
		case <-ended:
			return
		case <-time.After(stopLimit):
		}
	}
	<-ended
}

// stopOld ends a server that an earlier process of ours left in the data
// folder. The caller holds the data folder's lock, so nobody needs it.
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
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		syscall.Kill(pid, signal) // an error means that it has ended
		for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); {
			if !s.isOurs(pid) {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("process %d serves the database in %s and does not end", pid, s.data)
}

func (s *Server) isOurs(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(cmdline, []byte("postgres")) && bytes.Contains(cmdline, []byte(s.data+"\x00"))
}

func exitError(err error) error {
	if err == nil {
		return errors.New("it ended by itself")
	}
	return err
}
