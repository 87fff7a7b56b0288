// Package target is what the tool measures: it reads addresses, starts what a
// target needs (a session through the public API, a private Xvnc with a
// scene, a relay in front of it) and opens viewers' connections. It measures
// nothing.
package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/screen"
)

// Usage explains addresses, for help texts.
const Usage = `Targets:
  tcp://host:port, unix:///path        an RFB server
  ws://…, wss://…                      RFB over WebSocket: websockify, any noVNC endpoint
  streamspace+https://host/?template=T a StreamSpace session that is started for it (API key: --api-key-file)
  streamspace+https://host/?session=S  a session that runs
  xvnc://                              a private Xvnc with the scenes, started here
  xvnc+websockify://                   the same Xvnc behind websockify
  xvnc+nginx://                        the same Xvnc behind nginx's stream proxy
  up://                                a private StreamSpace with the scenes, started here`

// scheme is a kind of target.
type scheme string

const (
	schemeTCP        scheme = "tcp"
	schemeUnix       scheme = "unix"
	schemeWS         scheme = "ws"
	schemeWSS        scheme = "wss"
	schemeHTTP       scheme = "streamspace+http"
	schemeHTTPS      scheme = "streamspace+https"
	schemeXvnc       scheme = "xvnc"
	schemeWebsockify scheme = "xvnc+websockify"
	schemeNginx      scheme = "xvnc+nginx"
	schemeUp         scheme = "up"
)

func schemes() []scheme {
	return []scheme{
		schemeTCP, schemeUnix, schemeWS, schemeWSS, schemeHTTP, schemeHTTPS, schemeXvnc, schemeWebsockify, schemeNginx, schemeUp,
	}
}

// local says that the tool starts the target itself.
func (s scheme) local() bool {
	return s == schemeXvnc || s == schemeWebsockify || s == schemeNginx || s == schemeUp
}

// address is a target as it was typed.
type address struct {
	scheme scheme
	url    *url.URL
	name   string // without what may be secret
}

// parse reads an address.
func parse(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains(schemes(), scheme(u.Scheme)) {
		return address{}, fmt.Errorf("%q is no target\n%s", text, Usage)
	}
	a := address{scheme: scheme(u.Scheme), url: u}
	switch {
	case a.scheme == schemeUnix && u.Path == "":
		return address{}, fmt.Errorf("%q names no socket, as unix:///path does", text)
	case !a.scheme.local() && a.scheme != schemeUnix && u.Host == "":
		return address{}, fmt.Errorf("%q names no host", text)
	case a.scheme == schemeTCP && u.Port() == "":
		return address{}, fmt.Errorf("%q names no port; VNC's first one is 5900", text)
	}
	shown := *u
	shown.User = nil
	if a.scheme == schemeWS || a.scheme == schemeWSS {
		shown.RawQuery = "" // a ticket or a token
	}
	a.name = shown.String()
	if a.scheme.local() {
		a.name = u.Scheme + "://"
	}
	return a, nil
}

// Shown is the word as a report may show it: of a target without what may be
// secret, any other as it is.
func Shown(word string) string {
	if a, err := parse(word); err == nil {
		return a.name
	}
	return word
}

// Options of targets.
type Options struct {
	APIKey   string // of StreamSpace
	Password string // of VNC authentication
	// Insecure takes any certificate.
	Insecure bool
	Template string // what a StreamSpace target starts where its address does not say
	Geometry string // of a private Xvnc, as "1280x720"
	// Far is where what the tool starts itself runs, Dial how viewers reach
	// everything; the zero values are this machine.
	Far peer.Place
	// Near is where a browser runs, NearListen opens a listener for it there.
	Near       peer.Place
	NearListen func(network, address string) (net.Listener, error)
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	// Scene and Server are the commands that play scenes on an X display and
	// that start StreamSpace.
	Scene  func(display string) []string
	Server string
}

