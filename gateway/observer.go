package gateway

import (
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
)

// observer hears from the relay what a stream does.
type observer struct {
	*metrics
	stream *stream
	first  bool // owned by the relay's output: a framebuffer has come
}

var _ relay.Observer = (*observer)(nil)

func (o *observer) Moved(to relay.Direction, bytes int) { o.bytes[to].Add(float64(bytes)) }

func (o *observer) Updated(updates, rectangles int) {
	o.updates.Add(float64(updates))
	o.rects.Add(float64(rectangles))
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

func (o *observer) FrameAge(d time.Duration) { o.frameAge.Observe(d.Seconds()) }

func (o *observer) ClickToPixel(d time.Duration) { o.clickToPixel.Observe(d.Seconds()) }
