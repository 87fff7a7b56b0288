package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/internal/config"
)

// ControlPlane runs the API, the web page and, unless others do, the desktops of
// a fleet, until ctx ends or a part fails.
func ControlPlane(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer) error {
	if settings.Desktops == config.DesktopsKubernetes {
		clusterLog(log)
	}
	unlock, err := lockDataDir(settings.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	return open(ctx, settings, log, out, func(p *parts) error {
		if err := p.startRedis(nil); err != nil {
			return err
		}
		return p.startControlPlane(ctx)
	})
}

// gatewayEvents are what a gateway acts on: without the wants, touches and
// presence that gateways themselves tell, which are most of what is told.
var gatewayEvents = []broker.EventKind{
	broker.EventRoute, broker.EventWithdrawn, broker.EventRevocation, broker.EventGlance,
}

// Gateway runs one gateway of a fleet until ctx ends or a part fails.
func Gateway(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer) error {
	text, err := os.ReadFile(settings.TicketPublicKeys)
	if err != nil {
		return fmt.Errorf("reading the public keys of tickets: %w", err)
	}
	keys, err := ticket.ParsePublicKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", settings.TicketPublicKeys, err)
	}
	return open(ctx, settings, log, out, func(p *parts) error {
		if err := p.startRedis(gatewayEvents); err != nil {
			return err
		}
		if err := p.listenForOthers(ctx); err != nil {
			return err
		}
		return p.startGateway(keys...)
	})
}

// listenForOthers opens where other gateways reach this one.
func (p *parts) listenForOthers(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.settings.LinkListen)
	if err != nil {
		return fmt.Errorf("listening for other gateways on %s (link-listen): %w", p.settings.LinkListen, err)
	}
	p.stack.Defer("link listener", func() { listener.Close() })
	p.neighbours = gateway.Link{Listener: listener, Address: p.reached(p.settings.LinkAddress, listener.Addr().String())}
	if p.settings.IngressListen == "" {
		return nil
	}
	balancers, err := new(net.ListenConfig).Listen(ctx, "tcp", p.settings.IngressListen)
	if err != nil {
		return fmt.Errorf("listening for load balancers on %s (ingress-listen): %w", p.settings.IngressListen, err)
	}
	p.stack.Defer("ingress listener", func() { balancers.Close() })
	p.balancers = gateway.Ingress{Listener: balancers, Address: p.reached(p.settings.StreamAddress, p.settings.Listen)}
	return nil
}

// reached is by which address others reach a listener: the one that was said, else
// its own, with an address of this machine if it listens on all.
func (p *parts) reached(said, listens string) string {
	host, port, err := net.SplitHostPort(listens)
	if said != "" || err != nil {
		return said
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = p.seen.String()
	}
	return net.JoinHostPort(host, port)
}

// outward is this machine's address on the way to a host:port. Nothing is sent.
func outward(address string) netip.Addr {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}) // a Unix socket: all are on one machine
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// TicketKeys writes the public half of the key that tickets are signed with, as
// gateways are configured with it.
func TicketKeys(settings config.Config, out io.Writer) error {
	key, err := ticketKey(settings)
	if err != nil {
		return err
	}
	text, err := ticket.EncodePublicKeys(key.Public())
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// ticketKey reads the key that tickets are signed with. The one in the data
// folder is made when it is missing; one that is named must be there, since
// others have it too.
func ticketKey(settings config.Config) (ticket.Key, error) {
	if settings.TicketKey != "" {
		if _, err := os.Stat(settings.TicketKey); err != nil {
			return ticket.Key{}, fmt.Errorf("reading the key of tickets: %w", err)
		}
		return ticket.LoadOrCreateKey(settings.TicketKey)
	}
	keys := filepath.Join(settings.DataDir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return ticket.Key{}, fmt.Errorf("making the folder of keys: %w", err)
	}
	return ticket.LoadOrCreateKey(filepath.Join(keys, "ticket.pem"))
}

// startRedis starts the broker of a fleet, which tells of events of these kinds,
// or of all.
func (p *parts) startRedis(events []broker.EventKind) error {
	options, err := redis.ParseURL(p.settings.RedisURL)
	if err != nil {
		return fmt.Errorf("redis-url: %w", err)
	}
	options.Events, options.Log, options.Registerer = events, p.log, p.registry
	fleet, err := redis.New(options)
	if err != nil {
		return err
	}
	p.broker, p.seen = fleet, outward(options.Addresses[0])
	p.ready.Add("redis", fleet.Ready)
	p.stack.Start("redis", fleet.Run)
	return nil
}

// elsewhere is the desktops of a control plane that runs none.
type elsewhere struct{}

// Availability is for those who run desktops to know: they tell when one cannot
// start.
func (elsewhere) Availability(streamspace.Template) runtime.Availability {
	return runtime.Availability{Installed: true}
}

// DeleteHome cannot reach the folder.
func (elsewhere) DeleteHome(_ context.Context, home streamspace.HomeID) error {
	return errors.New("home folder " + string(home) + " is on the machine that runs desktops: remove it there")
}
