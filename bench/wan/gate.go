package wan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Gate is the way over the line to servers that are not at its far end but on
// this machine or beyond: each address gets a listener at the far end, whose
// connections are carried on from the machine's own network. The far end of
// the line then belongs to the gate, not to the server.
type Gate struct {
	network *Network // immutable

	ctx     context.Context // ends everything
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	listeners map[string]net.Listener // by network and address; guarded by mu
}

// gateUnsent is the unsent-data mark in bytes of the gate's sockets on the
// line: what the kernel keeps beyond what the line holds would be queueing
// delay that no server has.
const gateUnsent = 16 << 10

// NewGate returns a gate, which must be closed before the network.
func (n *Network) NewGate() *Gate {
	ctx, cancel := context.WithCancel(context.Background())
	return &Gate{network: n, ctx: ctx, cancel: cancel, listeners: map[string]net.Listener{}}
}

// Dial opens a connection over the line. Addresses at its far end are dialled
// as they are, all others through the gate.
func (g *Gate) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); err == nil && host == g.network.Far.Address {
		return g.network.Near.Dial(ctx, network, address)
	}
	listener, err := g.listener(network, address)
	if err != nil {
		return nil, err
	}
	return g.network.Near.Dial(ctx, "tcp", listener.Addr().String())
}

func (g *Gate) listener(network, address string) (net.Listener, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := network + " " + address
	if listener := g.listeners[key]; listener != nil {
		return listener, nil
	}
	listener, err := g.network.Far.Listen("tcp", net.JoinHostPort(g.network.Far.Address, "0"))
	if err != nil {
		return nil, fmt.Errorf("opening the line's far end for %s: %w", address, err)
	}
	g.listeners[key] = listener
	g.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			g.running.Go(func() { g.carry(conn, network, address) })
		}
	})
	return listener, nil
}

// carry joins a connection on the line with one to the server.
func (g *Gate) carry(line net.Conn, network, address string) {
	defer line.Close()
	if err := limitUnsent(line); err != nil {
		return
	}
	server, err := new(net.Dialer).DialContext(g.ctx, network, address)
	if err != nil {
		return // the viewer sees the line end
	}
	defer server.Close()
	stop := context.AfterFunc(g.ctx, func() { line.Close(); server.Close() })
	defer stop()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(server, line)
		server.Close()
	})
	io.Copy(line, server)
	line.Close()
	back.Wait()
}

func limitUnsent(conn net.Conn) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, gateUnsent)
	})
	return errors.Join(err, set)
}

// Close ends what the gate carries.
func (g *Gate) Close() {
	g.cancel()
	g.mu.Lock()
	for _, listener := range g.listeners {
		listener.Close()
	}
	g.mu.Unlock()
	g.running.Wait()
}
