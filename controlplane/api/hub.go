package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/store"
)

const (
	// maxSockets bounds the event sockets of one user: a tab has one.
	maxSockets = 32
	// presenceBuffer holds the broker's events of a busy second.
	presenceBuffer = 1024
	// presenceEvery is how often a change in a session's viewers is told: a
	// reconnecting viewer leaves and joins within it.
	presenceEvery = 500 * time.Millisecond
	// presenceRetry is the pause after the broker was lost.
	presenceRetry = time.Second
)

// hub knows the open event sockets, and tells them what is no row: who watches.
type hub struct {
	api     *API
	sockets sync.WaitGroup // one for each socket that has entered

	mu      sync.Mutex
	closing chan struct{}                       // guarded by mu; nil while Run does not run, closed when it ends
	perUser map[streamspace.UserID]int          // guarded by mu
	open    map[*socket]struct{}                // guarded by mu
	changed map[streamspace.SessionID]time.Time // guarded by mu; sessions whose viewers or picture changed since that was told
}

func newHub(a *API) *hub {
	return &hub{
		api: a, perUser: make(map[streamspace.UserID]int), open: make(map[*socket]struct{}),
		changed: make(map[streamspace.SessionID]time.Time),
	}
}

func (h *hub) run(ctx context.Context) error {
	closing := make(chan struct{})
	h.mu.Lock()
	h.closing = closing
	h.mu.Unlock()
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		h.listen(ctx)
	}()
	tick := time.NewTicker(presenceEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			h.tellPresence(ctx)
		case <-ctx.Done():
			running = false
		}
	}
	h.mu.Lock()
	h.closing = nil
	h.mu.Unlock()
	close(closing)
	<-listening
	h.sockets.Wait()
	return nil
}

// enter admits one more socket of the user; leave is called when it has ended.
func (h *hub) enter(user streamspace.UserID) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing == nil {
		p := problem(streamspace.CodeUnavailable, "The server is starting or shutting down. Try again in a moment.")
		p.retryAfter = retryUnavailable
		return nil, p
	}
	if h.perUser[user] >= maxSockets {
		return nil, problem(streamspace.CodeThrottled, "Too many open event sockets. Close some tabs.")
	}
	h.perUser[user]++
	h.sockets.Add(1)
	return func() {
		h.mu.Lock()
		if h.perUser[user]--; h.perUser[user] == 0 {
			delete(h.perUser, user)
		}
		h.mu.Unlock()
		h.sockets.Done()
	}, nil
}

// add makes the socket known for what is told to all, and returns the channel
// that closes with the hub.
func (h *hub) add(s *socket) (closing <-chan struct{}, remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[s] = struct{}{}
	h.api.metrics.subscribers.Inc()
	if h.closing == nil { // it began to close since the socket entered
		closed := make(chan struct{})
		close(closed)
		closing = closed
	} else {
		closing = h.closing
	}
	return closing, func() {
		h.mu.Lock()
		delete(h.open, s)
		h.mu.Unlock()
		h.api.metrics.subscribers.Dec()
	}
}

// each calls f with every open socket; f does not block.
func (h *hub) each(f func(*socket)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open {
		f(s)
	}
}

// listen notes whose viewers or picture change, until ctx ends.
func (h *hub) listen(ctx context.Context) {
	for again := false; ctx.Err() == nil; again = true {
		err := h.follow(ctx, again)
		if ctx.Err() != nil {
			return
		}
		h.api.Logger.Warn("broker events lost, trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(presenceRetry):
		}
	}
}

// follow hears the broker until it is lost. again says that it was lost before:
// it may have forgotten what it was told.
func (h *hub) follow(ctx context.Context, again bool) error {
	sub, err := h.api.Broker.Subscribe(ctx, presenceBuffer)
	if err != nil {
		return err
	}
	defer sub.Close()
	if again {
		if err := h.api.enforceAgain(ctx); err != nil {
			return err
		}
	}
	for {
		event, err := sub.Next(ctx)
		switch {
		case errors.Is(err, broker.ErrDropped):
			h.each(func(s *socket) { s.queue.lose() })
		case err != nil:
			return err
		case event.Kind == broker.EventReset:
			if err := h.api.enforceAgain(ctx); err != nil {
				return err // and it is done again with the next subscription
			}
		case event.Kind == broker.EventPresence, event.Kind == broker.EventThumbnail:
			h.mu.Lock()
			if len(h.open) > 0 { // nobody to tell, nothing to remember
				h.changed[event.Session] = h.api.Now()
			}
			h.mu.Unlock()
		}
	}
}

// tellPresence offers what changed since the last time to those who may see it.
func (h *hub) tellPresence(ctx context.Context) {
	h.mu.Lock()
	changed := h.changed
	h.changed = make(map[streamspace.SessionID]time.Time)
	h.mu.Unlock()
	for id, at := range changed {
		row, err := h.api.Store.SessionByID(ctx, id)
		if err = store.Classify(err); err != nil {
			if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
				h.each(func(s *socket) { s.queue.lose() })
			}
			continue
		}
		h.each(func(s *socket) {
			s.offer(news{kind: EventSessionUpdated, at: at, subject: string(id), owner: row.OwnerID})
		})
	}
}
