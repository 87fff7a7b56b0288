package tight

import (
	"bytes"
	"encoding/binary"
	"image"
	"unsafe"

	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	maxColours = 256
	pixelMask  = 0x00FFFFFF // the fourth byte of a pixel means nothing
	pairMask   = pixelMask | pixelMask<<32

	// minJPEGArea is below what JPEG's tables of 600 bytes are more than the
	// pixels, deflated.
	minJPEGArea = 32 * 32
	// A pixel is fresh when it is neither the one to its left nor the one above nor
	// the one ditherWidth to the left: deflate would find those. Of text up to a
	// third of the pixels are, of photos three quarters or more; a photo's noise is
	// in small steps, text's edges are not.
	photoShare     = 0.5
	softPhotoShare = 0.15
	ditherWidth    = 8 // of the patterns that browsers draw gradients with
	// sharpStep is a difference of green between neighbours that JPEG would blur.
	sharpStep = 48
	// sampleRows is of how many rows one is looked at when a cell has too many
	// colours to count them.
	sampleRows = 4
	// fewColours are a drawing, however busy it is.
	fewColours = 48
	// Of so many rows this share of new pixels and so many colours are enough to
	// know a photo by.
	sureRows       = 2
	sureColours    = fewColours
	surePhotoShare = 0.7
)

// classify looks at the pixels of a cell.
func (e *Encoder) classify(c *cell, r image.Rectangle) {
	*c = cell{}
	if colour, ok := oneColour(e.picture, r); ok {
		c.kind, c.colour, c.soft = kindFill, colour, true
		return
	}
	lossy := !e.quality.lossless() && r.Dx()*r.Dy() >= minJPEGArea
	if lossy && e.surelyPhoto(r) {
		c.kind = kindPhoto
		return
	}
	e.colors.clear()
	if s, ok := e.colors.count(e.picture, r); ok {
		if lossy && e.colors.n > fewColours && s.photo() {
			c.kind = kindPhoto
			return
		}
		c.kind, c.soft = kindPalette, s.soft()
		c.first, c.count = len(e.grid.colours), e.colors.n
		e.grid.colours = append(e.grid.colours, e.colors.colours[:e.colors.n]...)
		return
	}
	c.kind = kindFull
	if lossy && sample(e.picture, r).photo() {
		c.kind = kindPhoto
	}
}

// surelyPhoto looks at a few rows only: photos are the most work for whoever
// counts their colours, and the easiest to know.
func (e *Encoder) surelyPhoto(r image.Rectangle) bool {
	e.colors.clear()
	var s statistics
	for i := range sureRows {
		y := r.Min.Y + (2*i+1)*r.Dy()/(2*sureRows)
		if !s.look(e.picture.Row(y, r.Min.X, r.Max.X), e.picture.Row(max(y-1, r.Min.Y), r.Min.X, r.Max.X), &e.colors) {
			break
		}
		if i == 0 && s.share() < surePhotoShare {
			return false
		}
	}
	return e.colors.n > sureColours && s.share() > surePhotoShare
}

// oneColour says whether all of r has the colour of its first pixel.
func oneColour(p *picture.Picture, r image.Rectangle) (colour uint32, ok bool) {
	first := p.Row(r.Min.Y, r.Min.X, r.Min.X+1)
	colour = binary.LittleEndian.Uint32(first) & pixelMask
	pair := uint64(colour) | uint64(colour)<<32
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := p.Row(y, r.Min.X, r.Max.X)
		var differs uint64
		for len(row) >= 16 {
			differs |= (binary.LittleEndian.Uint64(row) ^ pair) | (binary.LittleEndian.Uint64(row[8:]) ^ pair)
			row = row[16:]
		}
		for len(row) >= 4 {
			differs |= uint64(binary.LittleEndian.Uint32(row) ^ colour)
			row = row[4:]
		}
		if differs&pairMask != 0 {
			return 0, false
		}
	}
	return colour, true
}

// statistics are of the pixels of a cell.
type statistics struct {
	seen  int // pixels looked at
	fresh int
	sharp int // of these, far from the one to the left
}

// share is the part of fresh pixels.
func (s statistics) share() float64 { return float64(s.fresh) / float64(max(s.seen, 1)) }

// soft says that there are hardly any sharp edges.
func (s statistics) soft() bool { return s.sharp*8 <= s.fresh }

// photo says that JPEG does little harm and much good.
func (s statistics) photo() bool {
	return s.share() > photoShare || s.share() > softPhotoShare && s.soft()
}

