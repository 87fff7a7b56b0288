package redis

import (
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// margin is by how much Redis keeps a claim longer than its holder believes. A
// hundredth covers clocks that run apart: the kernel slews one by 1/2,000 at
// most. The rest is for the time between a holder's look at its clock and what
// it does then.
func margin(ttl time.Duration) time.Duration { return ttl/100 + 50*time.Millisecond }

// leases are the claims that gateways of this process hold, as far as it knows.
// They are what it vouches with when Redis has forgotten a claim.
type leases struct {
	mu    sync.Mutex
	held  map[holding]lease // guarded by mu; as many as desktops are held, and those that ran out since the last sweep
	sweep int               // guarded by mu; size from which the next one is due
}

type holding struct {
	session streamspace.SessionID
	gateway streamspace.GatewayID
}

type lease struct {
	epoch uint64
	until time.Time // by this process's clock, counted from before the request was sent
}

// leastSweep is from how many leases on those that ran out are looked for.
const leastSweep = 1024

// alive tells whether the lease still runs, by both of the machine's clocks: the
// monotonic one stands still while a machine sleeps, the other can be set back.
func (l lease) alive(now time.Time) bool {
	return now.Before(l.until) && now.Round(0).Before(l.until.Round(0))
}

// know returns the epoch that is known, zero if none is, and whether the lease
// under it runs.
func (l *leases) know(session streamspace.SessionID, gateway streamspace.GatewayID, now time.Time) (epoch uint64, alive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.held[holding{session, gateway}]
	return known.epoch, ok && known.alive(now)
}

// note records what Redis granted.
func (l *leases) note(claim broker.Claim, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[holding]lease)
	}
	key := holding{claim.Session, claim.Gateway}
	known := l.held[key]
	// Answers may overtake each other.
	if claim.Epoch < known.epoch || claim.Epoch == known.epoch && claim.Expires.Before(known.until) {
		return
	}
	l.held[key] = lease{claim.Epoch, claim.Expires}
	if len(l.held) < max(l.sweep, leastSweep) {
		return
	}
	for key, lease := range l.held {
		if !lease.alive(now) {
			delete(l.held, key)
		}
	}
	l.sweep = 2 * len(l.held)
}

// forget drops the claim, if it is not a later one that is known.
func (l *leases) forget(claim broker.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := holding{claim.Session, claim.Gateway}
	if l.held[key].epoch <= claim.Epoch {
		delete(l.held, key)
	}
}
