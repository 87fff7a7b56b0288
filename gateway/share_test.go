package gateway_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

const screenWidth, screenHeight = 500, 300

// display is a real desktop that counts its connections.
type display struct {
	*picturetest.Xvnc
	address string
	open    atomic.Int32
	random  *rand.Rand
}

func newDisplay(t *testing.T) *display {
	t.Helper()
	d := &display{Xvnc: picturetest.StartXvnc(t, screenWidth, screenHeight), random: rand.New(rand.NewPCG(1, 2))}
	path := filepath.Join(t.TempDir(), "counted.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d.address = "unix:" + path
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { d.pass(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); group.Wait() })
	return d
}

// pass passes a connection on, whose ends end each other.
func (d *display) pass(conn net.Conn) {
	defer conn.Close()
	behind, err := net.Dial("unix", d.Socket())
	if err != nil {
		return
	}
	defer behind.Close()
	d.open.Add(1)
	defer d.open.Add(-1)
	var there sync.WaitGroup
	there.Go(func() {
		pump(behind, conn)
		behind.(*net.UnixConn).CloseWrite()
	})
	pump(conn, behind)
	conn.Close()
	there.Wait()
}

func pump(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// draw puts a picture on the screen.
func (d *display) draw(t *testing.T) *picture.Picture {
	t.Helper()
	p := picturetest.Random(d.random, screenWidth, screenHeight)
	d.Show(t, p)
	return p
}

// connections waits until the desktop has so many.
func (d *display) connections(t *testing.T, want int32) {
	t.Helper()
	eventually(t, "the desktop to have another number of connections", func() bool { return d.open.Load() == want })
}

// lossless is what a viewer asks for that is to show exactly what there is.
var lossless = []rfb.Encoding{
	rfb.EncodingTight, rfb.EncodingCopyRect, rfb.EncodingRaw, rfb.CompressLevel(2), rfb.EncodingFence, rfb.EncodingContinuousUpdates,
	rfb.EncodingLastRect, rfb.EncodingExtendedDesktopSize, rfb.EncodingQEMUExtendedKey,
}

// member is a viewer that draws, and is told of the room if it speaks.
type member struct {
	*viewer
	*picturetest.Mirror
	id    streamspace.ViewerID
	texts <-chan map[string]any
}

// member lets a viewer in; no permissions mean an owner's.
func (h *house) member(session streamspace.SessionID, speaks bool, permissions ...streamspace.Permission) *member {
	h.t.Helper()
	return h.memberThatAsks(lossless, session, speaks, permissions...)
}

func (h *house) memberThatAsks(encodings []rfb.Encoding, session streamspace.SessionID, speaks bool, permissions ...streamspace.Permission) *member {
	h.t.Helper()
	pass, claims := h.mint(session, permissions...)
	dialer := websocket.Dialer{Subprotocols: []string{"binary"}, HandshakeTimeout: patience}
	if speaks {
		dialer.Subprotocols = []string{"streamspace.v1", "binary"}
	}
	conn, response, err := dialer.Dial(h.url(session, pass), nil)
	if err != nil {
		h.t.Fatalf("dialing: %v %v", err, response)
	}
	if got := conn.Subprotocol(); got != dialer.Subprotocols[0] {
		h.t.Errorf("subprotocol %q, want %q", got, dialer.Subprotocols[0])
	}
	texts := make(chan map[string]any, 10_000)
	v := &viewer{t: h.t, conn: conn, texts: texts}
	h.t.Cleanup(func() { conn.Close() })
	v.handshake()
	return &member{viewer: v, Mirror: picturetest.Reflect(h.t, v, v.init, encodings...), id: claims.Viewer, texts: texts}
}

// tell sends a text.
func (m *member) tell(kind string, to streamspace.ViewerID) {
	text, err := json.Marshal(map[string]any{"type": kind, "to": to})
	if err != nil {
		m.viewer.t.Fatal(err)
	}
	m.viewer.writing.Lock()
	defer m.viewer.writing.Unlock()
	if err := m.conn.WriteMessage(websocket.TextMessage, text); err != nil {
		m.viewer.t.Error(err)
	}
}

// told waits for a text.
func (m *member) told(what string, like func(text map[string]any) bool) map[string]any {
	m.viewer.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case text := <-m.texts:
			if like(text) {
				return text
			}
		case <-deadline:
			m.viewer.t.Fatalf("was not told: %s", what)
		}
	}
}

