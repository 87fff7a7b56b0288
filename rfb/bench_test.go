package rfb_test

import (
	"fmt"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// piece is how much a gateway reads from a desktop at once.
const piece = 256 << 10

func benchmarkWalk(b *testing.B, init rfb.ServerInit, stream []byte) {
	b.Helper()
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	w := rfb.NewServerWalker(init)
	for b.Loop() {
		for rest := stream; len(rest) > 0; {
			p := rest[:min(piece, len(rest))]
			rest = rest[len(p):]
			for len(p) > 0 {
				n, _, err := w.Next(p)
				if err != nil {
					b.Fatal(err)
				}
				p = p[n:]
			}
		}
	}
}

// BenchmarkServerWalker walks recorded desktops, whose rectangles are small, and
// rectangles of the sizes that a busy full screen has.
func BenchmarkServerWalker(b *testing.B) {
	for _, name := range []string{"tight-jpeg", "tight", "tight-stored", "zrle", "hextile", "raw"} {
		b.Run("recorded/"+name, func(b *testing.B) {
			init, stream := split(b, load(b, name))
			benchmarkWalk(b, init, stream)
		})
	}
	for _, size := range []int{1 << 10, 20 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("jpeg-%dKiB", size>>10), func(b *testing.B) {
			stream := rfb.AppendFramebufferUpdate(nil, 16)
			for range 16 {
				stream = rfb.AppendTightJPEG(stream, rfb.Rect{Width: 256, Height: 256}, 0, zeros(size))
			}
			benchmarkWalk(b, desktop, stream)
		})
	}
	b.Run("jpeg21-20KiB", func(b *testing.B) { // the encoding that must be looked into
		image := photo(b, 160, 120)
		stream := rfb.AppendFramebufferUpdate(nil, 16)
		for range 16 {
			stream = rfb.AppendRect(stream, rfb.Rect{Width: 160, Height: 120, Encoding: rfb.EncodingJPEG})
			stream = append(stream, image...)
		}
		benchmarkWalk(b, desktop, stream)
	})
}

// BenchmarkClientParser parses recorded viewers, in the pieces in which WebSocket
// frames bring them: a message each, or a few.
func BenchmarkClientParser(b *testing.B) {
	for _, name := range []string{"viewer-novnc", "viewer-tigervnc"} {
		for _, piece := range []int{1 << 20, 8, 100} {
			b.Run(fmt.Sprintf("%s/%d", name, piece), func(b *testing.B) {
				stream := load(b, name)[len(handshake):]
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				parser := rfb.NewClientParser(rfb.ClientLimits{})
				messages := 0
				for b.Loop() {
					for rest := stream; len(rest) > 0; {
						p := rest[:min(piece, len(rest))]
						rest = rest[len(p):]
						for len(p) > 0 {
							n, m, err := parser.Next(p)
							if err != nil {
								b.Fatal(err)
							}
							if m.Raw != nil {
								messages++
							}
							p = p[n:]
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
			})
		}
	}
}

// TestWalkersAllocateNothing holds what the benchmarks show.
func TestWalkersAllocateNothing(t *testing.T) {
	for _, name := range recordings(t) {
		init, stream := split(t, load(t, name))
		if n := testing.AllocsPerRun(3, func() {
			w := rfb.NewServerWalker(init) // the one allocation: a recording may have resized its desktop
			for p := stream; len(p) > 0; {
				n, _, err := w.Next(p[:min(len(p), 1000)])
				if err != nil {
					t.Fatal(err)
				}
				p = p[n:]
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
