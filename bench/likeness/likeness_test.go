package likeness

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"testing"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/rfb/picture"
)

// page is a mixed scene with its regions.
func page(t *testing.T) (*picture.Picture, scene.Regions) {
	t.Helper()
	size := image.Pt(640, 400)
	player, err := scene.New(scene.Mixed, size)
	if err != nil {
		t.Fatal(err)
	}
	canvas := scene.NewMemory(size)
	player.Step(canvas)
	return canvas.Picture, scene.MixedRegions(size)
}

// coded is the picture after a JPEG of a quality.
func coded(t *testing.T, p *picture.Picture, quality int) *picture.Picture {
	t.Helper()
	var text bytes.Buffer
	if err := jpeg.Encode(&text, p.Image(), &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	decoded, err := jpeg.Decode(&text)
	if err != nil {
		t.Fatal(err)
	}
	out := picture.New(p.Width, p.Height)
	for y := range p.Height {
		for x := range p.Width {
			out.Image().Set(x, y, decoded.At(x, y))
		}
	}
	return out
}

func TestTheSamePictureIsOne(t *testing.T) {
	t.Parallel()
	p, regions := page(t)
	for _, region := range []image.Rectangle{regions.Text, regions.Photo} {
		if got := SSIM(p, p, region); math.Abs(got-1) > 1e-6 {
			t.Errorf("SSIM of a picture with itself is %v", got)
		}
	}
	if got := Legibility(p, p, regions.Text); math.Abs(got-1) > 1e-6 {
		t.Errorf("the legibility of a text beside itself is %v", got)
	}
}

func TestBothFallWithQuality(t *testing.T) {
	t.Parallel()
	p, regions := page(t)
	text, legible, photo := 1.0, 1.0, 1.0
	for _, quality := range []int{90, 50, 20, 5} {
		shown := coded(t, p, quality)
		nextText, nextLegible, nextPhoto := SSIM(p, shown, regions.Text), Legibility(p, shown, regions.Text), SSIM(p, shown, regions.Photo)
		if !(nextText < text && nextLegible < legible && nextPhoto < photo) {
			t.Errorf("quality %d: text %v, legibility %v, photograph %v are not all below those of the one before", quality, nextText, nextLegible, nextPhoto)
		}
		text, legible, photo = nextText, nextLegible, nextPhoto
	}
	if text < 0.2 || legible < 0.2 || legible > 0.95 {
		t.Errorf("at quality 5 text is %v, its legibility %v", text, legible)
	}
}

func TestATintIsLegible(t *testing.T) {
	t.Parallel()
	p, regions := page(t)
	tinted := p.Clone()
	for i := range tinted.Pix {
		tinted.Pix[i] -= min(tinted.Pix[i], 10)
	}
	if got := Legibility(p, tinted, regions.Text); got < 0.97 {
		t.Errorf("ten levels darker is %v", got)
	}
}

func TestOneTextForAnotherIsNotLegible(t *testing.T) {
	t.Parallel()
	p, regions := page(t)
	moved := p.Clone()
	moved.Move(regions.Text.Add(image.Pt(0, 9)).Intersect(regions.Text), regions.Text.Min)
	if got := Legibility(p, moved, regions.Text); got > 0.6 {
		t.Errorf("text that is nine pixels too low is %v", got)
	}
}

func BenchmarkSSIM(b *testing.B) {
	p, q := picture.New(640, 648), picture.New(640, 648)
	b.SetBytes(640 * 648)
	for b.Loop() {
		SSIM(p, q, p.Bounds())
	}
}
