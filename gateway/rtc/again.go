package rtc

import (
	"fmt"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const (
	// againPackets is how many packets a small frame has at most: what is typed has
	// one to three.
	againPackets = 4
	// againAfter is between a small frame and its copy: most bursts of loss on a line
	// are over, and it is still much less than asking for it takes.
	againAfter = 8 * time.Millisecond
	// againShare is the part of the line, one in so many bits, that copies may take.
	againShare = 10
	// againBurst bounds what copies take at once, in bytes: some small frames in a row.
	againBurst = 16 << 10
	// againQueue is how many small frames wait for their copies: a camera makes one
	// in 16 ms.
	againQueue = 8
)

// again sends small frames twice. A browser asks for a packet that was lost when it
// sees a later one (RFC 4585 section 6.2.1), and after what somebody typed none may
// come for long: the desktop rests. A copy by the stream of retransmissions costs
// next to nothing there, and is thrown away where the frame has come.
type again struct {
	responder interceptor.Interceptor // immutable after the connection is made; pion's, that keeps what was sent
	bitrate   func() int              // immutable; of the line, bits a second
	small     chan smallFrame
	ended     chan struct{} // closed by close
	closing   sync.Once

	// owned by run
	credit float64 // bytes that copies may take now
	at     time.Time
}

// smallFrame is one that was sent and is to be sent again.
type smallFrame struct {
	ssrc    uint32
	numbers [againPackets]uint16
	count   int
	bytes   int
	due     time.Time
}

func newAgain() *again {
	return &again{small: make(chan smallFrame, againQueue), ended: make(chan struct{}), credit: againBurst, at: time.Now()}
}

// NewInterceptor makes the responder to negative acknowledgements, and keeps it:
// what nobody has asked for yet is sent by asking in the browser's place.
func (a *again) NewInterceptor(id string) (interceptor.Interceptor, error) {
	factory, err := nack.NewResponderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("setting up retransmissions: %w", err)
	}
	a.responder, err = factory.NewInterceptor(id)
	return a.responder, err
}

// sent notes a frame that was sent, now.
func (a *again) sent(packets []*rtp.Packet, now time.Time) {
	if len(packets) == 0 || len(packets) > againPackets {
		return
	}
	f := smallFrame{ssrc: packets[0].SSRC, count: len(packets), due: now.Add(againAfter)}
	for i, packet := range packets {
		f.numbers[i] = packet.SequenceNumber
		f.bytes += packet.MarshalSize()
	}
	select {
	case a.small <- f:
	default: // it is asked for, if it was lost
	}
}

// run sends copies until close.
func (a *again) run() {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		var f smallFrame
		select {
		case f = <-a.small:
		case <-a.ended:
			return
		}
		wait.Reset(time.Until(f.due))
		select {
		case <-wait.C:
		case <-a.ended:
			return
		}
		if a.afford(f.bytes, time.Now()) {
			a.send(f)
		}
	}
}

// afford takes the bytes from what copies may take.
func (a *again) afford(bytes int, now time.Time) bool {
	a.credit = min(a.credit+now.Sub(a.at).Seconds()*float64(a.bitrate())/8/againShare, againBurst)
	a.at = now
	if float64(bytes) > a.credit {
		return false
	}
	a.credit -= float64(bytes)
	return true
}

// send has the responder send the frame.
func (a *again) send(f smallFrame) {
	ask := rtcp.TransportLayerNack{MediaSSRC: f.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(f.numbers[:f.count])}
	b, err := ask.Marshal()
	if err != nil {
		return // it is asked for, if it was lost
	}
	reader := a.responder.BindRTCPReader(interceptor.RTCPReaderFunc(func(into []byte, attributes interceptor.Attributes) (int, interceptor.Attributes, error) {
		return copy(into, b), attributes, nil
	}))
	reader.Read(make([]byte, len(b)), nil) // it fails where the browser's asking would
}

// close ends run.
func (a *again) close() { a.closing.Do(func() { close(a.ended) }) }
