package gateway_test

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
)

func TestTicketsThatDoNotPass(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, silent).address, 1)

	foreign, _ := h.mint(streamspace.NewSessionID())
	late, _, err := ticket.NewMinter(ticket.NewKey(), func() time.Time { return time.Now() }).Mint(ticket.Grant{Session: session, User: streamspace.NewUserID()})
	if err != nil {
		t.Fatal(err)
	}
	used, _ := h.mint(session)
	h.dial(h.url(session, used), nil).handshake()
	withdrawn, claims := h.mint(session)
	if err := h.broker.Revoke(context.Background(), broker.Revocation{Viewer: claims.Viewer, Before: time.Now().Add(time.Second), Code: streamspace.CodeAccessRevoked}, time.Minute); err != nil {
		t.Fatal(err)
	}
	blind, _ := h.mint(session, streamspace.PermissionControl)

	for name, c := range map[string]struct {
		ticket string
		status int
		code   streamspace.Code
	}{
		"none":            {"", http.StatusUnauthorized, streamspace.CodeTicketInvalid},
		"nonsense":        {"let-me-in", http.StatusUnauthorized, streamspace.CodeTicketInvalid},
		"foreign session": {foreign, http.StatusUnauthorized, streamspace.CodeTicketInvalid},
		"foreign key":     {late.Reveal(), http.StatusUnauthorized, streamspace.CodeTicketInvalid},
		"reused":          {used, http.StatusUnauthorized, streamspace.CodeTicketUsed},
		"withdrawn":       {withdrawn, http.StatusUnauthorized, streamspace.CodeTicketRevoked},
		"may not watch":   {blind, http.StatusForbidden, streamspace.CodeForbidden},
	} {
		if code := h.refused(h.url(session, c.ticket), nil, c.status); code != c.code {
			t.Errorf("%s: %s, want %s", name, code, c.code)
		}
		if h.metric("refused_total", string(c.code)) == 0 {
			t.Errorf("%s: not counted", name)
		}
	}
	good, _ := h.mint(session)
	wrongPath := strings.Replace(h.url(session, good), string(session), "ses_..%2f..", 1)
	if code := h.refused(wrongPath, nil, http.StatusNotFound); code != streamspace.CodeNotFound {
		t.Errorf("wrong id: %s", code)
	}
	h.stop()
	for _, secret := range []string{used, withdrawn, good, foreign} {
		if strings.Contains(h.log.String(), secret) || strings.Contains(h.log.String(), strings.Split(secret, ".")[2]) {
			t.Error("a ticket is in the log")
		}
	}
	if !strings.Contains(h.log.String(), string(claims.Session)) {
		t.Error("the log does not name the session")
	}
}

func TestExpiredTicket(t *testing.T) {
	t.Parallel()
	key := ticket.NewKey()
	h := newHouse(t, func(o *gateway.Options) { o.Verifier = ticket.NewVerifier(nil, key.Public()) })
	session := streamspace.NewSessionID()
	old := ticket.NewMinter(key, func() time.Time { return time.Now().Add(-2 * time.Minute) })
	pass, _, err := old.Mint(ticket.Grant{Session: session, User: streamspace.NewUserID(), Permissions: streamspace.OwnerPermissions})
	if err != nil {
		t.Fatal(err)
	}
	if code := h.refused(h.url(session, pass.Reveal()), nil, http.StatusUnauthorized); code != streamspace.CodeTicketExpired {
		t.Errorf("got %s", code)
	}
}

