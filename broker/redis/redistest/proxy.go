package redistest

import (
	"net"
	"sync"
	"testing"
)

// Proxy is a network between a test and a server that can be cut.
type Proxy struct {
	Address string // host:port

	target   string // immutable
	listener net.Listener
	group    sync.WaitGroup

	mu    sync.Mutex
	cut   chan struct{}         // guarded by mu; closed while bytes pass
	conns map[net.Conn]struct{} // guarded by mu
}

// NewProxy starts a proxy to a server, that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	close(open)
	p := &Proxy{Address: listener.Addr().String(), target: target, listener: listener, cut: open, conns: make(map[net.Conn]struct{})}
	p.group.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.Heal()
		p.Break()
		p.group.Wait()
	})
	return p
}

// Cut loses the network without telling anybody: connections stay and no byte
// passes, as behind a firewall that drops. What is sent meanwhile arrives late.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = make(chan struct{})
}

// Heal ends a cut.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.cut:
	default:
		close(p.cut)
	}
}

// Break closes every connection there is; new ones are let in.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.join(near) })
	}
}

func (p *Proxy) join(near net.Conn) {
	defer near.Close()
	p.pass()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns[near], p.conns[far] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(far, near) })
	both.Go(func() { p.copy(near, far) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, near)
	delete(p.conns, far)
	p.mu.Unlock()
}

func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.pass()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

// pass waits while the network is cut.
func (p *Proxy) pass() {
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	<-cut
}
