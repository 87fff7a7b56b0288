package hub

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

// once is a socket whose viewer sends some bytes and leaves.
type once struct {
	payload []byte
	ended   chan struct{}
	end     sync.Once
}

func (o *once) Receive(_ time.Time, take func([]byte) error) error {
	if len(o.payload) > 0 {
		p := o.payload
		o.payload = nil
		return take(p)
	}
	return relay.ErrViewerGone
}
func (o *once) Write(p []byte) (int, error) { return len(p), nil }
func (o *once) WriteSealed([]byte) error    { return nil }
func (o *once) FinishWrites()               {}
func (o *once) Interrupt(error)             { o.end.Do(func() { close(o.ended) }) }
func (o *once) Nudge()                      {}

// Whatever a viewer sends, it ends, and the hub does not.
func FuzzViewer(f *testing.F) {
	f.Add(rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingFence, rfb.JPEGQuality(3)))
	f.Add(rfb.AppendUpdateRequest(rfb.AppendSetPixelFormat(nil, rfb.RGB565()), rfb.UpdateRequest{X: 3, Y: 60000, Width: 60000, Height: 7}))
	f.Add(rfb.AppendEnableContinuousUpdates(rfb.AppendSetEncodings(nil, rfb.EncodingContinuousUpdates), rfb.ContinuousUpdates{Enable: true, Width: 9, Height: 9}))
	f.Add(rfb.AppendClientClipboard(nil, rfb.ProvideClipboardText("text")))
	f.Add(rfb.AppendClientFence(nil, rfb.Fence{Payload: fencePayload(1)}))
	f.Add(rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: 1, Height: 1}))
	ours, theirs := net.Pipe()
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := ours.Read(b); err != nil {
				return
			}
		}
	}()
	h := New(Upstream{Conn: theirs, Init: rfb.ServerInit{Width: 100, Height: 80, Format: rfb.RGB888()}}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- h.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-over; !errors.Is(err, ErrStopped) {
			f.Errorf("the hub ended by itself: %v", err)
		}
		ours.Close()
	})
	f.Fuzz(func(t *testing.T, sent []byte) {
		seat := Seat{Policy: relay.Policy{Control: true, ClipboardIn: true, ClipboardOut: true}}
		if _, err := h.Serve(&once{payload: sent, ended: make(chan struct{})}, seat, relay.Greeted(h.Init())); err == nil {
			t.Error("a viewer ended without a reason")
		}
	})
}
