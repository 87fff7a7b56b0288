// Package picturetest has what tests of pictures need: a desktop's recorded
// streams, pictures of the work that people do on desktops, the same on every
// machine, and a real Xvnc that shows them.
package picturetest

import (
	"bytes"
	_ "embed"
	"image"
	"image/draw"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/streamspace/streamspace/rfb/picture"
)

// The screens that scroll, of 1280x1440 pixels: xterm with DejaVu Sans Mono, and
// Chromium with text, a table, gradients and images.
//
//go:embed testdata/terminal.png
var terminal []byte

//go:embed testdata/page.png
var page []byte

// Terminal is two screens of text in a terminal.
func Terminal(t testing.TB) *picture.Picture { return unpack(t, terminal) }

// Page is two screens of a web page.
func Page(t testing.TB) *picture.Picture { return unpack(t, page) }

func unpack(t testing.TB, coded []byte) *picture.Picture {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(coded))
	if err != nil {
		t.Fatal(err)
	}
	p := picture.New(decoded.Bounds().Dx(), decoded.Bounds().Dy())
	draw.Draw(p.Image(), p.Bounds(), decoded, image.Point{}, draw.Src)
	return p
}

// Scrolled is a screen of so many rows of a taller picture.
func Scrolled(tall *picture.Picture, from, rows int) *picture.Picture {
	p := picture.New(tall.Width, rows)
	copy(p.Pix, tall.Pix[from*tall.Width*picture.BytesPerPixel:])
	return p
}

// sines is one period of the sine, in steps too small to show in a pixel: a
// photograph takes a million sines, which are slow under the race detector.
type sines [1 << 12]float64

func newSines() *sines {
	s := new(sines)
	for i := range s {
		s[i] = math.Sin(2 * math.Pi * float64(i) / float64(len(s)))
	}
	return s
}

func (s *sines) at(x float64) float64 {
	return s[int(x*float64(len(s))/(2*math.Pi))&(len(s)-1)]
}

// Photo is a frame of something filmed: soft shapes that move with time, edges,
// and a sensor's noise.
func Photo(width, height, frame int) *picture.Picture {
	p := picture.New(width, height)
	noise := rand.New(rand.NewPCG(uint64(frame), 1))
	at := float64(frame) / 12
	sin := newSines()
	for y := range height {
		fy := float64(y)
		row := p.Row(y, 0, width)
		for x := range width {
			fx := float64(x)
			dx, dy := fx-float64(width)/2, fy-float64(height)/2
			wave := sin.at(fx/61+at) + sin.at(fy/47-at) + sin.at((fx+fy)/83+at/2) + sin.at(math.Sqrt(dx*dx+dy*dy)/31-at)
			edge := 0.0
			if stripe := (fx/90 + fy/240 + at/3) / 2; stripe-float64(int(stripe)) < 0.2 {
				edge = 35
			}
			grain := noise.NormFloat64() * 3
			for c, value := range [3]float64{115 - 28*wave + fx/40, 105 + 24*sin.at(wave*1.7+at), 120 + 30*wave + fy/30} {
				row[x*picture.BytesPerPixel+c] = byte(min(max(value+edge+grain, 0), 255))
			}
		}
	}
	return p
}

// Random is a desktop that nobody has seen: windows, lines, dots, gradients and
// noise in random places.
func Random(random *rand.Rand, width, height int) *picture.Picture {
	p := picture.New(width, height)
	p.Fill(p.Bounds(), random.Uint32())
	place := func() image.Rectangle {
		x, y := random.IntN(width), random.IntN(height)
		return image.Rect(x, y, x+1+random.IntN(width), y+1+random.IntN(height)).Intersect(p.Bounds())
	}
	for range 1 + random.IntN(24) {
		r := place()
		few := make([]uint32, 1+random.IntN(1<<random.IntN(10)))
		for i := range few {
			few[i] = random.Uint32()
		}
		switch random.IntN(4) {
		case 0:
			p.Fill(r, few[0])
		case 1: // lines
			for y := r.Min.Y; y < r.Max.Y; y++ {
				p.Fill(image.Rect(r.Min.X, y, r.Max.X, y+1), few[random.IntN(len(few))])
			}
		case 2: // dots on a ground
			p.Fill(r, few[0])
			for range r.Dx() * r.Dy() / 8 {
				x, y := r.Min.X+random.IntN(r.Dx()), r.Min.Y+random.IntN(r.Dy())
				p.Fill(image.Rect(x, y, x+1, y+1), few[random.IntN(len(few))])
			}
		case 3:
			p.Copy(Photo(width, height, random.IntN(100)), r)
		}
	}
	for i := 3; i < len(p.Pix); i += 4 { // what means nothing must not matter
		p.Pix[i] = byte(random.Uint32())
	}
	return p
}
