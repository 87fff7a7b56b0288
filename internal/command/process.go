package command

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/internal/app"
	"github.com/streamspace/streamspace/internal/config"
	"github.com/streamspace/streamspace/internal/observe"
)

// process makes cmd run a role until a signal.
func process(cmd *cobra.Command, role config.Role, run func(context.Context, config.Config, *slog.Logger, io.Writer) error, stdout, stderr io.Writer) *cobra.Command {
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := config.Load(cmd.Flags(), os.Environ(), role)
		if err != nil {
			return mistake{err}
		}
		log, err := observe.NewLogger(stderr, settings.LogLevel, settings.LogFormat)
		if err != nil {
			return mistake{err}
		}
		ctx, stop := untilSignal(stderr)
		defer stop()
		return run(ctx, settings, log, stdout)
	}
	config.AddFlags(cmd.Flags(), role)
	cmd.Flags().SortFlags = false
	return cmd
}

func newControlPlane(stdout, stderr io.Writer) *cobra.Command {
	return process(&cobra.Command{
		Use:   "controlplane",
		Short: "Run a fleet's API, web page and desktops",
		Long: `Run the API, the web page and the desktops of a fleet, whose gateways run as processes
of their own, on other machines if you like. They meet in a Redis.

Several control planes may share a database and a ticket key. One of them runs the
desktops, as sandboxed processes of its machine; the others are started with --desktops none.`,
		Example: `  streamspace controlplane --redis-url rediss://:secret@redis.example/0 --external-url https://desks.example
  streamspace controlplane --desktops none --postgres-url postgres://… --ticket-key /etc/streamspace/ticket.pem --redis-url …`,
	}, config.RoleControlPlane, app.ControlPlane, stdout, stderr)
}

func newGateway(stdout, stderr io.Writer) *cobra.Command {
	return process(&cobra.Command{
		Use:   "gateway",
		Short: "Run one of a fleet's gateways",
		Long: `Run a gateway: it lets viewers with a ticket in, and streams desktops to them. Gateways
come and go; they keep nothing that is not in Redis too.

Browsers reach it through a load balancer that sends /stream/ to the gateways, or, with
--gateway-url, by its own address, which the control plane tells them.`,
		Example: `  streamspace ticket-keys > ticket-public.pem     # where the control plane runs
  streamspace gateway --redis-url rediss://:secret@redis.example/0 --ticket-public-keys ticket-public.pem --listen 0.0.0.0:8081`,
	}, config.RoleGateway, app.Gateway, stdout, stderr)
}

func newOperator(stdout, stderr io.Writer) *cobra.Command {
	return process(&cobra.Command{
		Use:   "operator",
		Short: "Act on Session objects in a Kubernetes cluster",
		Long: `Give the Session objects of a namespace their pods, homes, certificates and network rules,
and tell on each how it does. It needs nothing but the cluster's API server: kubectl starts
desktops without a control plane too.

Several may run; one of them acts, and another one takes over when that ends.`,
		Example: `  streamspace operator --kube-namespace desktops
  kubectl apply -n desktops -f session.yaml && kubectl get -n desktops sessions --watch`,
	}, config.RoleOperator, app.Operator, stdout, stderr)
}

func newTicketKeys(stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ticket-keys",
		Short: "Print the public keys with which gateways check tickets",
		Long: `Print the public half of the key that this machine's control plane signs tickets with, for
the file that gateways are given with --ticket-public-keys. A key in the data folder is made if
there is none; files of several keys may be joined, so that keys can be changed without a gap.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.Load(cmd.Flags(), os.Environ(), config.RoleTicketKeys)
			if err != nil {
				return mistake{err}
			}
			return app.TicketKeys(settings, stdout)
		},
	}
	config.AddFlags(cmd.Flags(), config.RoleTicketKeys)
	return cmd
}
