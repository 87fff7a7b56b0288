package observe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadinessTellsWhatIsMissing(t *testing.T) {
	var ready Readiness
	var postgres error
	ready.Add("postgres", func(context.Context) error { return postgres })
	ready.Add("gateway", func(context.Context) error { return nil })
	for _, step := range []struct {
		err    error
		status int
		body   string
	}{
		{nil, 200, `{"checks":{"gateway":"ok","postgres":"ok"},"ready":true}`},
		{errors.New("no answer"), 503, `{"checks":{"gateway":"ok","postgres":"no answer"},"ready":false}`},
	} {
		postgres = step.err
		w := httptest.NewRecorder()
		ready.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != step.status || strings.TrimSpace(w.Body.String()) != step.body {
			t.Errorf("got %d %s, want %d %s", w.Code, w.Body, step.status, step.body)
		}
	}
}

func TestMetricsStayOnTheMachine(t *testing.T) {
	handler := LoopbackOnly(Metrics(NewRegistry(ReadBuild())))
	for _, c := range []struct {
		remote, forwarded string
		status            int
	}{
		{"127.0.0.1:999", "", 200},
		{"[::1]:999", "", 200},
		{"[::ffff:127.0.0.1]:999", "", 200},
		{"192.0.2.1:999", "", 403},
		{"127.0.0.1:999", "192.0.2.1", 403},
		{"", "", 403},
	} {
		req := httptest.NewRequest("GET", "/metrics", nil)
		req.RemoteAddr = c.remote
		if c.forwarded != "" {
			req.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Code != c.status {
			t.Errorf("%q forwarded for %q: %d, want %d", c.remote, c.forwarded, w.Code, c.status)
		}
		if c.status == http.StatusOK && !strings.Contains(w.Body.String(), "streamspace_build_info{") {
			t.Error("the metrics lack the build")
		}
	}
}

func TestLoggerRefusesUnknownSettings(t *testing.T) {
	for _, c := range []struct{ level, format string }{{"loud", "text"}, {"info", "xml"}} {
		if _, err := NewLogger(io.Discard, c.level, c.format); err == nil {
			t.Errorf("%v passed", c)
		}
	}
}
