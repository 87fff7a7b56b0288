// Package command is the command line of streamspace: it reads settings,
// hands them to internal/app, and turns what comes back into messages and exit
// codes.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/internal/app"
	"github.com/streamspace/streamspace/internal/config"
	"github.com/streamspace/streamspace/internal/observe"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailure  = 1 // it ran, and something went wrong
	exitMistaken = 2 // the settings or the command line are wrong; nothing was started
	exitForced   = 130
)

// mistake is an error of whoever typed the command.
type mistake struct{ error }

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.Execute()
	var mistaken mistake
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &mistaken):
		fmt.Fprintf(stderr, "streamspace: nothing was started:\n  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		return exitMistaken
	}
	fmt.Fprintf(stderr, "streamspace: %v\n", err)
	return exitFailure
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "streamspace",
		Short: "Desktops in containers, in anyone's browser",
		Long: `StreamSpace runs desktops in sandboxes and streams them to a browser.

  streamspace up            start everything on this machine

  streamspace controlplane  the API, the web page and desktops of a fleet
  streamspace gateway       one of a fleet's gateways
  streamspace ticket-keys   print what gateways check tickets with
  streamspace operator      act on Session objects in a Kubernetes cluster

  streamspace setup         make the secrets of an installation in Kubernetes
  streamspace migrate       bring a database to this version

  streamspace catalog       make images and templates of the catalog
  streamspace bench         measure remote desktops, this one and others
  streamspace config        print the annotated configuration file`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return mistake{fmt.Errorf("%w\nrun '%s --help' for all flags", err, cmd.CommandPath())}
	})
	root.AddCommand(newUp(stdout, stderr), newControlPlane(stdout, stderr), newGateway(stdout, stderr), newTicketKeys(stdout), newOperator(stdout, stderr),
		newConfig(stdout), newCatalog(stdout), newSetup(stdout), newMigrate(stdout, stderr), newBench(stderr), newVersion(stdout))
	return root
}

func newUp(stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start everything on this machine, in one process",
		Long: `Start the whole product on this machine: web page, API, streaming gateway, the
desktops as sandboxed local processes, and a private PostgreSQL in the data folder.

The first start prints how to sign in. Ctrl-C ends it cleanly; home folders stay.
Every flag is also a STREAMSPACE_… variable and a key of the configuration file.`,
		Example: `  streamspace up
  streamspace up --listen 0.0.0.0:8443 --tls-self-signed
  streamspace up --config /etc/streamspace.yaml --admin-password-file /run/secrets/admin`,
		Args: noArgs,
	}
	return process(cmd, config.RoleUp, app.Up, stdout, stderr)
}

func newConfig(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the annotated configuration file, every key at its default",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(stdout, config.Example)
			return err
		},
	}
}

func newVersion(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			build := observe.ReadBuild()
			_, err := fmt.Fprintf(stdout, "streamspace %s (commit %s, %s)\n", build.Version, build.Commit, build.Go)
			return err
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return mistake{fmt.Errorf("%s takes no arguments, only flags: %q", cmd.CommandPath(), args)}
	}
	return nil
}

// untilSignal returns a context that the first SIGINT or SIGTERM ends. The
// second one ends the process at once, for whoever cannot wait.
func untilSignal(stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range signals {
			if ctx.Err() != nil {
				os.Exit(exitForced)
			}
			fmt.Fprintln(stderr, "Stopping. Once more to end at once.")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
	}
}
