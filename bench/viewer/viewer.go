// Package viewer is a load client: it connects to an RFB server over TCP, a
// Unix socket or a WebSocket, and reads updates as fast as they come. It finds
// the boundaries and stamps of rectangles and decodes no pixel, save for the
// Picture that says whether something is on the screen.
package viewer

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// Options of a viewer. The zero value suits a single fast viewer.
type Options struct {
	// ReadBuffer is the size of the read buffer in bytes; 0 means
	// DefaultReadBuffer. Thousands of viewers want a small one.
	ReadBuffer int
	// Encodings is what the viewer offers, of Raw, Tight (JPEG and fill only),
	// Cursor, DesktopSize, LastRect and ContinuousUpdates; nil means all but
	// Cursor and DesktopSize.
	Encodings []rfb.Encoding
	// Dial opens the network connection; nil means a plain net.Dialer. A
	// viewer in another network namespace brings its own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Origin is the Origin header of a WebSocket handshake; empty sends none.
	Origin string
	// TLS is for wss:// targets; nil trusts what the system trusts.
	TLS *tls.Config
}

const (
	// DefaultReadBuffer takes several rectangles at a time, so that the
	// viewer is never the slowest part.
	DefaultReadBuffer = 256 << 10
	// handshakeTimeout bounds the way from dialling to ServerInit; a desktop
	// that must first be started may take a minute.
	handshakeTimeout = 90 * time.Second
)

// defaultEncodings is offered where Options say nothing.
func defaultEncodings() []rfb.Encoding {
	return []rfb.Encoding{rfb.EncodingTight, rfb.EncodingRaw, rfb.EncodingLastRect, rfb.EncodingContinuousUpdates}
}

// Viewer is one connection. Its methods belong to one goroutine, except Close.
type Viewer struct {
	// Width and Height of the framebuffer in pixels, Name of the desktop, as
	// the server said them first.
	Width, Height int
	Name          string

	conn      io.ReadWriteCloser // immutable
	in        *bufio.Reader
	received  int64
	remaining int  // rectangles of the present update that are still to come
	endless   bool // the present update ends with a LastRect
	scratch   [64]byte
}

// Connect dials the target — "tcp:host:port", "unix:/path" or a ws:// or
// wss:// URL — and completes the handshake: protocol 3.8, security None, 32
// bits a pixel, and the offered encodings.
func Connect(ctx context.Context, target string, options Options) (*Viewer, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if options.ReadBuffer == 0 {
		options.ReadBuffer = DefaultReadBuffer
	}
	if options.Encodings == nil {
		options.Encodings = defaultEncodings()
	}
	conn, err := Dial(ctx, target, options)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	v := &Viewer{conn: conn, in: bufio.NewReaderSize(conn, options.ReadBuffer)}
	if err := v.greet(options.Encodings); err != nil {
		conn.Close()
		return nil, fmt.Errorf("speaking RFB: %w", err)
	}
	if !stop() {
		conn.Close()
		return nil, ctx.Err()
	}
	return v, nil
}

// Close ends the connection; a Next that waits returns with an error.
func (v *Viewer) Close() error { return v.conn.Close() }

// Received returns the bytes of RFB read so far, without those that wait in
// the buffer.
func (v *Viewer) Received() int64 { return v.received }

// greet is the client's half of the handshake and the two messages that fix
// format and encodings.
func (v *Viewer) greet(encodings []rfb.Encoding) error {
	session, err := rfb.ClientHandshake(struct {
		io.Reader
		io.Writer
	}{v.in, v.conn}, rfb.ClientConfig{})
	if err != nil {
		return err
	}
	v.Width, v.Height, v.Name = int(session.Init.Width), int(session.Init.Height), session.Init.Name
	message := rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, rfb.RGB888()), encodings...)
	_, err = v.conn.Write(message)
	return err
}

// bytesPerPixel of rfb.RGB888, which greet asks for.
const bytesPerPixel = 4

// Request asks for an update of the whole framebuffer.
func (v *Viewer) Request(incremental bool) error {
	_, err := v.conn.Write(rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{
		Incremental: incremental, Width: uint16(v.Width), Height: uint16(v.Height),
	}))
	return err
}

// Stream asks for updates without further requests (ContinuousUpdates of
// rfbproto). The server must know the extension; sources of this bench do.
func (v *Viewer) Stream() error {
	_, err := v.conn.Write(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{
		Enable: true, Width: uint16(v.Width), Height: uint16(v.Height),
	}))
	return err
}

func (v *Viewer) read(into []byte) error {
	n, err := io.ReadFull(v.in, into)
	v.received += int64(n)
	return err
}

func (v *Viewer) skip(n int) error {
	skipped, err := v.in.Discard(n)
	v.received += int64(skipped)
	return err
}
