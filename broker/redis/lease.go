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
	epoch    uint64
	until    time.Time // by this process's clock, counted from before the request was sent
	released bool      // it was given up, and Redis may not know yet
}

// staleKeep is how long after its end a lease is remembered here: longer than
// Redis keeps the claim, so that a release on its way is not forgotten before.
const staleKeep = time.Minute

// leastSweep is from how many leases on those that ran out are looked for.
const leastSweep = 1024

// alive tells whether the lease still runs.
func (l lease) alive(now time.Time) bool {
	return !l.released && broker.Claim{Expires: l.until}.Held(now)
}

// know returns the latest lease that is known, the zero one if none is.
func (l *leases) know(session streamspace.SessionID, gateway streamspace.GatewayID) lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[holding{session, gateway}]
}

// note records what Redis granted.
func (l *leases) note(claim broker.Claim, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := holding{claim.Session, claim.Gateway}
	known := l.held[key]
	// Answers may overtake each other.
	if claim.Epoch < known.epoch || claim.Epoch == known.epoch && (known.released || claim.Expires.Before(known.until)) {
		return
	}
	l.put(key, lease{epoch: claim.Epoch, until: claim.Expires}, now)
}

// put records the lease and now and then forgets those that ran out in Redis
// too; the caller holds mu.
func (l *leases) put(key holding, known lease, now time.Time) {
	if l.held == nil {
		l.held = make(map[holding]lease)
	}
	l.held[key] = known
	if len(l.held) < max(l.sweep, leastSweep) {
		return
	}
	for key, lease := range l.held {
		if lease.until.Add(staleKeep).Before(now) {
			delete(l.held, key)
		}
	}
	l.sweep = 2 * len(l.held)
}

// release records that the claim was given up, if no later one is known. The
// word of it may reach Redis late: a claim made meanwhile must not have the same
// epoch, or it would be the one that is given up.
func (l *leases) release(claim broker.Claim, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := holding{claim.Session, claim.Gateway}
	if known := l.held[key]; known.epoch <= claim.Epoch {
		until := claim.Expires
		if known.until.After(until) {
			until = known.until
		}
		l.put(key, lease{claim.Epoch, until, true}, now)
	}
}

// lose records that the claim is stale, if no later one is known.
func (l *leases) lose(claim broker.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := holding{claim.Session, claim.Gateway}
	if known := l.held[key]; known.epoch == claim.Epoch && !known.released {
		delete(l.held, key)
	}
}
