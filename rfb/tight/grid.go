package tight

import "image"

const (
	// cellSide is the side of a cell in pixels: large enough that a rectangle of
	// its own is worth its header, small enough that most cells have content of
	// one kind.
	cellSide = 64
	// maxCellSide keeps what must be one rectangle within the bounds below.
	maxCellSide = 512

	// Areas of joined cells, in pixels. A rectangle's data may have four
	// megabytes: full colours take three bytes a pixel and deflate can add a
	// little; JPEG is halved when it is more.
	maxFullArea    = 1 << 20
	maxPaletteArea = 2 << 20
	maxJPEGArea    = 2 << 20 // 1920x1088 is one image
)

// kind is how a cell is best encoded.
type kind uint8

const (
	kindFill    kind = iota // one colour
	kindPalette             // at most 256
	kindFull                // more, and as they are
	kindPhoto               // may be JPEG
)

// cell is what is known of a part of the region.
type cell struct {
	kind   kind
	soft   bool // no sharp edges: JPEG does no harm
	taken  bool // by a rectangle
	colour uint32
	first  int // of the cell's colours in grid.colours
	count  int
}

// grid is an area cut into cells.
type grid struct {
	whole         image.Rectangle
	side          int
	columns, rows int
	cells         []cell
	colours       []uint32 // of cells of few colours, one after the other
}

func (g *grid) cut(area image.Rectangle, side int) {
	g.whole, g.side = area, side
	g.columns, g.rows = (area.Dx()+side-1)/side, (area.Dy()+side-1)/side
	if n := g.columns * g.rows; cap(g.cells) < n {
		g.cells = make([]cell, n)
	} else {
		g.cells = g.cells[:n]
	}
	g.colours = g.colours[:0]
}

func (g *grid) at(column, row int) *cell { return &g.cells[row*g.columns+column] }

// area is the pixels of so many columns and rows of cells.
func (g *grid) area(column, row, columns, rows int) image.Rectangle {
	x, y := g.whole.Min.X+column*g.side, g.whole.Min.Y+row*g.side
	return image.Rect(x, y, x+columns*g.side, y+rows*g.side).Intersect(g.whole)
}

// take marks cells.
func (g *grid) take(column, row, columns, rows int) {
	for y := row; y < row+rows; y++ {
		for x := column; x < column+columns; x++ {
			g.at(x, y).taken = true
		}
	}
}

// fits says whether cells are few enough for one rectangle.
func (g *grid) fits(columns, rows, limit int) bool {
	width, height := columns*g.side, rows*g.side
	return columns == 1 && rows == 1 || width <= maxWidth && width*height <= limit
}

// join appends a rectangle of the cell and of neighbours to the right of it and
// below that are not taken and suit it. Cells of one colour in between others are
// taken along where a rectangle of their own would cut the neighbours apart.
func (e *Encoder) join(column, row int) {
	g := &e.grid
	c := g.at(column, row)
	var columns, rows int
	switch c.kind {
	case kindFill:
		same := func(o *cell) match { return matchIf(o.kind == kindFill && o.colour == c.colour) }
		columns, rows = e.grow(column, row, maxWidth*maxWidth, same)
		g.take(column, row, columns, rows)
		e.appendFill(g.area(column, row, columns, rows), c.colour)
	case kindPalette:
		e.colors.clear()
		columns, rows = e.grow(column, row, maxPaletteArea, e.addColours)
		g.take(column, row, columns, rows)
		e.appendPalette(g.area(column, row, columns, rows))
	case kindFull:
		columns, rows = e.grow(column, row, maxFullArea, func(o *cell) match {
			if o.kind == kindFill {
				return tolerated
			}
			return matchIf(o.kind == kindFull)
		})
		g.take(column, row, columns, rows)
		e.appendFull(g.area(column, row, columns, rows))
	case kindPhoto:
		columns, rows = e.grow(column, row, maxJPEGArea, func(o *cell) match {
			if o.kind == kindPhoto {
				return wanted
			}
			return min(matchIf(o.soft), tolerated)
		})
		g.take(column, row, columns, rows)
		e.appendJPEG(g.area(column, row, columns, rows))
	}
}

// match says how a cell suits a rectangle.
type match uint8

const (
	refused match = iota
	tolerated
	wanted
)

func matchIf(ok bool) match {
	if ok {
		return wanted
	}
	return refused
}

// grow finds how many columns and rows of cells suit each other, from one on.
// Tolerated cells are taken between wanted ones, but not at the end of a row, and
// not where they are more than half of a further row. What suits may add to the
// encoder's palette; colours of cells that are not taken are removed again.
func (e *Encoder) grow(column, row, limit int, suits func(*cell) match) (columns, rows int) {
	g := &e.grid
	columns, rows = 0, 1
	colours := e.colors.n
	for n := 1; column+n <= g.columns && g.fits(n, 1, limit); n++ {
		o := g.at(column+n-1, row)
		if o.taken {
			break
		}
		m := suits(o)
		if m == refused {
			break
		}
		if m == wanted {
			columns, colours = n, e.colors.n
		}
	}
	e.colors.truncate(colours)
	for row+rows < g.rows && g.fits(columns, rows+1, limit) && g.suitsRow(column, row+rows, columns, suits) {
		rows, colours = rows+1, e.colors.n
	}
	e.colors.truncate(colours)
	return columns, rows
}

// suitsRow says whether a row of cells suits.
func (g *grid) suitsRow(column, row, columns int, suits func(*cell) match) bool {
	n := 0
	for x := column; x < column+columns; x++ {
		o := g.at(x, row)
		if o.taken {
			return false
		}
		switch suits(o) {
		case refused:
			return false
		case wanted:
			n++
		}
	}
	return 2*n >= columns
}

// addColours says whether the palette has room for the cell's colours, and puts
// them there.
func (e *Encoder) addColours(o *cell) match {
	switch o.kind {
	case kindFill:
		return min(matchIf(e.colors.addAll([]uint32{o.colour})), tolerated)
	case kindPalette:
		return matchIf(e.colors.addAll(e.grid.colours[o.first:][:o.count]))
	}
	return refused
}
