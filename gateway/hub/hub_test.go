package hub_test

import (
	"math/rand/v2"
	"testing"

	"github.com/streamspace/streamspace/gateway/hub"
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

// cropped is the left of a picture.
func cropped(p *picture.Picture, width int) *picture.Picture {
	c := picture.New(width, p.Height)
	c.Copy(p, c.Bounds())
	return c
}