func TestPlainRequestsAreNotStreams(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, silent).address, 1)
	pass, _ := h.mint(session)
	response, err := http.Get(strings.Replace(h.url(session, pass), "ws", "http", 1))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status %d", response.StatusCode)
	}
	h.dial(h.url(session, pass), nil).handshake() // the ticket was not used up
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) {
		o.Origins = []string{"https://desk.example:443", "http://other.example:8080"}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, silent).address, 1)
	self, err := url.Parse(h.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, origin, embedder, forwardedHost string
		allowed                               bool
	}{
		{"no browser", "", "", "", true},
		{"same origin", "http://" + self.Host, "", "", true},
		{"same host over TLS at a proxy", "https://" + self.Host, "", "", true},
		{"host as the proxy saw it", "https://public.example", "", "public.example", true},
		{"allowed", "https://desk.example", "", "", true},
		{"allowed with port", "http://other.example:8080", "", "", true},
		{"embedder of the ticket", "https://embed.example", "https://embed.example", "", true},
		{"another embedder", "https://evil.example", "https://embed.example", "", false},
		{"another site", "https://evil.example", "", "", false},
		{"another port", "http://other.example", "", "", false},
		{"allowed as prefix", "https://desk.example.evil.example", "", "", false},
		{"opaque", "null", "", "", false},
		{"with user", "https://desk.example@evil.example", "", "", false},
	} {
		pass, _, err := h.minter.Mint(ticket.Grant{
			Session: session, User: streamspace.NewUserID(), Permissions: streamspace.OwnerPermissions, Origin: c.embedder,
		})
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		if c.forwardedHost != "" {
			header.Set("X-Forwarded-Host", c.forwardedHost)
		}
		if c.allowed {
			h.dial(h.url(session, pass.Reveal()), header).conn.Close()
		} else if code := h.refused(h.url(session, pass.Reveal()), header, http.StatusForbidden); code != streamspace.CodeOriginForbidden {
			t.Errorf("%s: %s", c.name, code)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	a, b := streamspace.NewSessionID(), streamspace.NewSessionID()
	desk := newDesktop(t, silent)
	for _, c := range []struct {
		name   string
		limits gateway.Limits
		second streamspace.SessionID
		header http.Header
		full   bool
	}{
		{"gateway", gateway.Limits{Viewers: 1}, b, nil, true},
		{"session", gateway.Limits{PerSession: 1}, a, nil, true},
		{"another session", gateway.Limits{PerSession: 1}, b, nil, false},
		{"address", gateway.Limits{PerAddress: 1}, b, http.Header{"X-Forwarded-For": {"192.0.2.7"}}, true},
		{"another address", gateway.Limits{PerAddress: 1}, b, http.Header{"X-Forwarded-For": {"192.0.2.1, 192.0.2.8"}}, false},
		{"none", gateway.Limits{Viewers: -1, PerSession: -1, PerAddress: -1}, a, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(o *gateway.Options) {
				o.Limits = c.limits
				o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			})
			h.publish(a, desk.address, 1)
			h.publish(b, desk.address, 1)
			first, _ := h.mint(a)
			header := http.Header{"X-Forwarded-For": {"192.0.2.66, 192.0.2.7"}}
			one := h.dial(h.url(a, first), header)
			second, _ := h.mint(c.second)
			if c.header == nil {
				c.header = header
			}
			if !c.full {
				h.dial(h.url(c.second, second), c.header)
				return
			}
			if code := h.refused(h.url(c.second, second), c.header, http.StatusServiceUnavailable); code != streamspace.CodeGatewayFull {
				t.Errorf("got %s", code)
			}
			one.conn.Close()
			eventually(t, "the place to be free", func() bool { return h.metric("viewers") == 0 })
			h.dial(h.url(c.second, second), c.header) // its ticket was not used up
		})
	}
}

func TestForwardedAddressesNeedATrustedProxy(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Limits.PerAddress = 1 })
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, silent).address, 1)
	one, _ := h.mint(session)
	two, _ := h.mint(session)
	h.dial(h.url(session, one), http.Header{"X-Forwarded-For": {"192.0.2.1"}})
	if code := h.refused(h.url(session, two), http.Header{"X-Forwarded-For": {"192.0.2.2"}}, http.StatusServiceUnavailable); code != streamspace.CodeGatewayFull {
		t.Errorf("got %s", code)
	}
}

// Who tries tickets is refused without a look at them, at every gateway, and is not
// written about without end; others come in.
func TestTooManyBadTickets(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	at, key := memory.New(time.Now), ticket.NewKey()
	first := newHouseAt(t, at, key, func(o *gateway.Options) { o.TrustedProxies = proxies })
	second := newHouseAt(t, at, key, func(o *gateway.Options) { o.TrustedProxies = proxies })
	session := streamspace.NewSessionID()
	first.publish(session, newDesktop(t, silent).address, 1)
	from := func(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }
	try := func(h *house, address, pass string) int {
		conn, response, err := websocket.DefaultDialer.Dial(h.url(session, pass), from(address))
		if err == nil {
			conn.Close()
		}
		if response == nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	const bad, attempts = "192.0.2.66", 160
	limited := 0
	for i := range attempts {
		if try([]*house{first, second}[i%2], bad, "let-me-in") == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 20 {
		t.Errorf("of %d bad tickets at two gateways %d were refused for their number", attempts, limited)
	}
	pass, _ := first.mint(session)
	if status := try(first, "192.0.2.77", pass); status != http.StatusSwitchingProtocols {
		t.Errorf("another with a good ticket: %d", status)
	}
	eventually(t, "lines not to be written", func() bool {
		try(first, bad, "let-me-in")
		return first.metric("refused_total") > float64(2*strings.Count(first.log.String(), "viewer refused"))
	})
}

func TestTooManyStreamsOfAUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *gateway.Options) { o.Limits.PerUser = 2 })
	session := streamspace.NewSessionID()
	h.publish(session, newDesktop(t, silent).address, 1)
	user := streamspace.NewUserID()
	mint := func(user streamspace.UserID) string {
		pass, _, err := h.minter.Mint(ticket.Grant{Session: session, User: user, Permissions: streamspace.OwnerPermissions})
		if err != nil {
			t.Fatal(err)
		}
		return pass.Reveal()
	}
	first := h.dial(h.url(session, mint(user)), nil)
	h.dial(h.url(session, mint(user)), nil)
	if code := h.refused(h.url(session, mint(user)), nil, http.StatusServiceUnavailable); code != streamspace.CodeGatewayFull {
		t.Errorf("one too many: %s", code)
	}
	h.dial(h.url(session, mint(streamspace.NewUserID())), nil)
	first.conn.Close()
	eventually(t, "room for another", func() bool { return h.metric("viewers") == 2 })
	h.dial(h.url(session, mint(user)), nil)
}
