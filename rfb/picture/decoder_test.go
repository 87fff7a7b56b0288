package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

const testdata = "../testdata"

// TestRecordingsAreDrawn replays every recording. All of them begin with the
// same empty screen, whatever the encoding, and the long ones end with windows
// on it.
func TestRecordingsAreDrawn(t *testing.T) {
	t.Parallel()
	var raw *picture.Picture
	for _, r := range picturetest.Recordings(t, testdata) {
		if r.Name == "raw" {
			raw = firstUpdate(t, r)
		}
	}
	for _, r := range picturetest.Recordings(t, testdata) {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			if first := firstUpdate(t, r); !first.Equal(raw, raw.Bounds()) {
				t.Error("begins with something else than the raw one")
			}
			last := r.Replay(t, nil)
			if shown := colours(last); len(r.Stream) > 100<<10 && shown < 4 {
				t.Errorf("ends with %d colours", shown)
			}
		})
	}
}

func firstUpdate(t *testing.T, r picturetest.Recording) *picture.Picture {
	var first *picture.Picture
	r.Replay(t, func(p *picture.Picture, _ []rfb.ServerRect) {
		if first == nil {
			first = p.Clone()
		}
	})
	return first
}

func colours(p *picture.Picture) int {
	seen := map[[3]byte]bool{}
	for i := 0; i < len(p.Pix); i += picture.BytesPerPixel {
		seen[[3]byte(p.Pix[i:])] = true
	}
	return len(seen)
}

// TestLiveEncodingsAreEqual shows a real Xvnc's screen in every lossless
// encoding: all pictures are the same, pixel for pixel, and what was put there.
func TestLiveEncodingsAreEqual(t *testing.T) {
	t.Parallel()
	const width, height = 640, 480
	x := picturetest.StartXvnc(t, width, height)
	viewers := map[string]*picturetest.Viewer{
		"Raw":      x.Connect(t, rfb.EncodingRaw),
		"CopyRect": x.Connect(t, rfb.EncodingCopyRect, rfb.EncodingRaw),
		"Hextile":  x.Connect(t, rfb.EncodingHextile),
		"RRE":      x.Connect(t, rfb.EncodingRRE),
		"ZRLE":     x.Connect(t, rfb.EncodingZRLE),
		"Tight c0": x.Connect(t, rfb.EncodingTight, rfb.CompressLevel(0)),
		"Tight c2": x.Connect(t, rfb.EncodingTight, rfb.CompressLevel(2)),
		"Tight c9": x.Connect(t, rfb.EncodingTight, rfb.CompressLevel(9), rfb.EncodingLastRect),
	}
	page, terminal := picturetest.Page(t), picturetest.Terminal(t)
	screens := []*picture.Picture{
		crop(page, image.Rect(0, 0, width, height)), crop(page, image.Rect(0, 40, width, height+40)),
		crop(terminal, image.Rect(0, 0, width, height)), crop(terminal, image.Rect(0, 17, width, height+17)),
		picturetest.Photo(width, height, 3), crop(page, image.Rect(640, 300, 640+width, height+300)),
	}
	for i, screen := range screens {
		x.Show(t, screen)
		for name, v := range viewers {
			v.Update(t, false)
			if !v.Picture.Equal(screen, screen.Bounds()) {
				t.Errorf("%s shows something else than screen %d", name, i)
			}
		}
	}
}

// crop is a part of a picture.
func crop(from *picture.Picture, r image.Rectangle) *picture.Picture {
	p := picture.New(r.Dx(), r.Dy())
	for y := range r.Dy() {
		copy(p.Row(y, 0, r.Dx()), from.Row(r.Min.Y+y, r.Min.X, r.Max.X))
	}
	return p
}

// rect is a rectangle with its data, each part of which is bytes, a string or a
// number of the width that it has on the wire.
func rect(encoding rfb.Encoding, x, y, width, height uint16, parts ...any) rfb.ServerRect {
	var data []byte
	for _, part := range parts {
		switch v := part.(type) {
		case []byte:
			data = append(data, v...)
		case string:
			data = append(data, v...)
		default:
			data, _ = binary.Append(data, binary.BigEndian, v)
		}
	}
	return rfb.ServerRect{Rect: rfb.Rect{X: x, Y: y, Width: width, Height: height, Encoding: encoding}, Data: data}
}

// stored is a zlib stream's beginning with one stored block.
func stored(data []byte) []byte {
	b := []byte{0x78, 0x01, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(data)))
	return append(append(b, data...), "\x00\x00\x00\xff\xff"...)
}

// long puts a length of 32 bits before data.
func long(data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
}

// withTightLength puts the length before short data.
func withTightLength(data []byte) []byte {
	return append(rfb.AppendTightLength(nil, len(data)), data...)
}

