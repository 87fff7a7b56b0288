// Package room is who is at a desktop and who of them has control: a state
// machine without goroutines, locks or clocks, and the messages in which viewers
// are told and ask.
//
// It sends nothing. Its owner calls a method for what happened, takes the
// [Changes] and tells those whom they concern.
package room

import (
	"slices"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// PassAfter is how long a holder has to answer a request: long enough to
	// read it and to move the mouse to a button.
	PassAfter = 15 * time.Second
	// IdleAfter without input a holder counts as not there.
	IdleAfter = 10 * time.Second
	// RequestLife ends a request that a busy holder does not answer.
	RequestLife = time.Minute
)

// Member is one viewer.
type Member struct {
	ID          streamspace.ViewerID     `json:"id"`
	Name        string                   `json:"name"` // what others are shown; may be empty
	Permissions []streamspace.Permission `json:"permissions"`
	Since       time.Time                `json:"since"`
	Guest       bool                     `json:"guest"` // came by a link, without an account
}

// Allows tells whether the member has the permission.
func (m Member) Allows(p streamspace.Permission) bool { return slices.Contains(m.Permissions, p) }

// Changes is what happened since the last look.
type Changes struct {
	Viewers  bool                   // somebody came or left
	Control  bool                   // who has control, or who asks for it
	Lost     []streamspace.ViewerID // had control and have it no more: what they hold down is to be released
	Refusals []Refusal
}

// Any tells whether there is anything to tell.
func (c Changes) Any() bool {
	return c.Viewers || c.Control || len(c.Lost) > 0 || len(c.Refusals) > 0
}

// Refusal is why somebody did not get what he asked for.
type Refusal struct {
	To      streamspace.ViewerID
	Request CommandType
	Code    streamspace.Code
	Detail  string // a sentence for people
}

// What a refused request has as its code, besides those of every API.
const (
	CodeDenied  streamspace.Code = "denied"  // the holder said no
	CodeExpired streamspace.Code = "expired" // the holder did not answer and did not stop
)

// Room is the state. One goroutine at a time may use it.
type Room struct {
	members  []member // in the order of their coming
	holder   streamspace.ViewerID
	acted    time.Time // when the holder last gave input, or got control
	idle     bool      // as last told
	requests []request // oldest first
	changes  Changes
}

type member struct {
	Member
	released bool // gave control back, and takes it again only on purpose
}

type request struct {
	from streamspace.ViewerID
	at   time.Time
}

// Join lets a member in.
func (r *Room) Join(m Member) {
	r.members = append(r.members, member{Member: m})
	r.changes.Viewers = true
}

// Leave lets a member out. What the holder leaves goes to whoever asked first.
func (r *Room) Leave(id streamspace.ViewerID, now time.Time) {
	before := len(r.members)
	r.members = slices.DeleteFunc(r.members, func(m member) bool { return m.ID == id })
	if len(r.members) == before {
		return
	}
	r.changes.Viewers = true
	r.forget(id)
	if r.holder == id {
		r.handOn(now)
	}
}

// Reclaim gives free control back to a member that had it in the room that this
// one follows.
func (r *Room) Reclaim(id streamspace.ViewerID, now time.Time) {
	if m := r.find(id); r.holder == "" && m != nil && m.Allows(streamspace.PermissionControl) {
		r.grant(id, now)
	}
}

// Len is how many are here.
func (r *Room) Len() int { return len(r.members) }

// Holder returns who has control, empty for nobody.
func (r *Room) Holder() streamspace.ViewerID { return r.holder }

// First returns who came first of those who may control, empty for nobody.
func (r *Room) First() streamspace.ViewerID {
	for _, m := range r.members {
		if m.Allows(streamspace.PermissionControl) {
			return m.ID
		}
	}
	return ""
}

// Input notes that a member did something, and tells whether it may act on the
// desktop. Free control goes to whoever acts first. purpose says that the
// input was more than a pointer that passed by: who gave control back does not
// take it again by that.
func (r *Room) Input(id streamspace.ViewerID, purpose bool, now time.Time) bool {
	if r.holder == id {
		r.acted = now
		if r.idle {
			r.idle, r.changes.Control = false, true
		}
		return true
	}
	if r.holder != "" {
		return false
	}
	m := r.find(id)
	if m == nil || !m.Allows(streamspace.PermissionControl) || m.released && !purpose {
		return false
	}
	r.grant(id, now)
	return true
}

// Do carries out what a member asks for.
func (r *Room) Do(from streamspace.ViewerID, c Command, now time.Time) {
	m := r.find(from)
	if m == nil {
		return
	}
	switch c.Type {
	case ControlRequest:
		r.request(m, now)
	case ControlRelease:
		r.release(m, now)
	case ControlGive:
		r.give(m, c.To, now)
	case ControlDeny:
		r.deny(m, c.To)
	case ControlTake:
		switch {
		case !m.Allows(streamspace.PermissionAdmin) || !m.Allows(streamspace.PermissionControl):
			r.refuse(from, c.Type, streamspace.CodeForbidden, "Only the session's owner can take control from others.")
		default:
			r.grant(from, now)
		}
	case ControlReset:
		if !m.Allows(streamspace.PermissionAdmin) {
			r.refuse(from, c.Type, streamspace.CodeForbidden, "Only the session's owner can take control from others.")
			return
		}
		for _, q := range r.requests {
			r.refuse(q.from, ControlRequest, CodeDenied, "The session's owner has reset control. You can ask again.")
		}
		r.requests = nil
		if held := r.find(r.holder); held != nil {
			held.released = true
		}
		r.free()
		r.changes.Control = true
	}
}

