package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/internal/app/setup"
	"github.com/streamspace/streamspace/internal/observe"
)

// prefix leaves room for what is put behind it in the names of Secrets.
var prefix = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,45}[a-z0-9])?$`)

func newSetup(stdout io.Writer) *cobra.Command {
	var wanted setup.Wanted
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make the secrets that an installation in Kubernetes begins with",
		Long: `Make the Secrets that are missing in a namespace: the key that tickets are signed with, its
public half, and a password for each --password. Those that are there stay as they are.
It runs in a pod, with a service account that may read and make Secrets.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wanted.Namespace == "" || !prefix.MatchString(wanted.Name) {
				return mistake{errors.New("--namespace and --name are needed; a name has lower-case letters, digits and dashes, at most 47")}
			}
			return setup.Secrets(cmd.Context(), wanted, stdout)
		},
	}
	cmd.Flags().StringVar(&wanted.Namespace, "namespace", "", "where the Secrets are")
	cmd.Flags().StringVar(&wanted.Name, "name", "", "what their names begin with")
	cmd.Flags().StringSliceVar(&wanted.Passwords, "password", nil, "make a Secret NAME-… with a password (may be repeated)")
	return cmd
}

func newMigrate(stdout, stderr io.Writer) *cobra.Command {
	const variable = "STREAMSPACE_POSTGRES_URL"
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version, and end",
		Long: `Bring the database that ` + variable + ` names to this version. Control planes do it, too,
when they start; done before an upgrade, one that does not succeed leaves the old ones running.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address := os.Getenv(variable)
			if address == "" {
				return mistake{errors.New(variable + " is empty")}
			}
			log, err := observe.NewLogger(stderr, "info", "text")
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(stderr)
			defer stop()
			if err := setup.Migrate(ctx, address, log); err != nil {
				return err
			}
			_, err = fmt.Fprintln(stdout, "the database is at this version")
			return err
		},
	}
}
