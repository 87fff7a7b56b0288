package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/gateway/ticket"
)

const (
	view    = streamspace.PermissionView
	control = streamspace.PermissionControl
)

func perms(p ...streamspace.Permission) []streamspace.Permission { return p }

// invite shares a session with the user.
func (c *client) invite(session Session, user *client, given ...streamspace.Permission) NewShare {
	c.w.t.Helper()
	var share NewShare
	c.do("POST", "/sessions/"+string(session.ID)+"/shares", CreateShareRequest{Username: &user.user.Username, Permissions: given}).into(201, &share)
	return share
}

// link makes one and returns its token.
func (c *client) link(session Session, expires *int, given ...streamspace.Permission) (NewShare, string) {
	c.w.t.Helper()
	var share NewShare
	c.do("POST", "/sessions/"+string(session.ID)+"/shares", CreateShareRequest{Permissions: given, ExpiresInSeconds: expires}).into(201, &share)
	_, token, ok := strings.Cut(share.URL, c.w.server.URL+"/join#token=")
	if !ok || len(token) != 43 {
		c.w.t.Fatalf("the link is %q", share.URL)
	}
	return share, token
}

func (s NewShare) path() string {
	return "/sessions/" + string(s.SessionID) + "/shares/" + string(s.ID)
}

// connected asks for a way in and returns what its ticket says.
func (c *client) connected(session Session, wanted ...streamspace.Permission) ticket.Claims {
	c.w.t.Helper()
	var connection Connection
	c.do("POST", "/sessions/"+string(session.ID)+"/connect", ConnectRequest{Permissions: wanted}).into(200, &connection)
	claims, err := c.w.tickets.Verify(connection.Ticket, session.ID)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return claims
}

// revoked is the code with which a stream of the ticket is ended; empty: it is not.
func (w *world) revoked(claims ticket.Claims) streamspace.Code {
	w.t.Helper()
	viewer := broker.Viewer{ID: claims.Viewer, Session: claims.Session, User: claims.User, Share: claims.Share}
	revocation, ok, err := w.broker.Revoked(w.t.Context(), viewer, claims.Issued)
	if err != nil {
		w.t.Fatal(err)
	}
	if !ok {
		return ""
	}
	return revocation.Code
}

// eventually waits for what another goroutine does.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

