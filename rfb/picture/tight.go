package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math/bits"

	"github.com/streamspace/streamspace/rfb"
)

// Tight's compression-control, high half, and its filters (section "Tight
// Encoding").
const (
	tightFilterFollows   = 0x4
	tightBasicLimit      = 0x8 // below: basic, the low two bits number the stream
	tightFill            = 0x8
	tightJPEG            = 0x9
	tightPNG             = 0xA // in TightPNG only; otherwise basic without zlib
	tightNoZlib          = 0xA
	tightNoZlibAndFilter = 0xE

	tightFilterCopy     = 0
	tightFilterPalette  = 1
	tightFilterGradient = 2

	tightPixel = 3 // bytes of a TPIXEL: red, green, blue
	// tightMinCompressed is the shortest data that is compressed.
	tightMinCompressed = 12
)

func (d *Decoder) drawTight(p *Picture, area image.Rectangle, data []byte, png bool) error {
	if len(data) == 0 {
		return errShort
	}
	for i := range d.tight {
		if data[0]>>i&1 != 0 {
			d.tight[i].reset()
		}
	}
	control, data := data[0]>>4, data[1:]
	switch {
	case control == tightFill:
		if len(data) != tightPixel {
			return fmt.Errorf("fill of %d bytes", len(data))
		}
		p.Fill(area, uint32(data[0])<<16|uint32(data[1])<<8|uint32(data[2]))
		return nil
	case control == tightJPEG || png && control == tightPNG:
		coded, err := withTightLength(data)
		switch {
		case err != nil:
			return err
		case area.Empty():
			return nil
		case control == tightJPEG:
			return drawJFIF(p, area, coded)
		}
		return drawPNG(p, area, coded)
	case png:
		return fmt.Errorf("TightPNG control %#x", control)
	}
	return d.drawTightBasic(p, area, control, data)
}

// drawTightBasic draws filtered pixels, most often compressed.
func (d *Decoder) drawTightBasic(p *Picture, area image.Rectangle, control byte, data []byte) error {
	filter := byte(tightFilterCopy)
	if control&tightFilterFollows != 0 {
		if len(data) == 0 {
			return errShort
		}
		filter, data = data[0], data[1:]
	}
	size, colours := area.Dx()*area.Dy()*tightPixel, 0
	switch filter {
	case tightFilterCopy, tightFilterGradient:
	case tightFilterPalette:
		var err error
		if colours, data, err = d.takePalette(data); err != nil {
			return err
		}
		size = area.Dx() * area.Dy()
		if colours <= 2 {
			size = (area.Dx() + 7) / 8 * area.Dy()
		}
	default:
		return fmt.Errorf("filter %d", filter)
	}
	data, err := d.tightData(control, data, size)
	if err != nil {
		return err
	}
	switch {
	case area.Empty():
	case filter == tightFilterGradient:
		drawGradient(p, area, data)
	case filter == tightFilterCopy:
		drawTPixels(p, area, data)
	case colours <= 2:
		drawMono(p, area, data, d.palette[0], d.palette[1])
	default:
		return drawIndexes(p, area, data, &d.palette, colours)
	}
	return nil
}

// takePalette reads the colours before the data.
func (d *Decoder) takePalette(data []byte) (colours int, rest []byte, err error) {
	if len(data) == 0 || len(data) < 1+(int(data[0])+1)*tightPixel {
		return 0, nil, errShort
	}
	colours, data = int(data[0])+1, data[1:]
	d.palette[1] = 0 // a bit may be set where there is one colour only
	for i := range colours {
		d.palette[i] = uint32(data[0])<<16 | uint32(data[1])<<8 | uint32(data[2])
		data = data[tightPixel:]
	}
	return colours, data, nil
}

// tightData returns the size bytes that data stands for.
func (d *Decoder) tightData(control byte, data []byte, size int) ([]byte, error) {
	switch {
	case size < tightMinCompressed || control == tightNoZlib || control == tightNoZlibAndFilter:
		if len(data) != size {
			return nil, fmt.Errorf("%d bytes of data, not %d", len(data), size)
		}
		return data, nil
	case control >= tightBasicLimit:
		return nil, fmt.Errorf("control %#x", control)
	}
	data, err := withTightLength(data)
	if err != nil {
		return nil, err
	}
	return d.tight[control&3].exactly(data, size)
}

