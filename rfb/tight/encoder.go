// Package tight encodes parts of a picture as Tight rectangles that stand alone:
// none needs anything that was sent before, so the same bytes serve any viewer at
// any time. It looks at the content to choose how: one colour, few colours, text
// or photo. It knows nothing of viewers and sends nothing.
package tight

import (
	"image"
	"slices"

	"github.com/klauspost/compress/flate"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// maxWidth is the specification's bound on a Tight rectangle.
	maxWidth = 2048
	// maxCells bounds the cells into which a region is cut, and with them the
	// rectangles: an update can have 65535. A 4K screen has 2040.
	maxCells = 32 << 10
	// MaxCount bounds the rectangles of one AppendRegion: a cell is one at most,
	// and only rectangles of many cells are ever cut again.
	MaxCount = 2*maxCells - 1
	// mergeReach is how many rectangles back a neighbour is looked for: the pieces
	// of a row of a screen, cut at 2048 pixels, and some.
	mergeReach = 16
)

// Encoder makes rectangles. It has one user at a time and keeps its scratch
// memory, up to some megabytes where JPEG is used; Close returns what is not
// Go's.
type Encoder struct {
	jpeg    compressor
	deflate *flate.Writer
	huffman *flate.Writer // looks for no matches
	packed  packed        // where deflate writes

	grid   grid
	colors palette // of the cell or rectangle at hand
	plain  []byte  // a rectangle's data before deflate
	lossy  []image.Rectangle
	region []image.Rectangle // what to append, merged

	// Of the AppendRegion under way.
	dst     []byte
	count   int
	picture *picture.Picture
	quality Quality
}

// NewEncoder returns an encoder. JPEG is made by libturbojpeg where the machine
// has it, otherwise by the standard library, several times as slowly and always
// with four pixels sharing their chrominance.
func NewEncoder() *Encoder {
	return &Encoder{jpeg: newCompressor(), deflate: newDeflater(flate.BestSpeed), huffman: newDeflater(flate.HuffmanOnly)}
}

func newDeflater(level int) *flate.Writer {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // levels are constants
	}
	return w
}

// JPEGLibrary is what makes JPEG, for a line in the log.
func (e *Encoder) JPEGLibrary() string { return e.jpeg.name() }

// Close returns what is not Go's. The encoder must not be used any more.
func (e *Encoder) Close() { e.jpeg.close() }

// AppendRegion appends rectangles, headers included, that bring what p shows in
// rects, clipped to p, to a viewer. rects should not overlap. It returns the
// longer dst, how many rectangles were appended (at most MaxCount), and in which
// areas they show p not exactly, which is valid until the next call. Of a region
// of very many rectangles all that lies between them is appended too.
//
// Neighbouring damage should come in one call: cells of one kind are joined across
// rectangles that share an edge, and a film is one image then.
func (e *Encoder) AppendRegion(dst []byte, p *picture.Picture, rects []image.Rectangle, q Quality) (out []byte, count int, lossy []image.Rectangle) {
	e.dst, e.count, e.picture, e.quality, e.lossy = dst, 0, p, q, e.lossy[:0]
	e.region = e.region[:0]
	for _, r := range rects {
		if r = r.Intersect(p.Bounds()); !r.Empty() {
			e.region = merge(e.region, r)
		}
	}
	var side int
	e.region, side = cut(e.region)
	for _, r := range e.region {
		e.appendArea(r, side)
	}
	out = e.dst
	e.dst, e.picture = nil, nil
	return out, e.count, e.lossy
}

// merge adds a rectangle to a region, as one with those of the latest few that
// share a whole edge with it: desktops cut what they send into stripes, and a film
// must not be an image for each.
func merge(region []image.Rectangle, r image.Rectangle) []image.Rectangle {
	for i := len(region) - 1; i >= max(0, len(region)-mergeReach); i-- {
		o := region[i]
		beside := o.Min.Y == r.Min.Y && o.Max.Y == r.Max.Y && (o.Max.X == r.Min.X || r.Max.X == o.Min.X)
		below := o.Min.X == r.Min.X && o.Max.X == r.Max.X && (o.Max.Y == r.Min.Y || r.Max.Y == o.Min.Y)
		if beside || below {
			return merge(slices.Delete(region, i, i+1), o.Union(r))
		}
	}
	return append(region, r)
}

// cut finds the side of the cells of which the region has at most maxCells. When
// cells would get too large, the region is all that it lies in.
func cut(region []image.Rectangle) (_ []image.Rectangle, side int) {
	side = cellSide
	for cells(region, side) > maxCells {
		if side *= 2; side > maxCellSide {
			region, side = append(region[:0], union(region)), cellSide
		}
	}
	return region, side
}

// cells is into how many cells of the side the rectangles are cut.
func cells(rects []image.Rectangle, side int) int {
	n := 0
	for _, r := range rects {
		n += ((r.Dx() + side - 1) / side) * ((r.Dy() + side - 1) / side)
	}
	return n
}

func union(rects []image.Rectangle) image.Rectangle {
	var all image.Rectangle
	for _, r := range rects {
		all = all.Union(r)
	}
	return all
}

// appendArea cuts an area into cells, looks at each, and appends rectangles of
// neighbouring cells that suit each other.
func (e *Encoder) appendArea(area image.Rectangle, side int) {
	g := &e.grid
	g.cut(area, side)
	for i := range g.cells {
		e.classify(&g.cells[i], g.area(i%g.columns, i/g.columns, 1, 1))
	}
	for row := range g.rows {
		for column := range g.columns {
			if c := g.at(column, row); !c.taken {
				e.join(column, row)
			}
		}
	}
}

// header appends a rectangle's header.
func (e *Encoder) header(r image.Rectangle) {
	e.dst = rfb.AppendRect(e.dst, wire(r))
	e.count++
}

func wire(r image.Rectangle) rfb.Rect {
	return rfb.Rect{
		X: uint16(r.Min.X), Y: uint16(r.Min.Y), Width: uint16(r.Dx()), Height: uint16(r.Dy()),
		Encoding: rfb.EncodingTight,
	}
}

// appendFill appends an area of one colour.
func (e *Encoder) appendFill(r image.Rectangle, colour uint32) {
	for ; r.Dx() > maxWidth; r.Min.X += maxWidth {
		e.appendFill(image.Rect(r.Min.X, r.Min.Y, r.Min.X+maxWidth, r.Max.Y), colour)
	}
	e.dst = rfb.AppendTightFill(e.dst, wire(r), 0, []byte{byte(colour >> 16), byte(colour >> 8), byte(colour)})
	e.count++
}

// appendJPEG appends an area as an image. What would be too long for a rectangle
// is halved, and what the library refuses is sent as it is.
func (e *Encoder) appendJPEG(r image.Rectangle) {
	coded, err := e.jpeg.compress(e.picture, r, e.quality.jpeg(), e.quality.chroma())
	switch {
	case err != nil:
		e.appendFull(r)
	case len(coded) > rfb.MaxTightData && r.Dy() > 1:
		middle := (r.Min.Y + r.Max.Y) / 2
		e.appendJPEG(image.Rect(r.Min.X, r.Min.Y, r.Max.X, middle))
		e.appendJPEG(image.Rect(r.Min.X, middle, r.Max.X, r.Max.Y))
	default:
		e.dst = rfb.AppendTightJPEG(e.dst, wire(r), 0, coded)
		e.count++
		e.lossy = append(e.lossy, r)
	}
}
