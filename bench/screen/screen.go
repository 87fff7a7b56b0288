// Package screen is a client that sees: it asks an RFB server for updates as
// noVNC does, decodes them into a picture, reads the marker of a scene from it
// and sends input. It measures nothing by itself.
package screen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/bench/marker"
	"github.com/streamspace/streamspace/bench/viewer"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// handshakeTimeout bounds the way from dialling to ServerInit; a desktop
	// that must first be started may take a minute.
	handshakeTimeout = 90 * time.Second
	// searchInterval is how often a marker that stands nowhere yet is looked
	// for in the whole picture, which takes some milliseconds.
	searchInterval = 200 * time.Millisecond
)

// Lossless as Options.Quality asks for exact pixels.
const Lossless = -1

// Options of a screen.
type Options struct {
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: a plain net.Dialer
	Origin   string                                                               // of a WebSocket handshake; empty sends none
	TLS      *tls.Config                                                          // for wss://; nil trusts what the system trusts
	Password string                                                               // for VNC authentication
	// Quality is JPEG's level, 0 to 9, or Lossless; Compress the level of
	// compression, 0 to 9. noVNC's own are 6 and 2.
	Quality, Compress int
	// Blind decodes nothing: no picture, no marker, only counts. Its work is a
	// copy, so that many of them fit beside what is measured.
	Blind bool
	// Offer replaces the encodings that are offered; nil is Encodings.
	Offer []rfb.Encoding
	// Tap is shown each message of the server before it is decoded; nil sees
	// none.
	Tap func(rfb.ServerMessage)
}

// Update is one framebuffer update, decoded.
type Update struct {
	At     time.Time // when its last pixel was in the picture
	Bytes  int       // of RFB
	Rects  int       // with pixels
	Pixels int64
	Mark   marker.Mark
	Marked bool // Mark is what the picture's marker says now
}

// Screen is one connection.
type Screen struct {
	// Width and Height as the server said them first, Name of the desktop.
	Width, Height int
	Name          string

	options Options
	conn    io.ReadWriteCloser
	wire    *atomic.Int64 // bytes read from the network

	// owned by Run
	reader   *rfb.ServerReader
	picture  *picture.Picture
	decoder  *picture.Decoder
	pushed   bool // updates come without requests
	at       image.Point
	found    bool
	searched time.Time

	mu sync.Mutex // held while writing to conn
}

// Connect dials the target, which is as viewer.Connect's, and completes the
// handshake.
func Connect(ctx context.Context, target string, options Options) (*Screen, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	s := &Screen{options: options, wire: new(atomic.Int64)}
	conn, err := viewer.Dial(ctx, target, viewer.Options{Dial: s.counted, Origin: options.Origin, TLS: options.TLS})
	if err != nil {
		return nil, err
	}
	s.conn = conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if err := s.greet(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("speaking RFB: %w", err)
	}
	if !stop() {
		conn.Close()
		return nil, ctx.Err()
	}
	return s, nil
}

// counted dials a connection whose bytes are counted.
func (s *Screen) counted(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.options.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn, read: s.wire}, nil
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countedConn) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	c.read.Add(int64(n))
	return n, err
}

func (s *Screen) greet() error {
	config := rfb.ClientConfig{}
	if s.options.Password != "" {
		config.Security = []rfb.SecurityType{rfb.SecurityVncAuth, rfb.SecurityNone}
		config.Password = func() (string, string, error) { return "", s.options.Password, nil }
	}
	session, err := rfb.ClientHandshake(s.conn, config)
	if err != nil {
		return err
	}
	s.Width, s.Height, s.Name = int(session.Init.Width), int(session.Init.Height), session.Init.Name
	s.reader = rfb.NewServerReader(s.conn, session.Init, 0)
	// Nothing was asked for, so every pixel that comes is in our format.
	s.reader.Walker().SetPixelFormat(rfb.RGB888())
	if !s.options.Blind {
		s.picture, s.decoder = picture.New(s.Width, s.Height), picture.NewDecoder()
	}
	message := rfb.AppendSetPixelFormat(nil, rfb.RGB888())
	offer := s.options.Offer
	if offer == nil {
		offer = Encodings(s.options.Quality, s.options.Compress)
	}
	message = rfb.AppendSetEncodings(message, offer...)
	return s.write(message)
}

// Encodings is what a screen offers, in noVNC's order.
func Encodings(quality, compress int) []rfb.Encoding {
	all := []rfb.Encoding{
		rfb.EncodingCopyRect, rfb.EncodingTight, rfb.EncodingHextile, rfb.EncodingRaw,
		rfb.CompressLevel(compress), rfb.EncodingDesktopSize, rfb.EncodingLastRect,
		rfb.EncodingExtendedDesktopSize, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingCursor,
	}
	if quality != Lossless {
		all = append(all, rfb.JPEGQuality(quality))
	}
	return all
}

