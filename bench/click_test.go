package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
)

// catalog paints an empty canvas at once and a window on it a while after the
// click.
const catalog = `<button aria-label="Start Terminal">Start</button><script>
document.querySelector("button").onclick = () => {
	const canvas = document.body.appendChild(document.createElement("canvas"));
	canvas.width = 640; canvas.height = 480;
	const context = canvas.getContext("2d");
	context.fillRect(0, 0, 640, 480);
	setTimeout(() => { context.fillStyle = "white"; context.fillRect(50, 50, 300, 200); }, 300);
};
</script>`

func TestTheClockStopsWithTheWindowNotWithTheCanvas(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, catalog)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	page, err := browser.Open(ctx)
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if err := page.Navigate(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	var result struct {
		Milliseconds float64 `json:"ms"`
	}
	if err := page.Run(ctx, fmt.Sprintf(clickScript, quote("Start Terminal"), paintedShare, 20_000), &result); err != nil {
		t.Fatal(err)
	}
	if result.Milliseconds < 299 || result.Milliseconds > 10_000 {
		t.Errorf("the window was seen after %v ms, it came after 300", result.Milliseconds)
	}
	err = page.Run(ctx, fmt.Sprintf(clickScript, quote("Start Nothing"), paintedShare, 100), nil)
	if err == nil || !strings.Contains(err.Error(), "Start Nothing") {
		t.Errorf("a missing button gives %v", err)
	}
}
