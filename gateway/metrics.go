package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/sound"
)

// metrics is what the gateway counts. It is the relay's meter too.
type metrics struct {
	viewers   prometheus.Gauge
	desktops  prometheus.Gauge
	admitted  prometheus.Counter
	refused   *prometheus.CounterVec // by code
	closed    *prometheus.CounterVec // by code
	bytes     [2]prometheus.Counter  // by relay.Direction
	filtered  *prometheus.CounterVec // by kind of message, direction
	updates   prometheus.Counter
	rects     prometheus.Counter
	stalled   prometheus.Counter
	pings     prometheus.Counter
	rtt       prometheus.Histogram
	wait      prometheus.Histogram
	dial      prometheus.Histogram
	firstByte prometheus.Histogram

	frameAge     prometheus.Histogram
	clickToPixel prometheus.Histogram

	hubs       prometheus.Gauge
	promoted   prometheus.Counter
	demoted    prometheus.Counter
	thumbnails prometheus.Counter
	hub        *hubMetrics

	sound *sound.Metrics

	load load
}

// Buckets in seconds. Latencies of a connection lie between a local socket and
// a bad mobile link; waits reach up to the start of a desktop.
var (
	latencyBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	pixelBuckets   = []float64{.001, .002, .004, .006, .008, .012, .016, .024, .032, .05, .075, .1, .15, .25, .5, 1, 2.5, 5}
	waitBuckets    = []float64{.01, .05, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60}
)

// directions are the labels of relay.Direction.
var directions = [...]string{relay.ToViewer: "out", relay.ToDesktop: "in"}

// codeLeft is the label of a stream that its viewer ended.
const codeLeft = "viewer_left"

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	const prefix = "streamspace_gateway_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
	}
	bytes := vector("bytes_total", "RFB bytes relayed, without framing: out is to viewers, in is to desktops.", "direction")
	m := &metrics{
		viewers:  gauge("viewers", "Streams that are open now, waiting ones included."),
		desktops: gauge("desktops", "Sessions that are held here."),
		admitted: counter("admitted_total", "Streams that were let in."),
		refused:  vector("refused_total", "Requests refused before the upgrade, by problem code.", "code"),
		closed:   vector("closed_total", "Streams ended, by close code; viewer_left when the viewer ended it.", "code"),
		bytes: [2]prometheus.Counter{
			relay.ToViewer: bytes.WithLabelValues(directions[relay.ToViewer]), relay.ToDesktop: bytes.WithLabelValues(directions[relay.ToDesktop]),
		},
		filtered:  vector("filtered_total", "RFB messages withheld because the ticket does not allow them, by kind; encodings taken out of SetEncodings count as kind encoding.", "kind", "direction"),
		updates:   counter("updates_total", "Framebuffer updates relayed."),
		rects:     counter("rectangles_total", "Rectangles in framebuffer updates relayed."),
		stalled:   counter("write_stall_seconds_total", "Time that data waited for a viewer's full socket."),
		pings:     counter("pings_total", "WebSocket pings sent."),
		rtt:       histogram("rtt_seconds", "Round trip of a WebSocket ping.", latencyBuckets),
		wait:      histogram("desktop_wait_seconds", "Time a viewer waited for a desktop that was not up.", waitBuckets),
		dial:      histogram("dial_seconds", "Time to connect to a desktop and finish its handshake.", latencyBuckets),
		firstByte: histogram("first_update_seconds", "Time from the upgrade to the first bytes of a framebuffer.", waitBuckets),

		frameAge:     histogram("frame_age_seconds", "Time from an update's coming from the desktop to its viewer's having taken it, by the viewer's answer to a fence; sampled at most once a second for each viewer of a relay.", pixelBuckets),
		clickToPixel: histogram("click_to_pixel_seconds", "Time from a viewer's input to its having taken the first update that came after it.", pixelBuckets),

		hubs:       gauge("hubs", "Desktops whose viewers share one connection, decoded and encoded here."),
		promoted:   counter("promoted_total", "Viewers that were moved from a relay to a hub."),
		demoted:    counter("demoted_total", "Viewers that were moved from a hub back to a relay."),
		thumbnails: counter("thumbnails_total", "Small pictures of desktops that were made."),
	}
	for _, collector := range []prometheus.Collector{
		m.viewers, m.desktops, m.admitted, m.refused, m.closed, bytes, m.filtered, m.updates, m.rects,
		m.stalled, m.pings, m.rtt, m.wait, m.dial, m.firstByte, m.frameAge, m.clickToPixel,
		m.hubs, m.promoted, m.demoted, m.thumbnails,
	} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	var err error
	if m.hub, err = newHubMetrics(registerer); err != nil {
		return nil, err
	}
	if m.sound, err = sound.NewMetrics(registerer); err != nil {
		return nil, err
	}
	for code := range closeStatuses { // so that each is there, as zero, from the start
		m.closed.WithLabelValues(string(code))
	}
	return m, nil
}

func (m *metrics) countClose(code streamspace.Code) {
	if code == "" {
		code = codeLeft
	}
	m.closed.WithLabelValues(string(code)).Inc()
}

// The relay's view of it.

func (m *metrics) PingSent()                    { m.pings.Inc() }
func (m *metrics) RoundTrip(d time.Duration)    { m.rtt.Observe(d.Seconds()) }
func (m *metrics) WriteStalled(d time.Duration) { m.stalled.Add(d.Seconds()) }
