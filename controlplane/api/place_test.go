package api

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// Who connects is sent to where the others are, or to the least busy gateway of
// the region that takes viewers and has an address.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	ada := w.admin().newUser("ada", streamspace.RoleUser)
	session := ada.start("terminal")
	w.becomes(session.ID, streamspace.StateRunning)
	host := func() string {
		t.Helper()
		var c Connection
		ada.do("POST", "/sessions/"+string(session.ID)+"/connect", nil).into(200, &c)
		u, err := url.Parse(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		return u.Scheme + "://" + u.Host
	}
	common := host()
	announce := func(n broker.Node) streamspace.GatewayID {
		t.Helper()
		if n.Gateway == "" {
			n.Gateway = streamspace.NewGatewayID()
		}
		if err := w.broker.Announce(t.Context(), n, time.Hour); err != nil {
			t.Fatal(err)
		}
		w.clock.add(placesLife) // which is how long the list is believed
		return n.Gateway
	}
	for _, step := range []struct {
		what string
		node broker.Node
		want string
	}{
		{"one without an address", broker.Node{}, common},
		{"one that drains", broker.Node{URL: "https://drains.example", Draining: true}, common},
		{"one of another region", broker.Node{URL: "https://far.example", Region: "far"}, "wss://far.example"},
		{"a busy one of ours", broker.Node{URL: "https://busy.example", Viewers: 100}, "wss://busy.example"},
		{"an idle one", broker.Node{URL: "http://idle.example:81", Viewers: 3}, "ws://idle.example:81"},
		{"one with few viewers who see much", broker.Node{URL: "https://hot.example", Viewers: 1, CPU: 1.5}, "ws://idle.example:81"},
		{"one whose line is full", broker.Node{URL: "https://full.example", Viewers: 1, Bytes: 100 << 20}, "ws://idle.example:81"},
	} {
		announce(step.node)
		if got := host(); got != step.want {
			t.Errorf("with %s: %s, want %s", step.what, got, step.want)
		}
	}
	if origins := w.API.GatewayOrigins(t.Context()); !slices.Equal(origins, []string{"ws://idle.example:81", "wss://busy.example", "wss://far.example", "wss://full.example", "wss://hot.example"}) {
		t.Errorf("pages may speak with %v", origins)
	}
	there := announce(broker.Node{URL: "https://there.example", Region: "far", Viewers: 1000})
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: session.ID, Gateway: there}
	if err := w.broker.Join(t.Context(), viewer, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := host(); got != "wss://there.example" {
		t.Errorf("where another one watches: %s", got)
	}
}
