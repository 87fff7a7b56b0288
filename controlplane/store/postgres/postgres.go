// Package postgres is the private PostgreSQL of the embedded default: it makes
// a cluster in the data folder, starts the server, watches it, and stops it.
//
// The server listens on a Unix socket in a private folder only. As root it
// runs as the account postgres (or nobody), since PostgreSQL refuses uid 0.
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
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	role     = "streamspace"
	database = "streamspace"
	// maxSocketPath is what fits into sockaddr_un (108 bytes with the final
	// zero) after PostgreSQL has added its file name.
	maxSocketPath = 107 - len("/.s.PGSQL.5432")
)

// Options of a private server.
type Options struct {
	Dir string // holds the cluster; its parents must be searchable by the account
	Log *slog.Logger
	// Volatile trades durability for speed. Tests only.
	Volatile bool
}

// Server is one private PostgreSQL.
type Server struct {
	// immutable
	dir      string // Options.Dir
	data     string // the cluster
	socket   string // folder of the socket
	password string
	bin      binaries
	account  *account
	volatile bool
	log      *slog.Logger
	tail     *tail

	ready chan struct{} // closed by Run when the server has answered for the first time
}

// New looks for PostgreSQL, and makes the cluster when there is none.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{
		dir: o.Dir, data: filepath.Join(o.Dir, "data"), volatile: o.Volatile, log: o.Log,
		tail: &tail{log: o.Log}, ready: make(chan struct{}),
	}
	var err error
	if s.account, err = unprivileged(); err != nil {
		return nil, err
	}
	if s.bin, err = choose(s.data); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return nil, fmt.Errorf("folder of the private database: %w", err)
	}
	if s.password, err = loadPassword(filepath.Join(s.dir, "password")); err != nil {
		return nil, err
	}
	if s.socket, err = s.makeSocketDir(); err != nil {
		return nil, err
	}
	if err := s.stopOld(ctx); err != nil {
		return nil, err
	}
	return s, s.initialise(ctx)
}

// URL is where the server listens, with the password: never log it.
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(db string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, s.password), Path: "/" + db,
		RawQuery: url.Values{"host": {s.socket}}.Encode()}
	return u.String()
}

// Ready is closed when the server has answered for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// account is whom the server runs as; nil when we are not root.
type account struct{ uid, gid int }

func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		gid, err2 := strconv.Atoi(found.Gid)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &account{uid, gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")
}

// own makes a folder that only the server's account can enter.
func (s *Server) own(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if s.account == nil {
		return os.Chmod(dir, 0o700)
	}
	return errors.Join(os.Chown(dir, s.account.uid, s.account.gid), os.Chmod(dir, 0o700))
}

func (s *Server) makeSocketDir() (string, error) {
	dir := filepath.Join(s.dir, "socket")
	if len(dir) > maxSocketPath {
		var err error
		if dir, err = os.MkdirTemp("", "streamspace-pg-"); err != nil {
			return "", fmt.Errorf("folder of the database socket: %w", err)
		}
	}
	if err := s.own(dir); err != nil {
		return "", fmt.Errorf("folder of the database socket: %w", err)
	}
	return dir, nil
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
		return err
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
		return fmt.Errorf("making the private database in %s: %w:\n%s", s.data, err, lastLines(string(out), 8))
	}
	if err := os.Rename(inner, s.data); err != nil {
		return err
	}
	return os.RemoveAll(fresh)
}

func (s *Server) writeOwned(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if s.account == nil {
		return nil
	}
	return os.Chown(file, s.account.uid, s.account.gid)
}

// command prepares one of PostgreSQL's programs, run as the account.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin.dir, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	// Its own process group: a Ctrl-C in the terminal is ours to pass on. When
	// we are killed, it shuts down too.
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
