package hub_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// scene is a rectangle in H.264 that a watcher got.
type scene struct {
	at    image.Rectangle
	first bool // other films are forgotten
	data  []byte
}

// takeScene notes one.
func (w *watcher) takeScene(r rfb.ServerRect) {
	s := scene{at: image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.Width), int(r.Y)+int(r.Height))}
	s.first = binary.BigEndian.Uint32(r.Data[4:])&2 != 0
	s.data = bytes.Clone(r.Data[8:])
	w.scenes = append(w.scenes, s)
}

// seen are the scenes so far.
func (w *watcher) seen() []scene {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.scenes)
}

// units of a frame of H.264, without their start codes.
func units(data []byte) (units [][]byte) {
	for _, unit := range bytes.Split(data, []byte{0, 0, 1}) {
		if unit = bytes.TrimRight(unit, "\x00"); len(unit) > 0 {
			units = append(units, unit)
		}
	}
	return units
}

// Types of units (H.264 table 7-1).
const (
	unitSlice = 1
	unitIDR   = 5
	unitSPS   = 7
)

// isIDR tells whether a frame of H.264 stands alone.
func isIDR(data []byte) bool {
	return slices.ContainsFunc(units(data), func(unit []byte) bool { return unit[0]&31 == unitIDR })
}

// bits reads H.264's numbers (section 9.1).
type bits struct {
	data []byte
	at   int
}

