package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// Options of a replay.
type Options struct {
	// Speed is how many times as fast as it was recorded; 0 is as fast as the
	// viewer asks.
	Speed float64
	Loop  bool // begin again at the end, or else stand still
	Log   *slog.Logger
}

// Server plays a trace to every viewer from its beginning: a viewer's
// decompressors must have seen all that went before.
type Server struct {
	trace   *Trace
	options Options
}

// NewServer returns a server of the trace.
func NewServer(t *Trace, options Options) *Server { return &Server{trace: t, options: options} }

const (
	// handshakeTimeout bounds a viewer that connects and says nothing.
	handshakeTimeout = 10 * time.Second
	// writeTimeout ends a viewer that reads nothing: longer than any that is
	// stalled on purpose.
	writeTimeout = 10 * time.Minute
	// listenBuffer takes several of a viewer's messages.
	listenBuffer = 4 << 10
)

// Run serves viewers until ctx ends.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel() // before waiting
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting viewers: %w", err)
		}
		serving.Go(func() {
			if err := s.serve(ctx, conn); err != nil && ctx.Err() == nil {
				s.options.Log.Info("viewer has ended", "remote", conn.RemoteAddr().String(), "reason", err)
			}
		})
	}
}

// player is one viewer's.
type player struct {
	server *Server
	conn   net.Conn // immutable

	wanted chan struct{} // an update was asked for; one waits, more are the same

	mu       sync.Mutex
	pushed   bool // the viewer has continuous updates; guarded by mu
	speaks   bool // its encodings and format fit; guarded by mu
	announce bool // it was told of continuous updates; guarded by mu
}

func (s *Server) serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := rfb.ServerHandshake(conn, rfb.ServerConfig{}); err != nil {
		return err
	}
	if _, err := conn.Write(rfb.AppendServerInit(nil, s.trace.Init())); err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	p := &player{server: s, conn: conn, wanted: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- p.listen() }()
	err := p.play(ctx, ended)
	conn.Close()
	if err == nil {
		err = <-ended
	}
	return err
}

// listen reads the viewer's messages until the connection ends.
func (p *player) listen() error {
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	buffer := make([]byte, listenBuffer)
	for {
		n, err := p.conn.Read(buffer)
		if err != nil {
			return err
		}
		for rest := buffer[:n]; len(rest) > 0; {
			took, message, err := parser.Next(rest)
			if err != nil {
				return err
			}
			rest = rest[took:]
			if message.Raw == nil {
				continue
			}
			if err := p.hear(message); err != nil {
				return err
			}
		}
	}
}

func (p *player) hear(message rfb.ClientMessage) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if format, ok := message.PixelFormat(); ok && format != rfb.RGB888() {
		return fmt.Errorf("the viewer wants pixels in another format than the trace's: %+v", format)
	}
	if encodings, ok := message.Encodings(); ok {
		for _, needed := range p.server.trace.Header.Encodings {
			if needed != rfb.EncodingRaw && !slices.Contains(encodings, needed) {
				return fmt.Errorf("the viewer does not know %v, which the trace has", needed)
			}
		}
		p.speaks = true
		if message.HasEncoding(rfb.EncodingContinuousUpdates) && !p.announce {
			p.announce = true
			if _, err := p.conn.Write(rfb.AppendEndOfContinuousUpdates(nil)); err != nil {
				return err
			}
		}
	}
	_, request := message.UpdateRequest()
	if continuous, ok := message.ContinuousUpdates(); ok {
		p.pushed = continuous.Enable
		request = request || p.pushed
	}
	if !request {
		return nil
	}
	if !p.speaks {
		return errors.New("the viewer asks for updates before it has said which encodings it knows")
	}
	select {
	case p.wanted <- struct{}{}:
	default:
	}
	return nil
}

// play sends the trace, in its time as far as the viewer asks for it.
func (p *player) play(ctx context.Context, ended chan error) error {
	again := false
	for {
		var begin time.Time
		for i, u := range p.server.trace.Updates {
			if err := p.wait(ctx, ended); err != nil {
				return err
			}
			if i == 0 {
				begin = time.Now()
			}
			if speed := p.server.options.Speed; speed > 0 {
				if err := pauseUntil(ctx, ended, begin.Add(time.Duration(float64(u.At)/speed))); err != nil {
					return err
				}
			}
			message := u.Message
			if i == 0 && again {
				message = append(resetStreams(), message...)
			}
			if err := p.write(message); err != nil {
				return err
			}
		}
		if !p.server.options.Loop {
			return nil
		}
		again = true
	}
}

// resetStreams is an update of one pixel that has the viewer forget what its
// decompressors know: the trace begins with fresh ones.
func resetStreams() []byte {
	const all = 0xF
	return rfb.AppendTightFill(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 1, Height: 1, Encoding: rfb.EncodingTight}, all, []byte{0, 0, 0})
}

// write holds the lock, since an announcement may be written by the listener.
func (p *player) write(message []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := p.conn.Write(message)
	return err
}

// wait returns when the viewer wants an update.
func (p *player) wait(ctx context.Context, ended chan error) error {
	p.mu.Lock()
	pushed := p.pushed
	p.mu.Unlock()
	if pushed {
		return nil
	}
	select {
	case <-p.wanted:
		return nil
	case err := <-ended:
		ended <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func pauseUntil(ctx context.Context, ended chan error, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-ended:
		ended <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