// look counts the pixels of a row that are fresh. above may be nil. With colours it
// also adds them to the palette, and says false when they do not fit.
func (s *statistics) look(row, above []byte, colours *palette) bool {
	s.seen += len(row) / picture.BytesPerPixel
	if above == nil {
		above = row[:0]
	} else if bytes.Equal(row, above) {
		return true
	}
	pixels, over := words(row), words(above)
	before := ^uint32(0)
	for x := 0; x < len(pixels); {
		colour := pixels[x] & pixelMask
		at := x
		if x++; x < len(pixels) && pixels[x]&pixelMask == colour {
			x = endOfRun(pixels, x+1, colour)
		}
		step := int(colour>>8&0xFF) - int(before>>8&0xFF)
		first := before > pixelMask
		before = colour
		if at < len(over) && over[at]&pixelMask == colour || at >= ditherWidth && pixels[at-ditherWidth]&pixelMask == colour {
			continue // so it is in the palette
		}
		if colours != nil && !colours.add(colour) {
			return false
		}
		if first {
			continue
		}
		s.fresh++
		if step > sharpStep || step < -sharpStep {
			s.sharp++
		}
	}
	return true
}

// words is pixels as numbers. Without the bounds check of each read, and what it
// takes to read bytes, looking at a page is a fifth faster. Colours come out as
// they should on little-endian machines only; there is no build for others.
func words(row []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(row))), len(row)/4)
}

// endOfRun is where, from x on, the pixels of a row have another colour: the
// most frequent thing on a desktop is the same again, so it looks at four at once.
func endOfRun(pixels []uint32, x int, colour uint32) int {
	for x+4 <= len(pixels) {
		p := pixels[x : x+4 : x+4]
		if ((p[0]^colour)|(p[1]^colour)|(p[2]^colour)|(p[3]^colour))&pixelMask != 0 {
			break
		}
		x += 4
	}
	for x < len(pixels) && pixels[x]&pixelMask == colour {
		x++
	}
	return x
}

// sample looks at some of the rows.
func sample(p *picture.Picture, r image.Rectangle) statistics {
	var s statistics
	for y := r.Min.Y; y < r.Max.Y; y += sampleRows {
		var above []byte
		if y > r.Min.Y {
			above = p.Row(y-1, r.Min.X, r.Max.X)
		}
		s.look(p.Row(y, r.Min.X, r.Max.X), above, nil)
	}
	return s
}

// paletteSlots is four times the colours, so that a look-up seldom meets another
// colour on its way.
const (
	paletteBits  = 10
	paletteSlots = 1 << paletteBits
)

// palette is a set of colours, numbered in the order in which they came.
type palette struct {
	n       int
	colours [maxColours]uint32
	slots   [paletteSlots]uint16 // number of the colour and one; 0: empty
}

func (c *palette) clear() {
	c.n = 0
	clear(c.slots[:])
}

// slot is where the colour is, or should be.
func (c *palette) slot(colour uint32) uint32 {
	at := colour * 0x9E3779B1 >> (32 - paletteBits) // Fibonacci hashing
	for {
		number := c.slots[at%paletteSlots]
		if number == 0 || c.colours[(number-1)%maxColours] == colour {
			return at % paletteSlots
		}
		at++
	}
}

// index is the number of a colour that is in the palette.
func (c *palette) index(colour uint32) byte { return byte(c.slots[c.slot(colour)] - 1) }

// add puts a colour in, and says false when there is no room.
func (c *palette) add(colour uint32) bool {
	at := c.slot(colour)
	if c.slots[at] != 0 {
		return true
	}
	if c.n == maxColours {
		return false
	}
	c.colours[c.n] = colour
	c.n++
	c.slots[at] = uint16(c.n)
	return true
}

// addAll puts colours in, all or none.
func (c *palette) addAll(colours []uint32) bool {
	before := c.n
	for _, colour := range colours {
		if c.add(colour) {
			continue
		}
		c.truncate(before)
		return false
	}
	return true
}

// truncate removes the colours from the nth on.
func (c *palette) truncate(n int) {
	for c.n > n { // the latest first, so that no other colour's way is cut
		c.n--
		c.slots[c.slot(c.colours[c.n])] = 0
	}
}

// count adds all colours of r, and says false as soon as they do not fit.
func (c *palette) count(p *picture.Picture, r image.Rectangle) (statistics, bool) {
	var s statistics
	var above []byte
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := p.Row(y, r.Min.X, r.Max.X)
		if !s.look(row, above, c) {
			return s, false
		}
		above = row
	}
	return s, true
}
