package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/rfb"
)

// fasthttp's janitors end some seconds after their server, and its clock never.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// patience is how long a test waits for what must happen.
const patience = time.Minute

// house is a gateway that runs, with a broker and a control plane's key.
type house struct {
	t        *testing.T
	broker   *memory.Broker
	gateway  *gateway.Gateway
	minter   *ticket.Minter
	server   *httptest.Server
	registry *prometheus.Registry
	log      *lockedBuffer
	stop     func() // ends Run and waits for it
}

// lockedBuffer gathers log lines of several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newHouse(t *testing.T, change func(*gateway.Options)) *house {
	t.Helper()
	return newHouseAt(t, memory.New(time.Now), ticket.NewKey(), change)
}

// newHouseAt is one of several at a broker.
func newHouseAt(t *testing.T, at *memory.Broker, key ticket.Key, change func(*gateway.Options)) *house {
	t.Helper()
	h := &house{
		t: t, broker: at, minter: ticket.NewMinter(key, nil),
		registry: prometheus.NewRegistry(), log: new(lockedBuffer),
	}
	options := gateway.Options{
		Broker: h.broker, Verifier: ticket.NewVerifier(nil, key.Public()), Registerer: h.registry,
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&options)
	}
	var err error
	if h.gateway, err = gateway.New(options); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(gateway.Pattern, h.gateway)
	h.server = httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.gateway.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ran:
			if err != nil {
				t.Errorf("Run = %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
		h.server.Close()
		if t.Failed() {
			t.Log(h.log)
		}
	})
	t.Cleanup(h.stop)
	eventually(t, "gateway to be ready", func() bool { return h.gateway.Ready(ctx) == nil })
	return h
}

// eventually waits until ok, and fails when it never is.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between looks; the loop is what waits
	}
}

// mint returns a ticket; no permissions mean an owner's.
func (h *house) mint(session streamspace.SessionID, permissions ...streamspace.Permission) (string, ticket.Claims) {
	h.t.Helper()
	if permissions == nil {
		permissions = streamspace.OwnerPermissions
	}
	pass, claims, err := h.minter.Mint(ticket.Grant{Session: session, User: streamspace.NewUserID(), Permissions: permissions})
	if err != nil {
		h.t.Fatal(err)
	}
	return pass.Reveal(), claims
}

func (h *house) url(session streamspace.SessionID, pass string) string {
	return strings.Replace(h.server.URL, "http", "ws", 1) + "/stream/v1/" + string(session) + "?ticket=" + url.QueryEscape(pass)
}

func (h *house) publish(session streamspace.SessionID, address string, epoch uint64) {
	h.t.Helper()
	if err := h.broker.Publish(context.Background(), broker.Route{Session: session, Address: address, Epoch: epoch}); err != nil {
		h.t.Fatal(err)
	}
}

// dial opens a stream that must be let in, and returns it before RFB.
func (h *house) dial(address string, header http.Header) *viewer {
	h.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"binary"}, HandshakeTimeout: patience}
	conn, response, err := dialer.Dial(address, header)
	if err != nil {
		h.t.Fatalf("dialing: %v %v", err, response)
	}
	if conn.Subprotocol() != "binary" {
		h.t.Errorf("subprotocol %q, want binary", conn.Subprotocol())
	}
	v := &viewer{t: h.t, conn: conn}
	h.t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return v
}

// refused opens a stream that must not be let in, and returns the problem.
func (h *house) refused(address string, header http.Header, status int) streamspace.Code {
	h.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(address, header)
	if err == nil {
		conn.Close()
		h.t.Fatal("was let in")
	}
	if response == nil {
		h.t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	var problem struct {
		Status    int
		Code      streamspace.Code
		RequestID string
	}
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		h.t.Fatalf("status %d without a problem: %v", response.StatusCode, err)
	}
	if response.StatusCode != status || problem.Status != status || problem.RequestID == "" ||
		response.Header.Get("Content-Type") != "application/problem+json" {
		h.t.Fatalf("status %d, want %d: %+v", response.StatusCode, status, problem)
	}
	return problem.Code
}

