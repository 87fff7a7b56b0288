// Package app wires the parts of StreamSpace into a process. It is the only
// place that knows which broker, which runtime and which database are used.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/controlplane/api"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/lifecycle"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/process"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/postgres"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/internal/config"
	"github.com/streamspace/streamspace/internal/observe"
	"github.com/streamspace/streamspace/internal/run"
	"github.com/streamspace/streamspace/web"
)

// Up runs the whole product in this process until ctx ends or a part fails.
// What a person has to know, the address and how to sign in, goes to out.
func Up(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer) error {
	unlock, err := lockDataDir(settings.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	return open(ctx, settings, log, out, func(p *parts) error {
		p.broker = memory.New(time.Now)
		if err := p.startControlPlane(ctx); err != nil {
			return err
		}
		return p.startGateway(p.key.Public())
	})
}

// open listens, has start start the parts, and serves until ctx ends or a part
// fails.
func open(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer, start func(p *parts) error) (err error) {
	listener, err := listen(ctx, settings)
	if err != nil {
		return err
	}
	defer listener.Close() // for the starts that do not come to serving
	secure, err := tlsConfig(settings, log)
	if err != nil {
		return err
	}

	p := &parts{
		settings: settings, log: log, build: observe.ReadBuild(), base: baseURL(settings, listener.Addr()),
		stack: run.NewStack(log, settings.ShutdownTimeout),
	}
	p.registry = observe.NewRegistry(p.build)
	defer func() { err = errors.Join(err, p.stack.Close()) }()
	if err := start(p); err != nil {
		return err
	}
	handler, err := p.handler()
	if err != nil {
		return err
	}
	step := newDoorstep(maxWaiting)
	if err := p.registry.Register(step.counter()); err != nil {
		return fmt.Errorf("registering the listener's metrics: %w", err)
	}
	p.stack.Start("listener", func(ctx context.Context) error { return serve(ctx, listener, secure, handler, step, log) })
	if err := p.serveMetrics(ctx); err != nil {
		return err
	}
	p.welcome(out)

	select {
	case <-ctx.Done():
		log.Info("stopping")
		p.drain(ctx)
		return nil
	case err := <-p.stack.Failed():
		return err
	}
}

// parts is what a process consists of, in the order of the fields. Which of them
// there are depends on its role.
type parts struct {
	settings config.Config
	log      *slog.Logger
	build    observe.Build
	base     string // URL that people open
	stack    *run.Stack
	registry *prometheus.Registry
	ready    observe.Readiness

	broker broker.Broker
	seen   netip.Addr // of a fleet: this machine on the way to its Redis

	// of a control plane
	store    *store.Store
	feed     *store.Feed
	catalog  *images.Catalog
	desktops api.Desktops
	identity *identity.Identity
	link     *identity.SetupLink // nil once the administrator has a password
	key      ticket.Key
	api      *api.API

	neighbours gateway.Link    // of a fleet's gateway: where the others reach it
	balancers  gateway.Ingress // and where load balancers ask
	gateway    *gateway.Gateway
	webrtc     *gateway.WebRTC // nil where there is none
}

// startControlPlane starts everything but the gateway. The broker is there.
func (p *parts) startControlPlane(ctx context.Context) error {
	var err error
	if p.catalog, err = images.Load(p.settings.TemplateDir); err != nil {
		return fmt.Errorf("reading the catalog:\n%w", err)
	}
	if err := p.startStore(ctx); err != nil {
		return err
	}
	if err := p.startDesktops(); err != nil {
		return err
	}
	if err := p.startIdentity(ctx); err != nil {
		return err
	}
	return p.startAPI()
}

func (p *parts) startStore(ctx context.Context) error {
	url := p.settings.PostgresURL
	if url == "" {
		server, err := postgres.New(ctx, postgres.Options{Dir: filepath.Join(p.settings.DataDir, "postgres"), Log: p.log})
		if err != nil {
			return err
		}
		p.stack.Start("postgres", server.Run)
		select {
		case <-server.Ready():
		case err := <-p.stack.Failed():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		url = server.URL()
	}
	var err error
	if p.store, err = store.Open(ctx, url, p.log); err != nil {
		return err
	}
	p.stack.Defer("store", p.store.Close)
	p.ready.Add("postgres", p.store.Ping)
	p.feed = store.NewFeed(p.store)
	p.stack.Start("event feed", p.feed.Run)
	janitor := &store.Janitor{Store: p.store, Log: p.log, Now: time.Now}
	p.stack.Start("janitor", janitor.Run)
	return nil
}

// startDesktops starts what runs desktops, and what decides which run. Of several
// processes that share a database one decides at a time.
func (p *parts) startDesktops() error {
	var where runtime.Runtime
	var timing lifecycle.Timing
	templates := p.catalog.Get
	switch p.settings.Desktops {
	case config.DesktopsNone:
		p.desktops = elsewhere{}
		return nil
	case config.DesktopsKubernetes:
		cluster, err := p.startKube()
		if err != nil {
			return err
		}
		p.desktops, where, templates = cluster, cluster, knownBy(p.catalog, cluster)
		timing.StartTimeout = podStart
	default:
		local, err := process.New(process.Options{
			DataDir: p.settings.DataDir, KeepDesktops: p.settings.KeepDesktops, Log: p.log, Registerer: p.registry,
		})
		if err != nil {
			return err
		}
		p.desktops, where = local, local
		p.stack.Start("desktops", local.Run)
	}
	reconciler, err := lifecycle.New(lifecycle.Options{
		Store: p.store, Feed: p.feed, Runtime: where, Broker: p.broker, Templates: templates,
		Logger: p.log, Registerer: p.registry, Timing: timing,
	})
	if err != nil {
		return err
	}
	if p.settings.PostgresURL == "" { // a private database is nobody else's
		p.stack.Start("lifecycle", reconciler.Run)
		return nil
	}
	leader := &store.Leader{Store: p.store, Name: "lifecycle", Log: p.log, Lead: reconciler.Run}
	p.stack.Start("lifecycle", leader.Run)
	return nil
}

func (p *parts) startIdentity(ctx context.Context) error {
	p.identity = identity.New(identity.Options{Store: p.store, Logger: p.log, Registerer: p.registry})
	var err error
	p.link, err = p.identity.EnsureAdmin(ctx, p.settings.AdminPasswordFile)
	return err
}

// startAPI starts what browsers and programs ask. It shares with gateways nothing
// but the broker, and the key that tickets are signed with.
func (p *parts) startAPI() error {
	var err error
	if p.key, err = ticketKey(p.settings); err != nil {
		return err
	}
	p.api, err = api.New(api.Options{
		Store: p.store, Feed: p.feed, Identity: p.identity, Broker: p.broker, Tickets: ticket.NewMinter(p.key, time.Now),
		Catalog: p.catalog, Desktops: p.desktops, Logger: p.log, Registerer: p.registry,
		ExternalURL: p.settings.ExternalURL, TrustedProxies: p.settings.TrustedProxies, SessionsPerUser: p.settings.SessionsPerUser,
		Region: p.settings.Region, Version: p.build.Version, Commit: p.build.Commit,
	})
	if err != nil {
		return err
	}
	p.stack.Start("api", p.api.Run)
	return nil
}

// startGateway starts a gateway that lets tickets of these keys in.
func (p *parts) startGateway(keys ...ticket.PublicKey) error {
	origins := p.settings.AllowedOrigins
	if p.settings.ExternalURL != nil {
		origins = append(origins, p.settings.ExternalURL.String())
	}
	own := ""
	if p.settings.GatewayURL != nil {
		own = p.settings.GatewayURL.String()
	}
	var err error
	p.gateway, err = gateway.New(gateway.Options{
		Broker: p.broker, Verifier: ticket.NewVerifier(time.Now, keys...), Log: p.log, Registerer: p.registry,
		Origins: origins, TrustedProxies: p.settings.TrustedProxies,
		Limits: gateway.Limits{Viewers: p.settings.MaxViewers, PerUser: p.settings.ViewersPerUser, PerAddress: p.settings.ViewersPerAddress},

		URL: own, Region: p.settings.Region, Link: p.neighbours, Ingress: p.balancers, Sound: p.sound(),
	})
	if err != nil {
		return err
	}
	if err := p.startWebRTC(); err != nil {
		return err
	}
	p.ready.Add("gateway", p.gateway.Ready)
	p.stack.Start("gateway", p.gateway.Run)
	return nil
}

// drain sends the viewers away while everything still answers: who comes is told
// to go elsewhere, and load balancers see that this gateway is not ready.
func (p *parts) drain(ctx context.Context) {
	if p.gateway == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.settings.DrainTimeout)
	defer cancel()
	if err := p.gateway.Drain(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		p.log.Warn("draining the gateway", "error", err)
	}
}

// handler is everything that the public listener answers.
func (p *parts) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	if p.api != nil {
		page, err := web.NewHandler(web.FS())
		if err != nil {
			return nil, err
		}
		page.Streams, page.Embedders = p.api.GatewayOrigins, p.api.EmbedOrigins
		mux.Handle("/api/", p.api.Handler())
		mux.Handle("/", page)
	}
	if p.gateway != nil {
		mux.Handle("/stream/", p.gateway)
	}
	if p.webrtc != nil {
		mux.Handle(gateway.PrefixWebRTC, p.webrtc)
	}
	mux.HandleFunc("GET /healthz", observe.Alive)
	mux.Handle("GET /readyz", &p.ready)
	if p.settings.MetricsListen == "" {
		mux.Handle("GET /metrics", observe.LoopbackOnly(observe.Metrics(p.registry)))
	}
	return mux, nil
}

