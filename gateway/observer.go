package gateway

import (
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
)

// observer hears from the socket and from whoever serves it what a stream does.
type observer struct {
	*metrics
	stream  *stream
	first   bool // owned by whoever sends to the viewer: a framebuffer has come
	figures figures
}

// figures are a stream's own, for its viewer.
type figures struct {
	bytes        atomic.Int64 // to the viewer
	frames       atomic.Int64
	roundTrip    atomic.Int64 // the latest, nanoseconds
	frameAge     atomic.Int64
	clickToPixel atomic.Int64
}

var (
	_ relay.Observer = (*observer)(nil)
	_ relay.Meter    = (*observer)(nil)
)

func (o *observer) Moved(to relay.Direction, bytes int) {
	o.bytes[to].Add(float64(bytes))
	if to == relay.ToViewer {
		if all := o.figures.bytes.Add(int64(bytes)); all/filmStep != (all-int64(bytes))/filmStep && o.stream.films.Load() {
			o.stream.desktop.tell(choreScreen)
		}
		o.load.sent.Add(int64(bytes))
		o.stream.stir()
	}
}

func (o *observer) Updated(updates, rectangles int) {
	o.updates.Add(float64(updates))
	o.rects.Add(float64(rectangles))
	o.figures.frames.Add(int64(updates))
	if !o.first && rectangles > 0 {
		o.first = true
		o.firstByte.Observe(time.Since(o.stream.upgraded).Seconds())
	}
}

func (o *observer) Withheld(kind string, to relay.Direction) {
	o.filtered.WithLabelValues(kind, directions[to]).Inc()
}

func (o *observer) Slow(slow bool) { o.stream.gateway.tuner.pace(o.stream.socket.NetConn(), slow) }

func (o *observer) Input() { o.stream.desktop.touch() }

func (o *observer) RoundTrip(d time.Duration) {
	o.metrics.RoundTrip(d)
	o.figures.roundTrip.Store(int64(d))
	o.stream.stir()
}

func (o *observer) FrameAge(d time.Duration) {
	o.frameAge.Observe(d.Seconds())
	o.figures.frameAge.Store(int64(d))
}

func (o *observer) ClickToPixel(d time.Duration) {
	o.clickToPixel.Observe(d.Seconds())
	o.figures.clickToPixel.Store(int64(d))
}
