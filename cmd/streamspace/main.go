// Command streamspace serves desktops to browsers: `streamspace up` is the
// whole product in one process.
package main

import (
	"os"

	"github.com/streamspace/streamspace/internal/command"
)

func main() {
	os.Exit(command.Main(os.Args[1:], os.Stdout, os.Stderr))
}
