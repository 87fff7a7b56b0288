package tight_test

import (
	"image"
	"syscall"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
	"github.com/streamspace/streamspace/rfb/tight"
)

// workload is frames of 1280x720, each wholly new.
type workload struct {
	name   string
	frames []*picture.Picture
}

func workloads(b *testing.B) []workload {
	const width, height, frames, line = 1280, 720, 16, 17
	page, terminal := picturetest.Page(b), picturetest.Terminal(b)
	w := []workload{{name: "terminal"}, {name: "page"}, {name: "photo"}}
	for i := range frames {
		w[0].frames = append(w[0].frames, picturetest.Scrolled(terminal, i*line*2, height))
		w[1].frames = append(w[1].frames, picturetest.Scrolled(page, i*line*2, height))
		w[2].frames = append(w[2].frames, picturetest.Photo(width, height, i))
	}
	return w
}

// used is the processor time that this process has used, so that a busy machine
// makes less of a difference.
func used(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkEncode encodes whole frames on one core.
func BenchmarkEncode(b *testing.B) {
	for _, w := range workloads(b) {
		for name, q := range map[string]tight.Quality{
			"lossless": tight.Lossless, "lossless-gradient": tight.Lossless.WithGradient(),
			"high": tight.High, "medium": tight.Medium, "low": tight.Low,
		} {
			b.Run(w.name+"/"+name, func(b *testing.B) {
				e := tight.NewEncoder()
				defer e.Close()
				var out []byte
				var bytes, rects, lossy, n int
				b.ReportAllocs()
				start := used(b)
				for b.Loop() {
					p := w.frames[n%len(w.frames)]
					n++
					var count int
					var areas []image.Rectangle
					out, count, areas = e.AppendRegion(out[:0], p, []image.Rectangle{p.Bounds()}, q)
					bytes += len(out)
					rects += count
					for _, r := range areas {
						lossy += r.Dx() * r.Dy()
					}
				}
				area := w.frames[0].Width * w.frames[0].Height
				b.ReportMetric(float64(n*area)/1e6/(used(b)-start).Seconds(), "Mpx/core-s")
				b.ReportMetric(float64(bytes)/float64(n)/1e3, "kB/frame")
				b.ReportMetric(float64(rects)/float64(n), "rects/frame")
				b.ReportMetric(100*float64(lossy)/float64(n*area), "%lossy")
			})
		}
	}
}

// BenchmarkXvnc is the same frames from TigerVNC's own encoder: a real Xvnc shows
// each and sends it whole. Its processor time while it sends is what counts, in
// steps of 10 ms, so run it with -benchtime 100x or more. JPEG has the same
// quality and subsampling as the class has.
func BenchmarkXvnc(b *testing.B) {
	quality := func(q int, s rfb.Subsampling) []rfb.Encoding {
		return []rfb.Encoding{rfb.CompressLevel(2), rfb.FineQuality(q), s.Encoding()}
	}
	for _, w := range workloads(b) {
		for name, encodings := range map[string][]rfb.Encoding{
			"lossless": {rfb.CompressLevel(2)}, "high": quality(92, rfb.Subsampling1X), "medium": quality(78, rfb.Subsampling4X), "low": quality(45, rfb.Subsampling4X),
			"lossless-c0": {rfb.CompressLevel(0)}, "lossless-c1": {rfb.CompressLevel(1)},
		} {
			b.Run(w.name+"/"+name, func(b *testing.B) {
				x := picturetest.StartXvnc(b, w.frames[0].Width, w.frames[0].Height)
				v := x.Connect(b, append([]rfb.Encoding{rfb.EncodingTight, rfb.EncodingLastRect}, encodings...)...)
				v.Skip(b, false)
				var busy time.Duration
				var rects, n int
				before := v.Bytes
				for b.Loop() {
					x.Show(b, w.frames[n%len(w.frames)])
					n++
					start := x.CPU(b)
					v.Skip(b, false)
					busy += x.CPU(b) - start
					rects += len(v.Rects)
				}
				area := w.frames[0].Width * w.frames[0].Height
				b.ReportMetric(float64(n*area)/1e6/busy.Seconds(), "Mpx/core-s")
				b.ReportMetric(float64(v.Bytes-before)/float64(n)/1e3, "kB/frame")
				b.ReportMetric(float64(rects)/float64(n), "rects/frame")
			})
		}
	}
}

// BenchmarkJPEGLimit is the library alone on photos: what Encode can at best be.
func BenchmarkJPEGLimit(b *testing.B) {
	for _, q := range []tight.Quality{tight.High, tight.Medium, tight.Low} {
		b.Run(q.String(), func(b *testing.B) {
			p := picturetest.Photo(1280, 720, 1)
			compress := tight.Best(b)
			start := used(b)
			for b.Loop() {
				compress(p, q)
			}
			b.ReportMetric(float64(b.N*p.Width*p.Height)/1e6/(used(b)-start).Seconds(), "Mpx/core-s")
		})
	}
}

// BenchmarkClassify is what looking at the content costs, without encoding.
func BenchmarkClassify(b *testing.B) {
	for _, w := range append(workloads(b), workload{"flat", []*picture.Picture{picture.New(1280, 720)}}) {
		b.Run(w.name, func(b *testing.B) {
			e := tight.NewEncoder()
			defer e.Close()
			p := w.frames[0]
			b.SetBytes(int64(len(p.Pix)))
			start := used(b)
			for b.Loop() {
				e.ClassifyAll(p, tight.Medium)
			}
			b.ReportMetric(float64(b.N*p.Width*p.Height)/1e6/(used(b)-start).Seconds(), "Mpx/core-s")
		})
	}
}

// BenchmarkCharacter is a typed character.
func BenchmarkCharacter(b *testing.B) {
	e := tight.NewEncoder()
	defer e.Close()
	p := picturetest.Terminal(b)
	region := []image.Rectangle{image.Rect(9*10, 17*8, 9*12, 17*9)}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _, _ = e.AppendRegion(out[:0], p, region, tight.High)
	}
	b.ReportMetric(float64(len(out)), "B")
}

// BenchmarkRaw is for viewers without Tight.
func BenchmarkRaw(b *testing.B) {
	p := picturetest.Photo(1280, 720, 1)
	for name, format := range map[string]rfb.PixelFormat{"canonical": rfb.RGB888(), "565": rfb.RGB565()} {
		b.Run(name, func(b *testing.B) {
			var out []byte
			for b.Loop() {
				out, _ = tight.AppendRaw(out[:0], p, []image.Rectangle{p.Bounds()}, format)
			}
			b.ReportMetric(float64(b.N*p.Width*p.Height)/1e6/b.Elapsed().Seconds(), "Mpx/s")
		})
	}
}
