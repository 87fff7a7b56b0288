package agent

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxHandedDown is above every file descriptor that a runtime hands down.
const maxHandedDown = 64

// Main is the agent's command line: streamspace-agent --spec FILE. It returns
// when ctx ends or the desktop cannot go on.
func Main(ctx context.Context, args []string) error {
	// What the runtime handed down (the home's lock, the sign of life for the
	// network) is ours to hold, and not for the programs inside.
	for fd := 3; fd < maxHandedDown; fd++ {
		unix.CloseOnExec(fd)
	}
	// Programs of the desktop run as the same user; without this they could
	// read and change our memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if len(args) < 2 || args[0] != "--spec" {
		return errors.New("usage: streamspace-agent --spec FILE [TAG…]")
	}
	spec, err := ReadSpec(args[1]) // further arguments only mark the process for whoever looks for it
	if err != nil {
		return err
	}
	if err := spec.Limits.apply(); err != nil {
		return err
	}
	return Run(ctx, spec)
}

// apply bounds this process and all that it will start.
func (l Limits) apply() error {
	var errs []error
	set := func(resource int, value uint64) {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			errs = append(errs, fmt.Errorf("setting limit %d to %d: %w", resource, value, err))
		}
	}
	set(unix.RLIMIT_CORE, 0) // a dump of a browser fills a disk, and helps nobody here
	if l.Processes > 0 {
		// Processes are counted by user and user namespace, so these are the
		// sandbox's own even when users are not.
		set(unix.RLIMIT_NPROC, l.Processes)
	}
	if l.MemoryBytes > 0 {
		// Not the address space: browsers reserve far more of that than they use.
		set(unix.RLIMIT_DATA, l.MemoryBytes)
	}
	return errors.Join(errs...)
}
