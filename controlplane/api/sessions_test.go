package api

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

func TestTemplates(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	var list TemplateList
	admin.do("GET", "/templates", nil).into(200, &list)
	if len(list.Items) != 2 {
		t.Fatalf("templates %+v", list.Items)
	}
	terminal, cad := list.Items[0], list.Items[1]
	if !terminal.Installed || terminal.IdleTimeoutSeconds != 3600 || terminal.InstallCommand != "" || terminal.Tags == nil || terminal.Missing == nil {
		t.Errorf("terminal is %+v", terminal)
	}
	if cad.Installed || cad.InstallCommand != "apt install freecad" || !slices.Equal(cad.Missing, []string{"freecad"}) {
		t.Errorf("cad is %+v", cad)
	}
	var one Template
	if admin.do("GET", "/templates/cad", nil).into(200, &one); one.Name != "cad" {
		t.Errorf("got %+v", one)
	}
	admin.do("GET", "/templates/none", nil).fails(404, streamspace.CodeNotFound)
}

func TestStartASession(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	ada.do("POST", "/sessions", CreateSessionRequest{Template: "none"}).fails(404, streamspace.CodeNotFound)
	if p := ada.do("POST", "/sessions", CreateSessionRequest{Template: "cad"}).fails(422, streamspace.CodeNotInstalled).problem; !strings.Contains(p.Detail, "apt install freecad") {
		t.Errorf("%q does not say what to do", p.Detail)
	}
	name, idle := "  my work ", 60
	var made Session
	ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal", Name: &name, IdleTimeoutSeconds: &idle}).into(201, &made)
	if made.Name != "my work" || made.State != streamspace.StatePending || made.DesiredState != streamspace.DesiredRunning || made.IdleTimeoutSeconds != 60 ||
		made.Owner != (SessionOwner{ada.user.ID, "ada"}) || made.TemplateDisplayName != "Terminal" || made.Icon != "terminal" || made.HomeID == "" || made.HibernatesAt != nil {
		t.Errorf("made %+v", made)
	}
	w.becomes(made.ID, streamspace.StateRunning)
	var running Session
	ada.do("GET", "/sessions/"+string(made.ID), nil).into(200, &running)
	if running.StartedAt == nil || running.HibernatesAt == nil || !running.HibernatesAt.Equal(w.clock.now().Add(time.Minute)) {
		t.Errorf("running %+v", running)
	}
	// Activity and viewers come from the broker.
	w.clock.add(30 * time.Second)
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: made.ID, User: ada.user.ID, Since: w.clock.now()}
	if err := w.broker.Join(t.Context(), viewer, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.broker.Touch(t.Context(), made.ID, w.clock.now()); err != nil {
		t.Fatal(err)
	}
	ada.do("GET", "/sessions/"+string(made.ID), nil).into(200, &running)
	if running.Viewers != 1 || running.LastActiveAt == nil || !running.LastActiveAt.Equal(w.clock.now()) || !running.HibernatesAt.Equal(w.clock.now().Add(time.Minute)) {
		t.Errorf("watched %+v", running)
	}
}

func TestSessionQuota(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.SessionsPerUser = 3 })
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	var mu sync.Mutex
	statuses := map[int]int{}
	var starts sync.WaitGroup
	for range 8 {
		starts.Go(func() {
			a := ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal"})
			mu.Lock()
			statuses[a.status]++
			mu.Unlock()
		})
	}
	starts.Wait()
	if statuses[201] != 3 || statuses[409] != 5 {
		t.Errorf("statuses %v", statuses)
	}
	if p := ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal"}).fails(409, streamspace.CodeConflict).problem; !strings.Contains(p.Detail, "3 sessions") {
		t.Errorf("%q does not tell the quota", p.Detail)
	}
	var list SessionList
	ada.do("GET", "/sessions", nil).into(200, &list)
	w.becomes(list.Items[0].ID, streamspace.StateStopped)
	ada.start("terminal")
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	ada.header.Set("Idempotency-Key", "click-1")
	var mu sync.Mutex
	ids := map[streamspace.SessionID]int{}
	var clicks sync.WaitGroup
	for range 6 {
		clicks.Go(func() {
			var made Session
			ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal"}).into(201, &made)
			mu.Lock()
			ids[made.ID]++
			mu.Unlock()
		})
	}
	clicks.Wait()
	if len(ids) != 1 {
		t.Errorf("one click made %v", ids)
	}
	name := "other"
	ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal", Name: &name}).fails(409, streamspace.CodeConflict)
	admin.header.Set("Idempotency-Key", "click-1") // everybody has their own
	if made := admin.start("terminal"); ids[made.ID] != 0 {
		t.Error("another user got the session")
	}
	ada.do("POST", "/sessions", CreateSessionRequest{Template: "none"}).fails(404, streamspace.CodeNotFound)
	w.clock.add(25 * time.Hour)
	if made := ada.start("terminal"); ids[made.ID] != 0 {
		t.Error("a key lasts for ever")
	}
}

