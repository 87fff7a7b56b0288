package rfb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

var desktop = rfb.ServerInit{Width: 640, Height: 480, Format: rfb.RGB888(), Name: "test"}

// cat puts bytes and strings behind one another.
func cat(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = append(b, byte(part))
		case string:
			b = append(b, part...)
		case []byte:
			b = append(b, part...)
		}
	}
	return b
}

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func zeros(n int) []byte { return make([]byte, n) }

// rect is an update of one rectangle at 8,16.
func rect(width, height uint16, encoding rfb.Encoding, body ...any) []byte {
	b := rfb.AppendFramebufferUpdate(nil, 1)
	b = rfb.AppendRect(b, rfb.Rect{X: 8, Y: 16, Width: width, Height: height, Encoding: encoding})
	return append(b, cat(body...)...)
}

// photo is a JPEG as an encoder makes it, with stuffed bytes in its scan.
func photo(t testing.TB, width, height int) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		picture.Set(i%width, i/width, color.RGBA{R: byte(i * i * 7), G: byte(i * 13), B: byte(i >> 3), A: 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b.Bytes(), []byte{0xFF, 0x00}) {
		t.Fatal("picture without stuffed bytes")
	}
	return b.Bytes()
}

// TestMessagesByHand has what Xvnc 1.12 does not send, from the specification,
// and every turn of the encodings. Behind each message stands a bell: it is
// found only by who has ended at the right byte.
func TestMessagesByHand(t *testing.T) {
	t.Parallel()
	withRestart := append(slices.Clone(photo(t, 8, 8)[:len(photo(t, 8, 8))-2]), 0xFF, 0xD0, 0x12, 0xFF, 0xFF, 0x00, 0xFF, 0xD9)
	tests := []struct {
		name   string
		format rfb.PixelFormat // zero: RGB888
		bytes  []byte
	}{
		{"empty update", rfb.PixelFormat{}, rfb.AppendFramebufferUpdate(nil, 0)},
		{"raw", rfb.PixelFormat{}, rect(3, 2, rfb.EncodingRaw, zeros(3*2*4))},
		{"raw 16", rfb.RGB565(), rect(3, 2, rfb.EncodingRaw, zeros(3*2*2))},
		{"raw without pixels", rfb.PixelFormat{}, rect(0, 9, rfb.EncodingRaw)},
		{"copyrect", rfb.PixelFormat{}, rfb.AppendCopyRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 5, Height: 5}, 1, 2)},
		{"rre", rfb.PixelFormat{}, rect(9, 9, rfb.EncodingRRE, u32(2), zeros(4+2*12))},
		{"rre without subrectangles", rfb.RGB565(), rect(9, 9, rfb.EncodingRRE, u32(0), zeros(2))},
		{"hextile", rfb.PixelFormat{}, rect(20, 17, rfb.EncodingHextile,
			2|4|8, zeros(8), 3, zeros(3*2), // 16x16: background, foreground, three subrectangles
			1, zeros(4*16*4), // 4x16: raw
			8|16, 2, zeros(2*6), // 16x1: coloured subrectangles
			0)}, // 4x1: as before
		{"hextile with background only", rfb.RGB565(), rect(16, 16, rfb.EncodingHextile, 2, zeros(2))},
		{"hextile without pixels", rfb.PixelFormat{}, rect(16, 0, rfb.EncodingHextile)},
		{"zlib", rfb.PixelFormat{}, rect(16, 16, rfb.EncodingZlib, u32(5), "zzzzz")},
		{"zrle", rfb.PixelFormat{}, rect(16, 16, rfb.EncodingZRLE, u32(5), "zzzzz")},
		{"zrle without data", rfb.PixelFormat{}, rect(0, 0, rfb.EncodingZRLE, u32(0))},
		{"tight fill", rfb.PixelFormat{}, rfb.AppendTightFill(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 5, Height: 5}, 0xF, []byte{1, 2, 3})},
		{"tight fill 16", rfb.RGB565(), rect(5, 5, rfb.EncodingTight, 0x80, zeros(2))},
		{"tight jpeg", rfb.PixelFormat{}, rfb.AppendTightJPEG(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 32, Height: 32}, 0, photo(t, 32, 32))},
		{"tight basic", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingTight, 0x21, 7, "zzzzzzz")},
		{"tight basic, long", rfb.PixelFormat{}, rect(64, 64, rfb.EncodingTight, 0x00, "\x90\x4E", zeros(10000))},
		{"tight basic, longer", rfb.PixelFormat{}, rect(64, 64, rfb.EncodingTight, 0x00, "\x80\x80\x01", zeros(16384))},
		{"tight basic, last length byte has its top bit", rfb.PixelFormat{}, rect(600, 400, rfb.EncodingTight, 0x00, "\x80\x80\x80", zeros(128<<14))},
		{"tight basic, too short to pack", rfb.PixelFormat{}, rect(3, 1, rfb.EncodingTight, 0x00, zeros(9))},
		{"tight basic, just long enough to pack", rfb.PixelFormat{}, rect(4, 1, rfb.EncodingTight, 0x00, 2, "zz")},
		{"tight palette of two", rfb.PixelFormat{}, rect(9, 6, rfb.EncodingTight, 0x50, 1, 1, zeros(2*3), 2, "zz")},
		{"tight palette of two, too short to pack", rfb.PixelFormat{}, rect(9, 5, rfb.EncodingTight, 0x50, 1, 1, zeros(2*3), zeros(2*5))},
		{"tight palette of three", rfb.PixelFormat{}, rect(4, 3, rfb.EncodingTight, 0x60, 1, 2, zeros(3*3), 1, "z")},
		{"tight palette of three, too short to pack", rfb.PixelFormat{}, rect(11, 1, rfb.EncodingTight, 0x60, 1, 2, zeros(3*3), zeros(11))},
		{"tight palette of 256", rfb.RGB565(), rect(40, 40, rfb.EncodingTight, 0x60, 1, 255, zeros(256*2), 1, "z")},
		{"tight gradient", rfb.PixelFormat{}, rect(4, 3, rfb.EncodingTight, 0x70, 2, 3, "zzz")},
		{"tight copy, said aloud", rfb.PixelFormat{}, rect(4, 3, rfb.EncodingTight, 0x40, 0, 3, "zzz")},
		{"tight without zlib", rfb.PixelFormat{}, rect(4, 3, rfb.EncodingTight, 0xA0, zeros(4*3*3))},
		{"tight palette without zlib", rfb.PixelFormat{}, rect(16, 3, rfb.EncodingTight, 0xE0, 1, 1, zeros(2*3), zeros(2*3))},
		{"tightpng", rfb.PixelFormat{}, rect(64, 64, rfb.EncodingTightPNG, 0xA0, "\x81\x01", zeros(129))},
		{"tightpng jpeg", rfb.PixelFormat{}, rect(64, 64, rfb.EncodingTightPNG, 0x90, 5, "jjjjj")},
		{"tightpng fill", rfb.PixelFormat{}, rect(64, 64, rfb.EncodingTightPNG, 0x80, "rgb")},
		{"jpeg", rfb.PixelFormat{}, rect(32, 32, rfb.EncodingJPEG, photo(t, 32, 32))},
		{"jpeg with restarts and fill", rfb.PixelFormat{}, rect(8, 8, rfb.EncodingJPEG, withRestart)},
		{"jpeg without tables", rfb.PixelFormat{}, rect(8, 8, rfb.EncodingJPEG, "\xFF\xD8\xFF\xFF\xC0\x00\x04ab\xFF\x01\xFF\xDA\x00\x02scan\xFF\xD9")},
		{"jpeg with two scans", rfb.PixelFormat{}, rect(8, 8, rfb.EncodingJPEG, "\xFF\xD8\xFF\xDA\x00\x03xscan\xFF\x00\xFF\xC4\x00\x04ab\xFF\xDA\x00\x02\xFF\xD9")},
		{"h264", rfb.PixelFormat{}, rfb.AppendH264(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 64, Height: 64}, rfb.H264ResetContext, []byte("\x00\x00\x00\x01frame"))},
		{"h264 control", rfb.PixelFormat{}, rfb.AppendH264(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{}, rfb.H264ResetAllContexts, nil)},

		{"cursor", rfb.RGB565(), rfb.AppendCursor(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 9, Height: 3}, zeros(9*3*2), zeros(2*3))},
		{"xcursor", rfb.PixelFormat{}, rfb.AppendXCursor(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 9, Height: 3}, [3]byte{}, [3]byte{}, zeros(6), zeros(6))},
		{"xcursor without shape", rfb.PixelFormat{}, rfb.AppendXCursor(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 9}, [3]byte{}, [3]byte{}, nil, nil)},
		{"cursor with alpha", rfb.RGB565(), rfb.AppendCursorWithAlpha(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 9, Height: 3}, zeros(9*3*4))},
		{"cursor with alpha in zrle", rfb.PixelFormat{}, rect(9, 3, rfb.EncodingCursorWithAlpha, u32(16), u32(4), "zzzz")},
		{"cursor with alpha in tight", rfb.PixelFormat{}, rect(2, 1, rfb.EncodingCursorWithAlpha, u32(7), 0, zeros(2*4))},
		{"cursor with alpha in hextile", rfb.RGB565(), rect(2, 1, rfb.EncodingCursorWithAlpha, u32(5), 2, zeros(4))},
		{"vmware cursor", rfb.PixelFormat{}, rfb.AppendVMwareCursor(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 9, Height: 3}, zeros(9*3*4))},
		{"vmware cursor of masks", rfb.RGB565(), rect(9, 3, rfb.EncodingVMwareCursor, 0, 0, zeros(2*9*3*2))},
		{"vmware cursor state", rfb.PixelFormat{}, rect(0, 0, rfb.EncodingVMwareCursorState, zeros(2))},
		{"vmware cursor position", rfb.PixelFormat{}, rfb.AppendCursorPosition(rfb.AppendFramebufferUpdate(nil, 1), 3, 4)},
		{"vmware key repeat", rfb.PixelFormat{}, rect(0, 0, rfb.EncodingVMwareKeyRepeat, zeros(10))},
		{"vmware led state", rfb.PixelFormat{}, rfb.AppendVMwareLEDState(rfb.AppendFramebufferUpdate(nil, 1), rfb.LEDCapsLock)},
		{"vmware machine state", rfb.PixelFormat{}, rect(0, 0, rfb.EncodingVMwareMachineState, zeros(2))},
		{"qemu pointer motion", rfb.PixelFormat{}, rfb.AppendSupport(rfb.AppendFramebufferUpdate(nil, 1), rfb.EncodingQEMUPointerMotion)},
		{"qemu audio support", rfb.PixelFormat{}, rfb.AppendSupport(rfb.AppendFramebufferUpdate(nil, 1), rfb.EncodingQEMUAudio)},
		{"extended mouse buttons", rfb.PixelFormat{}, rfb.AppendSupport(rfb.AppendFramebufferUpdate(nil, 1), rfb.EncodingExtendedMouseButtons)},
		{"led state", rfb.PixelFormat{}, rfb.AppendLEDState(rfb.AppendFramebufferUpdate(nil, 1), rfb.LEDNumLock)},
		{"desktop name", rfb.PixelFormat{}, rfb.AppendDesktopName(rfb.AppendFramebufferUpdate(nil, 1), "名前")},
		{"last rectangle", rfb.PixelFormat{}, rfb.AppendLastRect(rfb.AppendFramebufferUpdate(nil, rfb.MaxRects))},

		{"colour map", rfb.PixelFormat{}, rfb.AppendColourMap(nil, 7, [][3]uint16{{1, 2, 3}, {4, 5, 6}})},
		{"colour map of nothing", rfb.PixelFormat{}, rfb.AppendColourMap(nil, 7, nil)},
		{"cut text", rfb.PixelFormat{}, rfb.AppendServerCutText(nil, "häßlich")},
		{"empty cut text", rfb.PixelFormat{}, rfb.AppendServerCutText(nil, "")},
		{"clipboard", rfb.PixelFormat{}, rfb.AppendServerClipboard(nil, rfb.ProvideClipboardText("text"))},
		{"clipboard without data", rfb.PixelFormat{}, rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek})},
		{"end of continuous updates", rfb.PixelFormat{}, rfb.AppendEndOfContinuousUpdates(nil)},
		{"fence", rfb.PixelFormat{}, rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: zeros(64)})},
		{"fence without payload", rfb.PixelFormat{}, rfb.AppendServerFence(nil, rfb.Fence{})},
		{"xvp", rfb.PixelFormat{}, rfb.AppendServerXVP(nil, 1, rfb.XVPInit)},
		{"gii, big-endian", rfb.PixelFormat{}, cat(253, 129, 0, 4, zeros(4))},
		{"gii, little-endian", rfb.PixelFormat{}, cat(253, 2, 4, 0, zeros(4))},
		{"audio begin", rfb.PixelFormat{}, rfb.AppendServerAudio(nil, rfb.QEMUAudioBegin)},
		{"audio end", rfb.PixelFormat{}, rfb.AppendServerAudio(nil, rfb.QEMUAudioEnd)},
		{"audio", rfb.PixelFormat{}, rfb.AppendServerAudioData(nil, zeros(333))},
		{"audio of nothing", rfb.PixelFormat{}, rfb.AppendServerAudioData(nil, nil)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			init := desktop
			if test.format != (rfb.PixelFormat{}) {
				init.Format = test.format
			}
			stream := rfb.AppendBell(slices.Clone(test.bytes))
			want, w, err := walk(init, stream, false, whole(stream))
			if err != nil {
				t.Fatal(err)
			}
			if !w.Between() || w.Message() != rfb.ServerBell || len(want) < 4 {
				t.Fatalf("the bell was not found: %v", want)
			}
			// Message begin, …, message end, bell begin, bell end.
			first, last, bell := want[0], want[len(want)-3], want[len(want)-2]
			if first.event != rfb.EventBegin || first.offset != 0 || !last.event.Has(rfb.EventEnd) ||
				last.offset != int64(len(test.bytes)) || bell.event != rfb.EventBegin || bell.message != rfb.ServerBell {
				t.Errorf("%d bytes are told as %+v", len(test.bytes), want)
			}
			for _, skip := range []bool{false, true} {
				for _, piece := range []int{1, 3, 11, 500} {
					if piece == 1 && len(stream) > 1<<20 {
						continue
					}
					got, _, err := walk(init, stream, skip, func() int { return piece })
					if err != nil || !slices.Equal(got, want) {
						t.Errorf("in pieces of %d, skip %v: %+v, want %+v, %v", piece, skip, got, want, err)
					}
				}
			}
		})
	}
}