// Picture is what the screen shows; of a blind one nil. It is for the function
// that Run calls.
func (s *Screen) Picture() *picture.Picture { return s.picture }

// MarkerAt is where the marker stands in the picture, once one was seen. It is
// for the function that Run calls.
func (s *Screen) MarkerAt() image.Point { return s.at }

// Wire is the bytes that came over the network so far, whatever they carried.
func (s *Screen) Wire() int64 { return s.wire.Load() }

// Close ends the connection; Run returns.
func (s *Screen) Close() error { return s.conn.Close() }

// errEnough ends Run from within.
var errEnough = errors.New("enough was seen")

// Run asks for the whole picture, then for what changes, and calls see after
// each update until it returns false, the connection or ctx ends. The
// connection is closed when ctx ends.
func (s *Screen) Run(ctx context.Context, see func(Update) bool) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	err := s.request(false)
	for err == nil {
		var message rfb.ServerMessage
		if message, err = s.reader.Read(); err != nil {
			err = fmt.Errorf("reading updates: %w", err)
			break
		}
		err = s.handle(message, see)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *Screen) handle(message rfb.ServerMessage, see func(Update) bool) error {
	if s.options.Tap != nil {
		s.options.Tap(message)
	}
	switch message.Type {
	case rfb.ServerFramebufferUpdate:
		update, err := s.draw(message)
		if err != nil {
			return err
		}
		if !s.pushed {
			if err := s.request(true); err != nil {
				return err
			}
		}
		if !see(update) {
			return errEnough
		}
	case rfb.ServerFence:
		if fence, _ := message.Fence(); fence.Flags&rfb.FenceRequest != 0 {
			return s.write(rfb.AppendClientFence(nil, fence.Answer()))
		}
	case rfb.ServerEndOfContinuousUpdates:
		// The first one says that the server knows them.
		s.pushed = !s.pushed
		if s.pushed {
			return s.push()
		}
		return s.request(true)
	}
	return nil
}

// draw decodes an update and reads the marker.
func (s *Screen) draw(message rfb.ServerMessage) (Update, error) {
	update := Update{Bytes: len(message.Raw)}
	for _, r := range message.Rects {
		if size, ok := r.DesktopSize(); ok {
			// Results other than 0 only say that a wish was refused.
			if r.Encoding == rfb.EncodingDesktopSize || r.Y == 0 {
				s.resize(int(size.Width), int(size.Height))
			}
			continue
		}
		if !r.Encoding.Pixels() {
			continue
		}
		update.Rects++
		update.Pixels += r.Area()
		if s.options.Blind {
			continue
		}
		if err := s.decoder.Decode(s.picture, r); err != nil {
			return update, fmt.Errorf("decoding an update: %w", err)
		}
	}
	if !s.options.Blind {
		update.Mark, update.Marked = s.mark()
	}
	update.At = time.Now()
	return update, nil
}

func (s *Screen) resize(width, height int) {
	s.Width, s.Height = width, height
	if s.picture != nil {
		s.picture.Resize(width, height)
	}
	if s.pushed {
		// The area of continuous updates was the old one. A connection that
		// cannot be written to shows at the next read.
		_ = s.push()
	}
}

func (s *Screen) mark() (marker.Mark, bool) {
	if mark, ok := marker.Read(s.picture, s.at); ok && s.found {
		return mark, true
	}
	if s.found || time.Since(s.searched) < searchInterval {
		return marker.Mark{}, false
	}
	s.searched = time.Now()
	if s.at, s.found = marker.Find(s.picture); !s.found {
		return marker.Mark{}, false
	}
	return marker.Read(s.picture, s.at)
}

func (s *Screen) request(incremental bool) error {
	return s.write(rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{
		Incremental: incremental, Width: uint16(s.Width), Height: uint16(s.Height),
	}))
}

func (s *Screen) push() error {
	return s.write(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{
		Enable: true, Width: uint16(s.Width), Height: uint16(s.Height),
	}))
}

// Press presses a key and lets it go. It may be called from any goroutine.
func (s *Screen) Press(keysym uint32) error {
	message := rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: keysym})
	return s.write(rfb.AppendKeyEvent(message, rfb.KeyEvent{Keysym: keysym}))
}

// Point moves the pointer. It may be called from any goroutine.
func (s *Screen) Point(x, y uint16) error {
	return s.write(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: x, Y: y}))
}

func (s *Screen) write(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.conn.Write(message); err != nil {
		return fmt.Errorf("sending to the server: %w", err)
	}
	return nil
}
