package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

const (
	// thumbnailWidth and thumbnailHeight, in pixels, are the box of a picture.
	thumbnailWidth, thumbnailHeight = 320, 200
	// thumbnailEvery is between two pictures of a desktop that changes.
	thumbnailEvery = 5 * time.Second
	// thumbnailTTL is how long a picture is kept: that of a desktop at which
	// nobody looked for longer says little.
	thumbnailTTL = 6 * time.Hour
	// thumbnailTimeout bounds making and keeping one.
	thumbnailTimeout = 5 * time.Second
)

// host is a hub in front of a desktop, and what is made of its pixels besides
// the viewers' streams.
type host struct {
	share   *share // immutable
	context context.Context
	stop    context.CancelFunc
	glances chan struct{} // holds one when a picture is wished for
	up      chan struct{} // closed when hub is there and has a picture
	over    chan struct{} // closed when the host has ended
	route   broker.Route  // immutable; in front of which it is
	owner   *owner        // immutable; the gateway through which it is; nil for the desktop itself

	hub *hub.Hub // set before up is closed
	err error    // why it ended; set before over is closed

	// owned by run
	trunk *trunk // to the owner, once it is connected
	taken uint64 // number of the frame of the latest picture
}

// newHost is for the desktop's present route.
func newHost(sh *share) *host {
	h := &host{
		share: sh, glances: make(chan struct{}, 1), up: make(chan struct{}), over: make(chan struct{}),
	}
	h.route, h.owner = sh.desktop.way() // without one it ends at once
	h.context, h.stop = context.WithCancel(context.Background())
	return h
}

func (h *host) epoch() uint64 { return h.route.Epoch }

// isReady tells whether hub is there.
func (h *host) isReady() bool {
	select {
	case <-h.up:
		return true
	default:
		return false
	}
}

// glance wishes for a picture. It does not wait.
func (h *host) glance() {
	select {
	case h.glances <- struct{}{}:
	default:
	}
}

// run serves until stop, or until the desktop ends.
func (h *host) run() {
	defer h.stop()
	h.err = h.serve()
	if h.owner != nil {
		h.err = trunkEnded(h.err)
	}
	h.part(h.err)
	close(h.over)
	h.share.ended(h)
	if h.owner == nil && !errors.Is(h.err, hub.ErrStopped) { // of another gateway's end it is told elsewhere
		h.share.desktop.warn("sharing the desktop ended", "error", h.err)
	}
}

func (h *host) serve() error {
	gateway := h.share.desktop.gateway
	upstream, err := h.connect()
	if err != nil {
		return err
	}
	options := hub.Options{
		Log: gateway.log, Observer: gateway.metrics.hub, Stall: gateway.timing.Relay.DesktopStall, Probe: gateway.timing.Relay.Probe,
	}
	if h.owner != nil {
		options.Parting = h.part
	}
	h.hub = hub.New(upstream, options)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- h.hub.Run(ctx) }()
	gateway.metrics.hubs.Inc()
	defer gateway.metrics.hubs.Dec()
	select {
	case <-h.hub.Ready():
	case err := <-ran:
		return err
	case <-h.context.Done():
		cancel()
		return <-ran
	}
	close(h.up)
	h.share.ready(h)
	ticker := time.NewTicker(thumbnailEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-ran:
			return err
		case <-h.context.Done():
			h.picture() // as it was left
			cancel()
			return <-ran
		case <-ticker.C:
			h.picture()
		case <-h.glances:
			h.picture()
			h.share.pictured()
		}
	}
}

// connect is patient with a desktop that does not answer, as a stream is.
func (h *host) connect() (hub.Upstream, error) {
	for attempt := 1; ; attempt++ {
		if h.route.Address == "" {
			return hub.Upstream{}, fmt.Errorf("%w: it has no route", relay.ErrDesktopGone)
		}
		conn, init, err := h.dial()
		switch {
		case h.owner != nil && err != nil:
			return hub.Upstream{}, err // another way may be shorter
		case err == nil:
			return hub.Upstream{Conn: conn, Init: init}, nil
		case h.context.Err() != nil:
			return hub.Upstream{}, fmt.Errorf("%w: %w", hub.ErrStopped, err)
		case errors.Is(err, relay.ErrDesktopProtocol):
			return hub.Upstream{}, err
		case attempt == dialAttempts:
			return hub.Upstream{}, fmt.Errorf("%w: %w", relay.ErrDesktopGone, err)
		}
		select {
		case <-h.context.Done():
		case <-time.After(dialPause):
		}
	}
}

// dial connects to the desktop, or to the gateway that owns it.
func (h *host) dial() (net.Conn, rfb.ServerInit, error) {
	gateway := h.share.desktop.gateway
	if h.owner == nil {
		return gateway.connect(h.context, h.route)
	}
	t, err := dialTrunk(h.context, gateway, h.share.desktop.company, h.owner.Peer, h.share.desktop.session)
	if err != nil {
		return nil, rfb.ServerInit{}, err
	}
	h.trunk = t
	conn := &dialed{Conn: t.conn, trunk: t, writers: new(sync.WaitGroup)}
	greeted, init, err := gateway.greet(h.context, conn, rfb.ClientConfig{})
	if err == nil {
		conn.writers.Go(t.write) // the owner hears texts from now on
	}
	return greeted, init, err
}

// part tells the desktop that this way to it has ended, before the viewers look
// for another. It may be called more than once.
func (h *host) part(cause error) {
	if h.owner == nil {
		return
	}
	if h.trunk != nil {
		h.share.desktop.company.part(h.trunk)
	}
	h.share.ended(h)
	h.share.desktop.lost(h.owner, cause)
}

// picture puts a small picture of the desktop where dashboards find it, if it
// has changed since the last one.
func (h *host) picture() {
	if frame := h.hub.Frame(); h.owner != nil || frame == h.taken && h.taken != 0 {
		return
	}
	d := h.share.desktop
	ctx, cancel := context.WithTimeout(context.Background(), thumbnailTimeout)
	defer cancel()
	now := time.Now()
	small, err := h.hub.Thumbnail(ctx, thumbnailWidth, thumbnailHeight)
	if err == nil {
		err = d.gateway.broker.PutThumbnail(ctx, d.session, broker.Thumbnail{
			JPEG: small.JPEG, Taken: now, Width: small.Width, Height: small.Height,
		}, thumbnailTTL)
	}
	if err != nil {
		if !errors.Is(err, relay.ErrDesktopGone) { // which ends the host
			d.warn("making a thumbnail", "error", err)
		}
		return
	}
	h.taken = small.Frame
	d.gateway.metrics.thumbnails.Inc()
}
