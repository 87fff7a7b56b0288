package video

import "image"

// planes is a picture as codecs take it: brightness, and the two differences of
// colour at full or half resolution, in memory of Go's.
type planes struct {
	width, height    int // of the picture, without padding
	full             bool
	y, u, v          []byte
	strideY, strideC int
	all              []byte // the three in one piece
}

// strideAlign suits the vectors of codecs and of libyuv.
const strideAlign = 64

// newPlanes is black. Memory reaches to whole blocks, so that a codec may read
// past odd sides.
func newPlanes(size image.Point, full bool) *planes {
	p := &planes{width: size.X, height: size.Y, full: full}
	rows := roundUp(size.Y, blockSide)
	p.strideY = roundUp(size.X, strideAlign)
	rowsC := rows / 2
	p.strideC = roundUp(p.strideY/2, strideAlign)
	if full {
		p.strideC, rowsC = p.strideY, rows
	}
	p.all = make([]byte, p.strideY*rows+2*p.strideC*rowsC)
	p.y = p.all[: p.strideY*rows : p.strideY*rows]
	p.u = p.all[len(p.y):][: p.strideC*rowsC : p.strideC*rowsC]
	p.v = p.all[len(p.y)+len(p.u):]
	for i := range p.y {
		p.y[i] = blackY
	}
	for i := range p.u {
		p.u[i], p.v[i] = neutral, neutral
	}
	return p
}

// The black of limited range.
const (
	blackY  = 16
	neutral = 128
)

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// shift is log2 of how many pixels share their colour in each direction.
func (p *planes) shift() int {
	if p.full {
		return 0
	}
	return 1
}
