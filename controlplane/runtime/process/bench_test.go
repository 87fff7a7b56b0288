package process

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace/controlplane/runtime"
)

// BenchmarkStart is the desktop's part of a click on "Start": from Apply to
// ready, and to a terminal that fills the screen, as a viewer sees it; and the
// means of the steps in between.
func BenchmarkStart(b *testing.B) {
	registry := prometheus.NewRegistry()
	o := options(dataDir(b))
	o.Registerer = registry
	r, stop := newUnwatched(b, o)
	defer stop()
	var ready, painted []time.Duration
	observations := r.Watch(b.Context())
	for b.Loop() {
		d := desktopOf("xterm", "-fa", "DejaVu Sans Mono", "-bg", "#10141c", "-fg", "#e6e9ef")
		d.Width, d.Height = 1280, 720
		began := time.Now()
		if err := r.Apply(b.Context(), d); err != nil {
			b.Fatal(err)
		}
		address := ""
		for o := range observations {
			if o.Session != d.Session {
				continue
			}
			if o.Phase == runtime.PhaseFailed {
				b.Fatal(o.Reason)
			}
			if address = o.Address; o.Phase == runtime.PhaseReady {
				break
			}
		}
		ready = append(ready, time.Since(began))
		v := open(b, address)
		eventually(b, "the terminal fills the screen", func() bool {
			return v.share(func(r, g, b byte) bool { return r == 0x10 && g == 0x14 && b == 0x1c }) > .5
		})
		painted = append(painted, time.Since(began))
		if err := r.Delete(b.Context(), d.Session); err != nil {
			b.Fatal(err)
		}
	}
	for name, all := range map[string][]time.Duration{"ready-p50-ms": ready, "painted-p50-ms": painted} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Milliseconds()), name)
	}
	families, err := registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if h := metric.GetHistogram(); h != nil && family.GetName() == "streamspace_process_start_seconds" {
				b.ReportMetric(1000*h.GetSampleSum()/float64(h.GetSampleCount()), strings.ReplaceAll(metric.GetLabel()[0].GetValue(), " ", "-")+"-ms")
			}
		}
	}
}
