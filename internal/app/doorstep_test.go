package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Connections that say nothing, or little, make room for those with a request, and
// those that wait for an answer are left alone.
func TestDoorstep(t *testing.T) {
	t.Parallel()
	const most = 8
	d := newDoorstep(most)
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-answer
		}
		io.WriteString(w, "here")
	}))
	d.guard(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(time.Minute))
		return conn
	}
	ask := func(conn net.Conn, path string) {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	}
	answered := func(conn net.Conn) {
		t.Helper()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != "here" {
			t.Errorf("answered %q", body)
		}
	}
	slow := dial()
	ask(slow, "/slow")
	<-arrived
	idle := dial()
	ask(idle, "/")
	answered(idle) // and kept for the next request
	var mute []net.Conn
	for range 5 * most {
		conn := dial()
		io.WriteString(conn, "GET / HTTP/1.1\r\nX-Slow: ")
		mute = append(mute, conn)
		last := dial()
		ask(last, "/")
		answered(last)
		last.Close()
	}
	if n, err := io.ReadAll(idle); err != nil || len(n) > 0 {
		t.Errorf("the one that was kept: %q, %v", n, err)
	}
	if _, err := mute[0].Read(make([]byte, 1)); err == nil {
		t.Error("the first that said little is still there")
	}
	d.mu.Lock()
	if len(d.places) != d.waiting.Len() || d.waiting.Len() > most || d.pushed < 4*most {
		t.Errorf("%d wait in %d places, %d were pushed out", d.waiting.Len(), len(d.places), d.pushed)
	}
	d.mu.Unlock()
	close(answer)
	answered(slow)
}
