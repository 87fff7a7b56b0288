package video_test

import (
	"image"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// desktop is a screen with a web page on it and a scene played in a window, and
// what has changed since it was last asked.
type desktop struct {
	screen *picture.Picture
	at     image.Point // of the window
	damage []image.Rectangle
	player *scene.Player
}

func newDesktop(t testing.TB, name scene.Name, width, height int) *desktop {
	t.Helper()
	d := &desktop{screen: picture.New(width, height), at: image.Pt(64, 64)}
	page := picturetest.Page(t)
	for y := range height {
		for x := 0; x < width; x += page.Width {
			copy(d.screen.Row(y, x, min(x+page.Width, width)), page.Row(y%page.Height, 0, page.Width))
		}
	}
	player, err := scene.New(name, scene.SizeOn(width-d.at.X, height-d.at.Y))
	if err != nil {
		t.Fatal(err)
	}
	d.player = player
	return d
}

// Put implements scene.Canvas.
func (d *desktop) Put(at image.Point, block *picture.Picture) {
	at = at.Add(d.at)
	r := block.Bounds().Add(at).Intersect(d.screen.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		copy(d.screen.Row(y, r.Min.X, r.Max.X), block.Row(y-at.Y, r.Min.X-at.X, r.Max.X-at.X))
	}
	d.damage = append(d.damage, r)
}

// Move implements scene.Canvas.
func (d *desktop) Move(r image.Rectangle, from image.Point) {
	r, from = r.Add(d.at), from.Add(d.at)
	d.screen.Move(r, from)
	d.damage = append(d.damage, r)
}

// step plays the next frame and returns what it changed and how long it stands.
func (d *desktop) step() (damage []image.Rectangle, stands time.Duration) {
	d.damage = d.damage[:0]
	d.player.Step(d)
	return d.damage, d.player.Pause()
}

// session plays a desktop to an encoder, on a clock of its own.
type session struct {
	*desktop
	encoder *video.Encoder
	now     time.Time
	next    time.Time // when the encoder wants to be called
	each    func(video.Frame)
	busy    time.Duration // processor time in the encoder
	whole   bool          // as an encoder that knows no damage
}

func newSession(t testing.TB, d *desktop, settings video.Settings) *session {
	t.Helper()
	return &session{desktop: d, encoder: open(t, settings), now: time.Unix(1_000_000, 0), each: func(video.Frame) {}}
}

func processorTime() time.Duration {
	var usage unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (s *session) encode(t testing.TB, damage []image.Rectangle, key bool) video.Frame {
	t.Helper()
	before := processorTime()
	f, err := s.encoder.Encode(s.screen, damage, video.FrameOptions{Now: s.now, Key: key, Whole: s.whole})
	s.busy += processorTime() - before
	if err != nil {
		t.Fatal(err)
	}
	s.next = f.Next
	s.each(f)
	return f
}

// settle plays nothing until the picture is as good as it gets, or for a while.
func (s *session) settle(t testing.TB, most time.Duration) (took time.Duration) {
	t.Helper()
	from := s.now
	for !s.next.IsZero() && s.next.Sub(from) <= most {
		s.now = s.next
		s.encode(t, nil, false)
	}
	return s.now.Sub(from)
}

// play plays frames, and in between what the encoder does by itself.
func (s *session) play(t testing.TB, frames int) {
	t.Helper()
	for range frames {
		damage, stands := s.step()
		s.encode(t, damage, false)
		until := s.now.Add(stands)
		for !s.whole && !s.next.IsZero() && s.next.Before(until) {
			s.now = s.next
			s.encode(t, nil, false)
		}
		s.now = until
	}
}
