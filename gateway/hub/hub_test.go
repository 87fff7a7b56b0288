package hub_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// kinds are viewers of all sorts.
func kinds(t *testing.T, h *hub.Hub) map[string]*watcher {
	seat := hub.Seat{Policy: everything}
	requesting := func(w *watcher) { w.requests = true }
	lossless := modern(0)
	lossless = append(lossless[:3:3], lossless[4:]...)
	return map[string]*watcher{
		"lossless":         watch(t, h, seat, nil, lossless...),
		"high":             watch(t, h, seat, nil, modern(9)...),
		"high too":         watch(t, h, seat, nil, modern(8)...),
		"medium":           watch(t, h, seat, nil, modern(6)...),
		"low":              watch(t, h, seat, nil, modern(1)...),
		"requesting":       watch(t, h, seat, requesting, rfb.EncodingTight, rfb.EncodingCopyRect, rfb.JPEGQuality(6)),
		"without CopyRect": watch(t, h, seat, requesting, rfb.EncodingTight, rfb.JPEGQuality(3), rfb.EncodingFence),
		"raw":              watch(t, h, seat, requesting, rfb.EncodingRaw),
		"of 16 bits": watch(t, h, seat, func(w *watcher) { w.requests, w.format = true, rfb.RGB565() },
			rfb.EncodingTight, rfb.EncodingRaw),
		"that answers no fences": watch(t, h, seat, func(w *watcher) { w.requests, w.mute = true, true }, rfb.EncodingTight),
	}
}

// All viewers end with the exact picture, whatever is lost on the way.
func TestViewersShowWhatTheDesktopShows(t *testing.T) {
	t.Parallel()
	const width, height = 500, 300
	x, h := desktop(t, width, height)
	viewers := kinds(t, h)
	random := rand.New(rand.NewPCG(1, 9))
	pictures := []*picture.Picture{
		picturetest.Random(random, width, height),
		picturetest.Photo(width, height, 1),
		picturetest.Scrolled(cropped(picturetest.Page(t), width), 0, height),
		picturetest.Scrolled(cropped(picturetest.Page(t), width), 40, height),
		picturetest.Random(random, width, height),
	}
	for i, p := range pictures {
		x.Show(t, p)
		if i%2 == 1 {
			continue // the next comes while this one is on its way
		}
		for name, w := range viewers {
			t.Log("picture", i, name)
			w.shows(p)
		}
	}
}

// A viewer that comes late, and one that stops reading and goes on, have the same
// picture as all in the end; those who read never wait for those who do not.
func TestWhoIsLateOrStalledCatchesUp(t *testing.T) {
	t.Parallel()
	const width, height = 800, 600
	x, h := desktop(t, width, height)
	seat := hub.Seat{Policy: everything}
	prompt, stalled := watch(t, h, seat, nil, modern(6)...), watch(t, h, seat, nil, modern(6)...)
	first := picturetest.Photo(width, height, 0)
	x.Show(t, first)
	stalled.shows(first)
	stalled.pause()
	photos := []*picture.Picture{first, picturetest.Photo(width, height, 8), picturetest.Photo(width, height, 16)}
	var last *picture.Picture
	const enough, most = 24, 2000
	for i := 0; ; i++ { // until there is more than the socket holds, whatever the kernel gives it
		last = photos[i%len(photos)]
		x.Show(t, last)
		prompt.follows(i + 2)
		if status, _ := h.Status(stalled.socket); i >= enough && status.Dropped >= enough {
			break
		}
		if i == most {
			t.Fatalf("of %d frames none was dropped for who does not read", most)
		}
	}
	late := watch(t, h, seat, nil, modern(9)...)
	prompt.shows(last)
	late.shows(last)
	stalled.resume()
	stalled.shows(last)
	if status, ok := h.Status(stalled.socket); !ok || status.Dropped < enough || status.Viewers != 3 {
		t.Errorf("status %+v, %v", status, ok)
	}
}

