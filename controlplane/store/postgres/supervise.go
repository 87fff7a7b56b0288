package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// startLimit is how long one start may take: recovery after a power cut
	// replays at most max_wal_size.
	startLimit = 2 * time.Minute
	// answerPoll is how often a starting server is asked. It takes some 50 ms.
	answerPoll = 20 * time.Millisecond
	// stopLimit is how long a fast shutdown may take before an immediate one.
	stopLimit = 15 * time.Second
	// quickDeath is a server that ends sooner than this after it has answered;
	// so many of them in a row and something is wrong that a restart does not mend.
	quickDeath     = 10 * time.Second
	maxQuickDeaths = 5
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 5 * time.Second
)

// errHopeless marks what no restart can mend.
var errHopeless = errors.New("the private database cannot be used")

// Run makes the cluster when there is none, and serves until ctx ends; then it
// shuts the server down. A server that dies is started again; Run gives up,
// with the server's last words, when it dies quickly several times in a row.
// It is called once.
func (s *Server) Run(ctx context.Context) (err error) {
	// The kernel sends the parent-death signal when the *thread* that started
	// the child ends, so this one must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if s.socket.temp {
		defer func() { err = errors.Join(err, os.RemoveAll(s.socket.path)) }()
	}
	if err := errors.Join(s.stopOld(ctx), ctx.Err()); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := s.initialise(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	return s.supervise(ctx)
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Server) supervise(ctx context.Context) error {
	backoff := minBackoff
	for deaths := 0; ; {
		lived, err := s.serve(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errHopeless) {
			return err
		}
		deaths++
		if lived > quickDeath {
			deaths, backoff = 1, minBackoff
		}
		if deaths >= maxQuickDeaths {
			return s.explain(fmt.Errorf("the private database ended %d times in a row, the last time because %w", deaths, err), s.tail.text())
		}
		s.log.Warn("private database ended, starting it again", "error", s.explain(err, s.tail.text()), "after", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// serve runs the server once, and returns how long it answered and why it ended.
func (s *Server) serve(ctx context.Context) (lived time.Duration, err error) {
	args := []string{"-D", s.data, "-k", s.socket.path}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	s.tail.forget()
	cmd := s.command(context.Background(), "postgres", args...) // ctx's end is no reason to kill it
	cmd.Stdout, cmd.Stderr = s.tail, s.tail
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting postgres: %w", err)
	}
	server := &process{cmd: cmd, ended: make(chan struct{})}
	go server.wait()
	defer server.stop()

	if err := s.awaitAnswer(ctx, server); err != nil {
		return 0, err
	}
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
	since := time.Now()
	look := time.NewTicker(diskEvery)
	defer look.Stop()
	for {
		select {
		case <-server.ended:
			return time.Since(since), server.death()
		case <-ctx.Done():
			return time.Since(since), ctx.Err()
		case <-look.C:
			s.disk.look(s.dir, s.log)
		}
	}
}

func (s *Server) settings() []string {
	settings := []string{
		"listen_addresses=", "port=" + port, "unix_socket_permissions=0700", "password_encryption=scram-sha-256",
		// Small: one machine, shared with desktops.
		"max_connections=60", "shared_buffers=64MB", "max_wal_size=256MB", "min_wal_size=64MB", "jit=off",
		"timezone=UTC", "cluster_name=streamspace",
		// A crash of any part ends the whole server, so that the deaths are counted
		// here: on a full disk it would else crash and recover for ever, unnoticed.
		"restart_after_crash=off",
		// The log goes through tail into ours, without anyone's statements.
		"log_destination=stderr", "logging_collector=off", "log_line_prefix=", "log_min_error_statement=panic",
	}
	if s.volatile {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
	}
	return settings
}

// awaitAnswer waits until the server takes connections and the database is there.
func (s *Server) awaitAnswer(ctx context.Context, server *process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		switch errors.As(err, &refused); {
		case refused == nil || refused.Code == "57P03": // cannot_connect_now: it is starting up
		case refused.Code == "28P01": // invalid_password
			return fmt.Errorf("%w: it does not take the password in %s/password: restore that file together with %s", errHopeless, s.dir, s.data)
		default:
			return fmt.Errorf("it started and refuses connections: %w", err)
		}
		select {
		case <-server.ended:
			return fmt.Errorf("it did not start: %w", server.death())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(answerPoll):
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

// process is one run of the server.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed after err is set
	err   error
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// death says how it ended.
func (p *process) death() error {
	if p.err == nil {
		return errors.New("postgres ended by itself")
	}
	return fmt.Errorf("postgres: %w", p.err)
}

// stop asks for a fast shutdown (connections are ended, data is written), then
// for an immediate one (the next start recovers), then kills.
func (p *process) stop() {
	for _, signal := range stopSignals() {
		p.cmd.Process.Signal(signal) // an error means that it has ended
		select {
		case <-p.ended:
			return
		case <-time.After(stopLimit):
		}
	}
	<-p.ended
}

func stopSignals() []syscall.Signal {
	return []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}
}
