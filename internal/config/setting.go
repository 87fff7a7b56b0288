package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one key: the same name as a flag, in the file, and, upper case
// with underscores after STREAMSPACE_, as an environment variable.
type setting struct {
	key   string
	usage string
	roles Role // whose flag it is; in the file and the environment others pass over it
	flag  bool // a bare flag means true
	set   func(c *Config, value string) error
}

// Role is what a process is of an installation, or several.
type Role uint8

const (
	RoleUp           Role = 1 << iota // everything in one process
	RoleControlPlane                  // API, web page and desktops of a fleet
	RoleGateway                       // one of a fleet's gateways
	RoleTicketKeys                    // no process: only what it needs to find the key
	RoleOperator                      // acts on Session objects in a cluster

	anyRole    = RoleUp | RoleControlPlane | RoleGateway
	ofDesktops = RoleUp | RoleControlPlane
	ofStreams  = RoleUp | RoleGateway
	ofFleet    = RoleControlPlane | RoleGateway
	ofCluster  = RoleControlPlane | RoleOperator
)

// Env is the setting's environment variable.
func (s setting) env() string {
	return "STREAMSPACE_" + strings.ToUpper(strings.ReplaceAll(s.key, "-", "_"))
}

var settings = []setting{
	{key: "listen", roles: anyRole | RoleOperator, usage: "`host:port` to serve the web page, the API and the streams on",
		set: func(c *Config, v string) error { c.Listen = v; return checkAddress(v) }},
	{key: "data-dir", roles: anyRole | RoleTicketKeys, usage: "`folder` for homes, the private database and keys",
		set: func(c *Config, v string) error { return absolute(&c.DataDir, v) }},
	{key: "postgres-url", roles: ofDesktops, usage: "`url` of a PostgreSQL 13 or newer; without it a private one is kept in the data folder",
		set: setPostgresURL},
	{key: "admin-password-file", roles: ofDesktops, usage: "`file` with the first administrator's password; without it a one-time link is printed",
		set: func(c *Config, v string) error { return absolute(&c.AdminPasswordFile, v) }},
	{key: "tls-cert", roles: anyRole, usage: "`file` with the TLS certificate chain (PEM)",
		set: func(c *Config, v string) error { return absolute(&c.TLSCert, v) }},
	{key: "tls-key", roles: anyRole, usage: "`file` with the TLS private key (PEM)",
		set: func(c *Config, v string) error { return absolute(&c.TLSKey, v) }},
	{key: "tls-self-signed", roles: anyRole, usage: "serve TLS with a certificate made here and kept in the data folder", flag: true,
		set: func(c *Config, v string) error { return boolean(&c.TLSSelfSigned, v) }},
	{key: "external-url", roles: anyRole, usage: "`url` that people reach this server at, when a proxy is in front",
		set: setExternalURL},
	{key: "allowed-origins", roles: ofStreams, usage: "comma-separated `origins` whose pages may open streams, besides our own",
		set: setAllowedOrigins},
	{key: "trusted-proxies", roles: anyRole, usage: "comma-separated `networks` (CIDR) whose X-Forwarded-… headers are believed",
		set: setTrustedProxies},
	{key: "webrtc-listen", roles: ofStreams, usage: "`host:port` (UDP) for the packets of viewers by WebRTC; without it that of listen, if other machines are let in; off for no WebRTC",
		set: func(c *Config, v string) error { return addressOrOff(&c.WebRTCListen, v) }},
	{key: "webrtc-tcp-listen", roles: ofStreams, usage: "`host:port` (TCP) for the packets of viewers whose network lets no UDP through",
		set: func(c *Config, v string) error { return optionalAddress(&c.WebRTCTCPListen, v) }},
	{key: "webrtc-public-addresses", roles: ofStreams, usage: "comma-separated `addresses` (IP) under which browsers reach webrtc-listen, when a NAT is in front",
		set: setWebRTCPublic},
	{key: "webrtc-lite", roles: ofStreams, usage: "every browser reaches webrtc-listen directly: leave the search for a way to them (ICE-lite)", flag: true,
		set: func(c *Config, v string) error { return boolean(&c.WebRTCLite, v) }},
	{key: "webrtc-formats", roles: ofStreams, usage: "comma-separated `formats` of video, best first: some of vp9-444, vp9, vp8, h264, av1",
		set: setWebRTCFormats},
	{key: "webrtc-turn-listen", roles: ofStreams, usage: "`host:port` (UDP and TCP) of a TURN server of our own, which leads to webrtc-listen alone: for viewers that reach no other port",
		set: func(c *Config, v string) error { return optionalAddress(&c.TURNListen, v) }},
	{key: "webrtc-turn-servers", roles: ofStreams, usage: "comma-separated `URLs` (turn:host:port?transport=udp) of other TURN servers",
		set: setTURNServers},
	{key: "webrtc-turn-secret-file", roles: ofStreams, usage: "`file` with the secret from which those servers and we make passwords for a time (coturn: use-auth-secret)",
		set: func(c *Config, v string) error { c.TURNSecretFile = v; return nil }},
	{key: "template-dir", roles: ofDesktops, usage: "`folder` with further templates (*.yaml)",
		set: func(c *Config, v string) error { return absolute(&c.TemplateDir, v) }},
	{key: "sessions-per-user", roles: ofDesktops, usage: "`number` of live sessions one user may have",
		set: func(c *Config, v string) error { return positive(&c.SessionsPerUser, v) }},
	{key: "max-viewers", roles: ofStreams, usage: "`number` of viewers that this gateway admits",
		set: func(c *Config, v string) error { return positive(&c.MaxViewers, v) }},
	{key: "viewers-per-user", roles: ofStreams, usage: "`number` of them that one user may be",
		set: func(c *Config, v string) error { return positive(&c.ViewersPerUser, v) }},
	{key: "viewers-per-address", roles: ofStreams, usage: "`number` of them that may come from one address (of IPv6: one /64)",
		set: func(c *Config, v string) error { return positive(&c.ViewersPerAddress, v) }},
	{key: "redis-url", roles: ofFleet, usage: "`url` of the Redis in which gateways and control planes meet: redis://, rediss://, redis+sentinel://, redis+cluster://",
		set: setRedisURL},
	{key: "ticket-key", roles: RoleControlPlane | RoleTicketKeys, usage: "`file` with the private key that tickets are signed with, the same for all control planes; without it one is made in the data folder",
		set: func(c *Config, v string) error { return absolute(&c.TicketKey, v) }},
	{key: "ticket-public-keys", roles: RoleGateway, usage: "`file` with the public keys of tickets; `streamspace ticket-keys` prints it",
		set: func(c *Config, v string) error { return absolute(&c.TicketPublicKeys, v) }},
	{key: "gateway-url", roles: RoleGateway, usage: "`url` at which browsers reach this gateway by itself; without it they come through the control plane's address",
		set: setGatewayURL},
	{key: "link-listen", roles: RoleGateway, usage: "`host:port` where other gateways reach this one, over mutual TLS; port 0 is any that is free",
		set: func(c *Config, v string) error { c.LinkListen = v; return checkAddress(v) }},
	{key: "link-address", roles: RoleGateway, usage: "`host:port` by which other gateways know this one; without it, that of link-listen, or of this machine as Redis sees it",
		set: func(c *Config, v string) error { return optionalAddress(&c.LinkAddress, v) }},
	{key: "ingress-listen", roles: RoleGateway, usage: "`host:port` where load balancers ask whether a request may enter, and at which gateway; without it none can",
		set: func(c *Config, v string) error { return optionalAddress(&c.IngressListen, v) }},
	{key: "stream-address", roles: RoleGateway, usage: "`host:port` where load balancers reach this gateway's streams; without it that of listen, or of this machine as Redis sees it",
		set: func(c *Config, v string) error { return optionalAddress(&c.StreamAddress, v) }},
	{key: "region", roles: ofFleet, usage: "`name` of where this process is: viewers are sent to gateways of the control plane's region first",
		set: func(c *Config, v string) error { c.Region = v; return nil }},
	{key: "desktops", roles: RoleControlPlane, usage: "`where` desktops run: local, on this machine; kubernetes, as pods of a cluster; or none, when another control plane runs them",
		set: func(c *Config, v string) error {
			return oneOf(&c.Desktops, v, DesktopsLocal, DesktopsKubernetes, DesktopsNone)
		}},
	{key: "kube-config", roles: ofCluster, usage: "`file` that says how to reach the cluster; without it as kubectl does: $KUBECONFIG, or the pod's own account",
		set: func(c *Config, v string) error { return absolute(&c.KubeConfig, v) }},
	{key: "kube-namespace", roles: ofCluster, usage: "`namespace` of the desktops; without it this process's own",
		set: func(c *Config, v string) error { c.KubeNamespace = v; return nil }},
	{key: "kube-gateway-namespace", roles: RoleOperator, usage: "`namespace` of the gateways, from which alone desktops are reached; without it this process's own",
		set: func(c *Config, v string) error { c.KubeGatewayNamespace = v; return nil }},
	{key: "keep-desktops", roles: ofDesktops, usage: "leave desktops running when the server stops; the next start finds them again", flag: true,
		set: func(c *Config, v string) error { return boolean(&c.KeepDesktops, v) }},
	{key: "metrics-listen", roles: anyRole | RoleOperator, usage: "`host:port` for /metrics; without it, loopback clients get it on the main listener",
		set: func(c *Config, v string) error { return optionalAddress(&c.MetricsListen, v) }},
	{key: "drain-timeout", roles: ofStreams, usage: "`duration` that a clean end may take to send viewers away, to other gateways where there are any",
		set: func(c *Config, v string) error { return duration(&c.DrainTimeout, v) }},
	{key: "shutdown-timeout", roles: anyRole | RoleOperator, usage: "`duration` that a clean end may take",
		set: func(c *Config, v string) error { return duration(&c.ShutdownTimeout, v) }},
	{key: "log-level", roles: anyRole | RoleOperator, usage: "`level`: debug, info, warn or error",
		set: func(c *Config, v string) error { return oneOf(&c.LogLevel, v, "debug", "info", "warn", "error") }},
	{key: "log-format", roles: anyRole | RoleOperator, usage: "`format`: text or json",
		set: func(c *Config, v string) error { return oneOf(&c.LogFormat, v, "text", "json") }},
}

