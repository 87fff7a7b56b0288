package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace/gateway/hub"
)

// hubMetrics is what all hubs together count. Classes are few: a quality, and
// whether a viewer takes copies and gradients.
type hubMetrics struct {
	frames    prometheus.Counter
	rects     prometheus.Counter
	pixels    *prometheus.CounterVec // by class
	encoded   *prometheus.CounterVec // by class
	sent      *prometheus.CounterVec // by class, shared
	skipped   *prometheus.CounterVec // by reason
	sharpened prometheus.Counter
	viewers   *prometheus.GaugeVec // by class
}

var _ hub.Observer = (*hubMetrics)(nil)

func newHubMetrics(registerer prometheus.Registerer) (*hubMetrics, error) {
	const prefix = "streamspace_gateway_hub_"
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: prefix + name, Help: help}
	}
	m := &hubMetrics{
		frames:    prometheus.NewCounter(counter("frames_total", "Updates of desktops that were decoded.")),
		rects:     prometheus.NewCounter(counter("rectangles_total", "Rectangles in those updates.")),
		pixels:    prometheus.NewCounterVec(counter("encoded_pixels_total", "Pixels encoded, once for all viewers of a class."), []string{"class"}),
		encoded:   prometheus.NewCounterVec(counter("encoded_bytes_total", "Bytes that came of encoding."), []string{"class"}),
		sent:      prometheus.NewCounterVec(counter("sent_bytes_total", "Bytes of updates sent to viewers; shared ones went to all that were in step."), []string{"class", "shared"}),
		skipped:   prometheus.NewCounterVec(counter("skipped_total", "Updates that a viewer did not get as they came, but as newer pixels later, by why."), []string{"reason"}),
		sharpened: prometheus.NewCounter(counter("sharpened_pixels_total", "Pixels sent again without loss since they had come to rest.")),
		viewers:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "viewers", Help: "Viewers that hubs serve now, by class."}, []string{"class"}),
	}
	for _, collector := range []prometheus.Collector{m.frames, m.rects, m.pixels, m.encoded, m.sent, m.skipped, m.sharpened, m.viewers} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *hubMetrics) Frame(rects int) {
	m.frames.Inc()
	m.rects.Add(float64(rects))
}

func (m *hubMetrics) Encoded(class string, pixels, bytes int) {
	m.pixels.WithLabelValues(class).Add(float64(pixels))
	m.encoded.WithLabelValues(class).Add(float64(bytes))
}

func (m *hubMetrics) Sent(class string, bytes int, shared bool) {
	label := "no"
	if shared {
		label = "yes"
	}
	m.sent.WithLabelValues(class, label).Add(float64(bytes))
}

func (m *hubMetrics) Skipped(reason string) { m.skipped.WithLabelValues(reason).Inc() }
func (m *hubMetrics) Sharpened(pixels int)  { m.sharpened.Add(float64(pixels)) }
func (m *hubMetrics) Viewers(class string, change int) {
	m.viewers.WithLabelValues(class).Add(float64(change))
}
