package tight_test

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
	"github.com/streamspace/streamspace/rfb/tight"
)

var qualities = []tight.Quality{tight.Lossless, tight.High, tight.Medium, tight.Low, tight.JPEG(75, rfb.Subsampling2X), tight.Lossless.WithGradient()}

// rectsOf takes what an encoder appended apart, as a viewer does.
func rectsOf(t testing.TB, p *picture.Picture, data []byte, count int) []rfb.ServerRect {
	t.Helper()
	if count == 0 {
		if len(data) > 0 {
			t.Fatalf("%d bytes of no rectangle", len(data))
		}
		return nil
	}
	update := append(rfb.AppendFramebufferUpdate(nil, uint16(count)), data...)
	init := rfb.ServerInit{Width: uint16(p.Width), Height: uint16(p.Height), Format: rfb.RGB888()}
	m, err := rfb.NewServerReader(bytes.NewReader(update), init, 1<<30).Read()
	if err != nil {
		t.Fatalf("%d rectangles of %d bytes: %v", count, len(update), err)
	}
	if len(m.Raw) != len(update) {
		t.Fatalf("%d rectangles are %d bytes of %d", count, len(m.Raw), len(update))
	}
	return m.Rects
}

// check encodes a region and draws what came of it, each rectangle by a decoder
// of its own and in random order, on a picture of nothing: the region must be
// there, exactly but where it may be lossy, and nothing else.
func check(t testing.TB, e *tight.Encoder, p *picture.Picture, region []image.Rectangle, q tight.Quality, random *rand.Rand) {
	t.Helper()
	prefix := []byte("before")
	out, count, lossy := e.AppendRegion(prefix, p, region, q)
	if !bytes.HasPrefix(out, prefix) {
		t.Fatal("does not append")
	}
	rects := rectsOf(t, p, out[len(prefix):], count)
	drawn := picture.New(p.Width, p.Height)
	random.Shuffle(len(rects), func(i, j int) { rects[i], rects[j] = rects[j], rects[i] })
	covered := make([]bool, p.Width*p.Height)
	for _, r := range rects {
		if r.Encoding != rfb.EncodingTight || r.Width > 2048 {
			t.Errorf("rectangle %+v", r.Rect)
		}
		if err := picture.NewDecoder().Decode(drawn, r); err != nil {
			t.Fatal(err)
		}
		cover(covered, p.Width, image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.Width), int(r.Y)+int(r.Height)))
	}
	wanted := make([]bool, p.Width*p.Height)
	want := picture.New(p.Width, p.Height)
	for _, r := range region {
		cover(wanted, p.Width, r.Intersect(p.Bounds()))
		want.Copy(p, r)
	}
	if !slices.Equal(covered, wanted) {
		t.Errorf("%v: rectangles do not cover the region", q)
	}
	for _, r := range lossy {
		if q.String() == "lossless" {
			t.Errorf("lossless loses in %v", r)
		}
		if _, root := difference(want, drawn, r); root > 80 { // coloured noise at low quality
			t.Errorf("%v: JPEG at %v is %.0f off", q, r, root)
		}
		drawn.Copy(want, r)
	}
	if !drawn.Equal(want, want.Bounds()) {
		t.Errorf("%v: differs where it should not", q)
	}
}

func cover(covered []bool, width int, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			covered[y*width+x] = true
		}
	}
}

func TestRegionsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	screens := map[string]*picture.Picture{
		"terminal": picturetest.Scrolled(picturetest.Terminal(t), 100, 300),
		"page":     picturetest.Scrolled(picturetest.Page(t), 0, 500),
		"photo":    picturetest.Photo(320, 240, 1),
		"wide":     picturetest.Random(rand.New(rand.NewPCG(1, 2)), 5000, 70),
		"one":      picturetest.Photo(1, 1, 1),
	}
	for name, p := range screens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(3, 4))
			e := tight.NewEncoder()
			defer e.Close()
			for _, q := range qualities {
				check(t, e, p, []image.Rectangle{p.Bounds()}, q, random)
				check(t, e, p, []image.Rectangle{image.Rect(3, 5, 11, 22), image.Rect(100, 9, 104, 10), image.Rect(-5, 30, 400, 99)}, q, random)
				check(t, e, p, []image.Rectangle{{}, image.Rect(9000, 0, 9001, 9)}, q, random)
			}
		})
	}
}

