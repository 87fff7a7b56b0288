package rfb_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// TestClientMessages: what is written is what is read, whole and byte by byte.
func TestClientMessages(t *testing.T) {
	t.Parallel()
	screens := []rfb.Screen{{ID: 1, X: 2, Y: 3, Width: 4, Height: 5, Flags: 6}, {ID: 7}}
	tests := []struct {
		name  string
		bytes []byte
		hex   string // from the specification, when it is short enough to write by hand
		read  func(m rfb.ClientMessage) (any, bool)
		want  any
	}{
		{"pixel format", rfb.AppendSetPixelFormat(nil, rfb.RGB565()),
			"\x00\x00\x00\x00\x10\x10\x00\x01\x00\x1f\x00\x3f\x00\x1f\x0b\x05\x00\x00\x00\x00",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.PixelFormat(); return v, ok }, rfb.RGB565()},
		{"encodings", rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingExtendedClipboard),
			"\x02\x00\x00\x02\x00\x00\x00\x07\xc0\xa1\xe5\xce",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.Encodings(); return v, ok },
			[]rfb.Encoding{rfb.EncodingTight, rfb.EncodingExtendedClipboard}},
		{"update request", rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: true, X: 1, Y: 2, Width: 3, Height: 4}),
			"\x03\x01\x00\x01\x00\x02\x00\x03\x00\x04",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.UpdateRequest(); return v, ok },
			rfb.UpdateRequest{Incremental: true, X: 1, Y: 2, Width: 3, Height: 4}},
		{"key", rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 0xff0d}), "\x04\x01\x00\x00\x00\x00\xff\x0d",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.Key(); return v, ok }, rfb.KeyEvent{Down: true, Keysym: 0xff0d}},
		{"extended key", rfb.AppendQEMUKeyEvent(nil, rfb.KeyEvent{Down: true, Keysym: 0x41, Keycode: 0x1e}),
			"\xff\x00\x00\x01\x00\x00\x00\x41\x00\x00\x00\x1e",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.Key(); return v, ok }, rfb.KeyEvent{Down: true, Keysym: 0x41, Keycode: 0x1e}},
		{"pointer", rfb.AppendPointerEvent(nil, rfb.PointerEvent{Buttons: rfb.ButtonLeft | rfb.ButtonBack, X: 5, Y: 6}), "\x05\x81\x00\x05\x00\x06",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.Pointer(); return v, ok },
			rfb.PointerEvent{Buttons: rfb.ButtonLeft | rfb.ButtonBack, X: 5, Y: 6}},
		{"cut text", rfb.AppendClientCutText(nil, "ä→"), "\x06\x00\x00\x00\x00\x00\x00\x02\xe4?",
			func(m rfb.ClientMessage) (any, bool) { v, body, ok := m.CutText(); return []any{v, string(body)}, ok },
			[]any{rfb.CutText{Length: 2}, "\xe4?"}},
		{"clipboard", rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText}),
			"\x06\x00\x00\x00\xff\xff\xff\xfc\x08\x00\x00\x01",
			func(m rfb.ClientMessage) (any, bool) { v, _, ok := m.CutText(); return v, ok },
			rfb.CutText{Length: 4, Extended: true, Flags: rfb.ClipboardNotify | rfb.ClipboardText}},
		{"continuous updates", rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: 3, Height: 4}),
			"\x96\x01\x00\x00\x00\x00\x00\x03\x00\x04",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.ContinuousUpdates(); return v, ok },
			rfb.ContinuousUpdates{Enable: true, Width: 3, Height: 4}},
		{"fence", rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: []byte("id")}),
			"\xf8\x00\x00\x00\x80\x00\x00\x01\x02id",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.Fence(); return v, ok },
			rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: []byte("id")}},
		{"desktop size", rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 800, Height: 600, Screens: screens}), "",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.DesktopSize(); return v, ok },
			rfb.DesktopSize{Width: 800, Height: 600, Screens: screens}},
		{"xvp", rfb.AppendClientXVP(nil, 1, rfb.XVPReset), "\xfa\x00\x01\x04", func(m rfb.ClientMessage) (any, bool) { return nil, true }, nil},
		{"audio on", rfb.AppendQEMUAudio(nil, rfb.QEMUAudioEnable), "\xff\x01\x00\x00",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.QEMU(); return v, ok }, rfb.QEMUAudio},
		{"audio format", rfb.AppendQEMUAudioFormat(nil, 3, 2, 44100), "\xff\x01\x00\x02\x03\x02\x00\x00\xac\x44",
			func(m rfb.ClientMessage) (any, bool) { v, ok := m.QEMU(); return v, ok }, rfb.QEMUAudio},
		{"gii, big-endian", []byte("\xfd\x81\x00\x02\x00\x01"), "", func(m rfb.ClientMessage) (any, bool) { return nil, true }, nil},
		{"gii, little-endian", []byte("\xfd\x03\x04\x00\x00\x00\x00\x01"), "", func(m rfb.ClientMessage) (any, bool) { return nil, true }, nil},
	}
	var all []byte
	for _, test := range tests {
		all = append(all, test.bytes...)
		if test.hex != "" && string(test.bytes) != test.hex {
			t.Errorf("%s is written as %x, want %x", test.name, test.bytes, test.hex)
		}
	}
	for _, piece := range []int{1, 2, 5, len(all)} {
		var got []rfb.ClientMessage
		parser := rfb.NewClientParser(rfb.ClientLimits{})
		for rest := all; len(rest) > 0; {
			n := min(piece, len(rest))
			got = append(got, parse(t, parser, rest[:n])...)
			rest = rest[n:]
		}
		if len(got) != len(tests) || !parser.Between() || parser.Offset() != int64(len(all)) {
			t.Fatalf("%d messages of %d", len(got), len(tests))
		}
		for i, test := range tests {
			if value, ok := test.read(got[i]); !ok || !reflect.DeepEqual(value, test.want) || !bytes.Equal(got[i].Raw, test.bytes) {
				t.Errorf("%s is read as %+v, want %+v", test.name, value, test.want)
			}
		}
	}
}

