package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
)

// visit is what is known of a request before it is known who sent it.
type visit struct {
	identity.Visitor
	host   string // as the browser sees it
	secure bool   // whether the browser speaks TLS
	token  string // of the login cookie: for deriving the CSRF token, never logged
}

// caller is who sent a request. Handlers get one and load things through it.
type caller struct {
	identity.Principal
	visit visit
}

// mayHave tells whether the caller may see and end what belongs to owner.
func (c caller) mayHave(owner streamspace.UserID) bool { return c.Admin() || c.ID == owner }

// exchange is one request and what is learned of it on the way, for the log
// and the metrics at its end.
type exchange struct {
	visit  visit
	route  string // template of the path; empty until it is matched
	user   streamspace.UserID
	caller caller
}

type exchangeKey struct{}

// exchangeOf returns the request's exchange. Every request has one.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

func visitOf(ctx context.Context) visit   { return exchangeOf(ctx).visit }
func callerOf(ctx context.Context) caller { return exchangeOf(ctx).caller }

// maxForwarded bounds how many hops of X-Forwarded-For are looked at.
const maxForwarded = 16

// visitFrom reads where a request comes from. Forwarding headers count only
// when the peer is a trusted proxy: anybody can send them.
func (a *API) visitFrom(r *http.Request, requestID string) visit {
	v := visit{
		Visitor: identity.Visitor{UserAgent: r.UserAgent(), RequestID: requestID},
		host:    r.Host,
		secure:  r.TLS != nil,
	}
	peer := peerOf(r.RemoteAddr)
	if peer.IsValid() && a.trusts(peer) {
		if proto := last(r.Header, "X-Forwarded-Proto"); proto != "" {
			v.secure = strings.EqualFold(proto, "https")
		}
		if host := last(r.Header, "X-Forwarded-Host"); host != "" {
			v.host = host
		}
		peer = a.forwardedFor(r.Header, peer)
	}
	if peer.IsValid() {
		v.RemoteAddr = peer.String()
	}
	if a.ExternalURL != nil && a.ExternalURL.Scheme == "https" {
		v.secure = true
	}
	return v
}

func peerOf(remoteAddr string) netip.Addr {
	if at, err := netip.ParseAddrPort(remoteAddr); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func (a *API) trusts(addr netip.Addr) bool {
	for _, prefix := range a.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// forwardedFor walks the hops from ours backwards: the first one that is no
// proxy of ours is the client. What it claims about itself is not believed.
func (a *API) forwardedFor(h http.Header, peer netip.Addr) netip.Addr {
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for n := len(hops) - 1; n >= 0 && n >= len(hops)-maxForwarded; n-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[n]))
		if err != nil {
			break
		}
		peer = addr.Unmap().WithZone("")
		if !a.trusts(peer) {
			break
		}
	}
	return peer
}

// last returns the value that the nearest proxy added.
func last(h http.Header, name string) string {
	all := strings.Join(h.Values(name), ",")
	return strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
}

// base is where the caller's browser finds us, without a trailing slash.
func (a *API) base(v visit) *url.URL {
	if a.ExternalURL != nil {
		u := *a.ExternalURL
		u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/"), "", ""
		return &u
	}
	u := &url.URL{Scheme: "http", Host: v.host}
	if v.secure {
		u.Scheme = "https"
	}
	return u
}

// sameOrigin tells whether a browser says that one of our own pages sent the
// request. Programs say nothing and pass: they hold no cookie by accident.
func (a *API) sameOrigin(r *http.Request, v visit) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" { // "null" too
		return false
	}
	// Hosts only: behind a proxy that ends TLS we may not know the scheme.
	if sameHost(u.Host, v.host) {
		return true
	}
	return a.ExternalURL != nil && sameHost(u.Host, a.ExternalURL.Host)
}

func sameHost(a, b string) bool { return strings.EqualFold(bareHost(a), bareHost(b)) }

// bareHost leaves a default port out, which browsers do in Origin but some
// clients do not in Host.
func bareHost(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err == nil && (port == "80" || port == "443") {
		return name
	}
	return host
}
