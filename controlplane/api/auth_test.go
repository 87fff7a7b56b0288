package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
)

func TestSetupAndSignIn(t *testing.T) {
	w := newWorld(t)
	guest := w.client()
	var setup SetupStatus
	if guest.do("GET", "/auth/setup", nil).into(200, &setup); !setup.Required {
		t.Error("setup is not required before there is an administrator")
	}
	guest.do("POST", "/auth/setup", SetupRequest{Token: "wrong", Password: adminPassword}).fails(401, streamspace.CodeUnauthenticated)
	admin := w.admin()
	if guest.do("GET", "/auth/setup", nil).into(200, &setup); setup.Required {
		t.Error("setup is still required")
	}
	if admin.user.Role != streamspace.RoleAdmin || admin.user.Username != "admin" {
		t.Errorf("set up as %+v", admin.user)
	}

	wrong := guest.do("POST", "/auth/login", LoginRequest{Username: "admin", Password: userPassword}).fails(401, streamspace.CodeUnauthenticated)
	unknown := guest.do("POST", "/auth/login", LoginRequest{Username: "nobody", Password: userPassword}).fails(401, streamspace.CodeUnauthenticated)
	if wrong.problem.Detail != unknown.problem.Detail {
		t.Error("the answer tells whether an account exists")
	}
	answer := guest.do("POST", "/auth/login", LoginRequest{Username: "Admin", Password: adminPassword})
	cookie := answer.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Secure") {
		t.Errorf("cookie %q is Secure without TLS", cookie)
	}
	if answer.header.Get("Cache-Control") != "no-store" {
		t.Error("a sign-in's answer may be kept")
	}
	guest.became(answer)
	var login Login
	guest.do("GET", "/auth/login", nil).into(200, &login)
	if login.CSRFToken != guest.csrf || login.User.ID != admin.user.ID || login.User.LastLoginAt == nil || !login.ExpiresAt.After(w.clock.now()) {
		t.Errorf("the current login is %+v", login)
	}
	guest.do("POST", "/auth/logout", nil).into(204, nil)
	if guest.cookie != "" {
		t.Error("the cookie is not cleared")
	}
	guest.do("GET", "/auth/login", nil).fails(401, streamspace.CodeUnauthenticated)
	for _, want := range []string{"admin setup.complete ok", "admin login.create denied", "unknown login.create denied", "admin login.create ok", "admin login.delete ok"} {
		if !slices.Contains(w.trail(), want) {
			t.Errorf("audit trail %q lacks %q", w.trail(), want)
		}
	}
}

func TestSecureCookieBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		secure bool
		addr   string
	}{
		{"trusted", trustLoopback, true, "203.0.113.9"},
		{"not trusted", func(*Options) {}, false, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.change)
			admin := w.admin()
			proxied := w.client()
			proxied.header.Set("X-Forwarded-Proto", "https")
			proxied.header.Set("X-Forwarded-Host", "desk.example")
			proxied.header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.9")
			answer := proxied.do("POST", "/auth/login", LoginRequest{Username: "admin", Password: adminPassword}).into(200, nil)
			if secure := strings.Contains(answer.header.Get("Set-Cookie"), "Secure"); secure != c.secure {
				t.Errorf("cookie %q", answer.header.Get("Set-Cookie"))
			}
			var logins LoginSessionList
			admin.do("GET", "/auth/logins", nil).into(200, &logins)
			if !slices.ContainsFunc(logins.Items, func(l LoginSession) bool { return l.RemoteAddr == c.addr && !l.Current }) {
				t.Errorf("logins %+v have none from %s", logins.Items, c.addr)
			}
		})
	}
}

func TestThrottledSignIn(t *testing.T) {
	w := newWorld(t)
	w.admin()
	guest := w.client()
	var answer *answer
	for range 10 {
		answer = guest.do("POST", "/auth/login", LoginRequest{Username: "admin", Password: userPassword})
		if answer.status == http.StatusTooManyRequests {
			break
		}
	}
	answer.fails(429, streamspace.CodeThrottled)
	if answer.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", answer.header.Get("Retry-After"))
	}
	w.clock.add(time.Second)
	guest.signIn("admin", adminPassword)
}

func TestLoginsAreListedAndRevoked(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	here, there := admin.newUser("ada", streamspace.RoleUser), w.client().signIn("ada", userPassword)
	var logins LoginSessionList
	here.do("GET", "/auth/logins", nil).into(200, &logins)
	if len(logins.Items) != 2 {
		t.Fatalf("%d logins", len(logins.Items))
	}
	for _, l := range logins.Items {
		if l.Current {
			continue
		}
		admin.do("DELETE", "/auth/logins/"+string(l.ID), nil).fails(404, streamspace.CodeNotFound)
		here.do("DELETE", "/auth/logins/"+string(l.ID), nil).into(204, nil)
		here.do("DELETE", "/auth/logins/"+string(l.ID), nil).fails(404, streamspace.CodeNotFound)
	}
	there.do("GET", "/me", nil).fails(401, streamspace.CodeUnauthenticated)
	here.do("GET", "/me", nil).into(200, nil)
}

