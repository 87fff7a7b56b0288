// Package config reads the settings of one start: defaults, then the annotated
// file, then STREAMSPACE_… variables, then flags, each overriding the one
// before. Every mistake of all four is reported at once, and a key that nobody
// knows is a mistake.
//
// It holds plain values only, so that reading a configuration links nothing.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Example is the annotated configuration file, with every key at its default.
//
//go:embed streamspace.yaml
var Example string

// Config is the settings of a process, whatever its role.
type Config struct {
	Listen            string // host:port of the one public listener
	DataDir           string // everything this machine keeps: homes, the private database, keys
	PostgresURL       string // empty: a private PostgreSQL in DataDir. Holds a password: never logged
	AdminPasswordFile string // sets the first administrator's password; empty: a one-time link is printed

	TLSCert       string
	TLSKey        string
	TLSSelfSigned bool

	ExternalURL    *url.URL // what people type to get here, when a proxy is in front; nil: as the request says
	AllowedOrigins []string // further origins whose pages may open streams
	TrustedProxies []netip.Prefix

	WebRTCListen    string // host:port of WebRTC's packets (UDP); empty: as Listen, unless that is for this machine alone; WebRTCOff: none
	WebRTCTCPListen string // host:port of the same over TCP; empty: none
	WebRTCPublic    []netip.Addr
	WebRTCLite      bool
	WebRTCFormats   []string // of videoFormats, best first
	TURNListen      string   // host:port of an own TURN server (UDP and TCP); empty: none
	TURNServers     []string // URLs of others
	TURNSecretFile  string   // file with the secret that those share with us

	TemplateDir       string // further templates, as *.yaml
	SessionsPerUser   int
	MaxViewers        int // on this gateway
	ViewersPerUser    int
	ViewersPerAddress int
	KeepDesktops      bool

	// Of the processes of a fleet.
	RedisURL         string   // where they meet. May hold a password: never logged
	TicketKey        string   // the control planes' private key; empty: one in DataDir
	TicketPublicKeys string   // the gateways' public keys
	GatewayURL       *url.URL // where browsers reach this gateway by itself; nil: where they reach the control plane
	LinkListen       string   // host:port where other gateways reach this one
	IngressListen    string   // host:port where load balancers ask; empty: none do
	StreamAddress    string   // host:port where load balancers reach the streams here; empty: Listen, with an address of this machine
	LinkAddress      string   // host:port by which they know it; empty: LinkListen, with an address of this machine
	Region           string
	Desktops         string // DesktopsLocal, DesktopsKubernetes or DesktopsNone

	// Of a cluster.
	KubeConfig           string // empty: as kubectl finds it
	KubeNamespace        string // of the desktops; empty: this process's own
	KubeGatewayNamespace string // of the gateways; empty: this process's own

	MetricsListen   string        // host:port for /metrics; empty: on Listen, to direct loopback clients only
	DrainTimeout    time.Duration // comes before ShutdownTimeout
	ShutdownTimeout time.Duration
	LogLevel        string
	LogFormat       string
}

// videoFormats are those of WebRTC, best for desktops first: AV1 last, since one in
// motion takes too long with it on few cores.
var videoFormats = []string{"vp9" + FullChroma, "vp9", "vp8", "h264", "av1"}

// FullChroma ends the name of a video format with the colour of every pixel.
const FullChroma = "-444"

// WebRTCOff as WebRTCListen says that there is no WebRTC.
const WebRTCOff = "off"

// Where a control plane's desktops run.
const (
	DesktopsLocal = "local" // sandboxed processes beside it
	DesktopsNone  = "none"  // another control plane runs them

	DesktopsKubernetes = "kubernetes" // pods of a cluster
)

// Default is the configuration of a start without any setting.
func Default() Config {
	return Config{
		Listen:            "127.0.0.1:8080",
		DataDir:           defaultDataDir(),
		WebRTCFormats:     slices.Clone(videoFormats),
		SessionsPerUser:   5,
		Desktops:          DesktopsLocal,
		LinkListen:        "0.0.0.0:0",
		ViewersPerUser:    100,
		ViewersPerAddress: 256,
		MaxViewers:        9000, // two descriptors each: fits a hard limit of 20,000
		DrainTimeout:      20 * time.Second,
		ShutdownTimeout:   20 * time.Second,
		LogLevel:          "info",
		LogFormat:         "text",
	}
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/streamspace"
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "streamspace")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "" // check asks for an explicit one
	}
	return filepath.Join(home, ".local", "state", "streamspace")
}

// TLS says whether the public listener speaks TLS.
func (c *Config) TLS() bool { return c.TLSSelfSigned || c.TLSCert != "" }

// check returns every mistake that no single setting shows.
func (c *Config) check(role Role) error {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if (c.TLSCert == "") != (c.TLSKey == "") {
		mistake("tls-cert and tls-key belong together: give both or neither")
	}
	if c.TLSSelfSigned && c.TLSCert != "" {
		mistake("tls-self-signed makes its own certificate: do not give tls-cert and tls-key with it")
	}
	for _, file := range []struct{ key, path string }{
		{"tls-cert", c.TLSCert}, {"tls-key", c.TLSKey}, {"admin-password-file", c.AdminPasswordFile}, {"template-dir", c.TemplateDir},
		{"ticket-public-keys", c.TicketPublicKeys}, {"kube-config", c.KubeConfig},
	} {
		if file.path == "" {
			continue
		}
		if _, err := os.Stat(file.path); err != nil {
			mistake("%s: %w", file.key, err)
		}
	}
	if role&ofFleet != 0 && c.RedisURL == "" {
		mistake("redis-url: the processes of a fleet meet in a Redis: name it")
	}
	if role == RoleGateway && c.TicketPublicKeys == "" {
		mistake("ticket-public-keys: without the control planes' public keys no ticket can be checked: `streamspace ticket-keys` prints them there")
	}
	if role == RoleControlPlane && c.Desktops == DesktopsNone && c.PostgresURL == "" {
		mistake("postgres-url: a control plane without desktops is one of several, which share a database: name it")
	}
	if c.DataDir == "" {
		mistake("data-dir: no home directory is known, so there is no default: give one")
	}
	if c.MetricsListen != "" && c.MetricsListen == c.Listen {
		mistake("metrics-listen: %s is the public listener: leave it empty or choose another port", c.MetricsListen)
	}
	return errors.Join(mistakes...)
}

// WebRTC is where WebRTC's packets come in; empty for nowhere. A listener for this
// machine alone gets none: browsers do not search there for a way.
func (c *Config) WebRTC() string {
	switch host, _, _ := net.SplitHostPort(c.Listen); {
	case c.WebRTCListen == WebRTCOff:
		return ""
	case c.WebRTCListen != "":
		return c.WebRTCListen
	case host == "localhost":
		return ""
	default:
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
			return ""
		}
		return c.Listen
	}
}

func checkAddress(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return fmt.Errorf("%q is not host:port", value)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q has no usable port", value)
	}
	return nil
}