func (b *bits) u(n int) (value int) {
	for range n {
		value = value<<1 | int(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return value
}

func (b *bits) ue() int {
	zeros := 0
	for b.u(1) == 0 {
		zeros++
	}
	return 1<<zeros - 1 + b.u(zeros)
}

// unbroken checks that each frame builds on the one before it, by their numbers.
func unbroken(t *testing.T, scenes []scene) {
	t.Helper()
	width, want := 0, -1
	for i, s := range scenes {
		for _, unit := range units(s.data) {
			// No byte of a header that is read here has needed to be escaped.
			b := &bits{data: unit[1:]}
			switch unit[0] & 31 {
			case unitSPS:
				b.u(24) // profile and level
				b.ue()  // its id
				width = b.ue() + 4
			case unitSlice, unitIDR:
				b.ue() // first macroblock
				b.ue() // type
				b.ue() // parameters
				number := b.u(width)
				if unit[0]&31 == unitSlice && number != want {
					t.Fatalf("frame %d of %d has the number %d, and is to build on the one before %d", i, len(scenes), number, want)
				}
				want = (number + 1) % (1 << width)
			}
		}
	}
	if len(scenes) == 0 {
		t.Error("there is no film")
	}
}

// cinema shows a page with a film in it until it is stopped.
type cinema struct {
	desktop *picturetest.Xvnc
	page    *picture.Picture
	at      image.Rectangle
	film    []*picture.Picture
	stopped chan struct{}
	playing sync.WaitGroup
}

func play(t *testing.T, x *picturetest.Xvnc, width, height int, at image.Rectangle) *cinema {
	t.Helper()
	c := &cinema{desktop: x, page: picturetest.Scrolled(cropped(picturetest.Page(t), width), 0, height), at: at, stopped: make(chan struct{})}
	for i := range 8 {
		c.film = append(c.film, picturetest.Photo(at.Dx(), at.Dy(), i))
	}
	x.Show(t, c.page)
	c.playing.Go(func() { c.run(t) })
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *cinema) run(t *testing.T) {
	every := time.NewTicker(time.Second / 30)
	defer every.Stop()
	for i := 0; ; i++ {
		photo := c.film[i%len(c.film)]
		c.desktop.ShowAt(t, photo, c.at.Min)
		for y := range photo.Height {
			copy(c.page.Row(c.at.Min.Y+y, c.at.Min.X, c.at.Max.X), photo.Row(y, 0, photo.Width))
		}
		select {
		case <-c.stopped:
			return
		case <-every.C:
		}
	}
}

// stop returns the whole picture that stays.
func (c *cinema) stop() *picture.Picture {
	select {
	case <-c.stopped:
	default:
		close(c.stopped)
	}
	c.playing.Wait()
	return c.page
}

func needsH264(t *testing.T) {
	t.Helper()
	e, err := video.Open(video.Settings{Codec: video.H264, Bitrate: video.MinBitrate, FrameRate: 30})
	if missing := new(video.MissingError); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

// novnc is modern with films as video.
func novnc(level int) []rfb.Encoding {
	return append([]rfb.Encoding{rfb.EncodingH264}, modern(level)...)
}

// Who decodes H.264 gets films as such, the same bytes for all of a class, and the
// exact pixels when the film has stopped; others get images as ever.
func TestFilmsAreVideo(t *testing.T) {
	t.Parallel()
	needsH264(t)
	const width, height = 320, 240
	x, h := desktopWith(t, width, height, hub.Options{FilmRate: 2}) // on a loaded machine a film is slow
	seat := hub.Seat{Policy: everything}
	one, other, low := watch(t, h, seat, nil, novnc(6)...), watch(t, h, seat, nil, novnc(6)...), watch(t, h, seat, nil, novnc(1)...)
	images, exact := watch(t, h, seat, nil, modern(6)...), watch(t, h, seat, nil, novnc(9)...)
	show := play(t, x, width, height, image.Rect(40, 30, 216, 142))
	eventually(t, "a film as video", func() bool {
		return len(one.seen()) >= 8 && len(other.seen()) >= 8 && len(low.seen()) >= 1
	})
	last := show.stop()
	for name, w := range map[string]*watcher{"one": one, "other": other, "low": low, "images": images, "exact": exact} {
		t.Log(name)
		w.shows(last)
	}
	if len(images.seen())+len(exact.seen()) > 0 {
		t.Error("who did not ask for video got some")
	}
	scenes := one.seen()
	if !scenes[0].first || !isIDR(scenes[0].data) {
		t.Error("the film begins in the midst")
	}
	if scenes[0].at != show.at {
		t.Errorf("the film is at %v, not %v", scenes[0].at, show.at)
	}
	shared := 0
	for _, s := range other.seen() {
		if slices.ContainsFunc(scenes, func(o scene) bool { return bytes.Equal(o.data, s.data) }) {
			shared++
		}
	}
	if shared == 0 { // one may have missed many that the other has
		t.Errorf("none of %d frames is the same for both", len(scenes))
	}
	var frames [][]byte
	for _, s := range scenes {
		frames = append(frames, s.data)
	}
	for _, w := range []*watcher{one, other, low} {
		unbroken(t, w.seen())
	}
	decoded, best := decode(t, "avc1.42E033", frames), 0.0
	for _, photo := range show.film {
		best = max(best, psnr(decoded, photo))
	}
	if best < 25 { // another frame than those has less than 20
		t.Errorf("the last frame shows the film with %.1f dB", best)
	}
}

// Who misses frames of a film, or comes late, never gets one that builds on what it
// has not had.
func TestWhoMissesAFrameOfAFilmGetsAWholeOne(t *testing.T) {
	t.Parallel()
	needsH264(t)
	const width, height = 320, 240
	x, h := desktopWith(t, width, height, hub.Options{FilmRate: 2}) // on a loaded machine a film is slow
	seat := hub.Seat{Policy: everything}
	prompt, stalls := watch(t, h, seat, nil, novnc(6)...), watch(t, h, seat, nil, novnc(6)...)
	show := play(t, x, width, height, image.Rect(64, 64, 240, 176))
	eventually(t, "a film as video", func() bool { return len(stalls.seen()) > 3 })
	before := len(stalls.seen())
	stalls.pause()
	eventually(t, "frames to be missed", func() bool { status, _ := h.Status(stalls.socket); return status.Dropped > 10 })
	stalls.resume()
	late := watch(t, h, seat, nil, novnc(6)...)
	eventually(t, "the film again, and for who is late", func() bool {
		return len(stalls.seen()) > before+1 && len(late.seen()) > 1
	})
	last := show.stop()
	for _, w := range []*watcher{prompt, stalls, late} {
		w.shows(last)
		unbroken(t, w.seen())
	}
}