func (r *Room) request(m *member, now time.Time) {
	switch {
	case !m.Allows(streamspace.PermissionControl):
		r.refuse(m.ID, ControlRequest, streamspace.CodeForbidden, "You may watch this session, but not control it.")
	case r.holder == m.ID:
		r.changes.Control = true // tell it again: the page seems not to know
	case r.holder == "":
		r.grant(m.ID, now)
	case !slices.ContainsFunc(r.requests, func(q request) bool { return q.from == m.ID }):
		r.requests = append(r.requests, request{m.ID, now})
		r.changes.Control = true
	}
}

// release gives control back, or takes a request back.
func (r *Room) release(m *member, now time.Time) {
	if r.holder != m.ID {
		r.forget(m.ID)
		return
	}
	m.released = true
	r.handOn(now)
}

func (r *Room) give(m *member, to streamspace.ViewerID, now time.Time) {
	other := r.find(to)
	switch {
	case r.holder != m.ID:
		r.refuse(m.ID, ControlGive, streamspace.CodeConflict, "You do not have control.")
	case other == nil:
		r.refuse(m.ID, ControlGive, streamspace.CodeNotFound, "This viewer has left.")
	case !other.Allows(streamspace.PermissionControl):
		r.refuse(m.ID, ControlGive, streamspace.CodeForbidden, "This viewer may watch, but not control.")
	case other != m:
		m.released = true // or the next move of the mouse would take a control that became free
		r.grant(to, now)
	}
}

func (r *Room) deny(m *member, to streamspace.ViewerID) {
	switch {
	case r.holder != m.ID:
		r.refuse(m.ID, ControlDeny, streamspace.CodeConflict, "You do not have control.")
	case !r.forget(to):
		r.refuse(m.ID, ControlDeny, streamspace.CodeNotFound, "There is no such request any more.")
	default:
		r.refuse(to, ControlRequest, CodeDenied, "Whoever has control wants to keep it.")
	}
}

// Tick does what time brings, and returns when to call it again; zero for when
// something else happens first.
func (r *Room) Tick(now time.Time) (next time.Time) {
	r.expire(now)
	idle := r.holder != "" && now.Sub(r.acted) >= IdleAfter
	if idle != r.idle {
		r.idle, r.changes.Control = idle, true
	}
	if idle && len(r.requests) > 0 && now.Sub(r.requests[0].at) >= PassAfter {
		r.grant(r.requests[0].from, now)
	}
	return r.due(now)
}

// expire ends the requests that are too old. They are in order.
func (r *Room) expire(now time.Time) {
	for len(r.requests) > 0 && now.Sub(r.requests[0].at) >= RequestLife {
		from := r.requests[0].from
		r.forget(from)
		r.refuse(from, ControlRequest, CodeExpired, "Nobody answered. Whoever has control is busy.")
	}
}

// due is when Tick would do something next. A member who is alone has nobody
// whom it would concern.
func (r *Room) due(now time.Time) (next time.Time) {
	if len(r.members) < 2 {
		return next
	}
	consider := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if r.holder != "" {
		consider(r.acted.Add(IdleAfter))
	}
	if len(r.requests) > 0 {
		consider(r.requests[0].at.Add(PassAfter))
		consider(r.requests[0].at.Add(RequestLife))
	}
	return next
}

// Changes returns what happened since the last call, and forgets it.
func (r *Room) Changes() Changes {
	c := r.changes
	r.changes = Changes{}
	return c
}

// grant makes id the holder.
func (r *Room) grant(id streamspace.ViewerID, now time.Time) {
	if r.holder != id {
		r.free()
	}
	r.forget(id)
	r.holder, r.acted, r.idle = id, now, false
	if m := r.find(id); m != nil {
		m.released = false
	}
	r.changes.Control = true
}

// handOn takes control from its holder, and gives it to whoever asked first.
func (r *Room) handOn(now time.Time) {
	r.free()
	if len(r.requests) > 0 {
		r.grant(r.requests[0].from, now)
	}
}

func (r *Room) free() {
	if r.holder == "" {
		return
	}
	r.changes.Lost = append(r.changes.Lost, r.holder)
	r.holder, r.idle, r.changes.Control = "", false, true
}

// forget drops a request, and tells whether there was one.
func (r *Room) forget(id streamspace.ViewerID) bool {
	before := len(r.requests)
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool { return q.from == id })
	gone := len(r.requests) != before
	r.changes.Control = r.changes.Control || gone
	return gone
}

func (r *Room) refuse(to streamspace.ViewerID, request CommandType, code streamspace.Code, detail string) {
	r.changes.Refusals = append(r.changes.Refusals, Refusal{To: to, Request: request, Code: code, Detail: detail})
}

func (r *Room) find(id streamspace.ViewerID) *member {
	for i := range r.members {
		if r.members[i].ID == id {
			return &r.members[i]
		}
	}
	return nil
}
