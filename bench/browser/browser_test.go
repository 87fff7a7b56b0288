package browser

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAPageIsOpenedAndItsScriptAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<title>bench</title>")
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := Open(ctx)
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Navigate(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	var title string
	if err := b.Run(ctx, `new Promise(done => requestAnimationFrame(() => done(document.title)))`, &title); err != nil || title != "bench" {
		t.Errorf("the title is %q, %v", title, err)
	}
	if err := b.Run(ctx, `Promise.reject("no button")`, nil); err == nil || !strings.Contains(err.Error(), "no button") {
		t.Errorf("a script that throws gives %v", err)
	}
	if err := b.Navigate(ctx, "http://127.0.0.1:1/"); err == nil {
		t.Error("a page that nobody serves was opened")
	}
}
