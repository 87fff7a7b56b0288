package process

import (
	"log/slog"
	"path/filepath"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/images/agent"
)

// What a desktop gets when its template does not say.
const (
	defaultMemory    = 2 << 30
	defaultProcesses = 1000
)

// limiter puts a desktop's processes under bounds of memory, processes and CPU.
type limiter interface {
	name() string
	// enter bounds the process and all that it will start.
	enter(session streamspace.SessionID, number int, resources streamspace.Resources) error
	// inside returns the bounds that the agent has to set itself.
	inside(resources streamspace.Resources) agent.Limits
	// oomKills counts what the kernel has killed for want of memory.
	oomKills(session streamspace.SessionID) int64
	// kill ends every process that it knows to be the session's, and says how
	// many there were.
	kill(session streamspace.SessionID) (left int)
	// remove forgets the session. Its processes have ended.
	remove(session streamspace.SessionID)
	// sessions names those that are known, be it from an earlier start.
	sessions() []string
	// close leaves nothing behind, unless some session is known.
	close()
}

// chooseLimiter returns the best that this machine can do, and says so in the log.
func chooseLimiter(log *slog.Logger, tag string, noGroups bool) limiter {
	type group interface {
		limiter
		prepare() error
	}
	groups := []group{
		&cgroup2{root: filepath.Join("/sys/fs/cgroup", tag)},
		&cgroup1{roots: map[string]string{
			"memory": filepath.Join("/sys/fs/cgroup/memory", tag),
			"pids":   filepath.Join("/sys/fs/cgroup/pids", tag),
			"cpu":    filepath.Join("/sys/fs/cgroup/cpu", tag),
		}},
	}
	if noGroups {
		groups = nil
	}
	for _, l := range groups {
		if err := l.prepare(); err == nil {
			log.Info("desktops are bounded", "by", l.name())
			return l
		}
	}
	log.Warn("no control group can be made here: each process of a desktop is bounded, not their sum, and CPU time is not",
		"by", rlimits{}.name())
	return rlimits{}
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

// rlimits bound where no control group can be made: the number of processes in
// the sandbox, and the memory that each of them may write to.
type rlimits struct{}

func (rlimits) name() string { return "rlimits" }

func (rlimits) enter(streamspace.SessionID, int, streamspace.Resources) error { return nil }

func (rlimits) inside(r streamspace.Resources) agent.Limits {
	return agent.Limits{Processes: uint64(processesOf(r)), MemoryBytes: uint64(memoryOf(r))}
}

func (rlimits) oomKills(streamspace.SessionID) int64 { return 0 }
func (rlimits) kill(streamspace.SessionID) int       { return 0 }
func (rlimits) remove(streamspace.SessionID)         {}
func (rlimits) sessions() []string                   { return nil }
func (rlimits) close()                               {}
