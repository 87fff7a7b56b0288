// Package gateway is the edge at which viewers enter: it admits a WebSocket
// with a ticket, finds or waits for the session's desktop, and keeps the stream
// between the two until one of them, the broker or a drain ends it.
//
// It knows nothing of why a desktop runs. What it needs to know comes through
// the broker; what it does with bytes is package relay's.
//
// Ownership: each viewer has one goroutine that owns its stream from the
// upgrade to the close, and a second one while pixels flow. Each session with
// a viewer has one desktop, which owns everything that its viewers share: the
// claim, the route, presence and activity; who is there and who has control,
// which is its company; and the connection to the desktop that several share,
// which is its share. A stream that is alone has a connection of its own.
package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/sound"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/gateway/tree"
)

// Pattern is where the handler belongs on a http.ServeMux.
const Pattern = "GET /stream/v1/{session}"

// Broker is the part of broker.Broker that a gateway uses.
type Broker interface {
	Route(ctx context.Context, session streamspace.SessionID) (broker.Route, error)
	Want(ctx context.Context, session streamspace.SessionID) error
	broker.Claims
	broker.Rates
	Join(ctx context.Context, viewer broker.Viewer, ttl time.Duration) error
	Leave(ctx context.Context, viewer broker.Viewer) error
	Touch(ctx context.Context, session streamspace.SessionID, at time.Time) error
	Redeem(ctx context.Context, ticket streamspace.TicketID, expires time.Time) error
	Revoked(ctx context.Context, viewer broker.Viewer, issued time.Time) (broker.Revocation, bool, error)
	broker.Fleet
	PutThumbnail(ctx context.Context, session streamspace.SessionID, thumbnail broker.Thumbnail, ttl time.Duration) error
	ThumbnailTaken(ctx context.Context, session streamspace.SessionID) (time.Time, error)
	Subscribe(ctx context.Context, buffer int) (broker.Subscription, error)
}

// Verifier checks tickets; ticket.Verifier is it.
type Verifier interface {
	Verify(token string, session streamspace.SessionID) (ticket.Claims, error)
}

// Options is what a gateway is made of. Broker and Verifier must be set; every
// other zero field means its default.
type Options struct {
	Broker     Broker
	Verifier   Verifier
	ID         streamspace.GatewayID // a new one
	Log        *slog.Logger          // slog.Default()
	Registerer prometheus.Registerer // a registry of its own, that nobody reads

	// Origins are the pages, besides those of the same host and those that a
	// ticket names, whose scripts may open streams: "https://desk.example".
	Origins []string
	// TrustedProxies are the reverse proxies whose X-Forwarded-For and
	// X-Forwarded-Host are believed.
	TrustedProxies []netip.Prefix

	URL     string // what broker.Node says
	Region  string
	Link    Link
	Ingress Ingress

	Limits  Limits
	Timing  Timing
	Sockets SocketOptions
	Sound   *sound.Library // nil: viewers hear nothing
}

// Limits bound who is let in. Zero means the default, negative no limit.
type Limits struct {
	Viewers    int // of this gateway: 10,000, with two descriptors each
	PerSession int // 1,000: all but the first cost what sending costs
	PerUser    int // 100: windows of everything that one person may run; guests have their session's
	PerAddress int // 256: an office behind one address, not a botnet
}

func (l Limits) withDefaults() Limits {
	l.Viewers = cmp.Or(l.Viewers, 10_000)
	l.PerSession = cmp.Or(l.PerSession, 1000)
	l.PerUser = cmp.Or(l.PerUser, 100)
	l.PerAddress = cmp.Or(l.PerAddress, 256)
	return l
}

// Timing is how long things may take. Zero means the default.
type Timing struct {
	Handshake time.Duration // 10 s: for the viewer's part of the RFB handshake, and the desktop's
	Start     time.Duration // 60 s: for a session's desktop to come up
	Dial      time.Duration // 5 s: to connect to a desktop that is up
	Claim     time.Duration // 30 s: life of a claim and of presence; renewed every third of it
	Touch     time.Duration // 2 s: activity is told no more often
	Relay     relay.Timing
}

func (t Timing) withDefaults() Timing {
	t.Handshake = cmp.Or(t.Handshake, 10*time.Second)
	t.Start = cmp.Or(t.Start, time.Minute)
	t.Dial = cmp.Or(t.Dial, 5*time.Second)
	t.Claim = cmp.Or(t.Claim, 30*time.Second)
	t.Touch = cmp.Or(t.Touch, 2*time.Second)
	t.Relay = t.Relay.WithDefaults()
	return t
}

