package peer

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a process and its descendants have used and hold.
type Usage struct {
	CPU       time.Duration // user and system, since each one's start
	PSS, RSS  int64         // bytes
	Processes int
}

// Usage sums over the process and its present descendants. The CPU time of a
// descendant that has ended since is not in it: compare only readings between
// which none ends.
func (p *Process) Usage() (Usage, error) {
	var sum Usage
	for _, pid := range descendants(p.PID()) {
		cpu, err := cpuTime(pid)
		if err != nil {
			if pid != p.PID() {
				continue // ended meanwhile
			}
			return Usage{}, err
		}
		pss, rss, err := memory(pid)
		if err != nil {
			if pid != p.PID() {
				continue
			}
			return Usage{}, err
		}
		sum.CPU += cpu
		sum.PSS += pss
		sum.RSS += rss
		sum.Processes++
	}
	return sum, nil
}

// CPU is Usage's first field alone: it costs next to nothing to read.
func (p *Process) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range descendants(p.PID()) {
		cpu, err := cpuTime(pid)
		if err != nil {
			if pid != p.PID() {
				continue
			}
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// ByName sums over the processes and their present descendants, separately for
// each program's name, as "Xvnc". What ends meanwhile is left out.
func ByName(pids ...int) map[string]Usage {
	all := map[string]Usage{}
	seen := map[int]bool{}
	for _, root := range pids {
		for _, pid := range descendants(root) {
			if seen[pid] {
				continue
			}
			seen[pid] = true
			name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if err != nil {
				continue
			}
			cpu, err := cpuTime(pid)
			if err != nil {
				continue
			}
			pss, rss, err := memory(pid)
			if err != nil {
				continue
			}
			sum := all[strings.TrimSpace(string(name))]
			sum.CPU += cpu
			sum.PSS += pss
			sum.RSS += rss
			sum.Processes++
			all[strings.TrimSpace(string(name))] = sum
		}
	}
	return all
}

// cpuTime reads the process's CPU clock, which counts nanoseconds of all its
// threads, those that have ended included; /proc/<pid>/stat counts in ticks of
// 10 ms. The clock's id is made as clock_getcpuclockid(3) makes it.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduler, &spent); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(spent.Nano()), nil
}

// memory reads the proportional and the resident set size.
func memory(pid int) (pss, rss int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "kB" {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		switch fields[0] {
		case "Pss:":
			pss = kilobytes << 10
		case "Rss:":
			rss = kilobytes << 10
		}
	}
	return pss, rss, nil
}

// descendants returns the process and all below it, from one pass over /proc.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{pid}
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(child); ok {
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// parentOf reads the fourth field of /proc/<pid>/stat, behind the name in
// brackets, which may hold anything.
func parentOf(pid int) (int, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
