package tight

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/klauspost/compress/flate"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// minCompressed is the shortest data that is compressed (section "Tight
	// Encoding").
	minCompressed = 12

	filterFollows  = 0x4
	filterPalette  = 1
	filterGradient = 2

	// A zlib stream for each kind of data, as TigerVNC's server has them.
	streamFull    = 0
	streamMono    = 1
	streamIndexed = 2
)

// zlibHeader says deflate, 32 KiB, no dictionary.
var zlibHeader = [2]byte{0x78, 0x01}

// packed takes what the deflater writes.
type packed []byte

func (p *packed) Write(b []byte) (int, error) {
	*p = append(*p, b...)
	return len(b), nil
}

// appendFull appends an area in full colours.
func (e *Encoder) appendFull(r image.Rectangle) {
	e.header(r)
	e.plain = e.plain[:0]
	if e.quality&gradient != 0 && sample(e.picture, r).photo() {
		e.dst = append(e.dst, (streamFull|filterFollows)<<4|1<<streamFull, filterGradient)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			e.plain = appendGradient(e.plain, e.picture, r, y)
		}
		e.appendData(e.huffman)
		return
	}
	e.dst = append(e.dst, streamFull<<4|1<<streamFull)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		e.plain = appendTPixels(e.plain, e.picture.Row(y, r.Min.X, r.Max.X))
	}
	e.appendData(e.deflate)
}

// appendGradient appends a row as differences from what the neighbours to the
// left, above, and above left let expect. Outside r all is black.
func appendGradient(dst []byte, p *picture.Picture, r image.Rectangle, y int) []byte {
	row := p.Row(y, r.Min.X, r.Max.X)
	n := len(dst)
	dst = append(dst, row[:len(row)/picture.BytesPerPixel*3]...) // for the room
	out := dst[n:]
	var left, corner [3]int
	above := row[:0]
	if y > r.Min.Y {
		above = p.Row(y-1, r.Min.X, r.Max.X)
	}
	for len(row) >= picture.BytesPerPixel && len(out) >= 3 {
		var up [3]int
		if len(above) >= picture.BytesPerPixel {
			up = [3]int{int(above[2]), int(above[1]), int(above[0])}
			above = above[picture.BytesPerPixel:]
		}
		own := [3]int{int(row[2]), int(row[1]), int(row[0])}
		out[0] = byte(own[0] - min(max(left[0]+up[0]-corner[0], 0), 255))
		out[1] = byte(own[1] - min(max(left[1]+up[1]-corner[1], 0), 255))
		out[2] = byte(own[2] - min(max(left[2]+up[2]-corner[2], 0), 255))
		left, corner = own, up
		out, row = out[3:], row[picture.BytesPerPixel:]
	}
	return dst
}

// appendTPixels appends pixels as red, green and blue.
func appendTPixels(dst, row []byte) []byte {
	n := len(dst)
	dst = append(dst, row[:len(row)/picture.BytesPerPixel*3]...) // for the room
	for out := dst[n:]; len(row) >= picture.BytesPerPixel && len(out) >= 3; {
		out[0], out[1], out[2] = row[2], row[1], row[0]
		out, row = out[3:], row[picture.BytesPerPixel:]
	}
	return dst
}

// appendPalette appends an area whose colours are all in the encoder's palette.
func (e *Encoder) appendPalette(r image.Rectangle) {
	e.header(r)
	stream := byte(streamIndexed)
	if e.colors.n == 2 {
		stream = streamMono
	}
	e.dst = append(e.dst, (stream|filterFollows)<<4|1<<stream, filterPalette, byte(e.colors.n-1))
	for _, colour := range e.colors.colours[:e.colors.n] {
		e.dst = append(e.dst, byte(colour>>16), byte(colour>>8), byte(colour))
	}
	e.plain = e.plain[:0]
	var above []byte
	length := 0 // of a row's data
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := e.picture.Row(y, r.Min.X, r.Max.X)
		before := len(e.plain)
		switch {
		case bytes.Equal(row, above):
			e.plain = append(e.plain, e.plain[before-length:]...)
		case stream == streamMono:
			e.plain = appendBits(e.plain, row, e.colors.colours[0])
		default:
			e.plain = e.colors.appendIndexes(e.plain, row)
		}
		above, length = row, len(e.plain)-before
	}
	e.appendData(e.deflate)
}

// appendBits appends a bit a pixel, the first highest: zero is the given colour.
func appendBits(dst, row []byte, zero uint32) []byte {
	const pixels = 8
	for ; len(row) >= pixels*picture.BytesPerPixel; row = row[pixels*picture.BytesPerPixel:] {
		var b byte
		for x := 0; x < pixels*picture.BytesPerPixel; x += picture.BytesPerPixel {
			b <<= 1
			if binary.LittleEndian.Uint32(row[x:])&pixelMask != zero {
				b |= 1
			}
		}
		dst = append(dst, b)
	}
	if len(row) == 0 {
		return dst
	}
	var b byte
	for x := 0; x < len(row); x += picture.BytesPerPixel {
		if binary.LittleEndian.Uint32(row[x:])&pixelMask != zero {
			b |= 0x80 >> (x / picture.BytesPerPixel)
		}
	}
	return append(dst, b)
}

// appendIndexes appends the number of each pixel's colour.
func (c *palette) appendIndexes(dst, row []byte) []byte {
	n := len(dst)
	dst = append(dst, row[:len(row)/picture.BytesPerPixel]...) // for the room
	out := dst[n:]
	pixels := words(row)
	for x := 0; x < len(pixels); {
		colour := pixels[x] & pixelMask
		index := c.index(colour)
		out[x] = index
		if x++; x < len(pixels) && pixels[x]&pixelMask == colour {
			end := endOfRun(pixels, x, colour)
			for i := range out[x:end] {
				out[x+i] = index
			}
			x = end
		}
	}
	return dst
}

// appendData appends the plain data, compressed by a stream that begins here.
func (e *Encoder) appendData(deflater *flate.Writer) {
	if len(e.plain) < minCompressed {
		e.dst = append(e.dst, e.plain...)
		return
	}
	e.packed = append(e.packed[:0], zlibHeader[:]...)
	deflater.Reset(&e.packed)
	deflater.Write(e.plain) // to memory: no error
	deflater.Flush()
	e.dst = rfb.AppendTightLength(e.dst, len(e.packed))
	e.dst = append(e.dst, e.packed...)
}
