package tight

import (
	"encoding/binary"
	"image"

	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	maxColours = 256
	pixelMask  = 0x00FFFFFF // the fourth byte of a pixel means nothing
	pairMask   = pixelMask | pixelMask<<32

	// minJPEGArea is below what JPEG's tables of 600 bytes are more than the
	// pixels, deflated.
	minJPEGArea = 32 * 32
	// A pixel is new when it is neither the one to its left nor the one above. Of
	// text up to a third of the pixels are, of photos three quarters or more.
	photoShare = 0.5
	// manyPhotoShare is the same where there are more than 256 colours, which text
	// has only in front of a picture.
	manyPhotoShare = 0.4
	// sharpStep is a difference of green between neighbours that JPEG would blur.
	sharpStep = 48
	// sampleRows is of how many rows one is looked at when a cell has too many
	// colours to count them.
	sampleRows = 4
)

// classify looks at the pixels of a cell.
func (e *Encoder) classify(c *cell, r image.Rectangle) {
	*c = cell{}
	if colour, ok := oneColour(e.picture, r); ok {
		c.kind, c.colour, c.soft = kindFill, colour, true
		return
	}
	lossy := e.quality != Lossless && r.Dx()*r.Dy() >= minJPEGArea
	e.colors.clear()
	if s, ok := e.colors.count(e.picture, r); ok {
		c.kind, c.soft = kindPalette, s.sharp*16 < s.fresh
		if lossy && e.colors.n > 16 && float64(s.fresh) > photoShare*float64(s.seen) {
			c.kind = kindPhoto
			return
		}
		c.first, c.count = len(e.grid.colours), e.colors.n
		e.grid.colours = append(e.grid.colours, e.colors.colours[:e.colors.n]...)
		return
	}
	c.kind = kindFull
	if lossy && freshShare(e.picture, r) > manyPhotoShare {
		c.kind = kindPhoto
	}
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
	fresh int // neither as the one to the left nor as the one above
	sharp int // of these, far from the one to the left
}

// look counts the pixels of a row that are new. above may be nil. With colours it
// also adds them to the palette, and says false when they do not fit.
func (s *statistics) look(row, above []byte, colours *palette) bool {
	s.seen += len(row) / picture.BytesPerPixel
	last := binary.LittleEndian.Uint32(row) & pixelMask
	if colours != nil && !colours.add(last) {
		return false
	}
	for x := picture.BytesPerPixel; x+picture.BytesPerPixel <= len(row); x += picture.BytesPerPixel {
		colour := binary.LittleEndian.Uint32(row[x:]) & pixelMask
		if colour == last {
			continue
		}
		before := last
		last = colour
		if above != nil && binary.LittleEndian.Uint32(above[x:])&pixelMask == colour {
			continue // so it is in the palette
		}
		s.fresh++
		if step := int(colour>>8&0xFF) - int(before>>8&0xFF); step > sharpStep || step < -sharpStep {
			s.sharp++
		}
		if colours != nil && !colours.add(colour) {
			return false
		}
	}
	return true
}

// freshShare is the part of new pixels in a sample of rows.
func freshShare(p *picture.Picture, r image.Rectangle) float64 {
	var s statistics
	for y := r.Min.Y; y < r.Max.Y; y += sampleRows {
		var above []byte
		if y > r.Min.Y {
			above = p.Row(y-1, r.Min.X, r.Max.X)
		}
		s.look(p.Row(y, r.Min.X, r.Max.X), above, nil)
	}
	return float64(s.fresh) / float64(s.seen)
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
