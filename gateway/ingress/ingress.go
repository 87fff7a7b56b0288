// Package ingress answers load balancers that stand before a fleet of gateways:
// whether a request for a stream may enter (nginx's auth_request, Envoy's ext_authz,
// Traefik's forwardAuth), and at which gateway (affinity). It answers from memory
// and asks nobody, so that a load balancer can ask it for every connection.
//
// It admits nobody by itself: it turns away what the gateway would turn away for
// its ticket's sake, before that costs a gateway anything. Whether a ticket was used
// or withdrawn only the gateway knows.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/streamspace/streamspace"
)

// The headers of an answer.
const (
	HeaderGateway  = "X-Streamspace-Gateway"  // its id
	HeaderUpstream = "X-Streamspace-Upstream" // host:port where it serves streams
	HeaderCode     = "X-Streamspace-Code"     // why not
)

// Gateway is one of the fleet.
type Gateway struct {
	ID      streamspace.GatewayID
	Address string // host:port where load balancers reach its streams
	Viewers int
}

// Options is what answers are made of. Both are called for each request and must
// not wait.
type Options struct {
	// Check verifies the ticket, or what lets a viewer back in, of a request for a
	// stream. It returns why it may not enter, empty if it may.
	Check func(session streamspace.SessionID, ticket, resume, origin, host string) streamspace.Code
	// Fleet lists the gateways that take viewers.
	Fleet func() []Gateway
}

// What a load balancer may send, and how long it may take: it is near, and it has
// nothing to say but headers.
const (
	maxHeaders   = 16 << 10
	maxBody      = 1 << 10
	maxAtOnce    = 4096
	readTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second
	idleTimeout  = 2 * time.Minute
)

// Serve answers on the listener until the context ends.
func Serve(ctx context.Context, listener net.Listener, options Options) error {
	server := &fasthttp.Server{
		Handler: options.handle, Name: "streamspace", NoDefaultContentType: true,
		ReadBufferSize: maxHeaders, MaxRequestBodySize: maxBody, Concurrency: maxAtOnce,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		Logger: silence{}, CloseOnShutdown: true,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("answering load balancers: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := server.ShutdownWithContext(ending)
	listener.Close()
	<-served
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ending the answers to load balancers: %w", err)
	}
	return nil
}

// silence: what a load balancer breaks off is its own affair.
type silence struct{}

func (silence) Printf(string, ...any) {}

const (
	authPath  = "/auth"
	routePath = "/route/"
)

func (o *Options) handle(r *fasthttp.RequestCtx) {
	path := string(r.Path())
	switch {
	case path == authPath || strings.HasPrefix(path, authPath+"/"):
		o.authorize(r)
	case strings.HasPrefix(path, routePath):
		o.route(r, path[len(routePath):])
	case path == "/healthz":
		r.SetBodyString("ok\n")
	default:
		r.SetStatusCode(fasthttp.StatusNotFound)
	}
}

// authorize answers for the request that the load balancer has.
func (o *Options) authorize(r *fasthttp.RequestCtx) {
	var uri fasthttp.URI
	if err := uri.Parse(nil, original(r)); err != nil {
		refuse(r, fasthttp.StatusForbidden, streamspace.CodeInvalid)
		return
	}
	session, ok := sessionOf(string(uri.Path()))
	if !ok {
		refuse(r, fasthttp.StatusForbidden, streamspace.CodeNotFound)
		return
	}
	query := uri.QueryArgs()
	host := string(r.Request.Header.Peek("X-Forwarded-Host"))
	if host == "" {
		host = string(r.Host())
	}
	code := o.Check(session, string(query.Peek("ticket")), string(query.Peek("resume")), string(r.Request.Header.Peek("Origin")), host)
	switch code {
	case "":
		o.name(r, session)
	case streamspace.CodeOriginForbidden, streamspace.CodeForbidden:
		refuse(r, fasthttp.StatusForbidden, code)
	default:
		refuse(r, fasthttp.StatusUnauthorized, code)
	}
}

// original is the path and query of the request that is asked about, which each
// load balancer tells in its own way.
func original(r *fasthttp.RequestCtx) []byte {
	for _, header := range [...]string{"X-Original-Uri", "X-Forwarded-Uri"} { // nginx, Traefik
		if uri := r.Request.Header.Peek(header); len(uri) > 0 {
			return uri
		}
	}
	return r.RequestURI()[len(authPath):] // Envoy puts it behind the path of the service
}

// route answers where the session's viewers meet.
func (o *Options) route(r *fasthttp.RequestCtx, id string) {
	session, err := streamspace.ParseSessionID(id)
	if err != nil {
		refuse(r, fasthttp.StatusNotFound, streamspace.CodeNotFound)
		return
	}
	o.name(r, session)
}

// name names the gateway for the session.
func (o *Options) name(r *fasthttp.RequestCtx, session streamspace.SessionID) {
	gateway, ok := Choose(o.Fleet(), session)
	if !ok {
		r.Response.Header.Set("Retry-After", "1")
		refuse(r, fasthttp.StatusServiceUnavailable, streamspace.CodeUnavailable)
		return
	}
	r.Response.Header.Set(HeaderGateway, string(gateway.ID))
	r.Response.Header.Set(HeaderUpstream, gateway.Address)
	r.Response.Header.Set("Cache-Control", "no-store")
	r.SetStatusCode(fasthttp.StatusOK)
}

func refuse(r *fasthttp.RequestCtx, status int, code streamspace.Code) {
	r.Response.Header.Set(HeaderCode, string(code))
	r.Response.Header.Set("Cache-Control", "no-store")
	r.SetStatusCode(status)
}

// prefixes are the streams' paths.
var prefixes = [...]string{"/stream/v1/", "/rtc/v1/"}

func sessionOf(path string) (streamspace.SessionID, bool) {
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			id, _, _ := strings.Cut(rest, "/")
			session, err := streamspace.ParseSessionID(id)
			return session, err == nil
		}
	}
	return "", false
}

// crowded is how far above the mean of all a gateway's viewers may be before
// sessions of its are sent elsewhere, and spare what is no crowd at all.
const (
	crowded = 1.25
	spare   = 16
)

// Choose returns the gateway where a session's viewers meet: the same for all who
// ask, as long as the fleet is the same, and the same for most sessions when a
// gateway comes or goes (rendezvous hashing: the one whose id and the session's give the
// highest number). One that has far more viewers than the others is passed over.
func Choose(fleet []Gateway, session streamspace.SessionID) (best Gateway, ok bool) {
	total := 0
	for _, g := range fleet {
		total += g.Viewers
	}
	limit := int(crowded*float64(total)/float64(max(len(fleet), 1))) + spare
	var most uint64
	for _, g := range fleet {
		if g.Address == "" || g.Viewers > limit {
			continue
		}
		if weight := weigh(g.ID, session); !ok || weight > most {
			best, most, ok = g, weight, true
		}
	}
	return best, ok
}

func weigh(gateway streamspace.GatewayID, session streamspace.SessionID) uint64 {
	h := fnv.New64a()
	h.Write([]byte(gateway))
	h.Write([]byte{0})
	h.Write([]byte(session))
	// FNV's last bytes hardly reach its first bits: mixed once more (MurmurHash3's
	// finalizer).
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
