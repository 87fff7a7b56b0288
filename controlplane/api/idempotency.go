package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	idempotencyLife = 24 * time.Hour
	// maxIdempotencyKeys bounds what one user can make us remember.
	maxIdempotencyKeys = 100
)

// idempotency remembers which session a request with an Idempotency-Key made,
// so that a repeated one makes no second. It is this process's memory: after a
// restart, a repeated request is a new one.
type idempotency struct {
	now func() time.Time // immutable

	mu     sync.Mutex
	byUser map[streamspace.UserID]map[string]*madeSession // guarded by mu
}

type madeSession struct {
	body [sha256.Size]byte // immutable; of the request
	at   time.Time         // immutable
	done chan struct{}     // closed when id is known, or the attempt failed
	id   streamspace.SessionID
}

func newIdempotency(now func() time.Time) *idempotency {
	return &idempotency{now: now, byUser: make(map[streamspace.UserID]map[string]*madeSession)}
}

// do calls create, or returns the id that an earlier call with the key made.
func (m *idempotency) do(ctx context.Context, user streamspace.UserID, key string, body CreateSessionRequest,
	create func() (streamspace.SessionID, error)) (streamspace.SessionID, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	for {
		made, first := m.claim(user, key, sum)
		if first {
			id, err := create()
			m.settle(user, key, made, id)
			return id, err
		}
		if made == nil {
			return "", problem(streamspace.CodeThrottled, "Too many idempotency keys within a day.")
		}
		if made.body != sum {
			return "", problem(streamspace.CodeConflict, "This Idempotency-Key was used for another request.")
		}
		select {
		case <-made.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if made.id != "" {
			return made.id, nil
		}
	}
}

func (m *idempotency) claim(user streamspace.UserID, key string, sum [sha256.Size]byte) (made *madeSession, first bool) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := m.byUser[user]
	if keys == nil {
		keys = make(map[string]*madeSession)
		m.byUser[user] = keys
	}
	for other, made := range keys {
		if now.Sub(made.at) > idempotencyLife {
			delete(keys, other)
		}
	}
	if made := keys[key]; made != nil {
		return made, false
	}
	if len(keys) >= maxIdempotencyKeys {
		return nil, false
	}
	made = &madeSession{body: sum, at: now, done: make(chan struct{})}
	keys[key] = made
	return made, true
}

// settle makes the result known; a failed attempt is forgotten.
func (m *idempotency) settle(user streamspace.UserID, key string, made *madeSession, id streamspace.SessionID) {
	m.mu.Lock()
	made.id = id
	if id == "" {
		delete(m.byUser[user], key)
	}
	m.mu.Unlock()
	close(made.done)
}
