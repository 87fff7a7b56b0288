// Package marker is the block of black and white cells with which a scene
// says, in pixels, what it last heard and drew: any stack that shows the
// screen carries it, and a client that sees the pixels reads it back. It draws
// into and reads from memory; it knows neither X nor RFB.
package marker

import (
	"image"
	"time"

	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// cell is a bit's side in pixels: a block of JPEG, so that a bit survives
	// any quality.
	cell    = 8
	columns = 16 // bits of a row

	// Width and Height of the marker in pixels.
	Width  = columns * cell
	Height = rows * cell

	// sync is the first row: no text and no window edge looks like it.
	sync = 0b1011_0010_1110_0101
	rows = 9
	// words between sync and checksum.
	words = rows - 2
)

// Tick is the unit of Mark.At.
const Tick = 100 * time.Microsecond

// Mark is what a marker says.
type Mark struct {
	Scene  uint8 // number of the scene, 0 to 15
	Rest   bool  // the scene stands still until its next period
	Key    uint8 // low byte of the last key's keysym
	Keys   uint16
	X, Y   uint16 // where the pointer was last seen
	Frame  uint16 // number of the frame, from 0, wrapping
	Moment uint32 // Ticks of the wall clock when this was drawn, wrapping
}

// Moment is the present moment as a Mark says it. Two machines agree on it as
// far as their clocks do.
func Moment(now time.Time) uint32 { return uint32(now.UnixMicro() / Tick.Microseconds()) }

// Age is how long before now the mark was drawn.
func (m Mark) Age(now time.Time) time.Duration {
	// The difference in 32 bits is right on both sides of the wrap.
	return time.Duration(int32(Moment(now)-m.Moment)) * Tick
}

func (m Mark) words() [words]uint16 {
	head := uint16(m.Scene&0xF)<<12 | uint16(m.Key)
	if m.Rest {
		head |= 1 << 8
	}
	return [words]uint16{head, m.Keys, m.X, m.Y, m.Frame, uint16(m.Moment >> 16), uint16(m.Moment)}
}

// Draw draws the mark at a point of the picture; what lies outside is lost.
func (m Mark) Draw(p *picture.Picture, at image.Point) {
	said := m.words()
	row := func(y int, bits uint16) {
		for x := range columns {
			colour := uint32(0xFFFFFF)
			if bits>>(columns-1-x)&1 == 1 {
				colour = 0
			}
			corner := at.Add(image.Pt(x*cell, y*cell))
			p.Fill(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(cell, cell))}, colour)
		}
	}
	row(0, sync)
	for i, word := range said {
		row(1+i, word)
	}
	row(rows-1, checksum(said))
}

// Read reads the mark at a point of the picture. It is false where none is,
// and where one is half drawn.
func Read(p *picture.Picture, at image.Point) (Mark, bool) {
	area := image.Rectangle{Min: at, Max: at.Add(image.Pt(Width, Height))}
	if !area.In(p.Bounds()) || readRow(p, at, 0) != sync {
		return Mark{}, false
	}
	var said [words]uint16
	for i := range said {
		said[i] = readRow(p, at, 1+i)
	}
	if readRow(p, at, rows-1) != checksum(said) {
		return Mark{}, false
	}
	return Mark{
		Scene: uint8(said[0] >> 12), Rest: said[0]>>8&1 == 1, Key: uint8(said[0]),
		Keys: said[1], X: said[2], Y: said[3], Frame: said[4], Moment: uint32(said[5])<<16 | uint32(said[6]),
	}, true
}

// readRow reads the middle of each cell, where a codec's edges do not reach.
func readRow(p *picture.Picture, at image.Point, row int) (bits uint16) {
	for x := range columns {
		left, top := at.X+x*cell+cell/2-1, at.Y+row*cell+cell/2-1
		sum := 0
		for y := top; y < top+2; y++ {
			for _, part := range p.Row(y, left, left+2) {
				sum += int(part)
			}
		}
		// Four pixels of three parts each; the fourth byte means nothing and
		// is subtracted again.
		for y := top; y < top+2; y++ {
			pixels := p.Row(y, left, left+2)
			sum -= int(pixels[3]) + int(pixels[7])
		}
		bits <<= 1
		if sum < 12*128 {
			bits |= 1
		}
	}
	return bits
}

// slack is how far from its place a mark is still read, in both directions:
// the middle of each cell is two pixels wide.
const slack = cell/2 - 1

// Find looks for a marker anywhere in the picture.
func Find(p *picture.Picture) (image.Point, bool) {
	for y := 0; y+Height <= p.Height; y += slack {
		for x := 0; x+Width <= p.Width; x += slack {
			if _, ok := Read(p, image.Pt(x, y)); ok {
				return settle(p, image.Pt(x, y)), true
			}
		}
	}
	return image.Point{}, false
}

// settle goes from where a mark is read to where it stands: slack before the
// last place where it is still read.
func settle(p *picture.Picture, at image.Point) image.Point {
	for _, step := range []image.Point{{X: 1}, {Y: 1}} {
		for range 2 * slack {
			if _, ok := Read(p, at.Add(step)); !ok {
				break
			}
			at = at.Add(step)
		}
	}
	at = at.Sub(image.Pt(slack, slack))
	return image.Pt(max(at.X, 0), max(at.Y, 0))
}

// checksum is CRC-16/CCITT: it finds a marker of which an update brought one
// half.
func checksum(said [words]uint16) uint16 {
	crc := uint16(0xFFFF)
	for _, word := range said {
		crc ^= word
		for range 16 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