func (p *parts) serveMetrics(ctx context.Context) error {
	if p.settings.MetricsListen == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.settings.MetricsListen)
	if err != nil {
		return fmt.Errorf("listening for metrics on %s: %w", p.settings.MetricsListen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", observe.Metrics(p.registry))
	mux.HandleFunc("GET /healthz", observe.Alive)
	mux.Handle("GET /readyz", &p.ready)
	p.stack.Start("metrics listener", func(ctx context.Context) error { return serve(ctx, listener, nil, mux, newDoorstep(maxWaiting), p.log) })
	return nil
}

// welcome tells a person where to go and how to get in. The link is a secret:
// it goes to the terminal and never to the log.
func (p *parts) welcome(out io.Writer) {
	if p.api == nil {
		what := "gateway"
		if p.gateway == nil {
			what = "operator"
		}
		fmt.Fprintf(out, "\n  This %s is up:  %s\n\n", what, p.base)
		return
	}
	fmt.Fprintf(out, "\n  StreamSpace is up:  %s\n", p.base)
	switch {
	case p.link != nil:
		fmt.Fprintf(out, "\n  First sign-in: open this link once, and choose the password of the administrator `%s`:\n  %s\n\n", "admin", p.link.URL(p.base))
	default:
		fmt.Fprint(out, "  Sign in with your account.\n\n")
	}
}
