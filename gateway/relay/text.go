package relay

import (
	"fmt"
	"math"
	"time"
)

// What a viewer may send as texts: a person presses buttons, and a microphone is 50
// packets a second, which a line may hold back for a while.
const (
	textsPerSecond = 75
	textsBurst     = 250
)

// OnText lets the viewer send texts beside RFB, and gives each to take: on the
// receiver's goroutine, before the binary payload that came with it. Without
// this a text breaks the protocol. The slice is valid only during the call.
//
// It is called once, before the first Receive.
func (s *Socket) OnText(take func(text []byte) error) {
	s.texts = &bucket{rate: textsPerSecond, burst: textsBurst, level: textsBurst, at: s.heard}
	s.frames.onText = func(text []byte) error {
		if !s.texts.take(1, time.Now()) {
			return fmt.Errorf("%w: texts", ErrViewerFlood)
		}
		return take(text)
	}
}

// Trust lifts the bounds on how much and how fast the other end sends, which is
// none of the public. It is called once, before the first Receive.
func (s *Socket) Trust() {
	far := math.Inf(1)
	s.rates.bytes.level, s.rates.bytes.burst = far, far
	s.rates.messages.level, s.rates.messages.burst = far, far
	if s.texts != nil {
		s.texts.level, s.texts.burst = far, far
	}
}

// WriteText sends text as one text message. It waits for the viewer as Write
// does.
func (s *Socket) WriteText(text []byte) error { return s.writeMessage(opText, text) }
