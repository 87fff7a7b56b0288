package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// watcher is one open event socket.
type watcher struct {
	t    *testing.T
	conn *websocket.Conn
}

func (c *client) dial(after int64) (*websocket.Conn, *http.Response, error) {
	h := http.Header{}
	c.credentials(h)
	url := strings.Replace(c.w.server.URL, "http:", "ws:", 1) + Prefix + "/events"
	if after > 0 {
		url += "?after=" + strconv.FormatInt(after, 10)
	}
	return websocket.DefaultDialer.DialContext(c.w.t.Context(), url, h)
}

// watch opens a socket and reads its hello.
func (c *client) watch(after int64) (*watcher, Event) {
	c.w.t.Helper()
	conn, _, err := c.dial(after)
	if err != nil {
		c.w.t.Fatalf("opening the events socket: %v", err)
	}
	c.w.t.Cleanup(func() { conn.Close() })
	w := &watcher{c.w.t, conn}
	hello := w.next()
	if hello.Type != EventHello {
		c.w.t.Fatalf("the first frame is %+v", hello)
	}
	return w, hello
}

func (w *watcher) next() Event {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(patience))
	_, text, err := w.conn.ReadMessage()
	if err != nil {
		w.t.Fatalf("reading an event: %v", err)
	}
	var event Event
	if err := json.Unmarshal(text, &event); err != nil {
		w.t.Fatalf("event %s: %v", text, err)
	}
	return event
}

// until skips to the event that is waited for.
func (w *watcher) until(wanted func(Event) bool) Event {
	w.t.Helper()
	for {
		if event := w.next(); wanted(event) {
			return event
		}
	}
}

// closed reads until the end and returns the close code.
func (w *watcher) closed() int {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		_, _, err := w.conn.ReadMessage()
		var end *websocket.CloseError
		if errors.As(err, &end) {
			return end.Code
		}
		if err != nil {
			w.t.Fatalf("the socket ended with %v", err)
		}
	}
}

func TestEventsAreOrderedAndFiltered(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada, eve := admin.newUser("ada", streamspace.RoleUser), admin.newUser("eve", streamspace.RoleUser)
	all, _ := admin.watch(0)
	hers, _ := ada.watch(0)
	others, _ := eve.watch(0)

	session := ada.start("terminal")
	w.becomes(session.ID, streamspace.StateStarting)
	w.becomes(session.ID, streamspace.StateRunning)
	w.becomes(session.ID, streamspace.StateStopped)
	own := eve.start("terminal")

	for name, watcher := range map[string]*watcher{"admin": all, "owner": hers} {
		var last int64
		for ended := false; !ended; {
			event := watcher.next()
			if last == 0 && event.Subject != string(session.ID) {
				continue // was under way when the watcher came
			}
			if event.ID <= last || event.Subject != string(session.ID) {
				t.Errorf("%s: %+v after %d", name, event, last)
			}
			last = event.ID
			switch event.Type {
			case EventSessionCreated, EventSessionUpdated: // none when it stopped before it could be told
				if event.Session == nil || event.Session.ID != session.ID || event.Session.Owner.Username != "ada" {
					t.Errorf("%s: %+v", name, event)
				}
			case EventSessionDeleted:
				ended = true
			default:
				t.Errorf("%s: %+v", name, event)
			}
		}
	}
	if event := others.next(); event.Type != EventSessionCreated || event.Subject != string(own.ID) {
		t.Errorf("another user sees %+v", event)
	}
	if event := all.next(); event.Subject != string(own.ID) {
		t.Errorf("the administrator sees %+v", event)
	}
	if got := testutil.ToFloat64(w.metrics.subscribers); got != 3 {
		t.Errorf("%v subscribers", got)
	}
}

