package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Main is the agent's command line: streamspace-agent --spec FILE. It returns
// when ctx ends or the desktop cannot go on.
func Main(ctx context.Context, args []string) error {
	// What the runtime handed down (the home's lock, the sign of life for the
	// network) is ours to hold, and not for the programs inside.
	if err := closeOnExec(); err != nil {
		return err
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

// closeOnExec marks every file descriptor but the first three, so that no
// program inherits it.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return fmt.Errorf("looking for inherited files: %w", err)
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
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
