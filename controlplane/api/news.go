package api

import (
	"slices"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
)

// maxNews bounds what waits for one socket: a client that is this far behind
// reads everything again sooner than all of it.
const maxNews = 256

// news is something that happened and waits to be told. What it looks like is
// read when it is sent, so that a slow client gets the newest.
type news struct {
	id      int64 // of the outbox; 0 for what is no row
	kind    EventType
	at      time.Time
	subject string
	owner   streamspace.UserID // empty: administrators only
}

// newsQueue is what waits for one socket.
type newsQueue struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	items []news // guarded by mu; at most maxNews
	lost  bool   // guarded by mu; items were dropped
}

func newNewsQueue() *newsQueue { return &newsQueue{wake: make(chan struct{}, 1)} }

// offer appends; of several updates of one session that wait, the last stays.
func (q *newsQueue) offer(n news) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n.kind == EventSessionUpdated {
		same := func(other news) bool { return other.kind == n.kind && other.subject == n.subject }
		if n.id == 0 && slices.ContainsFunc(q.items, same) {
			return // what waits will show it, and its id must not be passed by a later one's
		}
		q.items = slices.DeleteFunc(q.items, same)
	}
	q.items = append(q.items, n)
	if len(q.items) > maxNews {
		q.items, q.lost = nil, true
	}
	q.ring()
}

// lose notes that something was not heard of.
func (q *newsQueue) lose() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items, q.lost = nil, true
	q.ring()
}

// take returns the next piece, or lost once for any number of dropped ones.
func (q *newsQueue) take() (n news, lost, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost {
		q.lost = false
		return news{}, true, true
	}
	if len(q.items) == 0 {
		return news{}, false, false
	}
	n, q.items = q.items[0], q.items[1:]
	return n, false, true
}

func (q *newsQueue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
