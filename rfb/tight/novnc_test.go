package tight_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
	"github.com/streamspace/streamspace/rfb/tight"
)

const (
	noVNC = "../../web/node_modules/@novnc/novnc"
	// browserPatience bounds the whole visit: Chromium on a loaded machine.
	browserPatience = 4 * time.Minute
)

// scene is what noVNC is sent from ServerInit on, and what it must show.
type scene struct {
	name   string
	init   rfb.ServerInit
	stream []byte
	want   *picture.Picture
	lossy  []image.Rectangle
	error  float64 // that is allowed there: the root of the mean square
	// swapped: noVNC wants red in the first byte, the stream has blue there. To
	// Tight it makes no difference.
	swapped bool
}

// visit is the page's server and what the page has sent back.
type visit struct {
	scenes []scene
	mu     sync.Mutex
	shown  map[int][]byte // guarded by mu: red, green, blue, alpha
}

const visitPage = `<!doctype html><div id=screen></div><script type=module>
import RFB from "/novnc/core/rfb.js";
window.show = (n) => new Promise((done, fail) => {
	const screen = document.getElementById("screen");
	const rfb = new RFB(screen, "ws://" + location.host + "/rfb?scene=" + n);
	rfb.addEventListener("bell", async () => { // behind all updates
		await rfb._display.flush();
		const shown = rfb.getImageData();
		await fetch("/shown?scene=" + n, {method: "POST", body: shown.data});
		rfb.disconnect();
		done([shown.width, shown.height]);
	});
	rfb.addEventListener("disconnect", (e) => fail("disconnected, clean " + e.detail.clean));
	rfb.addEventListener("securityfailure", (e) => fail("security failure"));
});
</script>`

func (v *visit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("scene"))
	switch {
	case r.URL.Path == "/":
		io.WriteString(w, visitPage)
	case err != nil || n < 0 || n >= len(v.scenes):
		http.NotFound(w, r)
	case r.URL.Path == "/shown":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		v.mu.Lock()
		v.shown[n] = body
		v.mu.Unlock()
	default:
		v.play(w, r, v.scenes[n])
	}
}

// play is a desktop that sends the scene and a bell, and then listens until the
// viewer goes.
func (v *visit) play(w http.ResponseWriter, r *http.Request, s scene) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"binary"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	stream := &messages{conn: conn}
	if _, err := rfb.ServerHandshake(stream, rfb.ServerConfig{}); err != nil {
		return
	}
	for _, b := range [][]byte{rfb.AppendServerInit(nil, s.init), s.stream, rfb.AppendBell(nil)} {
		if _, err := stream.Write(b); err != nil {
			return
		}
	}
	io.Copy(io.Discard, stream)
}

// messages is a stream over a WebSocket's messages.
type messages struct {
	conn    *websocket.Conn
	present io.Reader
}

