package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

const (
	// pingEvery is under the minute after which proxies cut silent connections.
	pingEvery = 25 * time.Second
	// pongWait allows for one lost ping.
	pongWait = 2*pingEvery + 10*time.Second
	// writeWait is how long a client may leave its socket full.
	writeWait = 10 * time.Second
	// maxClientFrame is for control frames: clients have nothing to say here.
	maxClientFrame = 512
	// feedBuffer is what waits between the feed and a socket's queue; the
	// socket only moves it on, so it stays nearly empty.
	feedBuffer = 512
	// subscribeWait is how long a socket waits for a feed that has no database.
	subscribeWait = 5 * time.Second

	// closeRevoked is the close code of streams for the same reason, so that
	// clients have one table.
	closeRevoked = 4001
)

// socket is one open event socket.
type socket struct {
	api    *API
	conn   *websocket.Conn
	queue  *newsQueue
	admin  atomic.Bool // whether the caller sees everything; written by write
	shared sharedSet   // what others share with the caller; has its own lock
	caller caller      // immutable but for the role, which write owns
	lastID int64       // owned by write; newest event that was sent
}

// ending is why a socket ends, as its close frame says it.
type endingError struct {
	code int
	text string
}

func (e *endingError) Error() string { return fmt.Sprintf("closing with %d %s", e.code, e.text) }

var (
	errRevoked  = &endingError{closeRevoked, string(streamspace.CodeAccessRevoked)}
	errRestart  = &endingError{websocket.CloseServiceRestart, "restart"}
	errTryAgain = &endingError{websocket.CloseTryAgainLater, string(streamspace.CodeUnavailable)}
)

// serve upgrades the request and returns when the socket has ended.
func (h *hub) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller, after int64) {
	a := h.api
	waiting, cancel := context.WithTimeout(ctx, subscribeWait)
	sub, err := a.Feed.Subscribe(waiting, after, feedBuffer)
	cancel()
	if err != nil {
		a.writeProblem(w, exchangeOf(ctx), a.problemOf(ctx, err))
		return
	}
	defer sub.Close()
	upgrader := websocket.Upgrader{
		HandshakeTimeout: writeWait,
		CheckOrigin:      func(*http.Request) bool { return true }, // guard has checked it
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			a.writeProblem(w, exchangeOf(ctx), problemStatus(status, streamspace.CodeInvalid, "This is a WebSocket endpoint: "+reason.Error()+"."))
		},
	}
	conn, err := upgrader.Upgrade(w, r, http.Header{requestIDHeader: {c.RequestID}})
	if err != nil {
		return // the upgrader has answered
	}
	s := &socket{api: a, conn: conn, queue: newNewsQueue(), caller: c, lastID: sub.Start}
	s.admin.Store(c.Admin())
	s.readShared(ctx) // after the subscription began: what changes since is told
	closing, remove := h.add(s)
	defer remove()
	s.run(ctx, sub, after, closing)
}

// run works until the client goes, the login ends, or the hub closes.
func (s *socket) run(ctx context.Context, sub *store.EventSubscription, after int64, closing <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		defer cancel()
		s.read()
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		defer cancel()
		s.pull(ctx, sub)
	}()
	if after > 0 {
		s.lastID = after
	}
	err := s.write(ctx, closing)
	var end *endingError
	if errors.As(err, &end) {
		message := websocket.FormatCloseMessage(end.code, end.text)
		if err := s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(writeWait)); err != nil {
			s.api.Logger.Debug("close frame not sent", "error", err, "request_id", s.caller.RequestID)
		}
	}
	cancel()
	s.conn.Close() // ends read
	<-done
	<-done
}

// read takes pongs, and sees the client go.
func (s *socket) read() {
	s.conn.SetReadLimit(maxClientFrame)
	alive := func(string) error { return s.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	s.conn.SetPongHandler(alive)
	if alive("") != nil {
		return
	}
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			return
		}
	}
}

// pull moves what the caller might see from the feed into the queue.
func (s *socket) pull(ctx context.Context, sub *store.EventSubscription) {
	for {
		event, err := sub.Next(ctx)
		if errors.Is(err, store.ErrDropped) {
			s.readShared(ctx)
			s.queue.lose()
			continue
		}
		if err != nil {
			return
		}
		n := news{id: event.ID, kind: EventType(event.Type), at: event.CreatedAt, subject: event.Subject}
		if event.Owner != nil {
			n.owner = *event.Owner
		}
		if n.owner == s.caller.ID {
			s.shared.note(n.kind, streamspace.SessionID(n.subject))
		}
		s.offer(n)
	}
}

