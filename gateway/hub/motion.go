package hub

import (
	"image"
	"time"
)

const (
	// motionEvery is how long changes are counted before it is judged where there is
	// a film, and filmRate how many a second a cell of one has at least. Who types
	// or scrolls by hand makes fewer.
	motionEvery = time.Second
	filmRate    = 12
	// motionArea is the least area of a film, in pixels: 160x100.
	motionArea = 16000
	// motionShare is how much of the rectangle around neighbouring cells in motion has
	// to be in motion, in percent.
	motionShare = 70
)

// motion finds out where the screen shows a film: one rectangle, in which nearly
// all has changed many times a second for a while. What is copied within the
// screen is no film, since it costs next to nothing.
type motion struct {
	least   int // changes a second that a cell of a film has
	columns int
	counts  []uint16 // of each cell, in how many frames it changed since
	latest  []uint64 // of each cell, the number of the last such frame
	since   time.Time

	cells image.Rectangle // around the most neighbouring cells that were in motion when it was last judged, in pixels
	drawn image.Rectangle // what has been drawn in there since
	film  image.Rectangle // empty: there is none
	rate  int             // its frames a second, by the latest count
	at    time.Time       // when it last changed
}

func (m *motion) resize(bounds image.Rectangle) {
	columns, rows := (bounds.Dx()+cell-1)/cell, (bounds.Dy()+cell-1)/cell
	*m = motion{least: m.least, columns: columns, counts: make([]uint16, columns*rows), latest: make([]uint64, columns*rows)}
}

// note takes in a frame, and tells whether the film is another one than before.
func (m *motion) note(f *frame) (changed bool) {
	if len(f.damage) == 0 {
		return false
	}
	passed := f.at.Sub(m.since)
	if passed >= motionEvery {
		changed = m.judge(passed)
		m.since, m.drawn = f.at, image.Rectangle{}
		clear(m.counts)
	}
	for _, r := range f.damage {
		if part := r.Intersect(m.cells); !part.Empty() {
			m.drawn = m.drawn.Union(part)
		}
		if r.Overlaps(m.film) {
			m.at = f.at
		}
		for y := r.Min.Y / cell; y <= (r.Max.Y-1)/cell; y++ {
			for x := r.Min.X / cell; x <= (r.Max.X-1)/cell; x++ {
				if i := y*m.columns + x; m.latest[i] != f.number {
					m.latest[i] = f.number
					m.counts[i]++
				}
			}
		}
	}
	return changed
}

// judge looks where there has been motion, and whether it is where it was: a film
// is one when it has been there twice, and goes on while the motion stays in it.
func (m *motion) judge(passed time.Duration) (changed bool) {
	around, most := m.largest(uint16(max(time.Duration(m.least)*passed/time.Second, 2)))
	was := m.film
	switch {
	case around.Empty(), !around.Overlaps(m.cells):
		m.film = image.Rectangle{}
	case !was.Empty() && around.In(m.cells): // goes on, and may fill more of its cells
		around, m.film = m.cells, was.Union(m.drawn)
	case around == m.cells && m.drawn.Dx()*m.drawn.Dy() >= motionArea:
		m.film = m.drawn
	default:
		m.film = image.Rectangle{}
	}
	m.cells = around
	m.rate = int(time.Duration(most) * time.Second / passed)
	return m.film != was
}

// largest returns the rectangle around the largest group of neighbouring cells that
// changed at least so often, if nearly all in there did, and how often one of them
// did at most. Smaller groups may be an animation beside a film.
func (m *motion) largest(least uint16) (around image.Rectangle, most uint16) {
	seen := make([]bool, len(m.counts))
	size := 0
	for start := range m.counts {
		if seen[start] || m.counts[start] < least {
			continue
		}
		seen[start] = true
		group := []int{start}
		var box image.Rectangle
		var often uint16
		for next := 0; next < len(group); next++ {
			i := group[next]
			at := image.Pt(i%m.columns, i/m.columns)
			box = box.Union(image.Rectangle{Min: at, Max: at.Add(image.Pt(1, 1))})
			often = max(often, m.counts[i])
			for y := max(at.Y-1, 0); y <= at.Y+1; y++ {
				for x := max(at.X-1, 0); x <= min(at.X+1, m.columns-1); x++ {
					if n := y*m.columns + x; n < len(seen) && !seen[n] && m.counts[n] >= least {
						seen[n] = true
						group = append(group, n)
					}
				}
			}
		}
		if len(group) > size {
			size, around, most = len(group), box, often
		}
	}
	if size*100 < around.Dx()*around.Dy()*motionShare {
		return image.Rectangle{}, most
	}
	return image.Rectangle{Min: around.Min.Mul(cell), Max: around.Max.Mul(cell)}, most
}