// TestRecordedDesktops encodes each update of each recording.
func TestRecordedDesktops(t *testing.T) {
	t.Parallel()
	for _, recording := range picturetest.Recordings(t, "../testdata") {
		t.Run(recording.Name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(3, 4))
			e := tight.NewEncoder()
			defer e.Close()
			n := 0
			recording.Replay(t, func(p *picture.Picture, rects []rfb.ServerRect) {
				if n++; n%20 != 1 {
					return // each takes a while with the race detector
				}
				var region []image.Rectangle
				for _, r := range rects {
					if r.Encoding.Pixels() {
						region = append(region, image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.Width), int(r.Y)+int(r.Height)))
					}
				}
				check(t, e, p, region, qualities[n/20%len(qualities)], random)
			})
		})
	}
}

// TestTheSameBytes: what an encoder has done before makes no difference, so bytes
// can be cached and shared.
func TestTheSameBytes(t *testing.T) {
	t.Parallel()
	p := picturetest.Scrolled(picturetest.Page(t), 0, 720)
	used := tight.NewEncoder()
	defer used.Close()
	for _, q := range qualities {
		used.AppendRegion(nil, picturetest.Photo(300, 200, 1), []image.Rectangle{image.Rect(0, 0, 300, 200)}, q)
		got, _, _ := used.AppendRegion(nil, p, []image.Rectangle{p.Bounds()}, q)
		fresh := tight.NewEncoder()
		want, _, _ := fresh.AppendRegion(nil, p, []image.Rectangle{p.Bounds()}, q)
		fresh.Close()
		if !bytes.Equal(got, want) {
			t.Errorf("%v: other bytes than of a fresh encoder", q)
		}
	}
}

// TestSmallDamageStaysSmall: a typed character, with the cursor behind it, must
// not cost a tile.
func TestSmallDamageStaysSmall(t *testing.T) {
	t.Parallel()
	e := tight.NewEncoder()
	defer e.Close()
	for name, c := range map[string]struct {
		p *picture.Picture
		r image.Rectangle
	}{
		"terminal": {picturetest.Terminal(t), image.Rect(9*10, 17*8, 9*12, 17*9)},
		"page":     {picturetest.Page(t), image.Rect(60, 150, 76, 172)},
	} {
		for _, q := range qualities {
			out, count, lossy := e.AppendRegion(nil, c.p, []image.Rectangle{c.r}, q)
			if len(out) > 400 || count != 1 || len(lossy) > 0 {
				t.Errorf("%s, %v: %d rectangles of %d bytes, lossy %v", name, q, count, len(out), lossy)
			}
		}
	}
}

// TestKindsOfContent: text stays exact in lossy classes, a photo is few images.
func TestKindsOfContent(t *testing.T) {
	t.Parallel()
	e := tight.NewEncoder()
	defer e.Close()
	terminal := picturetest.Scrolled(picturetest.Terminal(t), 300, 720)
	if _, count, lossy := e.AppendRegion(nil, terminal, []image.Rectangle{terminal.Bounds()}, tight.Low); len(lossy) > 0 || count > 100 {
		t.Errorf("a terminal is %d rectangles, of which lossy %v", count, lossy)
	}
	photo := picturetest.Photo(1920, 1080, 1)
	if _, count, lossy := e.AppendRegion(nil, photo, []image.Rectangle{photo.Bounds()}, tight.Low); count > 3 || len(lossy) != count {
		t.Errorf("a photo is %d rectangles, of which lossy %v", count, lossy)
	}
	var stripes []image.Rectangle // as a desktop sends it
	for y := 0; y < 1080; y += 34 {
		stripes = append(stripes, image.Rect(0, y, 1000, y+34), image.Rect(1000, y, 1920, y+34))
	}
	if _, count, _ := e.AppendRegion(nil, photo, stripes, tight.Low); count > 3 {
		t.Errorf("a photo in stripes is %d rectangles", count)
	}
	page := picturetest.Scrolled(picturetest.Page(t), 0, 720)
	_, count, lossy := e.AppendRegion(nil, page, []image.Rectangle{page.Bounds()}, tight.Medium)
	area := 0
	for _, r := range lossy {
		area += r.Dx() * r.Dy()
	}
	t.Logf("a page is %d rectangles, lossy in %d of its pixels: %v", count, area, lossy)
	if count > 100 || area == 0 || area > page.Width*page.Height*2/3 { // its photos and dithered gradients
		t.Errorf("a page is %d rectangles, lossy in %d of its pixels", count, area)
	}
}

