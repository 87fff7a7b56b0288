// Command relayhost runs StreamSpace's gateway alone, with a memory broker
// whose sessions all lead to one RFB server, so that experiments measure the
// gateway without the rest of the product. It is the one place of the bench
// that links product code; experiments only ever see its process.
//
// It prints "ready ws://address" once it listens. Each line "mint N" on its
// standard input is answered by N lines with a stream URL, each for a new
// session and good for one connection within a minute; "share N" gives N that
// all lead to one session. It ends with its standard input.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var h host
	command := &cobra.Command{
		Use: "relayhost", Short: "The gateway alone, for measuring", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
			return h.run(command.Context(), log)
		},
	}
	flags := command.Flags()
	flags.StringVar(&h.listen, "listen", "127.0.0.1:0", "address to listen on")
	flags.StringVar(&h.upstream, "upstream", "", "RFB server: tcp:host:port or unix:/path")
	flags.StringVar(&h.sockets.Congestion, "congestion", "", "congestion control of viewers' sockets (empty: the gateway's choice, default: the kernel's)")
	flags.IntVar(&h.sockets.UnsentMark, "unsent", 0, "unsent-data mark in bytes (0: the gateway's choice, negative: none)")
	flags.StringVar(&h.profile, "profile", "", "address for net/http/pprof (empty: none)")
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "relayhost:", err)
		stop()
		os.Exit(1)
	}
}
