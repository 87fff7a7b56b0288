package product

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installation answers as the published contract says.
func installation(t *testing.T) *httptest.Server {
	t.Helper()
	var polls atomic.Int32
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
	// signed refuses what has no cookie and no token.
	signed := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			cookie, err := r.Cookie("streamspace_login")
			if err != nil || cookie.Value != "secret" || r.Method != http.MethodGet && r.Header.Get("X-CSRF-Token") != "token" {
				answer(w, 401, `{"status":401,"title":"Unauthorized","code":"unauthenticated"}`)
				return
			}
			next(w, r)
		}
	}
	mux.HandleFunc("POST /api/v1/auth/login", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Username, Password string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Username != "admin" || body.Password != "right" {
			answer(w, 401, `{"title":"Unauthorized","code":"unauthenticated"}`)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "streamspace_login", Value: "secret", Path: "/", HttpOnly: true})
		answer(w, 200, `{"csrfToken":"token"}`)
	})
	mux.HandleFunc("POST /api/v1/sessions", signed(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 201, `{"id":"ses_1","state":"pending"}`)
	}))
	mux.HandleFunc("GET /api/v1/sessions", signed(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"items":[{"id":"ses_1","state":"running"}]}`)
	}))
	mux.HandleFunc("POST /api/v1/sessions/ses_1/connect", signed(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"url":"ws://desk/stream/v1/ses_1?ticket=t"}`)
	}))
	mux.HandleFunc("DELETE /api/v1/sessions/ses_1", signed(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 202, `{"id":"ses_1","state":"stopping"}`)
	}))
	mux.HandleFunc("GET /api/v1/sessions/ses_1", signed(func(w http.ResponseWriter, _ *http.Request) {
		state := "stopping"
		if polls.Add(1) > 2 {
			state = "stopped"
		}
		answer(w, 200, `{"id":"ses_1","state":"`+state+`"}`)
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestAnAccountStartsConnectsAndStops(t *testing.T) {
	t.Parallel()
	client, err := New(installation(t).URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := t.Context()
	if _, err := client.Start(ctx, "terminal"); err == nil {
		t.Error("a session was started without signing in")
	}
	if err := client.SignIn(ctx, "admin", "right"); err != nil {
		t.Fatal(err)
	}
	session, err := client.Start(ctx, "terminal")
	if err != nil || session.ID != "ses_1" {
		t.Fatalf("session is %+v, %v", session, err)
	}
	if sessions, err := client.Sessions(ctx); err != nil || len(sessions) != 1 {
		t.Errorf("sessions are %v, %v", sessions, err)
	}
	if url, err := client.Connect(ctx, session.ID); err != nil || !strings.HasPrefix(url, "ws://") {
		t.Errorf("the stream is at %q, %v", url, err)
	}
	if err := client.Stop(ctx, session.ID); err != nil {
		t.Error(err)
	}
}

func TestAProblemKeepsItsStatusAndCode(t *testing.T) {
	t.Parallel()
	client, err := New(installation(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.SignIn(t.Context(), "admin", "wrong")
	var problem *Problem
	if !errors.As(err, &problem) || problem.Status != 401 || problem.Code != "unauthenticated" {
		t.Fatalf("error is %v, want the problem", err)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Error("the error tells the password")
	}
}

func TestAServerThatEndsOrIsMissingIsTold(t *testing.T) {
	t.Parallel()
	if _, err := Serve(t.Context(), "/nonexistent/streamspace"); !errors.Is(err, peer.ErrMissing) {
		t.Errorf("error is %v, want one that says it is missing", err)
	}
	program := filepath.Join(t.TempDir(), "streamspace")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho 'port in use' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(context.Background(), program); err == nil || !strings.Contains(err.Error(), "port in use") {
		t.Errorf("error is %v, want the server's words", err)
	}
}
