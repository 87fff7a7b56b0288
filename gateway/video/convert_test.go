//go:build linux && (amd64 || arm64)

package video

import (
	"fmt"
	"image"
	"testing"

	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// converters are both that there are; one is left out where libyuv is missing.
func converters(t testing.TB) []converter {
	t.Helper()
	fast, err := openYUV()
	if err != nil {
		t.Log(err)
		return []converter{plain{}}
	}
	t.Cleanup(fast.close)
	return []converter{plain{}, fast}
}

// A gateway without libyuv shows the same colours, but for rounding, which is
// not specified.
func TestConvertersAgree(t *testing.T) {
	t.Parallel()
	const within = 3 // levels of 256
	both := converters(t)
	if len(both) < 2 {
		t.Skip("libyuv0 is not installed")
	}
	p := picturetest.Photo(321, 203, 0)
	for _, full := range []bool{false, true} {
		for _, r := range []image.Rectangle{p.Bounds(), image.Rect(16, 32, 48, 64), image.Rect(320, 202, 321, 203)} {
			var got [2]*planes
			for i, c := range both {
				got[i] = newPlanes(image.Pt(p.Width, p.Height), full)
				c.convert(got[i], p, r)
			}
			most := 0
			for i, a := range got[0].all {
				most = max(most, int(a)-int(got[1].all[i]), int(got[1].all[i])-int(a))
			}
			if most > within {
				t.Errorf("full chroma %v, %v: they differ by %d levels", full, r, most)
			}
		}
	}
}

// A whole 1080p screen, and a word that was typed.
func BenchmarkConvert(b *testing.B) {
	p := picturetest.Photo(1920, 1080, 0)
	for _, c := range converters(b) {
		for _, full := range []bool{false, true} {
			for _, r := range []image.Rectangle{p.Bounds(), image.Rect(640, 480, 704, 496)} {
				chroma := "420"
				if full {
					chroma = "444"
				}
				b.Run(fmt.Sprintf("%s/%s/%dx%d", c.name(), chroma, r.Dx(), r.Dy()), func(b *testing.B) {
					to := newPlanes(image.Pt(p.Width, p.Height), full)
					b.SetBytes(int64(r.Dx() * r.Dy() * 4))
					for b.Loop() {
						c.convert(to, p, r)
					}
				})
			}
		}
	}
}
