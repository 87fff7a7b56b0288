package scene

import (
	"image"
	"math"

	"github.com/streamspace/streamspace/rfb/picture"
)

// drag is a window that somebody drags over a page: it is moved, and what it
// uncovers is drawn again.
type drag struct {
	stage  image.Rectangle
	page   *picture.Picture // what lies below, in the stage's coordinates
	window *picture.Picture
}

func newDrag(stage image.Rectangle) *drag {
	f := newFace()
	s := &drag{stage: stage, page: picture.New(stage.Dx(), stage.Dy())}
	f.page(s.page, newWords(4), 0x9AA3B5, 0xD8DDE6)
	s.window = picture.New(min(420, stage.Dx()/2), min(300, stage.Dy()/2))
	f.page(s.window, newWords(5), inkColour, paperColour)
	title := image.Rect(0, 0, s.window.Width, f.height+6)
	s.window.Fill(title, 0x3F6FB5)
	f.write(s.window, image.Pt(margin, 3), "window.txt", 0xFFFFFF, 0x3F6FB5)
	return s
}

func (s *drag) fps() int { return 60 }

// at is where the window's corner is in frame n: along a Lissajous curve that
// is through after ten seconds.
func (s *drag) at(n int) image.Point {
	turn := 2 * math.Pi * float64(n%600) / 600
	room := image.Pt(s.stage.Dx()-s.window.Width, s.stage.Dy()-s.window.Height)
	return image.Pt(
		int(math.Round(float64(room.X)*(0.5+0.5*math.Sin(2*turn)))),
		int(math.Round(float64(room.Y)*(0.5+0.5*math.Sin(3*turn)))),
	)
}

func (s *drag) open(c Canvas) {
	c.Put(s.stage.Min, s.page)
	c.Put(s.stage.Min.Add(s.at(0)), s.window)
}

func (s *drag) step(c Canvas, n int) {
	before := s.window.Bounds().Add(s.at(n - 1))
	after := s.window.Bounds().Add(s.at(n))
	if before == after {
		return
	}
	c.Move(after.Add(s.stage.Min), before.Min.Add(s.stage.Min))
	for _, bare := range without(before, after) {
		block := picture.New(bare.Dx(), bare.Dy())
		for y := range block.Height {
			copy(block.Row(y, 0, block.Width), s.page.Row(bare.Min.Y+y, bare.Min.X, bare.Max.X))
		}
		c.Put(s.stage.Min.Add(bare.Min), block)
	}
}

// without is what of a is not in b, which is as large: at most two strips.
func without(a, b image.Rectangle) []image.Rectangle {
	both := a.Intersect(b)
	if both.Empty() {
		return []image.Rectangle{a}
	}
	var strips []image.Rectangle
	add := func(r image.Rectangle) {
		if !r.Empty() {
			strips = append(strips, r)
		}
	}
	add(image.Rect(a.Min.X, a.Min.Y, a.Max.X, both.Min.Y))
	add(image.Rect(a.Min.X, both.Max.Y, a.Max.X, a.Max.Y))
	add(image.Rect(a.Min.X, both.Min.Y, both.Min.X, both.Max.Y))
	add(image.Rect(both.Max.X, both.Min.Y, a.Max.X, both.Max.Y))
	return strips
}

// video is a player on a page that stands still: two photographs pan against
// each other, with film grain, so that every pixel changes in every frame.
type video struct {
	stage  image.Rectangle
	screen image.Rectangle
	far    *picture.Picture
	near   *picture.Picture
	frame  *picture.Picture
}

// Size of the film.
const (
	filmWidth  = 640
	filmHeight = 360
)

func newVideo(stage image.Rectangle) *video {
	size := image.Pt(min(filmWidth, stage.Dx()), min(filmHeight, stage.Dy()))
	corner := stage.Min.Add(image.Pt((stage.Dx()-size.X)/2, (stage.Dy()-size.Y)/2))
	return &video{
		stage: stage, screen: image.Rectangle{Min: corner, Max: corner.Add(size)},
		far: photograph(6), near: photograph(7), frame: picture.New(size.X, size.Y),
	}
}

func (s *video) fps() int { return 30 }

func (s *video) open(c Canvas) {
	page := picture.New(s.stage.Dx(), s.stage.Dy())
	newFace().page(page, newWords(8), inkColour, paperColour)
	c.Put(s.stage.Min, page)
	s.step(c, 0)
}

func (s *video) step(c Canvas, n int) {
	grain := uint32(n)*2654435761 | 1
	for y := range s.frame.Height {
		far := s.far.Row((y+n)%photoSide, 0, photoSide)
		near := s.near.Row((y+2*photoSide-n%photoSide)%photoSide, 0, photoSide)
		row := s.frame.Row(y, 0, s.frame.Width)
		for x := 0; x < len(row); x += 4 {
			a := far[(x+8*n)%len(far):]
			b := near[(x+12*n)%len(near):]
			grain ^= grain << 13
			grain ^= grain >> 17
			grain ^= grain << 5
			noise := byte(grain & 7)
			row[x] = a[0]/2 + b[0]/3 + noise
			row[x+1] = a[1]/2 + b[1]/3 + noise
			row[x+2] = a[2]/2 + b[2]/3 + noise
		}
	}
	c.Put(s.screen.Min, s.frame)
}

// mixed is a page of text and a photograph side by side: the text scrolls, the
// photograph pans, then both rest.
type mixed struct {
	text   *scroll
	screen image.Rectangle
	photo  *picture.Picture
	frame  *picture.Picture
}

// mixedFrames is how many frames it moves before it rests.
const mixedFrames = 60

func newMixed(stage image.Rectangle) *mixed {
	middle := stage.Min.X + stage.Dx()/2
	text := newScroll(image.Rect(stage.Min.X, stage.Min.Y, middle, stage.Max.Y))
	text.night = false
	screen := image.Rect(middle, stage.Min.Y, stage.Max.X, stage.Max.Y)
	return &mixed{text: text, screen: screen, photo: photograph(9), frame: picture.New(screen.Dx(), screen.Dy())}
}

func (s *mixed) fps() int { return 30 }

func (s *mixed) regions() Regions { return Regions{Text: s.text.stage, Photo: s.screen} }

func (s *mixed) open(c Canvas) {
	s.text.open(c)
	s.pan(c, 0)
}

func (s *mixed) step(c Canvas, n int) {
	s.text.step(c, n)
	s.pan(c, n)
}

func (s *mixed) pan(c Canvas, n int) {
	for y := range s.frame.Height {
		from := s.photo.Row((y+n)%photoSide, 0, photoSide)
		row := s.frame.Row(y, 0, s.frame.Width)
		for done := 0; done < len(row); {
			done += copy(row[done:], from[(done+8*n)%len(from):])
		}
	}
	c.Put(s.screen.Min, s.frame)
}
