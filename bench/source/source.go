// Package source is a synthetic RFB server: it speaks the handshake of a
// desktop and then sends stamped rectangles in a chosen pattern, as fast as
// wanted. It draws nothing and measures nothing; the stamps let the other end
// measure.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// handshakeTimeout bounds a peer that connects and says nothing, as a port
// probe does.
const handshakeTimeout = 30 * time.Second

// Config says what a source looks like and how it behaves.
type Config struct {
	Kind    Kind    // what each rectangle is
	Pattern Pattern // when rectangles are sent
	// SendBuffer bounds the kernel's send buffer of each connection in bytes;
	// 0 leaves the system's default.
	SendBuffer int
}

// Source serves any number of viewers, each with a run of the pattern of its
// own.
type Source struct {
	config Config // immutable

	greeted atomic.Int64 // viewers whose handshake has succeeded, ever
}

// New returns a source that sends nothing until Run.
func New(config Config) *Source { return &Source{config: config} }

// Greeted returns how many viewers have completed the handshake so far.
func (s *Source) Greeted() int64 { return s.greeted.Load() }

// Run serves the listener until ctx ends, closes it, and returns when every
// connection is closed and every goroutine has ended.
func (s *Source) Run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		<-ctx.Done()
		listener.Close()
	})
	defer serving.Wait()
	defer cancel()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting viewers on %s: %w", listener.Addr(), err)
		}
		serving.Go(func() { s.serve(ctx, conn) })
	}
}

// greet is the server's half of the handshake: security None, as desktops have
// it behind a gateway.
func greet(conn io.ReadWriter) error {
	if _, err := rfb.ServerHandshake(conn, rfb.ServerConfig{}); err != nil {
		return err
	}
	_, err := conn.Write(rfb.AppendServerInit(nil, rfb.ServerInit{
		Width: Width, Height: Height, Format: rfb.RGB888(), Name: "streamspace bench",
	}))
	return err
}

// serve runs one connection to its end. A viewer that leaves is not an error
// of the source, so there is nothing to return: what was not delivered is
// seen at the viewer.
func (s *Source) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	if limiter, ok := conn.(interface{ SetWriteBuffer(int) error }); ok && s.config.SendBuffer > 0 {
		if err := limiter.SetWriteBuffer(s.config.SendBuffer); err != nil {
			return
		}
	}
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := greet(conn); err != nil {
		return
	}
	conn.SetDeadline(time.Time{})
	s.greeted.Add(1)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	view := newView(conn, s.config.Kind)
	var listening sync.WaitGroup
	listening.Go(func() {
		defer cancel()
		view.listen()
	})
	defer listening.Wait()
	defer conn.Close()
	if err := s.config.Pattern(ctx, view); err != nil && !gone(err) {
		return
	}
}

// gone says that the error only tells that the connection has ended.
func gone(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled)
}