// A desktop of another size: who can be told goes on, and who cannot hears why it
// ends.
func TestDesktopOfAnotherSize(t *testing.T) {
	t.Parallel()
	_, h := desktop(t, 400, 300)
	before := h.Init()
	seat := hub.Seat{Policy: everything}
	asks, other := watch(t, h, seat, nil, modern(6)...), watch(t, h, seat, nil, modern(6)...)
	old := watch(t, h, seat, func(w *watcher) { w.requests = true }, rfb.EncodingTight, rfb.EncodingDesktopSize)
	rigid := watch(t, h, seat, func(w *watcher) { w.requests = true }, rfb.EncodingTight)
	asks.told(rfb.EncodingExtendedDesktopSize, nil)
	other.told(rfb.EncodingExtendedDesktopSize, nil)
	size := func(width, height uint16) []byte {
		return rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: width, Height: height, Screens: []rfb.Screen{{Width: width, Height: height}}})
	}
	asks.send(size(640, 500))
	answered := func(reason, result uint16) func(r rfb.ServerRect) bool {
		return func(r rfb.ServerRect) bool {
			return r.X == reason && r.Y == result && (result != rfb.ResizeOK || r.Width == 640)
		}
	}
	asks.told(rfb.EncodingExtendedDesktopSize, answered(rfb.ResizeByThisClient, rfb.ResizeOK))
	other.told(rfb.EncodingExtendedDesktopSize, answered(rfb.ResizeByOtherClient, rfb.ResizeOK))
	old.told(rfb.EncodingDesktopSize, nil)
	if err := rigid.ended(); !errors.Is(err, relay.ErrViewerProtocol) {
		t.Errorf("who cannot be told ended with %v", err)
	}
	white := picture.New(640, 500)
	white.Fill(white.Bounds(), 0) // Xvnc's own background
	for _, w := range []*watcher{asks, other, old} {
		w.shows(white)
	}
	if init := h.Init(); init.Width != 640 || init.Height != 500 {
		t.Errorf("new viewers would be told %dx%d", init.Width, init.Height)
	}
	watch(t, h, seat, nil, modern(6)...).shows(white)
	greetedBefore := func(w *watcher) { w.init = before }
	watch(t, h, seat, greetedBefore, modern(6)...).shows(white)
	if err := watch(t, h, seat, greetedBefore, rfb.EncodingTight).ended(); !errors.Is(err, relay.ErrViewerProtocol) {
		t.Errorf("who cannot be told after its greeting ended with %v", err)
	}
	asks.send(rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 640, Height: 500})) // no screen at all
	asks.told(rfb.EncodingExtendedDesktopSize, answered(rfb.ResizeByThisClient, rfb.ResizeInvalidLayout))
}

// What is handed back goes on with a relay in front of another connection, and
// comes back.
func TestHandedBackAndForth(t *testing.T) {
	t.Parallel()
	const width, height = 500, 300
	x, h := desktop(t, width, height)
	w := watch(t, h, hub.Seat{Policy: everything}, nil, modern(9)...)
	raw := watch(t, h, hub.Seat{Policy: everything}, func(w *watcher) { w.requests = true }, rfb.EncodingRaw)
	random := rand.New(rand.NewPCG(4, 4))
	p := picturetest.Random(random, width, height)
	x.Show(t, p)
	w.shows(p)
	raw.shows(p)
	if h.HandBack(raw.socket) {
		t.Error("a viewer that takes no Tight cannot go back")
	}
	for range 3 {
		if !h.HandBack(w.socket) {
			t.Fatal("it cannot go back")
		}
		if err := w.ended(); !errors.Is(err, hub.ErrHandedBack) {
			t.Fatal(err)
		}
		if !w.state.Resumable() || !w.state.Continuous.Enable {
			t.Fatalf("the state is %+v", w.state)
		}
		relayed := make(chan relay.State, 1)
		conn, init := connect(t, x)
		go func() {
			timing := relay.Timing{}.WithDefaults()
			state, err := relay.Run(w.socket, conn, init, relay.Options{Policy: everything, Observer: deaf{}, Timing: &timing, Resume: &w.state})
			if !errors.Is(err, relay.ErrYielded) {
				t.Error(err)
			}
			relayed <- state
		}()
		p := picturetest.Random(random, width, height)
		x.Show(t, p)
		w.showsNearly(p) // Xvnc 1.12 leaves colours off by some
		w.socket.Yield()
		w.state = <-relayed
		conn.Close()
		w.serve(h, hub.Seat{Policy: everything}, w.state)
		p = picturetest.Random(random, width, height)
		x.Show(t, p)
		w.shows(p)
	}
	raw.shows(w.shown())
}

func TestThumbnail(t *testing.T) {
	t.Parallel()
	x, h := desktop(t, 640, 400)
	half := picture.New(640, 400)
	half.Fill(image.Rect(0, 0, 320, 400), 0xff0000)
	x.Show(t, half)
	var thumbnail hub.Thumbnail
	var colour [3]uint32
	eventually(t, "the thumbnail is red on the left", func() bool {
		var err error
		if thumbnail, err = h.Thumbnail(t.Context(), 320, 320); err != nil {
			t.Fatal(err)
		}
		small, err := jpeg.Decode(bytes.NewReader(thumbnail.JPEG))
		if err != nil {
			t.Fatal(err)
		}
		colour[0], colour[1], colour[2], _ = small.At(80, 100).RGBA()
		right, _, _, _ := small.At(240, 100).RGBA()
		return colour[0] > 0xf000 && colour[1] < 0x1000 && right < 0x1000
	})
	if thumbnail.Width != 320 || thumbnail.Height != 200 || thumbnail.Frame == 0 || thumbnail.Frame > h.Frame() {
		t.Errorf("%dx%d of frame %d", thumbnail.Width, thumbnail.Height, thumbnail.Frame)
	}
}

// cropped is the left of a picture.
func cropped(p *picture.Picture, width int) *picture.Picture {
	c := picture.New(width, p.Height)
	c.Copy(p, c.Bounds())
	return c
}