func TestOwnAccount(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	elsewhere := w.client().signIn("ada", userPassword)
	name := "  Ada Lovelace "
	var user User
	ada.do("PATCH", "/me", UpdateMeRequest{DisplayName: &name}).into(200, &user)
	if user.DisplayName != "Ada Lovelace" || user.Role != streamspace.RoleUser {
		t.Errorf("renamed to %+v", user)
	}
	ada.do("PATCH", "/me", `{"displayName":"a\u0000b"}`).fails(422, streamspace.CodeInvalid)
	ada.do("PATCH", "/me", `{"role":"admin"}`).fails(422, streamspace.CodeInvalid)
	ada.do("POST", "/me/password", ChangePasswordRequest{CurrentPassword: adminPassword, NewPassword: "a new one 123"}).fails(403, streamspace.CodeForbidden)
	if p := ada.do("POST", "/me/password", ChangePasswordRequest{CurrentPassword: userPassword, NewPassword: "password123"}).fails(422, streamspace.CodeInvalid).problem; len(p.Errors) != 1 || p.Errors[0].Location != "body.newPassword" {
		t.Errorf("a bad password is told as %+v", p)
	}
	ada.do("POST", "/me/password", ChangePasswordRequest{CurrentPassword: userPassword, NewPassword: "a new one 123"}).into(204, nil)
	ada.do("GET", "/me", nil).into(200, &user)
	elsewhere.do("GET", "/me", nil).fails(401, streamspace.CodeUnauthenticated)
	w.client().signIn("ada", "a new one 123")
}

func TestAPIKeyLife(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	days := 7
	var made NewAPIKey
	admin.do("POST", "/api-keys", CreateAPIKeyRequest{Name: "bot", ExpiresInDays: &days}).into(201, &made)
	if !strings.HasPrefix(made.Key, "ssk_") || strings.Contains(made.Hint, made.Key[8:20]) || made.ExpiresAt == nil {
		t.Errorf("made %+v", made)
	}
	bot := w.client()
	bot.bearer = made.Key
	var user User
	bot.do("GET", "/me", nil).into(200, &user)
	if user.Username != "admin" {
		t.Errorf("the key is %+v's", user)
	}
	bot.start("terminal") // no CSRF token
	bot.do("POST", "/api-keys", CreateAPIKeyRequest{Name: "child"}).fails(403, streamspace.CodeForbidden)
	var login Login
	if bot.do("GET", "/auth/login", nil).into(200, &login); login.CSRFToken != "" {
		t.Error("a key has a CSRF token")
	}
	var keys APIKeyList
	admin.do("GET", "/api-keys", nil).into(200, &keys)
	if len(keys.Items) != 1 || keys.Items[0].LastUsedAt == nil || strings.Contains(string(admin.do("GET", "/api-keys", nil).body), made.Key) {
		t.Errorf("keys %+v", keys.Items)
	}
	w.clock.add(7 * 24 * time.Hour)
	bot.do("GET", "/me", nil).fails(401, streamspace.CodeUnauthenticated)
	admin = w.client().signIn("admin", adminPassword)
	admin.do("DELETE", "/api-keys/"+string(made.ID), nil).into(204, nil)
	admin.do("DELETE", "/api-keys/"+string(made.ID), nil).fails(404, streamspace.CodeNotFound)
}

// Whatever stands in Authorization is meant: a bad one is not made good by a cookie.
func TestAuthorizationStandsBeforeTheCookie(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	for _, header := range []string{"Bearer ", "Bearer x", "Basic YTpi", "bearer ssk_" + strings.Repeat("A", 43), "x"} {
		admin.header.Set("Authorization", header)
		admin.do("GET", "/me", nil).fails(401, streamspace.CodeUnauthenticated)
	}
	admin.header.Del("Authorization")
	admin.header.Set("Cookie", "") // overwritten below
	admin.do("GET", "/me", nil).into(200, nil)
}

func TestForeignOriginsAreRefused(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	host := strings.TrimPrefix(w.server.URL, "http://")
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"Origin", "http://" + host, true},
		{"Origin", "https://" + host, true}, // TLS may end in front of us
		{"Origin", "https://evil.example", false},
		{"Origin", "null", false},
		{"Origin", "http://" + host + ".evil.example", false},
		{"Sec-Fetch-Site", "same-origin", true},
		{"Sec-Fetch-Site", "none", true},
		{"Sec-Fetch-Site", "cross-site", false},
		{"Sec-Fetch-Site", "same-site", false},
	} {
		admin.header = http.Header{c.name: {c.value}}
		answer := admin.do("PATCH", "/me", UpdateMeRequest{})
		if c.ok {
			answer.into(200, nil)
		} else {
			answer.fails(403, streamspace.CodeOriginForbidden)
			admin.do("POST", "/auth/login", LoginRequest{Username: "admin", Password: adminPassword}).fails(403, streamspace.CodeOriginForbidden)
		}
	}
}
