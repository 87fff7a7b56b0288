package tight_test

import (
	"image"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
	"github.com/streamspace/streamspace/rfb/tight"
)

// TestRawFormats reads each format back and compares intensities with the
// nearest that it can say.
func TestRawFormats(t *testing.T) {
	t.Parallel()
	bigEndian := rfb.RGB888()
	bigEndian.BigEndian, bigEndian.RedShift, bigEndian.BlueShift = true, 0, 16
	high565 := rfb.RGB565()
	high565.BigEndian = true
	deep := rfb.PixelFormat{BitsPerPixel: 32, Depth: 30, TrueColour: true, RedMax: 1023, GreenMax: 1023, BlueMax: 1023, RedShift: 20, GreenShift: 10}
	p := picturetest.Photo(40, 30, 1)
	for name, format := range map[string]rfb.PixelFormat{
		"canonical": rfb.RGB888(), "big-endian": bigEndian, "565": rfb.RGB565(), "565, big-endian": high565, "10 bits": deep,
		"332": {BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tight.CheckFormat(format); err != nil {
				t.Fatal(err)
			}
			r := image.Rect(7, 3, 31, 22)
			out, count := tight.AppendRaw(nil, p, []image.Rectangle{r, {}, image.Rect(38, 28, 50, 50)}, format)
			if want := 24 + (r.Dx()*r.Dy()+4)*format.Bytes(); count != 2 || len(out) != want {
				t.Fatalf("%d rectangles of %d bytes, not %d", count, len(out), want)
			}
			pixels := out[12:]
			for y := r.Min.Y; y < r.Max.Y; y++ {
				for x := r.Min.X; x < r.Max.X; x++ {
					pixel := uint32(0)
					for i := range format.Bytes() {
						if format.BigEndian {
							pixel = pixel<<8 | uint32(pixels[i])
						} else {
							pixel |= uint32(pixels[i]) << (8 * i)
						}
					}
					pixels = pixels[format.Bytes():]
					own := p.Row(y, x, x+1)
					for i, c := range []struct {
						own   byte
						max   uint16
						shift uint8
					}{{own[0], format.BlueMax, format.BlueShift}, {own[1], format.GreenMax, format.GreenShift}, {own[2], format.RedMax, format.RedShift}} {
						got := int(pixel>>c.shift) & int(c.max)
						if exact := float64(c.own) * float64(c.max) / 255; float64(got)-exact > 0.51 || exact-float64(got) > 0.51 {
							t.Fatalf("pixel %d,%d colour %d is %d of %d for %d of 255", x, y, i, got, c.max, c.own)
						}
					}
				}
			}
		})
	}
}

func TestFormatsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	tooFar := rfb.RGB565()
	tooFar.RedShift = 12
	for name, format := range map[string]rfb.PixelFormat{
		"colour map": {BitsPerPixel: 8, Depth: 8}, "shifted out": tooFar, "24 bits": {BitsPerPixel: 24, Depth: 24, TrueColour: true},
	} {
		if tight.CheckFormat(format) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// TestRawIsDrawn: the canonical format is what a decoder expects.
func TestRawIsDrawn(t *testing.T) {
	t.Parallel()
	p := picturetest.Photo(100, 50, 1)
	out, count := tight.AppendRaw(nil, p, []image.Rectangle{p.Bounds()}, rfb.RGB888())
	drawn := picture.New(p.Width, p.Height)
	for _, r := range rectsOf(t, p, out, count) {
		if err := picture.NewDecoder().Decode(drawn, r); err != nil {
			t.Fatal(err)
		}
	}
	if !drawn.Equal(p, p.Bounds()) {
		t.Error("drawn differently")
	}
}
