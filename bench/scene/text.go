package scene

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/streamspace/streamspace/rfb/picture"
)

// Colours of pages.
const (
	barColour   = 0x2B3040
	paperColour = 0xFBFBF8
	inkColour   = 0x1E222B
	nightColour = 0x10141C
	lightColour = 0xE6E9EF
)

// textSize is the size of text in pixels: what most desktops have.
const textSize = 14

// face is a fixed-width typeface, drawn once: each glyph is how much of every
// pixel it covers, as applications draw text, with grey edges.
type face struct {
	width, height int
	glyphs        ['~' - ' ' + 1][]byte
}

// newFace draws the printable characters of ASCII. The font is compiled in,
// and so always the same.
func newFace() *face {
	parsed, err := opentype.Parse(gomono.TTF)
	if err != nil {
		panic("reading the font that is compiled in: " + err.Error())
	}
	drawn, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: textSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic("drawing the font that is compiled in: " + err.Error())
	}
	defer drawn.Close()
	metrics := drawn.Metrics()
	advance, _ := drawn.GlyphAdvance('m')
	f := &face{width: advance.Ceil(), height: metrics.Height.Ceil() + 2}
	for i := range f.glyphs {
		mask := image.NewAlpha(image.Rect(0, 0, f.width, f.height))
		dot := fixed.P(0, metrics.Ascent.Ceil()+1)
		rectangle, glyph, at, _, ok := drawn.Glyph(dot, rune(' '+i))
		if ok {
			draw.DrawMask(mask, rectangle, image.NewUniform(color.Opaque), image.Point{}, glyph, at, draw.Over)
		}
		f.glyphs[i] = mask.Pix
	}
	return f
}

// write draws the text from a point on.
func (f *face) write(p *picture.Picture, at image.Point, text string, ink, paper uint32) {
	for i, r := range []byte(text) {
		if r < ' ' || r > '~' {
			r = '?'
		}
		f.glyph(p, at.Add(image.Pt(i*f.width, 0)), f.glyphs[r-' '], ink, paper)
	}
}

func (f *face) glyph(p *picture.Picture, at image.Point, cover []byte, ink, paper uint32) {
	cell := image.Rect(0, 0, f.width, f.height).Add(at).Intersect(p.Bounds())
	for y := cell.Min.Y; y < cell.Max.Y; y++ {
		row := p.Row(y, cell.Min.X, cell.Max.X)
		for x := cell.Min.X; x < cell.Max.X; x++ {
			alpha := uint32(cover[(y-at.Y)*f.width+x-at.X])
			pixel := row[(x-cell.Min.X)*4:]
			for part := range 3 {
				from, to := paper>>(8*part)&0xFF, ink>>(8*part)&0xFF
				pixel[part] = byte((from*(255-alpha) + to*alpha + 127) / 255)
			}
		}
	}
}

// line returns the picture of one line of text, as wide as asked.
func (f *face) line(width int, text string, ink, paper uint32) *picture.Picture {
	p := picture.New(width, f.height)
	p.Fill(p.Bounds(), paper)
	f.write(p, image.Point{}, text, ink, paper)
	return p
}

// page fills a picture with text.
func (f *face) page(p *picture.Picture, from *words, ink, paper uint32) {
	p.Fill(p.Bounds(), paper)
	for y := 0; y+f.height <= p.Height; y += f.height {
		f.write(p, image.Pt(margin, y), from.line((p.Width-2*margin)/f.width), ink, paper)
	}
}

// margin is left free beside text.
const margin = 8

// words is an endless text, always the same.
type words struct{ random *rand.Rand }

func newWords(seed uint64) *words { return &words{rand.New(rand.NewPCG(seed, 0x776f726473))} }

var vocabulary = strings.Fields(`the frame of a desktop goes where somebody looks at it and arrives before he
notices that it had to travel func (v *viewer) next() error { return nil } 0x7f3a 192.0.2.17 -rw-r--r-- 4096
compiling gateway relay encodes 1280 x 720 at 60 per second; if err != nil { quick brown fox jumps over lazy dog
INFO session=ses_01 state=running WARN queue is full, dropped=12 GET /api/v1/sessions 200 1.7ms (cached)`)

// line is at most so many characters of it, and now and then far fewer.
func (w *words) line(columns int) string {
	if w.random.IntN(6) == 0 {
		columns = w.random.IntN(columns + 1)
	}
	var text strings.Builder
	for text.Len() < columns {
		text.WriteString(vocabulary[w.random.IntN(len(vocabulary))])
		text.WriteByte(' ')
	}
	return text.String()[:columns]
}