func TestInvite(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada, grace, eve := admin.newUser("ada", streamspace.RoleUser), admin.newUser("grace", streamspace.RoleUser), admin.newUser("eve", streamspace.RoleUser)
	session := ada.start("terminal")
	path := "/sessions/" + string(session.ID)
	if !slices.Equal(session.Permissions, streamspace.OwnerPermissions) || session.SharedBy != nil || session.ThumbnailAt != nil {
		t.Errorf("the owner's session is %+v", session)
	}
	grace.do("GET", path, nil).fails(404, streamspace.CodeNotFound)
	hers, _ := grace.watch(0)
	owners, _ := ada.watch(0)

	share := ada.invite(session, grace, control, view, control)
	if share.Kind != "user" || share.User == nil || share.User.Username != "grace" || share.URL != "" || share.Uses != 0 || share.LastUsedAt != nil ||
		!slices.Equal(share.Permissions, perms(view, control)) || share.CreatedBy != (SessionOwner{ada.user.ID, "ada"}) || share.ExpiresAt != nil {
		t.Errorf("the share is %+v", share)
	}
	if event := hers.next(); event.Type != EventSessionShared || event.Session == nil || event.Session.ID != session.ID ||
		!slices.Equal(event.Session.Permissions, perms(view, control)) || event.Session.SharedBy == nil || event.Session.SharedBy.Username != "ada" {
		t.Errorf("the invited user is told %+v", event)
	}
	if event := owners.next(); event.Type != EventSessionShares || event.Subject != string(session.ID) {
		t.Errorf("the owner is told %+v", event)
	}
	w.becomes(session.ID, streamspace.StateStarting) // and what happens to it
	if event := hers.next(); event.Type != EventSessionUpdated || event.Session.State != streamspace.StateStarting || len(event.Session.Permissions) != 2 {
		t.Errorf("the invited user is told %+v", event)
	}
	again, _ := grace.watch(0) // also on a socket that was opened later
	w.becomes(session.ID, streamspace.StateRunning)
	for _, socket := range []*watcher{hers, again} {
		if event := socket.next(); event.Type != EventSessionUpdated || event.Session.State != streamspace.StateRunning {
			t.Errorf("the invited user is told %+v", event)
		}
	}

	var seen Session
	grace.do("GET", path, nil).into(200, &seen)
	var list SessionList
	grace.do("GET", "/sessions?scope=shared", nil).into(200, &list)
	if len(list.Items) != 1 || list.Items[0].ID != session.ID || list.Items[0].Owner.Username != "ada" || list.Items[0].SharedBy == nil ||
		!slices.Equal(list.Items[0].Permissions, perms(view, control)) || !slices.Equal(seen.Permissions, list.Items[0].Permissions) {
		t.Errorf("shared are %+v, and one is %+v", list.Items, seen)
	}
	if grace.do("GET", "/sessions", nil).into(200, &list); len(list.Items) != 0 {
		t.Errorf("hers are %+v", list.Items)
	}
	claims := grace.connected(session)
	if claims.User != grace.user.ID || claims.Share != share.ID || claims.Name != "grace" || !slices.Equal(claims.Permissions, perms(view, control)) {
		t.Errorf("her ticket says %+v", claims)
	}
	if claims := grace.connected(session, view); !slices.Equal(claims.Permissions, perms(view)) {
		t.Errorf("asking for view gives %q", claims.Permissions)
	}
	grace.do("POST", path+"/connect", ConnectRequest{Permissions: perms(streamspace.PermissionClipboardIn)}).fails(403, streamspace.CodeForbidden)
	if claims := ada.connected(session); claims.Share != "" || !claims.Allows(streamspace.PermissionAdmin) || claims.Name != "ada" {
		t.Errorf("the owner's ticket says %+v", claims)
	}
	// Seeing a session is not owning it.
	for _, no := range []*answer{
		grace.do("DELETE", path, nil), grace.do("PATCH", path, UpdateSessionRequest{}), grace.do("GET", path+"/shares", nil),
		grace.do("POST", path+"/shares", CreateShareRequest{Permissions: perms(view)}), grace.do("DELETE", share.path(), nil),
		grace.do("PATCH", share.path(), UpdateShareRequest{Permissions: perms(view)}),
	} {
		no.fails(403, streamspace.CodeForbidden)
	}
	eve.do("DELETE", share.path(), nil).fails(404, streamspace.CodeNotFound)
	ada.do("POST", path+"/shares", CreateShareRequest{Username: &grace.user.Username, Permissions: perms(view)}).fails(409, streamspace.CodeConflict)

	ada.do("DELETE", share.path(), nil).into(204, nil)
	if code := w.revoked(claims); code != streamspace.CodeAccessRevoked { // before the answer
		t.Errorf("her stream is ended with %q", code)
	}
	if event := hers.until(func(e Event) bool { return e.Type != EventSessionUpdated }); event.Type != EventSessionUnshared || event.Session != nil || event.Subject != string(session.ID) {
		t.Errorf("the invited user is told %+v", event)
	}
	ada.do("DELETE", share.path(), nil).fails(404, streamspace.CodeNotFound)
	grace.do("GET", path, nil).fails(404, streamspace.CodeNotFound)
	grace.do("POST", path+"/connect", nil).fails(404, streamspace.CodeNotFound)
	ada.invite(session, grace, view) // and can be invited again
	trail := strings.Join(w.trail(), "\n")
	for _, line := range []string{"ada share.create ok", "grace session.connect ok", "ada share.revoke ok"} {
		if !strings.Contains(trail, line) {
			t.Errorf("the audit trail lacks %q", line)
		}
	}
}

