package rtc

import (
	"bytes"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtp"
)

const (
	// paceFactor is how much faster than the mean packets go out: a frame larger
	// than others is on its way sooner, and the line still empties.
	paceFactor = 2
	// paceBurst is what goes out at once, in bytes: any frame of a desktop at which
	// somebody types, and no more than a router's shortest queue holds.
	paceBurst = 24 << 10
	// paceLimit bounds what waits, in bytes: two seconds at 16 Mbit/s. More than
	// that is a line that has died, and a key frame will mend what is thrown away.
	paceLimit = 4 << 20
	// paceTick is how long packets wait that are not due, at the least.
	paceTick = 2 * time.Millisecond
)

// pacer spreads the packets of large frames over time. It is pion's
// LeakyBucketPacer with a bound on what waits and on what goes out at once, and
// without a wait for a packet that may go.
type pacer struct {
	ended chan struct{} // closed by Close
	done  chan struct{} // closed when the goroutine has ended
	wake  chan struct{} // holds one when there is something to send

	mu      sync.Mutex
	writer  interceptor.RTPWriter // guarded by mu; of the peer's one stream
	rate    float64               // guarded by mu; bytes a second
	credit  float64               // guarded by mu; bytes that may go now
	at      time.Time             // guarded by mu; when credit was counted
	queue   []queued              // guarded by mu
	waiting int                   // guarded by mu; bytes in queue
	over    bool                  // guarded by mu
}

// queued is a packet that waits.
type queued struct {
	header     rtp.Header
	payload    []byte
	attributes interceptor.Attributes
}

var _ gcc.Pacer = (*pacer)(nil)

func newPacer(bitrate int) *pacer {
	p := &pacer{
		ended: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		credit: paceBurst, at: time.Now(),
	}
	p.SetTargetBitrate(bitrate)
	go p.run()
	return p
}

// AddStream says where packets go: those of the stream, and what is sent again of
// it, which has an SSRC of its own that nobody tells us (RFC 4588 section 4).
func (p *pacer) AddStream(_ uint32, writer interceptor.RTPWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer = writer
}

// SetTargetBitrate sets the mean, in bits a second.
func (p *pacer) SetTargetBitrate(bits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = float64(bits) / 8 * paceFactor
}

// Write sends a packet when it is due. It does not wait.
func (p *pacer) Write(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	size := header.MarshalSize() + len(payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return 0, io.ErrClosedPipe
	case p.waiting+size > paceLimit:
		return size, nil // lost, as on the line
	}
	p.queue = append(p.queue, queued{header.Clone(), bytes.Clone(payload), maps.Clone(attributes)})
	p.waiting += size
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return size, nil
}

// run sends what is due.
func (p *pacer) run() {
	defer close(p.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait := p.send(time.Now()); wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-p.ended:
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// send sends what is due now, and tells when more will be; zero for never.
func (p *pacer) send(now time.Time) time.Duration {
	for {
		packet, writer, wait := p.next(now)
		if writer == nil {
			return wait
		}
		writer.Write(&packet.header, packet.payload, packet.attributes) // an error is a packet lost
	}
}

// next takes a packet that is due out of the queue.
func (p *pacer) next(now time.Time) (packet queued, writer interceptor.RTPWriter, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit = min(p.credit+now.Sub(p.at).Seconds()*p.rate, paceBurst)
	p.at = now
	for len(p.queue) > 0 {
		if p.credit <= 0 {
			return packet, nil, max(time.Duration(-p.credit/p.rate*float64(time.Second)), paceTick)
		}
		packet = p.queue[0]
		p.queue[0] = queued{}
		p.queue = p.queue[1:]
		size := packet.header.MarshalSize() + len(packet.payload)
		p.waiting -= size
		if p.writer != nil {
			p.credit -= float64(size)
			return packet, p.writer, 0
		}
	}
	p.queue = nil
	return packet, nil, 0
}

// Close throws away what waits.
func (p *pacer) Close() error {
	p.mu.Lock()
	if !p.over {
		p.over = true
		p.queue = nil
		close(p.ended)
	}
	p.mu.Unlock()
	<-p.done
	return nil
}
