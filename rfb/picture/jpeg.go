package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
)

// JPEG markers: 0xFF and one of these.
const (
	jpegMarker     = 0xFF
	jpegStart      = 0xD8
	jpegEnd        = 0xD9
	jpegScan       = 0xDA
	jpegQuantisers = 0xDB
	jpegHuffman    = 0xC4
	jpegTEM        = 0x01
	jpegRestart    = 0xD0 // to 0xD7
	// maxTables bounds the tables that are kept, in bytes: each of the four
	// quantisers and eight Huffman tables comes at most once, with room to spare.
	maxTables = 16 << 10
)

// jpegTables are the tables of the latest image of the JPEG encoding, which
// later images may do without.
type jpegTables struct {
	quantisers, huffman []byte // whole segments
	whole               []byte // scratch: an image with its tables
}

// drawJPEG draws an image of the JPEG encoding (21).
func (d *Decoder) drawJPEG(p *Picture, area image.Rectangle, data []byte) error {
	coded, err := d.tables.complete(data)
	if err != nil {
		return err
	}
	return drawJFIF(p, area, coded)
}

// complete puts into an image the tables that it lacks, and keeps those it has.
func (t *jpegTables) complete(data []byte) ([]byte, error) {
	var quantisers, huffman []byte
	if len(data) < 4 || data[0] != jpegMarker || data[1] != jpegStart {
		return nil, errors.New("not a JPEG")
	}
	for at := 2; ; {
		if len(data) < at+4 || data[at] != jpegMarker {
			return nil, errShort
		}
		marker := data[at+1]
		if marker == jpegMarker { // fill
			at++
			continue
		}
		if marker == jpegTEM || marker >= jpegRestart && marker < jpegStart { // stand alone
			at += 2
			continue
		}
		if marker == jpegScan || marker == jpegEnd {
			break
		}
		end := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		if len(data) < end {
			return nil, errShort
		}
		switch marker {
		case jpegQuantisers:
			quantisers = append(quantisers, data[at:end]...)
		case jpegHuffman:
			huffman = append(huffman, data[at:end]...)
		}
		at = end
	}
	if len(quantisers)+len(huffman) > maxTables {
		return nil, fmt.Errorf("JPEG tables of more than %d bytes", maxTables)
	}
	missing := 0
	t.whole = append(t.whole[:0], data[:2]...)
	if quantisers == nil {
		t.whole = append(t.whole, t.quantisers...)
		missing++
	} else {
		t.quantisers = quantisers
	}
	if huffman == nil {
		t.whole = append(t.whole, t.huffman...)
		missing++
	} else {
		t.huffman = huffman
	}
	if missing == 0 {
		return data, nil
	}
	t.whole = append(t.whole, data[2:]...)
	return t.whole, nil
}

// drawJFIF draws an image that stands alone. Its size is looked at before it is
// decoded: a few bytes can announce gigabytes.
func drawJFIF(p *Picture, area image.Rectangle, coded []byte) error {
	config, err := jpeg.DecodeConfig(bytes.NewReader(coded))
	if err != nil {
		return fmt.Errorf("decoding JPEG: %w", err)
	}
	if config.Width != area.Dx() || config.Height != area.Dy() {
		return fmt.Errorf("image of %dx%d", config.Width, config.Height)
	}
	decoded, err := jpeg.Decode(bytes.NewReader(coded))
	if err != nil {
		return fmt.Errorf("decoding JPEG: %w", err)
	}
	if ycc, ok := decoded.(*image.YCbCr); ok {
		drawYCbCr(p, area, ycc)
		return nil
	}
	draw.Draw(p.Image(), area, decoded, decoded.Bounds().Min, draw.Src)
	return nil
}

func drawYCbCr(p *Picture, area image.Rectangle, from *image.YCbCr) {
	for y := range area.Dy() {
		row := p.Row(area.Min.Y+y, area.Min.X, area.Max.X)
		for x := 0; len(row) > 0; x++ {
			luma, chroma := from.YOffset(x, y), from.COffset(x, y)
			row[2], row[1], row[0] = color.YCbCrToRGB(from.Y[luma], from.Cb[chroma], from.Cr[chroma])
			row[3] = 0
			row = row[BytesPerPixel:]
		}
	}
}

func drawPNG(p *Picture, area image.Rectangle, coded []byte) error {
	config, err := png.DecodeConfig(bytes.NewReader(coded))
	if err != nil {
		return fmt.Errorf("decoding PNG: %w", err)
	}
	if config.Width != area.Dx() || config.Height != area.Dy() {
		return fmt.Errorf("image of %dx%d", config.Width, config.Height)
	}
	decoded, err := png.Decode(bytes.NewReader(coded))
	if err != nil {
		return fmt.Errorf("decoding PNG: %w", err)
	}
	draw.Draw(p.Image(), area, decoded, decoded.Bounds().Min, draw.Src)
	return nil
}
