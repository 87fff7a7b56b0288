package bench

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Command is the command line of the bench. self is the path of the running
// program and the arguments that lead to this command, so that experiments can
// start child roles of it.
func Command(self ...string) *cobra.Command {
	settings := &Settings{Self: append(append([]string(nil), self...), "child")}
	command := &cobra.Command{
		Use:           "bench",
		Short:         "Measure StreamSpace against its peers",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			settings.Log = slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
			settings.Show = command.OutOrStdout()
			settings.Command = strings.Join(append([]string{"bench"}, os.Args[1:]...), " ")
			if settings.Rounds < 1 {
				return fmt.Errorf("--rounds is %d, want at least 1", settings.Rounds)
			}
			return nil
		},
	}
	flags := command.PersistentFlags()
	flags.StringVar(&settings.Out, "out", "bench/results", "folder for results")
	flags.IntVar(&settings.Rounds, "rounds", 5, "how often each subject is measured, in turn with the others")
	flags.StringVar(&settings.Relayhost, "relayhost", "bin/relayhost", "program that runs the gateway alone (go build -o bin/relayhost ./bench/cmd/relayhost)")
	flags.StringArrayVar(&settings.RelayhostFlags, "relayhost-flag", nil, "passed on to relayhost, as --relayhost-flag=--profile=127.0.0.1:6060")
	flags.StringArrayVar(&settings.Only, "only", nil, "measure only subjects whose name contains this; may be repeated")
	command.AddCommand(
		relayCommand(settings), latencyCommand(settings), idleCommand(settings),
		wanCommand(settings), startCommand(settings),
		pixelCommand(settings), rtcCommand(settings), churnCommand(settings), wireCommand(settings), fleetCommand(settings), capacityCommand(settings), treeCommand(settings), ingressCommand(settings), floodCommand(settings), childCommand(),
	)
	command.AddCommand(fanoutCommands(settings)...)
	return command
}

func relayCommand(s *Settings) *cobra.Command {
	var duration time.Duration
	command := &cobra.Command{
		Use: "relay", Short: "CPU per megabyte and megabytes per second at full speed", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Relay(command.Context(), *s, duration) },
	}
	command.Flags().DurationVar(&duration, "duration", 4*time.Second, "length of a round")
	return command
}

func latencyCommand(s *Settings) *cobra.Command {
	var duration time.Duration
	command := &cobra.Command{
		Use: "latency", Short: "One-way latency of 64 KiB at 60 a second", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Latency(command.Context(), *s, duration) },
	}
	command.Flags().DurationVar(&duration, "duration", 8*time.Second, "length of a round")
	return command
}
