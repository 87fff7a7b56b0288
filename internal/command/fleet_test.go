package command_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// A control plane and two gateways, as processes that know each other by a Redis
// alone. A gateway is killed, the Redis is killed and comes back empty, and people
// come in again.
func TestFleet(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	p := newProduct(t)
	p.role = "controlplane"
	p.start("--redis-url", "redis://"+redis.Address)
	p.signIn()
	keys := filepath.Join(t.TempDir(), "public.pem")
	print := exec.Command(filepath.Join(binaries, "streamspace"), "ticket-keys", "--data-dir", p.data)
	print.Env = environment()
	text, err := print.Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "PRIVATE") {
		t.Fatal("the private key is told")
	}
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	gateways := map[string]*product{}
	for range 2 {
		g := newGateway(t, redis, keys)
		gateways[g.listen] = g
	}

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
