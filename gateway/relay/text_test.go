package relay

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestTextsBesideRFB(t *testing.T) {
	t.Parallel()
	viewer, socket := dialSocket(t, Timing{}, nobody{}, false)
	defer socket.Kill()
	var texts []string
	socket.OnText(func(text []byte) error { texts = append(texts, string(text)); return nil })
	go func() {
		viewer.WriteMessage(websocket.TextMessage, []byte("one"))
		viewer.WriteMessage(websocket.BinaryMessage, []byte("RFB"))
		viewer.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", MaxText)))
		viewer.WriteMessage(websocket.TextMessage, nil)
		viewer.WriteMessage(websocket.BinaryMessage, []byte("end"))
	}()
	var payload []byte
	for len(payload) < 6 {
		if err := socket.Receive(time.Now().Add(10*time.Second), func(p []byte) error { payload = append(payload, p...); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if string(payload) != "RFBend" || !slices.Equal(texts, []string{"one", strings.Repeat("x", MaxText), ""}) {
		t.Errorf("payload %q, %d texts", payload, len(texts))
	}
	if err := socket.WriteText([]byte(`{"type":"welcome"}`)); err != nil {
		t.Fatal(err)
	}
	kind, message, err := viewer.ReadMessage()
	if err != nil || kind != websocket.TextMessage || string(message) != `{"type":"welcome"}` {
		t.Errorf("got %d %q %v", kind, message, err)
	}
}

func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send func(*websocket.Conn)
		want error
	}{
		"too long":  {func(v *websocket.Conn) { v.WriteMessage(websocket.TextMessage, make([]byte, MaxText+1)) }, ErrViewerProtocol},
		"too many":  {func(v *websocket.Conn) { writeMany(v, 2*textsBurst) }, ErrViewerFlood},
		"too empty": {func(v *websocket.Conn) { writeEmpty(v, 2*textsBurst) }, ErrViewerFlood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			viewer, socket := dialSocket(t, Timing{}, nobody{}, false)
			defer socket.Kill()
			socket.OnText(func([]byte) error { return nil })
			done := make(chan struct{})
			go func() { defer close(done); c.send(viewer) }()
			err := socket.Receive(time.Now().Add(10*time.Second), func([]byte) error { return nil })
			if !errors.Is(err, c.want) {
				t.Errorf("Receive = %v, want %v", err, c.want)
			}
			socket.Kill()
			<-done
		})
	}
}

func writeMany(v *websocket.Conn, n int) {
	for range n {
		v.WriteMessage(websocket.TextMessage, []byte("text"))
	}
}

func writeEmpty(v *websocket.Conn, n int) {
	for range n {
		v.WriteMessage(websocket.TextMessage, nil)
	}
}

// FuzzTexts feeds frames in one piece and byte by byte: texts and payload are
// the same.
func FuzzTexts(f *testing.F) {
	f.Add(slices.Concat(clientFrame(opText, false, []byte("a")), clientFrame(opPing, true, nil), clientFrame(opContinuation, true, []byte("b")), clientFrame(opBinary, true, []byte("RFB"))))
	f.Add(slices.Concat(clientFrame(opBinary, false, []byte("a")), clientFrame(opContinuation, true, nil), clientFrame(opText, true, nil)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		run := func(piece int) (payload, texts []byte, err error) {
			r := frameReader{onText: func(text []byte) error {
				if len(text) > MaxText {
					t.Fatalf("text of %d bytes", len(text))
				}
				texts = append(append(texts, text...), 0)
				return nil
			}}
			for rest := slices.Clone(stream); len(rest) > 0 && err == nil; {
				n := min(piece, len(rest))
				var p []byte
				var seen controls
				p, seen, err = r.feed(rest[:n])
				payload = append(payload, p...)
				if seen.closed {
					break
				}
				rest = rest[n:]
			}
			return payload, texts, err
		}
		payload, texts, err := run(len(stream) + 1)
		payload1, texts1, err1 := run(1)
		if (err == nil) != (err1 == nil) || err == nil && !(bytes.Equal(payload, payload1) && bytes.Equal(texts, texts1)) {
			t.Fatalf("whole %q %q %v, in pieces %q %q %v", payload, texts, err, payload1, texts1, err1)
		}
	})
}
