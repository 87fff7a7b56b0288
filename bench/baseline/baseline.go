// Package baseline holds the plainest relays that can be written: what any
// relay has to be compared with. They check nothing and bound nothing.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Options of a baseline.
type Options struct {
	Upstream string // "tcp:host:port" or "unix:/path"
	// Buffer is the size in bytes of what the WebSocket relay reads at a
	// time.
	Buffer int
	Socket SocketOptions
}

const (
	// readHeaderTimeout bounds a client that connects and sends no request.
	readHeaderTimeout = 30 * time.Second
	// writeBuffer is gorilla's own buffer: frames that are longer go out in
	// one writev with it.
	writeBuffer = 4 << 10
)

// relay is what both baselines have in common.
type relay struct {
	options Options // immutable

	serving sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu: closed when the relay ends
}

// Splice copies bytes between TCP connections until ctx ends; on Linux the
// kernel moves them (splice(2)) without a copy into this process.
func Splice(ctx context.Context, listener net.Listener, options Options) error {
	r := &relay{options: options, conns: map[net.Conn]bool{}}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	defer r.serving.Wait()
	defer r.closeAll()
	for {
		viewer, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting viewers on %s: %w", listener.Addr(), err)
		}
		r.serving.Go(func() { r.splice(ctx, viewer) })
	}
}

func (r *relay) splice(ctx context.Context, viewer net.Conn) {
	defer r.keep(viewer)()
	if err := r.options.Socket.apply(viewer); err != nil {
		return
	}
	upstream, err := r.dial(ctx)
	if err != nil {
		return
	}
	defer r.keep(upstream)()
	r.serving.Go(func() {
		io.Copy(upstream, viewer)
		upstream.Close()
		viewer.Close()
	})
	io.Copy(viewer, upstream)
}

// WebSocket relays between a WebSocket and the upstream until ctx ends: each
// read becomes one binary message.
func WebSocket(ctx context.Context, listener net.Listener, options Options) error {
	r := &relay{options: options, conns: map[net.Conn]bool{}}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.upgrade(ctx, w, q) }),
		ReadHeaderTimeout: readHeaderTimeout,
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	defer r.serving.Wait()
	defer r.closeAll()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving WebSockets on %s: %w", listener.Addr(), err)
	}
	return nil
}

func (r *relay) upgrade(ctx context.Context, w http.ResponseWriter, q *http.Request) {
	upgrader := websocket.Upgrader{
		WriteBufferSize: writeBuffer,
		Subprotocols:    []string{"binary"},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	viewer, err := upgrader.Upgrade(w, q, nil)
	if err != nil {
		return // Upgrade has answered
	}
	r.serving.Add(1) // the server does not wait for hijacked connections
	defer r.serving.Done()
	defer r.keep(viewer.NetConn())()
	if err := r.options.Socket.apply(viewer.NetConn()); err != nil {
		return
	}
	upstream, err := r.dial(ctx)
	if err != nil {
		return
	}
	defer r.keep(upstream)()
	r.serving.Go(func() {
		fromViewer(upstream, viewer)
		upstream.Close()
		viewer.Close()
	})
	buffer := make([]byte, r.options.Buffer)
	for {
		n, err := upstream.Read(buffer)
		if n > 0 && viewer.WriteMessage(websocket.BinaryMessage, buffer[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

func fromViewer(upstream io.Writer, viewer *websocket.Conn) {
	for {
		_, message, err := viewer.NextReader()
		if err != nil {
			return
		}
		if _, err := io.Copy(upstream, message); err != nil {
			return
		}
	}
}

func (r *relay) dial(ctx context.Context) (net.Conn, error) {
	network, address, _ := strings.Cut(r.options.Upstream, ":")
	return new(net.Dialer).DialContext(ctx, network, address)
}

// keep remembers the connection for closeAll; the returned function closes and
// forgets it.
func (r *relay) keep(conn net.Conn) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[conn] = true
	return func() {
		conn.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, conn)
	}
}

func (r *relay) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}
