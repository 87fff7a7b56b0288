package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	indexName   = "index.html"
	assetPrefix = "assets/" // Vite puts a content hash in every name below it
	sdkPrefix   = "sdk/"    // what other sites load
	nonceMark   = "%CSP_NONCE%"

	cacheForever = "public, max-age=31536000, immutable" // a year, the longest RFC 9111 caches honour
	cacheAsk     = "no-cache"                            // keep a copy, but ask each time whether it is still right
)

// contentPolicy is the page's Content-Security-Policy. No script or style runs
// that is not a file of ours; %s is the nonce under which the UI library
// inserts its style rules. Images may be data: and blob:, which the stream
// decoder paints from and cursors are set from. The second %s is where streams
// come from besides our own host, the third whose pages may have ours in a frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; font-src 'self'; " +
	"img-src 'self' data: blob:; connect-src 'self'%s; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors %s"

// Handler serves the application: hashed assets to be cached for ever, the
// index for every route of the application, and 404 for anything else.
type Handler struct {
	// Streams names the origins of gateways that the page may speak with besides
	// its own. It is set before the first request; nil means none.
	Streams func(ctx context.Context) []string
	// Embedders names the origins whose pages may show the session in a frame. It
	// is set before the first request; nil means none.
	Embedders func(ctx context.Context, session string) []string

	files map[string]file // immutable; by path without leading slash
	index []byte          // immutable; nil when the application was not built
}

type file struct {
	contentType string
	etag        string
	plain       []byte
	encoded     map[string][]byte // by content coding: "br", "gzip"
}

// NewHandler reads the build into memory.
func NewHandler(build fs.FS) (*Handler, error) {
	h := &Handler{files: map[string]file{}}
	encodings := map[string]string{".br": "br", ".gz": "gzip"}
	encoded := map[string]map[string][]byte{}
	err := fs.WalkDir(build, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		content, err := fs.ReadFile(build, name)
		if err != nil {
			return err
		}
		switch coding := encodings[path.Ext(name)]; {
		case name == indexName:
			h.index = content
		case coding != "":
			plain := strings.TrimSuffix(name, path.Ext(name))
			if encoded[plain] == nil {
				encoded[plain] = map[string][]byte{}
			}
			encoded[plain][coding] = content
		default:
			sum := sha256.Sum256(content)
			h.files[name] = file{contentType: contentType(name), etag: hex.EncodeToString(sum[:8]), plain: content}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the web build: %w", err)
	}
	for name, f := range h.files {
		f.encoded = encoded[name]
		h.files[name] = f
	}
	return h, nil
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this address only answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if f, ok := h.files[name]; ok {
		h.serveFile(w, r, name, f)
		return
	}
	if !isRoute(name) {
		w.Header().Set("Cache-Control", cacheAsk)
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	h.serveIndex(w, r)
}

// isRoute says whether the application's router, rather than a file, should
// answer. A name with a dot was meant to be a file, and /api and /stream belong
// to programs: neither may be answered with a page.
func isRoute(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "api", "stream", "rtc", "assets", "sdk", "healthz", "readyz", "metrics":
		return false
	}
	return name == "" || name == indexName || !strings.Contains(path.Base(name), ".")
}

func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, name string, f file) {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", cacheAsk)
	if strings.HasPrefix(name, assetPrefix) {
		header.Set("Cache-Control", cacheForever)
	}
	if strings.HasPrefix(name, sdkPrefix) { // other sites' pages load it as a module (HTML, "fetch a module script")
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	body, etag := f.plain, f.etag
	if len(f.encoded) > 0 {
		header.Set("Vary", "Accept-Encoding")
		for _, coding := range []string{"br", "gzip"} {
			if content, ok := f.encoded[coding]; ok && accepts(r.Header.Get("Accept-Encoding"), coding) {
				header.Set("Content-Encoding", coding)
				body, etag = content, f.etag+"-"+coding // RFC 9110, 8.8.3: another representation, another tag
				break
			}
		}
	}
	header.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// streams is the origins as they stand in the policy.
func (h *Handler) streams(ctx context.Context) (sources string) {
	if h.Streams == nil {
		return ""
	}
	for _, origin := range h.Streams(ctx) {
		if !strings.ContainsAny(origin, " ;,'\"\r\n\t") { // which would say something else
			sources += " " + origin
		}
	}
	return sources
}

// ancestors is whose pages may have ours in a frame: our own, but with the page
// for embedding those that the session's owner has allowed.
func (h *Handler) ancestors(r *http.Request) string {
	session, is := strings.CutPrefix(path.Clean(r.URL.Path), "/embed/")
	if !is || h.Embedders == nil {
		return ownFrames
	}
	var sources []string
	for _, origin := range h.Embedders(r.Context(), session) {
		if !strings.ContainsAny(origin, " ;,'\"\r\n\t") {
			sources = append(sources, origin)
		}
	}
	if len(sources) == 0 {
		return ownFrames
	}
	return strings.Join(sources, " ")
}

// ownFrames is the source that means our own pages.
const ownFrames = "'self'"

func (h *Handler) serveIndex(w http.ResponseWriter, r *http.Request) {
	nonce := newNonce()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", cacheAsk)
	ancestors := h.ancestors(r)
	header.Set("Content-Security-Policy", fmt.Sprintf(contentPolicy, nonce, h.streams(r.Context()), ancestors))
	if ancestors == ownFrames {
		header.Set("X-Frame-Options", "SAMEORIGIN") // for browsers without frame-ancestors
	}
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "clipboard-read=(self), clipboard-write=(self), fullscreen=(self), camera=(), geolocation=(), microphone=(self)")
	page, status := h.index, http.StatusOK
	if page == nil {
		page, status = []byte(missingPage), http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// The reader may have gone; there is nobody left to tell.
	_, _ = w.Write(bytes.ReplaceAll(page, []byte(nonceMark), []byte(nonce)))
}

// missingPage is what a binary answers that was compiled before the web build.
const missingPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>StreamSpace: web interface not built</title>
<style nonce="` + nonceMark + `">
body { font: 16px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem; color-scheme: light dark }
code { background: #8882; padding: .15em .4em; border-radius: .3em }
</style></head>
<body><h1>The web interface is not in this binary</h1>
<p>StreamSpace is running, but it was compiled before the web interface was built. Run <code>make build</code>
in the project's folder and start it again.</p>
<p>The API works all the same: see <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</body></html>
`

func newNonce() string {
	var raw [16]byte // CSP3, 7.1: at least 128 bits
	rand.Read(raw[:])
	return base64.StdEncoding.EncodeToString(raw[:])
}

// accepts reports whether an Accept-Encoding header (RFC 9110, 12.5.3) allows
// the coding. A weight of zero forbids; other weights do not matter to us.
func accepts(header, coding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		weight := strings.ReplaceAll(strings.ToLower(params), " ", "")
		return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
	}
	return false
}

// contentType knows the types of a Vite build by itself: mime.TypeByExtension
// depends on the files of the machine it runs on.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		if known := mime.TypeByExtension(ext); known != "" {
			return known
		}
		return "application/octet-stream"
	}
}