// TestMethodsKnowTheirMessage: reading another message says so.
func TestMethodsKnowTheirMessage(t *testing.T) {
	t.Parallel()
	m := parse(t, rfb.NewClientParser(rfb.ClientLimits{}), rfb.AppendClientXVP(nil, 1, rfb.XVPReboot))[0]
	_, a := m.PixelFormat()
	_, b := m.Encodings()
	_, c := m.UpdateRequest()
	_, d := m.Key()
	_, e := m.Pointer()
	_, _, f := m.CutText()
	_, g := m.ContinuousUpdates()
	_, h := m.Fence()
	_, i := m.DesktopSize()
	_, j := m.QEMU()
	if a || b || c || d || e || f || g || h || i || j || m.HasEncoding(0) {
		t.Error("an XVP message is taken for something else")
	}
}

// TestExtendedPointer: the marker bit counts once the viewer has said that it
// knows it, and until it says otherwise.
func TestExtendedPointer(t *testing.T) {
	t.Parallel()
	back := rfb.AppendPointerEvent(nil, rfb.PointerEvent{Buttons: rfb.ButtonBack})
	event := rfb.PointerEvent{Buttons: rfb.ButtonRight | rfb.ButtonForward, X: 3, Y: 4, Extended: true}
	extended := rfb.AppendPointerEvent(nil, event)
	if string(extended) != "\x05\x84\x00\x03\x00\x04\x02" {
		t.Errorf("written as %x", extended)
	}
	stream := bytes.Join([][]byte{
		back,
		rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons),
		extended,
		rfb.AppendPointerEvent(nil, rfb.PointerEvent{Buttons: rfb.ButtonLeft}),
		rfb.AppendSetEncodings(nil, rfb.EncodingRaw),
		back,
	}, nil)
	var got []rfb.PointerEvent
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	for i := range stream {
		for _, m := range parse(t, parser, stream[i:i+1]) {
			if p, ok := m.Pointer(); ok {
				got = append(got, p)
			}
		}
	}
	want := []rfb.PointerEvent{{Buttons: rfb.ButtonBack}, event, {Buttons: rfb.ButtonLeft}, {Buttons: rfb.ButtonBack}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSyncedPixelFormat(t *testing.T) {
	t.Parallel()
	format := rfb.AppendSetPixelFormat(nil, rfb.RGB888())
	sync := rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceSyncNext})
	answer := rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceSyncNext})
	stream := bytes.Join([][]byte{format, sync, format, format, answer, format}, nil)
	var got []bool
	for _, m := range parse(t, rfb.NewClientParser(rfb.ClientLimits{}), stream) {
		if _, ok := m.PixelFormat(); ok {
			got = append(got, m.Synced)
		}
	}
	if !reflect.DeepEqual(got, []bool{false, true, false, false}) {
		t.Errorf("synced %v", got)
	}
}

func TestClientParserRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		bytes  []byte
		reason string
	}{
		{"unknown message", []byte{1}, "unknown message type"},
		{"too many encodings", []byte{2, 0, 4, 1}, "1025 encodings"},
		{"bits per pixel", append([]byte{0, 0, 0, 0, 24, 24}, zeros(14)...), "24 bits per pixel"},
		{"depth", append([]byte{0, 0, 0, 0, 16, 24}, zeros(14)...), "depth 24"},
		{"shift", append([]byte{0, 0, 0, 0, 32, 24, 0, 1, 0, 1, 0, 1, 0, 1, 99}, zeros(5)...), "shift"},
		{"long text", append([]byte{6, 0, 0, 0}, u32(1001)...), "clipboard of 1001 bytes, more than 1000"},
		{"long clipboard", append([]byte{6, 0, 0, 0}, u32(0x80000000)...), "clipboard of 2147483648"},
		{"short clipboard", append([]byte{6, 0, 0, 0}, u32(0xFFFFFFFF)...), "too short"},
		{"fence", []byte{248, 0, 0, 0, 0, 0, 0, 0, 65}, "65 bytes of payload"},
		{"qemu", []byte{255, 2, 0, 0}, "submessage 2"},
		{"audio", []byte{255, 1, 0, 3}, "audio operation 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 100} {
				parser := rfb.NewClientParser(rfb.ClientLimits{CutText: 1000})
				stream := append(rfb.AppendKeyEvent(nil, rfb.KeyEvent{}), test.bytes...)
				var err error
				for p := stream; len(p) > 0 && err == nil; {
					var n int
					n, _, err = parser.Next(p[:min(piece, len(p))])
					p = p[n:]
				}
				var protocol *rfb.ProtocolError
				if !errors.As(err, &protocol) || !strings.Contains(protocol.Reason, test.reason) {
					t.Fatalf("error %v", err)
				}
				if _, _, again := parser.Next([]byte{4}); again != err {
					t.Errorf("goes on after its error: %v", again)
				}
			}
		})
	}
}

// TestLongMessagesLeaveNoMemory: a parser that once held a long clipboard gives
// its memory back.
func TestLongMessagesLeaveNoMemory(t *testing.T) {
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	text := rfb.AppendClientCutText(nil, strings.Repeat("x", 1<<20))
	key := rfb.AppendKeyEvent(nil, rfb.KeyEvent{})
	if got := parse(t, parser, text[:5000]); len(got) != 0 {
		t.Fatal("half a message was returned")
	}
	if got := parse(t, parser, append(text[5000:], key[:3]...)); len(got) != 1 || len(got[0].Raw) != len(text) {
		t.Fatalf("%d messages", len(got))
	}
	allocations := testing.AllocsPerRun(100, func() {
		for _, piece := range [][]byte{key[3:], key[:3]} {
			if n, _, err := parser.Next(piece); err != nil || n != len(piece) {
				t.Fatalf("%d, %v", n, err)
			}
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for a key", allocations)
	}
}
