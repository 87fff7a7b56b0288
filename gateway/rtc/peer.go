package rtc

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/webrtc/v4"
)

// The labels of a peer's data channels.
const (
	ControlLabel = "control" // ordered and reliable: the stream
	PointerLabel = "pointer" // neither: where the pointer is
	CopiesLabel  = "copies"  // neither: what was done, once more
)

// Peer is one browser.
type Peer struct {
	// immutable
	id         string
	server     *Server
	handlers   Handlers
	connection *webrtc.PeerConnection
	estimator  *gcc.SendSideBWE
	screen     *screen
	voice      *voice // nil for a browser that asks for no sound; set before the answer is made
	control    *control
	answer     string
	bound      chan struct{} // closed when the format is known
	up         chan struct{} // closed when frames and the stream may go
	ended      chan struct{} // closed when the peer shall end
	done       chan struct{} // closed when nothing of it is left

	trickling  sync.Mutex
	candidates int // guarded by trickling; of the browser's addresses

	latest   atomic.Pointer[motion] // that nobody has taken
	estimate estimate

	ending sync.Once
	cause  error // set before ended is closed

	mu      sync.Mutex
	over    bool           // guarded by mu; no channel is served any more
	serving sync.WaitGroup // channels; grows under mu while over is false
	opened  bool           // guarded by mu; there is a control channel
	pointed bool           // guarded by mu; there is a pointer channel
	copied  bool           // guarded by mu; there is a channel of copies
	spoken  bool           // guarded by mu; there is a microphone
}

func newPeer(s *Server, handlers Handlers) (*Peer, error) {
	copies := newAgain()
	connection, estimator, err := s.connect(copies)
	if err != nil {
		return nil, err
	}
	p := &Peer{
		id: strings.ToLower(rand.Text()), server: s, handlers: handlers, connection: connection, estimator: estimator, control: newControl(),
		bound: make(chan struct{}), up: make(chan struct{}), ended: make(chan struct{}), done: make(chan struct{}),
	}
	p.estimate.start(s.options.Limits.Start)
	copies.bitrate = p.Bitrate
	p.screen = &screen{again: copies, formats: s.options.Formats, refresh: handlers.Refresh, bound: sync.OnceFunc(func() { close(p.bound) })}
	connection.OnConnectionStateChange(p.changed)
	connection.OnDataChannel(p.channel)
	connection.OnTrack(p.said)
	return p, nil
}

// ID names the peer to whoever made the offer, and to nobody else: who knows it
// may tell of further addresses and end it.
func (p *Peer) ID() string { return p.id }

// Answer is the SDP that answers the offer.
func (p *Peer) Answer() string { return p.answer }

// Up is closed when the peer's stream is open and its video has a format.
func (p *Peer) Up() <-chan struct{} { return p.up }

// Done is closed when the peer has ended and nothing of it is left.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err is why the peer ended, after Done: ErrOver if somebody closed it.
func (p *Peer) Err() error { return p.cause }

// Format is that of the video. It is known when the peer is up.
func (p *Peer) Format() Format {
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	return p.screen.format
}

// Conn is the control channel as a connection that speaks WebSocket frames, as a
// server reads and writes them (RFC 6455 section 5): each message of the channel is
// one, texts are texts. Closing it ends the peer.
func (p *Peer) Conn() net.Conn { return p.control.near }

// Show sends a frame of coded video, which is the caller's again afterwards. at is
// when the desktop drew it, and never goes back. It does not wait for the line.
func (p *Peer) Show(frame []byte, at time.Time) error {
	p.estimate.sent(len(frame), time.Now())
	return p.screen.show(frame, at)
}

// Bitrate is what the way to the browser carries, in bits a second.
func (p *Peer) Bitrate() int { return p.estimate.update(p.estimator.GetTargetBitrate(), time.Now()) }

// Motion returns where the pointer has gone since the last call, if it has: turn is
// how many pointer messages went before that on the control channel.
func (p *Peer) Motion() (turn uint32, x, y uint16, ok bool) {
	m := p.latest.Swap(nil)
	if m == nil {
		return 0, 0, 0, false
	}
	return m.turn, m.x, m.y, true
}

// Close ends the peer. It does not wait.
func (p *Peer) Close() { p.end(ErrOver) }

