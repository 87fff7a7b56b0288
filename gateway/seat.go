package gateway

import (
	"bytes"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/room"
	"github.com/streamspace/streamspace/gateway/tree"
	"github.com/streamspace/streamspace/rfb"
)

// news is what a seat's viewer is to be told; what it is then is told, not what
// it was when it became news.
type news uint8

const (
	newsWelcome news = 1 << iota
	newsViewers
	newsControl
	newsStatus
	newsResume
	newsSpent // what it was told was used, and it is still here
)

const (
	// maxRefusals bounds the refusals that wait for a viewer: what it asks for is
	// limited to a few a second, so one with more does not read.
	maxRefusals = 64
	// roundTripEvery is between two measurements of the way to a viewer whose
	// status is told: some bytes.
	roundTripEvery = 5 * time.Second
)

// cursor is where somebody points.
type cursor struct {
	x, y uint16
	gone bool
}

// seat is a viewer's place in the company, and the Gate of whoever serves it.
//
// Its viewer is told by a goroutine of the seat that is there while there is
// news: a viewer that does not read holds up that alone, and what is new
// meanwhile replaces what is old. A viewer of RFB alone is told nothing, and one
// of another gateway by that gateway.
type seat struct {
	// immutable
	company *company
	stream  *stream
	member  room.Member
	speaks  bool  // the viewer is told of the room
	via     *seat // of the other gateway that speaks for the viewer; nil for a viewer of this one

	lost    atomic.Bool // had control; what it holds down is to be let go
	holding atomic.Bool // something is held down

	held  held                           // owned by the stream's receiver
	twigs map[streamspace.ViewerID]*seat // owned by the stream's receiver; of a branch: those for whom it speaks

	pointer  cursor // guarded by company.mu; where it points
	pointing bool   // guarded by company.mu; others have not been told
	shown    bool   // guarded by company.mu; others have ever been told

	mu       sync.Mutex
	news     news                            // guarded by mu
	refusals [][]byte                        // guarded by mu; no more than maxRefusals
	cursors  map[streamspace.ViewerID]cursor // guarded by mu; no more than room.MaxListed
	telling  bool                            // guarded by mu; the goroutine is there
	over     bool                            // guarded by mu; there shall be none any more
	writers  sync.WaitGroup                  // grows under mu while over is false

	// owned by the goroutine
	resumed    time.Time // when the viewer was last told how to come back
	controlled bool      // it had control then
	told       []byte    // the latest status
	toldAt     time.Time
	bytes      int64 // the observer's, as of toldAt
	frames     int64
	pingedAt   time.Time
}

func newSeat(s *stream, c *company) *seat {
	if s.branch {
		return &seat{company: c, stream: s, speaks: true, twigs: make(map[streamspace.ViewerID]*seat)}
	}
	return &seat{
		company: c, stream: s, speaks: s.speaks,
		member: room.Member{
			ID: s.claims.Viewer, Name: s.claims.Name, Permissions: s.claims.Permissions, Since: s.since, Guest: s.claims.Guest(),
		},
	}
}

var _ relay.Gate = (*seat)(nil)

// Act tells whether the message may pass, and notes what it holds down.
func (s *seat) Act(m rfb.ClientMessage) bool {
	may := s.company.act
	if s.stream.branch {
		may = s.company.actVia
	}
	if !may(s, m) {
		return false
	}
	s.held.note(m)
	if any := s.held.any(); any != s.holding.Load() {
		s.holding.Store(any)
	}
	return true
}

// LetGo returns what releases all that is held down, once after control was lost.
func (s *seat) LetGo() []byte {
	if !s.lost.Swap(false) {
		return nil
	}
	s.holding.Store(false)
	return s.held.release()
}

// lose has the receiver let go.
func (s *seat) lose() {
	if s.via != nil {
		s = s.via
	}
	s.lost.Store(true)
	s.stream.socket.Nudge()
}

// hear takes a text of the viewer's, on its receiver.
func (s *seat) hear(text []byte) error {
	if s.stream.branch {
		return s.hearBranch(text)
	}
	if ok, err := s.stream.ear.hear(text); ok {
		return err
	}
	command, known, err := room.Parse(text)
	if err != nil {
		return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
	}
	if known {
		s.company.do(s, command)
	}
	return nil
}

// tell has the viewer told. It does not wait.
func (s *seat) tell(n news) {
	if !s.speaks || s.via != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news |= n
	s.rouse()
}