// TestWhatIsSeldomSent draws what no recording has, by hand.
func TestWhatIsSeldomSent(t *testing.T) {
	t.Parallel()
	red, green, blue := "\xff\x00\x00", "\x00\xff\x00", "\x00\x00\xff" // as Tight has them
	for name, c := range map[string]struct {
		rects []rfb.ServerRect
		want  string // pixels of two rows of four, by their first letters
	}{
		"Zlib": {[]rfb.ServerRect{
			rect(rfb.EncodingZlib, 0, 0, 4, 1, long(stored([]byte("\xff\x00\x00\x00\x00\xff\x00\x00\x00\x00\xff\x00\xff\x00\x00\x00")))),
			rect(rfb.EncodingZlib, 0, 1, 1, 1, long(stored([]byte("\x00\xff\x00\x00"))[2:])),
		}, "bgrb g..."},
		"one colour of a palette": {[]rfb.ServerRect{rect(rfb.EncodingTight, 1, 0, 3, 2, "\x60\x01\x00", red, "\x00\x00")}, ".rrr .rrr"},
		"gradient": {[]rfb.ServerRect{
			rect(rfb.EncodingTight, 0, 0, 1, 1, "\x40\x02", green),
			rect(rfb.EncodingTight, 2, 0, 1, 2, "\x40\x02", blue, "\x00\x00\x00"),
		}, "g.b. ..b."},
		"gradient, compressed": {[]rfb.ServerRect{
			rect(rfb.EncodingTight, 0, 0, 4, 2, "\x40\x02", withTightLength(stored([]byte("\x00\xff\x00"+"\x00\x00\x00"+"\x00\x01\xff"+"\x00\x00\x00"+
				"\xff\x01\x00"+"\x00\x00\x00"+"\x01\x00\x01"+"\x00\x00\x00")))),
		}, "ggbb rr.."},
		"without zlib": {[]rfb.ServerRect{
			rect(rfb.EncodingTight, 0, 0, 4, 1, "\xa0", red, red, green, blue),
			rect(rfb.EncodingTight, 0, 1, 4, 1, "\xe0\x01\x02", red, green, blue, "\x02\x01\x00\x00"),
		}, "rrgb bgrr"},
		"a stream is reset by a fill": {[]rfb.ServerRect{
			rect(rfb.EncodingTight, 0, 0, 4, 1, "\x00", withTightLength(stored([]byte(red+red+red+red)))),
			rect(rfb.EncodingTight, 0, 0, 1, 1, "\x8f", blue),
			rect(rfb.EncodingTight, 0, 1, 4, 1, "\x00", withTightLength(stored([]byte(green+green+green+green)))),
		}, "brrr gggg"},
		"copy within itself": {[]rfb.ServerRect{
			rect(rfb.EncodingTight, 0, 0, 4, 1, "\xa0", red, green, blue, "\x00\x00\x00"),
			rect(rfb.EncodingCopyRect, 1, 0, 3, 1, uint16(0), uint16(0)),
			rect(rfb.EncodingCopyRect, 0, 1, 4, 1, uint16(0), uint16(0)),
		}, "rrgb rrgb"},
		"RRE": {[]rfb.ServerRect{rect(rfb.EncodingRRE, 0, 0, 4, 2, uint32(1), "\xff\x00\x00\x00", "\x00\x00\xff\x00", uint16(1), uint16(0), uint16(2), uint16(2))}, "brrb brrb"},
		"ZRLE runs": {[]rfb.ServerRect{
			rect(rfb.EncodingZRLE, 0, 0, 4, 2, long(stored([]byte("\x80"+"\x00\x00\xff\x04"+"\x00\xff\x00\x02")))),
			rect(rfb.EncodingZRLE, 3, 0, 1, 2, long(stored([]byte("\x82" + "\x00\x00\xff" + "\xff\x00\x00" + "\x01\x80\x00"))[2:])),
		}, "rrrb rggr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := picture.New(4, 2), picture.NewDecoder()
			for _, r := range c.rects {
				if err := d.Decode(p, r); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, p, c.want)
		})
	}
}

func compare(t *testing.T, p *picture.Picture, want string) {
	t.Helper()
	letters := map[[3]byte]byte{{0, 0, 0xff}: 'r', {0, 0xff, 0}: 'g', {0xff, 0, 0}: 'b', {}: '.'}
	var got []byte
	for y := range p.Height {
		for x := range p.Width {
			letter, ok := letters[[3]byte(p.Row(y, x, x+1))]
			if !ok {
				letter = '?'
			}
			got = append(got, letter)
		}
		got = append(got, ' ')
	}
	if string(bytes.TrimSpace(got)) != want {
		t.Errorf("drawn %s, not %s", got, want)
	}
}
