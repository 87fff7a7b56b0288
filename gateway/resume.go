package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// resumeEvery is how old what lets a viewer back in gets before it gets another.
const resumeEvery = ticket.ResumeLife / 3

// maxElsewhere bounds the other gateways that a viewer is told of.
const maxElsewhere = 3

// verifyResume checks what a gateway gave a viewer whose stream broke.
func (g *Gateway) verifyResume(r *http.Request, token string, session streamspace.SessionID) (ticket.Resume, error) {
	own := g.key.Public()
	return ticket.VerifyResume(token, session, time.Now(), func(id string) (ticket.PublicKey, bool) {
		if id == own.ID() {
			return own, true
		}
		return g.peers.signer(r.Context(), id)
	})
}

// elsewhere is where the session's stream is at other gateways.
func (g *Gateway) elsewhere(session streamspace.SessionID) []string {
	var urls []string
	living := g.peers.living()
	slices.SortStableFunc(living, func(a, b peer) int {
		switch {
		case a.near == b.near:
			return 0
		case a.near:
			return -1
		}
		return 1
	})
	for _, other := range living {
		if other.url == "" || other.draining || other.Gateway == g.id || len(urls) == maxElsewhere {
			continue
		}
		urls = append(urls, "ws"+strings.TrimPrefix(strings.TrimSuffix(other.url, "/"), "http")+pathPrefix+string(session))
	}
	return urls
}

// resumption tells the viewer how to come back if its stream breaks.
func (s *seat) resumption(now time.Time) ([]byte, error) {
	s.resumed = now
	s.controlled = s.company.holds(s)
	token, err := s.stream.gateway.key.SignResume(s.stream.claims, s.controlled, now)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type    string   `json:"type"`
		Token   string   `json:"token"`
		Seconds int      `json:"seconds"` // it is good for
		At      []string `json:"at"`      // besides where the viewer is now
	}{"resume", token.Reveal(), int(ticket.ResumeLife.Seconds()), s.stream.gateway.elsewhere(s.stream.claims.Session)})
}

// renews tells whether the viewer is to be told anew how to come back.
func (s *seat) renews(n news, now time.Time) bool {
	return n&(newsWelcome|newsSpent) != 0 || now.Sub(s.resumed) >= resumeEvery || n&newsControl != 0 && s.company.holds(s) != s.controlled
}

// spent has a viewer, whose other try to be served came to nothing, told anew how
// to come back: what it knew was good for that try.
func (g *Gateway) spent(claims ticket.Claims) {
	g.mu.Lock()
	d := g.desktops[claims.Session]
	g.mu.Unlock()
	if d == nil {
		return
	}
	d.company.mu.Lock()
	defer d.company.mu.Unlock()
	if s := d.company.find(claims.Viewer); s != nil {
		s.tell(newsSpent)
	}
}

// keepPeers has the list of gateways looked at, of which viewers are told.
func (g *Gateway) keepPeers(ctx context.Context) {
	if err := g.peers.refresh(ctx); err != nil && ctx.Err() == nil {
		g.log.Warn("looking at the list of gateways", "error", err)
	}
}