// mode waits until its status says how it is served.
func (m *member) mode(want string) map[string]any {
	m.viewer.t.Helper()
	return m.told("mode "+want, func(text map[string]any) bool { return text["type"] == "status" && text["mode"] == want })
}

func (m *member) holder(want streamspace.ViewerID) {
	m.viewer.t.Helper()
	m.told("who has control", func(text map[string]any) bool {
		if text["type"] != "control" {
			return false
		}
		holder, _ := text["holder"].(string)
		return holder == string(want)
	})
}

// The second viewer makes a hub of the relay, and when it has left the first gets
// its relay back: the desktop has one connection, and everybody sees what it
// shows. Over and over.
func TestSharedFromTheSecondViewerOn(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	first := h.member(session, true)
	first.Shows(d.draw(t))
	first.mode("relay")
	for cycle := range 2 {
		d.connections(t, 1)
		second := h.member(session, cycle == 0)
		p := d.draw(t)
		first.Shows(p)
		second.Shows(p)
		status := first.mode("hub")
		if status["quality"] != "lossless" {
			t.Errorf("status %v", status)
		}
		third := h.member(session, false, streamspace.PermissionView)
		p = d.draw(t)
		third.Shows(p)
		first.Shows(p)
		d.connections(t, 1)
		if hubs := h.metric("hubs"); hubs != 1 {
			t.Errorf("there are %v hubs", hubs)
		}
		second.conn.Close()
		third.conn.Close()
		first.Shows(d.draw(t))
		first.mode("relay")
		first.Shows(d.draw(t))
	}
	d.connections(t, 1)
	if promoted, demoted, hubs := h.metric("promoted_total"), h.metric("demoted_total"), h.metric("hubs"); promoted != 2 || demoted != 2 || hubs != 0 {
		t.Errorf("promoted %v times, demoted %v times, %v hubs", promoted, demoted, hubs)
	}
	first.conn.Close()
	d.connections(t, 0)
	eventually(t, "the desktop to be given up", func() bool { return h.metric("desktops") == 0 })
}

// Viewers come and go while others do: nobody loses a picture.
func TestSharedByACrowd(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	stays := h.member(session, false)
	var crowd sync.WaitGroup
	for range 8 {
		crowd.Go(func() {
			for range 3 {
				guest := h.member(session, true, streamspace.PermissionView)
				guest.told("the list", func(text map[string]any) bool { return text["type"] == "viewers" })
				guest.conn.Close()
			}
		})
	}
	for range 10 {
		d.draw(t)
	}
	crowd.Wait()
	stays.Shows(d.draw(t))
	eventually(t, "the relay to be back", func() bool { return h.metric("hubs") == 0 })
	stays.Shows(d.draw(t))
	d.connections(t, 1)
}

// What holds for a desktop's end, a revocation and a drain holds for viewers of a
// hub.
func TestSharedEnds(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) (h *house, session streamspace.SessionID, d *display, owner, guest *member) {
		d, h = newDisplay(t), newHouse(t, nil)
		session = streamspace.NewSessionID()
		h.publish(session, d.address, 1)
		owner, guest = h.member(session, true), h.member(session, false, streamspace.PermissionView)
		p := d.draw(t)
		owner.Shows(p)
		guest.Shows(p)
		owner.mode("hub")
		return h, session, d, owner, guest
	}
	t.Run("revoked", func(t *testing.T) {
		t.Parallel()
		h, session, d, owner, guest := open(t)
		r := broker.Revocation{Session: session, Viewer: guest.id, Before: time.Now().Add(time.Second), Code: streamspace.CodeAccessRevoked}
		if err := h.broker.Revoke(context.Background(), r, time.Minute); err != nil {
			t.Fatal(err)
		}
		guest.ended(gateway.StatusAccessRevoked)
		owner.Shows(d.draw(t))
	})
	t.Run("another desktop", func(t *testing.T) {
		t.Parallel()
		h, session, _, owner, guest := open(t)
		other := newDisplay(t)
		h.publish(session, other.address, 2)
		owner.ended(gateway.StatusDesktopGone)
		guest.ended(gateway.StatusDesktopGone)
		a, b := h.member(session, false), h.member(session, false)
		p := other.draw(t)
		a.Shows(p)
		b.Shows(p)
	})
	t.Run("drained", func(t *testing.T) {
		t.Parallel()
		h, _, _, owner, guest := open(t)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.gateway.Drain(ctx); err != nil {
			t.Error(err)
		}
		owner.ended(gateway.StatusRestart)
		guest.ended(gateway.StatusRestart)
	})
}

