package hub

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

// upstreamEncodings is what the hub asks of a desktop. Without a quality, Tight
// loses nothing, and at compress level 0 its zlib blocks are stored: inflating
// is a copy, and Xvnc pays no more than for JPEG.
var upstreamEncodings = []rfb.Encoding{
	rfb.EncodingTight, rfb.EncodingCopyRect, rfb.CompressLevel(0), rfb.EncodingLastRect,
	rfb.EncodingVMwareCursor, rfb.EncodingCursor, rfb.EncodingVMwareCursorPosition,
	rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopSize, rfb.EncodingDesktopName,
	rfb.EncodingQEMULEDState, rfb.EncodingVMwareLEDState, rfb.EncodingQEMUExtendedKey, rfb.EncodingExtendedMouseButtons,
	rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingExtendedClipboard,
}

// upstream is the connection to the desktop. Its reader hands one message at a
// time to the loop and answers fences in their turn, so that the desktop sees
// how fast the hub is and sends no more.
type upstream struct {
	conn     net.Conn      // immutable
	stall    time.Duration // immutable; without the desktop taking a byte
	reader   *rfb.ServerReader
	messages chan rfb.ServerMessage
	taken    chan struct{} // the loop is done with the message
	ended    chan error    // holds one
	done     chan struct{} // closed when nobody takes messages any more

	heard  atomic.Int64 // when the desktop last said anything, nanoseconds since 1970
	fences atomic.Bool  // the desktop speaks of fences

	mu   sync.Mutex // the right to write
	over bool       // guarded by mu; nothing is written any more, and nobody told

	asked time.Time // owned by the loop; since when a probe awaits its answer
}

func newUpstream(up Upstream, stall time.Duration, done chan struct{}) *upstream {
	reader := rfb.NewServerReader(up.Conn, up.Init, 0)
	reader.Walker().SetPixelFormat(rfb.RGB888())
	u := &upstream{
		conn: up.Conn, stall: stall, reader: reader,
		messages: make(chan rfb.ServerMessage), taken: make(chan struct{}, 1), ended: make(chan error, 1), done: done,
	}
	u.heard.Store(time.Now().UnixNano())
	return u
}

// greet asks for everything.
func (u *upstream) greet(init rfb.ServerInit) error {
	b := rfb.AppendSetPixelFormat(nil, rfb.RGB888())
	b = rfb.AppendSetEncodings(b, upstreamEncodings...)
	b = rfb.AppendUpdateRequest(b, rfb.UpdateRequest{Width: init.Width, Height: init.Height})
	return u.write(b)
}

// write sends whole messages at once: input waits for nothing else.
func (u *upstream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return nil
	}
	u.conn.SetWriteDeadline(time.Now().Add(u.stall))
	_, err := u.conn.Write(b)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: it does not read", relay.ErrDesktopStalled)
	}
	return fmt.Errorf("%w: %w", relay.ErrDesktopGone, err)
}

// end makes writes do nothing: who writes is about to be served by another.
func (u *upstream) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
}

// probePayload marks a fence as the hub's own.
var probePayload = []byte("hub")

// lives asks a desktop that was silent whether it lives, if it speaks of fences,
// and fails when it does not answer.
func (u *upstream) lives(now time.Time, silence time.Duration) error {
	heard := time.Unix(0, u.heard.Load())
	switch {
	case heard.After(u.asked):
		u.asked = time.Time{}
	case now.Sub(u.asked) >= u.stall:
		return fmt.Errorf("%w: silent for %s", relay.ErrDesktopStalled, now.Sub(heard).Round(time.Second))
	}
	if !u.fences.Load() || !u.asked.IsZero() || now.Sub(heard) < silence {
		return nil
	}
	u.asked = now
	return u.write(rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: probePayload}))
}

// read ends when the connection does, which the loop sees to.
func (u *upstream) read() {
	for {
		m, err := u.reader.Read()
		if err == nil {
			u.heard.Store(time.Now().UnixNano())
			err = u.hand(m)
		}
		if err != nil {
			u.ended <- upstreamEnded(err)
			return
		}
	}
}

func (u *upstream) hand(m rfb.ServerMessage) error {
	if fence, ok := m.Fence(); ok {
		u.fences.Store(true)
		if fence.Flags&rfb.FenceRequest == 0 {
			return nil
		}
		return u.write(rfb.AppendClientFence(nil, fence.Answer()))
	}
	select {
	case u.messages <- m:
		<-u.taken
		return nil
	case <-u.done:
		return ErrStopped
	}
}
