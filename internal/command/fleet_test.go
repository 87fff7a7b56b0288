package command_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/broker/redis/redistest"
	"github.com/streamspace/streamspace/rfb"
)

// newGateway is a gateway of the fleet that browsers reach by its own address.
func newGateway(t *testing.T, redis *redistest.Server, keys string) *product {
	t.Helper()
	g := &product{t: t, role: "gateway", listen: freeAddress(t), client: &http.Client{Timeout: 10 * time.Second}}
	t.Cleanup(g.close)
	g.start("--redis-url", "redis://"+redis.Address, "--ticket-public-keys", keys, "--gateway-url", "http://"+g.listen)
	return g
}

// binary is a WebSocket's binary messages as one stream.
type binary struct {
	*websocket.Conn
	rest []byte
}

func (b *binary) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		_, message, err := b.ReadMessage()
		if err != nil {
			return 0, err
		}
		b.rest = message
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *binary) Write(p []byte) (int, error) {
	return len(p), b.WriteMessage(websocket.BinaryMessage, p)
}

// fleet is a control plane and gateways, as processes that know each other by a
// Redis alone.
type fleet struct {
	*product
	redis    *redistest.Server
	keys     string
	gateways map[string]*product // by where they listen
}

func newFleet(t *testing.T, gateways int) *fleet {
	t.Helper()
	f := &fleet{product: newProduct(t), redis: redistest.Start(t), keys: filepath.Join(t.TempDir(), "public.pem"), gateways: map[string]*product{}}
	f.role = "controlplane"
	f.start("--redis-url", "redis://"+f.redis.Address)
	f.signIn()
	print := exec.Command(filepath.Join(binaries, "streamspace"), "ticket-keys", "--data-dir", f.data)
	print.Env = environment()
	text, err := print.Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "PRIVATE") {
		t.Fatal("the private key is told")
	}
	if err := os.WriteFile(f.keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for range gateways {
		g := newGateway(t, f.redis, f.keys)
		f.gateways[g.listen] = g
	}
	return f
}

// others are the gateways but one.
func (f *fleet) others(but string) (list []string) {
	for listen := range f.gateways {
		if listen != but {
			list = append(list, listen)
		}
	}
	return list
}

// A control plane and two gateways, as processes that know each other by a Redis
// alone. A gateway is killed, the Redis is killed and comes back empty, and people
// come in again.
func TestFleet(t *testing.T) {
	t.Parallel()
	p := newFleet(t, 2)
	redis, gateways := p.redis, p.gateways

	var s session
	if status := p.call("POST", "/sessions", map[string]string{"template": "terminal"}, &s); status != http.StatusCreated {
		t.Fatalf("starting a session: %d", status)
	}
	// watch goes where the control plane sends it, up to the desktop's greeting.
	watch := func() (gateway string, conn *websocket.Conn) {
		var c struct{ URL string }
		if status := p.call("POST", "/sessions/"+s.ID+"/connect", map[string]any{}, &c); status != http.StatusOK && status != http.StatusCreated {
			return "", nil
		}
		u, err := url.Parse(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		conn, response, err := websocket.DefaultDialer.Dial(c.URL, nil)
		if err != nil {
			if response != nil {
				io.Copy(io.Discard, response.Body)
			}
			return u.Host, nil
		}
		conn.SetReadDeadline(time.Now().Add(startLimit))
		session, err := rfb.ClientHandshake(&binary{Conn: conn}, rfb.ClientConfig{})
		if err != nil {
			t.Logf("the stream of %s: %v", u.Host, err)
			conn.Close()
			return u.Host, nil
		}
		if session.Init.Width == 0 {
			t.Error("a desktop without a size")
		}
		return u.Host, conn
	}
	var at string
	var stream *websocket.Conn
	p.eventually("somebody watches by a gateway", func() bool {
		at, stream = watch()
		return stream != nil && gateways[at] != nil
	})
	defer stream.Close()
	again, second := watch()
	if second == nil || again != at {
		t.Fatalf("the second viewer came to %s, and the first to %s", again, at)
	}
	second.Close()

	gateways[at].end(syscall.SIGKILL)
	p.eventually("the other gateway has the desktop", func() bool {
		to, conn := watch()
		if conn == nil {
			return false
		}
		defer conn.Close()
		return gateways[to] != nil && to != at
	})

	// What runs does not need the Redis, and what is new does.
	_, stream = watch()
	if stream == nil {
		t.Fatal("nobody comes in")
	}
	redis.Kill()
	p.eventually("the gap is told", func() bool {
		status := p.call("POST", "/sessions/"+s.ID+"/connect", map[string]any{}, nil)
		if status == http.StatusOK || status == http.StatusCreated {
			_, conn := watch()
			if conn != nil {
				conn.Close()
			}
			return conn == nil
		}
		return status == http.StatusServiceUnavailable
	})
	if _, err := (&binary{Conn: stream}).Write(rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Width: 100, Height: 100})); err != nil {
		t.Errorf("a stream that ran: %v", err)
	}
	if _, _, err := stream.ReadMessage(); err != nil {
		t.Errorf("a stream that ran: %v", err)
	}
	stream.Close()
	if err := redis.Restart(); err != nil { // it kept nothing
		t.Fatal(err)
	}
	p.eventually("people come in again", func() bool {
		_, conn := watch()
		if conn != nil {
			conn.Close()
		}
		return conn != nil
	})
	for listen, g := range gateways {
		if listen == at {
			continue
		}
		if err := g.end(syscall.SIGTERM); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	}
	if status := p.call("DELETE", "/sessions/"+s.ID, nil, nil); status != http.StatusAccepted {
		t.Errorf("stopping: %d", status)
	}
	p.eventually("the desktop ends", func() bool { return len(p.family("bwrap")) == 0 })
}

