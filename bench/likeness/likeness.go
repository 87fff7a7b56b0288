// Package likeness says how close a picture is to the true one, as a person
// would: structural similarity for everything, and for text how much of its
// edges is left.
package likeness

import (
	"image"
	"math"

	"github.com/streamspace/streamspace/rfb/picture"
)

// luma is the brightness of a region, 0 to 255, row by row.
type luma struct {
	width, height int
	at            []float32
}

// brightness is ITU-R BT.601's luma.
func brightness(p *picture.Picture, r image.Rectangle) luma {
	r = r.Intersect(p.Bounds())
	l := luma{width: r.Dx(), height: r.Dy(), at: make([]float32, r.Dx()*r.Dy())}
	for y := range l.height {
		row := p.Row(r.Min.Y+y, r.Min.X, r.Max.X)
		for x := range l.width {
			pixel := row[4*x:]
			l.at[y*l.width+x] = 0.114*float32(pixel[0]) + 0.587*float32(pixel[1]) + 0.299*float32(pixel[2])
		}
	}
	return l
}

const (
	// window is SSIM's, moved by half of itself.
	window = 8
	stride = window / 2
)

// SSIM is the mean structural similarity of a region's brightness (Wang, Bovik,
// Sheikh, Simoncelli 2004; windows of 8 × 8 pixels, moved by 4): 1 is the same,
// and below 0.95 many see a difference. The pictures must be of one size. A
// region too small for a window is NaN.
func SSIM(truth, shown *picture.Picture, region image.Rectangle) float64 {
	a, b := brightness(truth, region), brightness(shown, region)
	if a.width != b.width || a.height != b.height {
		return math.NaN()
	}
	var sum float64
	windows := 0
	for y := 0; y+window <= a.height; y += stride {
		for x := 0; x+window <= a.width; x += stride {
			sum += ssimAt(a, b, x, y)
			windows++
		}
	}
	return sum / float64(windows)
}

func ssimAt(a, b luma, x, y int) float64 {
	// Stabilisers of the paper for 255 levels: (0.01 × 255)² and (0.03 × 255)².
	const c1, c2 = 6.5025, 58.5225
	const n = window * window
	var sumA, sumB, sumAA, sumBB, sumAB float32
	for row := y; row < y+window; row++ {
		left := a.at[row*a.width+x : row*a.width+x+window]
		right := b.at[row*a.width+x : row*a.width+x+window]
		for i, va := range left {
			vb := right[i]
			sumA += va
			sumB += vb
			sumAA += va * va
			sumBB += vb * vb
			sumAB += va * vb
		}
	}
	meanA, meanB := float64(sumA)/n, float64(sumB)/n
	varA, varB := float64(sumAA)/n-meanA*meanA, float64(sumBB)/n-meanB*meanB
	both := float64(sumAB)/n - meanA*meanB
	return (2*meanA*meanB + c1) * (2*both + c2) / ((meanA*meanA + meanB*meanB + c1) * (varA + varB + c2))
}

const (
	// edge is the steepness from which the true picture has an edge: a sixth of
	// the way from black to white, as the grey borders of letters have it.
	edge = 42
	// steady keeps the similarity of gradients steady where both are flat; the
	// value is that of gradient magnitude similarity (Xue and others 2014).
	steady = 170
)

// Legibility is how much of a text's edges is left, 0 to 1: the similarity of
// the gradients' magnitudes (as in GMSD) where the true picture has an edge.
// What makes letters hard to read, blur, ringing and wrong contrast, changes
// those gradients; a wrong tint of the paper does not. A region without edges
// is NaN.
func Legibility(truth, shown *picture.Picture, region image.Rectangle) float64 {
	a, b := brightness(truth, region), brightness(shown, region)
	if a.width != b.width || a.height != b.height {
		return math.NaN()
	}
	var sum float64
	edges := 0
	for y := 1; y < a.height-1; y++ {
		for x := 1; x < a.width-1; x++ {
			true2 := a.steepness2(x, y)
			if true2 < edge*edge {
				continue
			}
			shown2 := b.steepness2(x, y)
			sum += (2*math.Sqrt(true2*shown2) + steady) / (true2 + shown2 + steady)
			edges++
		}
	}
	return sum / float64(edges)
}

// steepness2 is the square of the gradient's magnitude (Prewitt).
func (l luma) steepness2(x, y int) float64 {
	above, at, below := l.at[(y-1)*l.width+x-1:], l.at[y*l.width+x-1:], l.at[(y+1)*l.width+x-1:]
	over := (above[2] + at[2] + below[2] - above[0] - at[0] - below[0]) / 3
	down := (below[0] + below[1] + below[2] - above[0] - above[1] - above[2]) / 3
	return float64(over*over + down*down)
}
