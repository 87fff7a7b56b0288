package product

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
)

// readyTimeout bounds the first start, which initialises a database.
const readyTimeout = 2 * time.Minute

// Server is a `streamspace up` of its own in a temporary folder.
type Server struct {
	Base     string // URL
	Username string
	Password string

	process *peer.Process
	place   peer.Place
	folder  string
}

// Serve starts the program and waits until it is ready. Stop must be called.
func Serve(ctx context.Context, program string) (*Server, error) {
	return ServeAt(ctx, peer.Here(), program, nil)
}

// ServeAt is Serve in a place, with further templates, file names and texts, and
// further flags.
func ServeAt(ctx context.Context, place peer.Place, program string, templates map[string]string, flags ...string) (*Server, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%s is %w: make build", program, peer.ErrMissing)
	}
	folder, err := os.MkdirTemp("", "streamspace-bench-server-")
	if err != nil {
		return nil, fmt.Errorf("making a data folder: %w", err)
	}
	s := &Server{Username: "admin", Password: rand.Text(), place: place, folder: folder}
	if err := s.launch(ctx, path, templates, flags); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) launch(ctx context.Context, path string, templates map[string]string, flags []string) error {
	// Sandboxes of other users must be able to pass through the folder.
	if err := os.Chmod(s.folder, 0o755); err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	passwordFile := filepath.Join(s.folder, "password")
	if err := os.WriteFile(passwordFile, []byte(s.Password+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing the password file: %w", err)
	}
	catalog := filepath.Join(s.folder, "templates")
	if err := os.Mkdir(catalog, 0o700); err != nil {
		return fmt.Errorf("making a folder for templates: %w", err)
	}
	for name, text := range templates {
		if err := os.WriteFile(filepath.Join(catalog, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing a template: %w", err)
		}
	}
	address, err := peer.FreePort(s.place)
	if err != nil {
		return err
	}
	s.Base = "http://" + address
	command := exec.Command(path, append([]string{"up", "--listen", address,
		"--data-dir", filepath.Join(s.folder, "data"), "--admin-password-file", passwordFile,
		"--template-dir", catalog}, flags...)...)
	command.Stdout = io.Discard
	if s.process, err = peer.Launch(s.place, command); err != nil {
		return err
	}
	return s.process.Serves(ctx, s.place, s.Base+"/readyz", readyTimeout)
}

// PID is the server's process.
func (s *Server) PID() int { return s.process.PID() }

// Usage is what server and desktops use now.
func (s *Server) Usage() (peer.Usage, error) { return s.process.Usage() }

// endTimeout bounds the orderly end with its desktops and database; only then
// is the process group killed.
const endTimeout = 30 * time.Second

// Stop ends the server with its desktops and removes its folder.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Signal(syscall.SIGTERM)
		select {
		case <-s.process.Exited():
		case <-time.After(endTimeout):
		}
		s.process.Stop()
	}
	os.RemoveAll(s.folder)
}
