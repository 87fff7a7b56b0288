package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// clientFrame writes a frame as a client does.
func clientFrame(op byte, final bool, payload []byte) []byte {
	header := appendHeader(nil, op, len(payload))
	if !final {
		header[0] &^= 0x80
	}
	header[1] |= 0x80
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	frame := append(header, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	return frame
}

// feedPieces feeds b in random pieces and gathers what comes out.
func feedPieces(r *frameReader, b []byte, random *rand.Rand) (payload []byte, all controls, err error) {
	for len(b) > 0 {
		n := 1 + random.IntN(min(len(b), 40))
		part, seen, err := r.feed(slices.Clone(b[:n]))
		if err != nil {
			return payload, all, err
		}
		payload = append(payload, part...)
		all.frames += seen.frames
		if seen.pinged {
			all.ping = slices.Clone(seen.ping)
		}
		if seen.ponged {
			all.ponged, all.pong = true, seen.pong
		}
		if seen.closed {
			all.closed, all.status = true, seen.status
			return payload, all, nil
		}
		b = b[n:]
	}
	return payload, all, nil
}

func TestFramesInAnyPieces(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789abcdef!"), 5000)
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], 77)
	stream := slices.Concat(
		clientFrame(opBinary, true, []byte("one")),
		clientFrame(opBinary, true, nil),
		clientFrame(opBinary, false, []byte("tw")),
		clientFrame(opPing, true, []byte("are you there")), // between fragments, RFC 6455 section 5.4
		clientFrame(opContinuation, false, nil),
		clientFrame(opContinuation, true, []byte("o")),
		clientFrame(opPong, true, stamp[:]),
		clientFrame(opBinary, true, long[:200]),
		clientFrame(opBinary, true, long),
		clientFrame(opClose, true, []byte{0x03, 0xe9}),
		clientFrame(opBinary, true, []byte("after the close")),
	)
	want := "one" + "two" + string(long[:200]) + string(long)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		payload, seen, err := feedPieces(new(frameReader), stream, random)
		if err != nil {
			t.Fatal(err)
		}
		if string(payload) != want {
			t.Fatalf("payload of %d bytes differs from what was sent (%d)", len(payload), len(want))
		}
		if string(seen.ping) != "are you there" || seen.pong != 77 || !seen.closed || seen.status != 1001 || seen.frames != 10 {
			t.Fatalf("controls: %+v", seen)
		}
	}
	payload, _, err := new(frameReader).feed(slices.Clone(stream)) // all at once, in place
	if err != nil || string(payload) != want {
		t.Fatalf("in one piece: %d bytes, %v", len(payload), err)
	}
}

func TestFramesRefused(t *testing.T) {
	t.Parallel()
	reserved := clientFrame(opBinary, true, []byte("x"))
	reserved[0] |= 0x40
	unmasked := append(appendHeader(nil, opBinary, 1), 'x')
	huge := []byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}
	large := binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, maxMessage+1)
	longPing := clientFrame(opBinary, true, make([]byte, 126))
	longPing[0] = 0x80 | opPing
	for name, stream := range map[string][]byte{
		"reserved bit":             reserved,
		"not masked":               unmasked,
		"length with the top bit":  huge,
		"too long":                 append(large, 1, 2, 3, 4),
		"text":                     clientFrame(opText, true, []byte("RFB")),
		"unknown opcode":           clientFrame(0x3, true, nil),
		"long ping":                longPing,
		"fragmented ping":          clientFrame(opPing, false, nil),
		"continuation of nothing":  clientFrame(opContinuation, true, []byte("x")),
		"message inside a message": slices.Concat(clientFrame(opBinary, false, nil), clientFrame(opBinary, true, nil)),
		"close with half a status": clientFrame(opClose, true, []byte{3}),
		"too long by fragments": slices.Concat(
			clientFrame(opBinary, false, []byte("x")),
			binary.BigEndian.AppendUint64([]byte{0x80, 0xff}, maxMessage), []byte{0, 0, 0, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := feedPieces(new(frameReader), stream, rand.New(rand.NewPCG(3, 4))); !errors.Is(err, errFrame) {
				t.Errorf("feed = %v, want %v", err, errFrame)
			}
		})
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(clientFrame(opBinary, true, []byte("RFB 003.008\n")), uint64(1))
	f.Add(slices.Concat(clientFrame(opPing, true, []byte("x")), clientFrame(opBinary, false, []byte("abc")), clientFrame(opContinuation, true, nil)), uint64(2))
	f.Add(clientFrame(opClose, true, []byte{3, 232, 'b', 'y', 'e'}), uint64(3))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole, pieces := new(frameReader), new(frameReader)
		want, wantSeen, wantErr := whole.feed(slices.Clone(stream))
		got, gotSeen, gotErr := feedPieces(pieces, stream, rand.New(rand.NewPCG(seed, 1)))
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", wantErr, gotErr)
		}
		if wantErr == nil && (!bytes.Equal(got, want) || gotSeen.closed != wantSeen.closed || gotSeen.frames != wantSeen.frames) {
			t.Fatalf("whole: %q %+v, in pieces: %q %+v", want, wantSeen, got, gotSeen)
		}
		if len(want) > len(stream) {
			t.Fatalf("%d bytes of payload from %d", len(want), len(stream))
		}
	})
}

// nobody observes nothing.
type nobody struct{ rtts chan time.Duration }

