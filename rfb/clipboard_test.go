package rfb_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// flushed packs bytes as TigerVNC and noVNC do: flushed, but never ended.
func flushed(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(data)
	w.Flush()
	return b.Bytes()
}

func TestParseClipboard(t *testing.T) {
	t.Parallel()
	caps := rfb.ClipboardCaps | rfb.ClipboardNotify | rfb.ClipboardRequest
	for _, test := range []struct {
		name string
		body []byte
		want rfb.Clipboard
		err  string
	}{
		{"caps", cat("\x0a\x00\x00\x05", u32(20), u32(10)), rfb.Clipboard{}, ""}, // request and notify: no action
		{"capabilities", cat(u32(uint32(caps|rfb.ClipboardText|rfb.ClipboardHTML)), u32(20), u32(10)),
			rfb.Clipboard{Flags: caps | rfb.ClipboardText | rfb.ClipboardHTML, Sizes: []uint32{20, 10}}, ""},
		{"capabilities, cut", cat(u32(uint32(caps|rfb.ClipboardText|rfb.ClipboardHTML)), u32(20)), rfb.Clipboard{}, "4 bytes for 2 sizes"},
		{"request", u32(0x02000001), rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}, ""},
		{"peek", u32(0x04000000), rfb.Clipboard{Flags: rfb.ClipboardPeek}, ""},
		{"notify", u32(0x08000003), rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText | rfb.ClipboardRTF}, ""},
		{"nothing", u32(1), rfb.Clipboard{}, "name no action"},
		{"short", []byte{1, 0, 0}, rfb.Clipboard{}, "too short"},
	} {
		got, err := rfb.ParseClipboard(test.body)
		if test.name == "caps" {
			if err == nil || !strings.Contains(err.Error(), "no action") {
				t.Errorf("two actions at once: %v", err)
			}
			continue
		}
		if test.err == "" && (err != nil || !reflect.DeepEqual(got, test.want)) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
	}
}

func TestClipboardText(t *testing.T) {
	t.Parallel()
	provide := func(packed []byte) rfb.Clipboard {
		c, err := rfb.ParseClipboard(cat(u32(0x10000001), packed))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	item := func(data string) []byte { return cat(u32(uint32(len(data))), data) }
	for _, test := range []struct {
		name string
		c    rfb.Clipboard
		want string
		err  string
	}{
		{"ours", rfb.ProvideClipboardText("a\nb\r\nc"), "a\nb\nc", ""},
		{"empty", rfb.ProvideClipboardText(""), "", ""},
		{"flushed", provide(flushed(item("Grüße\r\n\x00"))), "Grüße\n", ""},
		{"without zero", provide(flushed(item("x"))), "x", ""},
		{"bad UTF-8", provide(flushed(item("x\xFF\x00"))), "x\uFFFD", ""},
		{"no text", rfb.ProvideClipboard(rfb.ClipboardItem{Format: rfb.ClipboardHTML, Data: []byte("<b>")}), "", ""},
		{"several", rfb.ProvideClipboard(rfb.ClipboardItem{Format: rfb.ClipboardHTML, Data: []byte("<b>")},
			rfb.ClipboardItem{Format: rfb.ClipboardText, Data: []byte("b\x00")}), "b", ""},
		{"not packed", provide([]byte("hello")), "", "unpack"},
		{"nothing packed", provide(flushed(nil)), "", "unpack"},
		{"less than announced", provide(flushed(cat(u32(9), "12345678"))), "", "unpack"},
		{"not content", rfb.Clipboard{Flags: rfb.ClipboardPeek}, "", "without content"},
	} {
		got, err := test.c.Text(100)
		if got != test.want || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
	bomb := provide(flushed(cat(u32(1<<30), zeros(1<<24))))
	if _, err := bomb.Text(1 << 20); !errors.Is(err, rfb.ErrClipboardTooLarge) {
		t.Errorf("bomb: %v", err)
	}
}

func TestClipboardOnTheWire(t *testing.T) {
	t.Parallel()
	sent := rfb.ProvideClipboardText("both ways\n")
	raw := rfb.AppendServerClipboard(nil, sent)
	reader := rfb.NewServerReader(bytes.NewReader(raw), desktop, 0)
	m, err := reader.Read()
	if err != nil {
		t.Fatal(err)
	}
	cut, body, ok := m.CutText()
	if !ok || !cut.Extended || cut.Flags != rfb.ClipboardProvide|rfb.ClipboardText || cut.Length != len(raw)-8 {
		t.Errorf("%+v", cut)
	}
	got, err := rfb.ParseClipboard(body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := got.Text(1000); err != nil || text != "both ways\n" {
		t.Errorf("%q, %v", text, err)
	}
}