// A glance makes a picture: of a desktop that nobody watches by a connection that
// is there for that moment, and of one with a viewer without another.
func TestGlance(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	h := newHouse(t, nil)
	ctx := context.Background()
	session := streamspace.NewSessionID()
	taken := func() time.Time {
		at, err := h.broker.ThumbnailTaken(ctx, session)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	glance := func() {
		if err := h.broker.Glance(ctx, session); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := h.broker.Subscribe(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer wanted.Close()
	glance() // there is no desktop: it is not asked for
	eventually(t, "nothing to be left", func() bool { return h.metric("desktops") == 0 })

	h.publish(session, d.address, 1)
	d.draw(t)
	glance()
	eventually(t, "a picture", func() bool { return !taken().IsZero() })
	small, err := h.broker.Thumbnail(ctx, session)
	if err != nil || small.Width != 320 || small.Height != 192 {
		t.Errorf("picture of %dx%d, %v", small.Width, small.Height, err)
	}
	d.connections(t, 0)
	eventually(t, "the desktop to be given up", func() bool { return h.metric("desktops") == 0 })
	if _, err := h.broker.Claim(ctx, session, streamspace.NewGatewayID(), time.Nanosecond); err != nil {
		t.Errorf("it is still claimed: %v", err)
	}
	first := taken()
	glance() // too soon for another connection

	// Glances are heard in order: after that at another session, this one was.
	other := streamspace.NewSessionID()
	h.publish(other, d.address, 1)
	if err := h.broker.Glance(ctx, other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a picture of the other session", func() bool {
		at, err := h.broker.ThumbnailTaken(ctx, other)
		return err == nil && !at.IsZero()
	})
	eventually(t, "both desktops to be given up", func() bool { return h.metric("desktops") == 0 })

	v := h.member(session, true)
	v.Shows(d.draw(t))
	v.mode("relay")
	if taken() != first {
		t.Error("a picture was taken too soon")
	}
	glance()
	v.mode("hub")
	eventually(t, "a newer picture", func() bool { return taken().After(first) })
	v.Shows(d.draw(t))
	d.connections(t, 1)
	for {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		event, err := wanted.Next(ctx)
		cancel()
		if err != nil {
			break
		}
		if event.Kind == broker.EventWant {
			t.Error("a glance woke a desktop")
		}
	}
}

// Who watches a film alone is moved to a host, which codes it as video where the
// machine is fast enough for a film, and gets a relay of its own again afterwards.
func TestAFilmIsMovedToAHost(t *testing.T) {
	t.Parallel()
	if !hub.CodesFilms() {
		if os.Getenv("CI") != "" {
			t.Fatal("OpenH264 is not installed")
		}
		t.Skip("OpenH264 is not installed")
	}
	d := newDisplay(t)
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	encodings := append([]rfb.Encoding{rfb.EncodingH264, rfb.JPEGQuality(8)}, lossless...)
	v := h.memberThatAsks(encodings, session, true)
	v.ShowsWithin(d.draw(t), 255)
	v.mode("relay")
	film := make([]*picture.Picture, 8)
	for i := range film {
		film[i] = picturetest.Random(d.random, screenWidth, screenHeight)
	}
	var playing sync.WaitGroup
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop); playing.Wait() })
	defer end()
	playing.Go(func() {
		every := time.NewTicker(time.Second / 25)
		defer every.Stop()
		for i := 0; ; i++ {
			d.Show(t, film[i%len(film)])
			select {
			case <-stop:
				return
			case <-every.C:
			}
		}
	})
	v.mode("hub")
	d.connections(t, 1)
	end()
	t.Logf("%d frames came as video", v.Films())
	last := d.draw(t)
	v.Shows(last)
	v.mode("relay")
	v.ShowsWithin(d.draw(t), 255)
	d.connections(t, 1)
}