func (nobody) PingSent() {}
func (n nobody) RoundTrip(d time.Duration) {
	if n.rtts != nil {
		n.rtts <- d
	}
}
func (nobody) WriteStalled(time.Duration) {}

// dialSocket returns both ends of a stream: gorilla's client and our Socket.
func dialSocket(t *testing.T, timing Timing, meter Meter, secure bool) (*websocket.Conn, *Socket) {
	t.Helper()
	timing = timing.WithDefaults()
	sockets := make(chan *Socket, 1)
	upgrader := websocket.Upgrader{Subprotocols: []string{"binary"}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		sockets <- NewSocket(conn.NetConn(), NewBuffers(), &timing, meter)
	}))
	dialer := *websocket.DefaultDialer
	if secure {
		server.StartTLS()
		dialer.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	client, _, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	socket := <-sockets
	t.Cleanup(func() { client.Close(); socket.Kill() })
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	return client, socket
}

func TestSocketAgainstGorilla(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rtts := make(chan time.Duration, 100)
			client, socket := dialSocket(t, Timing{Ping: 5 * time.Millisecond}, nobody{rtts}, secure)
			pongs := make(chan string, 1)
			client.SetPongHandler(func(data string) error { pongs <- data; return nil })

			echoed := make(chan error, 1)
			go func() { // echo until the client closes
				var err error
				for err == nil {
					err = socket.Receive(time.Time{}, func(payload []byte) error {
						_, err := socket.Write(payload)
						return err
					})
				}
				echoed <- err
			}()
			random := rand.New(rand.NewPCG(5, 6))
			for _, size := range []int{1, 125, 126, 127, 4000, 65535, 65536, 300000} {
				sent := make([]byte, size)
				for i := range sent {
					sent[i] = byte(random.Uint32())
				}
				done := make(chan error, 1)
				go func() {
					done <- client.WriteMessage(websocket.BinaryMessage, sent)
				}()
				var got []byte
				for len(got) < size {
					kind, message, err := client.ReadMessage()
					if err != nil || kind != websocket.BinaryMessage {
						t.Fatalf("reading the echo: kind %d, %v", kind, err)
					}
					got = append(got, message...)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes came back changed", size)
				}
			}
			if err := client.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			go client.ReadMessage() // which handles the control frames
			if pong := <-pongs; pong != "hello" {
				t.Errorf("pong %q", pong)
			}
			if rtt := <-rtts; rtt <= 0 || rtt > time.Second {
				t.Errorf("round trip %s", rtt)
			}
			client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Second))
			if err := <-echoed; !errors.Is(err, ErrViewerGone) {
				t.Errorf("after a close frame: %v", err)
			}
		})
	}
}

func TestSocketCloseTellsWhy(t *testing.T) {
	t.Parallel()
	client, socket := dialSocket(t, Timing{}, nobody{}, false)
	// Unread bytes on our side would make a plain close a reset.
	if err := client.WriteMessage(websocket.BinaryMessage, make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	go socket.Close(4000, "desktop_gone")
	_, _, err := client.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4000 || closed.Text != "desktop_gone" {
		t.Fatalf("client saw %v", err)
	}
}

func TestSocketInterruptAndNudge(t *testing.T) {
	t.Parallel()
	_, socket := dialSocket(t, Timing{}, nobody{}, false)
	take := func([]byte) error { return nil }
	results := make(chan error)
	receive := func() { results <- socket.Receive(time.Time{}, take) }
	go receive()
	socket.Nudge()
	if err := <-results; !errors.Is(err, ErrNudged) {
		t.Fatalf("nudged: %v", err)
	}
	if err := socket.Receive(time.Now().Add(time.Millisecond), take); !errors.Is(err, ErrTimeout) {
		t.Fatalf("timeout: %v", err)
	}
	cause := errors.New("enough")
	go receive()
	socket.Interrupt(cause)
	socket.Interrupt(errors.New("too late"))
	if err := <-results; err != cause {
		t.Fatalf("interrupted: %v", err)
	}
	go receive()
	if err := <-results; err != cause {
		t.Fatalf("a second time: %v", err)
	}
}

func TestSocketNoticesTheDead(t *testing.T) {
	t.Parallel()
	_, socket := dialSocket(t, Timing{Ping: 10 * time.Millisecond, DeadAfter: 50 * time.Millisecond}, nobody{}, false)
	// The client does not read, so its library answers no ping.
	if err := socket.Receive(time.Time{}, func([]byte) error { return nil }); !errors.Is(err, ErrViewerIdle) {
		t.Fatalf("Receive = %v", err)
	}
}

func TestSocketFlood(t *testing.T) {
	t.Parallel()
	client, socket := dialSocket(t, Timing{}, nobody{}, false)
	go func() {
		for client.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second)) == nil {
		}
	}()
	if err := socket.Receive(time.Time{}, func([]byte) error { return nil }); !errors.Is(err, ErrViewerFlood) {
		t.Fatalf("Receive = %v", err)
	}
}

func TestSocketStall(t *testing.T) {
	t.Parallel()
	_, socket := dialSocket(t, Timing{WriteStall: 50 * time.Millisecond}, nobody{}, false)
	socket.wire.conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	chunk := make([]byte, 1<<20)
	for range 100 {
		if _, err := socket.Write(chunk); err != nil {
			if !errors.Is(err, ErrViewerSlow) {
				t.Fatalf("Write = %v", err)
			}
			return
		}
	}
	t.Fatal("100 MiB went to a viewer that does not read")
}
