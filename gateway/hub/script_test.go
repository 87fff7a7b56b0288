package hub_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// script is a desktop whose every word is the test's.
type script struct {
	t    *testing.T
	conn net.Conn
	got  chan rfb.ClientMessage
}

// scripted runs a hub in front of a desktop that has sent its picture, all black.
func scripted(t *testing.T, width, height uint16, options hub.Options) (*script, *hub.Hub, <-chan error) {
	t.Helper()
	ours, theirs := net.Pipe()
	s := &script{t: t, conn: ours, got: make(chan rfb.ClientMessage, 1000)}
	h, ended := serve(t, hub.Upstream{Conn: theirs, Init: rfb.ServerInit{Width: width, Height: height, Format: rfb.RGB888(), Name: "script"}}, options)
	var reading sync.WaitGroup
	reading.Go(s.read)
	t.Cleanup(func() { ours.Close(); reading.Wait() })
	s.next(rfb.ClientSetPixelFormat)
	s.next(rfb.ClientSetEncodings)
	s.next(rfb.ClientFramebufferUpdateRequest)
	s.say(fill(image.Rect(0, 0, int(width), int(height)), 0))
	<-h.Ready()
	return s, h, ended
}

func (s *script) read() {
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	b := make([]byte, 64<<10)
	for {
		n, err := s.conn.Read(b)
		if err != nil {
			return
		}
		for p := b[:n]; len(p) > 0; {
			taken, m, err := parser.Next(p)
			if err != nil {
				s.t.Error(err)
				return
			}
			p = p[taken:]
			if m.Raw != nil {
				m.Raw = slices.Clone(m.Raw)
				s.got <- m
			}
		}
	}
}

// next is the next message of the type that the hub sends.
func (s *script) next(kind rfb.ClientMessageType) rfb.ClientMessage {
	s.t.Helper()
	for {
		select {
		case m := <-s.got:
			if m.Type == kind {
				return m
			}
		case <-time.After(patience):
			s.t.Fatalf("waited in vain for a %v", kind)
		}
	}
}

func (s *script) say(b []byte) {
	s.t.Helper()
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// fill is an update of one colour.
func fill(r image.Rectangle, grey byte) []byte {
	rect := rfb.Rect{X: uint16(r.Min.X), Y: uint16(r.Min.Y), Width: uint16(r.Dx()), Height: uint16(r.Dy())}
	return rfb.AppendTightFill(rfb.AppendFramebufferUpdate(nil, 1), rect, 0, []byte{grey, grey, grey})
}

// update is an update of one rectangle.
func update(rect []byte) []byte { return append(rfb.AppendFramebufferUpdate(nil, 1), rect...) }

func TestWhatIsNotPixelsReachesAllWhoKnowIt(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 64, 48, hub.Options{})
	seat := hub.Seat{Policy: everything}
	early := watch(t, h, seat, nil, modern(6)...)
	rgba := bytes.Repeat([]byte{200, 100, 50, 255, 0, 0, 0, 0}, 8)
	s.say(update(rfb.AppendVMwareCursor(nil, rfb.Rect{X: 3, Y: 1, Width: 4, Height: 4}, rgba)))
	s.say(update(rfb.AppendLEDState(nil, rfb.LEDCapsLock)))
	s.say(update(rfb.AppendDesktopName(nil, "другое имя")))
	s.say(update(rfb.AppendSupport(nil, rfb.EncodingQEMUExtendedKey)))
	s.say(update(rfb.AppendSupport(nil, rfb.EncodingExtendedMouseButtons)))
	s.say(rfb.AppendBell(nil))
	early.heard("a bell", func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerBell })
	late := watch(t, h, seat, nil, modern(6)...)
	for _, w := range []*watcher{early, late} {
		w.told(rfb.EncodingVMwareCursor, func(r rfb.ServerRect) bool { return r.X == 3 && bytes.Equal(r.Data[2:], rgba) })
		w.told(rfb.EncodingQEMULEDState, func(r rfb.ServerRect) bool { return r.Data[0] == rfb.LEDCapsLock })
		w.told(rfb.EncodingDesktopName, func(r rfb.ServerRect) bool { name, _ := r.DesktopName(); return name == "другое имя" })
		w.told(rfb.EncodingQEMUExtendedKey, nil)
		w.told(rfb.EncodingExtendedMouseButtons, nil)
	}
	masked := watch(t, h, seat, func(w *watcher) { w.requests = true }, rfb.EncodingTight, rfb.EncodingCursor)
	masked.told(rfb.EncodingCursor, func(r rfb.ServerRect) bool {
		mask := r.Data[64:]
		return bytes.Equal(r.Data[:3], []byte{50, 100, 200}) && bytes.Equal(mask, []byte{0xA0, 0xA0, 0xA0, 0xA0})
	})
	if name := h.Init().Name; name != "другое имя" {
		t.Errorf("new viewers are told %q", name)
	}
}

