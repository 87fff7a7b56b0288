package video_test

import (
	"errors"
	"image"
	"os"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/likeness"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// kinds are the codecs as they are used, by name.
func kinds() map[string]video.Settings {
	kinds := map[string]video.Settings{
		"VP9-444": {Codec: video.VP9, FullChroma: true}, "AV1-444": {Codec: video.AV1, FullChroma: true},
	}
	for _, codec := range video.Codecs() {
		kinds[string(codec)] = video.Settings{Codec: codec}
	}
	for name, s := range kinds {
		s.Bitrate, s.FrameRate = 3_000_000, 30
		kinds[name] = s
	}
	return kinds
}

// open skips where the codec's library is optional and missing.
func open(t testing.TB, s video.Settings) *video.Encoder {
	t.Helper()
	e, err := video.Open(s)
	var missing *video.MissingError
	if errors.As(err, &missing) && (os.Getenv("CI") == "" || s.Codec == video.AV1) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

var epoch = time.Unix(1_000_000, 0)

// eachKind runs a test for every codec, all at once.
func eachKind(t *testing.T, test func(t *testing.T, s video.Settings)) {
	t.Parallel()
	for name, s := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func TestNothingChangesNothingIsCoded(t *testing.T) {
	eachKind(t, func(t *testing.T, settings video.Settings) {
		s := newSession(t, newDesktop(t, scene.Typing, 640, 480), settings)
		s.play(t, 1)
		s.settle(t, time.Minute)
		if !s.next.IsZero() {
			t.Fatal("a minute does not bring it to its best")
		}
		for range 10 {
			s.now = s.now.Add(time.Second)
			if f := s.encode(t, nil, false); len(f.Data) != 0 || !f.Next.IsZero() || f.Soft != 0 {
				t.Fatalf("%d bytes, %d soft blocks, next %v", len(f.Data), f.Soft, f.Next)
			}
		}
		s.now = s.now.Add(time.Second)
		if f := s.encode(t, []image.Rectangle{image.Rect(5, 5, 6, 6)}, false); len(f.Data) == 0 || f.Key || f.Blocks < 1 {
			t.Errorf("a pixel that may have changed: %d bytes, key %v, %d blocks", len(f.Data), f.Key, f.Blocks)
		}
	})
}

// Not parallel: what other tests allocate would count.
func TestAPictureAtRestAllocatesNothing(t *testing.T) {
	s := newSession(t, newDesktop(t, scene.Typing, 320, 240), kinds()["VP8"])
	s.play(t, 1)
	s.settle(t, time.Minute)
	s.now = s.now.Add(time.Second)
	if n := testing.AllocsPerRun(100, func() { s.encode(t, nil, false) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestKeyFramesComeAtMostOnceASecond(t *testing.T) {
	eachKind(t, func(t *testing.T, settings video.Settings) {
		e := open(t, settings)
		p := picturetest.Scrolled(picturetest.Terminal(t), 0, 360)
		key := func(at time.Duration, ask bool) video.Frame {
			t.Helper()
			f, err := e.Encode(p, nil, video.FrameOptions{Now: epoch.Add(at), Key: ask})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		if f := key(0, false); !f.Key {
			t.Error("the first frame is no key frame")
		}
		for at := 100 * time.Millisecond; at < video.KeyInterval; at += 100 * time.Millisecond {
			if f := key(at, true); f.Key || f.Next.IsZero() || f.Next.After(epoch.Add(video.KeyInterval)) {
				t.Fatalf("after %v: key %v, next %v", at, f.Key, f.Next)
			}
		}
		if f := key(video.KeyInterval, false); !f.Key {
			t.Error("a request is forgotten")
		}
		for at := 2*video.KeyInterval - 1; at > video.KeyInterval+1; at -= 100 * time.Millisecond {
			if f := key(video.KeyInterval+1, false); f.Key {
				t.Fatal("a request is answered twice")
			}
		}
		if f := key(5*video.KeyInterval, true); !f.Key {
			t.Error("a late request is not answered at once")
		}
	})
}

// What a person has typed is sharp 150 ms after, and a dialog full of text too, at
// 2 Mbit/s: by the clock that the line's rate is kept with.
func TestTextIsSharpSoonAfterItRests(t *testing.T) {
	eachKind(t, func(t *testing.T, settings video.Settings) {
		settings.Bitrate = 2_000_000
		e := open(t, settings)
		text := picturetest.Terminal(t)
		p := picture.New(1280, 720)
		p.Fill(p.Bounds(), 0x303438)
		now := epoch
		encode := func(damage ...image.Rectangle) video.Frame {
			t.Helper()
			f, err := e.Encode(p, damage, video.FrameOptions{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		f := encode()
		for _, r := range []image.Rectangle{image.Rect(100, 100, 108, 117), image.Rect(100, 200, 300, 217), image.Rect(320, 240, 640, 400)} {
			for !f.Next.IsZero() {
				now = f.Next
				f = encode()
			}
			now = now.Add(time.Second)
			rests := now
			p.Copy(text, r)
			for f = encode(r); !f.Next.IsZero(); f = encode() {
				now = f.Next
			}
			if took := now.Sub(rests); took > 150*time.Millisecond || f.Soft != 0 {
				t.Errorf("%v: sharp after %v", r, took)
			}
		}
	})
}

func TestTheBitrateIsKeptAndChangedLive(t *testing.T) {
	eachKind(t, func(t *testing.T, settings video.Settings) {
		e := open(t, settings)
		const fps = 30
		var p *picture.Picture
		film := make([]*picture.Picture, 15)
		for i := range film {
			film[i] = picturetest.Photo(320, 240, i)
		}
		now, n := epoch, 0
		run := func(seconds int) (bits float64) {
			for range seconds * fps {
				p = film[n%len(film)]
				n++
				f, err := e.Encode(p, []image.Rectangle{p.Bounds()}, video.FrameOptions{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				bits += float64(len(f.Data)) * 8
				now = now.Add(time.Second / fps)
			}
			return bits / float64(seconds)
		}
		for _, want := range []int{1_000_000, 400_000, 1_500_000} {
			e.SetBitrate(want)
			run(1)
			if got := run(2); got < 0.6*float64(want) || got > 1.25*float64(want) {
				t.Errorf("%.0f bits a second, of %d", got, want)
			}
		}
		e.SetFrameRate(10)
		if s := e.Settings(); s.FrameRate != 10 || s.Bitrate != 1_500_000 {
			t.Errorf("settings are %+v", s)
		}
		run(1)
		e.SetBitrate(-1)
		e.SetFrameRate(1 << 30)
		if s := e.Settings(); s.Bitrate != video.MinBitrate || s.FrameRate != video.MaxFrameRate {
			t.Errorf("beyond the bounds, settings are %+v", s)
		}
		run(1)
	})
}

// TestChromiumShowsWhatWasEncoded has a browser decode a morning at a desktop: a
// page, typing, film in a corner, another size with odd sides, somebody who joins.
func TestChromiumShowsWhatWasEncoded(t *testing.T) {
	t.Parallel()
	type look struct {
		name             string
		truth            *picture.Picture
		region           image.Rectangle
		ssim, legibility float64
	}
	var clips []clip
	var looks [][]look
	for name, settings := range kinds() {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, scene.Typing, 1280, 720)
			s := newSession(t, d, settings)
			c := clip{codec: settings.Codec, full: settings.FullChroma}
			var l []look
			s.each = c.add
			see := func(what string, r image.Rectangle, ssim, legibility float64) {
				c.look()
				l = append(l, look{name + " " + what, s.screen.Clone(), r, ssim, legibility})
			}
			whole := s.screen.Bounds()
			s.play(t, 1)
			s.settle(t, time.Minute)
			s.play(t, 36)
			s.settle(t, time.Minute)
			see("typing", whole, 0.975, 0.998)

			corner := image.Rect(160, 160, 480, 352)
			below := image.Rect(0, 368, 1280, 720)
			for i := range 60 {
				s.screen.Copy(picturetest.Photo(640, 480, i), corner)
				s.encode(t, []image.Rectangle{corner}, false)
				s.now = s.now.Add(time.Second / 30)
			}
			see("film", corner, 0.9, 0.95)
			l = append(l, look{name + " beside film", s.screen.Clone(), below, 0.97, 0.998})
			c.chunks[len(c.chunks)-1].look = true

			s.screen.Resize(801, 603)
			if f := s.encode(t, nil, false); !f.Key {
				t.Error("another size begins without a key frame")
			}
			s.settle(t, time.Minute)
			see("odd sides", s.screen.Bounds(), 0.975, 0.998)

			s.now = s.now.Add(time.Second)
			if f := s.encode(t, nil, true); !f.Key {
				t.Error("somebody joins without a key frame")
			}
			s.settle(t, time.Minute)
			see("joiner", s.screen.Bounds(), 0.975, 0.998)
			clips, looks = append(clips, c), append(looks, l)
		})
	}
	for n, seen := range watch(t, clips...) {
		i := -1
		for _, l := range looks[n] {
			if l.region.Min.Y != 368 { // two regions of one frame
				i++
			}
			shown := seen.pictures[i]
			width, height := l.truth.Width, l.truth.Height
			if clips[n].codec == video.H264 { // it has even sides
				width, height = width+width%2, height+height%2
			}
			if shown.Width != width || shown.Height != height {
				t.Errorf("%s: %dx%d is shown as %dx%d", l.name, l.truth.Width, l.truth.Height, shown.Width, shown.Height)
				continue
			}
			ssim, legibility := likeness.SSIM(l.truth, shown, l.region), likeness.Legibility(l.truth, shown, l.region)
			t.Logf("%-22s SSIM %.4f, legibility %.4f, PSNR %.1f dB", l.name, ssim, legibility, psnr(l.truth, shown, l.region))
			if ssim < l.ssim || legibility < l.legibility {
				t.Errorf("%s: SSIM %.4f, legibility %.4f, not %.4f and %.4f", l.name, ssim, legibility, l.ssim, l.legibility)
			}
		}
	}
}
