package tight_test

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/tight"
)

// decode takes what an encoder appended apart, as a viewer does.
func rectsOf(t testing.TB, p *picture.Picture, data []byte, count int) []rfb.ServerRect {
	t.Helper()
	if count == 0 {
		return nil
	}
	update := append(rfb.AppendFramebufferUpdate(nil, uint16(count)), data...)
	init := rfb.ServerInit{Width: uint16(p.Width), Height: uint16(p.Height), Format: rfb.RGB888()}
	m, err := rfb.NewServerReader(&onceReader{update}, init, 1<<30).Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Raw) != len(update) {
		t.Fatalf("%d rectangles are %d bytes of %d", count, len(m.Raw), len(update))
	}
	return m.Rects
}

type onceReader struct{ b []byte }

func (r *onceReader) Read(b []byte) (int, error) {
	n := copy(b, r.b)
	r.b = r.b[n:]
	if n == 0 {
		return 0, fmt.Errorf("no more")
	}
	return n, nil
}

func TestSmoke(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := picture.New(640, 480)
	for range 300 {
		x, y := random.IntN(640), random.IntN(480)
		p.Fill(image.Rect(x, y, x+random.IntN(100), y+random.IntN(100)), random.Uint32())
	}
	for y := 100; y < 300; y++ {
		for x := 200; x < 500; x++ {
			p.Fill(image.Rect(x, y, x+1, y+1), random.Uint32())
		}
	}
	e := tight.NewEncoder()
	defer e.Close()
	t.Log(e.JPEGLibrary())
	for _, q := range []tight.Quality{tight.Lossless, tight.High, tight.Medium, tight.Low} {
		out, count, lossy := e.AppendRegion(nil, p, []image.Rectangle{p.Bounds()}, q)
		o := picture.New(640, 480)
		for _, r := range rectsOf(t, p, out, count) {
			if err := picture.NewDecoder().Decode(o, r); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(q, len(out), count, lossy)
		if len(lossy) == 0 && !o.Equal(p, p.Bounds()) {
			t.Error("differs")
		}
	}
}