func TestBadShares(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	gone := admin.newUser("gone", streamspace.RoleUser)
	yes := true
	admin.do("PATCH", "/users/"+string(gone.user.ID), UpdateUserRequest{Disabled: &yes}).into(200, nil)
	session := ada.start("terminal")
	path := "/sessions/" + string(session.ID) + "/shares"
	for name, body := range map[string]string{
		"no permissions":      `{}`,
		"empty permissions":   `{"permissions":[]}`,
		"unknown permission":  `{"permissions":["everything"]}`,
		"admin":               `{"permissions":["view","admin"]}`,
		"null":                `{"permissions":null}`,
		"too short":           `{"permissions":["view"],"expiresInSeconds":59}`,
		"negative":            `{"permissions":["view"],"expiresInSeconds":-1}`,
		"too long":            `{"permissions":["view"],"expiresInSeconds":31536001}`,
		"fraction":            `{"permissions":["view"],"expiresInSeconds":60.5}`,
		"long label":          `{"permissions":["view"],"label":"` + strings.Repeat("x", 65) + `"}`,
		"control characters":  `{"permissions":["view"],"label":"a\u0000b"}`,
		"direction":           `{"permissions":["view"],"label":"\u202eevil"}`,
		"unknown user":        `{"permissions":["view"],"username":"nobody"}`,
		"no username":         `{"permissions":["view"],"username":"a b"}`,
		"nul in username":     `{"permissions":["view"],"username":"a\u0000"}`,
		"unknown id":          `{"permissions":["view"],"userId":"` + string(streamspace.NewUserID()) + `"}`,
		"no id":               `{"permissions":["view"],"userId":"usr_\u0000"}`,
		"both":                `{"permissions":["view"],"username":"admin","userId":"` + string(admin.user.ID) + `"}`,
		"the owner":           `{"permissions":["view"],"username":"ADA"}`,
		"disabled":            `{"permissions":["view"],"username":"gone"}`,
		"unknown member":      `{"permissions":["view"],"sessionId":"x"}`,
		"somebody else's url": `{"permissions":["view"],"url":"x"}`,
	} {
		if a := ada.do("POST", path, body); a.status != 422 || a.problem.Code != streamspace.CodeInvalid {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	share, _ := ada.link(session, nil, view)
	for _, body := range []string{`{"permissions":[]}`, `{"permissions":["admin"]}`, `{"expiresInSeconds":1}`, `{"expiresInSeconds":-1}`, `{"label":"\u0007"}`, `{"revoked":true}`} {
		ada.do("PATCH", share.path(), body).fails(422, streamspace.CodeInvalid)
	}
	other := ada.start("terminal") // a share of one session is none of another
	for _, id := range []string{string(streamspace.NewShareID()), "%00", "x", string(session.ID)} {
		ada.do("DELETE", path+"/"+id, nil).fails(404, streamspace.CodeNotFound)
	}
	ada.do("DELETE", "/sessions/"+string(other.ID)+"/shares/"+string(share.ID), nil).fails(404, streamspace.CodeNotFound)
	ada.do("PATCH", "/sessions/"+string(other.ID)+"/shares/"+string(share.ID), `{"label":"x"}`).fails(404, streamspace.CodeNotFound)
	ada.do("DELETE", "/sessions/"+string(other.ID), nil).into(202, nil)
	ada.do("POST", "/sessions/"+string(other.ID)+"/shares", CreateShareRequest{Permissions: perms(view)}).fails(409, streamspace.CodeConflict)
}

func TestSharesArePagedAndBounded(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada, grace := admin.newUser("ada", streamspace.RoleUser), admin.newUser("grace", streamspace.RoleUser)
	session := ada.start("terminal")
	path := "/sessions/" + string(session.ID) + "/shares"
	var made []streamspace.ShareID
	for range maxShares {
		share, _ := ada.link(session, nil, view)
		made = append(made, share.ID)
	}
	ada.do("POST", path, CreateShareRequest{Permissions: perms(view)}).fails(409, streamspace.CodeConflict)
	var ids []streamspace.ShareID
	for cursor := ""; ; {
		var list ShareList
		text := ada.do("GET", path+"?limit=30&cursor="+cursor, nil).into(200, &list).body
		if strings.Contains(string(text), "token") || strings.Contains(string(text), "url") {
			t.Fatalf("the list shows links: %s", text)
		}
		for _, s := range list.Items {
			ids = append(ids, s.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	slices.Reverse(ids)
	if !slices.Equal(ids, made) && len(ids) != maxShares {
		t.Errorf("listed %d of %d", len(ids), len(made))
	}
	ada.do("GET", path+"?cursor="+encodeCursor(sessionsCursor, "x"), nil).fails(422, streamspace.CodeInvalid)
	for _, other := range []*client{ada, admin} { // sessions shared with somebody, in pages
		for range 2 {
			other.invite(other.start("terminal"), grace, view)
		}
	}
	var seen []streamspace.SessionID
	for cursor := ""; ; {
		var list SessionList
		grace.do("GET", "/sessions?scope=shared&limit=3&cursor="+cursor, nil).into(200, &list)
		for _, s := range list.Items {
			seen = append(seen, s.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 4 || !slices.IsSortedFunc(seen, func(a, b streamspace.SessionID) int { return strings.Compare(string(b), string(a)) }) {
		t.Errorf("shared with her are %q", seen)
	}
}

func TestNarrowedShares(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada, grace := admin.newUser("ada", streamspace.RoleUser), admin.newUser("grace", streamspace.RoleUser)
	session := ada.start("terminal")
	share := ada.invite(session, grace, control)
	hers, _ := grace.watch(0)
	before := grace.connected(session)
	label, life := "reviewers", 3600
	var got Share
	ada.do("PATCH", share.path(), UpdateShareRequest{Label: &label, ExpiresInSeconds: &life}).into(200, &got)
	if got.Label != label || got.ExpiresAt == nil || !got.ExpiresAt.Equal(w.clock.now().Add(time.Hour)) || len(got.Permissions) != 2 || got.Uses != 1 || got.LastUsedAt == nil {
		t.Errorf("changed to %+v", got)
	}
	ada.do("PATCH", share.path(), UpdateShareRequest{Permissions: perms(view, control, streamspace.PermissionAudio)}).into(200, &got)
	if code := w.revoked(before); code != "" {
		t.Errorf("more permissions ended a stream with %q", code)
	}
	never := 0
	got = Share{}
	ada.do("PATCH", share.path(), UpdateShareRequest{Permissions: perms(view), ExpiresInSeconds: &never}).into(200, &got)
	if got.ExpiresAt != nil || !slices.Equal(got.Permissions, perms(view)) {
		t.Errorf("changed to %+v", got)
	}
	if code := w.revoked(before); code != streamspace.CodeGatewayDraining {
		t.Errorf("fewer permissions end a stream with %q", code)
	}
	after := grace.connected(session) // within the same second of the tickets' clock
	if !slices.Equal(after.Permissions, perms(view)) || w.revoked(after) != "" {
		t.Errorf("the next ticket says %+v and is revoked with %q", after, w.revoked(after))
	}
	// Again, still within that second.
	ada.do("PATCH", share.path(), UpdateShareRequest{Permissions: perms(view, control)}).into(200, nil)
	ada.do("PATCH", share.path(), UpdateShareRequest{Permissions: perms(view)}).into(200, nil)
	if w.revoked(after) != streamspace.CodeGatewayDraining || w.revoked(grace.connected(session)) != "" {
		t.Error("the second time in a second went wrong")
	}
	hers.until(func(e Event) bool { return e.Session != nil && slices.Equal(e.Session.Permissions, perms(view)) })
}

// Whatever takes a share's ground away ends it, and its streams.
func TestWhatEndsShares(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	yes, user, life := true, streamspace.RoleUser, 60
	for n, c := range []struct {
		name string
		by   streamspace.Role // of the sharer; administrators share another's session
		end  func(session Session, sharer, invited *client)
		code streamspace.Code
		why  string
	}{
		{"session stopped", streamspace.RoleUser, func(session Session, sharer, _ *client) {
			sharer.do("DELETE", "/sessions/"+string(session.ID), nil).into(202, nil)
			w.becomes(session.ID, streamspace.StateStopped)
		}, streamspace.CodeSessionStopped, "session_stopped"},
		{"sharer disabled", streamspace.RoleUser, func(_ Session, sharer, _ *client) {
			admin.do("PATCH", "/users/"+string(sharer.user.ID), UpdateUserRequest{Disabled: &yes}).into(200, nil)
		}, streamspace.CodeAccessRevoked, "account_disabled"},
		{"sharer demoted", streamspace.RoleAdmin, func(_ Session, sharer, _ *client) {
			admin.do("PATCH", "/users/"+string(sharer.user.ID), UpdateUserRequest{Role: &user}).into(200, nil)
		}, streamspace.CodeAccessRevoked, "sharer_demoted"},
		{"run out", streamspace.RoleUser, func(Session, *client, *client) {
			w.clock.add(time.Minute)
			if _, err := w.sweepOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, streamspace.CodeAccessRevoked, "expired"},
		{"invited deleted", streamspace.RoleUser, func(_ Session, _, invited *client) {
			admin.do("DELETE", "/users/"+string(invited.user.ID), nil).into(204, nil)
		}, streamspace.CodeAccessRevoked, "account_disabled"},
	} {
		sharer, invited := admin.newUser(fmt.Sprint("sharer", n), c.by), admin.newUser(fmt.Sprint("invited", n), streamspace.RoleUser)
		owner := sharer
		if c.by == streamspace.RoleAdmin {
			owner = admin.newUser(fmt.Sprint("owner", n), streamspace.RoleUser)
		}
		session := owner.start("terminal")
		w.becomes(session.ID, streamspace.StateRunning)
		var share NewShare
		sharer.do("POST", "/sessions/"+string(session.ID)+"/shares", CreateShareRequest{UserID: &invited.user.ID, Permissions: perms(view), ExpiresInSeconds: &life}).into(201, &share)
		claims := invited.connected(session)
		_, token := sharer.link(session, &life, view)
		guest := w.client()
		var joined Joined
		guest.do("POST", "/join", JoinRequest{Token: token}).into(200, &joined)
		guests, err := w.tickets.Verify(joined.Ticket, session.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.end(session, sharer, invited)
		ends := []ticket.Claims{claims, guests}
		if c.name == "invited deleted" { // the link has nothing to do with it
			ends = ends[:1]
		} else {
			guest.do("POST", "/join", JoinRequest{Token: token}).fails(404, streamspace.CodeNotFound)
		}
		for _, ended := range ends {
			w.eventually(c.name+" ends the stream", func() bool { return w.revoked(ended) == c.code })
		}
		w.eventually(c.name+" is audited", func() bool { return strings.Contains(auditText(t, w), c.why) })
		if invited.cookie != "" && c.name != "invited deleted" {
			invited.do("POST", "/sessions/"+string(session.ID)+"/connect", nil).fails(404, streamspace.CodeNotFound)
		}
	}
}

// A share that ended while nobody was there to send its viewers away is
// enforced by the next control plane.
func TestEndsAreEnforcedAfterARestart(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	life := 60
	_, token := ada.link(session, &life, view)
	var joined Joined
	w.client().do("POST", "/join", JoinRequest{Token: token}).into(200, &joined)
	claims, err := w.tickets.Verify(joined.Ticket, session.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the enforcer has begun", func() bool {
		cursor, err := w.Store.EventCursor(t.Context(), "shares")
		return err == nil && cursor > 0
	})
	w.stop()
	if _, err := w.Store.EndExpired(t.Context(), w.clock.now().Add(time.Hour)); err != nil { // and then the process died
		t.Fatal(err)
	}
	next := again(t, w)
	next.eventually("the stream is ended", func() bool { return next.revoked(claims) == streamspace.CodeAccessRevoked })
}

// Revoking while guests join: whoever got a ticket is sent away, whoever comes
// later gets none.
func TestRevokeWhileJoining(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	for range 5 {
		share, token := ada.link(session, nil, view)
		var mu sync.Mutex
		var tickets []string
		refused := 0
		var joining sync.WaitGroup
		first := make(chan struct{}, 8)
		for range 8 {
			guest := w.client()
			joining.Go(func() {
				a := guest.do("POST", "/join", JoinRequest{Token: token})
				first <- struct{}{}
				var joined Joined
				mu.Lock()
				defer mu.Unlock()
				if a.status == 404 {
					refused++
					return
				}
				a.into(200, &joined)
				tickets = append(tickets, joined.Ticket)
			})
		}
		<-first
		ada.do("DELETE", share.path(), nil).into(204, nil)
		joining.Wait()
		for _, pass := range tickets {
			claims, err := w.tickets.Verify(pass, session.ID)
			if err != nil {
				t.Fatal(err)
			}
			if code := w.revoked(claims); code != streamspace.CodeAccessRevoked {
				t.Errorf("a ticket outlived its share: revoked with %q", code)
			}
		}
		w.client().do("POST", "/join", JoinRequest{Token: token}).fails(404, streamspace.CodeNotFound)
		w.clock.add(time.Minute) // the refused ones have used the address up
	}
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	shown := "Ada Lovelace"
	ada.do("PATCH", "/me", UpdateMeRequest{DisplayName: &shown}).into(200, nil)
	session := ada.start("terminal")
	life := 3600
	share, token := ada.link(session, &life, control)
	guest := w.client()
	name := "  Grace Hopper "
	var joined Joined
	guest.do("POST", "/join", JoinRequest{Token: token, Name: &name}).into(200, &joined)
	claims, err := w.tickets.Verify(joined.Ticket, session.ID)
	if err != nil || !claims.Guest() || claims.Share != share.ID || claims.Name != "Grace Hopper" || !slices.Equal(claims.Permissions, perms(view, control)) {
		t.Errorf("the guest's ticket says %+v, %v", claims, err)
	}
	if joined.Session.ID != session.ID || joined.Session.OwnerName != shown || joined.Session.TemplateDisplayName != "Terminal" || joined.Name != "Grace Hopper" ||
		!slices.Equal(joined.Permissions, claims.Permissions) || joined.ShareExpiresAt == nil || !joined.ExpiresAt.Equal(claims.Expires) {
		t.Errorf("joined %+v", joined)
	}
	if u, err := url.Parse(joined.URL); err != nil || u.Path != "/stream/v1/"+string(session.ID) || u.Query().Get("ticket") != joined.Ticket {
		t.Error("the url does not lead to the stream")
	}
	if guest.cookie != "" {
		t.Error("a guest was signed in")
	}
	guest.do("POST", "/join", JoinRequest{Token: token}).into(200, &joined) // again, for a reconnection
	if joined.Name != "Guest" {
		t.Errorf("a guest without a name is called %q", joined.Name)
	}
	var list ShareList
	if ada.do("GET", "/sessions/"+string(session.ID)+"/shares", nil).into(200, &list); list.Items[0].Uses != 2 || list.Items[0].Kind != "link" || list.Items[0].User != nil {
		t.Errorf("the share is %+v", list.Items)
	}
	for _, body := range []string{
		`{}`, `{"token":""}`, `{"token":"` + strings.Repeat("a", 129) + `"}`, `{"token":"` + token + `","name":"\u202e"}`, `{"token":"` + token + `","name":"a\nb"}`,
		`{"token":"` + token + `","name":"` + strings.Repeat("π", 33) + `"}`, `{"token":"` + token + `","name":7}`, `{"token":"` + token + `","user":"x"}`,
	} {
		guest.do("POST", "/join", body).fails(422, streamspace.CodeInvalid)
	}
	forger := w.client() // another site's page
	forger.header.Set("Origin", "https://evil.example")
	forger.do("POST", "/join", JoinRequest{Token: token}).fails(403, streamspace.CodeOriginForbidden)
	w.becomes(session.ID, streamspace.StateFailed)
	guest.do("POST", "/join", JoinRequest{Token: token}).fails(409, streamspace.CodeConflict)
	text, log := auditText(t, w), w.log.String()
	if !strings.Contains(text, `"share.join"`) || strings.Contains(text, token) || strings.Contains(text, "Grace") || strings.Contains(log, token) || strings.Contains(log, joined.Ticket) {
		t.Error("the trail lacks a join, or the trail or the log has a secret")
	}
	if row, err := w.Store.ShareWithNames(t.Context(), share.ID); err != nil || strings.Contains(string(row.Share.TokenHash), token) || len(row.Share.TokenHash) != 32 {
		t.Errorf("stored is %q, %v", row.Share.TokenHash, err)
	}
}

// Links that do not let in are all alike, and guessing them is slow.
func TestJoinIsRefusedAlikeAndThrottled(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	life := 60
	_, expired := ada.link(session, &life, view)
	share, revoked := ada.link(session, nil, view)
	_, good := ada.link(session, nil, view)
	ada.do("DELETE", share.path(), nil).into(204, nil)
	w.clock.add(time.Minute) // the sweeper has not been yet
	guest := w.client()
	var details []string
	for _, token := range []string{expired, revoked, strings.Repeat("A", 43), "x", good[:42], good + "A", strings.Repeat("!", 43)} {
		p := guest.do("POST", "/join", JoinRequest{Token: token}).fails(404, streamspace.CodeNotFound).problem
		details = append(details, p.Detail)
	}
	if len(slices.Compact(details)) != 1 {
		t.Errorf("refused with %q", details)
	}
	guest.do("POST", "/join", JoinRequest{Token: good}).into(200, nil)
	for range 3 {
		guest.do("POST", "/join", JoinRequest{Token: "x"})
	}
	if a := guest.do("POST", "/join", JoinRequest{Token: good}).fails(429, streamspace.CodeThrottled); a.header.Get("Retry-After") == "" {
		t.Error("nobody says when to come again")
	}
	w.clock.add(time.Minute)
	guest.do("POST", "/join", JoinRequest{Token: good}).into(200, nil)
	throttled := 0
	for range joinBurst + 1 { // one link
		if a := guest.do("POST", "/join", JoinRequest{Token: good}); a.status == 429 {
			throttled++
		}
	}
	if throttled == 0 {
		t.Error("one link lets in any number at once")
	}
}

// A broker that has forgotten everything is told again.
func TestABrokerThatForgotIsToldAgain(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	share, token := ada.link(session, nil, view)
	var joined Joined
	w.client().do("POST", "/join", JoinRequest{Token: token}).into(200, &joined)
	claims, err := w.tickets.Verify(joined.Ticket, session.ID)
	if err != nil {
		t.Fatal(err)
	}
	ada.do("DELETE", share.path(), nil).into(204, nil)
	w.clock.add(2 * shareKeep) // as good as an emptied broker
	if code := w.revoked(claims); code != "" {
		t.Fatalf("it still knows %q", code)
	}
	if err := w.enforceAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := w.revoked(claims); code != streamspace.CodeAccessRevoked {
		t.Errorf("the stream is ended with %q", code)
	}
}

// Whatever a name is, what others are shown fits a ticket and a line.
func FuzzShownNames(f *testing.F) {
	f.Add("Ada Lovelace")
	f.Add(strings.Repeat("π", 64))
	f.Add("\u202eevil\n\x00")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, typed string) {
		shown := []string{shownName(identity.Account{Username: "ada", DisplayName: typed})}
		if name, err := guestName(&typed); err == nil {
			shown = append(shown, name)
		}
		for n, name := range shown {
			if name == "" || len(name) > ticket.MaxName || strings.ContainsAny(name, "\n\x00\u202e") || n == 0 && !utf8.ValidString(name) {
				t.Errorf("%q is shown as %q", typed, name)
			}
		}
	})
}