// TestDeclaredEventsOfAnUpdate spells one stream out.
func TestDeclaredEventsOfAnUpdate(t *testing.T) {
	t.Parallel()
	stream := rfb.AppendFramebufferUpdate(nil, rfb.MaxRects)
	stream = rfb.AppendRect(stream, rfb.Rect{Width: 2, Height: 1, Encoding: rfb.EncodingRaw})
	stream = append(stream, zeros(8)...)
	stream = rfb.AppendExtendedDesktopSize(stream, rfb.ResizeByServer, rfb.ResizeOK, rfb.DesktopSize{Width: 800, Height: 600, Screens: []rfb.Screen{{Width: 800, Height: 600}}})
	stream = rfb.AppendLastRect(stream)
	steps, w, err := walk(desktop, stream, false, whole(stream))
	if err != nil {
		t.Fatal(err)
	}
	type told struct {
		offset int64
		event  rfb.Event
	}
	var got []told
	for _, s := range steps {
		got = append(got, told{s.offset, s.event})
	}
	want := []told{
		{0, rfb.EventBegin},
		{4, rfb.EventHeader},
		{16, rfb.EventRect},
		{24, rfb.EventRectEnd},
		{36, rfb.EventRect},
		{56, rfb.EventRectEnd | rfb.EventResize},
		{68, rfb.EventRect | rfb.EventRectEnd | rfb.EventEnd},
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if width, height := w.Size(); width != 800 || height != 600 {
		t.Errorf("size %dx%d", width, height)
	}
	if w.RectCount() != rfb.MaxRects {
		t.Errorf("%d rectangles announced", w.RectCount())
	}
}

func TestResizes(t *testing.T) {
	t.Parallel()
	update := rfb.AppendFramebufferUpdate(nil, 1)
	small := rfb.DesktopSize{Width: 320, Height: 200}
	for name, test := range map[string]struct {
		bytes   []byte
		resizes bool
	}{
		"by the server":        {rfb.AppendExtendedDesktopSize(update, rfb.ResizeByServer, 0, small), true},
		"by this client":       {rfb.AppendExtendedDesktopSize(update, rfb.ResizeByThisClient, rfb.ResizeOK, small), true},
		"by another client":    {rfb.AppendExtendedDesktopSize(update, rfb.ResizeByOtherClient, 0, small), true},
		"refused":              {rfb.AppendExtendedDesktopSize(update, rfb.ResizeByThisClient, rfb.ResizeProhibited, small), false},
		"same size":            {rfb.AppendExtendedDesktopSize(update, 0, 0, rfb.DesktopSize{Width: 640, Height: 480}), false},
		"old way":              {rfb.AppendDesktopSize(update, 320, 200), true},
		"with a pixel format":  {rect(320, 200, rfb.EncodingVMwareDisplayMode, rfb.AppendServerInit(nil, desktop)[4:20]), true},
		"cursor is no desktop": {rfb.AppendCursor(update, rfb.Rect{}, nil, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, w, err := walk(desktop, test.bytes, false, whole(test.bytes))
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(steps, func(s step) bool { return s.event.Has(rfb.EventResize) })
			width, _ := w.Size()
			if told != test.resizes || (width == 320) != test.resizes {
				t.Errorf("told %v, width %d", told, width)
			}
		})
	}
}

func TestDisplayModeChangesThePixelFormat(t *testing.T) {
	t.Parallel()
	init := desktop
	init.Format = rfb.RGB565()
	stream := rect(640, 480, rfb.EncodingVMwareDisplayMode, rfb.AppendServerInit(nil, init)[4:20])
	stream = append(stream, rect(2, 2, rfb.EncodingRaw, zeros(8))...)
	if _, w, err := walk(desktop, stream, false, whole(stream)); err != nil || !w.Between() || w.Format() != rfb.RGB565() {
		t.Errorf("%v, between %v, %+v", err, w.Between(), w.Format())
	}
}

// TestPixelFormatChanges: an update that has begun keeps its format.
func TestPixelFormatChanges(t *testing.T) {
	t.Parallel()
	w := rfb.NewServerWalker(desktop)
	take := func(b []byte) {
		t.Helper()
		for len(b) > 0 {
			n, _, err := w.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
	}
	four, two := rect(2, 2, rfb.EncodingRaw, zeros(16)), rect(2, 2, rfb.EncodingRaw, zeros(8))
	take(four[:5])
	w.SetPixelFormat(rfb.RGB565())
	take(four[5:])
	if !w.Between() {
		t.Fatal("the format changed within an update")
	}
	take(two)
	if !w.Between() {
		t.Fatal("the format did not change with the next update")
	}

	w.SetPixelFormatAtSync(rfb.RGB888())
	take(two)
	take(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceSyncNext})) // the server's own
	take(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceBlockBefore}))                 // another answer
	take(two)
	if !w.Between() {
		t.Fatal("the format changed before the answer")
	}
	take(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceSyncNext}))
	take(four)
	if !w.Between() {
		t.Fatal("the format did not change with the answer")
	}
}

