// Package viewer is a load client: it connects to an RFB server over TCP, a
// Unix socket or a WebSocket, and reads updates as fast as they come. It finds
// the boundaries and stamps of rectangles and decodes no pixel, save for the
// Picture that says whether something is on the screen.
package viewer

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Options of a viewer. The zero value suits a single fast viewer.
type Options struct {
	// ReadBuffer is the size of the read buffer in bytes; 0 means
	// DefaultReadBuffer. Thousands of viewers want a small one.
	ReadBuffer int
	// Encodings is what the viewer offers; nil means Tight and Raw with
	// LastRect and ContinuousUpdates.
	Encodings []int32
	// Dial opens the network connection; nil means a plain net.Dialer. A
	// viewer in another network namespace brings its own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Origin is the Origin header of a WebSocket handshake; empty sends none.
	Origin string
}

const (
	// DefaultReadBuffer takes several rectangles at a time, so that the
	// viewer is never the slowest part.
	DefaultReadBuffer = 256 << 10
	// handshakeTimeout bounds the way from dialling to ServerInit; a desktop
	// that must first be started may take a minute.
	handshakeTimeout = 90 * time.Second
	// maxName bounds the desktop name of a ServerInit message.
	maxName = 64 << 10
)

// Encodings that a viewer understands.
const (
	EncodingRaw               int32 = 0
	EncodingTight             int32 = 7
	EncodingCursor            int32 = -239
	EncodingDesktopSize       int32 = -223
	EncodingLastRect          int32 = -224
	EncodingContinuousUpdates int32 = -313
)

// defaultEncodings is offered where Options say nothing.
var defaultEncodings = []int32{EncodingTight, EncodingRaw, EncodingLastRect, EncodingContinuousUpdates}

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
		options.Encodings = defaultEncodings
	}
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, target, options)
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

// greet is the client's half of the handshake (RFC 6143 sections 7.1 to 7.3)
// and the two messages that fix format and encodings.
func (v *Viewer) greet(encodings []int32) error {
	const versionLine = "RFB 003.008\n"
	if err := v.read(v.scratch[:12]); err != nil {
		return fmt.Errorf("waiting for the server's version: %w", err)
	}
	if string(v.scratch[:4]) != "RFB " {
		return fmt.Errorf("server begins with %q, want an RFB version", v.scratch[:12])
	}
	if _, err := io.WriteString(v.conn, versionLine); err != nil {
		return err
	}
	if err := v.chooseNone(); err != nil {
		return err
	}
	if _, err := v.conn.Write([]byte{1}); err != nil { // ClientInit: shared
		return err
	}
	if err := v.read(v.scratch[:24]); err != nil {
		return fmt.Errorf("waiting for ServerInit: %w", err)
	}
	v.Width = int(binary.BigEndian.Uint16(v.scratch[0:]))
	v.Height = int(binary.BigEndian.Uint16(v.scratch[2:]))
	length := binary.BigEndian.Uint32(v.scratch[20:])
	if length > maxName {
		return fmt.Errorf("desktop name of %d bytes, at most %d are taken", length, maxName)
	}
	name := make([]byte, length)
	if err := v.read(name); err != nil {
		return fmt.Errorf("reading the desktop's name: %w", err)
	}
	v.Name = string(name)
	_, err := v.conn.Write(append(pixelFormat(), setEncodings(encodings)...))
	return err
}

func (v *Viewer) chooseNone() error {
	if err := v.read(v.scratch[:1]); err != nil {
		return err
	}
	count := int(v.scratch[0])
	if count == 0 {
		return fmt.Errorf("server refused the connection")
	}
	offered := make([]byte, count)
	if err := v.read(offered); err != nil {
		return err
	}
	const none = 1
	found := false
	for _, security := range offered {
		found = found || security == none
	}
	if !found {
		return fmt.Errorf("server offers security types %v, want 1 (None)", offered)
	}
	if _, err := v.conn.Write([]byte{none}); err != nil {
		return err
	}
	if err := v.read(v.scratch[:4]); err != nil {
		return fmt.Errorf("waiting for the security result: %w", err)
	}
	if result := binary.BigEndian.Uint32(v.scratch[:]); result != 0 {
		return fmt.Errorf("security result is %d, want 0", result)
	}
	return nil
}

// pixelFormat asks for 32 bits, little endian, red at bit 16.
func pixelFormat() []byte {
	return []byte{0, 0, 0, 0,
		32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0}
}

func setEncodings(encodings []int32) []byte {
	message := []byte{2, 0}
	message = binary.BigEndian.AppendUint16(message, uint16(len(encodings)))
	for _, encoding := range encodings {
		message = binary.BigEndian.AppendUint32(message, uint32(encoding))
	}
	return message
}

// Request asks for an update of the whole framebuffer.
func (v *Viewer) Request(incremental bool) error {
	message := []byte{3, 0, 0, 0, 0, 0}
	if incremental {
		message[1] = 1
	}
	message = binary.BigEndian.AppendUint16(message, uint16(v.Width))
	message = binary.BigEndian.AppendUint16(message, uint16(v.Height))
	_, err := v.conn.Write(message)
	return err
}

// Stream asks for updates without further requests (ContinuousUpdates of
// rfbproto). The server must know the extension; sources of this bench do.
func (v *Viewer) Stream() error {
	message := []byte{150, 1, 0, 0, 0, 0}
	message = binary.BigEndian.AppendUint16(message, uint16(v.Width))
	message = binary.BigEndian.AppendUint16(message, uint16(v.Height))
	_, err := v.conn.Write(message)
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
