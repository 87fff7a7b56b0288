package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// ZRLE's tile and subencodings (section "ZRLE").
const (
	zrleSize  = 64
	zrlePixel = 3 // bytes of a CPIXEL: blue, green, red

	zrleRaw        = 0
	zrleFill       = 1
	zrleMaxPacked  = 16 // up to it: so many colours, indexes packed in bits
	zrlePlainRuns  = 128
	zrlePaletteRun = 130 // from it on: so many colours and 128, runs of indexes
)

func (d *Decoder) drawZRLE(p *Picture, area image.Rectangle, data []byte) error {
	data, err := withLength(data)
	if err != nil {
		return err
	}
	tiles := ((area.Dx() + zrleSize - 1) / zrleSize) * ((area.Dy() + zrleSize - 1) / zrleSize)
	// Runs of one pixel each are the longest way: a pixel and a length. A palette
	// has at most 127 colours.
	limit := area.Dx()*area.Dy()*(zrlePixel+1) + tiles*(1+127*zrlePixel)
	unpacked, err := d.zrle.part(data, limit)
	if err != nil {
		return err
	}
	z := zrle{hextile: hextile{data: unpacked}, palette: &d.palette}
	for y := area.Min.Y; y < area.Max.Y; y += zrleSize {
		for x := area.Min.X; x < area.Max.X; x += zrleSize {
			if err := z.tile(p, image.Rect(x, y, min(x+zrleSize, area.Max.X), min(y+zrleSize, area.Max.Y))); err != nil {
				return fmt.Errorf("tile at %d,%d: %w", x, y, err)
			}
		}
	}
	if len(z.data) > 0 {
		return fmt.Errorf("%d bytes behind the last tile", len(z.data))
	}
	return nil
}

// zrle is the data of a rectangle as far as it is not drawn.
type zrle struct {
	hextile // for take
	palette *[256]uint32
}

func (z *zrle) colours(n int) error {
	pixels := z.take(n * zrlePixel)
	if pixels == nil {
		return errShort
	}
	for i := range n {
		z.palette[i] = uint32(pixels[0]) | uint32(pixels[1])<<8 | uint32(pixels[2])<<16
		pixels = pixels[zrlePixel:]
	}
	return nil
}

func (z *zrle) tile(p *Picture, tile image.Rectangle) error {
	head := z.take(1)
	if head == nil {
		return errShort
	}
	switch kind := int(head[0]); {
	case kind == zrleRaw:
		return z.raw(p, tile)
	case kind == zrleFill:
		if err := z.colours(1); err != nil {
			return err
		}
		p.Fill(tile, z.palette[0])
		return nil
	case kind <= zrleMaxPacked:
		return z.packed(p, tile, kind)
	case kind == zrlePlainRuns:
		return z.runs(p, tile, 0)
	case kind >= zrlePaletteRun:
		return z.runs(p, tile, kind-zrlePlainRuns)
	default:
		return fmt.Errorf("subencoding %d", kind)
	}
}

func (z *zrle) raw(p *Picture, tile image.Rectangle) error {
	for y := tile.Min.Y; y < tile.Max.Y; y++ {
		pixels := z.take(tile.Dx() * zrlePixel)
		if pixels == nil {
			return errShort
		}
		for row := p.Row(y, tile.Min.X, tile.Max.X); len(row) > 0; row = row[BytesPerPixel:] {
			row[0], row[1], row[2], row[3] = pixels[0], pixels[1], pixels[2], 0
			pixels = pixels[zrlePixel:]
		}
	}
	return nil
}

// packed draws indexes of one, two or four bits, the highest first, rows padded
// to whole bytes.
func (z *zrle) packed(p *Picture, tile image.Rectangle, colours int) error {
	if err := z.colours(colours); err != nil {
		return err
	}
	width := 4
	if colours <= 2 {
		width = 1
	} else if colours <= 4 {
		width = 2
	}
	for y := tile.Min.Y; y < tile.Max.Y; y++ {
		packed := z.take((tile.Dx()*width + 7) / 8)
		if packed == nil {
			return errShort
		}
		row := p.Row(y, tile.Min.X, tile.Max.X)
		for x := range tile.Dx() {
			bit := x * width
			index := int(packed[bit/8]>>(8-width-bit%8)) & (1<<width - 1)
			if index >= colours {
				return errors.New("a colour that is not in the palette")
			}
			binary.LittleEndian.PutUint32(row[x*BytesPerPixel:], z.palette[index])
		}
	}
	return nil
}

// runs draws runs of pixels, each as itself or, where there are colours, as an
// index.
func (z *zrle) runs(p *Picture, tile image.Rectangle, colours int) error {
	if err := z.colours(colours); err != nil {
		return err
	}
	x, y := tile.Min.X, tile.Min.Y
	for y < tile.Max.Y {
		colour, run, err := z.run(colours)
		if err != nil {
			return err
		}
		for run > 0 {
			if y == tile.Max.Y {
				return errors.New("a run beyond the end")
			}
			n := min(run, tile.Max.X-x)
			for row := p.Row(y, x, x+n); len(row) > 0; row = row[BytesPerPixel:] {
				binary.LittleEndian.PutUint32(row, colour)
			}
			run, x = run-n, x+n
			if x == tile.Max.X {
				x, y = tile.Min.X, y+1
			}
		}
	}
	return nil
}

// run reads the head of a run.
func (z *zrle) run(colours int) (colour uint32, length int, err error) {
	if colours == 0 {
		pixel := z.take(zrlePixel)
		if pixel == nil {
			return 0, 0, errShort
		}
		colour = uint32(pixel[0]) | uint32(pixel[1])<<8 | uint32(pixel[2])<<16
	} else {
		head := z.take(1)
		if head == nil {
			return 0, 0, errShort
		}
		index := int(head[0] & 0x7F)
		if index >= colours {
			return 0, 0, errors.New("a colour that is not in the palette")
		}
		if colour = z.palette[index]; head[0]&0x80 == 0 {
			return colour, 1, nil
		}
	}
	for length = 1; ; { // the sum of bytes up to one that is not 255, and one
		more := z.take(1)
		if more == nil {
			return 0, 0, errShort
		}
		if length += int(more[0]); more[0] != 255 {
			return colour, length, nil
		}
	}
}