func TestClipboardBothWays(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 64, 48, hub.Options{})
	caps := rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardCaps | rfb.ClipboardRequest | rfb.ClipboardNotify | rfb.ClipboardProvide, Sizes: []uint32{0}}
	s.say(rfb.AppendServerClipboard(nil, caps))
	flags := func(m rfb.ClientMessage) rfb.ClipboardFlags { cut, _, _ := m.CutText(); return cut.Flags.Action() }
	if got := flags(s.next(rfb.ClientCutText)); got != rfb.ClipboardCaps {
		t.Fatalf("the hub answers with %#x", got)
	}
	modernViewer := watch(t, h, hub.Seat{Policy: everything}, nil, modern(6)...)
	old := watch(t, h, hub.Seat{Policy: everything}, func(w *watcher) { w.requests = true }, rfb.EncodingTight)
	blind := watch(t, h, hub.Seat{Policy: relay.Policy{Control: true}}, nil, modern(6)...)
	action := func(want rfb.ClipboardFlags) func(rfb.ServerMessage) bool {
		return func(m rfb.ServerMessage) bool {
			cut, _, ok := m.CutText()
			return ok && cut.Extended && cut.Flags.Action() == want
		}
	}
	modernViewer.heard("capabilities", action(rfb.ClipboardCaps))

	// From the desktop.
	s.say(rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardNotify}))
	if got := flags(s.next(rfb.ClientCutText)); got != rfb.ClipboardRequest {
		t.Fatalf("the hub answers with %#x", got)
	}
	s.say(rfb.AppendServerClipboard(nil, rfb.ProvideClipboardText("grüße\nworld ☂")))
	old.heard("Latin-1", func(m rfb.ServerMessage) bool {
		cut, body, ok := m.CutText()
		return ok && !cut.Extended && rfb.Latin1(body) == "grüße\nworld ?"
	})
	modernViewer.heard("that there is text", action(rfb.ClipboardNotify))
	modernViewer.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardRequest}))
	modernViewer.heard("the text", func(m rfb.ServerMessage) bool {
		if !action(rfb.ClipboardProvide)(m) {
			return false
		}
		_, body, _ := m.CutText()
		c, err := rfb.ParseClipboard(body)
		text, err2 := c.Text(1000)
		return err == nil && err2 == nil && text == "grüße\nworld ☂"
	})

	// To the desktop.
	modernViewer.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardNotify}))
	modernViewer.heard("a request", action(rfb.ClipboardRequest))
	modernViewer.send(rfb.AppendClientClipboard(nil, rfb.ProvideClipboardText("from here ☀")))
	if got := flags(s.next(rfb.ClientCutText)); got != rfb.ClipboardNotify {
		t.Fatalf("the hub tells the desktop %#x", got)
	}
	s.say(rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardRequest}))
	_, body, _ := s.next(rfb.ClientCutText).CutText()
	provided, err := rfb.ParseClipboard(body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := provided.Text(1000); err != nil || text != "from here ☀" {
		t.Errorf("the desktop got %q, %v", text, err)
	}
	old.send(rfb.AppendClientCutText(nil, "old"))
	if got := flags(s.next(rfb.ClientCutText)); got != rfb.ClipboardNotify {
		t.Fatalf("the hub tells the desktop %#x", got)
	}
	blind.send(rfb.AppendClientCutText(nil, "secret"))
	blind.send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'x'}))
	s.next(rfb.ClientKeyEvent)
	s.say(rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardRequest}))
	_, body, _ = s.next(rfb.ClientCutText).CutText()
	if provided, err = rfb.ParseClipboard(body); err != nil {
		t.Fatal(err)
	}
	if text, _ := provided.Text(1000); text != "old" {
		t.Errorf("the desktop got %q", text)
	}
	blind.mu.Lock()
	defer blind.mu.Unlock()
	if slices.ContainsFunc(blind.others, func(m rfb.ServerMessage) bool { return m.Type == rfb.ServerCutText }) {
		t.Error("a viewer without the permission heard of the clipboard")
	}
}

