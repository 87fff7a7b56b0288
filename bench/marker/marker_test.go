package marker

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb/picture"
)

func random(r *rand.Rand) Mark {
	return Mark{
		Scene: uint8(r.UintN(16)), Rest: r.UintN(2) == 1, Key: uint8(r.Uint32()), Keys: uint16(r.Uint32()),
		X: uint16(r.Uint32()), Y: uint16(r.Uint32()), Frame: uint16(r.Uint32()), Moment: r.Uint32(),
	}
}

func TestWhatIsDrawnIsRead(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	p := picture.New(300, 200)
	for range 200 {
		want := random(r)
		at := image.Pt(2*int(r.UintN(80)), 2*int(r.UintN(60)))
		p.Fill(p.Bounds(), r.Uint32())
		want.Draw(p, at)
		found, ok := Find(p)
		if got, _ := Read(p, found); !ok || found != at || got != want {
			t.Fatalf("%+v at %v is read as %+v at %v (%v)", want, at, got, found, ok)
		}
	}
}

func TestAHalfDrawnMarkIsNone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	p := picture.New(Width, Height)
	for range 200 {
		old, present := random(r), random(r)
		old.Draw(p, image.Point{})
		half := p.Clone()
		present.Draw(p, image.Point{})
		half.Copy(p, image.Rect(0, 0, Width, cell*(1+int(r.UintN(rows-2)))))
		if got, ok := Read(half, image.Point{}); ok && got != old && got != present {
			t.Fatalf("half of %+v over %+v is read as %+v", present, old, got)
		}
	}
}

func TestAMarkSurvivesJPEG(t *testing.T) {
	t.Parallel()
	want := random(rand.New(rand.NewPCG(5, 6)))
	p := picture.New(256, 160)
	want.Draw(p, image.Pt(10, 6))
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, p.Image(), &jpeg.Options{Quality: 20}); err != nil {
		t.Fatal(err)
	}
	decoded, err := jpeg.Decode(&coded)
	if err != nil {
		t.Fatal(err)
	}
	for y := range p.Height {
		for x := range p.Width {
			p.Image().Set(x, y, decoded.At(x, y))
		}
	}
	if got, ok := Read(p, image.Pt(10, 6)); !ok || got != want {
		t.Errorf("at quality 20 it is read as %+v (%v)", got, ok)
	}
}

func TestAgeWraps(t *testing.T) {
	t.Parallel()
	drawn := time.UnixMicro(Tick.Microseconds() * (1<<32 - 5))
	mark := Mark{Moment: Moment(drawn)}
	if age := mark.Age(drawn.Add(time.Second)); age != time.Second {
		t.Errorf("a second later the age is %v", age)
	}
	if age := mark.Age(drawn.Add(-time.Second)); age != -time.Second {
		t.Errorf("a second before the age is %v", age)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{1, 2, 3}, 4, 5)
	f.Fuzz(func(t *testing.T, pixels []byte, x, y int) {
		p := picture.New(Width+8, Height+8)
		copy(p.Pix, pixels)
		Read(p, image.Pt(x%64, y%64))
	})
}
