package viewer_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/stamp"
	"github.com/streamspace/streamspace/bench/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a source until the test ends.
func serve(t *testing.T, network, address string, config source.Config) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.New(config).Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("source: %v", err)
		}
	})
	return listener.Addr()
}

func connect(t *testing.T, target string) *viewer.Viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	v, err := viewer.Connect(ctx, target, viewer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func TestEveryKindArrivesWithItsStamp(t *testing.T) {
	t.Parallel()
	for _, kind := range []source.Kind{source.Raw64K, source.Raw16K, source.JPEG20K} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			address := serve(t, "tcp", "127.0.0.1:0", source.Config{Kind: kind, Pattern: source.Flood()})
			v := connect(t, "tcp:"+address.String())
			if v.Width != source.Width || v.Height != source.Height {
				t.Errorf("framebuffer is %d × %d, want %d × %d", v.Width, v.Height, source.Width, source.Height)
			}
			if err := v.Stream(); err != nil {
				t.Fatal(err)
			}
			before := v.Received()
			var first int64
			for want := range uint64(20) {
				rectangle, err := v.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !rectangle.Stamped || rectangle.Stamp.Seq != want {
					t.Fatalf("rectangle %d has stamp %+v (%v)", want, rectangle.Stamp, rectangle.Stamped)
				}
				if age := stamp.Now() - rectangle.Stamp.At; age < 0 || age > 10*time.Second {
					t.Fatalf("rectangle %d is %v old", want, age)
				}
				if want == 0 {
					first = v.Received() - before
				}
			}
			if got := v.Received() - before; got != 20*first {
				t.Errorf("20 rectangles are %d bytes, the first one is %d", got, first)
			}
		})
	}
}

func TestOnDemandWaitsForTheBell(t *testing.T) {
	t.Parallel()
	bell := new(source.Bell)
	socket := t.TempDir() + "/rfb.sock"
	serve(t, "unix", socket, source.Config{Kind: source.Raw16K, Pattern: source.OnDemand(bell)})
	v := connect(t, "unix:"+socket)
	if err := v.Request(false); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Next(); err != nil {
		t.Fatal(err)
	}
	if err := v.Request(true); err != nil {
		t.Fatal(err)
	}
	got := make(chan uint64, 1)
	go func() {
		rectangle, err := v.Next()
		if err != nil {
			t.Errorf("after the bell: %v", err)
		}
		got <- rectangle.Stamp.Seq
	}()
	// The view may reach the bell after any one ring, so ring until it
	// answers.
	for {
		bell.Ring()
		select {
		case seq := <-got:
			if seq != 1 {
				t.Fatalf("the bell brought update %d, want 1", seq)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestNewestSkipsWhatTheViewerDidNotTake(t *testing.T) {
	t.Parallel()
	address := serve(t, "tcp", "127.0.0.1:0", source.Config{
		Kind: source.Raw64K, Pattern: source.Newest(source.Rate(10_000)), SendBuffer: 4 << 10,
	})
	v := connect(t, "tcp:"+address.String())
	if err := v.Stream(); err != nil {
		t.Fatal(err)
	}
	var last uint64
	skipped := false
	deadline := time.Now().Add(10 * time.Second)
	for !skipped {
		if time.Now().After(deadline) {
			t.Fatal("no change was ever skipped at 10,000 a second")
		}
		rectangle, err := v.Next()
		if err != nil {
			t.Fatal(err)
		}
		if seq := rectangle.Stamp.Seq; seq > last+1 {
			skipped = true
		} else if seq < last {
			t.Fatalf("change %d came after %d", seq, last)
		}
		last = rectangle.Stamp.Seq
	}
}

func TestWebSocketCarriesRFBAcrossAnyMessageBoundary(t *testing.T) {
	t.Parallel()
	address := serve(t, "tcp", "127.0.0.1:0", source.Config{Kind: source.JPEG20K, Pattern: source.Flood()})
	upgrader := websocket.Upgrader{Subprotocols: []string{"binary"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		upstream, err := net.Dial("tcp", address.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer upstream.Close()
		go func() {
			defer upstream.Close()
			for {
				_, message, err := conn.ReadMessage()
				if err != nil {
					return
				}
				if _, err := upstream.Write(message); err != nil {
					return
				}
			}
		}()
		// A prime length, so that messages end everywhere.
		chunk := make([]byte, 4093)
		for {
			n, err := upstream.Read(chunk)
			if err != nil {
				return
			}
			if err := conn.WriteMessage(websocket.BinaryMessage, chunk[:n]); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	v := connect(t, "ws"+strings.TrimPrefix(server.URL, "http"))
	if err := v.Stream(); err != nil {
		t.Fatal(err)
	}
	for want := range uint64(30) {
		rectangle, err := v.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rectangle.Stamp.Seq != want {
			t.Fatalf("rectangle %d has sequence number %d", want, rectangle.Stamp.Seq)
		}
	}
}

func TestRefusalIsToldWithStatusAndBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"ticket_expired"}`)
	}))
	t.Cleanup(server.Close)
	_, err := viewer.Connect(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http")+"/?ticket=secret", viewer.Options{})
	if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "ticket_expired") {
		t.Fatalf("error is %v, want the status and the code", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Fatalf("error %q tells the ticket", err)
	}
}

func TestUnknownTargetIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := viewer.Connect(context.Background(), "http://x", viewer.Options{}); err == nil {
		t.Fatal("http:// was taken for a target")
	}
}
