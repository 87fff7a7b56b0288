package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
	"github.com/streamspace/streamspace/gateway/ticket"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	adminPassword = "correct battery 4"
	userPassword  = "staple horse 77 x"

	// patience is how long a test waits for what happens elsewhere.
	patience = 10 * time.Second
)

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logBook keeps what is logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// catalog is two templates, of which one is not installed.
type catalog []streamspace.Template

func (c catalog) List() []streamspace.Template { return c }

func (c catalog) Get(name string) (streamspace.Template, bool) {
	for _, t := range c {
		if t.Name == name {
			return t, true
		}
	}
	return streamspace.Template{}, false
}

func templates() catalog {
	return catalog{
		{Name: "terminal", DisplayName: "Terminal", Category: "System", Icon: "terminal", Command: []string{"xterm"}, IdleTimeout: streamspace.Duration(time.Hour), Network: streamspace.NetworkNone},
		{Name: "cad", DisplayName: "CAD", Category: "Graphics", Icon: "cad", Command: []string{"freecad"}, Packages: []string{"freecad"}, Network: streamspace.NetworkInternet},
	}
}

// desktops is a machine on which only xterm is installed.
type desktops struct {
	mu      sync.Mutex
	removed []streamspace.HomeID // guarded by mu
}

func (d *desktops) Availability(t streamspace.Template) runtime.Availability {
	if t.Command[0] == "xterm" {
		return runtime.Availability{Installed: true}
	}
	return runtime.Availability{Missing: []string{t.Command[0]}, InstallCommand: "apt install " + t.Packages[0]}
}

func (d *desktops) DeleteHome(_ context.Context, home streamspace.HomeID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = append(d.removed, home)
	return nil
}

// world is a whole API on a real database, over real HTTP.
type world struct {
	*API
	t        *testing.T
	clock    *clock
	log      *logBook
	broker   *memory.Broker
	desktops *desktops
	tickets  *ticket.Verifier
	server   *httptest.Server
	registry *prometheus.Registry
	stop     func() // ends Run and waits for it
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, clock: &clock{at: time.Now().UTC().Truncate(time.Second)}, log: &logBook{}, desktops: &desktops{}}
	key := ticket.NewKey()
	w.tickets = ticket.NewVerifier(w.clock.now, key.Public())
	w.start(storetest.New(t), key, change...)
	return w
}

// again is the same after a restart: with the same rows and another broker.
func again(t *testing.T, before *world) *world {
	t.Helper()
	w := &world{t: t, clock: before.clock, log: before.log, desktops: before.desktops, tickets: before.tickets}
	w.start(before.Store, ticket.NewKey())
	return w
}

func (w *world) start(s *store.Store, key ticket.Key, change ...func(*Options)) {
	w.t.Helper()
	w.registry = prometheus.NewRegistry()
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.broker = memory.New(w.clock.now)
	feed := store.NewFeed(s)
	options := Options{
		Store: s, Feed: feed, Broker: w.broker, Tickets: ticket.NewMinter(key, w.clock.now), Catalog: templates(), Desktops: w.desktops,
		Identity: identity.New(identity.Options{Store: s, Logger: logger, Registerer: w.registry, Now: w.clock.now, Cost: identity.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}}),
		Logger:   logger, Registerer: w.registry, Now: w.clock.now, Version: "1.2.3", Commit: "abc",
	}
	for _, f := range change {
		f(&options)
	}
	var err error
	if w.API, err = New(options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { feed.Run(ctx) })
	running.Go(func() { w.Run(ctx) })
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	w.server = httptest.NewServer(w.Handler())
	w.t.Cleanup(func() {
		w.stop()
		w.server.Close()
	})
}

// client is one browser or program.
type client struct {
	w      *world
	http   *http.Client
	cookie string
	csrf   string
	bearer string
	user   User
	header http.Header // further headers of every request
}

func (w *world) client() *client {
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &client{w: w, http: &http.Client{Transport: transport}, header: http.Header{}}
}

// answer is one response, read whole.
type answer struct {
	t       *testing.T
	status  int
	header  http.Header
	body    []byte
	problem Problem
}

