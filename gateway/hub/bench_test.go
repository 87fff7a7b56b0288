package hub

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
	"github.com/streamspace/streamspace/rfb/tight"
)

// sink is a socket whose viewer takes everything and answers every fence at once.
type sink struct {
	fences chan []byte
	hello  []byte
	got    chan struct{} // one for each chunk; nil counts nothing
	once   sync.Once
	closed chan struct{}
}

func newSink(hello []byte, got chan struct{}) *sink {
	return &sink{fences: make(chan []byte, 2*maxFlights), hello: hello, got: got, closed: make(chan struct{})}
}

func (s *sink) Receive(_ time.Time, take func([]byte) error) error {
	if s.hello != nil {
		hello := s.hello
		s.hello = nil
		return take(hello)
	}
	select {
	case fence := <-s.fences:
		return take(fence)
	case <-s.closed:
		return relay.ErrViewerGone
	}
}

func (s *sink) Write(p []byte) (int, error) {
	s.answer(p)
	return len(p), nil
}

func (s *sink) WriteSealed(frame []byte) error {
	s.answer(frame)
	if s.got != nil {
		s.got <- struct{}{}
	}
	return nil
}

// answer answers the fence at the end of what was sent, if there is one.
func (s *sink) answer(p []byte) {
	const payload = len(marker) + 8
	if len(p) < 9+payload || string(p[len(p)-payload:len(p)-8]) != marker {
		return
	}
	sequence := binary.BigEndian.Uint64(p[len(p)-8:])
	s.fences <- rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceBlockBefore, Payload: fencePayload(sequence)})
}

func (s *sink) FinishWrites()   {}
func (s *sink) Interrupt(error) { s.once.Do(func() { close(s.closed) }) }
func (s *sink) Nudge()          {}

// film is updates as Xvnc sends them to a hub.
func film(b *testing.B, name string, width, height int) (updates [][]byte) {
	e := tight.NewEncoder()
	defer e.Close()
	all := image.Rect(0, 0, width, height)
	add := func(p *picture.Picture, r image.Rectangle) {
		body, count, _ := e.AppendRegion(rfb.AppendFramebufferUpdate(nil, 0), p, []image.Rectangle{r}, tight.Lossless)
		binary.BigEndian.PutUint16(body[2:], uint16(count))
		updates = append(updates, body)
	}
	switch name {
	case "typing":
		tall := picturetest.Terminal(b)
		p := picture.New(width, height)
		p.Copy(tall, all)
		add(p, all)
		for i := range 40 {
			add(p, image.Rect(8*i, 320, 8*i+8, 336))
		}
	case "scrolling":
		tall := picturetest.Page(b)
		for i := range 10 {
			add(picturetest.Scrolled(tall, 40*i, height), all)
		}
	case "video":
		for i := range 6 {
			add(picturetest.Photo(width, height, i), image.Rect(200, 100, 840, 460))
		}
	}
	return updates
}

// BenchmarkFanout is one frame on its way from the desktop's socket to all
// viewers' sockets, the writes to which cost nothing here: what the hub itself
// costs.
func BenchmarkFanout(b *testing.B) {
	for _, name := range []string{"typing", "scrolling", "video"} {
		for _, viewers := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/viewers=%d", name, viewers), func(b *testing.B) { fanout(b, name, viewers) })
		}
	}
}

func fanout(b *testing.B, name string, viewers int) {
	const width, height = 1280, 720
	updates := film(b, name, width, height)
	listener, err := net.Listen("unix", filepath.Join(b.TempDir(), "rfb"))
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	theirs, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	ours, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer ours.Close()
	go func() {
		discard := make([]byte, 64<<10)
		for {
			if _, err := ours.Read(discard); err != nil {
				return
			}
		}
	}()
	h := New(Upstream{Conn: theirs, Init: rfb.ServerInit{Width: width, Height: height, Format: rfb.RGB888()}}, Options{})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	black := picture.New(width, height)
	ours.Write(rfb.AppendEndOfContinuousUpdates(nil))
	first, count, _ := tight.NewEncoder().AppendRegion(rfb.AppendFramebufferUpdate(nil, 0), black, []image.Rectangle{black.Bounds()}, tight.Lossless)
	binary.BigEndian.PutUint16(first[2:], uint16(count))
	ours.Write(first)
	<-h.Ready()
	got := make(chan struct{}, 1000)
	hello := rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingCopyRect, rfb.JPEGQuality(6), rfb.EncodingFence, rfb.EncodingContinuousUpdates)
	hello = rfb.AppendEnableContinuousUpdates(hello, rfb.ContinuousUpdates{Enable: true, Width: width, Height: height})
	for range viewers {
		s := newSink(hello, got)
		running.Go(func() { h.Serve(s, Seat{}, relay.Greeted(h.Init())) })
	}
	for range viewers {
		<-got
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := ours.Write(updates[i%len(updates)]); err != nil {
			b.Fatal(err)
		}
		for range viewers {
			<-got
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(viewers), "ns/viewer")
	cancel()
	running.Wait()
}
