package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// balanced is a fleet behind a load balancer.
type balanced struct {
	t     *testing.T
	fleet []*house
	list  *unsteady // the broker as the one sees it that is asked
	asked string    // where the load balancer asks
}

func newBalanced(t *testing.T) *balanced {
	t.Helper()
	b := &balanced{t: t, list: &unsteady{Broker: memory.New(time.Now)}}
	key := ticket.NewKey()
	var streams []net.Listener
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, listener)
	}
	i := 0
	b.fleet = newFleetAt(t, len(streams), b.list.Broker, key, func(options *gateway.Options) {
		if i == 0 {
			options.Broker = b.list
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			options.Ingress.Listener = listener
			b.asked = listener.Addr().String()
		}
		options.Ingress.Address = streams[i].Addr().String()
		i++
	})
	for i, h := range b.fleet {
		server := &http.Server{Handler: h.gateway}
		done := make(chan struct{})
		go func() { defer close(done); server.Serve(streams[i]) }()
		t.Cleanup(func() { server.Close(); <-done })
	}
	return b
}

// ask asks as a load balancer does.
func (b *balanced) ask(uri string, headers ...string) *http.Response {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+b.asked+"/auth", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("X-Original-URI", uri)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// behind starts a load balancer from its file in deploy/balancers, with other
// addresses, and returns where it is.
func (b *balanced) behind(file string, start func(path string) *exec.Cmd) (address string) {
	b.t.Helper()
	address = free(b.t)
	folder := b.t.TempDir()
	for _, name := range []string{file, "streamspace.lua"} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", "balancers", name))
		if err != nil {
			b.t.Fatal(err)
		}
		changed := strings.NewReplacer("127.0.0.1:8089", b.asked, "127.0.0.1:8088", address, "lua-load streamspace.lua", "lua-load "+filepath.Join(folder, "streamspace.lua")).Replace(string(text))
		if file == "nginx.conf" && name == file {
			changed = fmt.Sprintf("pid %s/pid; error_log stderr; daemon off; worker_processes 1; events {}\nhttp { access_log off;\n%s}\n", folder, changed)
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				changed = strings.Replace(changed, "http {", fmt.Sprintf("http { %s_temp_path %s/%s;", kind, folder, kind), 1)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(changed), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	command := start(filepath.Join(folder, file))
	var said lockedBuffer
	command.Stderr, command.Stdout = &said, &said
	if err := command.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); command.Wait() }()
	b.t.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		<-ended
		if b.t.Failed() {
			b.t.Log(said.String())
		}
	})
	eventually(b.t, "the load balancer", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}

// offered are the gateways to which viewers are sent.
func (b *balanced) offered() map[string]bool {
	b.t.Helper()
	seen := map[string]bool{}
	for range 64 {
		pass, claims := b.fleet[0].mint(streamspace.NewSessionID())
		answer := b.ask(fmt.Sprintf("/stream/v1/%s?ticket=%s", claims.Session, pass))
		seen[answer.Header.Get("X-Streamspace-Gateway")] = true
	}
	return seen
}

// Nobody is sent to a gateway that drains, whatever the list says.
func TestDrainingIsHeard(t *testing.T) {
	t.Parallel()
	b := newBalanced(t)
	eventually(t, "the fleet to know itself", func() bool { return len(b.offered()) == 3 })
	b.list.cut.Store(true)
	b.fleet[1].drain(patience)
	eventually(t, "it to be passed over", func() bool { return !b.offered()[string(b.fleet[1].gateway.ID())] })
	b.fleet[0].drain(patience)
	eventually(t, "the one that is asked to name the other", func() bool {
		seen := b.offered()
		return len(seen) == 1 && seen[string(b.fleet[2].gateway.ID())]
	})
}

