package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/ticket"
)

const (
	pathPrefix = "/stream/v1/"
	// requestIDHeader is set by whoever stands around the handler; without
	// one, the viewer's log lines still share an id.
	requestIDHeader = "X-Request-Id"
	// retryAfter is what a refused viewer is told to wait: a drain or a full
	// gateway lasts seconds.
	retryAfter = 5 * time.Second
	// admitTimeout bounds the broker's part of an admission.
	admitTimeout = 5 * time.Second
)

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		// The connection leaves gorilla right after the upgrade: its buffers are
		// as small as it allows, and garbage a moment later.
		ReadBufferSize: 256, WriteBufferSize: 256,
		HandshakeTimeout:  10 * time.Second,
		EnableCompression: false,                                    // pixels are compressed already, and CRIME needs no help
		CheckOrigin:       func(*http.Request) bool { return true }, // admit has checked it, and answers with a problem
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			(&refusal{status: status, code: streamspace.CodeInvalid, detail: reason.Error()}).write(w, w.Header().Get(requestIDHeader))
		},
	}
}

// ServeHTTP admits a viewer, or says why not. It returns after the upgrade: a
// stream must not hold net/http's buffers and stack for hours.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := requestIDOf(w)
	s, err := g.admit(r, requestID)
	if err != nil {
		g.refuse(w, r, requestID, err)
		return
	}
	protocol := subprotocol(r)
	conn, err := g.upgrader.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": protocol})
	if err != nil { // answered by the upgrader
		s.log().Info("upgrade failed", "error", err)
		g.metrics.refused.WithLabelValues(string(streamspace.CodeInvalid)).Inc()
		g.release(s)
		return
	}
	g.tuner.tune(conn.NetConn())
	g.start(s, conn.NetConn(), slices.Contains(protocol, protocolRoom))
}

// requestIDOf is the id under which the request is logged and answered.
func requestIDOf(w http.ResponseWriter) string {
	requestID := w.Header().Get(requestIDHeader)
	if requestID == "" {
		requestID = string(streamspace.NewViewerID())[len("vwr_"):]
		w.Header().Set(requestIDHeader, requestID)
	}
	return requestID
}

const (
	protocolRoom   = "streamspace.v1" // RFB in binary messages, the room's in text messages
	protocolBinary = "binary"         // RFB alone: what noVNC before 1.3 asks for; none is fine too
)

// subprotocol chooses of what the viewer offers, and is empty if it offers
// nothing that is known.
func subprotocol(r *http.Request) []string {
	offered := websocket.Subprotocols(r)
	for _, known := range []string{protocolRoom, protocolBinary} {
		if slices.Contains(offered, known) {
			return []string{known}
		}
	}
	return nil
}

func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, requestID string, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeUnavailable, detail: "the broker does not answer", retry: retryAfter}
		g.log.Error("admitting a viewer", "request_id", requestID, "error", err)
	} else if unsaid, say := g.strikes.tell(r.Context()); say {
		g.log.Info("viewer refused", "request_id", requestID, "code", no.code, "detail", no.detail, "remote_addr", g.remoteAddr(r), "unsaid", unsaid)
	}
	g.metrics.refused.WithLabelValues(string(no.code)).Inc()
	no.write(w, requestID)
}

// admit checks everything that can be checked before the upgrade, in the order
// of what it costs, and counts the viewer. The ticket is used up last.
func (g *Gateway) admit(r *http.Request, requestID string) (*stream, error) {
	if r.Method != http.MethodGet {
		return nil, &refusal{status: http.StatusMethodNotAllowed, code: streamspace.CodeInvalid, detail: "a stream is opened with GET"}
	}
	session, err := streamspace.ParseSessionID(strings.TrimPrefix(r.URL.Path, pathPrefix))
	if err != nil {
		return nil, &refusal{status: http.StatusNotFound, code: streamspace.CodeNotFound, detail: "no such session"}
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return nil, &refusal{status: http.StatusUpgradeRequired, code: streamspace.CodeInvalid, detail: "a stream is a WebSocket"}
	}
	return g.letIn(r, session, requestID)
}

// letIn checks who wants to watch, and counts the viewer.
func (g *Gateway) letIn(r *http.Request, session streamspace.SessionID, requestID string) (*stream, error) {
	remote := g.remoteAddr(r)
	if err := g.strikes.check(remote); err != nil {
		return nil, err
	}
	s, err := g.present(r, session, remote, requestID)
	if no := new(refusal); errors.As(err, &no) && no.status == http.StatusUnauthorized {
		g.strikes.note(r.Context(), remote)
	}
	return s, err
}

// present checks the ticket, and what it is for.
func (g *Gateway) present(r *http.Request, session streamspace.SessionID, remote netip.Addr, requestID string) (*stream, error) {
	pass, err := g.verify(r, session)
	if err != nil {
		return nil, refusedTicket(err)
	}
	claims := pass.Claims
	if !claims.Allows(streamspace.PermissionView) {
		return nil, &refusal{status: http.StatusForbidden, code: streamspace.CodeForbidden, detail: "the ticket does not allow to watch"}
	}
	if !g.originAllowed(r, claims.Origin) {
		return nil, &refusal{status: http.StatusForbidden, code: streamspace.CodeOriginForbidden, detail: "this page may not open streams"}
	}
	s := newStream(g, claims, remote, requestID)
	s.controlled = pass.Control
	if err := g.reserve(s); err != nil {
		return nil, err
	}
	if err := g.redeem(r.Context(), s.claims, s.viewer()); err != nil {
		g.release(s)
		return nil, err
	}
	return s, nil
}

