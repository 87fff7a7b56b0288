package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace/bench/baseline"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/stage"
)

// childCommand holds the roles that the bench starts of itself as processes of
// their own. Each prints "ready <target>" once it listens and ends with its
// standard input.
func childCommand() *cobra.Command {
	child := &cobra.Command{Use: "child", Short: "Roles that experiments start as processes of their own", Hidden: true}
	child.AddCommand(
		baselineCommand("splice", "tcp:", baseline.Splice),
		baselineCommand("websocket", "ws://", baseline.WebSocket),
		idleSourceCommand(),
		sceneCommand(),
	)
	return child
}

func baselineCommand(name, scheme string, serve func(context.Context, net.Listener, baseline.Options) error) *cobra.Command {
	var listen string
	var options baseline.Options
	command := &cobra.Command{Use: name, Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error {
		listener, err := net.Listen("tcp", listen)
		if err != nil {
			return fmt.Errorf("opening the baseline: %w", err)
		}
		group, ctx := errgroup.WithContext(command.Context())
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		group.Go(func() error { return serve(ctx, listener, options) })
		fmt.Printf("ready %s%s\n", scheme, listener.Addr())
		untilInputEnds(ctx, func(string) {})
		cancel()
		return group.Wait()
	}}
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	command.Flags().StringVar(&options.Upstream, "upstream", "", "tcp:host:port or unix:/path")
	command.Flags().IntVar(&options.Buffer, "buffer", 32<<10, "bytes read at a time")
	command.Flags().StringVar(&options.Socket.Congestion, "congestion", "", "congestion control of viewers' sockets")
	command.Flags().IntVar(&options.Socket.Unsent, "unsent", 0, "unsent-data mark of viewers' sockets in bytes")
	return command
}

// idleSourceCommand is a source whose desktops stand still until a line
// arrives on standard input.
func idleSourceCommand() *cobra.Command {
	var kind string
	command := &cobra.Command{Use: "idle-source", Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("opening the source: %w", err)
		}
		bell := new(source.Bell)
		group, ctx := errgroup.WithContext(command.Context())
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		group.Go(func() error {
			return source.New(source.Config{Kind: source.Kind(kind), Pattern: source.OnDemand(bell)}).Run(ctx, listener)
		})
		fmt.Printf("ready tcp:%s\n", listener.Addr())
		untilInputEnds(ctx, func(string) { bell.Ring() })
		cancel()
		return group.Wait()
	}}
	command.Flags().StringVar(&kind, "kind", string(source.Raw16K), "kind of rectangle")
	return command
}

// sceneCommand plays scenes on a display.
func sceneCommand() *cobra.Command {
	var display string
	command := &cobra.Command{Use: "scene", Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error {
		return stage.Run(command.Context(), stage.Options{Display: display, Scene: scene.Idle, Ready: os.Stdout})
	}}
	command.Flags().StringVar(&display, "display", "", "X display")
	return command
}

// untilInputEnds hands each line of standard input to f and returns when there
// are no more or ctx ends.
func untilInputEnds(ctx context.Context, f func(line string)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Reading ends with the parent, at the latest with this process.
		for lines := bufio.NewScanner(io.Reader(os.Stdin)); lines.Scan(); {
			f(lines.Text())
		}
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
