// Command streamspace-agent is PID 1 of a desktop.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/streamspace/streamspace/images/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := agent.Main(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "streamspace-agent:", err)
		os.Exit(1)
	}
}
