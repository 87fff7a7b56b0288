package rfb_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// scene is a session with a real Xvnc. Its recording, testdata/<name>.rfb.gz, is
// what the desktop sent from ServerInit on; ServerInit has the pixel format that
// the client asked for.
type scene struct {
	name      string
	format    rfb.PixelFormat // zero: the desktop's own
	encodings []rfb.Encoding
	play      func(x *xvnc, p *peer) // nil: watch a busy desktop
	bytes     int                    // how long to watch
}

func scenes() []scene {
	basic := []rfb.Encoding{rfb.EncodingLastRect}
	watch := func(encodings ...rfb.Encoding) []rfb.Encoding { return append(encodings, basic...) }
	colourMap := rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}
	rgb332 := rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6}
	return []scene{
		{name: "raw", encodings: watch(), bytes: 1 << 20},
		{name: "copyrect", encodings: watch(rfb.EncodingCopyRect, rfb.EncodingRRE), bytes: 1 << 20},
		{name: "rre", encodings: watch(rfb.EncodingRRE), bytes: 1 << 20},
		{name: "rre-16", format: rfb.RGB565(), encodings: watch(rfb.EncodingRRE), bytes: 1 << 18},
		{name: "hextile", encodings: watch(rfb.EncodingHextile), bytes: 1 << 20},
		{name: "hextile-16", format: rfb.RGB565(), encodings: watch(rfb.EncodingHextile), bytes: 1 << 19},
		{name: "hextile-8", format: rgb332, encodings: watch(rfb.EncodingHextile), bytes: 1 << 18},
		{name: "zrle", encodings: watch(rfb.EncodingZRLE, rfb.CompressLevel(2)), bytes: 1 << 17},
		{name: "tight", encodings: watch(rfb.EncodingTight, rfb.EncodingCopyRect, rfb.CompressLevel(2)), bytes: 1 << 17},
		{name: "tight-stored", encodings: watch(rfb.EncodingTight, rfb.CompressLevel(0)), bytes: 1 << 20},
		{name: "tight-jpeg", encodings: watch(rfb.EncodingTight, rfb.JPEGQuality(5), rfb.CompressLevel(1)), bytes: 1 << 18},
		{name: "tight-jpeg-fine", encodings: watch(rfb.EncodingTight, rfb.FineQuality(80), rfb.Subsampling2X.Encoding()), bytes: 1 << 17},
		{name: "tight-16", format: rfb.RGB565(), encodings: watch(rfb.EncodingTight, rfb.JPEGQuality(5)), bytes: 1 << 17},
		{name: "tight-8", format: rgb332, encodings: watch(rfb.EncodingTight), bytes: 1 << 17},
		{name: "colour-map", format: colourMap, encodings: watch(rfb.EncodingTight), bytes: 1 << 17},
		{name: "cursor", encodings: watch(rfb.EncodingZRLE, rfb.EncodingCursor), play: cursorScene(rfb.EncodingCursor)},
		{name: "cursor-16", format: rfb.RGB565(), encodings: watch(rfb.EncodingZRLE, rfb.EncodingCursor), play: cursorScene(rfb.EncodingCursor)},
		{name: "cursor-x", encodings: watch(rfb.EncodingZRLE, rfb.EncodingXCursor), play: cursorScene(rfb.EncodingXCursor)},
		{name: "cursor-alpha", encodings: watch(rfb.EncodingZRLE, rfb.EncodingCursorWithAlpha), play: cursorScene(rfb.EncodingCursorWithAlpha)},
		{name: "cursor-vmware", encodings: watch(rfb.EncodingZRLE, rfb.EncodingVMwareCursor, rfb.EncodingVMwareCursorPosition),
			play: cursorScene(rfb.EncodingVMwareCursor)},
		{name: "desktop", encodings: watch(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopSize, rfb.EncodingDesktopName,
			rfb.EncodingQEMULEDState, rfb.EncodingQEMUExtendedKey, rfb.EncodingFence, rfb.EncodingContinuousUpdates), play: desktopScene},
		{name: "desktop-old", encodings: watch(rfb.EncodingZRLE, rfb.EncodingDesktopSize, rfb.EncodingVMwareLEDState), play: oldDesktopScene},
		{name: "clipboard", encodings: watch(rfb.EncodingZRLE, rfb.EncodingExtendedClipboard), play: clipboardScene},
		{name: "clipboard-latin1", encodings: watch(rfb.EncodingZRLE), play: latin1Scene},
	}
}

