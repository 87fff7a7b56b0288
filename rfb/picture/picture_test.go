package picture_test

import (
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

func TestPictures(t *testing.T) {
	t.Parallel()
	p := picture.New(20, 10)
	p.Fill(image.Rect(-5, -5, 3, 2), 0x123456)
	if got := p.Row(1, 2, 3); got[0] != 0x56 || got[1] != 0x34 || got[2] != 0x12 {
		t.Errorf("filled with %v", got)
	}
	o := p.Clone()
	o.Pix[3] = 0xFF
	if !p.Equal(o, p.Bounds()) {
		t.Error("the fourth byte means something")
	}
	o.Fill(image.Rect(19, 9, 20, 10), 1)
	if p.Equal(o, p.Bounds()) || !p.Equal(o, image.Rect(0, 0, 19, 10)) {
		t.Error("a pixel does not make the difference")
	}
	p.Copy(o, image.Rect(15, 5, 99, 99))
	if !p.Equal(o, p.Bounds()) {
		t.Error("copied something else")
	}
	p.Resize(30, 5)
	if p.Bounds() != image.Rect(0, 0, 30, 5) || p.Equal(o, p.Bounds()) || !p.Equal(o, image.Rect(0, 0, 20, 5)) {
		t.Error("resized to something else")
	}
}

// TestMove moves in all directions, onto itself too, against a copy.
func TestMove(t *testing.T) {
	t.Parallel()
	before := picturetest.Photo(40, 30, 1)
	for _, from := range []image.Point{{X: 9, Y: 9}, {X: 11, Y: 9}, {X: 10, Y: 8}, {X: 10, Y: 12}, {X: 0, Y: 0}, {X: 15, Y: 10}} {
		p, want := before.Clone(), before.Clone()
		r := image.Rect(10, 10, 25, 20)
		p.Move(r, from)
		for y := range r.Dy() {
			copy(want.Row(r.Min.Y+y, r.Min.X, r.Max.X), before.Row(from.Y+y, from.X, from.X+r.Dx()))
		}
		if !p.Equal(want, want.Bounds()) {
			t.Errorf("moved from %v to something else", from)
		}
	}
}

func TestImageLibrariesSeeThePicture(t *testing.T) {
	t.Parallel()
	p := picture.New(3, 3)
	img := p.Image()
	img.Set(1, 1, color.RGBA{R: 1, G: 2, B: 3, A: 255})
	img.Set(5, 5, color.White)
	if got := img.At(1, 1); got != (color.RGBA{R: 1, G: 2, B: 3, A: 255}) {
		t.Errorf("%v", got)
	}
	copied := image.NewRGBA(p.Bounds())
	draw.Draw(copied, p.Bounds(), img, image.Point{}, draw.Src)
	if got := copied.RGBAAt(1, 1); got != (color.RGBA{R: 1, G: 2, B: 3, A: 255}) {
		t.Errorf("%v", got)
	}
}