// gate lets nothing pass while it is shut.
type gate struct {
	mu    sync.Mutex
	shut  bool
	letGo []byte
}

func (g *gate) Act(rfb.ClientMessage) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.shut
}

func (g *gate) LetGo() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.letGo
	g.letGo = nil
	return b
}

func TestInputIsTheHoldersAndIsLetGo(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 64, 48, hub.Options{})
	g := new(gate)
	seat := hub.Seat{Policy: everything, Gate: g, Replay: rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'r'})}
	w := watch(t, h, seat, nil, modern(6)...)
	if key, _ := s.next(rfb.ClientKeyEvent).Key(); key.Keysym != 'r' {
		t.Errorf("replayed %+v", key)
	}
	watcherOnly := watch(t, h, hub.Seat{}, nil, modern(6)...)
	watcherOnly.send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'n'}))
	w.send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'a'}))
	if key, _ := s.next(rfb.ClientKeyEvent).Key(); key.Keysym != 'a' {
		t.Errorf("the desktop got %+v", key)
	}
	g.mu.Lock()
	g.shut, g.letGo = true, rfb.AppendKeyEvent(nil, rfb.KeyEvent{Keysym: 'a'})
	g.mu.Unlock()
	w.socket.Nudge()
	if key, _ := s.next(rfb.ClientKeyEvent).Key(); key.Keysym != 'a' || key.Down {
		t.Errorf("the desktop got %+v", key)
	}
	w.send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'b'}))
	w.send(rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: []byte("is b through?")}))
	w.heard("the fence", func(m rfb.ServerMessage) bool {
		fence, ok := m.Fence()
		return ok && fence.Flags&rfb.FenceRequest == 0 && string(fence.Payload) == "is b through?"
	})
	g.mu.Lock()
	g.shut = false
	g.mu.Unlock()
	w.send(rfb.AppendQEMUKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 'c', Keycode: 46}))
	w.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{Buttons: rfb.ButtonLeft, X: 5, Y: 6}))
	if key, _ := s.next(rfb.ClientQEMU).Key(); key.Keysym != 'c' || !key.Down {
		t.Errorf("the desktop got %+v", key)
	}
	s.next(rfb.ClientPointerEvent)
	w.conn.Close()
	if key, _ := s.next(rfb.ClientQEMU).Key(); key.Keysym != 'c' || key.Down {
		t.Errorf("who left still holds %+v", key)
	}
	if p, _ := s.next(rfb.ClientPointerEvent).Pointer(); p.Buttons != 0 || p.X != 5 {
		t.Errorf("who left still holds %+v", p)
	}
}

