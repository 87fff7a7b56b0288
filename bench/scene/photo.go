package scene

import (
	"math/rand/v2"

	"github.com/streamspace/streamspace/rfb/picture"
)

// photoSide is a photograph's side in pixels, a power of two: it repeats
// without a seam.
const photoSide = 1024

// photograph makes a picture with what photographs have: large soft areas,
// detail at every scale, hard edges and sensor noise. It is made of noise that
// is interpolated between the points of ever finer grids.
func photograph(seed uint64) *picture.Picture {
	random := rand.New(rand.NewPCG(seed, 0x70686f746f))
	height := landscape(random)
	warmth := landscape(random)
	p := picture.New(photoSide, photoSide)
	for i, h := range height {
		w := warmth[i]
		// A horizon where the landscape's height crosses a level: an edge.
		if h > 140 {
			h = 255 - h/3
		}
		noise := random.Int32N(5)
		p.Pix[4*i] = clamp(h + w/3 + noise - 60)
		p.Pix[4*i+1] = clamp(h*9/10 + noise)
		p.Pix[4*i+2] = clamp(h - w/2 + 70 + noise)
	}
	return p
}

// landscape sums noise on grids of 256 down to 4 pixels; each has half of the
// one before.
func landscape(random *rand.Rand) []int32 {
	sum := make([]int32, photoSide*photoSide)
	for grid, strength := 256, int32(128); grid >= 4; grid, strength = grid/2, strength/2 {
		side := photoSide / grid
		points := make([]int32, side*side)
		for i := range points {
			points[i] = random.Int32N(2*strength + 1)
		}
		for y := range photoSide {
			top, bottom := y/grid*side, (y/grid+1)%side*side
			down := int32(y % grid)
			for x := range photoSide {
				left, right := x/grid, (x/grid+1)%side
				over := int32(x % grid)
				g := int32(grid)
				above := points[top+left]*(g-over) + points[top+right]*over
				below := points[bottom+left]*(g-over) + points[bottom+right]*over
				sum[y*photoSide+x] += (above*(g-down) + below*down) / (g * g) / 2
			}
		}
	}
	return sum
}

func clamp(value int32) byte { return byte(min(max(value, 0), 255)) }
