package quota

import (
	"sync"
	"time"
)

// maxBuckets bounds the memory of one quota: about 1 MiB.
const maxBuckets = 10_000

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
		return b.until(have.tokens)
	}
	have.tokens--
	b.byKey[key] = have
	return 0
}

// empty tells how long there is nothing left, and takes nothing.
func (b *buckets) empty(key string) time.Duration {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	have, ok := b.byKey[key]
	if !ok {
		return 0
	}
	if level := b.level(have, now); level < 1 {
		return b.until(level)
	}
	return 0
}

// until is when a level has risen to one.
func (b *buckets) until(level float64) time.Duration {
	return time.Duration((1 - level) / b.rate * float64(time.Second))
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