func find(key string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

func setPostgresURL(c *Config, v string) error {
	c.PostgresURL = v
	if v == "" {
		return nil
	}
	// The value holds a password, so no message repeats it.
	if u, err := url.Parse(v); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return fmt.Errorf("not a postgres:// URL")
	}
	return nil
}

// setRedisURL keeps the line; the broker reads it. It may hold a password, so no
// message repeats it.
func setRedisURL(c *Config, v string) error {
	c.RedisURL = v
	if v != "" && !strings.HasPrefix(v, "redis") {
		return fmt.Errorf("not a redis:// URL")
	}
	return nil
}

func setExternalURL(c *Config, v string) error { return setOrigin(&c.ExternalURL, v) }
func setGatewayURL(c *Config, v string) error  { return setOrigin(&c.GatewayURL, v) }

func setTURNServers(c *Config, v string) error {
	c.TURNServers = nil
	for _, text := range list(v) {
		if u, err := url.Parse(text); err != nil || (u.Scheme != "turn" && u.Scheme != "turns") || u.Opaque == "" {
			return fmt.Errorf("%q is not the URL of a TURN server", text)
		}
		c.TURNServers = append(c.TURNServers, text)
	}
	return nil
}

// addressOrOff takes WebRTCOff, too.
func addressOrOff(field *string, v string) error {
	if v == WebRTCOff {
		*field = v
		return nil
	}
	return optionalAddress(field, v)
}

