package room

import (
	"slices"
	"time"

	"github.com/streamspace/streamspace"
)

// Who is who is here, as another gateway is told.
type Who struct {
	Members []Member `json:"members"`
}

// Held is who has control, as another gateway is told.
type Held struct {
	Holder   streamspace.ViewerID `json:"holder"`
	Idle     bool                 `json:"idle"`
	Requests []Asked              `json:"requests"`
}

// Asked is a request for control.
type Asked struct {
	From streamspace.ViewerID `json:"from"`
	At   time.Time            `json:"at"`
}

// Who returns all members.
func (r *Room) Who() Who {
	w := Who{Members: make([]Member, len(r.members))}
	for i, m := range r.members {
		w.Members[i] = m.Member
	}
	return w
}

// Held returns who has control.
func (r *Room) Held() Held {
	h := Held{Holder: r.holder, Idle: r.idle, Requests: make([]Asked, len(r.requests))}
	for i, q := range r.requests {
		h.Requests[i] = Asked{q.from, q.at}
	}
	return h
}

// CopyWho makes the members those of another room. A room that is a copy is
// never told the time, nor asked for anything.
func (r *Room) CopyWho(w Who) {
	r.members = make([]member, len(w.Members))
	for i, m := range w.Members {
		r.members[i] = member{Member: m}
	}
	r.changes.Viewers = true
}

// CopyHeld makes whoever has control in another room have it here.
func (r *Room) CopyHeld(h Held) {
	if r.holder != "" && r.holder != h.Holder {
		r.changes.Lost = append(r.changes.Lost, r.holder)
	}
	r.holder, r.idle, r.requests = h.Holder, h.Idle, nil
	for _, q := range h.Requests {
		r.requests = append(r.requests, request{q.From, q.At})
	}
	r.changes.Control = true
}

// Part makes a copy a room of its own: of the members those stay for which here
// holds, and control with whoever of them has it.
func (r *Room) Part(here func(streamspace.ViewerID) bool, now time.Time) {
	r.members = slices.DeleteFunc(r.members, func(m member) bool { return !here(m.ID) })
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool { return !here(q.from) })
	if r.holder != "" && !here(r.holder) {
		r.holder = ""
	}
	r.acted, r.idle = now, false
	r.changes.Viewers, r.changes.Control = true, true
}