func TestEventsOfUsers(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	all, _ := admin.watch(0)
	hers, _ := ada.watch(0)
	eve := admin.newUser("eve", streamspace.RoleUser)
	name := "Ada Lovelace"
	ada.do("PATCH", "/me", UpdateMeRequest{DisplayName: &name}).into(200, nil)
	if event := hers.next(); event.Type != EventUserUpdated || event.Subject != string(ada.user.ID) {
		t.Errorf("ada sees %+v", event)
	}
	// That ada was made may still have been on its way when the socket opened.
	all.until(func(e Event) bool { return e.Type == EventUserCreated && e.Subject == string(eve.user.ID) })
	if event := all.next(); event.Type != EventUserUpdated || event.Subject != string(ada.user.ID) {
		t.Errorf("the administrator sees %+v", event)
	}
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	first, hello := ada.watch(0)
	session := ada.start("terminal")
	seen := first.next()
	if seen.ID <= hello.ID {
		t.Errorf("hello has the id %d, the next event %d", hello.ID, seen.ID)
	}
	first.conn.Close()
	w.becomes(session.ID, streamspace.StateStarting) // missed
	again, hello := ada.watch(seen.ID)
	if hello.ID != seen.ID {
		t.Errorf("resumed at %d, not at %d", hello.ID, seen.ID)
	}
	if event := again.next(); event.Type != EventSessionUpdated || event.Session.State != streamspace.StateStarting {
		t.Errorf("the missed event is %+v", event)
	}
	// What this database never had cannot be resumed.
	if lost, _ := ada.watch(1 << 40); lost.next().Type != EventResync {
		t.Error("no resync for an id from the future")
	}
}

func TestSlowSocketsCoalesce(t *testing.T) {
	t.Parallel()
	q := newNewsQueue()
	take := func() (ids []int64, subjects string, lost bool) {
		for {
			n, l, ok := q.take()
			if !ok {
				return
			}
			lost = lost || l
			if !l {
				ids, subjects = append(ids, n.id), subjects+n.subject
			}
		}
	}
	for id := range int64(1000) {
		q.offer(news{id: id + 1, kind: EventSessionUpdated, subject: "a"})
	}
	q.offer(news{id: 1001, kind: EventSessionCreated, subject: "b"})
	q.offer(news{kind: EventSessionUpdated, subject: "a"}) // viewers
	q.offer(news{id: 1002, kind: EventSessionDeleted, subject: "c"})
	if ids, subjects, lost := take(); len(ids) != 3 || ids[0] != 1000 || subjects != "abc" || lost {
		t.Errorf("took %v %q, lost %v", ids, subjects, lost)
	}
	for id := range int64(maxNews + 1) {
		q.offer(news{id: id + 1, kind: EventSessionCreated, subject: "x"})
	}
	q.offer(news{id: 2000, kind: EventSessionCreated, subject: "y"})
	if ids, subjects, lost := take(); !lost || len(ids) != 1 || subjects != "y" {
		t.Errorf("after an overflow %v %q, lost %v", ids, subjects, lost)
	}
}

