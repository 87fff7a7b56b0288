package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Why a stream ended. Each is one party's doing: the gateway has a close code
// for each.
var (
	ErrViewerGone      = errors.New("viewer left")
	ErrViewerIdle      = errors.New("viewer stopped answering pings")
	ErrViewerSlow      = errors.New("viewer stopped reading")
	ErrViewerFlood     = errors.New("viewer sent more than allowed")
	ErrViewerProtocol  = errors.New("viewer broke the protocol")
	ErrDesktopGone     = errors.New("desktop ended the connection")
	ErrDesktopStalled  = errors.New("desktop stopped answering")
	ErrDesktopProtocol = errors.New("desktop broke the protocol")
)

var (
	// ErrTimeout is Receive's answer when nothing came in time.
	ErrTimeout = errors.New("nothing came in time")
	// ErrNudged is Receive's answer to Nudge.
	ErrNudged = errors.New("nudged")
)

// Timing is how patient a Socket and a relay are. A zero field means its default.
type Timing struct {
	Ping         time.Duration // between pings: below the minute after which proxies cut what is silent
	DeadAfter    time.Duration // without any byte from the viewer
	WriteStall   time.Duration // without the viewer taking any byte
	DesktopStall time.Duration // without an answer from the desktop
	Probe        time.Duration // of the desktop's silence, until it is asked whether it lives
	Linger       time.Duration // for the viewer to answer our close frame
}

// WithDefaults fills the zero fields.
func (t Timing) WithDefaults() Timing {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.Ping, 25*time.Second)
	set(&t.DeadAfter, 60*time.Second)
	set(&t.WriteStall, 30*time.Second)
	set(&t.DesktopStall, 15*time.Second)
	set(&t.Probe, 30*time.Second)
	set(&t.Linger, 2*time.Second)
	return t
}

// Meter is told what happens on a Socket. It is called on the data path and
// must not block.
type Meter interface {
	PingSent()
	RoundTrip(d time.Duration)
	WriteStalled(d time.Duration)
}

// Socket is a viewer's WebSocket after its upgrade, seen from the server. One
// goroutine receives, and with that also pings; any may write.
//
// Read and Write give the payload as a byte stream, for the RFB handshake.
type Socket struct {
	wire    *wire    // immutable
	buffers *Buffers // immutable
	timing  *Timing  // immutable, shared by all sockets of a gateway
	meter   Meter    // immutable

	// owned by the receiver
	frames  frameReader
	pending []byte    // payload that Read has not returned yet
	readBy  time.Time // Read's limit
	pingDue time.Time
	heard   time.Time // when the viewer last sent anything
	rates   rates
	texts   *bucket // rate of texts; nil where none were agreed upon

	cause  atomic.Pointer[error] // why the stream shall end, once somebody said so
	splice atomic.Pointer[relay] // which the receiver runs, if it relays
	yields atomic.Bool           // a relay is to stop at a boundary
	nudged atomic.Bool
	waited atomic.Int64 // nanoseconds that the latest write waited
	stamp  atomic.Int64 // the latest ping's, nanoseconds since 1970

	writing sync.Mutex // the right to write a frame
	broken  bool       // guarded by writing; a frame was begun and not finished

	controlMu sync.Mutex
	ping      bool   // guarded by controlMu; a ping waits to be written
	pong      []byte // guarded by controlMu; a pong waits to be written
}

// NewSocket takes over conn after the upgrade: nothing else may use it.
func NewSocket(conn net.Conn, buffers *Buffers, timing *Timing, meter Meter) *Socket {
	now := time.Now()
	s := &Socket{wire: newWire(conn), buffers: buffers, timing: timing, meter: meter}
	s.pingDue, s.heard = now.Add(timing.Ping), now
	s.rates.start(now)
	return s
}

// NetConn is the connection under the WebSocket, for its options.
func (s *Socket) NetConn() net.Conn { return s.wire.conn }

// Interrupt makes the receiver return cause, now and ever after. The first
// cause stays.
func (s *Socket) Interrupt(cause error) {
	if !s.cause.CompareAndSwap(nil, &cause) {
		return
	}
	s.wire.wake()
	if splice := s.splice.Load(); splice != nil {
		splice.desktop.finishBy(0) // the receiver may be writing to it
	}
}

// Yield asks the relay that runs on the Socket, or that will be the next to,
// to stop between two messages: its Run returns ErrYielded. It takes as long as
// the viewer needs to take the message that is on its way.
func (s *Socket) Yield() {
	s.yields.Store(true)
	if splice := s.splice.Load(); splice != nil {
		splice.desktop.wake() // the output looks up, sees why, and goes on if it is in a message
	}
}

// Stay takes a Yield back, if it is not too late.
func (s *Socket) Stay() { s.yields.Store(false) }

// Measure has the way to the viewer measured now, by a ping. It does not wait.
func (s *Socket) Measure() {
	s.controlMu.Lock()
	s.ping = true
	s.controlMu.Unlock()
	s.meter.PingSent()
	s.flushControls()
}

