package gateway

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/broker"
)

// load measures how busy the gateway is, between one announcement and the next.
type load struct {
	sent atomic.Int64 // bytes to viewers, ever

	// owned by announce
	at    time.Time
	bytes int64
	cpu   time.Duration
}

// tell adds to the node what happened since the last call.
func (l *load) tell(node *broker.Node, now time.Time) {
	bytes, cpu := l.sent.Load(), processorTime()
	if passed := now.Sub(l.at).Seconds(); !l.at.IsZero() && passed > 0 {
		node.Bytes = int64(float64(bytes-l.bytes) / passed)
		node.CPU = (cpu - l.cpu).Seconds() / passed
	}
	l.at, l.bytes, l.cpu = now, bytes, cpu
}

// processorTime is what this process has used of all cores.
func processorTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// census counts what the gateway has.
func (g *Gateway) census(node *broker.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	node.Draining = g.phase >= phaseDraining
	for s := range g.streams {
		if !s.branch {
			node.Viewers++
		}
	}
	for _, d := range g.desktops {
		if len(d.streams) > 0 {
			node.Sessions++
		}
		if d.share.busy() {
			node.Encoders++
		}
	}
}
