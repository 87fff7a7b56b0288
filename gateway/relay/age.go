package relay

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// ageEvery is how often the age of a viewer's pixels is measured: a fence of 28
// bytes costs nobody anything at that rate.
const ageEvery = time.Second

// agePrefix begins the payload of the fences that measure, before the time at
// which the update came. Their answers are not the desktop's business.
var agePrefix = []byte("streamspace")

// age measures how old pixels are when the viewer has taken them: a fence
// behind an update is answered when the update has been read, and with noVNC
// when the one before it has been painted.
type age struct {
	speaks atomic.Bool  // the viewer speaks of fences
	sent   atomic.Int64 // when the update before the latest fence came; zero when it was answered
	acted  atomic.Int64 // when a person did something, if nothing was measured for that; nanoseconds since 1970
	click  atomic.Int64 // acted, as of the latest fence

	due int64 // owned by the output; when the next fence may be sent
}

// measure sends a fence behind the update that came at now, if it is time.
func (o *output) measure(now int64) error {
	a := &o.age
	if now < a.due || !a.speaks.Load() || !o.walker.Between() {
		if a.acted.Load() != 0 {
			a.acted.Store(0) // what it brought is not measured, and the next update is another's
		}
		return nil
	}
	a.due = now + int64(ageEvery)
	acted := a.acted.Swap(0)
	if acted > now {
		acted = 0 // came after the update
	}
	a.click.Store(acted)
	a.sent.Store(now)
	payload := binary.BigEndian.AppendUint64(bytes.Clone(agePrefix), uint64(now))
	_, err := o.viewer.Write(rfb.AppendServerFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: payload}))
	return err
}

// measured takes the answer to a fence of measure, and tells whether it is one.
func (r *relay) measured(fence rfb.Fence, now time.Time) bool {
	stamp, ours := bytes.CutPrefix(fence.Payload, agePrefix)
	if !ours || len(stamp) != 8 || fence.Flags&rfb.FenceRequest != 0 {
		return false
	}
	click := r.age.click.Load()
	sent := int64(binary.BigEndian.Uint64(stamp))
	if !r.age.sent.CompareAndSwap(sent, 0) || sent == 0 {
		return true // an answer to an earlier one, or to nothing
	}
	r.observer.FrameAge(time.Duration(now.UnixNano() - sent))
	if click != 0 {
		r.observer.ClickToPixel(time.Duration(now.UnixNano() - click))
	}
	return true
}

// act notes that a person did something.
func (r *relay) act(now time.Time) {
	r.observer.Input()
	r.age.acted.CompareAndSwap(0, now.UnixNano())
}
