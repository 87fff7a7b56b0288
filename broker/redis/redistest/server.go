// Package redistest starts real Redis servers for tests, and the things that
// happen to them: kill, restart, pause, a cut network, a failover, a cluster.
// Nothing that it starts outlives the test binary.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"
)

// patience bounds every wait for a server, and is only ever used up by a failure.
const patience = 20 * time.Second

// Server is one redis-server with a folder and a port of its own. It keeps its
// port over restarts, and nothing else.
type Server struct {
	Address string // host:port
	Socket  string // path of its Unix socket
	Dir     string

	port    int
	options []string
	config  string // path of a configuration file, if there is one

	mu  sync.Mutex
	cmd *exec.Cmd // guarded by mu; nil while it does not run
}

// Start starts a server that ends with the test. Options are those of
// redis-server's command line: "--maxmemory", "64mb".
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New starts a server, for a TestMain; Close ends it.
func New(options ...string) (*Server, error) { return newServer(nil, options...) }

func newServer(configure func(*Server), options ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for Redis: %w", err)
	}
	s := &Server{Dir: dir, Socket: filepath.Join(dir, "redis.sock"), options: options}
	// Between finding a free port and taking it somebody else may do so.
	for range 5 {
		if s.port, err = freePort(); err != nil {
			break
		}
		s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
		if configure != nil {
			configure(s)
		}
		if err = s.Restart(); err == nil {
			return s, nil
		}
	}
	os.RemoveAll(dir)
	return nil, err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Restart starts the server, with nothing in it, and waits until it answers.
func (s *Server) Restart() error {
	s.Kill()
	port := strconv.Itoa(s.port)
	var arguments []string
	if s.config != "" {
		arguments = append(arguments, s.config)
	}
	arguments = append(arguments,
		"--port", port, "--bind", "127.0.0.1", "--unixsocket", s.Socket, "--dir", s.Dir, "--save", "", "--appendonly", "no",
		"--daemonize", "no", "--logfile", filepath.Join(s.Dir, "log"), "--repl-diskless-sync-delay", "0")
	arguments = append(arguments, s.options...)
	cmd := exec.Command("redis-server", arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting redis-server (Debian package redis-server): %w", err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	if err := Until(s.ping); err != nil {
		s.Kill()
		log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
		return fmt.Errorf("waiting for redis-server at %s: %w\n%s", s.Address, err, log)
	}
	return nil
}

// ping asks whether the server is there. That it wants a password says so too.
func (s *Server) ping() error {
	conn, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // a TCP connection takes deadlines
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, "+PONG") && !strings.HasPrefix(answer, "-NOAUTH") {
		err = fmt.Errorf("it says %q", answer)
	}
	return err
}

// Kill ends the server as a power cut would.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Pause stops the server where it is; connections stay, and fill.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("the Redis server does not run")
	}
	return s.cmd.Process.Signal(signal)
}

// Close kills the server and removes its folder.
func (s *Server) Close() {
	s.Kill()
	os.RemoveAll(s.Dir)
}

// Client returns a connection of the test's own, which ends with it.
func (s *Server) Client(t testing.TB) *client.Client {
	c := client.NewClient(&client.Options{Addr: s.Address, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { c.Close() })
	return c
}

// Until repeats f until it succeeds, and returns its last error when it has not
// for long.
func Until(f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond) // between two looks at another process
	}
}
