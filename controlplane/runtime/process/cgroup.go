package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/images/agent"
)

// cpuPeriod is what a share of CPU time is counted in: microseconds, the
// kernel's default.
const cpuPeriod = 100_000

// removeLimit bounds the wait for the kernel to let a group go, which it does a
// little after the group's last process.
const removeLimit = 2 * time.Second

// cgroup2 is the unified hierarchy.
type cgroup2 struct{ root string }

func (c *cgroup2) name() string { return "cgroup2" }

func (c *cgroup2) prepare() error {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		return err
	}
	// Usually on already; a failure shows below.
	write("/sys/fs/cgroup", "cgroup.subtree_control", "+memory +pids +cpu")
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return err
	}
	return write(c.root, "cgroup.subtree_control", "+memory +pids +cpu")
}

func (c *cgroup2) enter(session streamspace.SessionID, number int, r streamspace.Resources) error {
	dir := filepath.Join(c.root, string(session))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cpu := "max"
	if r.CPUs > 0 {
		cpu = strconv.Itoa(int(r.CPUs * cpuPeriod))
	}
	write(dir, "memory.swap.max", "0") // not there without swap accounting
	return errors.Join(
		write(dir, "memory.max", strconv.FormatInt(memoryOf(r), 10)),
		write(dir, "pids.max", strconv.Itoa(processesOf(r))),
		write(dir, "cpu.max", fmt.Sprintf("%s %d", cpu, cpuPeriod)),
		write(dir, "cgroup.procs", strconv.Itoa(number)),
	)
}

func (c *cgroup2) inside(streamspace.Resources) agent.Limits { return agent.Limits{} }

func (c *cgroup2) oomKills(session streamspace.SessionID) int64 {
	return field(filepath.Join(c.root, string(session), "memory.events"), "oom_kill")
}

func (c *cgroup2) kill(session streamspace.SessionID) (left int) {
	return killGroup(filepath.Join(c.root, string(session)))
}

func (c *cgroup2) remove(session streamspace.SessionID) {
	removeGroup(filepath.Join(c.root, string(session)))
}

func (c *cgroup2) sessions() []string { return groups(c.root) }

func (c *cgroup2) close() { os.Remove(c.root) }

// cgroup1 is the older hierarchy, a tree for each controller.
type cgroup1 struct{ roots map[string]string }

func (c *cgroup1) name() string { return "cgroup1" }

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

func (c *cgroup1) enter(session streamspace.SessionID, number int, r streamspace.Resources) error {
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
			write(dir, values[controller][0], values[controller][1]), write(dir, "cgroup.procs", strconv.Itoa(number)))
	}
	return errors.Join(errs...)
}

func (c *cgroup1) inside(streamspace.Resources) agent.Limits { return agent.Limits{} }

func (c *cgroup1) oomKills(session streamspace.SessionID) int64 {
	return field(filepath.Join(c.roots["memory"], string(session), "memory.oom_control"), "oom_kill")
}

func (c *cgroup1) kill(session streamspace.SessionID) (left int) {
	return killGroup(filepath.Join(c.roots["pids"], string(session)))
}

func (c *cgroup1) remove(session streamspace.SessionID) {
	for _, root := range c.roots {
		removeGroup(filepath.Join(root, string(session)))
	}
}

func (c *cgroup1) sessions() []string { return groups(c.roots["pids"]) }

func (c *cgroup1) close() {
	for _, root := range c.roots {
		os.Remove(root)
	}
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

// killGroup kills every process of a group once, and says how many there were.
// A number cannot have passed on to another process: it is the group's until
// the kernel takes it off the list.
func killGroup(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return 0
	}
	numbers := strings.Fields(string(text))
	for _, field := range numbers {
		if number, err := strconv.Atoi(field); err == nil && number > 1 {
			unix.Kill(number, unix.SIGKILL) // ESRCH: it has ended by itself
		}
	}
	return len(numbers)
}

func removeGroup(dir string) {
	for deadline := time.Now().Add(removeLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
	}
}

func groups(root string) []string {
	entries, _ := os.ReadDir(root) // none: then there are no groups
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
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