// phase is a gateway's life.
type phase int

const (
	phaseNew phase = iota // Run has not subscribed yet
	phaseOpen
	phaseDraining
	phaseOver
)

// Gateway is an http.Handler for Pattern. Run must be running for it to let
// anybody in.
type Gateway struct {
	// immutable
	id          streamspace.GatewayID
	broker      Broker
	verifier    Verifier
	log         *slog.Logger
	metrics     *metrics
	origins     map[string]bool
	proxies     []netip.Prefix
	node        broker.Node
	key         ticket.Key // known to the fleet by what the node says
	link        Link
	ingress     Ingress
	peers       *peers
	load        *load
	limits      Limits
	timing      Timing
	strikes     *strikes
	tuner       *socketTuner
	upgrader    websocket.Upgrader
	buffers     *relay.Buffers
	certificate tls.Certificate        // for other gateways
	again       chan struct{}          // holds one when the gateway is to be announced now
	drained     chan struct{}          // closed when draining begins
	webrtc      atomic.Pointer[WebRTC] // of which viewers are told; nil where there is none
	sound       *sound.Library         // nil without sound
	codesFilms  func() bool            // whether there is what codes films as video for viewers on WebSocket

	watchers sync.WaitGroup // grows in announce only
	watching watching

	doubting  sync.Mutex
	doubtedAt time.Time // guarded by doubting; when neighbours were last asked
	cutOff    bool      // guarded by doubting; what they said

	group sync.WaitGroup // streams and desktops; grows only in phaseOpen, under mu

	mu         sync.Mutex
	phase      phase                              // guarded by mu
	streams    map[*stream]struct{}               // guarded by mu
	perSession map[streamspace.SessionID]int      // guarded by mu
	perUser    map[streamspace.UserID]int         // guarded by mu
	perAddress map[netip.Prefix]int               // guarded by mu
	desktops   map[streamspace.SessionID]*desktop // guarded by mu
}

// New checks the options and returns a gateway.
func New(options Options) (*Gateway, error) {
	if options.Broker == nil || options.Verifier == nil {
		return nil, errors.New("a gateway needs a broker and a verifier of tickets")
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Registerer == nil {
		options.Registerer = prometheus.NewRegistry()
	}
	counters, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the gateway's metrics: %w", err)
	}
	origins := make(map[string]bool, len(options.Origins))
	for _, text := range options.Origins {
		origin, err := normalOrigin(text)
		if err != nil {
			return nil, fmt.Errorf("allowed origin %q: %w", text, err)
		}
		origins[origin] = true
	}
	id := cmp.Or(options.ID, streamspace.NewGatewayID())
	log := options.Log.With("gateway_id", id)
	g := &Gateway{
		id: id, broker: options.Broker, verifier: options.Verifier, log: log, metrics: counters,
		origins: origins, proxies: options.TrustedProxies,
		key: ticket.NewKey(), link: options.Link, ingress: options.Ingress,
		node:   broker.Node{Gateway: id, URL: options.URL, Region: options.Region},
		limits: options.Limits.withDefaults(), timing: options.Timing.withDefaults(),
		sound: options.Sound, codesFilms: sync.OnceValue(hub.CodesFilms),
		tuner: newSocketTuner(options.Sockets, log), buffers: relay.NewBuffers(), drained: make(chan struct{}), again: make(chan struct{}, 1),
		streams:    make(map[*stream]struct{}),
		perSession: make(map[streamspace.SessionID]int), perUser: make(map[streamspace.UserID]int), perAddress: make(map[netip.Prefix]int),
		desktops: make(map[streamspace.SessionID]*desktop), strikes: newStrikes(options.Broker),
	}
	g.upgrader = newUpgrader()
	g.load = &counters.load
	g.peers = &peers{nodes: options.Broker.Nodes, region: options.Region, known: make(map[streamspace.GatewayID]peer)}
	g.node.Streams = options.Ingress.Address
	g.node.Key = g.key.Public().Text()
	if options.Link.Listener != nil {
		g.node.Link = cmp.Or(options.Link.Address, options.Link.Listener.Addr().String())
	}
	if g.certificate, err = tree.Certificate(g.key); err != nil {
		return nil, err
	}
	return g, nil
}

// ID is the name under which the broker knows the gateway.
func (g *Gateway) ID() streamspace.GatewayID { return g.id }

