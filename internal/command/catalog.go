package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/images/recipe"
)

// newCatalog is for whoever builds images or fills a cluster: it needs no
// server and changes none.
func newCatalog(stdout io.Writer) *cobra.Command {
	var dir string
	var names recipe.Names
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Read the catalog: check it, and make image recipes and Template objects of it",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&dir, "template-dir", "", "a folder with files of your own (*.yaml), added to the built-in catalog")
	load := func() (*images.Catalog, error) {
		catalog, err := images.Load(dir)
		if err != nil {
			return nil, mistake{err}
		}
		return catalog, nil
	}
	named := func(c *cobra.Command) *cobra.Command {
		c.Flags().StringVar(&names.Registry, "registry", "ghcr.io/streamspace", "where the images are, before their names")
		c.Flags().StringVar(&names.Tag, "tag", "latest", "the images' tag")
		return c
	}

	list := &cobra.Command{
		Use: "list", Short: "List the applications, after checking every file", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			catalog, err := load()
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tAPPLICATION\tCATEGORY\tBASE\tCOMMAND")
			for _, a := range catalog.Applications() {
				base := a.Image.Base
				if base == "" {
					base = images.DefaultBase
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.DisplayName, a.Category, base, strings.Join(a.Command, " "))
			}
			return table.Flush()
		},
	}
	recipes := named(&cobra.Command{
		Use:     "recipes DIR [APPLICATION…]",
		Short:   "Write a build context for each image, and the templates, into a folder",
		Example: "  streamspace catalog recipes build gimp\n  streamspace catalog recipes build --template-dir mine --registry registry.example/desks --tag 7",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			catalog, err := load()
			if err != nil {
				return err
			}
			return recipe.Write(args[0], catalog, args[1:], names)
		},
	})
	template := named(&cobra.Command{
		Use:     "template [APPLICATION…]",
		Short:   "Print Template objects, for kubectl apply",
		Example: "  streamspace catalog template | kubectl apply -n desktops -f -",
		RunE: func(_ *cobra.Command, args []string) error {
			catalog, err := load()
			if err != nil {
				return err
			}
			return recipe.Print(stdout, catalog, args, names)
		},
	})
	cmd.AddCommand(list, recipes, template, newSBOM(stdout))
	return cmd
}

func newSBOM(stdout io.Writer) *cobra.Command {
	var list recipe.SBOM
	cmd := &cobra.Command{
		Use:   "sbom ROOT",
		Short: "Print what is installed below an image's root folder, as SPDX 2.3",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			// The time that builders agree on, so that the same image has the same list.
			seconds, err := strconv.ParseInt(cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), "0"), 10, 64)
			if err != nil {
				return mistake{fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)}
			}
			list.Created = time.Unix(seconds, 0)
			return list.Write(stdout, os.DirFS(args[0]))
		},
	}
	cmd.Flags().StringVar(&list.Name, "name", "image", "the image's name")
	cmd.Flags().StringVar(&list.Architecture, "architecture", "", "the image's architecture")
	return cmd
}
