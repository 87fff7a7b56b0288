package api

import (
	"context"
	"slices"
	"sync"

	"github.com/streamspace/streamspace"
)

// sharedSet is which of others' sessions may concern a socket, so that the
// rest does not fill its queue. Whether the caller may see one is asked when
// it is told.
type sharedSet struct {
	mu  sync.Mutex
	ids map[streamspace.SessionID]struct{} // guarded by mu
	all bool                               // guarded by mu; they could not be read
}

// readShared reads the set anew.
func (s *socket) readShared(ctx context.Context) {
	ids, err := s.api.Store.SharedSessionIDs(ctx, string(s.caller.ID))
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.shared.all, s.shared.ids = err != nil, make(map[streamspace.SessionID]struct{}, len(ids))
	for _, id := range ids {
		s.shared.ids[id] = struct{}{}
	}
}

// note follows what is told to the caller.
func (s *sharedSet) note(kind EventType, id streamspace.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case EventSessionShared:
		s.ids[id] = struct{}{}
	case EventSessionUnshared:
		delete(s.ids, id)
	}
}

// has tells whether the news is of a session that is shared with the caller.
func (s *sharedSet) has(n news) bool {
	if !slices.Contains([]EventType{EventSessionCreated, EventSessionUpdated}, n.kind) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.ids[streamspace.SessionID(n.subject)]
	return known || s.all
}
