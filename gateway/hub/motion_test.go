package hub

import (
	"image"
	"testing"
	"time"
)

// screening plays frames to a motion, so many a second.
type screening struct {
	motion motion
	frame  frame
	now    time.Time
}

func newScreening(width, height int) *screening {
	s := &screening{now: time.Unix(1_000_000, 0)}
	s.motion.least = filmRate
	s.motion.resize(image.Rect(0, 0, width, height))
	return s
}

func (s *screening) play(d time.Duration, rate int, damage func(i int) []image.Rectangle) {
	for i := range int(d.Seconds() * float64(rate)) {
		s.now = s.now.Add(time.Second / time.Duration(rate))
		s.frame.begin(s.now)
		s.frame.damage = append(s.frame.damage, damage(i)...)
		s.motion.note(&s.frame)
	}
}

func TestWhereThereIsAFilm(t *testing.T) {
	t.Parallel()
	at := image.Rect(101, 53, 741, 413)
	// As a desktop tells it: in stripes.
	film := func(int) (stripes []image.Rectangle) {
		for y := at.Min.Y; y < at.Max.Y; y += 100 {
			stripes = append(stripes, image.Rect(at.Min.X, y, at.Max.X, min(y+100, at.Max.Y)))
		}
		return stripes
	}
	beside := func(i int) []image.Rectangle { return append(film(i), image.Rect(900, 600, 910, 620)) }
	clock := func(i int) []image.Rectangle {
		if i%25 == 0 {
			return append(film(i), image.Rect(1000, 10, 1200, 40))
		}
		return film(i)
	}
	tests := map[string]struct {
		rate   int
		damage func(int) []image.Rectangle
		want   image.Rectangle
	}{
		"film":               {25, film, at},
		"with a clock":       {25, clock, at},
		"slides":             {4, film, image.Rectangle{}},
		"typing":             {14, func(i int) []image.Rectangle { return []image.Rectangle{image.Rect(i*8%900, 200, i*8%900+8, 216)} }, image.Rectangle{}},
		"a small animation":  {60, func(int) []image.Rectangle { return []image.Rectangle{image.Rect(200, 200, 280, 280)} }, image.Rectangle{}},
		"beside a spinner":   {30, beside, at},
		"the whole screen":   {30, func(int) []image.Rectangle { return []image.Rectangle{image.Rect(0, 0, 1280, 720)} }, image.Rect(0, 0, 1280, 720)},
		"nothing any longer": {30, func(int) []image.Rectangle { return nil }, image.Rectangle{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScreening(1280, 720)
			s.play(4*time.Second, test.rate, test.damage)
			if s.motion.film != test.want {
				t.Errorf("the film is at %v, not %v", s.motion.film, test.want)
			}
			if !test.want.Empty() && (s.motion.rate < test.rate-1 || s.motion.rate > test.rate+1) {
				t.Errorf("%d frames a second, not %d", s.motion.rate, test.rate)
			}
		})
	}
}

// A film that goes on while only a part of it moves is the same one; one that
// ends, or that stands elsewhere, is not.
func TestWhenAFilmIsAnotherOne(t *testing.T) {
	t.Parallel()
	at, part, elsewhere := image.Rect(64, 64, 704, 424), image.Rect(300, 200, 500, 300), image.Rect(640, 360, 1280, 720)
	of := func(r image.Rectangle) func(int) []image.Rectangle {
		return func(int) []image.Rectangle { return []image.Rectangle{r} }
	}
	s := newScreening(1280, 720)
	s.play(4*time.Second, 30, of(at))
	for range 3 {
		s.play(2*time.Second, 30, of(part))
		if s.motion.film != at {
			t.Fatalf("with a part in motion the film is at %v", s.motion.film)
		}
		s.play(2*time.Second, 30, of(at))
	}
	s.play(2*time.Second, 2, of(at))
	if !s.motion.film.Empty() {
		t.Errorf("after it has stopped it is at %v", s.motion.film)
	}
	s.play(4*time.Second, 30, of(at))
	s.play(6*time.Second, 30, of(elsewhere))
	if s.motion.film != elsewhere {
		t.Errorf("the other one is at %v", s.motion.film)
	}
}