// refuse tells what the viewer does not get.
func (s *seat) refuse(message []byte) {
	if s.via != nil {
		s.via.tellRefusal(tree.Encode(tree.Down{Type: tree.Refused, Viewer: s.member.ID, Refusal: message}))
		return
	}
	s.tellRefusal(message)
}

func (s *seat) tellRefusal(message []byte) {
	if !s.speaks {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) == maxRefusals {
		s.stream.socket.Interrupt(fmt.Errorf("%w: it asks and does not read", relay.ErrViewerSlow))
		return
	}
	s.refusals = append(s.refusals, message)
	s.rouse()
}

// tellCursor tells where another points. Of more than a list has room for, the
// rest stays untold: nobody could follow them.
func (s *seat) tellCursor(of streamspace.ViewerID, at cursor) {
	if !s.speaks || s.via != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.cursors[of]; !there && len(s.cursors) >= room.MaxListed {
		return
	}
	if s.cursors == nil {
		s.cursors = make(map[streamspace.ViewerID]cursor)
	}
	s.cursors[of] = at
	s.rouse()
}

// rouse starts the goroutine if it is not there. It needs mu.
func (s *seat) rouse() {
	if !s.telling && !s.over {
		s.telling = true
		s.writers.Go(s.write)
	}
}

// hush ends the telling; wait waits for its end, for which a viewer that does
// not read needs its socket closed.
func (s *seat) hush() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
}

func (s *seat) wait() { s.writers.Wait() }

// write tells the news until there are none.
func (s *seat) write() {
	for {
		s.mu.Lock()
		news, refusals, cursors := s.news, s.refusals, s.cursors
		s.news, s.refusals, s.cursors = 0, nil, nil
		if s.over || news == 0 && refusals == nil && cursors == nil {
			s.telling = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := s.deliver(news, refusals, cursors); err != nil {
			s.hush()
			s.stream.socket.Interrupt(err)
		}
	}
}

func (s *seat) deliver(n news, refusals [][]byte, cursors map[streamspace.ViewerID]cursor) error {
	for _, text := range s.texts(n, refusals, cursors) {
		if err := s.stream.socket.WriteText(text); err != nil {
			return err
		}
	}
	return nil
}

func (s *seat) texts(n news, refusals [][]byte, cursors map[streamspace.ViewerID]cursor) (texts [][]byte) {
	if s.stream.branch {
		return s.branchTexts(n, refusals, cursors)
	}
	if n&newsWelcome != 0 {
		texts = append(texts, room.Welcome(s.member))
		if web := s.stream.gateway.webrtc.Load(); web != nil && s.stream.screen == nil {
			texts = append(texts, web.there(s.member.ID))
		}
		texts = append(texts, s.stream.ear.greet()...)
	}
	if now := time.Now(); n&(newsWelcome|newsControl|newsResume|newsSpent) != 0 && s.renews(n, now) {
		if text, err := s.resumption(now); err == nil { // without it the page asks for another ticket
			texts = append(texts, text)
		}
	}
	if n&newsViewers != 0 {
		texts = append(texts, s.company.list(s.member.ID))
	}
	if n&newsControl != 0 {
		texts = append(texts, s.company.control())
	}
	texts = append(texts, refusals...)
	for id, at := range cursors {
		if at.gone {
			texts = append(texts, room.CursorGone(id))
		} else {
			texts = append(texts, room.Cursor(id, at.x, at.y))
		}
	}
	if n&newsStatus != 0 {
		if status := s.status(time.Now()); status != nil {
			texts = append(texts, status)
		}
	}
	return texts
}

// status is how the stream does, or nil if that is no news.
func (s *seat) status(now time.Time) []byte {
	figures := &s.stream.observer.figures
	if now.Sub(s.pingedAt) >= roundTripEvery {
		s.pingedAt = now
		s.stream.socket.Measure()
	}
	status := s.stream.serving()
	status.RoundTrip = room.Millis(time.Duration(figures.roundTrip.Load()))
	status.FrameAge = room.Millis(time.Duration(figures.frameAge.Load()))
	status.ClickToPixel = room.Millis(time.Duration(figures.clickToPixel.Load()))
	moved, frames := figures.bytes.Load(), figures.frames.Load()
	if passed := now.Sub(s.toldAt).Seconds(); !s.toldAt.IsZero() && passed > 0 {
		status.BytesPerSecond = int64(float64(moved-s.bytes) / passed)
		status.FramesPerSecond = math.Round(float64(frames-s.frames)/passed*10) / 10
	}
	s.toldAt, s.bytes, s.frames = now, moved, frames
	message := status.Message()
	if bytes.Equal(message, s.told) {
		return nil
	}
	s.told = message
	return message
}