// TestRecord makes the recordings again when told to.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("run with -record to make testdata again")
	}
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			x := startXvnc(t, "-SecurityTypes", "None", "-geometry", "360x240", "-desktop", "recorded")
			var stream bytes.Buffer
			p := x.connect(t, rfb.ClientConfig{}, &stream)
			init := p.session.Init
			init.Name = "recorded"
			if s.format != (rfb.PixelFormat{}) {
				init.Format = s.format
				p.reader.Walker().SetPixelFormat(s.format)
				p.send(rfb.AppendSetPixelFormat(nil, s.format))
			}
			p.send(rfb.AppendSetEncodings(nil, s.encodings...))
			p.request(false)
			if s.play != nil {
				s.play(x, p)
			} else {
				x.busy(t)
				p.until("enough bytes", func() bool { return p.reader.Walker().Offset() > int64(s.bytes) })
			}
			// What the reader has taken, without what it has read ahead.
			whole := append(rfb.AppendServerInit(nil, init), stream.Bytes()[:p.reader.Walker().Offset()]...)
			save(t, s.name, whole)
			writeGolden(t, s.name, summarise(t, whole))
		})
	}
}

// cursorScene moves the viewer's pointer over windows with different cursors,
// and for cursor positions the desktop's too, which then draws the cursor itself
// and hides the viewer's.
func cursorScene(encoding rfb.Encoding) func(*xvnc, *peer) {
	return func(x *xvnc, p *peer) {
		x.run(p.t, "xsetroot", "-cursor_name", "gumby")
		x.start(p.t, "xterm", "-geometry", "20x8+0+0", "-e", "sh", "-c", "while :; do date; sleep 0.1; done")
		x.start(p.t, "xeyes", "-geometry", "100x100+200+100")
		shapes, i := 0, uint16(0)
		p.until("cursors", func() bool {
			if r, ok := p.rect(encoding); ok && r.Area() > 0 {
				shapes++
			}
			i++
			p.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: i * 37 % 360, Y: i * 23 % 240}))
			return shapes >= 6
		})
		if encoding == rfb.EncodingVMwareCursor {
			x.run(p.t, "xdotool", "mousemove", "300", "200")
			p.until("a position", func() bool { return p.rects[rfb.EncodingVMwareCursorPosition] >= 1 })
		}
	}
}

// desktopScene has everything that a desktop says of itself.
func desktopScene(x *xvnc, p *peer) {
	p.until("what the desktop can do", func() bool {
		return p.rects[rfb.EncodingExtendedDesktopSize] > 0 && p.rects[rfb.EncodingQEMUExtendedKey] > 0 &&
			p.rects[rfb.EncodingQEMULEDState] > 0 && p.messages[rfb.ServerFence] > 0 &&
			p.messages[rfb.ServerEndOfContinuousUpdates] > 0
	})
	size := rfb.DesktopSize{Width: 400, Height: 300, Screens: []rfb.Screen{{ID: 7, Width: 200, Height: 300}, {ID: 8, X: 200, Width: 200, Height: 300}}}
	p.send(rfb.AppendSetDesktopSize(nil, size))
	p.until("two screens", func() bool { r, ok := p.rect(rfb.EncodingExtendedDesktopSize); return ok && r.Width == 400 })
	size.Screens[1].X = 1000 // outside
	p.send(rfb.AppendSetDesktopSize(nil, size))
	p.until("a refusal", func() bool {
		r, ok := p.rect(rfb.EncodingExtendedDesktopSize)
		return ok && r.X == rfb.ResizeByThisClient && r.Y == rfb.ResizeInvalidLayout
	})
	x.run(p.t, "tigervncconfig", "-display", x.display, "-set", "desktop=Schreibtisch für zwei")
	p.until("another name", func() bool { return p.rects[rfb.EncodingDesktopName] >= 1 })
	p.send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 0xffe5})) // Caps Lock
	p.send(rfb.AppendQEMUKeyEvent(nil, rfb.KeyEvent{Down: false, Keysym: 0xffe5, Keycode: 0x3a}))
	leds := p.rects[rfb.EncodingQEMULEDState]
	p.until("a light", func() bool { return p.rects[rfb.EncodingQEMULEDState] > leds })
	p.ask = false
	p.send(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: 400, Height: 300}))
	x.start(p.t, "xterm", "-geometry", "20x8+0+0", "-e", "sh", "-c", `printf '\a'; while :; do date; sleep 0.05; done`)
	updates := p.messages[rfb.ServerFramebufferUpdate]
	p.until("updates unasked and a bell", func() bool {
		return p.messages[rfb.ServerFramebufferUpdate] > updates+10 && p.messages[rfb.ServerBell] > 0
	})
	p.send(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{}))
	p.until("the end of updates", func() bool { return p.messages[rfb.ServerEndOfContinuousUpdates] >= 2 })
	p.send(rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: []byte("are we there yet")}))
	p.until("an answer", func() bool {
		fence, ok := p.last.Fence()
		return ok && string(fence.Payload) == "are we there yet"
	})
}