// A desktop's pixels that move are told as such to those who can move theirs.
func TestCopiesPassThrough(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 64, 48, hub.Options{})
	inStep := watch(t, h, hub.Seat{}, nil, modern(6)...)
	without := watch(t, h, hub.Seat{}, func(w *watcher) { w.requests = true }, rfb.EncodingTight)
	want := picture.New(64, 48)
	want.Fill(image.Rect(0, 0, 10, 10), 0x505050)
	s.say(fill(image.Rect(0, 0, 10, 10), 0x50))
	inStep.shows(want)
	without.shows(want)
	want.Move(image.Rect(20, 20, 30, 30), image.Pt(0, 0))
	s.say(update(rfb.AppendCopyRect(nil, rfb.Rect{X: 20, Y: 20, Width: 10, Height: 10}, 0, 0)))
	inStep.shows(want)
	without.shows(want)
	inStep.mu.Lock()
	defer inStep.mu.Unlock()
	if !slices.Contains(inStep.pixels, rfb.EncodingCopyRect) {
		t.Errorf("who was in step got %v", inStep.pixels)
	}
}

func TestHowAHubEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(s *script)
		want error
	}{
		"the desktop leaves":                  {func(s *script) { s.conn.Close() }, relay.ErrDesktopGone},
		"it says what nobody knows":           {func(s *script) { s.say([]byte{99}) }, relay.ErrDesktopProtocol},
		"it draws outside of its screen":      {func(s *script) { s.say(fill(image.Rect(60, 40, 70, 50), 1)) }, relay.ErrDesktopProtocol},
		"its pixels cannot be decoded":        {func(s *script) { s.say(broken()) }, relay.ErrDesktopProtocol},
		"it says it knows fences and is dead": {func(s *script) { s.say(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest})) }, relay.ErrDesktopStalled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, h, ended := scripted(t, 64, 48, hub.Options{Stall: 300 * time.Millisecond, Probe: 100 * time.Millisecond})
			w := watch(t, h, hub.Seat{}, nil, modern(6)...)
			w.follows(1)
			c.end(s)
			select {
			case err := <-ended:
				if !errors.Is(err, c.want) {
					t.Errorf("the hub ended with %v, want %v", err, c.want)
				}
			case <-time.After(patience):
				t.Fatal("the hub does not end")
			}
			if err := w.ended(); !errors.Is(err, c.want) {
				t.Errorf("the viewer ended with %v, want %v", err, c.want)
			}
			if _, err := h.Thumbnail(t.Context(), 10, 10); err == nil && name != "" {
				t.Error("there is a thumbnail of a hub that ended")
			}
			if _, err := h.Serve(w.socket, hub.Seat{}, relay.Greeted(h.Init())); !errors.Is(err, c.want) {
				t.Errorf("who comes later is told %v", err)
			}
		})
	}
}

// broken is an update whose zlib stream is none.
func broken() []byte {
	b := rfb.AppendRect(nil, rfb.Rect{Width: 16, Height: 16, Encoding: rfb.EncodingTight})
	b = append(b, 0)
	b = rfb.AppendTightLength(b, 100)
	return update(append(b, bytes.Repeat([]byte{0xEE}, 100)...))
}

func TestViewersThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	_, h, _ := scripted(t, 64, 48, hub.Options{})
	palette := rfb.RGB888()
	palette.TrueColour, palette.BitsPerPixel, palette.Depth = false, 8, 8
	good := watch(t, h, hub.Seat{}, nil, modern(6)...)
	for name, c := range map[string]struct {
		sends []byte
		want  error
	}{
		"no message":     {[]byte{77}, relay.ErrViewerProtocol},
		"a colour map":   {rfb.AppendSetPixelFormat(nil, palette), relay.ErrViewerProtocol},
		"bad clipboard":  {binary.BigEndian.AppendUint32([]byte{6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFC}, uint32(rfb.ClipboardCaps|rfb.ClipboardText)), relay.ErrViewerProtocol},
		"many questions": {bytes.Repeat(rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: make([]byte, 64)}), 30000), nil},
	} {
		bad := watch(t, h, hub.Seat{Policy: everything}, nil, modern(6)...)
		if name == "many questions" {
			bad.pause()
		}
		bad.send(c.sends)
		if err := bad.ended(); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: ended with %v, want %v", name, err, c.want)
		}
	}
	good.follows(1)
	if status, ok := h.Status(good.socket); !ok || status.Viewers != 1 {
		t.Errorf("the others: %+v, %v", status, ok)
	}
}
