package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// Hextile's tile and the bits of its mask (section "Hextile Encoding").
const (
	hextileSize = 16

	hextileRaw        = 1
	hextileBackground = 2
	hextileForeground = 4
	hextileSubrects   = 8
	hextileColoured   = 16
)

// hextile is the data of a rectangle as far as it is not drawn, and the colours
// that tiles take over from earlier ones.
type hextile struct {
	data                   []byte
	background, foreground uint32
}

func drawHextile(p *Picture, area image.Rectangle, data []byte) error {
	h := hextile{data: data}
	for y := area.Min.Y; y < area.Max.Y; y += hextileSize {
		for x := area.Min.X; x < area.Max.X; x += hextileSize {
			if err := h.tile(p, image.Rect(x, y, min(x+hextileSize, area.Max.X), min(y+hextileSize, area.Max.Y))); err != nil {
				return fmt.Errorf("tile at %d,%d: %w", x, y, err)
			}
		}
	}
	if len(h.data) > 0 {
		return fmt.Errorf("%d bytes behind the last tile", len(h.data))
	}
	return nil
}

// take returns the next n bytes, nil when there are not so many.
func (h *hextile) take(n int) []byte {
	if len(h.data) < n {
		return nil
	}
	taken := h.data[:n:n]
	h.data = h.data[n:]
	return taken
}

func (h *hextile) colour(into *uint32) error {
	pixel := h.take(BytesPerPixel)
	if pixel == nil {
		return errShort
	}
	*into = binary.LittleEndian.Uint32(pixel)
	return nil
}

func (h *hextile) tile(p *Picture, tile image.Rectangle) error {
	head := h.take(1)
	if head == nil {
		return errShort
	}
	mask := head[0]
	if mask&hextileRaw != 0 {
		return drawPixels(p, tile, h.take(tile.Dx()*tile.Dy()*BytesPerPixel))
	}
	if mask >= 2*hextileColoured {
		return fmt.Errorf("mask %#02x", mask)
	}
	if mask&hextileBackground != 0 {
		if err := h.colour(&h.background); err != nil {
			return err
		}
	}
	if mask&hextileForeground != 0 {
		if err := h.colour(&h.foreground); err != nil {
			return err
		}
	}
	p.Fill(tile, h.background)
	if mask&hextileSubrects == 0 {
		return nil
	}
	return h.subrects(p, tile, mask&hextileColoured != 0)
}

func (h *hextile) subrects(p *Picture, tile image.Rectangle, coloured bool) error {
	count := h.take(1)
	if count == nil {
		return errShort
	}
	for range count[0] {
		colour := h.foreground
		if coloured {
			if err := h.colour(&colour); err != nil {
				return err
			}
		}
		place := h.take(2) // x and y, width and height less one, four bits each
		if place == nil {
			return errShort
		}
		x, y := int(place[0]>>4), int(place[0]&0xF)
		r := image.Rect(x, y, x+int(place[1]>>4)+1, y+int(place[1]&0xF)+1).Add(tile.Min)
		if !r.In(tile) {
			return errors.New("subrectangle outside")
		}
		p.Fill(r, colour)
	}
	return nil
}
