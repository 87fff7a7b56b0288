package hub

import "image"

// maxRegion bounds the rectangles of a region. One that would need more becomes
// the rectangle around it: who has so much to get profits little from exactness.
const maxRegion = 64

// region is an area of the screen as rectangles that do not overlap.
type region []image.Rectangle

// add adds a rectangle.
func (g *region) add(r image.Rectangle) {
	if r.Empty() {
		return
	}
	for _, e := range *g {
		if r.In(e) {
			return
		}
	}
	g.subtract(r)
	if len(*g) < maxRegion {
		*g = append(*g, r)
		return
	}
	for _, e := range *g {
		r = r.Union(e)
	}
	*g = append((*g)[:0], r)
}

func (g *region) addAll(rects []image.Rectangle) {
	for _, r := range rects {
		g.add(r)
	}
}

// subtract takes a rectangle out. Where that needs too many pieces, more may
// stay in than ought to.
func (g *region) subtract(r image.Rectangle) {
	var pieces []image.Rectangle
	kept := (*g)[:0]
	for _, e := range *g {
		if !e.Overlaps(r) {
			kept = append(kept, e)
			continue
		}
		pieces = appendDifference(pieces, e, r)
	}
	*g = append(kept, pieces...)
}

// appendDifference appends what of e is not in r: at most four rectangles.
func appendDifference(dst []image.Rectangle, e, r image.Rectangle) []image.Rectangle {
	r = r.Intersect(e)
	for _, piece := range [...]image.Rectangle{
		image.Rect(e.Min.X, e.Min.Y, e.Max.X, r.Min.Y), // above
		image.Rect(e.Min.X, r.Max.Y, e.Max.X, e.Max.Y), // below
		image.Rect(e.Min.X, r.Min.Y, r.Min.X, r.Max.Y), // left
		image.Rect(r.Max.X, r.Min.Y, e.Max.X, r.Max.Y), // right
	} {
		if !piece.Empty() {
			dst = append(dst, piece)
		}
	}
	return dst
}

// take takes rectangles of about area pixels out, at least one row's worth.
func (g *region) take(area int) (taken []image.Rectangle) {
	for area > 0 && len(*g) > 0 {
		r := (*g)[0]
		if rows := max(area/r.Dx(), 1); rows < r.Dy() {
			(*g)[0].Min.Y += rows
			r.Max.Y = r.Min.Y + rows
		} else {
			*g = append((*g)[:0], (*g)[1:]...)
		}
		taken = append(taken, r)
		area -= r.Dx() * r.Dy()
	}
	return taken
}

// within tells whether each rectangle lies in one of the others.
func (g region) within(others []image.Rectangle) bool {
	for _, r := range g {
		inside := false
		for _, o := range others {
			if inside = r.In(o); inside {
				break
			}
		}
		if !inside {
			return false
		}
	}
	return true
}

// moved returns what of the region lies in from, moved by offset.
func (g region) moved(from image.Rectangle, offset image.Point) (moved []image.Rectangle) {
	for _, r := range g {
		if part := r.Intersect(from); !part.Empty() {
			moved = append(moved, part.Add(offset))
		}
	}
	return moved
}
