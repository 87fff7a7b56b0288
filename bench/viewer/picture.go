package viewer

import "github.com/streamspace/streamspace/rfb"

// Picture is a framebuffer built from Raw rectangles, to see whether something
// is on the screen.
type Picture struct {
	width, height int
	pixels        []uint32 // 0x00RRGGBB
	drawn         []bool
	buffer        []byte
}

// NewPicture returns a picture on which nothing is drawn.
func NewPicture(width, height int) *Picture {
	return &Picture{width: width, height: height, pixels: make([]uint32, width*height), drawn: make([]bool, width*height)}
}

// Update reads one rectangle from the viewer and draws it, clipped to the
// picture. The viewer must have offered no encoding of pixels but Raw.
func (p *Picture) Update(v *Viewer) (Rectangle, error) {
	rectangle, err := v.NextPixels(&p.buffer)
	if err != nil || rectangle.Encoding != rfb.EncodingRaw {
		return rectangle, err
	}
	for y := range rectangle.Height {
		for x := range rectangle.Width {
			column, row := rectangle.X+x, rectangle.Y+y
			if column >= p.width || row >= p.height {
				continue
			}
			pixel := rectangle.Pixels[(y*rectangle.Width+x)*bytesPerPixel:]
			at := row*p.width + column
			p.pixels[at] = uint32(pixel[2])<<16 | uint32(pixel[1])<<8 | uint32(pixel[0])
			p.drawn[at] = true
		}
	}
	return rectangle, nil
}

// Painted says that the picture shows more than one colour: at least share (0
// to 1) of the pixels differ from the most frequent one. A forgotten cursor is
// far below a thousandth of the screen, a window far above.
func (p *Picture) Painted(share float64) bool {
	counts := map[uint32]int{}
	drawn, most := 0, 0
	for i, pixel := range p.pixels {
		if !p.drawn[i] {
			continue
		}
		drawn++
		counts[pixel]++
		most = max(most, counts[pixel])
	}
	return float64(drawn-most) >= share*float64(len(p.pixels)) && drawn > most
}
