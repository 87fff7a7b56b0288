package rtc

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/turn/v5"
)

// RelayOptions is what a Relay is made of. UDP or TCP must be set, and Target.
type RelayOptions struct {
	Log *slog.Logger // slog.Default()
	// UDP and TCP are where browsers come in. The relay closes both.
	UDP net.PacketConn
	TCP net.Listener
	// Target is the server's UDP port, to which alone it relays; without an address,
	// that of any address of this machine.
	Target netip.AddrPort
	// Public are the addresses under which browsers know this machine, if not by its
	// own.
	Public []netip.Addr
	Access *Access
}

// The bounds of a relay.
const (
	// relayLimit is how many ways it keeps, and relayUserLimit how many for one
	// viewer: a browser opens one for each of its networks and each of our ports.
	relayLimit     = 4000
	relayUserLimit = 16
)

// Relay is a TURN server (RFC 8656) for browsers that reach nothing but its port.
// It leads to this machine's own WebRTC port and nowhere else, so it is of no use
// to anybody for anything else. Close ends it.
type Relay struct {
	server *turn.Server
	ways   *ways
}

// NewRelay starts a relay.
func NewRelay(o RelayOptions) (*Relay, error) {
	if o.UDP == nil && o.TCP == nil || o.Target.Port() == 0 || o.Access == nil {
		return nil, errors.New("a relay needs a socket, a target and an access")
	}
	w := &ways{target: o.Target, public: o.Public, open: map[string]int{}}
	logs := logging(cmp.Or(o.Log, slog.Default()))
	config := turn.ServerConfig{
		LoggerFactory: logs, Realm: "streamspace",
		AuthHandler: turn.LongTermTURNRESTAuthHandler(o.Access.Secret, quiet{}),
	}
	admit := func(_ net.Addr, peer net.IP) bool { return w.admits(peer) }
	if o.UDP != nil {
		config.PacketConnConfigs = []turn.PacketConnConfig{{PacketConn: o.UDP, RelayAddressGenerator: w, PermissionHandler: admit}}
	}
	if o.TCP != nil {
		config.ListenerConfigs = []turn.ListenerConfig{{Listener: o.TCP, RelayAddressGenerator: w, PermissionHandler: admit}}
	}
	server, err := turn.NewServer(config)
	if err != nil {
		return nil, fmt.Errorf("starting a relay: %w", err)
	}
	return &Relay{server: server, ways: w}, nil
}

// Close ends all that goes through it, and its sockets.
func (r *Relay) Close() error { return r.server.Close() }

// Ways is how many are open.
func (r *Relay) Ways() int {
	r.ways.mu.Lock()
	defer r.ways.mu.Unlock()
	return r.ways.count
}

// quiet is a log for what strangers send: whoever guesses passwords shall not fill
// ours.
type quiet struct{ lines }

func (quiet) Errorf(string, ...any) {}
func (quiet) Error(string)          {}

// ways opens the relay's ends towards the server.
type ways struct {
	target netip.AddrPort // immutable
	public []netip.Addr   // immutable

	mu    sync.Mutex
	open  map[string]int // guarded by mu; by viewer
	count int            // guarded by mu
}

func (*ways) Validate() error { return nil }

// errDetour answers what a browser has no need of.
var errDetour = errors.New("the relay carries UDP to its server alone")

func (*ways) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errDetour
}
func (*ways) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errDetour }

// own lists the addresses of this machine at which the server is reached, the best
// first.
func (w *ways) own() []netip.Addr {
	if a := w.target.Addr(); a.IsValid() && !a.IsUnspecified() {
		return []netip.Addr{a.Unmap()}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, network := range all {
		prefix, err := netip.ParsePrefix(network.String())
		if a := prefix.Addr().Unmap(); err == nil && a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			own = append(own, a)
		}
	}
	return own
}

// admits tells whether browsers may have packets sent there.
func (w *ways) admits(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && (slices.Contains(w.public, a.Unmap()) || slices.Contains(w.own(), a.Unmap()))
}

// AllocatePacketConn opens a way for a viewer.
func (w *ways) AllocatePacketConn(config turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	own := w.own()
	if config.Network != "udp4" || len(own) == 0 {
		return nil, nil, errDetour
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= relayLimit || w.open[config.UserID] >= relayUserLimit {
		return nil, nil, ErrFull
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: own[0].AsSlice()})
	if err != nil {
		return nil, nil, fmt.Errorf("opening a way for a viewer: %w", err)
	}
	w.count++
	w.open[config.UserID]++
	local := conn.LocalAddr().(*net.UDPAddr)
	told := &net.UDPAddr{IP: local.IP, Port: local.Port}
	if len(w.public) > 0 {
		told.IP = w.public[0].AsSlice()
	}
	gone := sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.count--
		if w.open[config.UserID]--; w.open[config.UserID] == 0 {
			delete(w.open, config.UserID)
		}
	})
	return &wayConn{UDPConn: conn, ways: w, here: own[0], gone: gone}, told, nil
}

// wayConn is a relay's end towards the server. What a browser sends to one of the
// machine's public addresses goes to the server here, and comes back from there.
type wayConn struct {
	*net.UDPConn
	ways *ways
	here netip.Addr
	gone func()

	mu    sync.Mutex
	known map[netip.Addr]*net.UDPAddr // guarded by mu; by the server's address: as the browser called it; as many as it has addresses
}

func (c *wayConn) WriteTo(p []byte, to net.Addr) (int, error) {
	called, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errDetour
	}
	if called.Port != int(c.ways.target.Port()) {
		return len(p), nil // of no server: as if nobody listened there
	}
	ip, _ := netip.AddrFromSlice(called.IP)
	ip = ip.Unmap()
	if slices.Contains(c.ways.public, ip) {
		ip = c.here
	}
	c.mu.Lock()
	if c.known == nil {
		c.known = map[netip.Addr]*net.UDPAddr{}
	}
	if c.known[ip] == nil || !c.known[ip].IP.Equal(called.IP) {
		c.known[ip] = &net.UDPAddr{IP: slices.Clone(called.IP), Port: called.Port}
	}
	c.mu.Unlock()
	return c.WriteToUDPAddrPort(p, netip.AddrPortFrom(ip, uint16(called.Port)))
}

func (c *wayConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return 0, nil, err
		}
		if from.Port() != c.ways.target.Port() {
			continue
		}
		c.mu.Lock()
		called := c.known[from.Addr().Unmap()]
		c.mu.Unlock()
		if called != nil {
			return n, called, nil
		}
	}
}

func (c *wayConn) Close() error {
	defer c.gone()
	return c.UDPConn.Close()
}

// Access is TURN servers, and the secret that they share with us: from it come
// passwords for a time (the scheme is coturn's use-auth-secret).
type Access struct {
	// URLs as a browser takes them: turn:host:port?transport=udp. {host} stands for
	// the host that the browser knows us by.
	URLs   []string
	Secret string
}

// accessLife is how long a password is good for: longer than anybody looks at a
// desktop without a break, since a way ends with it.
const accessLife = 24 * time.Hour

// ICEServer is what a browser needs of a TURN server.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// Mint makes a viewer's password.
func (a *Access) Mint(viewer string) ([]ICEServer, error) {
	username, password, err := turn.GenerateLongTermTURNRESTCredentials(a.Secret, viewer, accessLife)
	if err != nil {
		return nil, fmt.Errorf("making a password for TURN: %w", err)
	}
	return []ICEServer{{URLs: a.URLs, Username: username, Credential: password}}, nil
}
