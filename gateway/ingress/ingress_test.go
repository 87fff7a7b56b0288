package ingress

import (
	"fmt"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/streamspace/streamspace"
)

func fleetOf(n int) (fleet []Gateway) {
	for i := range n {
		fleet = append(fleet, Gateway{ID: streamspace.NewGatewayID(), Address: fmt.Sprintf("10.0.0.%d:8081", i+1)})
	}
	return fleet
}

// Sessions are spread evenly, stay where they are when another gateway comes or
// goes, and do not go to one that is crowded.
func TestChoose(t *testing.T) {
	t.Parallel()
	fleet := fleetOf(5)
	const sessions = 20_000
	ids := make([]streamspace.SessionID, sessions)
	at := map[streamspace.GatewayID]int{}
	for i := range ids {
		ids[i] = streamspace.NewSessionID()
		g, ok := Choose(fleet, ids[i])
		if !ok {
			t.Fatal("none was chosen")
		}
		at[g.ID]++
	}
	for id, n := range at {
		if n < sessions/5*9/10 || n > sessions/5*11/10 {
			t.Errorf("%s has %d of %d", id, n, sessions)
		}
	}
	moved := 0
	for _, id := range ids {
		before, _ := Choose(fleet, id)
		after, _ := Choose(fleet[1:], id)
		if before.ID != after.ID && before.ID != fleet[0].ID {
			t.Fatal("a session moved whose gateway stays")
		}
		if before.ID != after.ID {
			moved++
		}
	}
	if moved != at[fleet[0].ID] {
		t.Errorf("%d sessions moved, and %d were there", moved, at[fleet[0].ID])
	}
	fleet[2].Viewers = 1000
	for _, id := range ids[:1000] {
		if g, _ := Choose(fleet, id); g.ID == fleet[2].ID {
			t.Fatal("the crowded one was chosen")
		}
	}
	if _, ok := Choose(nil, ids[0]); ok {
		t.Error("one of none was chosen")
	}
	if _, ok := Choose([]Gateway{{ID: fleet[0].ID}}, ids[0]); ok {
		t.Error("one without an address was chosen")
	}
}

// Whatever is asked, the answer is one of few, and none lets in what Check does not.
func FuzzAnswers(f *testing.F) {
	session := streamspace.NewSessionID()
	fleet := fleetOf(2)
	f.Add("/auth/stream/v1/"+string(session)+"?ticket=x", "", "")
	f.Add("/auth", "/stream/v1/"+string(session)+"?resume=x", "https://a.example")
	f.Add("/route/"+string(session), "", "")
	f.Add("/auth", "http://user@host:1/stream/v1/%zz?ticket=%", "null")
	options := Options{
		Check: func(id streamspace.SessionID, ticket, resume, _, _ string) streamspace.Code {
			if id == session && ticket == "good" {
				return ""
			}
			return streamspace.CodeTicketInvalid
		},
		Fleet: func() []Gateway { return fleet },
	}
	f.Fuzz(func(t *testing.T, path, original, origin string) {
		var r fasthttp.RequestCtx
		r.Request.SetRequestURI(path)
		r.Request.Header.Set("X-Original-URI", original)
		r.Request.Header.Set("Origin", origin)
		options.handle(&r)
		switch status := r.Response.StatusCode(); status {
		case 401, 403, 404:
			if len(r.Response.Header.Peek(HeaderUpstream)) > 0 {
				t.Error("who may not enter is told where")
			}
		case 200:
		default:
			t.Errorf("status %d", status)
		}
	})
}