// Nudge makes a Receive that waits return ErrNudged once.
func (s *Socket) Nudge() {
	s.nudged.Store(true)
	s.wire.wake()
}

// Receive waits for payload and calls take with it; the slice is valid only
// during the call. What was hoarded comes first. It answers and sends pings
// while it waits. until, unless zero, ends the wait with ErrTimeout.
func (s *Socket) Receive(until time.Time, take func(payload []byte) error) error {
	if len(s.pending) > 0 && s.cause.Load() == nil {
		pending := s.pending
		s.pending = nil
		return take(pending)
	}
	return s.receive(until, take)
}

// receive is Receive without what was hoarded.
func (s *Socket) receive(until time.Time, take func(payload []byte) error) error {
	for {
		now := time.Now()
		if cause := s.cause.Load(); cause != nil {
			return *cause
		}
		if err := s.keepAlive(now); err != nil {
			return err
		}
		if !until.IsZero() && !now.Before(until) {
			return ErrTimeout
		}
		s.wire.wakeAt(s.nextWake(until))
		buf, n, err := s.wire.receive(&s.buffers.small)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.wire.rearm()
			if s.nudged.Swap(false) {
				return ErrNudged
			}
			continue
		}
		if err != nil {
			if cause := s.cause.Load(); cause != nil {
				return *cause
			}
			return fmt.Errorf("%w: %w", ErrViewerGone, err)
		}
		took, err := s.digest(buf.data()[:n], take)
		buf.release()
		if err != nil || took {
			return err
		}
	}
}

// nextWake is when the receiver has to look up from waiting.
func (s *Socket) nextWake(until time.Time) time.Time {
	wake := s.pingDue
	if dead := s.heard.Add(s.timing.DeadAfter); dead.Before(wake) {
		wake = dead
	}
	if !until.IsZero() && until.Before(wake) {
		wake = until
	}
	return wake
}

// digest handles one read's bytes; took says that there was payload.
func (s *Socket) digest(b []byte, take func([]byte) error) (took bool, err error) {
	s.heard = time.Now()
	if !s.rates.bytes.take(float64(len(b)), s.heard) {
		return false, fmt.Errorf("%w: bytes", ErrViewerFlood)
	}
	payload, seen, err := s.frames.feed(b)
	if errors.Is(err, ErrViewerFlood) {
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrViewerProtocol, err)
	}
	if !s.rates.messages.take(float64(seen.frames), s.heard) {
		return false, fmt.Errorf("%w: frames", ErrViewerFlood)
	}
	if seen.ponged && seen.pong != 0 && int64(seen.pong) == s.stamp.Swap(0) {
		s.meter.RoundTrip(time.Duration(s.heard.UnixNano() - int64(seen.pong)))
	}
	if seen.pinged {
		s.queuePong(seen.ping)
	}
	if len(payload) > 0 {
		if err := take(payload); err != nil {
			return true, err
		}
	}
	if seen.closed {
		return false, fmt.Errorf("%w: close status %d", ErrViewerGone, seen.status)
	}
	return len(payload) > 0, nil
}

// keepAlive sends the ping that is due, and notices a viewer that is dead.
func (s *Socket) keepAlive(now time.Time) error {
	if now.Sub(s.heard) >= s.timing.DeadAfter {
		return ErrViewerIdle
	}
	if now.Before(s.pingDue) {
		return nil
	}
	s.pingDue = now.Add(s.timing.Ping)
	s.controlMu.Lock()
	s.ping = true
	s.controlMu.Unlock()
	s.meter.PingSent()
	return s.flushControls()
}

func (s *Socket) queuePong(payload []byte) {
	s.controlMu.Lock()
	s.pong = append(s.pong[:0], payload...)
	if s.pong == nil {
		s.pong = []byte{} // an empty ping wants an empty pong
	}
	s.controlMu.Unlock()
	s.flushControls()
}

// flushControls writes the waiting control frames, unless somebody is writing:
// then that one does it after his frame. So the receiver never waits for a
// viewer that does not read while data is on its way to it.
func (s *Socket) flushControls() error {
	for s.hasControls() && s.writing.TryLock() {
		err := s.writeControls()
		s.writing.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) hasControls() bool {
	s.controlMu.Lock()
	defer s.controlMu.Unlock()
	return s.ping || s.pong != nil
}

// writeControls needs the right to write.
func (s *Socket) writeControls() error {
	var frames [2 * (2 + maxControl)]byte
	b := frames[:0]
	s.controlMu.Lock()
	if s.pong != nil {
		b = append(appendHeader(b, opPong, len(s.pong)), s.pong...)
		s.pong = nil
	}
	if s.ping {
		stamp := time.Now().UnixNano()
		s.stamp.Store(stamp)
		b = binary.BigEndian.AppendUint64(appendHeader(b, opPing, 8), uint64(stamp))
		s.ping = false
	}
	s.controlMu.Unlock()
	return s.writeFrame(b)
}

// beginWrite takes the right to write, endWrite gives it back after it has
// written what others left to be written.
func (s *Socket) beginWrite() { s.writing.Lock() }

func (s *Socket) endWrite() error {
	s.writing.Unlock()
	return s.flushControls()
}

// writeFrame writes whole frames. It needs the right to write.
func (s *Socket) writeFrame(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if s.broken {
		return fmt.Errorf("%w: in the middle of a frame", ErrViewerGone)
	}
	s.broken = true
	waited, err := s.wire.send(b, s.timing.WriteStall)
	s.noteWait(waited)
	if errors.Is(err, errStalled) {
		return ErrViewerSlow
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrViewerGone, err)
	}
	s.broken = false
	return nil
}

