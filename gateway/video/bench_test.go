package video_test

import (
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/gateway/video"
)

// BenchmarkEncode is processor time per frame of a 1080p desktop: with the damage
// map, and as an encoder that knows no damage does it.
func BenchmarkEncode(b *testing.B) {
	for _, settings := range []video.Settings{{Codec: video.VP9}, {Codec: video.VP9, FullChroma: true}, {Codec: video.VP8}, {Codec: video.AV1}, {Codec: video.H264}} {
		settings.Bitrate, settings.FrameRate = 5_000_000, 30
		name := string(settings.Codec)
		if settings.FullChroma {
			name += "-444"
		}
		for _, workload := range []scene.Name{scene.Idle, scene.Typing, scene.Scroll, scene.Video} {
			for _, mode := range []string{"damage", "whole"} {
				b.Run(name+"/"+string(workload)+"/"+mode, func(b *testing.B) {
					s := newSession(b, newDesktop(b, workload, 1920, 1080), settings)
					s.play(b, 1)
					s.settle(b, 5*time.Second)
					s.whole = mode == "whole"
					frames, size, from := 0, 0, s.now
					s.busy = 0
					s.each = func(f video.Frame) {
						if len(f.Data) > 0 {
							frames++
							size += len(f.Data)
						}
					}
					for b.Loop() {
						s.play(b, 1)
					}
					played := s.now.Sub(from).Seconds()
					b.ReportMetric(s.busy.Seconds()*1000/float64(b.N), "cpu-ms/change")
					b.ReportMetric(s.busy.Seconds()*1000/float64(frames), "cpu-ms/frame")
					b.ReportMetric(s.busy.Seconds()/played*100, "%core")
					b.ReportMetric(float64(size)*8/played/1e6, "Mbit/s")
				})
			}
		}
	}
}
