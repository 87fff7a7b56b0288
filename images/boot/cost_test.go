package boot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cost is what a desktop has taken of the machine.
type cost struct {
	memory int64         // bytes, shared pages counted by their share
	cpu    time.Duration // of all that has run so far, ended programs that were waited for included
}

func (c cost) String() string {
	return fmt.Sprintf("%d MiB, %.2f s of a processor", c.memory>>20, c.cpu.Seconds())
}

// clockTick is the kernel's unit of processor time in /proc: USER_HZ, 100 on all
// that Go runs on.
const clockTick = time.Second / 100

// costOf sums up a process and all below it. What ends meanwhile is left out.
func costOf(top int) cost {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	times := make(map[int]time.Duration)
	for _, file := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name, in brackets, may have anything in it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		number := func(i int) int { n, _ := strconv.Atoi(fields[i-3]); return n } // proc(5) counts from 1, with pid and name
		children[number(4)] = append(children[number(4)], pid)
		for i := 14; i <= 17; i++ { // its own and its children's, user and system
			times[pid] += time.Duration(number(i)) * clockTick
		}
	}
	var sum cost
	for todo := []int{top}; len(todo) > 0; {
		pid := todo[0]
		todo = append(todo[1:], children[pid]...)
		sum.cpu += times[pid]
		sum.memory += proportional(pid)
	}
	return sum
}

func proportional(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