// sendBuffer sends the first length bytes of the buffer's data as one frame. The
// header goes right in front of them: one call and no copy.
func (s *Socket) sendBuffer(buf *buffer, length int) error {
	if length == 0 {
		return nil
	}
	from := maxHeader - headerSize(length)
	appendHeader(buf.room[from:from], opBinary, length)
	s.beginWrite()
	err := s.writeFrame(buf.room[from : maxHeader+length])
	if ended := s.endWrite(); err == nil {
		err = ended
	}
	return err
}

// noteWait notes how long a write waited for the viewer to take bytes.
func (s *Socket) noteWait(d time.Duration) {
	s.waited.Store(int64(d))
	if d > 0 {
		s.meter.WriteStalled(d)
	}
}

// lastWait is how long the latest write waited.
func (s *Socket) lastWait() time.Duration { return time.Duration(s.waited.Load()) }

// Write sends p as one binary message.
func (s *Socket) Write(p []byte) (int, error) {
	if err := s.writeMessage(opBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *Socket) writeMessage(op byte, p []byte) error {
	s.beginWrite()
	err := s.writeFrame(append(appendHeader(make([]byte, 0, maxHeader+len(p)), op, len(p)), p...))
	if ended := s.endWrite(); err == nil {
		err = ended
	}
	return err
}

// ReadBy limits the Reads that follow.
func (s *Socket) ReadBy(t time.Time) { s.readBy = t }

// maxPending bounds what a viewer may send before its turn: a client that does
// not wait for ServerInit sends its first few messages, not more.
const maxPending = 4 << 10

// Read returns payload as it comes.
func (s *Socket) Read(p []byte) (int, error) {
	for len(s.pending) == 0 {
		if err := s.Hoard(s.readBy); err != nil && !errors.Is(err, ErrNudged) {
			return 0, err
		}
	}
	n := copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// Hoard receives once and keeps the payload for the Reads or the relay that
// follow. With more than a few KiB the viewer does not speak RFB as it should.
func (s *Socket) Hoard(until time.Time) error {
	return s.receive(until, func(payload []byte) error {
		if len(s.pending)+len(payload) > maxPending {
			return fmt.Errorf("%w: %d bytes before their turn", ErrViewerProtocol, len(s.pending)+len(payload))
		}
		s.pending = append(s.pending, payload...)
		return nil
	})
}

// Unread puts payload in front of what Receive gives next, as if it had come
// from the viewer. Only the receiver may call it.
func (s *Socket) Unread(payload []byte) {
	if len(payload) > 0 {
		s.pending = append(slices.Clip(payload), s.pending...)
	}
}

// lingerLimit bounds what is read and thrown away after our close frame.
const lingerLimit = 256 << 10

// Close tells the viewer why, waits a moment for its answer, and closes the
// connection. The receiver calls it, when it has stopped receiving. A viewer
// that does not read, or that waits for the rest of a frame, is not told.
//
// The wait matters: closing a socket with unread bytes resets the connection,
// and the reset overtakes the close frame.
func (s *Socket) Close(status int, reason string) {
	defer s.wire.conn.Close()
	s.wire.finishBy(s.timing.Linger / 2)
	frame := appendHeader(make([]byte, 0, 2+maxControl), opClose, 2+len(reason))
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(status)), reason...)
	s.writing.Lock()
	err := s.writeFrame(frame)
	s.writing.Unlock()
	if err != nil {
		return
	}
	if half, ok := s.wire.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	s.linger()
}

// linger reads until the viewer has closed too.
func (s *Socket) linger() {
	s.wire.rearm()
	s.wire.wakeAt(time.Now().Add(s.timing.Linger))
	for total := 0; total < lingerLimit; {
		buf, n, err := s.wire.receive(&s.buffers.small)
		if err != nil {
			return
		}
		_, seen, err := s.frames.feed(buf.data()[:n])
		buf.release()
		if err != nil || seen.closed {
			return
		}
		total += n
	}
}

// Kill closes the connection without a word.
func (s *Socket) Kill() { s.wire.conn.Close() }

var _ io.ReadWriter = (*Socket)(nil)
