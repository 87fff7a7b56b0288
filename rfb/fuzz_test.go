package rfb_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// seedLength bounds seeds: long ones make fuzzing slow without reaching more.
const seedLength = 4096

// FuzzServerWalker: whatever a desktop sends, the pieces it comes in make no
// difference, and nothing is taken twice. (What memory it uses is its own size:
// TestWalkersAllocateNothing.)
func FuzzServerWalker(f *testing.F) {
	for _, name := range recordings(f) {
		init, stream := split(f, load(f, name))
		f.Add(stream[:min(len(stream), seedLength)], init.Format.BitsPerPixel, uint64(1))
	}
	f.Add(rect(32, 32, rfb.EncodingJPEG, photo(f, 32, 32)), uint8(32), uint64(2))
	f.Add(rect(64, 64, rfb.EncodingTightPNG, 0xA0, "\x81\x01", zeros(129)), uint8(32), uint64(3))
	f.Add(rfb.AppendServerAudioData(rfb.AppendServerXVP(nil, 1, 1), zeros(10)), uint8(16), uint64(4))
	f.Fuzz(func(t *testing.T, stream []byte, bits uint8, seed uint64) {
		init := rfb.ServerInit{Width: 1024, Height: 768, Format: rfb.RGB888()}
		switch bits {
		case 16:
			init.Format = rfb.RGB565()
		case 8:
			init.Format = rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}
		}
		random := rand.New(rand.NewPCG(seed, seed))
		want, w, wantErr := walk(init, stream, false, whole(stream))
		for _, skip := range []bool{false, true} {
			got, v, err := walk(init, stream, skip, func() int { return 1 + random.IntN(1+random.IntN(64)) })
			if !slices.Equal(got, want) || !reflect.DeepEqual(err, wantErr) {
				t.Fatalf("pieces tell %+v, %v\nthe whole %+v, %v", got, err, want, wantErr)
			}
			if v.Offset() != w.Offset() || v.Opaque() != w.Opaque() || v.Between() != w.Between() {
				t.Fatal("pieces end elsewhere")
			}
		}
		if w.Offset() > int64(len(stream)) || wantErr == nil && w.Offset() != int64(len(stream)) {
			t.Fatalf("%d bytes taken of %d", w.Offset(), len(stream))
		}
	})
}

// FuzzServerReader: whole messages are the stream.
func FuzzServerReader(f *testing.F) {
	for _, name := range recordings(f) {
		_, stream := split(f, load(f, name))
		f.Add(stream[:min(len(stream), seedLength)])
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := rfb.NewServerReader(bytes.NewReader(stream), desktop, 1<<20)
		var joined []byte
		for {
			m, err := reader.Read()
			if err != nil {
				break
			}
			joined = append(joined, m.Raw...)
			m.Fence()
			if _, body, ok := m.CutText(); ok {
				rfb.Latin1(body)
			}
			for _, r := range m.Rects {
				r.DesktopSize()
				r.DesktopName()
				r.LEDState()
			}
		}
		if !bytes.HasPrefix(stream, joined) {
			t.Fatal("messages are not the stream")
		}
	})
}

// FuzzClientParser: whatever a viewer sends, the pieces it comes in make no
// difference, and the messages are the stream.
func FuzzClientParser(f *testing.F) {
	for _, name := range []string{"viewer-novnc", "viewer-tigervnc"} {
		f.Add(load(f, name)[len(handshake):], uint64(1))
	}
	f.Add(rfb.AppendSetDesktopSize(rfb.AppendQEMUAudioFormat(nil, 1, 2, 3), rfb.DesktopSize{Screens: make([]rfb.Screen, 3)}), uint64(2))
	f.Add([]byte("\xfd\x81\x00\x02\x00\x01\xfa\x00\x01\x02"), uint64(3))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		all := func(cut func() int) (messages []rfb.ClientMessage, end error) {
			parser := rfb.NewClientParser(rfb.ClientLimits{CutText: 2000})
			var joined []byte
			for rest := stream; len(rest) > 0; {
				piece := rest[:min(cut(), len(rest))]
				rest = rest[len(piece):]
				for len(piece) > 0 {
					n, m, err := parser.Next(piece)
					if err != nil {
						return messages, err
					}
					if n == 0 {
						t.Fatal("no progress")
					}
					if m.Raw != nil {
						m.Raw = slices.Clone(m.Raw)
						joined = append(joined, m.Raw...)
						messages = append(messages, m)
						readAll(m)
					}
					piece = piece[n:]
				}
			}
			if !bytes.HasPrefix(stream, joined) || parser.Between() && len(joined) != len(stream) {
				t.Fatal("messages are not the stream")
			}
			return messages, nil
		}
		random := rand.New(rand.NewPCG(seed, seed))
		want, wantErr := all(func() int { return len(stream) })
		got, err := all(func() int { return 1 + random.IntN(1+random.IntN(64)) })
		if !slices.EqualFunc(got, want, sameMessage) || (err == nil) != (wantErr == nil) {
			t.Fatalf("pieces give %v, %v\nthe whole %v, %v", got, err, want, wantErr)
		}
	})
}