func setWebRTCPublic(c *Config, v string) error {
	c.WebRTCPublic = nil
	for _, text := range list(v) {
		address, err := netip.ParseAddr(text)
		if err != nil || address.IsUnspecified() {
			return fmt.Errorf("%q is not the address of a machine", text)
		}
		c.WebRTCPublic = append(c.WebRTCPublic, address)
	}
	return nil
}

func setWebRTCFormats(c *Config, v string) error {
	formats := list(v)
	for i, name := range formats {
		if !slices.Contains(videoFormats, name) || slices.Contains(formats[:i], name) {
			return fmt.Errorf("%q is none of %s, or twice there", name, strings.Join(videoFormats, ", "))
		}
	}
	if len(formats) == 0 {
		return errors.New("at least one format is needed; webrtc-listen: off is for none")
	}
	c.WebRTCFormats = formats
	return nil
}

func optionalAddress(field *string, v string) error {
	*field = v
	if v == "" {
		return nil
	}
	return checkAddress(v)
}

func setOrigin(field **url.URL, v string) error {
	*field = nil
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("%q is not of the form https://host", v)
	}
	u.Path = ""
	*field = u
	return nil
}

func setAllowedOrigins(c *Config, v string) error {
	c.AllowedOrigins = nil
	for _, origin := range list(v) {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || origin != u.Scheme+"://"+u.Host {
			return fmt.Errorf("%q is not an origin of the form https://host[:port]", origin)
		}
		c.AllowedOrigins = append(c.AllowedOrigins, origin)
	}
	return nil
}

func setTrustedProxies(c *Config, v string) error {
	c.TrustedProxies = nil
	for _, network := range list(v) {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/8", network)
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix.Masked())
	}
	return nil
}

func duration(field *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 || d > time.Hour {
		return fmt.Errorf("%q is not a duration between 1ms and 1h, such as 20s", v)
	}
	*field = d
	return nil
}

func list(v string) []string {
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func absolute(field *string, v string) error {
	if v == "" {
		*field = ""
		return nil
	}
	path, err := filepath.Abs(v)
	*field = path
	return err
}

func boolean(field *bool, v string) error {
	value, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	*field = value
	return nil
}

func positive(field *int, v string) error {
	value, err := strconv.Atoi(v)
	if err != nil || value < 1 || value > 1_000_000 {
		return fmt.Errorf("%q is not a number between 1 and 1000000", v)
	}
	*field = value
	return nil
}

func oneOf(field *string, v string, allowed ...string) error {
	*field = v
	if !slices.Contains(allowed, v) {
		return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
	}
	return nil
}
