package api

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

func trustLoopback(o *Options) {
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func TestInvitation(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ExternalURL = &url.URL{Scheme: "https", Host: "desk.example", Path: "/"} })
	admin := w.admin()
	var made CreatedUser
	admin.do("POST", "/users", CreateUserRequest{Username: "Ada", Role: streamspace.RoleUser}).into(201, &made)
	prefix := "https://desk.example/setup#token="
	if made.User.Username != "ada" || made.User.DisplayName != "Ada" || !strings.HasPrefix(made.SetupURL, prefix) {
		t.Fatalf("made %+v", made)
	}
	admin.do("POST", "/users", CreateUserRequest{Username: "ADA", Role: streamspace.RoleUser}).fails(409, streamspace.CodeConflict)
	var link SetupLink
	admin.do("POST", "/users/"+string(made.User.ID)+"/setup-link", nil).into(200, &link)
	ada := w.client()
	ada.do("POST", "/auth/setup", SetupRequest{Token: strings.TrimPrefix(made.SetupURL, prefix), Password: userPassword}).fails(401, streamspace.CodeUnauthenticated)
	ada.do("POST", "/auth/setup", SetupRequest{Token: strings.TrimPrefix(link.SetupURL, prefix), Password: "password123"}).fails(422, streamspace.CodeInvalid)
	ada.became(ada.do("POST", "/auth/setup", SetupRequest{Token: strings.TrimPrefix(link.SetupURL, prefix), Password: userPassword}))
	if ada.user.ID != made.User.ID {
		t.Errorf("signed in as %+v", ada.user)
	}
}

func TestUsersComeInPages(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	for _, name := range []string{"b", "c", "d", "e"} {
		admin.do("POST", "/users", CreateUserRequest{Username: name, Role: streamspace.RoleUser}).into(201, nil)
	}
	var names []string
	for cursor, pages := "", 0; ; pages++ {
		var list UserList
		admin.do("GET", "/users?limit=2&cursor="+cursor, nil).into(200, &list)
		for _, user := range list.Items {
			names = append(names, user.Username)
		}
		if cursor = list.NextCursor; cursor == "" {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"admin", "b", "c", "d", "e"}) {
		t.Errorf("users %q", names)
	}
	admin.do("GET", "/users?cursor=nonsense", nil).fails(422, streamspace.CodeInvalid)
	admin.do("GET", "/users?cursor="+encodeCursor(sessionsCursor, "ses_1"), nil).fails(422, streamspace.CodeInvalid)
	admin.do("GET", "/users?limit=0", nil).fails(422, streamspace.CodeInvalid)
	admin.do("GET", "/users?limit=201", nil).fails(422, streamspace.CodeInvalid)
	admin.do("GET", "/users?colour=red", nil).fails(422, streamspace.CodeInvalid)
}

func TestDisablingCutsAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	events, err := w.broker.Subscribe(t.Context(), 16)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	yes := true
	var user User
	admin.do("PATCH", "/users/"+string(ada.user.ID), UpdateUserRequest{Disabled: &yes}).into(200, &user)
	if !user.Disabled {
		t.Error("not disabled")
	}
	event, err := events.Next(t.Context())
	if err != nil || event.Kind != broker.EventRevocation || event.Revocation.User != ada.user.ID || event.Revocation.Code != streamspace.CodeAccessRevoked {
		t.Errorf("the broker heard %+v, %v", event, err)
	}
	ada.do("GET", "/me", nil).fails(401, streamspace.CodeUnauthenticated)
	w.client().do("POST", "/auth/login", LoginRequest{Username: "ada", Password: userPassword}).fails(401, streamspace.CodeUnauthenticated)
	admin.do("PATCH", "/users/"+string(admin.user.ID), UpdateUserRequest{Disabled: &yes}).fails(409, streamspace.CodeConflict)
	role := streamspace.RoleUser
	admin.do("PATCH", "/users/"+string(admin.user.ID), UpdateUserRequest{Role: &role}).fails(409, streamspace.CodeConflict)
	admin.do("PATCH", "/users/"+string(streamspace.NewUserID()), UpdateUserRequest{Disabled: &yes}).fails(404, streamspace.CodeNotFound)
	admin.do("PATCH", "/users/%00", UpdateUserRequest{Disabled: &yes}).fails(404, streamspace.CodeNotFound)
}

// Deleting an account stops its sessions, then takes everything with it.
func TestDeleteUser(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	admin.do("DELETE", "/users/"+string(admin.user.ID), nil).fails(409, streamspace.CodeConflict)
	deleted := make(chan *answer)
	go func() { deleted <- admin.do("DELETE", "/users/"+string(ada.user.ID), nil) }()
	for deadline := t.Context(); ; {
		row, err := w.Store.SessionByID(deadline, session.ID)
		if err != nil {
			t.Fatal(err)
		}
		if row.DesiredState == streamspace.DesiredStopped {
			break
		}
	}
	w.becomes(session.ID, streamspace.StateStopped) // as lifecycle does
	(<-deleted).into(204, nil)
	admin.do("GET", "/users/"+string(ada.user.ID), nil).fails(404, streamspace.CodeNotFound)
	admin.do("GET", "/sessions/"+string(session.ID), nil).fails(404, streamspace.CodeNotFound)
	if !slices.Equal(w.desktops.removed, []streamspace.HomeID{session.HomeID}) {
		t.Errorf("removed the homes %q", w.desktops.removed)
	}
	for _, want := range []string{"admin session.stop ok", "admin user.delete ok", "admin home.delete ok"} {
		if !slices.Contains(w.trail(), want) {
			t.Errorf("audit trail %q lacks %q", w.trail(), want)
		}
	}
}

func TestAuditIsForAdministrators(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	ada.do("GET", "/audit", nil).fails(403, streamspace.CodeForbidden)
	var list AuditList
	admin.do("GET", "/audit?action=access.deny", nil).into(200, &list)
	if len(list.Items) != 1 || list.Items[0].Subject != "listAudit" || list.Items[0].Actor.ID != ada.user.ID || list.Items[0].Outcome != "denied" ||
		list.Items[0].RemoteAddr != "127.0.0.1" || list.Items[0].RequestID == "" {
		t.Errorf("audit %+v", list.Items)
	}
	var all, rest AuditList
	admin.do("GET", "/audit?limit=2", nil).into(200, &all)
	if len(all.Items) != 2 || all.NextCursor == "" || all.Items[0].ID < all.Items[1].ID {
		t.Fatalf("the first page is %+v", all)
	}
	admin.do("GET", "/audit?limit=200&cursor="+all.NextCursor, nil).into(200, &rest)
	if len(rest.Items) == 0 || rest.Items[0].ID >= all.Items[1].ID {
		t.Errorf("the second page is %+v", rest)
	}
	admin.do("GET", "/audit?action=%27;--", nil).fails(422, streamspace.CodeInvalid)
	admin.do("GET", "/audit?cursor="+encodeCursor(auditCursor, "99999999999999999999999"), nil).fails(http.StatusUnprocessableEntity, streamspace.CodeInvalid)
}