// readAll calls everything that looks into a message.
func readAll(m rfb.ClientMessage) {
	m.PixelFormat()
	m.Encodings()
	m.UpdateRequest()
	m.Key()
	m.Pointer()
	m.ContinuousUpdates()
	m.Fence()
	m.DesktopSize()
	m.QEMU()
	if cut, body, ok := m.CutText(); ok && cut.Extended {
		if c, err := rfb.ParseClipboard(body); err == nil {
			c.Items(1000)
		}
	}
}

// FuzzServerHandshake: whatever a viewer says, it comes in only by saying what is
// asked, and nothing behind ClientInit is read.
func FuzzServerHandshake(f *testing.F) {
	f.Add([]byte(handshake), false)
	f.Add(load(f, "viewer-novnc"), false)
	f.Add([]byte("RFB 003.003\n\x01"), false)
	f.Add([]byte("RFB 003.007\n\x020123456789abcdef\x01"), true)
	f.Fuzz(func(t *testing.T, viewer []byte, password bool) {
		config := rfb.ServerConfig{}
		if password {
			config = rfb.ServerConfig{Security: vncAuth, Password: "unknown"}
		}
		in := bytes.NewReader(viewer)
		session, err := rfb.ServerHandshake(readWriter{in, io.Discard}, config)
		if read := len(viewer) - in.Len(); read > 12+1+16+1 {
			t.Fatalf("%d bytes read", read)
		}
		if err == nil && (password || session.Security != rfb.SecurityNone || !strings.HasPrefix(string(viewer), "RFB 003.")) {
			t.Fatalf("%+v comes in with %q", session, viewer)
		}
	})
}

// FuzzClientHandshake: whatever a server says, no more is read than is allowed.
func FuzzClientHandshake(f *testing.F) {
	f.Add([]byte("RFB 003.008\n\x01\x01\x00\x00\x00\x00" + initBytes))
	f.Add([]byte("RFB 003.007\n\x01\x02" + string(zeros(20)) + initBytes))
	f.Add([]byte("RFB 003.003\n\x00\x00\x00\x02" + string(zeros(20)) + initBytes))
	f.Add([]byte("RFB 003.008\n\x01\x13\x00\x02\x00\x01\x00\x00\x01\x05\x01"))
	f.Add([]byte("RFB 003.008\n\x00\x00\x00\x00\x03bad"))
	f.Fuzz(func(t *testing.T, server []byte) {
		in := bytes.NewReader(server)
		session, err := rfb.ClientHandshake(readWriter{in, io.Discard}, rfb.ClientConfig{
			Security: []rfb.SecurityType{rfb.SecurityVncAuth, rfb.SecurityNone},
			Password: fixedPassword("secret"),
		})
		if read := len(server) - in.Len(); read > 12+1+255+16+4+24+rfb.MaxName {
			t.Fatalf("%d bytes read", read)
		}
		if err == nil && (session.Init.Width > rfb.MaxDimension || len(session.Init.Name) > rfb.MaxName || session.Init.Format.Check() != nil) {
			t.Fatalf("%+v", session)
		}
	})
}

// FuzzClipboard: whatever is packed, no more comes out than is wanted, and what
// is packed by us comes out again.
func FuzzClipboard(f *testing.F) {
	f.Add([]byte{}, "text")
	f.Add(cat(u32(0x10000001), flushed(cat(u32(4), "abc\x00"))), "Grüße\r\n")
	f.Add(cat(u32(0x10000005), flushed(cat(u32(0), u32(1<<31)))), "")
	f.Add(cat(u32(0x1f000001), u32(7)), "\xff")
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		const limit = 1 << 16
		if c, err := rfb.ParseClipboard(body); err == nil {
			items, err := c.Items(limit)
			total := 0
			for _, item := range items {
				total += len(item.Data)
			}
			if err == nil && total > limit {
				t.Fatalf("%d bytes", total)
			}
			if text, err := c.Text(limit); err == nil && len(text) > 3*limit {
				t.Fatalf("%d bytes of text", len(text))
			}
		}
		if len(text) > limit/4 {
			return
		}
		raw := rfb.AppendClientClipboard(nil, rfb.ProvideClipboardText(text))
		if length := -int32(binary.BigEndian.Uint32(raw[4:])); int(length) != len(raw)-8 {
			t.Fatalf("length %d of %d", length, len(raw)-8)
		}
		c, err := rfb.ParseClipboard(raw[8:])
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\x00")
		if got, err := c.Text(limit); err != nil || got != strings.ToValidUTF8(want, "\uFFFD") {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	})
}
