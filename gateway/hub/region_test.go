package hub

import (
	"image"
	"math/rand/v2"
	"testing"
)

// A region is compared with a bitmap that is painted alike.
func TestRegionIsTheAreaThatWasAdded(t *testing.T) {
	t.Parallel()
	const side = 40
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var g region
		var want [side][side]bool
		for range random.IntN(12) {
			x, y := random.IntN(side), random.IntN(side)
			r := image.Rect(x, y, x+1+random.IntN(side-x), y+1+random.IntN(side-y))
			add := random.IntN(3) > 0
			if add {
				g.add(r)
			} else {
				g.subtract(r)
			}
			for py := r.Min.Y; py < r.Max.Y; py++ {
				for px := r.Min.X; px < r.Max.X; px++ {
					want[py][px] = add
				}
			}
		}
		var got [side][side]int
		for i, r := range g {
			for _, o := range g[i+1:] {
				if r.Overlaps(o) {
					t.Fatalf("%v and %v overlap", r, o)
				}
			}
			for py := r.Min.Y; py < r.Max.Y; py++ {
				for px := r.Min.X; px < r.Max.X; px++ {
					got[py][px]++
				}
			}
		}
		for y := range side {
			for x := range side {
				if (got[y][x] == 1) != want[y][x] {
					t.Fatalf("at %d,%d: %d, want %v in %v", x, y, got[y][x], want[y][x], g)
				}
			}
		}
	}
}

func TestRegionStaysSmall(t *testing.T) {
	t.Parallel()
	var g region
	for i := range 1000 {
		x, y := i*37%1000, i*91%1000
		g.add(image.Rect(x, y, x+5, y+5))
		if len(g) > 2*maxRegion {
			t.Fatalf("%d rectangles", len(g))
		}
	}
}

func TestTakeTakesItAll(t *testing.T) {
	t.Parallel()
	var g region
	g.add(image.Rect(0, 0, 100, 100))
	g.add(image.Rect(200, 0, 250, 10))
	area := 0
	for len(g) > 0 {
		for _, r := range g.take(900) {
			area += r.Dx() * r.Dy()
		}
	}
	if area != 100*100+50*10 {
		t.Errorf("%d pixels were taken", area)
	}
}