// end makes run end the peer. The first cause counts.
func (p *Peer) end(cause error) {
	p.ending.Do(func() {
		p.cause = cause
		close(p.ended)
	})
}

// errSilent says that a connection broke, or never came about.
var errSilent = errors.New("the browser cannot be reached")

// run is the peer's life after its answer.
func (p *Peer) run() {
	late := time.NewTimer(p.server.options.Timing.Connect)
	defer late.Stop()
	select {
	case <-p.up:
		<-p.ended
	case <-late.C:
		p.end(fmt.Errorf("%w: no connection in %s", errSilent, p.server.options.Timing.Connect))
	case <-p.ended:
	}
	p.dispose()
}

// dispose frees what the peer has, and counts it out.
func (p *Peer) dispose() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.control.close()
	p.connection.GracefulClose() // what fails in it has failed on the line
	p.serving.Wait()
	p.screen.again.close()
	p.screen.reading.Wait()
	p.server.release(p.id)
	close(p.done)
}

// changed hears how the connection does.
func (p *Peer) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateFailed:
		p.end(fmt.Errorf("%w: it is silent", errSilent))
	case webrtc.PeerConnectionStateClosed:
		p.end(fmt.Errorf("%w: it left", errSilent))
	}
}

// channel takes a data channel of the browser's: one of each kind.
func (p *Peer) channel(c *webrtc.DataChannel) {
	var taken *bool
	var serve func(datachannel.ReadWriteCloserDeadliner)
	switch c.Label() {
	case ControlLabel:
		if !c.Ordered() || c.MaxRetransmits() != nil || c.MaxPacketLifeTime() != nil {
			p.end(fmt.Errorf("%w: its %s channel may lose or mix up messages", ErrOffer, ControlLabel))
			return
		}
		taken, serve = &p.opened, p.serveControl
	case PointerLabel:
		taken, serve = &p.pointed, p.servePointer
	case CopiesLabel:
		taken, serve = &p.copied, p.serveCopies
	default:
		p.end(fmt.Errorf("%w: it opens a channel %.40q", ErrOffer, c.Label()))
		return
	}
	p.mu.Lock()
	twice := *taken
	*taken = true
	p.mu.Unlock()
	if twice {
		p.end(fmt.Errorf("%w: it opens its %s channel twice", ErrOffer, c.Label()))
		return
	}
	c.OnOpen(func() {
		raw, err := c.DetachWithDeadline()
		if err != nil {
			p.end(fmt.Errorf("taking the %s channel: %w", c.Label(), err))
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.over {
			raw.Close()
			return
		}
		p.serving.Go(func() { serve(raw) })
	})
}

// serveControl carries the stream until either end closes it.
func (p *Peer) serveControl(raw datachannel.ReadWriteCloserDeadliner) {
	select {
	case <-p.bound:
	case <-p.ended:
		return
	}
	close(p.up)
	p.end(p.control.run(raw, p.ended))
}

// servePointer keeps the newest motion.
func (p *Peer) servePointer(raw datachannel.ReadWriteCloserDeadliner) {
	defer raw.Close()
	var last uint32
	b := make([]byte, channelMessage)
	for {
		n, _, err := raw.ReadDataChannel(b)
		if err != nil {
			return
		}
		m, ok := parseMotion(b[:n])
		if !ok {
			p.end(fmt.Errorf("%w: %d bytes on its %s channel", ErrOffer, n, PointerLabel))
			return
		}
		if m.number <= last {
			continue // overtaken
		}
		last = m.number
		p.latest.Store(&m)
		p.handlers.Moved()
	}
}

// serveCopies passes on what overtakes the control channel.
func (p *Peer) serveCopies(raw datachannel.ReadWriteCloserDeadliner) {
	defer raw.Close()
	b := make([]byte, channelMessage)
	for {
		n, _, err := raw.ReadDataChannel(b)
		if err != nil {
			return
		}
		copies, err := parseCopies(b[:n])
		if err != nil {
			p.end(fmt.Errorf("%w: %d bytes on its %s channel: %w", ErrOffer, n, CopiesLabel, err))
			return
		}
		for _, copied := range copies {
			if p.control.deliverCopy(copied) != nil {
				return // the stream ended
			}
		}
	}
}
