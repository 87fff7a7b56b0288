package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

const testIndex = `<html><meta name="csp-nonce" content="%CSP_NONCE%"></html>`

func newTestHandler(t *testing.T, files fstest.MapFS) *Handler {
	t.Helper()
	h, err := NewHandler(files)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func builtFiles() fstest.MapFS {
	return fstest.MapFS{
		".gitkeep":              {},
		"index.html":            {Data: []byte(testIndex)},
		"favicon.svg":           {Data: []byte("<svg/>")},
		"assets/app-1a2b.js":    {Data: []byte("plain script")},
		"assets/app-1a2b.js.br": {Data: []byte("brotli")},
		"assets/app-1a2b.js.gz": {Data: []byte("gzip")},
		"assets/font-9z.woff2":  {Data: []byte("font")},
	}
}

func get(h http.Handler, target string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestRoutesAndFiles(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	for _, c := range []struct {
		path   string
		status int
		kind   string
		cache  string
	}{
		{"/", 200, "text/html", "no-cache"},
		{"/index.html", 200, "text/html", "no-cache"},
		{"/sessions/ses_01", 200, "text/html", "no-cache"},
		{"/admin/users", 200, "text/html", "no-cache"},
		{"/favicon.svg", 200, "image/svg+xml", "no-cache"},
		{"/assets/app-1a2b.js", 200, "text/javascript", "public, max-age=31536000, immutable"},
		{"/assets/font-9z.woff2", 200, "font/woff2", "public, max-age=31536000, immutable"},
		{"/assets/app-gone.js", 404, "text/plain", "no-cache"},
		{"/assets/", 404, "text/plain", "no-cache"},
		{"/assets", 404, "text/plain", "no-cache"},
		{"/assets/app-1a2b.js.br", 404, "text/plain", "no-cache"},
		{"/.gitkeep", 404, "text/plain", "no-cache"},
		{"/robots.txt", 404, "text/plain", "no-cache"},
		{"/api/v1/nothing", 404, "text/plain", "no-cache"},
		{"/stream/v1/ses_01", 404, "text/plain", "no-cache"},
		{"/../index.html", 200, "text/html", "no-cache"},
	} {
		got := get(h, c.path)
		if got.StatusCode != c.status || !strings.HasPrefix(got.Header.Get("Content-Type"), c.kind) || got.Header.Get("Cache-Control") != c.cache {
			t.Errorf("GET %s = %d %s, cache %q; want %d %s, %q", c.path, got.StatusCode, got.Header.Get("Content-Type"),
				got.Header.Get("Cache-Control"), c.status, c.kind, c.cache)
		}
		if got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s lets the browser guess the type", c.path)
		}
	}
}

func TestIndexCarriesAFreshNonceAndStrictPolicy(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	inPage := regexp.MustCompile(`content="([^"]+)"`)
	seen := map[string]bool{}
	for range 3 {
		got := get(h, "/catalog")
		match := inPage.FindStringSubmatch(body(t, got))
		if match == nil || match[1] == nonceMark {
			t.Fatalf("the page carries no nonce: %v", match)
		}
		seen[match[1]] = true
		policy := got.Header.Get("Content-Security-Policy")
		for _, want := range []string{"'nonce-" + match[1] + "'", "script-src 'self';", "frame-ancestors 'self'", "default-src 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("policy %q lacks %q", policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q allows inline code", policy)
		}
		if got.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("Referrer-Policy = %q", got.Header.Get("Referrer-Policy"))
		}
	}
	if len(seen) != 3 {
		t.Errorf("three pages carried %d different nonces", len(seen))
	}
}

func TestPrecompressedAssets(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	tags := map[string]bool{}
	for _, c := range []struct{ accept, coding, body string }{
		{"gzip, deflate, br", "br", "brotli"},
		{"gzip", "gzip", "gzip"},
		{"br;q=0, gzip;q=0.5", "gzip", "gzip"},
		{"br; q=0.0", "", "plain script"},
		{"identity", "", "plain script"},
		{"", "", "plain script"},
	} {
		got := get(h, "/assets/app-1a2b.js", "Accept-Encoding", c.accept)
		if got.Header.Get("Content-Encoding") != c.coding || body(t, got) != c.body {
			t.Errorf("Accept-Encoding %q was answered with coding %q", c.accept, got.Header.Get("Content-Encoding"))
		}
		if got.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary header", c.accept)
		}
		tags[got.Header.Get("ETag")] = true
	}
	if len(tags) != 3 {
		t.Errorf("three representations have %d entity tags", len(tags))
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	tag := get(h, "/favicon.svg").Header.Get("ETag")
	if got := get(h, "/favicon.svg", "If-None-Match", tag); got.StatusCode != http.StatusNotModified {
		t.Errorf("a known entity tag was answered with %d", got.StatusCode)
	}
}

func TestOnlyReads(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newTestHandler(t, builtFiles()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST = %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestMissingBuildExplainsItself(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, fstest.MapFS{".gitkeep": {}})
	got := get(h, "/")
	page := body(t, got)
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "make build") || strings.Contains(page, nonceMark) {
		t.Errorf("GET / = %d %q", got.StatusCode, page)
	}
}

// The embedded build, when there is one, must be what the handler expects.
func TestEmbeddedBuild(t *testing.T) {
	t.Parallel()
	if !Built() {
		t.Skip("the web interface is not built")
	}
	h, err := NewHandler(FS())
	if err != nil {
		t.Fatal(err)
	}
	page := string(h.index)
	if !strings.Contains(page, nonceMark) {
		t.Error("index.html has no place for the nonce")
	}
	inline := regexp.MustCompile(`<script[^>]*>[^<]|<style|style="|https?://`)
	if found := inline.FindString(page); found != "" {
		t.Errorf("index.html carries %q, which the policy forbids", found)
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="/([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if _, ok := h.files[match[1]]; !ok {
			t.Errorf("index.html names %s, which is not in the build", match[1])
		}
	}
}

func TestPagesMaySpeakWithGateways(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	h.Streams = func(context.Context) []string { return []string{"wss://gw1.example", "wss://evil; script-src *"} }
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	policy := answer.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "connect-src 'self' wss://gw1.example;") || strings.Contains(policy, "evil") {
		t.Error(policy)
	}
}

// The page for frames may be shown by the sites that the owner has allowed, and
// no other page by anybody.
func TestPagesInFrames(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, builtFiles())
	h.Embedders = func(_ context.Context, session string) []string {
		return map[string][]string{"ses_1": {"https://app.example", "https://x.example; script-src *"}}[session]
	}
	for path, want := range map[string]string{
		"/embed/ses_1": "frame-ancestors https://app.example", "/embed/ses_2": "frame-ancestors 'self'",
		"/embed/ses_1/..": "frame-ancestors 'self'", "/": "frame-ancestors 'self'", "/sessions/ses_1": "frame-ancestors 'self'",
	} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		policy := answer.Header().Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, want) {
			t.Errorf("%s: %s", path, policy)
		}
		if old := answer.Header().Get("X-Frame-Options"); (old == "") != (path == "/embed/ses_1") {
			t.Errorf("%s: X-Frame-Options %q", path, old)
		}
	}
}