func TestBehindALoadBalancer(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(path string) *exec.Cmd{
		"nginx.conf":  func(path string) *exec.Cmd { return exec.Command("nginx", "-c", path) },
		"haproxy.cfg": func(path string) *exec.Cmd { return exec.Command("haproxy", "-db", "-f", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(strings.Split(name, ".")[0]); err != nil {
				t.Skipf("%s is not installed", name)
			}
			b := newBalanced(t)
			address := b.behind(name, start)
			d := newDisplay(t)
			eventually(t, "the fleet to know itself", func() bool { return len(b.offered()) == 3 })
			for range 6 {
				session := streamspace.NewSessionID()
				b.fleet[0].publish(session, d.address, 1)
				var at string
				for range 2 { // both meet at one gateway
					pass, _ := b.fleet[0].mint(session)
					uri := fmt.Sprintf("/stream/v1/%s?ticket=%s", session, pass)
					answer := b.ask(uri)
					gateway := answer.Header.Get("X-Streamspace-Gateway")
					if answer.StatusCode != http.StatusOK || gateway == "" || at != "" && at != gateway {
						t.Fatalf("%s, at %s and then %s", answer.Status, at, gateway)
					}
					at = gateway
					conn, response, err := websocket.DefaultDialer.Dial("ws://"+address+uri, nil)
					if err != nil {
						t.Fatalf("%v %v", err, response)
					}
					v := &viewer{t: t, conn: conn}
					t.Cleanup(func() { conn.Close() })
					if v.handshake(); v.init.Width != screenWidth {
						t.Errorf("a desktop of %+v", v.init)
					}
				}
				holder, _ := b.fleet[0].broker.Claim(t.Context(), session, streamspace.NewGatewayID(), 1)
				if string(holder.Gateway) != at {
					t.Errorf("asked, it names %s, and %s holds the desktop", at, holder.Gateway)
				}
			}
			// What is bad is turned away before a gateway has it.
			_, response, err := websocket.DefaultDialer.Dial("ws://"+address+"/stream/v1/"+string(streamspace.NewSessionID())+"?ticket=bad", nil)
			if err == nil || response == nil || response.StatusCode != http.StatusUnauthorized {
				t.Errorf("a bad ticket: %v %v", response, err)
			}
			for _, h := range b.fleet {
				if n := h.metric("refused_total"); n != 0 {
					t.Errorf("a gateway had to refuse %v", n)
				}
			}
		})
	}
}

// Each load balancer tells in its own way what it is asked for.
func TestIngressAnswers(t *testing.T) {
	t.Parallel()
	b := newBalanced(t)
	session := streamspace.NewSessionID()
	pass, _ := b.fleet[0].mint(session)
	uri := fmt.Sprintf("/stream/v1/%s?ticket=%s", session, pass)
	eventually(t, "the fleet to be known", func() bool { return b.ask(uri).StatusCode == http.StatusOK })
	plain := func(path string, headers ...string) int {
		r, _ := http.NewRequest(http.MethodGet, "http://"+b.asked+path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	foreign, _ := b.fleet[0].mint(streamspace.NewSessionID())
	for what, got := range map[string][2]int{
		"Envoy's way":              {plain("/auth" + uri), 200},
		"Traefik's way":            {plain("/auth", "X-Forwarded-Uri", uri), 200},
		"a page of the host":       {plain("/auth"+uri, "Origin", "http://"+b.asked), 200},
		"another page":             {plain("/auth"+uri, "Origin", "https://evil.example"), 403},
		"another session's ticket": {plain(fmt.Sprintf("/auth/stream/v1/%s?ticket=%s", session, foreign)), 401},
		"no ticket":                {plain("/auth/stream/v1/" + string(session)), 401},
		"a damaged ticket":         {plain("/auth" + uri[:len(uri)-2]), 401},
		"a word that is none":      {plain("/auth/stream/v1/" + string(session) + "?resume=a.b.c"), 401},
		"what is no stream":        {plain("/auth/api/v1/sessions"), 403},
		"no session":               {plain("/auth/stream/v1/..%2f..?ticket=x"), 403},
		"where a session is":       {plain("/route/" + string(session)), 200},
		"where none is":            {plain("/route/x"), 404},
		"anything else":            {plain("/"), 404},
		"its health":               {plain("/healthz"), 200},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}
}