func TestChangeAndStopASession(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	path := "/sessions/" + string(session.ID)
	asleep, running, stopped, name := streamspace.DesiredHibernated, streamspace.DesiredRunning, streamspace.DesiredStopped, "renamed"
	var got Session
	ada.do("PATCH", path, UpdateSessionRequest{DesiredState: &asleep, Name: &name}).into(200, &got)
	if got.DesiredState != asleep || got.Name != "renamed" || got.IdleTimeoutSeconds != session.IdleTimeoutSeconds {
		t.Errorf("got %+v", got)
	}
	w.becomes(session.ID, streamspace.StateFailed)
	ada.do("POST", path+"/connect", nil).fails(409, streamspace.CodeConflict)
	ada.do("PATCH", path, UpdateSessionRequest{DesiredState: &running}).into(200, &got)
	ada.do("PATCH", path, UpdateSessionRequest{DesiredState: &stopped}).fails(422, streamspace.CodeInvalid)
	ada.do("PATCH", path, `{"state":"running"}`).fails(422, streamspace.CodeInvalid)
	ada.do("PATCH", path, `{"name":"\u202eevil"}`).fails(422, streamspace.CodeInvalid)
	if ada.do("DELETE", path, nil).into(202, &got); got.DesiredState != stopped {
		t.Errorf("stopping %+v", got)
	}
	ada.do("DELETE", path, nil).into(202, nil)
	ada.do("PATCH", path, UpdateSessionRequest{DesiredState: &running}).fails(409, streamspace.CodeConflict)
	ada.do("POST", path+"/connect", nil).fails(409, streamspace.CodeConflict)
	ada.do("DELETE", "/homes/"+string(session.HomeID), nil).fails(409, streamspace.CodeConflict)
	w.becomes(session.ID, streamspace.StateStopped)

	var list SessionList
	if ada.do("GET", "/sessions", nil).into(200, &list); len(list.Items) != 0 {
		t.Errorf("stopped ones are listed: %+v", list.Items)
	}
	if ada.do("GET", "/sessions?state=stopped,failed", nil).into(200, &list); len(list.Items) != 1 {
		t.Errorf("stopped ones are not listed when asked for: %+v", list.Items)
	}
	ada.do("GET", "/sessions?state=gone", nil).fails(422, streamspace.CodeInvalid)
	var homes HomeList
	if ada.do("GET", "/homes", nil).into(200, &homes); len(homes.Items) != 1 || homes.Items[0].SessionID != "" {
		t.Errorf("homes %+v", homes.Items)
	}
	if again := ada.start("terminal"); again.HomeID != session.HomeID {
		t.Error("the home was not used again")
	}
	fresh := "new"
	var other Session
	if ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal", Home: &fresh}).into(201, &other); other.HomeID == session.HomeID {
		t.Error("no new home")
	}
	inUse := string(session.HomeID)
	ada.do("POST", "/sessions", CreateSessionRequest{Template: "terminal", Home: &inUse}).fails(409, streamspace.CodeConflict)
	ada.do("DELETE", "/sessions/"+string(other.ID), nil).into(202, nil)
	w.becomes(other.ID, streamspace.StateStopped)
	ada.do("DELETE", "/homes/"+string(other.HomeID), nil).into(204, nil)
	ada.do("DELETE", "/homes/"+string(other.HomeID), nil).fails(404, streamspace.CodeNotFound)
	if !slices.Equal(w.desktops.removed, []streamspace.HomeID{other.HomeID}) {
		t.Errorf("removed the homes %q", w.desktops.removed)
	}
}

