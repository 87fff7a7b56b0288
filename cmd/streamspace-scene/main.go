// Command streamspace-scene plays a workload of the bench on an X display and
// answers input in its marker. It stands beside the agent, so that a session
// can run it: `streamspace bench scene --template` prints the template.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/stage"
)

func main() {
	display := flag.String("display", "", "X display (empty: $DISPLAY)")
	name := flag.String("scene", string(scene.Idle), fmt.Sprintf("what to play first, of %v", scene.Names()))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := stage.Run(ctx, stage.Options{Display: *display, Scene: scene.Name(*name), Ready: os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, "streamspace-scene:", err)
		stop()
		os.Exit(1)
	}
}
