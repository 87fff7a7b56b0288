package memory

import (
	"time"

	"github.com/streamspace/streamspace/broker"
)

// sweepEvery is how long things that have ended may still take memory. A sweep
// looks at everything, so it is rare against the calls that pay for it.
const sweepEvery = time.Minute

// table holds values that end by themselves.
type table[K comparable, V any] map[K]mortal[V]

type mortal[V any] struct {
	value   V
	expires time.Time // from this moment on it is not there
}

func (t table[K, V]) put(key K, value V, expires time.Time) {
	t[key] = mortal[V]{value, expires}
}

func (t table[K, V]) get(key K, now time.Time) (value V, ok bool) {
	if entry, found := t[key]; found && now.Before(entry.expires) {
		return entry.value, true
	}
	return value, false
}

// values returns what is alive, in no order.
func (t table[K, V]) values(now time.Time) []V {
	values := make([]V, 0, len(t))
	for _, entry := range t {
		if now.Before(entry.expires) {
			values = append(values, entry.value)
		}
	}
	return values
}

// sweep forgets what has ended and says whether there was any.
func (t table[K, V]) sweep(now time.Time) bool {
	before := len(t)
	for key, entry := range t {
		if !now.Before(entry.expires) {
			delete(t, key)
		}
	}
	return len(t) < before
}

// sweep forgets everything that has ended; the caller holds mu.
func (b *Broker) sweep(now time.Time) {
	b.claims.sweep(now)
	b.touches.sweep(now)
	b.redeemed.sweep(now)
	b.revocations.sweep(now)
	b.thumbnails.sweep(now)
	b.nodes.sweep(now)
	b.spent.sweep(now)
	for session, viewers := range b.viewers {
		if viewers.sweep(now) {
			b.tell(broker.Event{Kind: broker.EventPresence, Session: session})
		}
		if len(viewers) == 0 {
			delete(b.viewers, session)
		}
	}
}
