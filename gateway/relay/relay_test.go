package relay

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/rfb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts observes a relay.
type counts struct {
	moved                    [2]atomic.Int64
	updates, rects, withheld atomic.Int64
	inputs, ages, clicks     atomic.Int64
}

func (c *counts) Moved(to Direction, bytes int) { c.moved[to].Add(int64(bytes)) }
func (c *counts) Slow(bool)                     {}
func (c *counts) FrameAge(d time.Duration)      { c.ages.Add(1) }
func (c *counts) ClickToPixel(d time.Duration)  { c.clicks.Add(1) }
func (c *counts) Updated(updates, rects int) {
	c.updates.Add(int64(updates))
	c.rects.Add(int64(rects))
}
func (c *counts) Withheld(string, Direction) { c.withheld.Add(1) }
func (c *counts) Input()                     { c.inputs.Add(1) }

var testInit = rfb.ServerInit{Width: 4096, Height: 4096, Format: rfb.RGB888(), Name: "test"}

// relayed returns the desktop's and the viewer's end of a running relay.
func relayed(t *testing.T, network string, secure bool, policy Policy) (desktop net.Conn, viewer *websocket.Conn, seen *counts, ended <-chan error) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	upstream, err := net.Dial(network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	desktop, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	viewer, socket := dialSocket(t, Timing{}, nobody{}, secure)
	viewer.SetReadDeadline(time.Now().Add(30 * time.Second))
	seen = new(counts)
	done := make(chan error, 1)
	timing := Timing{}.WithDefaults()
	go func() {
		_, err := Run(socket, upstream, testInit, Options{Policy: policy, Observer: seen, Timing: &timing})
		done <- err
		upstream.Close()
	}()
	t.Cleanup(func() { desktop.Close(); viewer.Close(); socket.Kill() })
	return desktop, viewer, seen, done
}

// fill makes n random bytes.
func fill(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(random.Uint32()), byte(random.Uint32())}).Read(b)
	return b
}

// update is a raw update with about n bytes of pixels.
func update(random *rand.Rand, n int) []byte {
	width := min(n/4, 1024)
	height := max(n/4/width, 1)
	b := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: uint16(width), Height: uint16(height)})
	return append(b, fill(random, width*height*4)...)
}

// TestStreamPassesUntouched sends desktops' streams of all paces and sizes of
// rectangle, with messages in between that are withheld, and compares bytes.
func TestStreamPassesUntouched(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, network string
		secure        bool
		body          int
	}{
		{"small over Unix", "unix", false, 200},
		{"JPEG-sized over TCP", "tcp", false, 20 << 10},
		{"large over TCP", "tcp", false, 64 << 10},
		{"large over Unix", "unix", false, 256 << 10},
		{"large to TLS", "unix", true, 64 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, uint64(c.body)))
			var stream, want []byte
			updates, withheld := 0, 0
			for len(stream) < min(24<<20, c.body*4000) {
				u := update(random, c.body)
				stream, want = append(stream, u...), append(want, u...)
				updates++
				switch random.IntN(40) {
				case 0:
					stream = rfb.AppendServerCutText(stream, string(fill(random, random.IntN(3000))))
					withheld++
				case 1:
					bell := rfb.AppendBell(nil)
					stream, want = append(stream, bell...), append(want, bell...)
				}
			}
			desktop, viewer, seen, ended := relayed(t, c.network, c.secure, Policy{})
			var group sync.WaitGroup
			group.Go(func() {
				for rest := stream; len(rest) > 0; { // at full speed, and in pieces at first
					n := min(len(rest), 1<<20)
					if len(stream)-len(rest) < 1<<20 {
						n = min(len(rest), 1+random.IntN(5000))
					}
					if _, err := desktop.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			})
			got := make([]byte, 0, len(want))
			for len(got) < len(want) {
				kind, message, err := viewer.ReadMessage()
				if err != nil || kind != websocket.BinaryMessage {
					t.Fatalf("after %d of %d bytes: kind %d, %v", len(got), len(want), kind, err)
				}
				got = append(got, message...)
			}
			group.Wait()
			if !bytes.Equal(got, want) {
				t.Fatal("the bytes changed on their way")
			}
			desktop.Close()
			if err := <-ended; !errors.Is(err, ErrDesktopGone) {
				t.Errorf("Run = %v", err)
			}
			if int(seen.updates.Load()) != updates || int(seen.rects.Load()) != updates || int(seen.withheld.Load()) != withheld {
				t.Errorf("counted %d updates, %d rectangles, %d withheld; want %d, %d, %d",
					seen.updates.Load(), seen.rects.Load(), seen.withheld.Load(), updates, updates, withheld)
			}
			if int(seen.moved[ToViewer].Load()) != len(want) {
				t.Errorf("counted %d bytes, want %d", seen.moved[ToViewer].Load(), len(want))
			}
		})
	}
}

