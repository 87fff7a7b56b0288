// Package api is HTTP over the control plane: typed requests in, typed answers
// or problems out, the OpenAPI document from the same types, and the socket of
// live events.
//
// It decides who may ask for what. What follows from a wish (starting,
// sleeping, ending a desktop) is lifecycle's, and no frame passes here.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/quota"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// Catalog is the templates that there are. images.Catalog is one.
type Catalog interface {
	List() []streamspace.Template
	Get(name string) (streamspace.Template, bool)
}

// Desktops is what the API asks of the place where desktops run.
// process.Runtime is one.
type Desktops interface {
	// Availability says whether a template can be started here.
	Availability(template streamspace.Template) runtime.Availability
	// DeleteHome removes the folder of a home whose row is gone.
	DeleteHome(ctx context.Context, home streamspace.HomeID) error
}

// Minter makes tickets. ticket.Minter is one.
type Minter interface {
	Mint(grant ticket.Grant) (ticket.Ticket, ticket.Claims, error)
}

// Broker is the part of broker.Broker that the API uses.
type Broker interface {
	Viewers(ctx context.Context, session streamspace.SessionID) ([]broker.Viewer, error)
	Nodes(ctx context.Context) ([]broker.Node, error)
	LastTouch(ctx context.Context, session streamspace.SessionID) (time.Time, error)
	Revoke(ctx context.Context, revocation broker.Revocation, keep time.Duration) error
	Thumbnail(ctx context.Context, session streamspace.SessionID) (broker.Thumbnail, error)
	ThumbnailTaken(ctx context.Context, session streamspace.SessionID) (time.Time, error)
	Glance(ctx context.Context, session streamspace.SessionID) error
	Subscribe(ctx context.Context, buffer int) (broker.Subscription, error)
	broker.Rates
}

// Rates that no person and no honest program reaches: opening the web UI costs
// about ten requests. What guards passwords is identity's throttle.
const (
	addressRate  = 100 // requests a second; many people may share an address
	addressBurst = 600
	callerRate   = 50
	callerBurst  = 300
)

// DefaultSessionsPerUser is the quota when Options name none.
const DefaultSessionsPerUser = 5

// Options are what an API is made of. Those without a remark are required.
type Options struct {
	Store    *store.Store
	Feed     *store.Feed // somebody else runs it
	Identity *identity.Identity
	Broker   Broker
	Tickets  Minter
	Catalog  Catalog
	Desktops Desktops

	Logger          *slog.Logger          // nil: discarded
	Registerer      prometheus.Registerer // nil: no metrics
	Now             func() time.Time      // nil: time.Now
	ExternalURL     *url.URL              // what people type to get here; nil: as the request says
	TrustedProxies  []netip.Prefix        // whose X-Forwarded-… headers count
	Region          string                // gateways of the same one are preferred
	SessionsPerUser int                   // most live sessions of one user; 0: DefaultSessionsPerUser
	Version         string
	Commit          string
}

// API answers everything below Prefix.
type API struct {
	Options // immutable

	huma    huma.API       // immutable after New
	mux     *http.ServeMux // immutable after New
	text    []byte         // immutable; the OpenAPI document
	metrics *metrics       // has its own locks

	// Each has its own lock.
	byAddress      *quota.Quota
	byCaller       *quota.Quota
	joinsByAddress *quota.Quota
	joinsByShare   *quota.Quota
	glances        *quota.Quota // by session
	idempotency    *idempotency
	hub            *hub
	places         places
}

// New returns an API; its handler answers at once, but event sockets are
// served only while Run runs.
func New(o Options) (*API, error) {
	var missing []error
	for _, part := range []struct {
		name  string
		given bool
	}{
		{"Store", o.Store != nil}, {"Feed", o.Feed != nil}, {"Identity", o.Identity != nil}, {"Broker", o.Broker != nil},
		{"Tickets", o.Tickets != nil}, {"Catalog", o.Catalog != nil}, {"Desktops", o.Desktops != nil},
	} {
		if !part.given {
			missing = append(missing, errors.New("api: "+part.name+" is missing"))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SessionsPerUser <= 0 {
		o.SessionsPerUser = DefaultSessionsPerUser
	}
	document, err := document()
	if err != nil {
		return nil, err
	}
	a := &API{
		Options: o, mux: http.NewServeMux(), text: document, metrics: newMetrics(o.Registerer),
		byAddress:      quota.New("address", addressRate, addressBurst, o.Broker, o.Now),
		byCaller:       quota.New("caller", callerRate, callerBurst, o.Broker, o.Now),
		joinsByAddress: quota.New("joins", joinRate, joinBurst, o.Broker, o.Now),
		joinsByShare:   quota.New("joins", joinRate, joinBurst, o.Broker, o.Now),
		glances:        quota.New("glances", glanceRate, glanceBurst, nil, o.Now), idempotency: newIdempotency(o.Now),
	}
	a.hub = newHub(a)
	a.register(a.mux)
	return a, nil
}

// Handler answers requests for paths below Prefix.
func (a *API) Handler() http.Handler { return http.HandlerFunc(a.serve) }

// Run serves event sockets and enforces the ends of shares until ctx ends, and
// returns when the last socket has ended.
func (a *API) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := a.enforcer().Run(ctx); err != nil {
			a.Logger.Error("shares are no longer enforced", "error", err)
		}
	})
	beside.Go(func() { a.sweep(ctx) })
	err := a.hub.run(ctx)
	beside.Wait()
	return err
}

// Ready tells whether requests can be answered now.
func (a *API) Ready(ctx context.Context) error { return a.Store.Ping(ctx) }
