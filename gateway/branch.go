package gateway

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/gateway/tree"
	"github.com/streamspace/streamspace/rfb"
)

// A branch is a stream whose viewer is another gateway, which serves its own
// viewers from it. It has a seat that speaks for them: each of them has a seat
// here too, in the one company, and is told of it through the branch.

// Link is where other gateways reach this one. Without a listener none do, and
// viewers whose desktop another gateway holds are told to come again.
type Link struct {
	Listener net.Listener
	Address  string // host:port as others reach it; the listener's if empty
}

// linkHeaders bounds the time for a request's headers, and so for a handshake.
const linkHeaders = 5 * time.Second

// serveLinks serves other gateways until the context ends.
func (g *Gateway) serveLinks(ctx context.Context) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tree.Prefix+"{session}", g.branchOff)
	mux.HandleFunc("GET "+tree.AlivePath, g.tellView)
	mux.HandleFunc("GET "+tree.WatchPath, g.watched)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: linkHeaders, IdleTimeout: linkHeaders,
		ErrorLog: log.New(io.Discard, "", 0), // what a stranger's handshake failed of is its own affair
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	config := tree.ServerConfig(g.certificate, func(ctx context.Context, key crypto.PublicKey) bool {
		_, known := g.peers.keyed(ctx, key)
		return known
	})
	if err := server.Serve(tls.NewListener(g.link.Listener, config)); !errors.Is(err, http.ErrServerClosed) {
		g.log.Error("serving other gateways ended", "error", err)
	}
}

// tellView tells another gateway whether this one reaches the broker.
func (g *Gateway) tellView(w http.ResponseWriter, r *http.Request) {
	view := tree.View{Gateway: g.id, Broker: g.peers.refresh(r.Context()) == nil}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(view)
}

// branchOff lets another gateway in, if this one owns the desktop.
func (g *Gateway) branchOff(w http.ResponseWriter, r *http.Request) {
	session, err := streamspace.ParseSessionID(strings.TrimPrefix(r.URL.Path, tree.Prefix))
	if err != nil || !g.owns(session) {
		http.Error(w, tree.ErrElsewhere.Error(), http.StatusConflict)
		return
	}
	other, known := g.peers.keyed(r.Context(), r.TLS.PeerCertificates[0].PublicKey)
	if !known {
		http.Error(w, tree.ErrUnknown.Error(), http.StatusForbidden)
		return
	}
	s := newStream(g, ticket.Claims{
		Session: session, Viewer: streamspace.NewViewerID(), Name: string(other.Gateway), Permissions: streamspace.OwnerPermissions, Issued: time.Now(),
	}, peerAddr(r), string(other.Gateway))
	s.branch = true
	if err := g.reserve(s); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	conn, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		g.release(s)
		return
	}
	g.start(s, conn.NetConn(), true)
}

// owns tells whether the session's desktop is held here.
func (g *Gateway) owns(session streamspace.SessionID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.desktops[session]
	return d != nil && !d.closing && d.owned.Load() && !d.offered.Load()
}

// hearBranch takes a text of another gateway, on the branch's receiver.
func (s *seat) hearBranch(text []byte) error {
	m, err := tree.Decode[tree.Up](text)
	if err != nil {
		return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
	}
	if m.Type == tree.Join {
		return s.grow(m)
	}
	twig := s.twigs[m.Viewer]
	if twig == nil {
		return nil // it has left
	}
	switch m.Type {
	case tree.Leave:
		delete(s.twigs, m.Viewer)
		s.company.leave(twig)
	case tree.Do:
		s.company.do(twig, m.Command)
	case tree.Act:
		s.company.reach(twig, m.Purpose)
	case tree.Point:
		s.company.points(twig, rfb.PointerEvent{X: m.X, Y: m.Y})
	}
	return nil
}

// grow gives a viewer of the other gateway its seat here.
func (s *seat) grow(m tree.Up) error {
	if m.Member == nil || m.Member.ID == "" {
		return fmt.Errorf("%w: a member without an id", relay.ErrViewerProtocol)
	}
	if s.twigs[m.Member.ID] != nil {
		return nil
	}
	if limit := s.stream.gateway.limits.PerSession; limit >= 0 && len(s.twigs) >= limit {
		return fmt.Errorf("%w: %d viewers", relay.ErrViewerFlood, len(s.twigs))
	}
	twig := &seat{company: s.company, stream: s.stream, speaks: true, member: *m.Member, via: s}
	s.twigs[m.Member.ID] = twig
	s.company.enter(twig, m.Control)
	return nil
}

// fall takes the seats of the other gateway's viewers back.
func (s *seat) fall() {
	for _, twig := range s.twigs {
		s.company.leave(twig)
	}
	clear(s.twigs)
}

// branchTexts is what the other gateway is told.
func (s *seat) branchTexts(n news, refusals [][]byte, cursors map[streamspace.ViewerID]cursor) (texts [][]byte) {
	if n&newsViewers != 0 {
		who := s.company.who()
		texts = append(texts, tree.Encode(tree.Down{Type: tree.Who, Who: &who}))
	}
	if n&newsControl != 0 {
		held := s.company.held()
		texts = append(texts, tree.Encode(tree.Down{Type: tree.Held, Held: &held}))
	}
	texts = append(texts, refusals...)
	if len(cursors) == 0 {
		return texts
	}
	down := tree.Down{Type: tree.Cursors, Cursors: make([]tree.Cursor, 0, len(cursors))}
	for _, id := range slices.Sorted(maps.Keys(cursors)) {
		at := cursors[id]
		down.Cursors = append(down.Cursors, tree.Cursor{Viewer: id, X: at.x, Y: at.y, Gone: at.gone})
	}
	return append(texts, tree.Encode(down))
}

// The company's part.

// reach lets a viewer of a branch take control by the message that follows, if it
// is free.
func (c *company) reach(s *seat, purpose bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.room.Input(s.member.ID, purpose, now)
	c.settle(now)
}

// points notes where a viewer of a branch points.
func (c *company) points(s *seat, p rfb.PointerEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.point(s, p, time.Now())
}

// actVia decides whether a message of a branch may pass: the other gateway passes
// on what whoever has control does, as far as it knows.
func (c *company) actVia(branch *seat, m rfb.ClientMessage) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	holder := c.find(c.room.Holder())
	theirs := holder != nil && holder.via == branch
	var may bool
	switch {
	case m.Type == rfb.ClientSetDesktopSize && holder == nil:
		first := c.find(c.room.First())
		may = first != nil && first.via == branch
	case m.Type == rfb.ClientCutText && holder == nil:
		may = true // the other gateway has seen that it may have clipboards
	case theirs:
		may = m.Type == rfb.ClientSetDesktopSize || c.room.Input(holder.member.ID, true, now)
	}
	if pointer, points := m.Pointer(); points && theirs {
		c.point(holder, pointer, now)
	}
	c.settle(now)
	return may
}

func (c *company) who() room.Who {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.Who()
}

func (c *company) held() room.Held {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.Held()
}