// Ready is a readiness check: it fails before Run and from the moment a drain
// begins.
func (g *Gateway) Ready(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.phase {
	case phaseOpen:
		return nil
	case phaseNew:
		return errors.New("not started")
	default:
		return errors.New("draining")
	}
}

// announceEvery is how often the gateway tells the fleet that it lives. An
// announcement lasts three times as long.
const announceEvery = 2 * time.Second

// Run lets viewers in until ctx ends, then ends every stream that is left and
// returns when all goroutines have. To give viewers time, Drain first.
func (g *Gateway) Run(ctx context.Context) error {
	subscription, err := g.broker.Subscribe(ctx, eventBuffer)
	if err != nil {
		return fmt.Errorf("subscribing to the broker: %w", err)
	}
	g.mu.Lock()
	if g.phase != phaseNew {
		g.mu.Unlock()
		subscription.Close()
		return errors.New("gateway ran already")
	}
	g.phase = phaseOpen
	g.mu.Unlock()

	var own sync.WaitGroup
	own.Go(func() { g.watch(ctx, subscription) })
	own.Go(func() { g.announce(ctx) })
	linking, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	if g.link.Listener != nil {
		own.Go(func() { g.serveLinks(linking) })
	}
	if g.ingress.Listener != nil {
		own.Go(func() { g.serveIngress(linking) })
	}
	over := make(chan struct{})
	own.Go(func() { g.keepDesktops(over) })
	<-ctx.Done()

	g.setPhase(phaseOver)
	g.endAll(closing{streamspace.CodeGatewayDraining})
	g.waitStreams(g.timing.Relay.Linger + time.Second)
	close(over)
	g.retire()
	unlink() // who asks from now on finds nobody, and that nobody owns what was held here
	own.Wait()
	g.watchers.Wait()
	return nil
}

// setPhase moves on to p, never back.
func (g *Gateway) setPhase(p phase) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase < phaseDraining && p >= phaseDraining {
		close(g.drained)
		for _, d := range g.desktops {
			d.share.over() // which has it looked at
		}
	}
	g.phase = max(g.phase, p)
}

// waitStreams waits for the streams to end by themselves, and cuts those that
// have not after patience.
func (g *Gateway) waitStreams(patience time.Duration) {
	cut := time.AfterFunc(patience, func() {
		for _, s := range g.openStreams() {
			s.kill()
		}
	})
	defer cut.Stop()
	g.group.Wait()
}

// announce keeps the gateway in the fleet's list.
func (g *Gateway) announce(ctx context.Context) {
	ticker := time.NewTicker(announceEvery)
	defer ticker.Stop()
	drained := g.drained
	for {
		node := g.node
		g.census(&node)
		g.load.tell(&node, time.Now())
		if err := g.broker.Announce(ctx, node, 3*announceEvery); err != nil && ctx.Err() == nil {
			g.log.Warn("announcing the gateway", "error", err)
		}
		g.keepPeers(ctx)
		g.keepWatch(ctx)
		select {
		case <-ctx.Done():
			return
		case <-drained:
			drained = nil // tell it at once, and only once
		case <-g.again:
		case <-ticker.C:
		}
	}
}

// retire takes the gateway off the fleet's list.
func (g *Gateway) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	if err := g.broker.Retire(ctx, g.id); err != nil {
		g.log.Warn("leaving the list of gateways", "error", err) // it runs out
	}
}

// keepDesktops tells every desktop when to prolong its claim and its viewers'
// presence, until over. One ticker serves all.
func (g *Gateway) keepDesktops(over <-chan struct{}) {
	ticker := time.NewTicker(g.timing.Claim / 3)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		g.mu.Lock()
		for _, d := range g.desktops {
			d.tell(choreKeep)
		}
		g.mu.Unlock()
	}
}

// openStreams returns the streams that are open now.
func (g *Gateway) openStreams() []*stream {
	g.mu.Lock()
	defer g.mu.Unlock()
	open := make([]*stream, 0, len(g.streams))
	for s := range g.streams {
		open = append(open, s)
	}
	return open
}

// openViewers returns those of them that are viewers'.
func (g *Gateway) openViewers() []*stream {
	return slices.DeleteFunc(g.openStreams(), func(s *stream) bool { return s.branch })
}

func (g *Gateway) endAll(cause closing) {
	for _, s := range g.openStreams() {
		s.end(cause)
	}
}
