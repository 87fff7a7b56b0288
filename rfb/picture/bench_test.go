package picture_test

import (
	"errors"
	"io"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// update is one update of a desktop, with what a decoder needs to draw it again
// and again: the state of a connection that begins.
type update struct {
	rects []rfb.ServerRect
	bytes int64
	area  int64
}

// liveUpdate takes a first update from a real Xvnc.
func liveUpdate(b *testing.B, screen *picture.Picture, encodings ...rfb.Encoding) update {
	b.Helper()
	x := picturetest.StartXvnc(b, screen.Width, screen.Height)
	x.Show(b, screen)
	v := x.Connect(b, encodings...)
	v.Update(b, false)
	u := update{rects: v.Rects}
	for _, r := range u.rects {
		u.bytes += int64(len(r.Data))
		u.area += r.Area()
	}
	return u
}

// BenchmarkDecode draws the same first update: MB/s are of pixels drawn. copy is
// the limit, row by row within one picture.
func BenchmarkDecode(b *testing.B) {
	screens := map[string]*picture.Picture{
		"terminal": picturetest.Scrolled(picturetest.Terminal(b), 0, 720),
		"page":     picturetest.Scrolled(picturetest.Page(b), 0, 720),
		"photo":    picturetest.Photo(1280, 720, 1),
	}
	for name, screen := range screens {
		b.Run(name+"/copy", func(b *testing.B) {
			p := screen.Clone()
			b.SetBytes(int64(len(p.Pix)))
			for b.Loop() {
				p.Copy(screen, screen.Bounds())
			}
		})
		for encoding, list := range map[string][]rfb.Encoding{
			"Raw":      {rfb.EncodingRaw},
			"Hextile":  {rfb.EncodingHextile},
			"ZRLE":     {rfb.EncodingZRLE},
			"Tight-c0": {rfb.EncodingTight, rfb.CompressLevel(0)},
			"Tight-c2": {rfb.EncodingTight, rfb.CompressLevel(2)},
			"JPEG-8":   {rfb.EncodingTight, rfb.CompressLevel(2), rfb.JPEGQuality(8)},
		} {
			b.Run(name+"/"+encoding, func(b *testing.B) {
				u := liveUpdate(b, screen, list...)
				p, d := picture.New(screen.Width, screen.Height), picture.NewDecoder()
				b.SetBytes(u.area * picture.BytesPerPixel)
				b.ReportMetric(float64(u.bytes), "wire-B")
				b.ReportAllocs()
				for b.Loop() {
					d.Reset()
					for _, r := range u.rects {
						if err := d.Decode(p, r); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkReader is how fast rectangles are found, without drawing them.
func BenchmarkReader(b *testing.B) {
	for _, r := range picturetest.Recordings(b, testdata) {
		if r.Name != "tight-stored" {
			continue
		}
		b.SetBytes(int64(len(r.Stream)))
		for b.Loop() {
			reader := rfb.NewServerReader(&stream{r.Stream}, r.Init, 0)
			for {
				if _, err := reader.Read(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

type stream struct{ rest []byte }

func (s *stream) Read(b []byte) (int, error) {
	n := copy(b, s.rest)
	if s.rest = s.rest[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
