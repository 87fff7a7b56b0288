package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// readHeaderTimeout bounds a client that connects and sends no request.
const readHeaderTimeout = 10 * time.Second

// host wires the gateway.
type host struct {
	listen, upstream, profile string
	sockets                   gateway.SocketOptions
}

func (h host) run(ctx context.Context, log *slog.Logger) error {
	listener, err := net.Listen("tcp", h.listen)
	if err != nil {
		return fmt.Errorf("opening the gateway: %w", err)
	}
	key := ticket.NewKey()
	routes := memory.New(time.Now)
	g, err := gateway.New(gateway.Options{
		Broker: routes, Verifier: ticket.NewVerifier(time.Now, key.Public()), Log: log, Sockets: h.sockets,
		// All viewers of an experiment come from one address.
		Limits: gateway.Limits{PerAddress: -1},
	})
	if err != nil {
		listener.Close()
		return fmt.Errorf("making the gateway: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(gateway.Pattern, g)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(ctx) })
	group.Go(func() error { return serve(ctx, server, listener) })
	if h.profile != "" {
		group.Go(func() error { return h.serveProfiles(ctx) })
	}
	if err := waitReady(ctx, g); err != nil {
		cancel()
		return errors.Join(err, group.Wait())
	}
	base := "ws://" + listener.Addr().String()
	fmt.Println("ready " + base)
	office := &office{base: base, upstream: h.upstream, routes: routes, minter: ticket.NewMinter(key, time.Now)}
	// The reading goroutine ends with the input, at the latest with this
	// process; nothing waits for it.
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if err := office.answer(ctx, lines.Text()); err != nil {
				log.Error("an order was not carried out", "error", err)
				return
			}
		}
	}()
	return group.Wait()
}

func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	}
	return nil
}

func (h host) serveProfiles(ctx context.Context) error {
	listener, err := net.Listen("tcp", h.profile)
	if err != nil {
		return fmt.Errorf("opening the profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return serve(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}, listener)
}

func waitReady(ctx context.Context, g *gateway.Gateway) error {
	for g.Ready(ctx) != nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the gateway: %w", ctx.Err())
		}
	}
	return nil
}

// office publishes sessions and mints tickets for them.
type office struct {
	base     string
	upstream string
	routes   *memory.Broker
	minter   *ticket.Minter
	shared   streamspace.SessionID // of "share"; empty until one is asked for
}

// maxOrder bounds one order for tickets.
const maxOrder = 10_000

func (o *office) answer(ctx context.Context, line string) error {
	var order string
	var n int
	if _, err := fmt.Sscanf(line, "%s %d", &order, &n); err != nil || order != "mint" && order != "share" || n < 1 || n > maxOrder {
		return fmt.Errorf("%q is neither \"mint N\" nor \"share N\" with N up to %d", line, maxOrder)
	}
	if order == "share" && o.shared == "" {
		session, err := o.publish(ctx)
		if err != nil {
			return err
		}
		o.shared = session
	}
	out := bufio.NewWriter(os.Stdout)
	for range n {
		session := o.shared
		if order == "mint" {
			var err error
			if session, err = o.publish(ctx); err != nil {
				return err
			}
		}
		pass, _, err := o.minter.Mint(ticket.Grant{
			Session: session, User: streamspace.NewUserID(), Permissions: streamspace.OwnerPermissions,
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s/stream/v1/%s?ticket=%s\n", o.base, session, url.QueryEscape(pass.Reveal()))
	}
	return out.Flush()
}

// publish makes a session that leads to the upstream.
func (o *office) publish(ctx context.Context) (streamspace.SessionID, error) {
	session := streamspace.NewSessionID()
	if err := o.routes.Publish(ctx, broker.Route{Session: session, Address: o.upstream, Epoch: 1}); err != nil {
		return "", fmt.Errorf("publishing %s: %w", session, err)
	}
	return session, nil
}
