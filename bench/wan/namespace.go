package wan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrRights says that this process may not make network namespaces.
var ErrRights = errors.New("emulating a line needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and /dev/net/tun")

// Namespace is a network namespace without a name: it lives as long as its
// thread, its sockets and the processes in it, so that even a killed bench
// leaves nothing behind.
type Namespace struct {
	Address string // this end's IPv4 address, immutable

	work chan func() // run on the namespace's thread
	done chan struct{}
}

// newNamespace starts the thread that lives in the namespace.
func newNamespace(address string) (*Namespace, error) {
	n := &Namespace{Address: address, work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error, 1)
	go n.live(ready)
	if err := <-ready; err != nil {
		<-n.done
		return nil, err
	}
	return n, nil
}

// live is the thread. It never unlocks: a thread in another namespace must not
// serve other goroutines, and ends with its goroutine.
func (n *Namespace) live(ready chan<- error) {
	defer close(n.done)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) {
			err = ErrRights
		}
		ready <- fmt.Errorf("making a network namespace: %w", err)
		return
	}
	ready <- setUp("lo")
	for work := range n.work {
		work()
	}
}

// close ends the thread. Processes that were started in the namespace must
// have ended before: the thread's end kills them (see Start).
func (n *Namespace) close() {
	close(n.work)
	<-n.done
}

// Do runs f on the namespace's thread: sockets that f opens belong to the
// namespace for ever, wherever they are used.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	n.work <- func() { result <- f() }
	return <-result
}

// Dial opens a connection from within the namespace. The address must be
// numeric: names would be looked up on other threads.
func (n *Namespace) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen opens a listener in the namespace.
func (n *Namespace) Listen(network, address string) (listener net.Listener, err error) {
	err = n.Do(func() error {
		listener, err = net.Listen(network, address)
		return err
	})
	return listener, err
}

// Start starts the command in the namespace. With Pdeathsig set, the process
// dies with the namespace's thread, so also with this process.
func (n *Namespace) Start(command *exec.Cmd) error { return n.Do(command.Start) }
