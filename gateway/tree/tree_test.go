package tree

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// end is one gateway's certificate and key.
type end struct {
	key         ticket.Key
	certificate tls.Certificate
}

func newEnd(t *testing.T) end {
	t.Helper()
	key := ticket.NewKey()
	certificate, err := Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	return end{key, certificate}
}

// serve listens as one gateway, which knows the others.
func serve(t *testing.T, own end, handler http.Handler, others ...end) (peer Peer, server *httptest.Server) {
	t.Helper()
	server = httptest.NewUnstartedServer(handler)
	server.TLS = ServerConfig(own.certificate, func(_ context.Context, key crypto.PublicKey) bool {
		for _, other := range others {
			if other.key.Public().Is(key) {
				return true
			}
		}
		return false
	})
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return Peer{Gateway: streamspace.NewGatewayID(), Address: server.Listener.Addr().String(), Key: own.key.Public()}, server
}

// Only who is on the list gets through, and only to whom it wanted.
func TestBothEndsAreKnown(t *testing.T) {
	t.Parallel()
	here, there, stranger := newEnd(t), newEnd(t), newEnd(t)
	view := View{Gateway: streamspace.NewGatewayID(), Broker: true}
	peer, server := serve(t, there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(view) }), here)
	if got, err := Ask(t.Context(), here.certificate, peer); err != nil || got != view {
		t.Errorf("a known one gets %+v, %v", got, err)
	}
	if _, err := Ask(t.Context(), stranger.certificate, peer); err == nil {
		t.Error("a stranger got an answer")
	}
	impostor := peer
	impostor.Key = stranger.key.Public()
	if _, err := Ask(t.Context(), here.certificate, impostor); !errors.Is(err, ErrDead) {
		t.Errorf("where another process has the address: %v", err)
	}
	// Neither without a certificate, nor with an older TLS.
	for _, config := range []*tls.Config{
		{InsecureSkipVerify: true}, {InsecureSkipVerify: true, Certificates: []tls.Certificate{here.certificate}, MaxVersion: tls.VersionTLS12},
	} {
		conn, err := tls.Dial("tcp", peer.Address, config)
		if err == nil {
			_, err = conn.Read(make([]byte, 1)) // TLS 1.3 tells a client late
			conn.Close()
		}
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("somebody without a key: %v", err)
		}
	}
	server.Close()
	if _, err := Ask(t.Context(), here.certificate, peer); !errors.Is(err, ErrDead) {
		t.Errorf("where nobody listens: %v", err)
	}
}

// A watch tells that the one that is watched drains, and ends with it.
func TestWatch(t *testing.T) {
	t.Parallel()
	here, there := newEnd(t), newEnd(t)
	arrived, drains := make(chan struct{}), make(chan struct{})
	peer, server := serve(t, there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		close(arrived)
		<-drains
		io.WriteString(w, Leaving)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), here)
	ended, leaves := make(chan error, 1), make(chan struct{})
	go func() { ended <- Watch(t.Context(), here.certificate, peer, func() { close(leaves) }) }()
	<-arrived
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-leaves:
		t.Fatal("it is told to leave")
	case <-time.After(50 * time.Millisecond):
	}
	close(drains)
	select {
	case <-leaves:
	case <-time.After(patience):
		t.Fatal("it did not tell that the other drains")
	}
	server.CloseClientConnections()
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, ErrDead) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
}

// RFB and texts come through in both directions, in their order.
func TestConn(t *testing.T) {
	t.Parallel()
	here, there := newEnd(t), newEnd(t)
	session, elsewhere := streamspace.NewSessionID(), streamspace.NewSessionID()
	heard := make(chan string, 10)
	upgrader := websocket.Upgrader{}
	peer, _ := serve(t, there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != Prefix+string(session) {
			http.Error(w, "not here", http.StatusConflict)
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		held := room.Held{Holder: "vwr_x"}
		conn.WriteMessage(websocket.TextMessage, Encode(Down{Type: Held, Held: &held}))
		conn.WriteMessage(websocket.BinaryMessage, []byte("one "))
		conn.WriteMessage(websocket.TextMessage, Encode(Down{Type: Refused, Viewer: "vwr_y", Refusal: json.RawMessage(`{"a":1}`)}))
		conn.WriteMessage(websocket.BinaryMessage, []byte("two"))
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			heard <- string(message)
		}
	}), here)
	var mu sync.Mutex
	var said []string
	hear := func(text []byte) error {
		m, err := Decode[Down](text)
		mu.Lock()
		defer mu.Unlock()
		said = append(said, m.Type)
		return err
	}
	if _, err := Dial(t.Context(), here.certificate, peer, elsewhere, hear); !errors.Is(err, ErrElsewhere) {
		t.Errorf("another's session: %v", err)
	}
	conn, err := Dial(t.Context(), here.certificate, peer, session, hear)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	got := make([]byte, 7)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "one two" {
		t.Errorf("read %q, %v", got, err)
	}
	if len(said) != 2 || said[0] != Held || said[1] != Refused {
		t.Errorf("heard %v", said)
	}
	if err := conn.WriteText(Encode(Up{Type: Act, Viewer: "vwr_z"}), []byte("raw")); err != nil {
		t.Error(err)
	}
	if up, err := Decode[Up]([]byte(<-heard)); err != nil || up.Type != Act || up.Viewer != "vwr_z" {
		t.Errorf("the other heard %+v, %v", up, err)
	}
	if raw := <-heard; raw != "raw" {
		t.Errorf("and then %q", raw)
	}
	var _ net.Conn = conn
}

// What two gateways say to each other survives whatever comes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"join","member":{"id":"vwr_1"}}`))
	f.Add([]byte(`{"type":"who","who":{"members":[{"id":""}]}}`))
	f.Add([]byte(`{"type":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if up, err := Decode[Up](text); err == nil {
			Encode(up)
		}
		if down, err := Decode[Down](text); err == nil && (len(down.Refusal) == 0 || json.Valid(down.Refusal)) {
			Encode(down)
		}
	})
}
