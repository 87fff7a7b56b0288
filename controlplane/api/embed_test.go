package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace"
)

// A link for another site names its origin: in the share, in what the guest is
// told, in the ticket that the gateway sees, and for the page's policy.
func TestEmbedding(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada := admin.newUser("ada", streamspace.RoleUser)
	admin.newUser("grace", streamspace.RoleUser)
	session := ada.start("terminal")
	w.becomes(session.ID, streamspace.StateRunning)
	path := "/sessions/" + string(session.ID) + "/shares"
	for _, origin := range []string{"app.example", "https://", "https://app.example/path", "ftp://app.example", "https://u@app.example", "https://app.example?x", "https://*.example", "https://a b.example", "null"} {
		ada.do("POST", path, map[string]any{"permissions": []string{"view"}, "origin": origin}).fails(422, streamspace.CodeInvalid)
	}
	ada.do("POST", path, map[string]any{"permissions": []string{"view"}, "origin": "https://app.example", "username": "grace"}).fails(422, streamspace.CodeInvalid)
	if origins := w.API.EmbedOrigins(t.Context(), string(session.ID)); len(origins) > 0 {
		t.Errorf("before it is shared %v may show it", origins)
	}

	var share NewShare
	ada.do("POST", path, map[string]any{"permissions": []string{"view"}, "origin": "HTTPS://App.example:443/"}).into(201, &share)
	const want = "https://app.example"
	if share.Kind != "embed" || share.Origin != want || !strings.Contains(share.URL, "/embed/"+string(session.ID)+"#token=") {
		t.Errorf("share %+v", share)
	}
	var other NewShare
	ada.do("POST", path, map[string]any{"permissions": []string{"view"}, "origin": "http://localhost:3000"}).into(201, &other)
	ada.do("POST", path, map[string]any{"permissions": []string{"view"}}).into(201, nil)
	if origins := w.API.EmbedOrigins(t.Context(), string(session.ID)); !slices.Equal(origins, []string{"http://localhost:3000", want}) {
		t.Errorf("%v may show it", origins)
	}
	if origins := w.API.EmbedOrigins(t.Context(), "ses_x"); origins != nil {
		t.Errorf("%v may show what is none", origins)
	}

	_, token, _ := strings.Cut(share.URL, "#token=")
	var joined Joined
	w.client().do("POST", "/join", map[string]any{"token": token}).into(200, &joined)
	if joined.EmbedOrigin != want {
		t.Errorf("the guest is told %q", joined.EmbedOrigin)
	}
	claims, err := w.tickets.Verify(joined.Ticket, session.ID)
	if err != nil || claims.Origin != want {
		t.Errorf("the ticket is for %q, %v", claims.Origin, err)
	}

	ada.do("DELETE", path+"/"+string(other.ID), nil).into(204, nil)
	if origins := w.API.EmbedOrigins(t.Context(), string(session.ID)); !slices.Equal(origins, []string{want}) {
		t.Errorf("after one has ended %v may show it", origins)
	}
}
