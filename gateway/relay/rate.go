package relay

import "time"

// What a viewer may send. A mouse of 1,000 Hz, a pen and auto-repeat together
// stay below 2,000 messages a second; a pasted text may have megabytes.
const (
	bytesPerSecond    = 4 << 20
	bytesBurst        = 24 << 20
	messagesPerSecond = 4000
	messagesBurst     = 12000
)

// rates bounds one viewer's input.
type rates struct {
	bytes, messages bucket
}

func (r *rates) start(now time.Time) {
	r.bytes = bucket{rate: bytesPerSecond, burst: bytesBurst, level: bytesBurst, at: now}
	r.messages = bucket{rate: messagesPerSecond, burst: messagesBurst, level: messagesBurst, at: now}
}

// bucket is a token bucket for one goroutine.
type bucket struct {
	rate, burst float64
	level       float64
	at          time.Time // when level was right
}

// take takes n tokens, or says that there are not that many.
func (b *bucket) take(n float64, now time.Time) bool {
	b.level = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	b.level -= n
	return b.level >= 0
}
