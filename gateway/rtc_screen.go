package gateway

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/gateway/hub"
	"github.com/streamspace/streamspace/gateway/rtc"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
)

// screen is where a stream's pixels go by WebRTC.
type screen struct {
	stream *stream   // immutable
	peer   *rtc.Peer // set before the stream runs
	wants  atomic.Bool

	// owned by the stream's receiver
	turn    uint32 // pointer messages that came on the ordered channel
	buttons uint16 // that are down, by the latest of them
}

var _ hub.Screen = (*screen)(nil)

func (s *screen) Format() (codec video.Codec, fullChroma bool) {
	f := s.peer.Format()
	return video.Codec(f.Codec), f.FullChroma
}

// label is the format's for metrics.
func (s *screen) label() string {
	f := s.peer.Format()
	if f.FullChroma {
		return strings.ToLower(f.Codec) + "_444"
	}
	return strings.ToLower(f.Codec)
}

func (s *screen) Bitrate() int                         { return s.peer.Bitrate() }
func (s *screen) Show(data []byte, at time.Time) error { return s.peer.Show(data, at) }
func (s *screen) Refresh() bool                        { return s.wants.Swap(false) }

// Play lets the browser hear a packet.
func (s *screen) Play(packet []byte, at uint64) error { return s.peer.Play(packet, at) }

// said hears of a packet of the browser's microphone.
func (s *screen) said(number uint16, packet []byte) {
	s.stream.mu.Lock()
	ear := s.stream.ear
	s.stream.mu.Unlock()
	ear.said(number, packet)
}

// Pointed counts the ordered messages, as the page does.
func (s *screen) Pointed(e rfb.PointerEvent) {
	s.turn++
	s.buttons = e.Buttons
}

// Motion is of use while no button has changed since the page sent it, nor before
// what the page sent earlier has come: then that says where the pointer is.
func (s *screen) Motion() (e rfb.PointerEvent, ok bool) {
	turn, x, y, ok := s.peer.Motion()
	if !ok || turn != s.turn {
		return e, false
	}
	return rfb.PointerEvent{X: x, Y: y, Buttons: s.buttons}, true
}

// refreshed and moved hear from the peer.

func (s *screen) refreshed() {
	s.wants.Store(true)
	s.stream.nudge()
}

func (s *screen) moved() { s.stream.nudge() }

// nudge has the stream's receiver look up, if it has one already.
func (s *stream) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket != nil {
		s.socket.Nudge()
	}
}