// Set is the targets of one run.
type Set struct {
	Targets []*Target
	// Near is where a browser must run, NearListen opens a listener there.
	Near       peer.Place
	NearListen func(network, address string) (net.Listener, error)

	options Options
	xvnc    *Xvnc // shared by all targets in front of one; nil until one needs it
	closers []func()
}

// Target is one target that is ready for viewers.
type Target struct {
	Name string
	// Facts are versions and the like, for the report.
	Facts []report.Fact

	options Options
	origin  string // sent by viewers; empty: none
	page    string // a document of that origin, where only its pages may connect
	// fresh returns an address for one viewer, as screen.Connect takes it.
	fresh func(ctx context.Context) (string, error)
	pids  []int // processes that make it up, as far as they are known
}

// Open starts the targets. Close must be called.
func Open(ctx context.Context, texts []string, options Options) (*Set, error) {
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	if options.Far.Start == nil {
		options.Far, options.Near, options.NearListen = peer.Here(), peer.Here(), net.Listen
	}
	var addresses []address
	var mistakes []error
	for _, text := range texts {
		a, err := parse(text)
		mistakes = append(mistakes, err)
		addresses = append(addresses, a)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	s := &Set{Near: options.Near, NearListen: options.NearListen, options: options}
	for _, a := range addresses {
		t, err := s.open(ctx, a)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("opening %s: %w", a.name, err)
		}
		t.Name, t.options = a.name, options
		for _, other := range s.Targets {
			if other.Name == t.Name {
				t.Name += fmt.Sprintf(" (%d)", len(s.Targets)+1)
				break
			}
		}
		s.Targets = append(s.Targets, t)
	}
	return s, nil
}

// Close ends what was started.
func (s *Set) Close() {
	for _, closer := range slices.Backward(s.closers) {
		closer()
	}
}

func (s *Set) open(ctx context.Context, a address) (*Target, error) {
	switch a.scheme {
	case schemeTCP:
		return &Target{fresh: always("tcp:" + a.url.Host)}, nil
	case schemeUnix:
		return &Target{fresh: always("unix:" + a.url.Path)}, nil
	case schemeWS, schemeWSS:
		origin := "http" + strings.TrimPrefix(a.url.Scheme, "ws") + "://" + a.url.Host
		return &Target{fresh: always(a.url.String()), origin: origin}, nil
	case schemeHTTP, schemeHTTPS:
		return s.installation(ctx, a)
	case schemeUp:
		return s.up(ctx)
	}
	return s.behind(ctx, a.scheme)
}

// New is a target that somebody else has started: fresh returns an address for
// one viewer. Of the options those of connections count.
func New(name string, options Options, fresh func(ctx context.Context) (string, error), pids ...int) *Target {
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	return &Target{Name: name, options: options, fresh: fresh, pids: pids}
}

func always(target string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return target, nil }
}

// Connect opens one viewer. Dial, Origin, TLS and Password of the options are
// the target's.
func (t *Target) Connect(ctx context.Context, options screen.Options) (*screen.Screen, error) {
	address, err := t.fresh(ctx)
	if err != nil {
		return nil, err
	}
	options.Dial, options.Origin, options.Password = t.options.Dial, t.origin, t.options.Password
	options.TLS = t.options.tls()
	s, err := screen.Connect(ctx, address, options)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", t.Name, err)
	}
	return s, nil
}

// WebSocket returns an address for one viewer in a browser, or an error where
// a browser cannot connect.
func (t *Target) WebSocket(ctx context.Context) (string, error) {
	address, err := t.fresh(ctx)
	if err == nil && !strings.HasPrefix(address, "ws") {
		err = errors.New("a browser needs a WebSocket: put websockify in front")
	}
	return address, err
}

// Page is the document from which alone a browser may connect; empty is any.
func (t *Target) Page() string { return t.page }

// PIDs are the processes that make the target up, as far as they are known.
func (t *Target) PIDs() []int { return t.pids }

func (o Options) tls() *tls.Config {
	if !o.Insecure {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true} // whoever says so measures his own machine
}