// TestExtendedClipboardByDirection sends every kind of clipboard message both
// ways and checks which come through.
func TestExtendedClipboardByDirection(t *testing.T) {
	t.Parallel()
	kinds := []rfb.ClipboardFlags{
		rfb.ClipboardCaps | rfb.ClipboardRequest | rfb.ClipboardPeek | rfb.ClipboardNotify | rfb.ClipboardProvide | rfb.ClipboardText,
		rfb.ClipboardRequest | rfb.ClipboardText, rfb.ClipboardPeek, rfb.ClipboardNotify | rfb.ClipboardText, rfb.ClipboardProvide | rfb.ClipboardText,
	}
	const caps, request, peek, notify, provide = 0, 1, 2, 3, 4
	raw := func(kind int) []byte { // the same layout both ways: type, padding, -4, flags
		b := []byte{byte(rfb.ServerCutText), 0, 0, 0, 0xff, 0xff, 0xff, 0xfc}
		return append(b, byte(kinds[kind]>>24), 0, 0, byte(kinds[kind]))
	}
	for name, c := range map[string]struct {
		policy    Policy
		out, in   []int // kinds that come through, to the viewer and to the desktop
		outP, inP bool  // plain text comes through
	}{
		"both": {Policy{ClipboardIn: true, ClipboardOut: true}, []int{caps, request, peek, notify, provide}, []int{caps, request, peek, notify, provide}, true, true},
		"in":   {Policy{ClipboardIn: true}, []int{caps, request, peek}, []int{caps, notify, provide}, false, true},
		"out":  {Policy{ClipboardOut: true}, []int{caps, notify, provide}, []int{caps, request, peek}, true, false},
		"none": {Policy{}, nil, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desktop, viewer, _, _ := relayed(t, "unix", false, c.policy)
			var wantOut, wantIn, sendOut, sendIn []byte
			for kind := range kinds {
				sendOut, sendIn = append(sendOut, raw(kind)...), append(sendIn, inward(raw(kind))...)
				if slices.Contains(c.out, kind) {
					wantOut = append(wantOut, raw(kind)...)
				}
				if slices.Contains(c.in, kind) {
					wantIn = append(wantIn, inward(raw(kind))...)
				}
			}
			plainOut, plainIn := rfb.AppendServerCutText(nil, "text"), rfb.AppendClientCutText(nil, "text")
			sendOut, sendIn = append(sendOut, plainOut...), append(sendIn, plainIn...)
			if c.outP {
				wantOut = append(wantOut, plainOut...)
			}
			if c.inP {
				wantIn = append(wantIn, plainIn...)
			}
			bell, fence := rfb.AppendBell(nil), rfb.AppendClientFence(nil, rfb.Fence{Payload: []byte("end")})
			sendOut, wantOut = append(sendOut, bell...), append(wantOut, bell...)
			sendIn, wantIn = append(sendIn, fence...), append(wantIn, fence...)

			go func() {
				for _, b := range sendOut { // byte by byte: headers are cut anywhere
					desktop.Write([]byte{b})
				}
			}()
			var got []byte
			for len(got) < len(wantOut) {
				_, message, err := viewer.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, message...)
			}
			if !bytes.Equal(got, wantOut) {
				t.Errorf("viewer got %x, want %x", got, wantOut)
			}
			for _, b := range sendIn {
				if err := viewer.WriteMessage(websocket.BinaryMessage, []byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			desktop.SetReadDeadline(time.Now().Add(10 * time.Second))
			got = make([]byte, len(wantIn))
			if _, err := io.ReadFull(desktop, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, wantIn) {
				t.Errorf("desktop got %x, want %x", got, wantIn)
			}
		})
	}
}

// inward makes a viewer's message of a desktop's.
func inward(b []byte) []byte {
	b = slices.Clone(b)
	b[0] = byte(rfb.ClientCutText)
	return b
}