// withTightLength takes the length of one to three bytes before data that is the
// rest: seven, seven and eight bits, the lowest first.
func withTightLength(data []byte) ([]byte, error) {
	length := 0
	for i := 0; ; i++ {
		if i == len(data) {
			return nil, errShort
		}
		b := int(data[i])
		if i < 2 {
			length |= b & 0x7F << (7 * i)
		} else {
			length |= b << 14
		}
		if i == 2 || b&0x80 == 0 {
			data = data[i+1:]
			break
		}
	}
	if len(data) != length || length > rfb.MaxTightData {
		return nil, fmt.Errorf("%d bytes of data, not %d", len(data), length)
	}
	return data, nil
}

// drawTPixels draws pixels of three bytes.
func drawTPixels(p *Picture, area image.Rectangle, data []byte) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		expand(p.Row(y, area.Min.X, area.Max.X), data)
		data = data[area.Dx()*tightPixel:]
	}
}

// expand turns red, green and blue into our pixels. This is what a desktop on the
// same machine costs, so eight pixels go at once: in eight bytes read as one
// big-endian number, two pixels are in the order that we want.
func expand(dst, src []byte) {
	const pixels = 8
	for len(dst) >= pixels*BytesPerPixel && len(src) >= pixels*tightPixel+2 {
		d, s := (*[pixels * BytesPerPixel]byte)(dst), (*[pixels*tightPixel + 2]byte)(src)
		a, b := binary.BigEndian.Uint64(s[0:]), binary.BigEndian.Uint64(s[6:])
		binary.LittleEndian.PutUint64(d[0:], a>>40|a>>16&pixelMask<<32)
		binary.LittleEndian.PutUint64(d[8:], b>>40|b>>16&pixelMask<<32)
		a, b = binary.BigEndian.Uint64(s[12:]), binary.BigEndian.Uint64(s[18:])
		binary.LittleEndian.PutUint64(d[16:], a>>40|a>>16&pixelMask<<32)
		binary.LittleEndian.PutUint64(d[24:], b>>40|b>>16&pixelMask<<32)
		dst, src = dst[pixels*BytesPerPixel:], src[pixels*tightPixel:]
	}
	for len(dst) >= BytesPerPixel && len(src) >= tightPixel {
		dst[0], dst[1], dst[2], dst[3] = src[2], src[1], src[0], 0
		dst, src = dst[BytesPerPixel:], src[tightPixel:]
	}
}

// drawMono draws bits, the highest first: one is the second colour.
func drawMono(p *Picture, area image.Rectangle, data []byte, zero, one uint32) {
	differ := zero ^ one
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := p.Row(y, area.Min.X, area.Max.X)
		for _, b := range data[:(area.Dx()+7)/8] {
			b = bits.Reverse8(b)
			for range min(8, len(row)/BytesPerPixel) {
				binary.LittleEndian.PutUint32(row, zero^differ&-uint32(b&1))
				row, b = row[BytesPerPixel:], b>>1
			}
		}
		data = data[(area.Dx()+7)/8:]
	}
}

// drawIndexes draws bytes that number colours.
func drawIndexes(p *Picture, area image.Rectangle, data []byte, palette *[256]uint32, colours int) error {
	highest := byte(0)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := p.Row(y, area.Min.X, area.Max.X)
		for _, index := range data[:area.Dx()] {
			highest = max(highest, index)
			binary.LittleEndian.PutUint32(row, palette[index])
			row = row[BytesPerPixel:]
		}
		data = data[area.Dx():]
	}
	if int(highest) >= colours {
		return errors.New("a colour that is not in the palette")
	}
	return nil
}

// drawGradient draws pixels of three bytes that are differences from what left,
// above and above left let expect.
func drawGradient(p *Picture, area image.Rectangle, data []byte) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := p.Row(y, area.Min.X, area.Max.X)
		var above []byte // outside the rectangle all is black
		if y > area.Min.Y {
			above = p.Row(y-1, area.Min.X, area.Max.X)
		}
		for x := 0; x < len(row); x += BytesPerPixel {
			for c := range tightPixel {
				left, up, corner := 0, 0, 0
				if x > 0 {
					left = int(row[x-BytesPerPixel+c])
				}
				if above != nil {
					up = int(above[x+c])
					if x > 0 {
						corner = int(above[x-BytesPerPixel+c])
					}
				}
				expected := min(max(left+up-corner, 0), 255)
				row[x+c] = byte(expected) + data[tightPixel-1-c]
			}
			row[x+3] = 0
			data = data[tightPixel:]
		}
	}
}
