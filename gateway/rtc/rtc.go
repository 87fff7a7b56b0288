// Package rtc is WebRTC as a gateway needs it: a browser's offer in, an answer
// out, and then a peer that takes coded video and carries a stream's bytes on
// data channels. It knows nothing of sessions, desktops or what the bytes mean.
//
// All peers share one UDP port and one TCP port. A peer's control channel is
// given out as a net.Conn that speaks WebSocket frames, as the connection of a
// viewer without WebRTC does: who serves the one can serve the other.
package rtc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// Format is a way of coding video that both ends know.
type Format struct {
	Codec string // as SDP writes it: "VP9"
	// FullChroma keeps the colour of every pixel (4:4:4).
	FullChroma bool
}

// Options is what a Server is made of. Formats must be set, and UDP or TCP.
type Options struct {
	Log *slog.Logger // slog.Default()
	// UDP is the port of all peers' packets, TCP that of those whose network lets no
	// UDP through. The server closes both. A socket that is bound to no address
	// offers all addresses of this machine.
	UDP *net.UDPConn
	TCP net.Listener
	// Public are the addresses under which peers reach this machine, where those are
	// not its own: behind a NAT that maps one to one.
	Public []netip.Addr
	// Lite leaves the search for a way to the peer (RFC 8445 section 2.5): for a
	// machine that everybody reaches at its own or its Public addresses.
	Lite bool
	// Loopback offers 127.0.0.1 and ::1, too: for tests and one machine alone.
	Loopback bool
	// Formats are those that can be coded here, best first.
	Formats []Format

	Limits Limits
	Timing Timing
}

// Limits bound what peers cost. Zero means the default.
type Limits struct {
	Peers int // 2,000: each has a dozen goroutines and its encryption
	// Bitrate is the most that a peer is sent, in bits a second, and Start what it is
	// sent before anything is known of the way to it: 50 and 6 million.
	Bitrate, Start int
}

// Timing is how long things may take. Zero means the default.
type Timing struct {
	Gather  time.Duration // 3 s: to list our own addresses
	Connect time.Duration // 20 s: from the answer to an open control channel
	// Silent, without a packet from a peer, makes one be asked for, and Dead ends it:
	// 5 and 25 s.
	Silent, Dead time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Limits.Peers = cmp.Or(o.Limits.Peers, 2000)
	o.Limits.Bitrate = cmp.Or(o.Limits.Bitrate, 50_000_000)
	o.Limits.Start = cmp.Or(o.Limits.Start, 6_000_000)
	o.Timing.Gather = cmp.Or(o.Timing.Gather, 3*time.Second)
	o.Timing.Connect = cmp.Or(o.Timing.Connect, 20*time.Second)
	o.Timing.Silent = cmp.Or(o.Timing.Silent, 5*time.Second)
	o.Timing.Dead = cmp.Or(o.Timing.Dead, 25*time.Second)
	return o
}

// Why there is no peer.
var (
	// ErrOffer says that the offer, or what followed it, is not what a viewer sends.
	ErrOffer = errors.New("not a viewer's offer")
	// ErrNoFormat says that the browser decodes nothing that is coded here.
	ErrNoFormat = errors.New("no video format in common")
	ErrFull     = errors.New("all peers that can be served are here")
	ErrUnknown  = errors.New("no such peer")
	// ErrOver says that the server was closed, or the peer.
	ErrOver = errors.New("closed")
)

// Server makes peers. Close ends it.
type Server struct {
	// immutable
	options Options
	setting webrtc.SettingEngine
	udp     ice.UDPMux // nil without UDP
	tcp     ice.TCPMux // nil without TCP

	mu    sync.Mutex
	over  bool             // guarded by mu
	count int              // guarded by mu; peers, and those that are being made
	peers map[string]*Peer // guarded by mu; by id
	alive sync.WaitGroup   // peers; grows under mu while over is false
}

// New returns a server on the options' sockets.
func New(options Options) (*Server, error) {
	options = options.withDefaults()
	if options.UDP == nil && options.TCP == nil {
		return nil, errors.New("a WebRTC server needs a UDP or a TCP socket")
	}
	if len(options.Formats) == 0 {
		return nil, errors.New("a WebRTC server needs a video format")
	}
	if err := register(new(webrtc.MediaEngine), options.Formats); err != nil {
		return nil, err
	}
	s := &Server{options: options, peers: make(map[string]*Peer)}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.set()
	return s, nil
}

