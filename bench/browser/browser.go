// Package browser drives a headless Chromium over its DevTools protocol, as
// far as an experiment needs it: open a page, run a script, take what it
// returns.
package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/bench/peer"
)

const (
	// startTimeout bounds Chromium's start on a busy machine.
	startTimeout = 60 * time.Second
	// maxMessage bounds one message of the protocol.
	maxMessage = 16 << 20
)

// Browser is one Chromium with one page.
type Browser struct {
	process *peer.Process
	place   peer.Place
	profile string
	page    *websocket.Conn
	next    int // owned by the caller: id of the next command
}

// Open starts Chromium with an empty profile. Close must be called. The
// methods are for one goroutine.
func Open(ctx context.Context) (*Browser, error) { return OpenAt(ctx, peer.Here()) }

// OpenAt is Open in a place.
func OpenAt(ctx context.Context, place peer.Place) (*Browser, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("chromium is %w: apt-get install chromium", peer.ErrMissing)
	}
	profile, err := os.MkdirTemp("", "streamspace-bench-chromium-")
	if err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	b := &Browser{place: place, profile: profile}
	if err := b.start(ctx, program); err != nil {
		b.Close()
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return b, nil
}

func (b *Browser) start(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	args := []string{
		"--headless=new", "--remote-debugging-port=0", "--user-data-dir=" + b.profile,
		"--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
		"--disable-background-networking", "--window-size=1280,800", "about:blank",
	}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // it refuses root otherwise
	}
	command := exec.Command(program, args...)
	command.Stdout = io.Discard
	process, err := peer.Launch(b.place, command)
	if err != nil {
		return err
	}
	b.process = process
	port, err := b.port(ctx)
	if err != nil {
		return err
	}
	address, err := b.pageAddress(ctx, port)
	if err != nil {
		return err
	}
	dialer := websocket.Dialer{NetDialContext: b.place.Dial}
	conn, _, err := dialer.DialContext(ctx, address, nil)
	if err != nil {
		return fmt.Errorf("opening the page's DevTools: %w", err)
	}
	conn.SetReadLimit(maxMessage)
	b.page = conn
	for _, domain := range []string{"Page.enable", "Runtime.enable"} {
		if _, err := b.command(ctx, domain, nil); err != nil {
			return err
		}
	}
	return nil
}

// port waits for the file in which Chromium says its DevTools port.
func (b *Browser) port(ctx context.Context) (string, error) {
	for {
		if file, err := os.Open(filepath.Join(b.profile, "DevToolsActivePort")); err == nil {
			line, err := bufio.NewReader(file).ReadString('\n')
			file.Close()
			if err == nil {
				return strings.TrimSpace(line), nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-b.process.Exited():
			return "", fmt.Errorf("it ended: %s", b.process.Messages())
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for its port: %w", ctx.Err())
		}
	}
}

// pageAddress asks for the DevTools address of the first page.
func (b *Browser) pageAddress(ctx context.Context, port string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/json/list", nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: b.place.Dial}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("listing pages: %w", err)
	}
	defer response.Body.Close()
	var pages []struct {
		Type    string `json:"type"`
		Address string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxMessage)).Decode(&pages); err != nil {
		return "", fmt.Errorf("listing pages: %w", err)
	}
	for _, page := range pages {
		if page.Type == "page" {
			return page.Address, nil
		}
	}
	return "", fmt.Errorf("there is no page among %d targets", len(pages))
}

// Navigate opens the URL and returns when the document has loaded.
func (b *Browser) Navigate(ctx context.Context, url string) error {
	answer, err := b.command(ctx, "Page.navigate", map[string]any{"url": url})
	if err != nil {
		return err
	}
	var result struct {
		ErrorText string `json:"errorText"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if result.ErrorText != "" {
		return fmt.Errorf("opening the page: %s", result.ErrorText)
	}
	var state string
	for state != "complete" {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("waiting for the page to load: %w", err)
		}
		if err := b.Run(ctx, `new Promise(r => setTimeout(() => r(document.readyState), 10))`, &state); err != nil {
			return err
		}
	}
	return nil
}

// Run evaluates the expression in the page, waits for it when it is a promise,
// and puts its value into the variable.
func (b *Browser) Run(ctx context.Context, expression string, into any) error {
	answer, err := b.command(ctx, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	})
	if err != nil {
		return err
	}
	var result struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
				Value       any    `json:"value"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if e := result.Exception; e != nil {
		return fmt.Errorf("the page's script threw: %s %s %v", e.Text, e.Exception.Description, e.Exception.Value)
	}
	if into == nil || len(result.Result.Value) == 0 {
		return nil
	}
	if err := json.Unmarshal(result.Result.Value, into); err != nil {
		return fmt.Errorf("reading the script's value: %w", err)
	}
	return nil
}

// Command sends one command of the DevTools protocol, as
// Input.dispatchKeyEvent, and waits for its answer.
func (b *Browser) Command(ctx context.Context, method string, parameters any) error {
	_, err := b.command(ctx, method, parameters)
	return err
}

// command sends one command and returns its result; events in between are
// passed over.
func (b *Browser) command(ctx context.Context, method string, parameters any) (json.RawMessage, error) {
	stop := context.AfterFunc(ctx, func() { b.page.NetConn().SetReadDeadline(time.Now()) })
	defer stop()
	b.next++
	id := b.next
	if err := b.page.WriteJSON(map[string]any{"id": id, "method": method, "params": parameters}); err != nil {
		return nil, fmt.Errorf("sending %s: %w", method, err)
	}
	for {
		var message struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := b.page.ReadJSON(&message); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, fmt.Errorf("waiting for %s: %w", method, err)
		}
		if message.ID != id {
			continue
		}
		if message.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, message.Error.Message)
		}
		return message.Result, nil
	}
}

// Close ends Chromium and removes its profile.
func (b *Browser) Close() {
	if b.page != nil {
		b.page.Close()
	}
	if b.process != nil {
		b.process.Stop()
	}
	os.RemoveAll(b.profile)
}
