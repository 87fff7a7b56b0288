package target

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddressesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tcp://host:5901": "tcp://host:5901", "unix:///run/rfb.sock": "unix:///run/rfb.sock", "xvnc://": "xvnc://", "up://": "up://",
		"xvnc+websockify://":                             "xvnc+websockify://",
		"wss://me:secret@host/x?token=s3":                "wss://host/x",
		"streamspace+https://host/?template=bench-scene": "streamspace+https://host/?template=bench-scene",
	} {
		if got := Shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if got := Shown("--rounds"); got != "--rounds" {
		t.Errorf("a flag is shown as %q", got)
	}
	for _, text := range []string{"", "host:5901", "http://host/", "tcp://host", "unix://", "ws://", "vnc://host"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is taken for a target", text)
		}
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), []string{"nonsense", "tcp://host"}, Options{})
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), "names no port") {
		t.Errorf("the error is %v", err)
	}
}

// serve runs a synthetic server until the test ends.
func serve(t *testing.T, network, address string) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- source.New(source.Config{Kind: source.Raw16K, Pattern: source.Every(source.Rate(100))}).Run(ctx, listener)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr()
}

func look(t *testing.T, to *Target) {
	t.Helper()
	s, err := to.Connect(t.Context(), screen.Options{Quality: screen.Lossless})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context(), func(u screen.Update) bool { return u.Pixels == 0 }); err != nil {
		t.Errorf("%s: %v", to.Name, err)
	}
}

func TestPlainServersAreReached(t *testing.T) {
	t.Parallel()
	tcp, unix := serve(t, "tcp", "127.0.0.1:0"), serve(t, "unix", filepath.Join(t.TempDir(), "rfb.sock"))
	set, err := Open(t.Context(), []string{"tcp://" + tcp.String(), "unix://" + unix.String(), "tcp://" + tcp.String()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	names := map[string]bool{}
	for _, to := range set.Targets {
		look(t, to)
		names[to.Name] = true
		if _, err := to.WebSocket(t.Context()); err == nil {
			t.Errorf("a browser can connect to %s", to.Name)
		}
	}
	if len(names) != 3 {
		t.Errorf("the same target twice has the names %v", names)
	}
}

// A StreamSpace by its published contract: a session is started with the key,
// each viewer gets a ticket, and the session ends with the set.
func TestASessionIsStartedAndEnded(t *testing.T) {
	t.Parallel()
	websockify, err := peer.Websockify().Start(t.Context(), peer.Here(), "tcp:"+serve(t, "tcp", "127.0.0.1:0").String())
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(websockify.Stop)
	stream, err := websockify.Targets(1)
	if err != nil {
		t.Fatal(err)
	}
	var ended bool // written by the server, read after it has closed
	answer := func(w http.ResponseWriter, status int, body any) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) {
		var wish struct{ Template string }
		json.NewDecoder(r.Body).Decode(&wish)
		if r.Header.Get("Authorization") != "Bearer ssk_key" || wish.Template != TemplateName {
			answer(w, 401, map[string]string{"code": "unauthenticated"})
			return
		}
		answer(w, 201, map[string]string{"id": "ses_1", "state": "pending"})
	})
	mux.HandleFunc("POST /api/v1/sessions/ses_1/connect", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]string{"url": stream[0]})
	})
	mux.HandleFunc("DELETE /api/v1/sessions/ses_1", func(w http.ResponseWriter, _ *http.Request) {
		ended = true
		w.WriteHeader(204)
	})
	mux.HandleFunc("GET /api/v1/sessions/ses_1", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 404, map[string]string{"code": "not_found"})
	})
	server := httptest.NewServer(mux)
	address := "streamspace+" + server.URL + "/"
	if _, err := Open(t.Context(), []string{address}, Options{}); err == nil || !strings.Contains(err.Error(), "--api-key-file") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := Open(t.Context(), []string{address}, Options{APIKey: "wrong"}); err == nil || !strings.Contains(err.Error(), "unauthenticated") {
		t.Errorf("with a wrong key: %v", err)
	}
	set, err := Open(t.Context(), []string{address}, Options{APIKey: "ssk_key"})
	if err != nil {
		t.Fatal(err)
	}
	look(t, set.Targets[0])
	set.Close()
	server.Close()
	if !ended {
		t.Error("the session lives on")
	}
}

func TestSecretsAreFirstLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("ssk_1\r\nrest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Secret(file); err != nil || got != "ssk_1" {
		t.Errorf("the secret is %q, %v", got, err)
	}
	if got, err := Secret(""); err != nil || got != "" {
		t.Errorf("no file is %q, %v", got, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(file); err == nil {
		t.Error("an empty file is a secret")
	}
}
