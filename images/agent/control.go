package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxControlConns = 8 // the runtime needs one; a restarted one may not have closed the old
	controlWrite    = 5 * time.Second
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
		socket, ok := listener.(*net.UnixListener)
		if !ok {
			listener.Close()
			return nil, fmt.Errorf("file descriptor %d is not a Unix socket", spec.ControlFD)
		}
		return socket, nil
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
	defer serving.Wait()
	defer c.listener.Close()
	stop := context.AfterFunc(ctx, func() { c.listener.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	admit := func(conn net.Conn) {
		if !c.enter() {
			conn.Close()
			return
		}
		serving.Go(func() {
			defer c.leave()
			c.serve(ctx, conn)
		})
	}
	for {
		conn, err := c.listener.AcceptUnix()
		if err != nil {
			break
		}
		admit(conn)
	}
	// Who has connected already, and was not heard yet, is told why it ends, too.
	for conn := c.waiting(); conn != nil; conn = c.waiting() {
		admit(conn)
	}
}

// waiting accepts a connection that is there already, and returns nil without one:
// a deadline, however late, may pass before a busy machine looks.
func (c *control) waiting() net.Conn {
	if c.listener.SetDeadline(time.Time{}) != nil {
		return nil
	}
	raw, err := c.listener.SyscallConn()
	if err != nil {
		return nil
	}
	accepted := -1
	err = raw.Read(func(listener uintptr) bool {
		if fd, _, err := unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC); err == nil {
			accepted = fd
		}
		return true
	})
	if err != nil || accepted < 0 {
		return nil
	}
	file := os.NewFile(uintptr(accepted), "control connection")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil
	}
	return conn
}

// enter counts a connection, if one more may be there.
func (c *control) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns >= maxControlConns {
		return false
	}
	c.conns++
	return true
}

func (c *control) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns--
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