// oldDesktopScene is a client without ExtendedDesktopSize.
func oldDesktopScene(x *xvnc, p *peer) {
	p.until("a first update", func() bool { return p.rects[rfb.EncodingZRLE] > 0 })
	x.run(p.t, "xrandr", "--fb", "640x480")
	p.until("another size", func() bool { return p.rects[rfb.EncodingDesktopSize] > 0 })
	p.until("the pixels", func() bool { return p.rects[rfb.EncodingZRLE] > 1 })
}

const clipboardSample = "Grüße, 世界\nsecond line 🙂"

// clipboardScene takes text out of the desktop and puts some in.
func clipboardScene(x *xvnc, p *peer) {
	clipboard := func() rfb.Clipboard {
		cut, body, ok := p.last.CutText()
		if !ok || !cut.Extended {
			return rfb.Clipboard{}
		}
		c, err := rfb.ParseClipboard(body)
		if err != nil {
			p.t.Fatal(err)
		}
		return c
	}
	p.until("capabilities", func() bool { return clipboard().Flags.Action() == rfb.ClipboardCaps })
	p.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{
		Flags: rfb.ClipboardCaps | rfb.ClipboardRequest | rfb.ClipboardPeek | rfb.ClipboardNotify | rfb.ClipboardProvide | rfb.ClipboardText,
		Sizes: []uint32{0},
	}))
	x.copy(p.t, clipboardSample)
	p.until("a notice", func() bool {
		return clipboard().Flags.Action() == rfb.ClipboardNotify && clipboard().Flags.Formats() != 0
	})
	p.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek}))
	p.until("the answer to peek", func() bool { return clipboard().Flags.Action() == rfb.ClipboardNotify })
	p.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}))
	p.until("text", func() bool { return clipboard().Flags.Action() == rfb.ClipboardProvide })
	if text, err := clipboard().Text(1 << 20); err != nil || text != clipboardSample {
		p.t.Fatalf("clipboard %q, %v", text, err)
	}
	x.start(p.t, "sh", "-c", "until xclip -selection clipboard -o | grep -q back; do sleep 0.1; done; xsetroot -solid red")
	p.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText}))
	p.until("a request", func() bool { return clipboard().Flags.Action() == rfb.ClipboardRequest })
	p.send(rfb.AppendClientClipboard(nil, rfb.ProvideClipboardText("there and\nback")))
	p.until("somebody who has read it", func() bool { return p.rects[rfb.EncodingZRLE] > 1 })
}

// latin1Scene is a client without ExtendedClipboard.
func latin1Scene(x *xvnc, p *peer) {
	x.copy(p.t, "Grüße")
	p.until("text", func() bool { return p.messages[rfb.ServerCutText] > 0 })
	if cut, body, ok := p.last.CutText(); !ok || cut.Extended || rfb.Latin1(body) != "Grüße" {
		p.t.Fatalf("clipboard %q", body)
	}
}

// copy puts text into the desktop's clipboard.
func (x *xvnc) copy(t testing.TB, text string) {
	t.Helper()
	cmd := x.command(need(t, "xclip", "xclip"), "-selection", "clipboard", "-quiet")
	cmd.Stdin = bytes.NewReader([]byte(text))
	begin(t, cmd)
}

func recordingPath(name string) string { return filepath.Join("testdata", name+".rfb.gz") }

func save(t testing.TB, name string, data []byte) {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordingPath(name), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