// metric returns the sum of a metric's series that have the label values.
func (h *house) metric(name string, values ...string) float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != "streamspace_gateway_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			if !labelled(m, values) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func labelled(m *dto.Metric, values []string) bool {
	for _, want := range values {
		found := false
		for _, label := range m.GetLabel() {
			found = found || label.GetValue() == want
		}
		if !found {
			return false
		}
	}
	return true
}

// viewer is an RFB client over gorilla's WebSocket.
type viewer struct {
	t      *testing.T
	conn   *websocket.Conn
	rest   io.Reader // what is left of the present message
	init   rfb.ServerInit
	reader *rfb.ServerReader
	texts  chan<- map[string]any // nil: a text is an error

	writing sync.Mutex
	over    atomic.Pointer[websocket.CloseError] // how reading ended
}

func (v *viewer) Read(p []byte) (int, error) {
	for {
		if v.rest == nil {
			kind, message, err := v.conn.NextReader()
			if err != nil {
				var closed *websocket.CloseError
				if errors.As(err, &closed) {
					v.over.Store(closed)
				}
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				if err := v.hear(message); err != nil {
					return 0, err
				}
				continue
			}
			v.rest = message
		}
		n, err := v.rest.Read(p)
		if err == io.EOF {
			v.rest = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

// hear takes a text.
func (v *viewer) hear(message io.Reader) error {
	if v.texts == nil {
		return errors.New("a message that is not binary")
	}
	var text map[string]any
	if err := json.NewDecoder(message).Decode(&text); err != nil {
		return err
	}
	select {
	case v.texts <- text:
		return nil
	default:
		return errors.New("more texts than a test can mean")
	}
}

func (v *viewer) Write(p []byte) (int, error) {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.conn.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// handshake brings the viewer up to ServerInit.
func (v *viewer) handshake() *viewer {
	v.t.Helper()
	session, err := rfb.ClientHandshake(v, rfb.ClientConfig{})
	if err != nil {
		v.t.Fatalf("viewer's handshake: %v", err)
	}
	v.init = session.Init
	v.reader = rfb.NewServerReader(v, session.Init, 0)
	return v
}

func (v *viewer) send(b []byte) {
	v.t.Helper()
	if _, err := v.Write(b); err != nil {
		v.t.Fatalf("sending: %v", err)
	}
}

// next returns the next message for which ok holds.
func (v *viewer) next(what string, ok func(rfb.ServerMessage) bool) rfb.ServerMessage {
	v.t.Helper()
	for {
		m, err := v.reader.Read()
		if err != nil {
			v.t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok(m) {
			return m
		}
	}
}

// closed reads to the end and checks that it is the given close.
func (v *viewer) closed(status int, code streamspace.Code) {
	v.t.Helper()
	for {
		_, _, err := v.conn.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != status || closed.Text != string(code) {
			v.t.Fatalf("stream ended with %v, want %d %s", err, status, code)
		}
		return
	}
}

// ended waits for the close that another reader of the viewer sees.
func (v *viewer) ended(status int) {
	v.t.Helper()
	eventually(v.t, "the stream to end", func() bool { return v.over.Load() != nil })
	if closed := v.over.Load(); closed.Code != status {
		v.t.Errorf("stream ended with %v, want %d", closed, status)
	}
}

func (v *viewer) Close() error { return v.conn.Close() }

// desktop is an RFB server whose behaviour is a function.
type desktop struct {
	address string
}

// newDesktop listens on a Unix socket. serve gets each connection after
// ServerInit and ends it by returning.
func newDesktop(t *testing.T, serve func(conn net.Conn)) *desktop {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rfb.sock")
	d := &desktop{address: "unix:" + path}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			group.Go(func() {
				defer conn.Close()
				if _, err := rfb.ServerHandshake(conn, rfb.ServerConfig{}); err != nil {
					return
				}
				conn.Write(rfb.AppendServerInit(nil, rfb.ServerInit{Width: 800, Height: 600, Format: rfb.RGB888(), Name: "test"}))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return d
}

// silent reads and says nothing.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }
