package hub_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// screen is a viewer's that keeps what it is shown.
type screen struct {
	codec   video.Codec
	full    bool
	bitrate atomic.Int64
	wants   atomic.Bool

	mu      sync.Mutex
	frames  [][]byte          // guarded by mu
	latest  time.Time         // guarded by mu
	pointed int               // guarded by mu
	motion  *rfb.PointerEvent // guarded by mu
}

func newScreen(codec video.Codec, full bool) *screen {
	s := &screen{codec: codec, full: full}
	s.bitrate.Store(6_000_000)
	return s
}

func (s *screen) Format() (video.Codec, bool) { return s.codec, s.full }
func (s *screen) Bitrate() int                { return int(s.bitrate.Load()) }
func (s *screen) Refresh() bool               { return s.wants.Swap(false) }

func (s *screen) Show(data []byte, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, bytes.Clone(data))
	s.latest = time.Now()
	return nil
}

func (s *screen) Pointed(rfb.PointerEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pointed++
}

func (s *screen) Motion() (e rfb.PointerEvent, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.motion == nil {
		return e, false
	}
	e, s.motion = *s.motion, nil
	return e, true
}

func (s *screen) shown() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// rests waits until no frame has come for a while: all is sharp then.
func (s *screen) rests(t *testing.T) [][]byte {
	t.Helper()
	eventually(t, "the video comes to rest", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.frames) > 0 && time.Since(s.latest) > 2*time.Second
	})
	return s.shown()
}

// film joins a viewer of video, filmAt one of a quality.
func film(t *testing.T, h *hub.Hub, s *screen) *watcher { t.Helper(); return filmAt(t, h, s, 6) }

func filmAt(t *testing.T, h *hub.Hub, s *screen, level int) *watcher {
	t.Helper()
	trial, err := video.Open(video.Settings{Codec: s.codec, FullChroma: s.full, Bitrate: video.MinBitrate, FrameRate: 30})
	var missing *video.MissingError
	if errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	trial.Close()
	return watch(t, h, hub.Seat{Policy: everything, Screen: s}, nil, modern(level)...)
}

// A viewer of video that asks for the best gets the exact pixels of what rests,
// after each change and each change of size, and others get none.
func TestExactPixelsBesideVideo(t *testing.T) {
	t.Parallel()
	const width, height = 640, 400
	x, h := desktop(t, width, height)
	plain := watch(t, h, hub.Seat{Policy: everything}, nil, modern(9)...)
	exact := filmAt(t, h, newScreen(video.VP9, true), 9)
	for offset := range 3 {
		page := picturetest.Scrolled(cropped(picturetest.Page(t), width), 40*offset, height)
		x.Show(t, page)
		plain.shows(page)
		exact.shows(page)
	}
}

// isKey tells whether a frame of VP8 or VP9 stands alone.
func isKey(codec video.Codec, frame []byte) bool {
	if codec == video.H264 {
		return isIDR(frame)
	}
	if codec == video.VP8 {
		return frame[0]&1 == 0 // RFC 6386 section 9.1
	}
	// VP9 bitstream section 6.2, for profiles 0 to 2: after the marker and the profile
	// comes whether a frame is shown again, then the type.
	return frame[0]&0x0C == 0
}

func TestVideoShowsWhatTheDesktopShows(t *testing.T) {
	t.Parallel()
	const width, height = 640, 400
	x, h := desktop(t, width, height)
	plain := watch(t, h, hub.Seat{Policy: everything}, nil, modern(9)...)
	full, shared, late := newScreen(video.VP9, true), newScreen(video.VP9, true), newScreen(video.VP8, false)
	viewer := film(t, h, full)
	page := picturetest.Scrolled(cropped(picturetest.Page(t), width), 0, height)
	x.Show(t, page)
	plain.shows(page)
	full.rests(t)
	other := film(t, h, shared)
	page = picturetest.Scrolled(cropped(picturetest.Page(t), width), 60, height)
	x.Show(t, page)
	plain.shows(page)
	film(t, h, late)
	whole, joined, floor := full.rests(t), shared.rests(t), late.rests(t)

	if !isKey(video.VP9, whole[0]) || !isKey(video.VP9, joined[0]) || !isKey(video.VP8, floor[0]) {
		t.Error("somebody's video does not begin with a key frame")
	}
	if last := whole[max(len(whole)-len(joined), 0):]; !slices.EqualFunc(last, joined, bytes.Equal) {
		t.Errorf("who share an encoder got %d and %d frames, which differ", len(whole), len(joined))
	}
	if !isKey(video.VP9, whole[len(whole)-len(joined)]) {
		t.Error("the joiner's first frame is none for all")
	}
	for _, w := range []*watcher{viewer, other} {
		w.mu.Lock()
		if len(w.pixels) > 0 {
			t.Errorf("a viewer of video gets pixels on its socket: %v", w.pixels)
		}
		w.mu.Unlock()
		w.told(rfb.EncodingExtendedDesktopSize, nil)
	}
	if status, ok := h.Status(viewer.socket); !ok || status.Quality != "vp9_444" {
		t.Errorf("its status is %+v, %v", status, ok)
	}

	for name, test := range map[string]struct {
		codec  string
		frames [][]byte
		least  float64
	}{"VP9 4:4:4": {"vp09.01.51.08", whole, 40}, "joined": {"vp09.01.51.08", joined, 40}, "VP8": {"vp8", floor, 25}} {
		shown := decode(t, test.codec, test.frames)
		if got := psnr(shown, page); got < test.least {
			t.Errorf("%s: the video is %.1f dB from the desktop, not %v", name, got, test.least)
		}
	}
}

func TestVideoIsMadeWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 320, 200, hub.Options{})
	a := newScreen(video.VP8, false)
	w := film(t, h, a)
	quiet := len(a.rests(t))
	s.say(fill(image.Rect(10, 10, 50, 50), 0xe0))
	eventually(t, "a frame for a change", func() bool { return len(a.shown()) > quiet })
	after := len(a.rests(t))

	a.wants.Store(true)
	w.socket.Nudge()
	eventually(t, "a key frame for who asks", func() bool {
		frames := a.shown()
		return len(frames) > after && isKey(video.VP8, frames[after])
	})
	a.rests(t)
	before := len(a.shown())
	a.bitrate.Store(500_000) // another class, another encoder
	b := newScreen(video.VP8, false)
	other := film(t, h, b)
	eventually(t, "a key frame of the other class", func() bool {
		frames := a.shown()
		return len(frames) > before && slices.ContainsFunc(frames[before:], func(f []byte) bool { return isKey(video.VP8, f) })
	})
	b.rests(t)
	other.conn.Close()
	other.ended()
	a.rests(t)
	before = len(a.shown())
	s.say(fill(image.Rect(60, 60, 90, 90), 0x1c))
	eventually(t, "a frame after the other has left", func() bool { return len(a.shown()) > before })
}

func TestVideoOfAnotherSize(t *testing.T) {
	t.Parallel()
	const width, height = 400, 300
	_, h := desktop(t, width, height)
	s := newScreen(video.VP9, false)
	w := film(t, h, s)
	before := len(s.rests(t))
	w.send(rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 640, Height: 480, Screens: []rfb.Screen{{Width: 640, Height: 480}}}))
	w.told(rfb.EncodingExtendedDesktopSize, func(r rfb.ServerRect) bool { return r.Width == 640 && r.Height == 480 })
	eventually(t, "a key frame of the new size", func() bool {
		frames := s.shown()
		return len(frames) > before && slices.ContainsFunc(frames[before:], func(f []byte) bool { return isKey(video.VP9, f) })
	})
	if shown := decode(t, "vp09.00.51.08", s.rests(t)); shown.Width != 640 || shown.Height != 480 {
		t.Errorf("the video has %dx%d pixels", shown.Width, shown.Height)
	}
}

