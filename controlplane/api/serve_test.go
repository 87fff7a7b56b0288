package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamspace/streamspace"
)

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	w := newWorld(t)
	guest := w.client()
	for _, a := range []*answer{guest.do("GET", "/auth/setup", nil), guest.do("GET", "/nothing", nil), guest.do("GET", "/openapi.json", nil), guest.do("GET", "/me", nil)} {
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		} {
			if a.header.Get(name) != want {
				t.Errorf("%s is %q", name, a.header.Get(name))
			}
		}
	}
}

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	guest := w.client()
	seen := map[string]bool{}
	for _, c := range []struct {
		given string
		kept  bool
	}{{"", false}, {"abc-123_X.y", true}, {strings.Repeat("a", 64), true}, {strings.Repeat("a", 65), false}, {"a b", false}, {"a\"b", false}, {"é", false}} {
		guest.header.Set("X-Request-Id", c.given)
		id := guest.do("GET", "/nothing", nil).fails(404, streamspace.CodeNotFound).problem.RequestID
		if (id == c.given) != c.kept || seen[id] {
			t.Errorf("given %q, got %q", c.given, id)
		}
		seen[id] = true
		if !strings.Contains(w.log.String(), `"request_id":"`+id+`"`) {
			t.Errorf("the log does not know request %s", id)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	admin.do("GET", "/nothing", nil).fails(404, streamspace.CodeNotFound)
	if a := admin.do("PUT", "/sessions", "{}").fails(405, streamspace.CodeInvalid); a.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	admin.do("POST", "/sessions", nil).fails(400, streamspace.CodeInvalid)
	admin.do("POST", "/sessions", "{").fails(400, streamspace.CodeInvalid)
	admin.do("POST", "/sessions", `{"template":"terminal"} {}`).fails(400, streamspace.CodeInvalid)
	admin.do("POST", "/sessions", `{"template":"terminal","colour":"red"}`).fails(422, streamspace.CodeInvalid)
	admin.do("POST", "/sessions", `{"template":1}`).fails(422, streamspace.CodeInvalid)
	admin.do("POST", "/sessions", `{"template":"terminal","name":"`+strings.Repeat("x", maxBodyBytes)+`"}`).fails(413, streamspace.CodeTooLarge)
	admin.header.Set("Content-Type", "text/xml")
	if a := admin.do("POST", "/sessions", "<x/>"); a.status != 415 {
		t.Errorf("XML: %d %s", a.status, a.body)
	}
}

// A password that is sent where it does not belong is not sent back.
func TestProblemsDoNotRepeatWhatWasSent(t *testing.T) {
	w := newWorld(t)
	guest := w.client()
	const secret = "hunter2-hunter2"
	for _, body := range []string{
		`{"username":"x","password":"y","extra":"` + secret + `"}`, `{"username":{"a":"` + secret + `"},"password":"y"}`,
		`{"username":"` + strings.Repeat(secret, 10) + `","password":"y"}`, `{"username":"` + secret, `"` + secret + `"`,
	} {
		if a := guest.do("POST", "/auth/login", body); a.status < 400 || bytes.Contains(a.body, []byte(secret)) {
			t.Errorf("%s is answered with %d %s", body, a.status, a.body)
		}
	}
	if strings.Contains(w.log.String(), secret) {
		t.Error("the log repeats it")
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Catalog = panicking{} })
	admin := w.admin()
	if p := admin.do("GET", "/templates", nil).fails(500, streamspace.CodeInternal).problem; strings.Contains(p.Detail, "wires") {
		t.Errorf("the answer tells %q", p.Detail)
	}
	if !strings.Contains(w.log.String(), "request panicked") || !strings.Contains(w.log.String(), "crossed wires") {
		t.Error("the log does not tell of the panic")
	}
	if got := testutil.CollectAndCount(w.metrics.requests); got == 0 {
		t.Error("nothing was counted")
	}
}

type panicking struct{}

func (panicking) List() []streamspace.Template            { panic("crossed wires") }
func (panicking) Get(string) (streamspace.Template, bool) { panic("crossed wires") }

