package tight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// CheckFormat says why pixels cannot be written in a format: those of a colour
// map, and formats that cannot be.
func CheckFormat(format rfb.PixelFormat) error {
	if err := format.Check(); err != nil {
		return err
	}
	if !format.TrueColour {
		return errors.New("pixel format with a colour map")
	}
	for _, c := range []struct {
		max   uint16
		shift uint8
	}{{format.RedMax, format.RedShift}, {format.GreenMax, format.GreenShift}, {format.BlueMax, format.BlueShift}} {
		if uint64(c.max)<<c.shift >= 1<<format.BitsPerPixel {
			return fmt.Errorf("pixel format with a maximum of %d shifted by %d in %d bits", c.max, c.shift, format.BitsPerPixel)
		}
	}
	return nil
}

// AppendRaw appends what p shows in rects, clipped to p, as Raw rectangles in a
// format for which CheckFormat has no error, and returns how many: one for each
// that is not empty, so the caller bounds them.
func AppendRaw(dst []byte, p *picture.Picture, rects []image.Rectangle, format rfb.PixelFormat) (out []byte, count int) {
	c := NewConversion(format)
	for _, r := range rects {
		if r = r.Intersect(p.Bounds()); r.Empty() {
			continue
		}
		header := wire(r)
		header.Encoding = rfb.EncodingRaw
		dst = rfb.AppendRect(dst, header)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			dst = c.Append(dst, p.Row(y, r.Min.X, r.Max.X))
		}
		count++
	}
	return dst, count
}

// Conversion turns our pixels into those of another format: viewers want cursors
// in their own, too, even where Tight means the same in several of them.
type Conversion struct {
	format           rfb.PixelFormat
	same             bool
	red, green, blue [256]uint32 // what an intensity adds to a pixel
}

// NewConversion is for a format for which CheckFormat has no error.
func NewConversion(format rfb.PixelFormat) *Conversion {
	c := &Conversion{format: format}
	own := rfb.RGB888()
	own.Depth = format.Depth
	if c.same = format == own; c.same {
		return c
	}
	for i := range uint32(256) {
		c.red[i] = scale(i, format.RedMax) << format.RedShift
		c.green[i] = scale(i, format.GreenMax) << format.GreenShift
		c.blue[i] = scale(i, format.BlueMax) << format.BlueShift
	}
	return c
}

// scale gives an intensity of 0 to 255 as one of 0 to limit, the nearest.
func scale(intensity uint32, limit uint16) uint32 { return (intensity*uint32(limit) + 127) / 255 }

// Append appends whole pixels.
func (c *Conversion) Append(dst, row []byte) []byte {
	if c.same {
		return append(dst, row...)
	}
	for ; len(row) >= picture.BytesPerPixel; row = row[picture.BytesPerPixel:] {
		pixel := c.red[row[2]] | c.green[row[1]] | c.blue[row[0]]
		switch {
		case c.format.BitsPerPixel == 8:
			dst = append(dst, byte(pixel))
		case c.format.BitsPerPixel == 16 && c.format.BigEndian:
			dst = binary.BigEndian.AppendUint16(dst, uint16(pixel))
		case c.format.BitsPerPixel == 16:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(pixel))
		case c.format.BigEndian:
			dst = binary.BigEndian.AppendUint32(dst, pixel)
		default:
			dst = binary.LittleEndian.AppendUint32(dst, pixel)
		}
	}
	return dst
}
