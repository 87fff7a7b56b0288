package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

const (
	maxControlConns = 8 // the runtime needs one; a restarted one may not have closed the old
	controlWrite    = 5 * time.Second
	lastCall        = 10 * time.Millisecond // at the end, for those who wait to be accepted
)

// control tells the desktop's status to whoever connects to its socket.
type control struct {
	listener *net.UnixListener

	mu      sync.Mutex
	status  Status        // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced at each change
	conns   int           // guarded by mu
}

func newControl(spec Spec) (*control, error) {
	listener, err := listen(spec)
	if err != nil {
		return nil, fmt.Errorf("listening on the control socket: %w", err)
	}
	return &control{listener: listener, status: Status{Phase: PhaseStarting, At: time.Now()}, changed: make(chan struct{})}, nil
}

func listen(spec Spec) (*net.UnixListener, error) {
	if spec.ControlFD != 0 {
		file := os.NewFile(uintptr(spec.ControlFD), "control socket")
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, err
		}
		unix, ok := listener.(*net.UnixListener)
		if !ok {
			listener.Close()
			return nil, fmt.Errorf("file descriptor %d is not a Unix socket", spec.ControlFD)
		}
		return unix, nil
	}
	if err := os.Remove(spec.ControlSocket); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: spec.ControlSocket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(spec.ControlSocket, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// tell changes the status.
func (c *control) tell(change func(s *Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.status)
	c.status.At = time.Now()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *control) now() (Status, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.changed
}

// run serves until ctx ends, and tells everyone the last status before it returns.
func (c *control) run(ctx context.Context) {
	var serving sync.WaitGroup
	// Who has connected already, and was not heard yet, is told why it ends, too.
	stop := context.AfterFunc(ctx, func() { c.listener.SetDeadline(time.Now().Add(lastCall)) })
	defer stop()
	defer c.listener.Close()
	for {
		conn, err := c.listener.AcceptUnix()
		if err != nil {
			break
		}
		c.mu.Lock()
		full := c.conns >= maxControlConns
		if !full {
			c.conns++
		}
		c.mu.Unlock()
		if full {
			conn.Close()
			continue
		}
		serving.Go(func() {
			c.serve(ctx, conn)
			c.mu.Lock()
			c.conns--
			c.mu.Unlock()
		})
	}
	serving.Wait()
}

func (c *control) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	gone := make(chan struct{})
	go func() { // ends with the connection
		defer close(gone)
		conn.Read(make([]byte, 1)) // nobody writes: it returns when the other end closes
	}()
	defer func() { conn.Close(); <-gone }()
	encoder := json.NewEncoder(conn)
	for {
		status, changed := c.now()
		conn.SetWriteDeadline(time.Now().Add(controlWrite))
		if err := encoder.Encode(status); err != nil || ctx.Err() != nil {
			return
		}
		select {
		case <-changed:
		case <-gone:
			return
		case <-ctx.Done():
			// Once round more: what was told last must arrive.
			status, _ := c.now()
			encoder.Encode(status)
			return
		}
	}
}
