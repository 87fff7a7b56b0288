package scene

import (
	"image"

	"github.com/streamspace/streamspace/rfb/picture"
)

// idle is a page of text on which a caret blinks once a second.
type idle struct {
	stage image.Rectangle
	face  *face
}

func newIdle(stage image.Rectangle) *idle { return &idle{stage, newFace()} }

func (s *idle) fps() int { return 2 }

func (s *idle) open(c Canvas) {
	page := picture.New(s.stage.Dx(), s.stage.Dy())
	s.face.page(page, newWords(1), inkColour, paperColour)
	c.Put(s.stage.Min, page)
}

func (s *idle) step(c Canvas, n int) {
	caret := picture.New(2, s.face.height)
	caret.Fill(caret.Bounds(), []uint32{paperColour, inkColour}[n%2])
	c.Put(s.stage.Min.Add(image.Pt(2, 5*s.face.height)), caret)
}

// typing fills an empty page character by character and begins anew.
type typing struct {
	stage         image.Rectangle
	face          *face
	columns, rows int
	text          *words
	line          string
}

func newTyping(stage image.Rectangle) *typing {
	f := newFace()
	return &typing{stage: stage, face: f, columns: (stage.Dx() - 2*margin) / f.width, rows: stage.Dy() / f.height, text: newWords(2)}
}

func (s *typing) fps() int { return 12 }

func (s *typing) open(c Canvas) {
	page := picture.New(s.stage.Dx(), s.stage.Dy())
	page.Fill(page.Bounds(), paperColour)
	c.Put(s.stage.Min, page)
}

func (s *typing) step(c Canvas, n int) {
	at := (n - 1) % (s.columns * s.rows)
	column, row := at%s.columns, at/s.columns
	if at == 0 && n > 1 {
		s.open(c)
	}
	if column == 0 {
		s.line = s.text.line(s.columns)
	}
	if column >= len(s.line) {
		return // a short line: whoever types thinks
	}
	letter := s.face.line(s.face.width, s.line[column:column+1], inkColour, paperColour)
	c.Put(s.stage.Min.Add(image.Pt(margin+column*s.face.width, row*s.face.height)), letter)
}

// scroll is a terminal that a program writes to.
type scroll struct {
	stage image.Rectangle
	face  *face
	text  *words
	night bool
}

func newScroll(stage image.Rectangle) *scroll {
	return &scroll{stage: stage, face: newFace(), text: newWords(3), night: true}
}

func (s *scroll) colours() (ink, paper uint32) {
	if s.night {
		return lightColour, nightColour
	}
	return inkColour, paperColour
}

func (s *scroll) fps() int { return 30 }

func (s *scroll) open(c Canvas) {
	ink, paper := s.colours()
	page := picture.New(s.stage.Dx(), s.stage.Dy())
	s.face.page(page, s.text, ink, paper)
	c.Put(s.stage.Min, page)
}

func (s *scroll) step(c Canvas, _ int) {
	ink, paper := s.colours()
	rows := s.stage.Dy() / s.face.height
	text := image.Rectangle{Min: s.stage.Min, Max: s.stage.Min.Add(image.Pt(s.stage.Dx(), (rows-1)*s.face.height))}
	c.Move(text, text.Min.Add(image.Pt(0, s.face.height)))
	line := picture.New(s.stage.Dx(), s.face.height)
	line.Fill(line.Bounds(), paper)
	s.face.write(line, image.Pt(margin, 0), s.text.line((s.stage.Dx()-2*margin)/s.face.width), ink, paper)
	c.Put(image.Pt(s.stage.Min.X, text.Max.Y), line)
}
