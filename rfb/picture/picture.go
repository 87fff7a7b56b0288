// Package picture holds a framebuffer and draws a desktop's rectangles into it:
// it is the decoding half that package rfb leaves out. It reads no stream and
// writes none; package tight encodes.
package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
)

// BytesPerPixel is the size of a pixel in a Picture.
const BytesPerPixel = 4

// pixelMask has the bytes of a pixel that mean something, read little-endian.
const pixelMask = 0x00FFFFFF

// Picture is a framebuffer: rows top to bottom without gaps, four bytes a pixel:
// blue, green, red and one that means nothing (rfb.RGB888 in memory). One user at
// a time may change it.
type Picture struct {
	Width, Height int
	Pix           []byte // of the pixel at x, y: Pix[(y*Width+x)*4:]
}

// New returns a black picture.
func New(width, height int) *Picture {
	return &Picture{Width: width, Height: height, Pix: make([]byte, width*height*BytesPerPixel)}
}

// Bounds is the whole picture, from 0, 0.
func (p *Picture) Bounds() image.Rectangle { return image.Rect(0, 0, p.Width, p.Height) }

// Row is the pixels of a row from x0 to before x1.
func (p *Picture) Row(y, x0, x1 int) []byte {
	row := p.Pix[y*p.Width*BytesPerPixel:][:p.Width*BytesPerPixel]
	return row[x0*BytesPerPixel : x1*BytesPerPixel]
}

// Equal says whether both show the same in r, which is clipped to both; they are
// different where only one of them has pixels.
func (p *Picture) Equal(o *Picture, r image.Rectangle) bool {
	if !r.Intersect(p.Bounds()).Eq(r.Intersect(o.Bounds())) {
		return false
	}
	r = r.Intersect(p.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		if !equalPixels(p.Row(y, r.Min.X, r.Max.X), o.Row(y, r.Min.X, r.Max.X)) {
			return false
		}
	}
	return true
}

func equalPixels(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	for len(a) >= BytesPerPixel && len(b) >= BytesPerPixel {
		if (binary.LittleEndian.Uint32(a)^binary.LittleEndian.Uint32(b))&pixelMask != 0 {
			return false
		}
		a, b = a[BytesPerPixel:], b[BytesPerPixel:]
	}
	return true
}

// Clone returns a copy.
func (p *Picture) Clone() *Picture {
	return &Picture{Width: p.Width, Height: p.Height, Pix: bytes.Clone(p.Pix)}
}

// Copy takes from another picture what that shows in r, clipped to both.
func (p *Picture) Copy(from *Picture, r image.Rectangle) {
	r = r.Intersect(p.Bounds()).Intersect(from.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		copy(p.Row(y, r.Min.X, r.Max.X), from.Row(y, r.Min.X, r.Max.X))
	}
}

// Resize gives the picture another size. What fits stays where it is, and the
// rest is black.
func (p *Picture) Resize(width, height int) {
	if width == p.Width && height == p.Height {
		return
	}
	old := *p
	*p = *New(width, height)
	p.Copy(&old, old.Bounds())
}

// Fill gives every pixel of r, clipped, one colour: red, green and blue from the
// third byte down.
func (p *Picture) Fill(r image.Rectangle, rgb uint32) {
	r = r.Intersect(p.Bounds())
	if r.Empty() {
		return
	}
	first := p.Row(r.Min.Y, r.Min.X, r.Max.X)
	binary.LittleEndian.PutUint32(first, rgb&pixelMask)
	for done := BytesPerPixel; done < len(first); done *= 2 {
		copy(first[done:], first[:done])
	}
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(p.Row(y, r.Min.X, r.Max.X), first)
	}
}

// Move copies what is at from, and as large as r, to r. Both must lie within the
// picture; they may overlap.
func (p *Picture) Move(r image.Rectangle, from image.Point) {
	if from.Y >= r.Min.Y {
		for y := range r.Dy() {
			copy(p.Row(r.Min.Y+y, r.Min.X, r.Max.X), p.Row(from.Y+y, from.X, from.X+r.Dx()))
		}
		return
	}
	for y := r.Dy() - 1; y >= 0; y-- { // downwards: the last row first
		copy(p.Row(r.Min.Y+y, r.Min.X, r.Max.X), p.Row(from.Y+y, from.X, from.X+r.Dx()))
	}
}

// Image shows the picture to image libraries, which may draw into it too.
func (p *Picture) Image() draw.RGBA64Image { return view{p} }

// view is opaque: the fourth byte is no alpha.
type view struct{ p *Picture }

func (v view) ColorModel() color.Model { return color.RGBAModel }
func (v view) Bounds() image.Rectangle { return v.p.Bounds() }
func (v view) Opaque() bool            { return true }

func (v view) At(x, y int) color.Color {
	if !(image.Point{X: x, Y: y}.In(v.p.Bounds())) {
		return color.RGBA{}
	}
	pixel := v.p.Row(y, x, x+1)
	return color.RGBA{R: pixel[2], G: pixel[1], B: pixel[0], A: 0xFF}
}

func (v view) RGBA64At(x, y int) color.RGBA64 {
	if !(image.Point{X: x, Y: y}.In(v.p.Bounds())) {
		return color.RGBA64{}
	}
	pixel := v.p.Row(y, x, x+1)
	return color.RGBA64{R: uint16(pixel[2]) * 0x101, G: uint16(pixel[1]) * 0x101, B: uint16(pixel[0]) * 0x101, A: 0xFFFF}
}

func (v view) Set(x, y int, c color.Color) {
	r, g, b, a := c.RGBA()
	v.SetRGBA64(x, y, color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)})
}

func (v view) SetRGBA64(x, y int, c color.RGBA64) {
	if !(image.Point{X: x, Y: y}.In(v.p.Bounds())) {
		return
	}
	pixel := v.p.Row(y, x, x+1)
	pixel[0], pixel[1], pixel[2] = byte(c.B>>8), byte(c.G>>8), byte(c.R>>8)
}