func TestDatabaseGone(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	w.stop()
	w.Store.Close()
	a := admin.do("GET", "/sessions", nil)
	if a.status != 503 && a.status != 500 || a.problem.RequestID == "" || strings.Contains(a.problem.Detail, "pool") {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if err := w.Ready(t.Context()); err == nil {
		t.Error("ready without a database")
	}
}

func TestRateLimits(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	var limited *answer
	for range 2 * callerBurst {
		if a := admin.do("GET", "/version", nil); a.status == http.StatusTooManyRequests {
			limited = a.fails(429, streamspace.CodeThrottled)
			break
		}
	}
	if limited == nil || limited.header.Get("Retry-After") == "" {
		t.Fatal("nobody is limited")
	}
	w.clock.add(time.Second)
	var version Version
	if admin.do("GET", "/version", nil).into(200, &version); version != (Version{"1.2.3", "abc"}) {
		t.Errorf("version %+v", version)
	}
}

// Everything that is secret goes through one flow; none of it is in the log.
func TestSecretsAreNotLogged(t *testing.T) {
	w := newWorld(t)
	link, err := w.Identity.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	admin := w.client()
	admin.became(admin.do("POST", "/auth/setup", SetupRequest{Token: link.Token, Password: adminPassword}))
	secrets := []string{link.Token, adminPassword, userPassword, admin.cookie, admin.csrf}
	ada := admin.newUser("ada", streamspace.RoleUser)
	secrets = append(secrets, ada.cookie, ada.csrf)
	var invited CreatedUser
	admin.do("POST", "/users", CreateUserRequest{Username: "eve", Role: streamspace.RoleUser}).into(201, &invited)
	secrets = append(secrets, invited.SetupURL[strings.IndexByte(invited.SetupURL, '=')+1:])
	var key NewAPIKey
	ada.do("POST", "/api-keys", CreateAPIKeyRequest{Name: "bot"}).into(201, &key)
	secrets = append(secrets, key.Key)
	session := ada.start("terminal")
	var connection Connection
	ada.do("POST", "/sessions/"+string(session.ID)+"/connect", nil).into(200, &connection)
	secrets = append(secrets, connection.Ticket)
	bot := w.client()
	bot.bearer = key.Key
	bot.do("GET", "/sessions?cursor=c2VjcmV0LXF1ZXJ5", nil)
	secrets = append(secrets, "c2VjcmV0LXF1ZXJ5")
	w.client().do("POST", "/auth/login", LoginRequest{Username: "typed-password-1", Password: "typed-password-2"})
	secrets = append(secrets, "typed-password-1", "typed-password-2")
	w.client().do("GET", "/path-with-a-secret", nil)
	secrets = append(secrets, "path-with-a-secret")
	ada.do("POST", "/me/password", ChangePasswordRequest{CurrentPassword: userPassword, NewPassword: "changed-password-3"}).into(204, nil)
	secrets = append(secrets, "changed-password-3")
	ada.do("POST", "/auth/logout", nil).into(204, nil)
	log := w.log.String()
	if strings.Count(log, "request served") < 10 {
		t.Fatalf("the log has too little: %s", log)
	}
	rows := auditText(t, w)
	for _, secret := range secrets {
		if secret == "" {
			t.Fatal("a secret is empty: the test tests nothing")
		}
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
		if strings.Contains(rows, secret) {
			t.Errorf("the audit trail has %q", secret)
		}
	}
	if !strings.Contains(log, `"route":"/sessions/{id}/connect"`) || !strings.Contains(log, `"user":"`+string(ada.user.ID)+`"`) {
		t.Error("the log does not tell routes and users")
	}
}

func auditText(t *testing.T, w *world) string {
	t.Helper()
	admin := w.client().signIn("admin", adminPassword)
	return string(admin.do("GET", "/audit?limit=200", nil).into(200, nil).body)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	for _, part := range []string{"Store", "Feed", "Identity", "Broker", "Tickets", "Catalog", "Desktops"} {
		if err == nil || !strings.Contains(err.Error(), part+" is missing") {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}

// Bytes that no HTTP library sends.
func TestRawRequests(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /api/v1/users/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"GET /api/v1/../v1/me HTTP/1.1\r\nHost: x\r\n\r\n", 307},
		{"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nCookie: " + loginCookie + "=a; " + loginCookie + "=b\r\n\r\n", 401},
		{"BREW /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"HEAD /api/v1/auth/setup HTTP/1.1\r\nHost: x\r\n\r\n", 200},
	} {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, c.request); err != nil {
			t.Fatal(err)
		}
		var status int
		if _, err := fmt.Fscanf(conn, "HTTP/1.1 %d", &status); err != nil || status != c.status {
			t.Errorf("%q is answered with %d, %v", c.request, status, err)
		}
		conn.Close()
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("Bearer ssk_abc", "streamspace_login=abc", "csrf")
	f.Add("", "streamspace_login=a; streamspace_login=b", "")
	f.Add("basic \x00", "=;;streamspace_login=\"quoted\"", "\xff")
	f.Fuzz(func(t *testing.T, authorization, cookie, csrf string) {
		r := &http.Request{Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("Cookie", cookie)
		r.Header.Set(csrfHeader, csrf)
		if key, given := bearer(r); given != (authorization != "") || key != strings.TrimSpace(key) {
			t.Errorf("bearer of %q is %q, %v", authorization, key, given)
		}
		if token, ok := loginToken(r); ok && (token == "" || strings.Count(cookie, loginCookie+"=") == 0) {
			t.Errorf("token of %q is %q", cookie, token)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor(usersCursor, string(streamspace.NewUserID())))
	f.Add(encodeCursor(auditCursor, "17"))
	f.Add("")
	f.Add("////")
	f.Fuzz(func(t *testing.T, cursor string) {
		key, err := decodeCursor(usersCursor, cursor)
		if err != nil || cursor == "" {
			return
		}
		if strings.ContainsAny(key, "\x00'\" ") || encodeCursor(usersCursor, key) != cursor {
			t.Errorf("%q passes as %q", cursor, key)
		}
	})
}

func FuzzVisit(f *testing.F) {
	f.Add("127.0.0.1:1", "1.2.3.4, 5.6.7.8", "https", "a.example")
	f.Add("[::1]:1", ",,,", "", "")
	f.Fuzz(func(t *testing.T, peer, forwarded, proto, host string) {
		a := &API{Options: Options{}}
		trustLoopback(&a.Options)
		r := &http.Request{RemoteAddr: peer, Host: "h", Header: http.Header{"X-Forwarded-For": {forwarded}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}}}
		v := a.visitFrom(r, "id")
		if v.RemoteAddr != "" && net.ParseIP(v.RemoteAddr) == nil {
			t.Errorf("address %q", v.RemoteAddr)
		}
		if !strings.HasPrefix(peer, "127.") && (v.host != "h" || v.secure) {
			t.Errorf("%q is believed", peer)
		}
	})
}