// TestCountIsBounded: a region that would be too many rectangles is not.
func TestCountIsBounded(t *testing.T) {
	t.Parallel()
	e := tight.NewEncoder()
	defer e.Close()
	p := picturetest.Random(rand.New(rand.NewPCG(7, 7)), 300, 300)
	var dots []image.Rectangle
	for y := range 300 {
		for x := range 150 { // as on a chessboard
			dots = append(dots, image.Rect(2*x+y%2, y, 2*x+y%2+1, y+1))
		}
	}
	out, count, _ := e.AppendRegion(nil, p, dots, tight.Lossless)
	if count > tight.MaxCount {
		t.Errorf("%d rectangles", count)
	}
	drawn := picture.New(p.Width, p.Height)
	for _, r := range rectsOf(t, p, out, count) {
		if err := picture.NewDecoder().Decode(drawn, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, dot := range dots {
		if !drawn.Equal(p, dot) {
			t.Fatalf("%v is missing", dot)
		}
	}
}

// TestCellsAreBounded: neither how many nor how large, whatever the region.
func TestCellsAreBounded(t *testing.T) {
	t.Parallel()
	var stripes, dots []image.Rectangle
	for y := 0; y < rfb.MaxDimension; y += 2 {
		stripes = append(stripes, image.Rect(0, y, rfb.MaxDimension, y+1))
	}
	for i := range 40000 {
		dots = append(dots, image.Rect(2*(i%8000), 2*(i/8000), 2*(i%8000)+1, 2*(i/8000)+1))
	}
	whole := image.Rect(0, 0, rfb.MaxDimension, rfb.MaxDimension)
	for name, region := range map[string][]image.Rectangle{
		"whole": {whole}, "stripes": stripes, "dots": dots, "dots and whole": append(dots[:32767:32767], whole),
	} {
		if _, count, side := tight.Cut(slices.Clone(region)); 2*count > tight.MaxCount+1 || side > 512 {
			t.Errorf("%s: %d cells of %d", name, count, side)
		}
	}
}

// TestWithoutTheLibrary: the standard library's JPEG does too.
func TestWithoutTheLibrary(t *testing.T) {
	t.Parallel()
	e := tight.NewEncoderOf(tight.Standard())
	defer e.Close()
	if e.JPEGLibrary() != "image/jpeg" {
		t.Error(e.JPEGLibrary())
	}
	for _, q := range qualities {
		check(t, e, picturetest.Photo(200, 150, 1), []image.Rectangle{image.Rect(3, 5, 190, 149)}, q, rand.New(rand.NewPCG(1, 1)))
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint16(70), uint16(50), uint8(0))
	f.Add(uint64(3), uint64(4), uint16(300), uint16(200), uint8(1))
	f.Add(uint64(5), uint64(6), uint16(2100), uint16(9), uint8(3))
	e := tight.NewEncoder()
	f.Cleanup(e.Close)
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64, width, height uint16, quality uint8) {
		random := rand.New(rand.NewPCG(seed1, seed2))
		p := picturetest.Random(random, int(width)%2200+1, int(height)%300+1)
		region := []image.Rectangle{p.Bounds()}
		if random.IntN(2) == 0 {
			region = region[:0]
			for x := 0; x < p.Width; x += 80 { // stripes that do not overlap
				y := random.IntN(p.Height)
				region = append(region, image.Rect(x, y, x+random.IntN(90), y+random.IntN(200)).Intersect(image.Rect(x, 0, x+80, p.Height)))
			}
		}
		check(t, e, p, region, qualities[int(quality)%len(qualities)], random)
	})
}

// difference is the largest difference of an intensity, and the root of the mean
// of their squares.
func difference(a, b *picture.Picture, r image.Rectangle) (largest int, root float64) {
	sum, n := 0, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		left, right := a.Row(y, r.Min.X, r.Max.X), b.Row(y, r.Min.X, r.Max.X)
		for i := range left {
			if i%picture.BytesPerPixel == 3 {
				continue
			}
			d := int(left[i]) - int(right[i])
			largest = max(largest, d, -d)
			sum += d * d
			n++
		}
	}
	return largest, math.Sqrt(float64(sum) / float64(max(n, 1)))
}