func TestListScopeAndPages(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	own := admin.start("terminal")
	for range 3 {
		ada.start("terminal")
	}
	var list SessionList
	if admin.do("GET", "/sessions", nil).into(200, &list); len(list.Items) != 1 || list.Items[0].ID != own.ID {
		t.Errorf("mine are %+v", list.Items)
	}
	ada.do("GET", "/sessions?scope=all", nil).fails(403, streamspace.CodeForbidden)
	var ids []streamspace.SessionID
	for cursor := ""; ; {
		list = SessionList{}
		admin.do("GET", "/sessions?scope=all&limit=2&cursor="+cursor, nil).into(200, &list)
		for _, s := range list.Items {
			ids = append(ids, s.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	if len(ids) != 4 || !slices.IsSortedFunc(ids, func(a, b streamspace.SessionID) int { return strings.Compare(string(b), string(a)) }) {
		t.Errorf("all are %q", ids)
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t, trustLoopback)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	path := "/sessions/" + string(session.ID) + "/connect"
	connect := func(c *client, permissions ...streamspace.Permission) (Connection, []streamspace.Permission) {
		t.Helper()
		var connection Connection
		c.do("POST", path, ConnectRequest{Transport: "websocket", Permissions: permissions}).into(200, &connection)
		claims, err := w.tickets.Verify(connection.Ticket, session.ID)
		if err != nil || claims.User != c.user.ID || !connection.ExpiresAt.Equal(claims.Expires) {
			t.Errorf("ticket: %+v, %v", claims, err)
		}
		u, err := url.Parse(connection.URL)
		if err != nil || u.Path != "/stream/v1/"+string(session.ID) || u.Query().Get("ticket") != connection.Ticket {
			t.Errorf("url: %v", err)
		}
		return connection, claims.Permissions
	}
	connection, granted := connect(ada)
	if !slices.Equal(granted, streamspace.OwnerPermissions) || !strings.HasPrefix(connection.URL, strings.Replace(w.server.URL, "http:", "ws:", 1)) {
		t.Errorf("the owner gets %q at %s", granted, strings.SplitN(connection.URL, "?", 2)[0])
	}
	ada.do("POST", path, nil).into(200, nil) // a body is not needed
	if _, granted = connect(ada, streamspace.PermissionView, streamspace.PermissionView); !slices.Equal(granted, []streamspace.Permission{streamspace.PermissionView}) {
		t.Errorf("asked for view, got %q", granted)
	}
	ada.do("POST", path, `{"permissions":["everything"]}`).fails(422, streamspace.CodeInvalid)
	if _, granted = connect(admin); !slices.Equal(granted, []streamspace.Permission{streamspace.PermissionView}) {
		t.Errorf("the administrator gets %q without asking", granted)
	}
	wanted := []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl}
	if _, granted = connect(admin, wanted...); !slices.Equal(granted, wanted) {
		t.Errorf("the administrator asked for %q and got %q", wanted, granted)
	}
	var audit AuditList
	admin.do("GET", "/audit?action=session.connect", nil).into(200, &audit)
	if newest := audit.Items[0]; newest.Actor.ID != admin.user.ID || newest.Subject != string(session.ID) || newest.Detail["owner"] != string(ada.user.ID) || len(newest.Detail["permissions"].([]any)) != 2 {
		t.Errorf("audited as %+v", newest)
	}
	ada.header.Set("X-Forwarded-Proto", "https")
	ada.header.Set("X-Forwarded-Host", "desk.example:8443")
	if connection, _ = connect(ada); !strings.HasPrefix(connection.URL, "wss://desk.example:8443/stream/v1/") {
		t.Errorf("behind a proxy the url is %s", strings.SplitN(connection.URL, "?", 2)[0])
	}
}
