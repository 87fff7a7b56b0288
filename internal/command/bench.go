package command

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/tool"
	"github.com/streamspace/streamspace/internal/observe"
)

// newBench is the measuring tool, which knows nothing of the rest of this
// program: scenes and private servers are started as processes of it.
func newBench(stderr io.Writer) *cobra.Command {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	build := observe.ReadBuild()
	bench := tool.Command(fmt.Sprintf("%s (%s)", build.Commit, build.Version), self, "bench")
	for _, sub := range bench.Commands() {
		run := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(stderr)
			defer stop()
			cmd.SetContext(ctx)
			return run(cmd, args)
		}
	}
	return bench
}