// tcpBuffer is how many packets of a peer's TCP connection wait to be handled.
const tcpBuffer = 64

// listen puts the sockets under what shares them among peers.
func (s *Server) listen() error {
	logs := logging(s.options.Log)
	if s.options.TCP != nil {
		s.tcp = webrtc.NewICETCPMux(logs.NewLogger("ice"), s.options.TCP, tcpBuffer)
	}
	if s.options.UDP == nil {
		return nil
	}
	local, ok := s.options.UDP.LocalAddr().(*net.UDPAddr)
	if !ok {
		return fmt.Errorf("a WebRTC server on %v, which is no UDP socket", s.options.UDP.LocalAddr())
	}
	if !local.IP.IsUnspecified() {
		s.udp = webrtc.NewICEUDPMux(logs.NewLogger("ice"), s.options.UDP)
		return nil
	}
	// One socket for each address answers from the address that was asked, whatever
	// the routes say.
	s.options.UDP.Close()
	options := []ice.UDPMuxFromPortOption{ice.UDPMuxFromPortWithLogger(logs.NewLogger("ice"))}
	if s.options.Loopback {
		options = append(options, ice.UDPMuxFromPortWithLoopback())
	}
	var err error
	if s.udp, err = ice.NewMultiUDPMuxFromPort(local.Port, options...); err != nil {
		return fmt.Errorf("listening on UDP port %d of all addresses: %w", local.Port, err)
	}
	return nil
}

// set makes the settings that all peers share.
func (s *Server) set() {
	e := &s.setting
	e.LoggerFactory = logging(s.options.Log)
	var networks []webrtc.NetworkType
	if s.udp != nil {
		e.SetICEUDPMux(s.udp)
		networks = append(networks, webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6)
	}
	if s.tcp != nil {
		e.SetICETCPMux(s.tcp)
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	e.SetNetworkTypes(networks)
	e.DisableActiveTCP(true) // we are who listens
	e.SetLite(s.options.Lite)
	e.SetIncludeLoopbackCandidate(s.options.Loopback)
	// No names: neither do we ask the local network for a browser's, which it would
	// tell to all of it, nor give it ours. A browser that hides its address finds us.
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if len(s.options.Public) > 0 {
		public := make([]string, len(s.options.Public))
		for i, address := range s.options.Public {
			public[i] = address.String()
		}
		e.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: public, AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteReplace,
		}) // fails only where the same was set in another way
	}
	e.SetICETimeouts(s.options.Timing.Silent, s.options.Timing.Dead, pingEvery)
	e.DetachDataChannels()
	e.EnableDataChannelBlockWrite(true)
	e.SetSCTPMaxReceiveBufferSize(channelBuffer)
}

const (
	// pingEvery is between two signs of life of a peer that sends nothing else.
	pingEvery = 2 * time.Second
	// channelBuffer bounds what a peer may send before it is read, in bytes.
	channelBuffer = 256 << 10
)

// Close ends all peers, and the sockets. It returns when nothing of them is left.
func (s *Server) Close() error {
	s.mu.Lock()
	s.over = true
	for _, p := range s.peers {
		p.Close()
	}
	s.mu.Unlock()
	s.alive.Wait()
	var wrong []error
	if s.udp != nil {
		wrong = append(wrong, s.udp.Close())
	}
	if s.tcp != nil {
		wrong = append(wrong, s.tcp.Close())
	}
	return errors.Join(wrong...)
}

// Peers is how many there are.
func (s *Server) Peers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// Trickle tells a peer of further addresses of its browser's, as RFC 8840 writes
// them.
func (s *Server) Trickle(_ context.Context, id string, fragment []byte) error {
	p := s.find(id)
	if p == nil {
		return ErrUnknown
	}
	return p.trickle(fragment)
}

// Leave ends a peer.
func (s *Server) Leave(id string) error {
	p := s.find(id)
	if p == nil {
		return ErrUnknown
	}
	p.Close()
	return nil
}

func (s *Server) find(id string) *Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[id]
}

// reserve counts a peer in.
func (s *Server) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return ErrOver
	case s.count >= s.options.Limits.Peers:
		return ErrFull
	}
	s.count++
	s.alive.Add(1)
	return nil
}

// release counts it out.
func (s *Server) release(id string) {
	s.mu.Lock()
	delete(s.peers, id)
	s.count--
	s.mu.Unlock()
	s.alive.Done()
}