// offer leaves out what is certainly not the caller's, so that others' doings
// do not fill the queue. tell looks again.
func (s *socket) offer(n news) {
	if n.owner == s.caller.ID || s.admin.Load() || s.shared.has(n) {
		s.queue.offer(n)
	}
}

// write is the only writer of data frames and the owner of what the socket knows.
func (s *socket) write(ctx context.Context, closing <-chan struct{}) error {
	if err := s.send(Event{ID: s.lastID, Type: EventHello, At: wireTime(s.api.Now())}); err != nil {
		return err
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-closing:
			return errRestart
		case <-ctx.Done():
			return ctx.Err()
		case <-ping.C:
			if err := s.check(ctx); err != nil { // a login may have run out
				return err
			}
			if err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)); err != nil {
				return err
			}
		case <-s.queue.wake:
			if err := s.drain(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *socket) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		n, lost, ok := s.queue.take()
		if !ok {
			return nil
		}
		var err error
		if lost {
			err = s.resync(ctx)
		} else {
			err = s.tell(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// resync says that something was lost. What was lost may have been the end of
// this login.
func (s *socket) resync(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	s.api.metrics.resyncs.Inc()
	return s.send(Event{ID: s.lastID, Type: EventResync, At: wireTime(s.api.Now())})
}

// tell sends the news if the caller may see it.
func (s *socket) tell(ctx context.Context, n news) error {
	if n.id != 0 {
		s.lastID = n.id
	}
	if s.concerns(n) {
		was := s.caller.Role
		if err := s.check(ctx); err != nil {
			return err
		}
		if s.caller.Role != was { // what may be seen has changed
			return s.send(Event{ID: s.lastID, Type: EventResync, At: wireTime(n.at)})
		}
	}
	own := n.owner == s.caller.ID
	switch n.kind {
	case EventSessionCreated, EventSessionUpdated:
		return s.tellSession(ctx, n)
	case EventSessionShared, EventSessionUnshared:
		if !own { // of somebody else's invitation
			return nil
		}
		return s.tellSession(ctx, n)
	case EventSessionDeleted: // who is invited gets session.unshared
		if !own && !s.caller.Admin() {
			return nil
		}
	case EventSessionShares:
		if !own && !s.caller.Admin() {
			return nil
		}
	case EventUserUpdated:
		if !own && !s.caller.Admin() {
			return nil
		}
	case EventUserCreated, EventUserDeleted:
		if !s.caller.Admin() {
			return nil
		}
	default: // credentials that ended, and what later versions write
		return nil
	}
	return s.send(Event{ID: s.lastID, Type: n.kind, At: wireTime(n.at), Subject: n.subject})
}

// tellSession sends the session as it is now to whom may see it now.
func (s *socket) tellSession(ctx context.Context, n news) error {
	event := Event{ID: s.lastID, Type: n.kind, At: wireTime(n.at), Subject: n.subject}
	row, given, err := s.api.visibleSession(ctx, s.caller, SessionPath{ID: n.subject})
	var refused *Problem
	switch {
	case errors.As(err, &refused): // gone with its owner, or no longer shared
		if event.Type == EventSessionShared || n.owner != s.caller.ID && !s.caller.Admin() {
			return nil // session.unshared is on the way
		}
		if event.Type != EventSessionUnshared {
			event.Type = EventSessionDeleted
		}
	case err != nil:
		return errTryAgain // and ask for what comes after the last frame
	case event.Type == EventSessionUnshared:
		if given.share != nil { // and shared again since
			return nil
		}
	case row.Session.State == streamspace.StateStopped:
		return nil // its session.deleted is on the way
	default:
		body := s.api.sessionBody(ctx, row.Session, row.Username, given)
		event.Session = &body
	}
	return s.send(event)
}

// concerns tells whether the news may end or change the caller's rights.
func (s *socket) concerns(n news) bool {
	switch string(n.kind) {
	case store.EventLoginDeleted:
		return n.subject == string(s.caller.Login)
	case store.EventAPIKeyDeleted:
		return n.subject == string(s.caller.Key)
	case store.EventUserUpdated, store.EventUserDeleted:
		return n.subject == string(s.caller.ID)
	}
	return false
}

// check ends the socket when its credential has ended, and learns the caller's
// role anew otherwise.
func (s *socket) check(ctx context.Context) error {
	alive, err := s.api.Identity.Alive(ctx, s.caller.Principal)
	if err != nil {
		return errTryAgain
	}
	if !alive {
		return errRevoked
	}
	account, err := s.api.Identity.Account(ctx, s.caller.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errRevoked
	case err != nil:
		return errTryAgain
	}
	s.caller.Role = account.Role
	s.admin.Store(s.caller.Admin())
	return nil
}

func (s *socket) send(event Event) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	return s.conn.WriteJSON(event)
}
