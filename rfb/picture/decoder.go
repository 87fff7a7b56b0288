package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"github.com/streamspace/streamspace/rfb"
)

var errShort = errors.New("data ends too early")

// Decoder draws the rectangles of one connection in the order in which they
// came: it has the connection's zlib streams and JPEG tables. Pixels must be in
// the canonical format, rfb.RGB888. It has one user at a time.
//
// A rectangle is bounded by the picture it must lie in, so what a Decoder
// allocates is bounded by the picture's size, whatever the data says.
type Decoder struct {
	tight      [4]stream
	zlib, zrle stream
	tables     jpegTables
	palette    [256]uint32
}

// NewDecoder returns the decoder of a connection that begins.
func NewDecoder() *Decoder { return &Decoder{} }

// Reset forgets the connection and keeps the memory: the next rectangle is of a
// connection that begins.
func (d *Decoder) Reset() {
	for i := range d.tight {
		d.tight[i].reset()
	}
	d.zlib.reset()
	d.zrle.reset()
	d.tables.quantisers, d.tables.huffman = nil, nil
}

// Decode draws one rectangle of pixels: Raw, CopyRect, RRE, Hextile, Zlib, Tight
// and TightPNG with every filter, ZRLE or JPEG. After an error, which the data
// caused, neither the rectangle's pixels nor later rectangles can be trusted.
func (d *Decoder) Decode(p *Picture, r rfb.ServerRect) error {
	if err := d.decode(p, r); err != nil {
		return fmt.Errorf("decoding %v rectangle %dx%d+%d+%d: %w", r.Encoding, r.Width, r.Height, r.X, r.Y, err)
	}
	return nil
}

func (d *Decoder) decode(p *Picture, r rfb.ServerRect) error {
	area := image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.Width), int(r.Y)+int(r.Height))
	if area.Max.X > p.Width || area.Max.Y > p.Height {
		return fmt.Errorf("outside the picture of %dx%d", p.Width, p.Height)
	}
	if area.Empty() && r.Encoding.Pixels() && r.Encoding != rfb.EncodingTight && r.Encoding != rfb.EncodingTightPNG {
		return nil // an empty Tight rectangle can reset streams
	}
	switch r.Encoding {
	case rfb.EncodingRaw:
		return drawPixels(p, area, r.Data)
	case rfb.EncodingCopyRect:
		return drawCopy(p, area, r)
	case rfb.EncodingRRE:
		return drawRRE(p, area, r.Data)
	case rfb.EncodingHextile:
		return drawHextile(p, area, r.Data)
	case rfb.EncodingZlib:
		return d.drawZlib(p, area, r.Data)
	case rfb.EncodingTight, rfb.EncodingTightPNG:
		return d.drawTight(p, area, r.Data, r.Encoding == rfb.EncodingTightPNG)
	case rfb.EncodingZRLE:
		return d.drawZRLE(p, area, r.Data)
	case rfb.EncodingJPEG:
		return d.drawJPEG(p, area, r.Data)
	}
	return errors.New("not an encoding that can be drawn")
}

// CopySource is where a CopyRect takes its pixels from.
func CopySource(r rfb.ServerRect) (x, y int, ok bool) {
	if r.Encoding != rfb.EncodingCopyRect || len(r.Data) != 4 {
		return 0, 0, false
	}
	return int(binary.BigEndian.Uint16(r.Data)), int(binary.BigEndian.Uint16(r.Data[2:])), true
}

func drawCopy(p *Picture, area image.Rectangle, r rfb.ServerRect) error {
	x, y, ok := CopySource(r)
	if !ok {
		return errShort
	}
	if x+area.Dx() > p.Width || y+area.Dy() > p.Height {
		return fmt.Errorf("copied from %d,%d, outside the picture of %dx%d", x, y, p.Width, p.Height)
	}
	p.Move(area, image.Pt(x, y))
	return nil
}

// drawPixels draws whole pixels, row by row.
func drawPixels(p *Picture, area image.Rectangle, data []byte) error {
	if len(data) != area.Dx()*area.Dy()*BytesPerPixel {
		return fmt.Errorf("%d bytes of pixels", len(data))
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		n := copy(p.Row(y, area.Min.X, area.Max.X), data)
		data = data[n:]
	}
	return nil
}

func (d *Decoder) drawZlib(p *Picture, area image.Rectangle, data []byte) error {
	data, err := withLength(data)
	if err != nil {
		return err
	}
	pixels, err := d.zlib.exactly(data, area.Dx()*area.Dy()*BytesPerPixel)
	if err != nil {
		return err
	}
	return drawPixels(p, area, pixels)
}

// withLength takes the length before compressed data, which is the rest.
func withLength(data []byte) ([]byte, error) {
	if len(data) < 4 || int64(binary.BigEndian.Uint32(data)) != int64(len(data)-4) {
		return nil, errShort
	}
	return data[4:], nil
}

// drawRRE draws a background and subrectangles.
func drawRRE(p *Picture, area image.Rectangle, data []byte) error {
	const subrect = BytesPerPixel + 8
	if len(data) < 4+BytesPerPixel {
		return errShort
	}
	count := int64(binary.BigEndian.Uint32(data))
	p.Fill(area, binary.LittleEndian.Uint32(data[4:]))
	data = data[4+BytesPerPixel:]
	if int64(len(data)) != count*subrect {
		return fmt.Errorf("%d bytes for %d subrectangles", len(data), count)
	}
	for ; len(data) > 0; data = data[subrect:] {
		x, y := int(binary.BigEndian.Uint16(data[4:])), int(binary.BigEndian.Uint16(data[6:]))
		width, height := int(binary.BigEndian.Uint16(data[8:])), int(binary.BigEndian.Uint16(data[10:]))
		if x+width > area.Dx() || y+height > area.Dy() {
			return fmt.Errorf("subrectangle %dx%d+%d+%d", width, height, x, y)
		}
		p.Fill(image.Rect(x, y, x+width, y+height).Add(area.Min), binary.LittleEndian.Uint32(data))
	}
	return nil
}
