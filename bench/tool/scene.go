package tool

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/stage"
	"github.com/streamspace/streamspace/bench/target"
)

func sceneCommand() *cobra.Command {
	var display string
	var template bool
	command := &cobra.Command{
		Use:   "scene [NAME]",
		Short: "Play scenes on an X display: the program that everything is measured in front of",
		Long: fmt.Sprintf(`Play scenes in a window over the whole display and answer input in a marker. The
scenes are %v; F1 to F%d choose one, F9 is its own pace, F10 full speed.
It ends with Ctrl-C.`, scene.Names(), len(scene.Names())),
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if template {
				_, err := io.WriteString(command.OutOrStdout(), target.Template)
				return err
			}
			name := scene.Idle
			if len(args) > 0 {
				name = scene.Name(args[0])
			}
			return stage.Run(command.Context(), stage.Options{Display: display, Scene: name, Ready: command.OutOrStdout()})
		},
	}
	command.Flags().StringVar(&display, "display", "", "X display, as :1 (default: $DISPLAY)")
	command.Flags().BoolVar(&template, "template", false, "print the catalog entry that plays scenes in StreamSpace sessions instead")
	return command
}