func TestEncodingsAreFiltered(t *testing.T) {
	t.Parallel()
	asked := []rfb.Encoding{
		rfb.EncodingTight, rfb.EncodingRaw, rfb.EncodingH264, 4711, rfb.EncodingExtendedClipboard, rfb.EncodingQEMUAudio,
		rfb.EncodingQEMUExtendedKey, rfb.EncodingGII, rfb.EncodingFence, rfb.JPEGQuality(7), rfb.CompressLevel(2), rfb.FineQuality(50),
		rfb.Subsampling1X.Encoding(), rfb.EncodingXVP,
	}
	for name, c := range map[string]struct {
		policy  Policy
		without []rfb.Encoding
	}{
		"watcher": {Policy{}, []rfb.Encoding{4711, rfb.EncodingGII, rfb.EncodingExtendedClipboard, rfb.EncodingQEMUAudio, rfb.EncodingQEMUExtendedKey, rfb.EncodingXVP}},
		"owner":   {Policy{Control: true, ClipboardIn: true, ClipboardOut: true, Audio: true}, []rfb.Encoding{4711, rfb.EncodingGII}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desktop, viewer, seen, _ := relayed(t, "tcp", false, c.policy)
			if err := viewer.WriteMessage(websocket.BinaryMessage, rfb.AppendSetEncodings(nil, asked...)); err != nil {
				t.Fatal(err)
			}
			want := rfb.AppendSetEncodings(nil, slices.DeleteFunc(slices.Clone(asked), func(e rfb.Encoding) bool { return slices.Contains(c.without, e) })...)
			got := make([]byte, len(want))
			desktop.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(desktop, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("desktop got %x, want %x: %v", got, want, err)
			}
			if int(seen.withheld.Load()) != len(c.without) {
				t.Errorf("counted %d, want %d", seen.withheld.Load(), len(c.without))
			}
		})
	}
}

// FuzzFilter feeds a desktop's bytes in one piece and in pieces: what comes out
// must be the same, and never a clipboard.
func FuzzFilter(f *testing.F) {
	random := rand.New(rand.NewPCG(9, 9))
	f.Add(slices.Concat(update(random, 64), rfb.AppendServerCutText(nil, "secret"), rfb.AppendBell(nil)), uint64(1), false)
	f.Add(slices.Concat(rfb.AppendServerFence(nil, rfb.Fence{Payload: probePayload}), update(random, 4)), uint64(2), true)
	f.Add(slices.Concat([]byte{3, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 1, 0, 0, 1}, rfb.AppendBell(nil)), uint64(3), true)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, in bool) {
		run := func(pieces bool) (out []byte, err error) {
			random := rand.New(rand.NewPCG(seed, 1))
			client, server := net.Pipe() // what is held back is sent as frames of its own
			var sent bytes.Buffer
			read := make(chan struct{})
			go func() { defer close(read); io.Copy(&sent, client) }()
			timing := Timing{}.WithDefaults()
			socket := NewSocket(server, NewBuffers(), &timing, nobody{})
			o := &output{relay: &relay{viewer: socket, policy: Policy{ClipboardIn: in}, observer: new(counts), timing: &timing, walker: rfb.NewServerWalker(testInit)}}
			o.probes.Store(1)
			for rest := slices.Clone(stream); len(rest) > 0 && err == nil; {
				n := len(rest)
				if pieces {
					n = 1 + random.IntN(min(n, 9))
				}
				var kept int
				kept, err = o.filter(rest[:n])
				if kept > 0 {
					socket.Write(rest[:kept])
				}
				rest = rest[n:]
			}
			server.Close()
			<-read
			return unframe(t, sent.Bytes()), err
		}
		whole, wholeErr := run(false)
		parts, partsErr := run(true)
		if (wholeErr == nil) != (partsErr == nil) || wholeErr == nil && !bytes.Equal(whole, parts) {
			t.Fatalf("whole %x (%v), in pieces %x (%v)", whole, wholeErr, parts, partsErr)
		}
	})
}

// unframe takes a server's frames apart.
func unframe(t *testing.T, b []byte) (payload []byte) {
	for len(b) > 0 {
		header, length := 2, int(b[1])
		switch length {
		case 126:
			header, length = 4, int(b[2])<<8|int(b[3])
		case 127:
			t.Fatal("a frame of that size cannot be")
		}
		payload = append(payload, b[header:header+length]...)
		b = b[header+length:]
	}
	return payload
}
