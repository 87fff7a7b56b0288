package report

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is what the figures were measured on.
type Machine struct {
	System string `json:"system"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	// Congestion is the kernel's default congestion control: what every
	// socket has that does not choose its own.
	Congestion string `json:"congestion"`
	Load       string `json:"load"` // averages of 1, 5 and 15 minutes when the run began
}

// String is the machine in one sentence without its full stop.
func (m Machine) String() string {
	return fmt.Sprintf("%s, Linux %s, %d × %s, %s memory, default congestion control %s, load when the run began %s",
		m.System, m.Kernel, m.Cores, m.CPU, m.Memory, m.Congestion, m.Load)
}

// ThisMachine reads /proc; what it cannot read is "unknown".
func ThisMachine() Machine {
	return Machine{
		System: field("/etc/os-release", "PRETTY_NAME=", `"`),
		Kernel: firstLine("/proc/sys/kernel/osrelease"),
		CPU:    field("/proc/cpuinfo", "model name", ": \t"),
		Cores:  runtime.NumCPU(),
		Memory: field("/proc/meminfo", "MemTotal:", " "),

		Congestion: firstLine("/proc/sys/net/ipv4/tcp_congestion_control"),
		Load:       strings.Join(strings.Fields(firstLine("/proc/loadavg") + " - - -")[:3], " "),
	}
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// field returns the rest of the first line that begins with prefix, without
// the characters of cutset at its ends.
func field(path, prefix, cutset string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return strings.Trim(rest, cutset)
		}
	}
	return "unknown"
}

// versionTimeout bounds a program that only has to print its version.
const versionTimeout = 10 * time.Second

// ProgramVersion runs the command and returns the first line it prints, or why
// it cannot.
func ProgramVersion(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" && err != nil {
		return "missing"
	}
	return line
}

// Commit names the checkout that the working folder is in, with "+changes"
// when it differs from the commit, or "unknown".
func Commit(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(out))
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD").Run() != nil {
		commit += "+changes"
	}
	return commit
}