func TestViewersAreTold(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	session, other := ada.start("terminal"), admin.start("terminal")
	hers, hello := ada.watch(0)
	viewer := func(s streamspace.SessionID) broker.Viewer {
		return broker.Viewer{ID: streamspace.NewViewerID(), Session: s, User: ada.user.ID}
	}
	for _, id := range []streamspace.SessionID{other.ID, session.ID, session.ID} {
		if err := w.broker.Join(t.Context(), viewer(id), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	event := hers.until(func(e Event) bool { return e.Session != nil && e.Session.Viewers == 2 })
	if event.Type != EventSessionUpdated || event.Subject != string(session.ID) || event.ID != hello.ID {
		t.Errorf("told %+v", event)
	}
}

// Whatever ends a login ends its sockets, and only its own.
func TestSocketsEndWithTheirLogin(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	yes := true
	role := streamspace.RoleUser
	for _, c := range []struct {
		name string
		end  func(t *testing.T, ada *client)
		stay bool // the bystander's, of another login of the same user
	}{
		{"sign out", func(t *testing.T, ada *client) { ada.do("POST", "/auth/logout", nil).into(204, nil) }, true},
		{"revoked elsewhere", func(t *testing.T, ada *client) {
			var logins LoginSessionList
			ada.do("GET", "/auth/logins", nil).into(200, &logins)
			other := w.client().signIn(ada.user.Username, userPassword)
			for _, l := range logins.Items {
				if l.Current {
					other.do("DELETE", "/auth/logins/"+string(l.ID), nil).into(204, nil)
				}
			}
		}, true},
		{"password changed elsewhere", func(t *testing.T, ada *client) {
			other := w.client().signIn(ada.user.Username, userPassword)
			other.do("POST", "/me/password", ChangePasswordRequest{CurrentPassword: userPassword, NewPassword: "yet another 1"}).into(204, nil)
		}, false},
		{"disabled", func(t *testing.T, ada *client) {
			admin.do("PATCH", "/users/"+string(ada.user.ID), UpdateUserRequest{Disabled: &yes}).into(200, nil)
		}, false},
		{"deleted", func(t *testing.T, ada *client) {
			admin.do("DELETE", "/users/"+string(ada.user.ID), nil).into(204, nil)
		}, false},
		{"key deleted", func(t *testing.T, ada *client) {
			var keys APIKeyList
			ada.do("GET", "/api-keys", nil).into(200, &keys)
			ada.do("DELETE", "/api-keys/"+string(keys.Items[0].ID), nil).into(204, nil)
		}, true},
	} {
		name := strings.ReplaceAll(c.name, " ", "-")
		ada := admin.newUser(name, streamspace.RoleUser)
		bystander := w.client().signIn(name, userPassword)
		watched := ada
		if c.name == "key deleted" {
			var key NewAPIKey
			ada.do("POST", "/api-keys", CreateAPIKeyRequest{Name: "bot"}).into(201, &key)
			watched = w.client()
			watched.bearer = key.Key
		}
		ends, _ := watched.watch(0)
		stays, _ := bystander.watch(0)
		c.end(t, ada)
		if code := ends.closed(); code != closeRevoked {
			t.Errorf("%s: closed with %d", c.name, code)
		}
		if !c.stay {
			if code := stays.closed(); code != closeRevoked {
				t.Errorf("%s: the other login's socket closed with %d", c.name, code)
			}
			continue
		}
		bystander.start("terminal")
		if event := stays.next(); event.Type != EventSessionCreated {
			t.Errorf("%s: the bystander sees %+v", c.name, event)
		}
	}

	// A former administrator sees only their own from then on.
	second := admin.newUser("second", streamspace.RoleAdmin)
	watching, _ := second.watch(0)
	admin.do("PATCH", "/users/"+string(second.user.ID), UpdateUserRequest{Role: &role}).into(200, nil)
	watching.until(func(e Event) bool { return e.Type == EventResync })
	admin.start("terminal")
	own := second.start("terminal")
	if event := watching.until(func(e Event) bool { return e.Type == EventSessionCreated }); event.Subject != string(own.ID) {
		t.Errorf("a former administrator sees %+v", event)
	}
}

func TestSocketsOfForeignPagesAndStrangers(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	refused := func(c *client, status int, code streamspace.Code) {
		t.Helper()
		conn, response, err := c.dial(0)
		if err == nil {
			conn.Close()
			t.Fatal("the socket opened")
		}
		var p Problem
		if err := json.NewDecoder(response.Body).Decode(&p); err != nil || response.StatusCode != status || p.Code != code {
			t.Errorf("refused with %d %+v, %v", response.StatusCode, p, err)
		}
	}
	refused(w.client(), 401, streamspace.CodeUnauthenticated)
	admin.header.Set("Origin", "https://evil.example")
	refused(admin, 403, streamspace.CodeOriginForbidden)
	admin.header.Set("Origin", w.server.URL)
	for range maxSockets {
		admin.watch(0)
	}
	refused(admin, 429, streamspace.CodeThrottled)
	admin.header = http.Header{}
	admin.do("GET", "/events", nil).fails(429, streamspace.CodeThrottled)
	ada := admin.newUser("ada", streamspace.RoleUser)
	ada.do("GET", "/events", nil).fails(400, streamspace.CodeInvalid) // no upgrade
	w.stop()
	refused(ada, 503, streamspace.CodeUnavailable)
}

func TestSocketsEndWithTheServer(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	socket, _ := admin.watch(0)
	w.stop() // returns only when every socket has ended
	if code := socket.closed(); code != websocket.CloseServiceRestart {
		t.Errorf("closed with %d", code)
	}
	if got := testutil.ToFloat64(w.metrics.subscribers); got != 0 {
		t.Errorf("%v subscribers", got)
	}
}

// The client sends nothing but control frames; more is cut.
func TestSocketsAreForReading(t *testing.T) {
	w := newWorld(t)
	socket, _ := w.admin().watch(0)
	if err := socket.conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", maxClientFrame+1))); err != nil {
		t.Fatal(err)
	}
	if code := socket.closed(); code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %d", code)
	}
}
