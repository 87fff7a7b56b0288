package api

import (
	"sync"
	"time"
)

// Rates that no person and no honest program reaches: opening the web UI costs
// about ten requests. What guards passwords is identity's throttle.
const (
	addressRate  = 100 // requests a second; many people may share an address
	addressBurst = 600
	callerRate   = 50
	callerBurst  = 300

	// maxBuckets bounds the memory: about 1 MiB.
	maxBuckets = 10_000
)

// buckets are token buckets by key.
type buckets struct {
	rate  float64          // immutable; tokens a second
	burst float64          // immutable
	now   func() time.Time // immutable

	mu    sync.Mutex
	byKey map[string]bucket // guarded by mu; at most maxBuckets
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newBuckets(rate, burst float64, now func() time.Time) *buckets {
	return &buckets{rate: rate, burst: burst, now: now, byKey: make(map[string]bucket)}
}

// take takes a token and returns zero, or how long to wait for one.
func (b *buckets) take(key string) time.Duration {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	have, ok := b.byKey[key]
	if !ok {
		b.makeRoom(now)
		have = bucket{tokens: b.burst, at: now}
	}
	have.tokens, have.at = b.level(have, now), now
	if have.tokens < 1 {
		b.byKey[key] = have
		return time.Duration((1 - have.tokens) / b.rate * float64(time.Second))
	}
	have.tokens--
	b.byKey[key] = have
	return 0
}

// spend takes up to n tokens more, for what turned out to cost them.
func (b *buckets) spend(key string, n float64) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if have, ok := b.byKey[key]; ok {
		b.byKey[key] = bucket{tokens: max(0, b.level(have, now)-n), at: now}
	}
}

func (b *buckets) level(have bucket, now time.Time) float64 {
	return min(b.burst, have.tokens+max(0, now.Sub(have.at).Seconds())*b.rate)
}

// makeRoom forgets full buckets, which are as good as new ones, and any others
// until a quarter is free: so it is looked through once in many takes.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.byKey) < maxBuckets {
		return
	}
	for key, have := range b.byKey {
		if b.level(have, now) >= b.burst {
			delete(b.byKey, key)
		}
	}
	for key := range b.byKey {
		if len(b.byKey) <= maxBuckets*3/4 {
			return
		}
		delete(b.byKey, key)
	}
}