// Motion without a button goes past the ordered stream, through the same gate.
func TestPointerOfAScreen(t *testing.T) {
	t.Parallel()
	s, h, _ := scripted(t, 320, 200, hub.Options{})
	for _, policy := range []relay.Policy{{}, everything} {
		a := newScreen(video.VP8, false)
		w := watch(t, h, hub.Seat{Policy: policy, Screen: a}, nil, modern(9)...)
		w.send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 1, Y: 1, Buttons: 1}))
		eventually(t, "the screen hears of the pointer", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.pointed == 1
		})
		a.mu.Lock()
		a.motion = &rfb.PointerEvent{X: 30, Y: 40, Buttons: 1}
		a.mu.Unlock()
		w.socket.Nudge()
		eventually(t, "the motion is taken", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.motion == nil
		})
	}
	var got []rfb.PointerEvent
	for range 2 { // of who may, and nobody else
		e, _ := s.next(rfb.ClientPointerEvent).Pointer()
		got = append(got, e)
	}
	if got[0].X != 1 || got[1].X != 30 || got[1].Y != 40 || got[1].Buttons != 1 {
		t.Errorf("the desktop hears %+v", got)
	}
}

const decoderPage = `<!doctype html><script>
window.decode = async (codec) => {
	const stream = new DataView(await (await fetch("/frames")).arrayBuffer());
	let last = null, failed = null;
	const decoder = new VideoDecoder({
		output: (f) => { last?.close(); last = f; },
		error: (e) => { failed = e; },
	});
	decoder.configure({codec, optimizeForLatency: true, // WebRTC takes this from the bitstream, WebCodecs from here
		colorSpace: {matrix: "smpte170m", primaries: "bt709", transfer: "iec61966-2-1", fullRange: false}});
	for (let at = 0, i = 0; at < stream.byteLength && !failed; i++) {
		const size = stream.getUint32(at + 1);
		decoder.decode(new EncodedVideoChunk({type: stream.getUint8(at) ? "key" : "delta", timestamp: i,
			data: new Uint8Array(stream.buffer, at + 5, size)}));
		at += 5 + size;
	}
	if (!failed) await decoder.flush();
	if (failed) throw failed;
	const canvas = new OffscreenCanvas(last.displayWidth, last.displayHeight);
	const context = canvas.getContext("2d", {willReadFrequently: true});
	context.drawImage(last, 0, 0);
	await fetch("/shown", {method: "POST", body: context.getImageData(0, 0, canvas.width, canvas.height).data});
	return {width: canvas.width, height: canvas.height};
};
</script>`

// decode has Chromium decode frames, and returns what the last one shows.
func decode(t *testing.T, codec string, frames [][]byte) *picture.Picture {
	t.Helper()
	kind := video.VP9
	switch {
	case codec == "vp8":
		kind = video.VP8
	case strings.HasPrefix(codec, "avc1"):
		kind = video.H264
	}
	var shown []byte
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, decoderPage) })
	mux.HandleFunc("/frames", func(w http.ResponseWriter, r *http.Request) {
		for _, f := range frames {
			head := []byte{0}
			if isKey(kind, f) {
				head[0] = 1
			}
			w.Write(append(binary.BigEndian.AppendUint32(head, uint32(len(f))), f...))
		}
	})
	mux.HandleFunc("/shown", func(w http.ResponseWriter, r *http.Request) { shown, _ = io.ReadAll(r.Body) })
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := browser.Open(ctx)
	if errors.Is(err, peer.ErrMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Navigate(ctx, server.URL+"/"); err != nil {
		t.Fatal(err)
	}
	name, _ := json.Marshal(codec)
	var size struct{ Width, Height int }
	if err := b.Run(ctx, fmt.Sprintf("decode(%s)", name), &size); err != nil {
		t.Fatalf("decoding %s: %v", codec, err)
	}
	p := picture.New(size.Width, size.Height)
	if len(shown) != len(p.Pix) {
		t.Fatalf("%d bytes of %dx%d pixels", len(shown), size.Width, size.Height)
	}
	for i := 0; i+3 < len(p.Pix); i += 4 {
		p.Pix[i], p.Pix[i+1], p.Pix[i+2] = shown[i+2], shown[i+1], shown[i]
	}
	return p
}

// psnr is that of red, green and blue, in dB.
func psnr(a, b *picture.Picture) float64 {
	var sum, n float64
	for i := range min(len(a.Pix), len(b.Pix)) {
		if i%4 != 3 {
			d := float64(a.Pix[i]) - float64(b.Pix[i])
			sum += d * d
			n++
		}
	}
	return 10 * math.Log10(255*255*n/math.Max(sum, 1e-9))
}
