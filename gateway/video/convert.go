package video

import (
	"encoding/binary"
	"image"

	"github.com/streamspace/streamspace/rfb/picture"
)

// Colours are BT.601 in limited range for every codec: what VP8 means by
// definition, what browsers assume where nothing is said, and what libyuv has its
// fastest code for. VP9 and AV1 say so in the bitstream.

// converter turns pixels into planes.
type converter interface {
	// convert does the rectangle, which lies within both and begins at even
	// coordinates.
	convert(to *planes, from *picture.Picture, r image.Rectangle)
	name() string
	close()
}

// newConverter returns the best one that this machine has.
func newConverter() converter {
	if c, err := openYUV(); err == nil {
		return c
	}
	return plain{}
}

// plain is in Go, two pixels of two rows at a time. Red and blue are multiplied in
// one go, 16 bits apart; no sum reaches its neighbour.
type plain struct{}

// The weights of BT.601 in limited range, times 256.
const (
	redY, greenY, blueY = 66, 129, 25
	redU, greenU, blueU = -38, -74, 112
	redV, greenV, blueV = 112, -94, -18

	redBlue   = 0x00FF00FF
	redBlueY  = redY | blueY<<16
	roundingY = 16<<8 + 128
	roundingC = 128<<8 + 128
)

// luma is a pixel's brightness.
func luma(pixel uint32) byte {
	rb := uint64(pixel&redBlue) * redBlueY >> 16 & 0xFFFF
	return byte((uint32(rb) + pixel>>8&0xFF*greenY + roundingY) >> 8)
}

// chroma is the colour of four pixels' sums of red, green and blue, or of one
// pixel's, times 4.
func chroma(red, green, blue int32) (u, v byte) {
	u = byte((redU*red + greenU*green + blueU*blue + 4*roundingC) >> 10)
	v = byte((redV*red + greenV*green + blueV*blue + 4*roundingC) >> 10)
	return u, v
}

func (plain) convert(to *planes, from *picture.Picture, r image.Rectangle) {
	if to.full {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			at := y*to.strideY + r.Min.X
			convertRow444(to.y[at:][:r.Dx()], to.u[at:][:r.Dx()], to.v[at:][:r.Dx()], from.Row(y, r.Min.X, r.Max.X))
		}
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y += 2 {
		below := min(y+1, r.Max.Y-1) // the last row of an odd height stands for its missing neighbour
		c := y/2*to.strideC + r.Min.X/2
		width := (r.Dx() + 1) / 2
		convertRows420(to.y[y*to.strideY+r.Min.X:][:r.Dx()], to.y[below*to.strideY+r.Min.X:][:r.Dx()],
			to.u[c:][:width], to.v[c:][:width], from.Row(y, r.Min.X, r.Max.X), from.Row(below, r.Min.X, r.Max.X))
	}
}

func convertRow444(y, u, v, pixels []byte) {
	for i := range y {
		pixel := binary.LittleEndian.Uint32(pixels[i*4:])
		y[i] = luma(pixel)
		u[i], v[i] = chroma(int32(pixel>>16&0xFF)*4, int32(pixel>>8&0xFF)*4, int32(pixel&0xFF)*4)
	}
}

func convertRows420(y0, y1, u, v, top, bottom []byte) {
	for len(y0) >= 2 && len(y1) >= 2 && len(top) >= 8 && len(bottom) >= 8 && len(u) > 0 && len(v) > 0 {
		a, b := binary.LittleEndian.Uint64(top), binary.LittleEndian.Uint64(bottom)
		y0[0], y0[1] = luma(uint32(a)), luma(uint32(a>>32))
		y1[0], y1[1] = luma(uint32(b)), luma(uint32(b>>32))
		// Four reds and four blues in 16 bits each, four greens likewise.
		const pairs = 0x00FF00FF00FF00FF
		rb := a&pairs + b&pairs
		rb += rb >> 32
		g := a>>8&pairs + b>>8&pairs
		g += g >> 32
		u[0], v[0] = chroma(int32(rb>>16&0xFFFF), int32(g&0xFFFF), int32(rb&0xFFFF))
		y0, y1, u, v, top, bottom = y0[2:], y1[2:], u[1:], v[1:], top[8:], bottom[8:]
	}
	if len(y0) == 1 { // an odd width
		a, b := binary.LittleEndian.Uint32(top), binary.LittleEndian.Uint32(bottom)
		y0[0], y1[0] = luma(a), luma(b)
		sum := func(shift int) int32 { return 2 * int32(a>>shift&0xFF+b>>shift&0xFF) }
		u[0], v[0] = chroma(sum(16), sum(8), sum(0))
	}
}

func (plain) name() string { return "Go" }
func (plain) close()       {}