// watcher is somebody at a desktop who reads all that comes, and knows how to come
// back.
type watcher struct {
	t      *testing.T
	conn   *websocket.Conn
	bytes  atomic.Int64
	resume atomic.Pointer[string] // the token
	ended  chan struct{}
}

// watch opens the address and asks for pictures.
func watch(t *testing.T, address string) (*watcher, error) {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"streamspace.v1"}}
	conn, response, err := dialer.Dial(address, nil)
	if err != nil {
		if response != nil {
			io.Copy(io.Discard, response.Body)
		}
		return nil, err
	}
	w := &watcher{t: t, conn: conn, ended: make(chan struct{})}
	t.Cleanup(func() { conn.Close(); <-w.ended })
	for _, hello := range []string{"RFB 003.008\n", "\x01", "\x01"} { // all of the handshake at once
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(hello)); err != nil {
			close(w.ended)
			return nil, err
		}
	}
	go w.read()
	w.send(rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingContinuousUpdates, rfb.EncodingFence, rfb.EncodingExtendedDesktopSize))
	return w, nil
}

func (w *watcher) read() {
	defer close(w.ended)
	for {
		kind, message, err := w.conn.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.BinaryMessage {
			w.bytes.Add(int64(len(message)))
			continue
		}
		var text struct{ Type, Token string }
		if json.Unmarshal(message, &text) == nil && text.Type == "resume" {
			w.resume.Store(&text.Token)
		}
	}
}

func (w *watcher) send(message []byte) {
	w.t.Helper()
	if err := w.conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
		w.t.Error(err)
	}
}

// refreshed asks for the whole picture until something comes.
func (w *watcher) refreshed() bool {
	before := w.bytes.Load()
	w.send(rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Width: 400, Height: 300}))
	for range 100 {
		if w.bytes.Load() > before {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// Two gateways serve one desktop. The one that holds it is killed: who was at the
// other goes on, on the same connection, and who was at the one that died comes
// back at the third, with what it was given. Nobody waits for a claim to run out.
func TestFleetLosesAGateway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	var s session
	if status := f.call("POST", "/sessions", map[string]string{"template": "terminal"}, &s); status != http.StatusCreated {
		t.Fatalf("starting a session: %d", status)
	}
	connect := func(at string) (address string) {
		var c struct{ URL string }
		if status := f.call("POST", "/sessions/"+s.ID+"/connect", map[string]any{}, &c); status != http.StatusOK && status != http.StatusCreated {
			t.Fatalf("connecting: %d", status)
		}
		u, err := url.Parse(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		if at != "" {
			u.Host = at
		}
		return u.String()
	}
	var first *watcher
	var holder string
	f.eventually("somebody watches by a gateway", func() bool {
		address := connect("")
		u, _ := url.Parse(address)
		holder = u.Host
		var err error
		first, err = watch(t, address)
		return err == nil && f.gateways[holder] != nil && first.refreshed()
	})
	rest := f.others(holder)
	second, err := watch(t, connect(rest[0]))
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("the second sees the desktop through the first one's gateway", second.refreshed)
	f.eventually("the first knows how to come back", func() bool { return first.resume.Load() != nil })

	f.gateways[holder].end(syscall.SIGKILL)
	<-first.ended
	began := time.Now()
	back := fmt.Sprintf("ws://%s/stream/v1/%s?resume=%s", rest[1], s.ID, url.QueryEscape(*first.resume.Load()))
	again, err := watch(t, back)
	if err != nil {
		t.Fatalf("coming back: %v", err)
	}
	f.eventually("the first is back", again.refreshed)
	f.eventually("the second goes on", second.refreshed)
	select {
	case <-second.ended:
		t.Error("the second lost its connection")
	default:
	}
	if took := time.Since(began); took > 20*time.Second { // a claim lasts longer
		t.Errorf("it took %s", took)
	}
	if _, err := watch(t, back); err == nil {
		t.Error("what lets one back in works twice")
	}
}
