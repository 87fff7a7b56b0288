package video_test

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
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb/picture"
)

// patience bounds one visit of Chromium's on a loaded machine.
const patience = 4 * time.Minute

// clip is coded video and the frames of it that are to be looked at.
type clip struct {
	codec  video.Codec
	full   bool
	chunks []chunk
}

type chunk struct {
	data []byte
	key  bool
	look bool
}

// add appends a frame, unless it is empty.
func (c *clip) add(f video.Frame) {
	if len(f.Data) > 0 {
		c.chunks = append(c.chunks, chunk{data: bytes.Clone(f.Data), key: f.Key})
	}
}

// look marks the last frame.
func (c *clip) look() { c.chunks[len(c.chunks)-1].look = true }

// name is the codec string of WebCodecs.
func (c *clip) name() string {
	profile := 0
	if c.full {
		profile = 1
	}
	switch c.codec {
	case video.VP9:
		return fmt.Sprintf("vp09.%02d.51.08", profile)
	case video.AV1:
		return fmt.Sprintf("av01.%d.13M.08", profile)
	case video.H264:
		return "avc1.42E033"
	}
	return "vp8"
}

// seen is what Chromium made of a clip.
type seen struct {
	Matrix    string             `json:"matrix"`
	FullRange bool               `json:"fullRange"`
	Format    string             `json:"format"`
	Frames    int                `json:"frames"`
	pictures  []*picture.Picture // of the frames that were looked at
}

const decoderPage = `<!doctype html><script>
window.decode = async (n, codec) => {
	const stream = new DataView(await (await fetch("/clip?n=" + n)).arrayBuffer());
	const result = {frames: 0}, look = new Set(), sent = [];
	let failed = null, shown = Promise.resolve();
	const show = async (f) => {
		const canvas = new OffscreenCanvas(f.displayWidth, f.displayHeight);
		const context = canvas.getContext("2d", {willReadFrequently: true});
		context.drawImage(f, 0, 0);
		const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
		const at = f.timestamp;
		f.close();
		await fetch("/shown?n=" + n + "&frame=" + at + "&width=" + canvas.width, {method: "POST", body: pixels.data});
	};
	const decoder = new VideoDecoder({
		output: (f) => {
			result.frames++;
			result.format = f.format;
			result.matrix = f.colorSpace.matrix;
			result.fullRange = f.colorSpace.fullRange;
			if (look.has(f.timestamp)) shown = shown.then(() => show(f));
			else f.close();
		},
		error: (e) => { failed = e; },
	});
	decoder.configure({codec, optimizeForLatency: true, // WebRTC takes this from the bitstream, WebCodecs from here
		colorSpace: {matrix: "smpte170m", primaries: "bt709", transfer: "iec61966-2-1", fullRange: false}});
	for (let at = 0, i = 0; at < stream.byteLength && !failed; i++) {
		const flags = stream.getUint8(at), size = stream.getUint32(at + 1);
		if (flags & 2) look.add(i);
		decoder.decode(new EncodedVideoChunk({type: flags & 1 ? "key" : "delta", timestamp: i,
			data: new Uint8Array(stream.buffer, at + 5, size)}));
		at += 5 + size;
		if (decoder.decodeQueueSize > 16) await new Promise(r => decoder.addEventListener("dequeue", r, {once: true}));
	}
	if (!failed) await decoder.flush();
	await shown;
	if (failed) throw failed;
	decoder.close();
	return result;
};
</script>`

// theatre serves clips and takes back what was shown.
type theatre struct {
	clips []clip
	mu    sync.Mutex
	shown map[string]*picture.Picture // guarded by mu
}

func (v *theatre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	switch {
	case r.URL.Path == "/":
		io.WriteString(w, decoderPage)
	case err != nil || n < 0 || n >= len(v.clips):
		http.NotFound(w, r)
	case r.URL.Path == "/clip":
		for _, chunk := range v.clips[n].chunks {
			flags := byte(0)
			if chunk.key {
				flags |= 1
			}
			if chunk.look {
				flags |= 2
			}
			w.Write(append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(chunk.data))), chunk.data...))
		}
	case r.URL.Path == "/shown":
		width, _ := strconv.Atoi(r.FormValue("width"))
		rgba, err := io.ReadAll(r.Body)
		if err != nil || width <= 0 {
			http.Error(w, "half a picture", http.StatusBadRequest)
			return
		}
		p := picture.New(width, len(rgba)/4/width)
		for i := 0; i+3 < len(p.Pix); i += 4 {
			p.Pix[i], p.Pix[i+1], p.Pix[i+2] = rgba[i+2], rgba[i+1], rgba[i]
		}
		v.mu.Lock()
		v.shown[r.FormValue("n")+" "+r.FormValue("frame")] = p
		v.mu.Unlock()
	}
}

// watch has Chromium decode clips.
func watch(t testing.TB, clips ...clip) []seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v := &theatre{clips: clips, shown: map[string]*picture.Picture{}}
	server := httptest.NewServer(v)
	defer server.Close()
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
	results := make([]seen, len(clips))
	for n, c := range clips {
		name, _ := json.Marshal(c.name())
		if err := b.Run(ctx, fmt.Sprintf("decode(%d, %s)", n, name), &results[n]); err != nil {
			t.Fatalf("decoding clip %d (%s): %v", n, name, err)
		}
		if results[n].Frames != len(c.chunks) {
			t.Errorf("clip %d: %d of %d frames were decoded", n, results[n].Frames, len(c.chunks))
		}
		for i, chunk := range c.chunks {
			if chunk.look {
				p := v.shown[fmt.Sprint(n, " ", i)]
				if p == nil {
					t.Fatalf("clip %d: frame %d was not shown", n, i)
				}
				results[n].pictures = append(results[n].pictures, p)
			}
		}
	}
	return results
}

// psnr is that of red, green and blue in a region, in dB.
func psnr(a, b *picture.Picture, r image.Rectangle) float64 {
	var sum, n float64
	for y := r.Min.Y; y < r.Max.Y; y++ {
		left, right := a.Row(y, r.Min.X, r.Max.X), b.Row(y, r.Min.X, r.Max.X)
		for i := range left {
			if i%4 != 3 {
				d := float64(left[i]) - float64(right[i])
				sum += d * d
				n++
			}
		}
	}
	return 10 * math.Log10(255*255*n/math.Max(sum, 1e-9))
}