func TestWalkerRefuses(t *testing.T) {
	t.Parallel()
	update := rfb.AppendFramebufferUpdate(nil, 1)
	byPixel := rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3}
	tests := []struct {
		name   string
		format rfb.PixelFormat
		bytes  []byte
		offset int64
		reason string
	}{
		{"unknown message", rfb.PixelFormat{}, []byte{77}, 0, "unknown message type"},
		{"unknown encoding", rfb.PixelFormat{}, rect(1, 1, 99), 16, "unknown encoding Encoding(99)"},
		{"rectangle too wide", rfb.PixelFormat{}, rect(633, 1, rfb.EncodingRaw), 16, "outside the framebuffer of 640x480"},
		{"rectangle too high", rfb.PixelFormat{}, rect(1, 465, rfb.EncodingH264), 16, "outside"},
		{"huge desktop", rfb.PixelFormat{}, rfb.AppendDesktopSize(update, 16385, 1), 16, "more than 16384"},
		{"huge extended desktop", rfb.PixelFormat{}, rfb.AppendExtendedDesktopSize(update, 0, 0, rfb.DesktopSize{Width: 1, Height: 40000}), 16, "more than 16384"},
		{"huge cursor", rfb.PixelFormat{}, rect(1025, 1, rfb.EncodingCursor), 16, "cursor of 1025x1"},
		{"long name", rfb.PixelFormat{}, rect(0, 0, rfb.EncodingDesktopName, u32(4097)), 20, "name of 4097"},
		{"cursor with alpha by copying", rfb.PixelFormat{}, rect(1, 1, rfb.EncodingCursorWithAlpha, u32(1)), 20, "alpha in encoding CopyRect"},
		{"vmware cursor type", rfb.PixelFormat{}, rect(1, 1, rfb.EncodingVMwareCursor, 2, 0), 18, "type 2"},
		{"display mode", rfb.PixelFormat{}, rect(1, 1, rfb.EncodingVMwareDisplayMode, 24, zeros(15)), 32, "24 bits per pixel"},
		{"more subrectangles than pixels", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingRRE, u32(5)), 20, "5 subrectangles for 4 pixels"},
		{"hextile mask", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingHextile, 32), 17, "mask 0x20"},
		{"zrle length", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingZRLE, u32(1<<20+33)), 20, "1048609 bytes, more than 1048608"},
		{"zlib length", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingZlib, u32(1<<31)), 20, "2147483648 bytes"},
		{"h264 length", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingH264, u32(1<<31), u32(0)), 24, "2147483648 bytes"},
		{"tight control", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingTight, 0xB0), 17, "control 0xb"},
		{"tight filter", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingTight, 0x40, 3), 18, "filter 3"},
		{"tight jpeg of bytes", byPixel, rect(2, 2, rfb.EncodingTight, 0x90), 17, "8 bits per pixel"},
		{"tight gradient of bytes", byPixel, rect(2, 2, rfb.EncodingTight, 0x40, 2), 18, "8 bits per pixel"},
		{"tightpng basic", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingTightPNG, 0x00), 17, "control 0x0"},
		{"jpeg start", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingJPEG, "GIF8"), 18, "begins with 0x4749"},
		{"jpeg marker", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingJPEG, "\xFF\xD8\x00\x00"), 20, "byte 0x00"},
		{"jpeg second start", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingJPEG, "\xFF\xD8\xFF\xD8"), 20, "marker 0xd8"},
		{"jpeg segment", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingJPEG, "\xFF\xD8\xFF\xC0\x00\x01"), 22, "segment of 1"},
		{"jpeg without end", rfb.PixelFormat{}, rect(2, 2, rfb.EncodingJPEG, "\xFF\xD8\xFF\xDA\x00\x02", zeros(2<<20)), 16 + 1<<20 + 32, "JPEG of more than 1048608"},
		{"long cut text", rfb.PixelFormat{}, cat(3, zeros(3), u32(16<<20+1)), 8, "clipboard of 16777217"},
		{"long clipboard", rfb.PixelFormat{}, cat(3, zeros(3), u32(1<<31)), 8, "clipboard of 2147483648"},
		{"short clipboard", rfb.PixelFormat{}, cat(3, zeros(3), u32(0xFFFFFFFD)), 8, "3 bytes, too short"},
		{"long fence", rfb.PixelFormat{}, cat(248, zeros(7), 65), 9, "65 bytes of payload"},
		{"qemu submessage", rfb.PixelFormat{}, cat(255, 0, 0, 0), 4, "submessage 0"},
		{"qemu audio operation", rfb.PixelFormat{}, cat(255, 1, 0, 3), 4, "operation 3"},
		{"qemu audio length", rfb.PixelFormat{}, cat(255, 1, 0, 2, u32(2<<20+1)), 8, "2097153 bytes of sound"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			init := desktop
			if test.format != (rfb.PixelFormat{}) {
				init.Format = test.format
			}
			w := rfb.NewServerWalker(init)
			var err error
			for p := test.bytes; len(p) > 0 && err == nil; {
				var n int
				n, _, err = w.Next(p)
				p = p[n:]
			}
			var protocol *rfb.ProtocolError
			if !errors.As(err, &protocol) {
				t.Fatalf("error %v", err)
			}
			if protocol.Offset != test.offset || !strings.Contains(protocol.Reason, test.reason) || protocol.Message == "" {
				t.Errorf("%+v, want offset %d and %q", protocol, test.offset, test.reason)
			}
			if _, event, again := w.Next([]byte{2}); again != err || event != 0 {
				t.Errorf("goes on after its error: %v, %v", event, again)
			}
		})
	}
}

func TestWalkerRefusesAnImpossibleDesktop(t *testing.T) {
	t.Parallel()
	for _, init := range []rfb.ServerInit{{Width: 20000, Height: 1, Format: rfb.RGB888()}, {Width: 1, Height: 1}} {
		if _, _, err := rfb.NewServerWalker(init).Next([]byte{2}); err == nil {
			t.Errorf("%+v is accepted", init)
		}
	}
}

func TestSkipBeyondOpaquePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	w := rfb.NewServerWalker(desktop)
	w.Skip(1)
}
