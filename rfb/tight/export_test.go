package tight

import (
	"image"
	"testing"

	"github.com/streamspace/streamspace/rfb/picture"
)

// Standard is the compressor of a machine without libturbojpeg.
func Standard() compressor { return &standard{} }

// NewEncoderOf is NewEncoder with a compressor.
func NewEncoderOf(c compressor) *Encoder {
	e := NewEncoder()
	e.jpeg.close()
	e.jpeg = c
	return e
}

// Best compresses whole pictures as the machine best can.
func Best(t testing.TB) func(*picture.Picture, Quality) {
	c := newCompressor()
	t.Cleanup(c.close)
	return func(p *picture.Picture, q Quality) {
		if _, err := c.compress(p, p.Bounds(), q.jpeg(), q.chroma()); err != nil {
			t.Fatal(err)
		}
	}
}

// Cut is cut, with its bounds.
func Cut(region []image.Rectangle) (out []image.Rectangle, count, side int) {
	out, side = cut(region)
	return out, cells(out, side), side
}

// ClassifyAll looks at all cells of a picture.
func (e *Encoder) ClassifyAll(p *picture.Picture, q Quality) {
	e.picture, e.quality = p, q
	g := &e.grid
	g.cut(p.Bounds(), cellSide)
	for i := range g.cells {
		e.classify(&g.cells[i], g.area(i%g.columns, i/g.columns, 1, 1))
	}
}
