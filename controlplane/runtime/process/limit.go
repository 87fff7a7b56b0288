package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
)

// What a desktop gets when its template does not say.
const (
	defaultMemory    = 2 << 30
	defaultProcesses = 1000
	cpuPeriod        = 100_000 // microseconds; the kernel's default
)

// limiter puts a desktop's processes under bounds of memory, processes and CPU.
type limiter interface {
	// enter bounds the process and all that it will start.
	enter(session streamspace.SessionID, pid int, resources streamspace.Resources) error
	// killed says whether the kernel ended something for want of memory.
	killed(session streamspace.SessionID) bool
	// remove forgets the session. Its processes have ended.
	remove(session streamspace.SessionID)
}

// chooseLimiter returns what this machine can do: cgroup v2, cgroup v1, or
// nothing, which is said in the log.
func chooseLimiter(log *slog.Logger, tag string) limiter {
	for _, l := range []interface {
		limiter
		prepare() error
	}{
		&cgroup2{root: filepath.Join("/sys/fs/cgroup", tag)},
		&cgroup1{roots: map[string]string{
			"memory": filepath.Join("/sys/fs/cgroup/memory", tag),
			"pids":   filepath.Join("/sys/fs/cgroup/pids", tag),
			"cpu":    filepath.Join("/sys/fs/cgroup/cpu", tag),
		}},
	} {
		if err := l.prepare(); err == nil {
			log.Info("desktops are bounded", "by", strings.TrimPrefix(fmt.Sprintf("%T", l), "*process."))
			return l
		}
	}
	log.Warn("desktops are not bounded in memory, processes and CPU: no control group can be made here (run as root, or in a delegated systemd unit)")
	return unlimited{}
}

func memoryOf(r streamspace.Resources) int64 {
	if r.MemoryBytes > 0 {
		return r.MemoryBytes
	}
	return defaultMemory
}

func processesOf(r streamspace.Resources) int {
	if r.Processes > 0 {
		return r.Processes
	}
	return defaultProcesses
}

// write sets one value of a control group.
func write(dir, file, value string) error {
	// No O_CREATE: a missing file is a controller that is not there.
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// removeGroup tries for a moment: the kernel frees a group a little after its
// last process.
func removeGroup(dir string) {
	for range 50 {
		if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// field returns the number behind the word in a file of "word number" lines.
func field(file, word string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == word {
			n, _ := strconv.ParseInt(value, 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}

// cgroup2 is the unified hierarchy.
type cgroup2 struct{ root string }

func (c *cgroup2) prepare() error {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		return err
	}
	// Usually on already; a failure shows when the group is made.
	write("/sys/fs/cgroup", "cgroup.subtree_control", "+memory +pids +cpu")
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return err
	}
	return write(c.root, "cgroup.subtree_control", "+memory +pids +cpu")
}

func (c *cgroup2) enter(session streamspace.SessionID, pid int, r streamspace.Resources) error {
	dir := filepath.Join(c.root, string(session))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cpu := "max"
	if r.CPUs > 0 {
		cpu = strconv.Itoa(int(r.CPUs * cpuPeriod))
	}
	return errors.Join(
		write(dir, "memory.max", strconv.FormatInt(memoryOf(r), 10)),
		write(dir, "pids.max", strconv.Itoa(processesOf(r))),
		write(dir, "cpu.max", fmt.Sprintf("%s %d", cpu, cpuPeriod)),
		write(dir, "cgroup.procs", strconv.Itoa(pid)),
	)
}

func (c *cgroup2) killed(session streamspace.SessionID) bool {
	return field(filepath.Join(c.root, string(session), "memory.events"), "oom_kill") > 0
}

func (c *cgroup2) remove(session streamspace.SessionID) {
	removeGroup(filepath.Join(c.root, string(session)))
}

// cgroup1 is the older hierarchy, a tree for each controller.
type cgroup1 struct{ roots map[string]string }

func (c *cgroup1) prepare() error {
	for _, root := range c.roots {
		if _, err := os.Stat(filepath.Join(filepath.Dir(root), "cgroup.procs")); err != nil {
			return err
		}
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (c *cgroup1) enter(session streamspace.SessionID, pid int, r streamspace.Resources) error {
	quota := "-1"
	if r.CPUs > 0 {
		quota = strconv.Itoa(int(r.CPUs * cpuPeriod))
	}
	values := map[string][2]string{
		"memory": {"memory.limit_in_bytes", strconv.FormatInt(memoryOf(r), 10)},
		"pids":   {"pids.max", strconv.Itoa(processesOf(r))},
		"cpu":    {"cpu.cfs_quota_us", quota},
	}
	var errs []error
	for controller, root := range c.roots {
		dir := filepath.Join(root, string(session))
		errs = append(errs, os.MkdirAll(dir, 0o755),
			write(dir, values[controller][0], values[controller][1]), write(dir, "cgroup.procs", strconv.Itoa(pid)))
	}
	return errors.Join(errs...)
}

func (c *cgroup1) killed(session streamspace.SessionID) bool {
	return field(filepath.Join(c.roots["memory"], string(session), "memory.oom_control"), "oom_kill") > 0
}

func (c *cgroup1) remove(session streamspace.SessionID) {
	for _, root := range c.roots {
		removeGroup(filepath.Join(root, string(session)))
	}
}

// unlimited is for machines where no group can be made.
type unlimited struct{}

func (unlimited) enter(streamspace.SessionID, int, streamspace.Resources) error { return nil }
func (unlimited) killed(streamspace.SessionID) bool                             { return false }
func (unlimited) remove(streamspace.SessionID)                                  {}