// verify checks the ticket, or what lets a viewer back in.
func (g *Gateway) verify(r *http.Request, session streamspace.SessionID) (pass ticket.Resume, err error) {
	query := r.URL.Query()
	if token := query.Get("resume"); token != "" {
		return g.verifyResume(r, token, session)
	}
	pass.Claims, err = g.verifier.Verify(query.Get("ticket"), session)
	return pass, err
}

// redeem uses the ticket up. It looks for revocations after the stream is in
// the gateway's books: one that comes later finds it there.
func (g *Gateway) redeem(ctx context.Context, claims ticket.Claims, viewer broker.Viewer) error {
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	// A ticket passes until Leeway after its expiry; it must be remembered that long.
	switch err := g.broker.Redeem(ctx, claims.ID, claims.Expires.Add(2*ticket.Leeway)); {
	case errors.Is(err, broker.ErrRedeemed):
		return &refusal{status: http.StatusUnauthorized, code: streamspace.CodeTicketUsed, detail: "the ticket was used before"}
	case err != nil:
		return err
	}
	switch _, revoked, err := g.broker.Revoked(ctx, viewer, claims.Issued); {
	case err != nil:
		return err
	case revoked:
		return &refusal{status: http.StatusUnauthorized, code: streamspace.CodeTicketRevoked, detail: "the ticket was withdrawn"}
	}
	return nil
}

func refusedTicket(err error) error {
	no := &refusal{status: http.StatusUnauthorized, code: streamspace.CodeTicketInvalid, detail: err.Error()}
	if errors.Is(err, ticket.ErrExpired) {
		no.code = streamspace.CodeTicketExpired
	}
	return no
}

// reserve counts the stream in, if there is room.
func (g *Gateway) reserve(s *stream) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	over := func(n, limit int) bool { return limit >= 0 && n >= limit }
	full := &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeGatewayFull, retry: retryAfter}
	switch {
	case g.phase == phaseNew:
		return &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeUnavailable, detail: "the gateway is starting", retry: time.Second}
	case s.branch && g.phase == phaseDraining: // for those of the desktop's viewers who have gone elsewhere already
	case g.phase != phaseOpen:
		return &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeGatewayDraining, detail: "the gateway is going away", retry: retryAfter}
	case over(len(g.streams), g.limits.Viewers):
		full.detail = "the gateway has all the viewers it can serve"
		return full
	case over(g.perSession[s.claims.Session], g.limits.PerSession):
		full.detail = "the session has all the viewers it can serve"
		return full
	case s.claims.User != "" && over(g.perUser[s.claims.User], g.limits.PerUser):
		full.detail = "this user has all the streams one may have"
		return full
	case over(g.perAddress[subscriber(s.remote)], g.limits.PerAddress):
		full.detail = "too many streams from this address"
		return full
	}
	g.streams[s] = struct{}{}
	g.perSession[s.claims.Session]++
	g.perUser[s.claims.User]++
	g.perAddress[subscriber(s.remote)]++
	g.group.Add(1)
	g.metrics.viewers.Inc()
	return nil
}

// release counts the stream out.
func (g *Gateway) release(s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
	countDown(g.perSession, s.claims.Session)
	countDown(g.perUser, s.claims.User)
	countDown(g.perAddress, subscriber(s.remote))
	g.metrics.viewers.Dec()
	g.group.Done()
}

func countDown[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// start gives the admitted stream its goroutine.
func (g *Gateway) start(s *stream, conn net.Conn, speaks bool) {
	g.metrics.admitted.Inc()
	s.open(conn, speaks)
	go func() { // counted in reserve
		defer g.release(s)
		s.run()
	}()
}

// originAllowed tells whether the page that opens the stream may: a browser
// says where the page is from, other programs say nothing and rest on their ticket.
func (g *Gateway) originAllowed(r *http.Request, embedder string) bool {
	host := r.Host
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" && g.trusted(peerAddr(r)) {
		host = forwarded
	}
	return g.originFits(r.Header.Get("Origin"), embedder, host)
}

// originFits tells whether a page of that origin may open streams of that host.
func (g *Gateway) originFits(header, embedder, host string) bool {
	if header == "" {
		return true
	}
	origin, err := normalOrigin(header)
	if err != nil {
		return false
	}
	if g.origins[origin] {
		return true
	}
	if allowed, err := normalOrigin(embedder); err == nil && allowed == origin {
		return true
	}
	// The scheme is not compared: behind a proxy that ends TLS we do not see it.
	_, originHost, _ := strings.Cut(origin, "://")
	return originHost == strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), ":443"), ":80")
}

// normalOrigin writes an origin as a browser does (RFC 6454 section 6.1), with
// the default ports left out.
func normalOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("not a URL")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("not of the form https://host[:port]")
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	return u.Scheme + "://" + host, nil
}

// remoteAddr is the viewer's address: the peer's, or behind trusted proxies
// the last one in X-Forwarded-For that is none of them.
func (g *Gateway) remoteAddr(r *http.Request) netip.Addr {
	addr := peerAddr(r)
	if !g.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // what a proxy of ours did not write is not believed
		}
		addr = next.Unmap().WithZone("")
		if !g.trusted(addr) {
			break
		}
	}
	return addr
}

// subscriber is what one subscriber of an internet provider holds: an IPv4
// address, or a /64 (RFC 6177).
func subscriber(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero address gives the zero prefix, which counts those without one
	return prefix
}

func peerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket's peer has none; all of them share a count
	}
	return peer.Addr().Unmap().WithZone("")
}

func (g *Gateway) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}
