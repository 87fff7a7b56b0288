// Package postgres is the private PostgreSQL of the embedded default: it makes
// a cluster in the data folder, starts the server, watches it, and stops it.
//
// The server listens on a Unix socket in a folder of its own account only, and
// wants a random password besides: neither sandboxed desktops nor other users
// of the machine get in. As root it runs as the account postgres, or else
// nobody, since PostgreSQL refuses uid 0. What is in the database is not its
// business.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	role     = "streamspace"
	database = "streamspace"
	// port is the last part of the socket's file name; nothing listens on TCP.
	port = "5432"
	// childGrace is how long a child may take to end after it was told, or to
	// close its output after it ended.
	childGrace = 5 * time.Second
)

// Options of a private server.
type Options struct {
	// Dir holds everything of the server. As root, its parents must let the
	// server's account pass.
	Dir string
	Log *slog.Logger
	// Volatile trades durability for speed. Tests only.
	Volatile bool
}

// Server is one private PostgreSQL.
type Server struct {
	// immutable
	dir      string // absolute; Options.Dir
	data     string // the cluster
	socket   socketDir
	password string
	bin      binaries
	account  *account // nil: the server runs as who we are
	volatile bool
	log      *slog.Logger
	tail     *tail
	disk     disk // owned by Run

	ready chan struct{} // closed by Run when the server has answered for the first time
}

// New looks for PostgreSQL and prepares the folder. It starts nothing, and may
// be called while another process uses the folder; Run may not.
func New(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder of the private database: %w", err)
	}
	s := &Server{
		dir: dir, data: filepath.Join(dir, "data"), volatile: o.Volatile, log: o.Log,
		tail: &tail{log: o.Log}, ready: make(chan struct{}),
	}
	if s.account, err = accountFor(s.data); err != nil {
		return nil, err
	}
	if s.bin, err = choose(s.data); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("folder of the private database: %w", err)
	}
	if s.password, err = loadPassword(filepath.Join(s.dir, "password")); err != nil {
		return nil, err
	}
	if s.socket, err = s.makeSocketDir(); err != nil {
		return nil, fmt.Errorf("folder of the database socket: %w", err)
	}
	return s, nil
}

// URL is where the server listens, with the password: never log it.
func (s *Server) URL() string { return s.url(database) }

// url names host and port, lest PGHOST and PGPORT of our environment count.
func (s *Server) url(db string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, s.password), Path: "/" + db,
		RawQuery: url.Values{"host": {s.socket.path}, "port": {port}}.Encode()}
	return u.String()
}

// Ready is closed when the server has answered for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// prepare makes the folder, and lets the server's account pass through it to
// what is its own.
func (s *Server) prepare(ctx context.Context) error {
	mode := os.FileMode(0o700)
	if s.account != nil {
		mode = 0o711
	}
	if err := os.MkdirAll(s.dir, mode); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, mode); err != nil {
		return err
	}
	return s.checkReach(ctx)
}

// initialise makes the cluster in a folder beside its place and moves it
// there, so that an interrupted start leaves nothing half made.
func (s *Server) initialise(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); err == nil {
		return nil
	}
	s.log.Info("making the private database", "dir", s.data, "postgresql", s.bin.major)
	fresh := s.data + ".new"
	if err := errors.Join(os.RemoveAll(fresh), s.own(fresh)); err != nil {
		return fmt.Errorf("folder of the private database: %w", err)
	}
	secret := filepath.Join(fresh, ".password")
	if err := s.writeOwned(secret, s.password+"\n"); err != nil {
		return fmt.Errorf("password for initdb: %w", err)
	}
	// initdb wants an empty folder: the password file stands in the one above.
	inner := filepath.Join(fresh, "data")
	args := []string{"-D", inner, "--username", role, "--auth", "scram-sha-256", "--pwfile", secret,
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"}
	if s.volatile {
		args = append(args, "--no-sync")
	}
	out, err := s.command(ctx, "initdb", args...).CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.explain(fmt.Errorf("making the private database in %s: %w", s.data, err), lastLines(string(out), 8))
	}
	if err := os.Rename(inner, s.data); err != nil {
		return fmt.Errorf("putting the new database in its place: %w", err)
	}
	return os.RemoveAll(fresh)
}

// command prepares one of PostgreSQL's programs, run as the account.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin.dir, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // initdb cleans up
	cmd.WaitDelay = childGrace
	// Its own process group: a Ctrl-C in the terminal is ours to pass on. When
	// we are killed it gets SIGINT, which is PostgreSQL's fast shutdown.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if s.account != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.account.uid), Gid: uint32(s.account.gid)}
	}
	return cmd
}

func loadPassword(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("password of the private database: %w", err)
	}
	password := rand.Text()
	temp := file + ".new"
	if err := errors.Join(os.WriteFile(temp, []byte(password+"\n"), 0o600), os.Rename(temp, file)); err != nil {
		return "", fmt.Errorf("password of the private database: %w", err)
	}
	return password, nil
}