func (m *messages) Read(b []byte) (int, error) {
	for {
		if m.present == nil {
			_, next, err := m.conn.NextReader()
			if err != nil {
				return 0, err
			}
			m.present = next
		}
		n, err := m.present.Read(b)
		if err == io.EOF {
			m.present, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (m *messages) Write(b []byte) (int, error) {
	return len(b), m.conn.WriteMessage(websocket.BinaryMessage, b)
}

// TestNoVNCShowsThePicture: the browser's viewer, which shares no code with us,
// shows what our encoder was given, and decodes recordings to what our decoder
// makes of them.
func TestNoVNCShowsThePicture(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(noVNC); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("noVNC is not installed: cd web && npm ci")
		}
		t.Skip("noVNC is not installed: cd web && npm ci")
	}
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	defer cancel()
	v := &visit{scenes: append(encodedScenes(t), recordedScenes(t)...), shown: map[int][]byte{}}
	mux := http.NewServeMux()
	mux.Handle("/novnc/", http.StripPrefix("/novnc/", http.FileServer(http.Dir(noVNC))))
	mux.Handle("/", v)
	server := httptest.NewServer(mux)
	defer server.Close()
	b, err := browser.Open(ctx)
	if errors.Is(err, peer.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Navigate(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	const module = `new Promise(done => { const look = () => window.show ? done() : setTimeout(look, 10); look(); })`
	if err := b.Run(ctx, module, nil); err != nil {
		t.Fatal(err)
	}
	for n, s := range v.scenes {
		t.Run(s.name, func(t *testing.T) {
			var size json.RawMessage
			if err := b.Run(ctx, fmt.Sprintf(`show(%d)`, n), &size); err != nil {
				t.Fatal(err)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			compareShown(t, s, v.shown[n])
		})
	}
}

func compareShown(t *testing.T, s scene, shown []byte) {
	p := picture.New(s.want.Width, s.want.Height)
	if len(shown) != len(p.Pix) {
		t.Fatalf("shows %d bytes of pixels, not %d", len(shown), len(p.Pix))
	}
	first, third := 2, 0
	if s.swapped {
		first, third = 0, 2
	}
	for i := 0; i < len(shown); i += picture.BytesPerPixel {
		p.Pix[i+first], p.Pix[i+1], p.Pix[i+third] = shown[i], shown[i+1], shown[i+2]
	}
	for _, r := range s.lossy {
		if largest, root := difference(s.want, p, r); root > s.error {
			t.Errorf("JPEG at %v: largest difference %d, root of the mean square %.1f", r, largest, root)
		}
		p.Copy(s.want, r)
	}
	if !p.Equal(s.want, p.Bounds()) {
		largest, root := difference(s.want, p, p.Bounds())
		t.Errorf("shows something else: largest difference %d, root of the mean square %.2f", largest, root)
	}
}

// encodedScenes are ours: each picture in each quality, first whole, then with a
// part that changes.
func encodedScenes(t *testing.T) []scene {
	random := rand.New(rand.NewPCG(11, 12))
	page, terminal := picturetest.Page(t), picturetest.Terminal(t)
	type pair struct {
		name          string
		before, after *picture.Picture
		error         float64 // at medium quality
	}
	const (
		natural = 12
		noise   = 40 // in colours: the worst that can happen to shared chrominance
	)
	pairs := []pair{
		{"terminal", picturetest.Scrolled(terminal, 0, 480), picturetest.Scrolled(terminal, 17, 480), 0},
		{"page", picturetest.Scrolled(page, 0, 480), picturetest.Scrolled(page, 300, 480), natural},
		{"photo", picturetest.Photo(641, 359, 1), picturetest.Photo(641, 359, 9), natural},
		{"wide", picturetest.Random(random, 4500, 70), picturetest.Random(random, 4500, 70), noise},
	}
	for i := range 12 {
		width, height := 1+random.IntN(700), 1+random.IntN(400)
		pairs = append(pairs, pair{fmt.Sprintf("random%d", i), picturetest.Random(random, width, height), picturetest.Random(random, width, height), noise})
	}
	e := tight.NewEncoder()
	t.Cleanup(e.Close)
	var scenes []scene
	for _, c := range pairs {
		for _, q := range []tight.Quality{tight.Lossless, tight.Lossless.WithGradient(), tight.High, tight.Medium} {
			p := c.before
			data, count, first := e.AppendRegion(nil, p, []image.Rectangle{p.Bounds()}, q)
			lossy := slices.Clone(first)
			stream := append(rfb.AppendFramebufferUpdate(nil, uint16(count)), data...)
			last := p.Clone()
			x, y := random.IntN(p.Width), random.IntN(p.Height)
			changed := image.Rect(x, y, x+1+random.IntN(p.Width), y+1+random.IntN(p.Height)).Intersect(p.Bounds())
			last.Copy(c.after, changed)
			data, count, second := e.AppendRegion(nil, last, []image.Rectangle{changed}, q)
			stream = append(append(stream, rfb.AppendFramebufferUpdate(nil, uint16(count))...), data...)
			allowed := min(c.error, 8)
			if q == tight.Medium {
				allowed = c.error
			}
			scenes = append(scenes, scene{
				name:   c.name + "-" + q.String(),
				init:   rfb.ServerInit{Width: uint16(p.Width), Height: uint16(p.Height), Format: rfb.RGB888()},
				stream: stream, want: last, lossy: append(lossy, second...), error: allowed,
			})
		}
	}
	return scenes
}

// recordedScenes are of real desktops, as far as noVNC knows their encodings and
// the viewer took no part in what happened.
func recordedScenes(t *testing.T) []scene {
	unknown := []rfb.Encoding{rfb.EncodingXCursor, rfb.EncodingCursorWithAlpha, rfb.EncodingVMwareCursorPosition, rfb.EncodingVMwareLEDState}
	var scenes []scene
	for _, r := range picturetest.Recordings(t, "../testdata") {
		s := scene{name: "recorded-" + r.Name, init: r.Init, stream: r.Stream, error: 16, swapped: true}
		known := true
		s.want = r.Replay(t, func(p *picture.Picture, rects []rfb.ServerRect) {
			for _, rect := range rects {
				known = known && !slices.Contains(unknown, rect.Encoding)
				if rect.Encoding != rfb.EncodingTight {
					continue
				}
				s.swapped = false
				if rect.Data[0]>>4 == 9 {
					s.lossy = []image.Rectangle{p.Bounds()} // Chromium's JPEG decoder is not ours
				}
			}
		})
		if known && len(r.Stream) > 10<<10 {
			scenes = append(scenes, s)
		}
	}
	return scenes
}
