package wan

import (
	"math/rand/v2"
	"time"
)

// Path describes one direction of the emulated line.
type Path struct {
	Delay time.Duration // of the way itself, without queueing
	Loss  float64       // share of packets lost at random, 0 to 1
	// BitsPerSecond is the bottleneck's rate; 0 means that only the machine
	// is the limit.
	BitsPerSecond int64
	// QueueBytes is how much the bottleneck holds before it drops what comes
	// last; 0 with a rate means defaultQueueBytes.
	QueueBytes int
	// Seed fixes which packets are lost, so that variants meet the same luck
	// as far as they send the same packets.
	Seed uint64
}

// defaultQueueBytes is a deep, but not an absurd queue: 0.8 s at 10 Mbit/s,
// as home routers and mobile networks have it.
const defaultQueueBytes = 1 << 20

// fate is what becomes of a packet.
type fate int

const (
	forwarded  fate = iota
	lost            // by chance
	overflowed      // the bottleneck's queue was full
)

// link decides about one packet after the other. It keeps no packets and reads
// no clock.
type link struct {
	path   Path
	random *rand.Rand
	free   time.Duration // when the bottleneck has sent all that it has taken
}

func newLink(path Path) *link {
	if path.QueueBytes == 0 {
		path.QueueBytes = defaultQueueBytes
	}
	return &link{path: path, random: rand.New(rand.NewPCG(path.Seed, 0x77616e))}
}

// admit takes a packet of size bytes that arrives now and says when it comes
// out at the other end. Times given to admit must not decrease; then those it
// returns do not either.
func (l *link) admit(now time.Duration, size int) (time.Duration, fate) {
	// The dice are thrown for every packet, also for those that overflow.
	unlucky := l.path.Loss > 0 && l.random.Float64() < l.path.Loss
	if l.path.BitsPerSecond == 0 {
		if unlucky {
			return 0, lost
		}
		return now + l.path.Delay, forwarded
	}
	l.free = max(l.free, now)
	waiting := int64(l.free-now) * l.path.BitsPerSecond / 8 / int64(time.Second)
	if waiting+int64(size) > int64(l.path.QueueBytes) {
		return 0, overflowed
	}
	if unlucky {
		return 0, lost
	}
	l.free += time.Duration(int64(size) * 8 * int64(time.Second) / l.path.BitsPerSecond)
	return l.free + l.path.Delay, forwarded
}
