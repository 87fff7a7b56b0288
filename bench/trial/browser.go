package trial

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/target"
)

// Browsing is a Chromium with noVNC.
type Browsing struct {
	browser *browser.Browser
	server  *http.Server
	base    string // URL of noVNC's files
	served  chan struct{}
}

//go:embed browser.js
var script string

// NoVNCVersion is what is used of noVNC's folder, and its version, as far as it
// says.
func NoVNCVersion(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	var about struct{ Version string }
	if err != nil || json.Unmarshal(text, &about) != nil || about.Version == "" {
		return "unknown"
	}
	return about.Version
}

// FindNoVNC returns noVNC's folder: the one given, the web page's own, or
// Debian's.
func FindNoVNC(given string) (string, error) {
	folders := []string{given}
	if given == "" {
		folders = []string{"web/node_modules/@novnc/novnc", "/usr/share/novnc"}
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "core/rfb.js")); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("noVNC is %w in any of %q: apt-get install novnc, or name its folder", peer.ErrMissing, folders)
}

// OpenBrowser starts Chromium in the place and serves noVNC there. Close must be
// called.
func OpenBrowser(ctx context.Context, place peer.Place, near func(network, address string) (net.Listener, error), folder string) (*Browsing, error) {
	listener, err := near("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving noVNC: %w", err)
	}
	files := http.FileServer(http.Dir(folder))
	b := &Browsing{base: "http://" + listener.Addr().String(), served: make(chan struct{})}
	b.server = &http.Server{ReadHeaderTimeout: answerTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Pages of other origins import the modules too.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>bench</title><body>")
			return
		}
		files.ServeHTTP(w, r)
	})}
	go func() {
		defer close(b.served)
		b.server.Serve(listener) // until Close
	}()
	if b.browser, err = browser.OpenAt(ctx, place); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close ends Chromium.
func (b *Browsing) Close() {
	if b.browser != nil {
		b.browser.Close()
	}
	b.server.Close()
	<-b.served
}

// Latency is MeasureLatency in the browser.
func (b *Browsing) Latency(ctx context.Context, t *target.Target, input Input, inputs int, progress Progress) (result Latency, err error) {
	if err := b.connect(ctx, t); err != nil {
		return result, err
	}
	defer func() {
		err = errors.Join(err, b.browser.Run(context.WithoutCancel(ctx), "window.bench.disconnect()", nil))
	}()
	random := rand.New(rand.NewPCG(2, uint64(inputs)))
	for i := range inputs {
		pause := minPause + time.Duration(random.Int64N(int64(maxPause-minPause)))
		if err := b.input(ctx, input, i, pause); err != nil {
			return result, err
		}
		var took *float64
		if err := b.browser.Run(ctx, "window.bench.answer()", &took); err != nil {
			return result, fmt.Errorf("waiting in the browser: %w", err)
		}
		if took == nil {
			result.Lost++
		} else {
			result.Milliseconds = append(result.Milliseconds, *took)
		}
		progress.tell(float64(i+1)/float64(inputs), "input %d of %d in Chromium", i+1, inputs)
	}
	return result, nil
}

func (b *Browsing) connect(ctx context.Context, t *target.Target) error {
	ctx, cancel := context.WithTimeout(ctx, firstPicture)
	defer cancel()
	page := t.Page()
	if page == "" {
		page = b.base + "/"
	}
	if err := b.browser.Navigate(ctx, page); err != nil {
		return err
	}
	// Whatever the page's policy says of scripts from elsewhere.
	if err := b.browser.Command(ctx, "Page.setBypassCSP", map[string]any{"enabled": true}); err != nil {
		return err
	}
	if err := b.browser.Navigate(ctx, page); err != nil {
		return err
	}
	address, err := t.WebSocket(ctx)
	if err != nil {
		return err
	}
	if err := b.browser.Run(ctx, script, nil); err != nil {
		return err
	}
	call := fmt.Sprintf("window.bench.connect(%s, %s)", quoted(b.base), quoted(address))
	if err := b.browser.Run(ctx, call, nil); err != nil {
		return fmt.Errorf("connecting noVNC: %w", err)
	}
	return nil
}

// input arms the page and makes one input.
func (b *Browsing) input(ctx context.Context, kind Input, i int, pause time.Duration) error {
	if kind == Pointer {
		x, y := 160+(i*37)%320, 100+(i*23)%128
		if err := b.browser.Run(ctx, fmt.Sprintf("window.bench.expectPointer(%d, %d, %d)", x, y, pause.Milliseconds()), nil); err != nil {
			return err
		}
		return b.browser.Command(ctx, "Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": x, "y": y})
	}
	letter := string(rune('a' + i%26))
	if err := b.browser.Run(ctx, fmt.Sprintf("window.bench.expectKey(%d, %d)", 'a'+i%26, pause.Milliseconds()), nil); err != nil {
		return err
	}
	key := map[string]any{
		"type": "keyDown", "key": letter, "code": "Key" + string(rune('A'+i%26)), "text": letter, "windowsVirtualKeyCode": 'A' + i%26,
	}
	if err := b.browser.Command(ctx, "Input.dispatchKeyEvent", key); err != nil {
		return err
	}
	key["type"] = "keyUp"
	delete(key, "text")
	return b.browser.Command(ctx, "Input.dispatchKeyEvent", key)
}

func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic("a string that JSON cannot hold: " + err.Error()) // there is none
	}
	return string(out)
}
