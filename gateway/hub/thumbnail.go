package hub

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"

	"golang.org/x/image/draw"

	"github.com/streamspace/streamspace/rfb/picture"
)

// Thumbnail is a small picture of the desktop.
type Thumbnail struct {
	JPEG          []byte
	Width, Height int
	Frame         uint64 // the hub's number of the frame; the same one means the same picture
}

// thumbnailQuality keeps a thumbnail of 320 by 200 at some 10 KiB.
const thumbnailQuality = 75

// Frame is the number of the latest frame.
func (h *Hub) Frame() (number uint64) {
	h.do(func() { number = h.frame.number })
	return number
}

// Thumbnail returns the desktop as it is, as large as fits into a box of width by
// height pixels. The viewers wait for no more than a copy of the picture.
func (h *Hub) Thumbnail(ctx context.Context, width, height int) (Thumbnail, error) {
	select {
	case <-h.ready:
	case <-h.done:
		return Thumbnail{}, fmt.Errorf("thumbnail of a desktop that ended: %w", h.cause)
	case <-ctx.Done():
		return Thumbnail{}, fmt.Errorf("waiting for a desktop's picture: %w", context.Cause(ctx))
	}
	var copied *picture.Picture
	var number uint64
	if !h.do(func() { copied, number = h.picture.Clone(), h.frame.number }) {
		return Thumbnail{}, fmt.Errorf("thumbnail of a desktop that ended: %w", h.cause)
	}
	from := rgba(copied)
	size := fit(from.Rect.Size(), image.Pt(width, height))
	small := image.NewRGBA(image.Rectangle{Max: size})
	draw.BiLinear.Scale(small, small.Rect, from, from.Rect, draw.Src, nil)
	var encoded bytes.Buffer
	if err := jpeg.Encode(&encoded, small, &jpeg.Options{Quality: thumbnailQuality}); err != nil {
		return Thumbnail{}, fmt.Errorf("encoding a thumbnail of %dx%d: %w", size.X, size.Y, err)
	}
	return Thumbnail{JPEG: encoded.Bytes(), Width: size.X, Height: size.Y, Frame: number}, nil
}

// rgba turns a picture into what x/image scales fast. It takes its memory.
func rgba(p *picture.Picture) *image.RGBA {
	for i := 0; i+4 <= len(p.Pix); i += 4 {
		p.Pix[i], p.Pix[i+2], p.Pix[i+3] = p.Pix[i+2], p.Pix[i], 0xFF
	}
	return &image.RGBA{Pix: p.Pix, Stride: 4 * p.Width, Rect: p.Bounds()}
}

// fit is the largest size of the same shape that lies in box, and no larger than
// it is.
func fit(size, box image.Point) image.Point {
	if size.X <= box.X && size.Y <= box.Y {
		return size
	}
	if size.X*box.Y > size.Y*box.X {
		return image.Pt(box.X, max(size.Y*box.X/size.X, 1))
	}
	return image.Pt(max(size.X*box.Y/size.Y, 1), box.Y)
}