// into decodes the body of the expected status.
func (a *answer) into(status int, v any) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if v != nil {
		decoder := json.NewDecoder(bytes.NewReader(a.body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(v); err != nil {
			a.t.Fatalf("decoding %s: %v", a.body, err)
		}
	}
	return a
}

// fails expects a problem with the code.
func (a *answer) fails(status int, code streamspace.Code) *answer {
	a.t.Helper()
	if a.status != status || a.problem.Code != code || a.header.Get("Content-Type") != problemType ||
		a.problem.RequestID == "" || a.problem.RequestID != a.header.Get("X-Request-Id") || a.problem.Detail == "" || a.problem.Status != status {
		a.t.Fatalf("status %d, %s: %s, want a problem with %d and code %s", a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
	return a
}

func (c *client) do(method, path string, body any) *answer {
	c.w.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.w.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(c.w.t.Context(), method, c.w.server.URL+Prefix+path, reader)
	if err != nil {
		c.w.t.Fatal(err)
	}
	if reader != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	c.credentials(r.Header)
	response, err := c.http.Do(r)
	if err != nil {
		c.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := &answer{t: c.w.t, status: response.StatusCode, header: response.Header, body: text}
	if response.Header.Get("Content-Type") == problemType {
		if err := json.Unmarshal(text, &a.problem); err != nil {
			c.w.t.Fatalf("problem %s: %v", text, err)
		}
	}
	for _, cookie := range response.Cookies() {
		if cookie.Name == loginCookie {
			c.cookie = cookie.Value
		}
	}
	return a
}

func (c *client) credentials(h http.Header) {
	for name, values := range c.header {
		h[name] = values
	}
	if c.cookie != "" {
		h.Set("Cookie", loginCookie+"="+c.cookie)
	}
	if c.csrf != "" {
		h.Set(csrfHeader, c.csrf)
	}
	if c.bearer != "" {
		h.Set("Authorization", "Bearer "+c.bearer)
	}
}

func (c *client) became(a *answer) *client {
	c.w.t.Helper()
	var login Login
	a.into(http.StatusOK, &login)
	c.csrf, c.user = login.CSRFToken, login.User
	return c
}

func (c *client) signIn(username, password string) *client {
	c.w.t.Helper()
	return c.became(c.do("POST", "/auth/login", LoginRequest{Username: username, Password: password}))
}

// admin sets the first administrator up and returns their browser.
func (w *world) admin() *client {
	w.t.Helper()
	link, err := w.Identity.EnsureAdmin(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.client()
	return c.became(c.do("POST", "/auth/setup", SetupRequest{Token: link.Token, Password: adminPassword}))
}

// user makes an account and returns its browser.
func (c *client) newUser(name string, role streamspace.Role) *client {
	c.w.t.Helper()
	password := userPassword
	var made CreatedUser
	c.do("POST", "/users", CreateUserRequest{Username: name, Role: role, Password: &password}).into(http.StatusCreated, &made)
	return c.w.client().signIn(name, userPassword)
}

func (c *client) start(template string) Session {
	c.w.t.Helper()
	var session Session
	c.do("POST", "/sessions", CreateSessionRequest{Template: template}).into(http.StatusCreated, &session)
	return session
}

// becomes sets a session's state as lifecycle does.
func (w *world) becomes(id streamspace.SessionID, state streamspace.State) {
	w.t.Helper()
	_, err := w.Store.ChangeSession(w.t.Context(), id, w.clock.now(), func(row *store.Session) error {
		row.State = state
		if state == streamspace.StateRunning {
			now := w.clock.now()
			row.StartedAt = &now
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// trail is the audit trail, oldest first, as "actor action outcome".
func (w *world) trail() []string {
	w.t.Helper()
	rows, err := w.Store.AuditBefore(context.Background(), store.AuditBeforeParams{Max: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for n := len(rows) - 1; n >= 0; n-- {
		lines = append(lines, rows[n].ActorName+" "+rows[n].Action+" "+rows[n].Outcome)
	}
	return lines
}
