package hub

import (
	"fmt"
	"image"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/tight"
)

// Seat is one viewer's place.
type Seat struct {
	Policy   relay.Policy
	Gate     relay.Gate     // nil: everything that the policy allows passes
	Observer relay.Observer // is also called by the hub's goroutine
	// Replay is messages to the desktop at the beginning, such as of keys that are
	// held down.
	Replay []byte
	// Screen, if there is one, takes the desktop's pixels as video.
	Screen Screen
}

// Socket is a viewer's connection; relay.Socket is one. Interrupt makes the
// receiver return the cause, and writes end soon after FinishWrites.
type Socket interface {
	Receive(until time.Time, take func(payload []byte) error) error
	Write(p []byte) (int, error)
	WriteSealed(frame []byte) error
	FinishWrites()
	Interrupt(cause error)
	Nudge()
}

// viewer is somebody who is served.
type viewer struct {
	// immutable
	hub     *Hub
	socket  Socket
	seat    Seat
	batches chan batch // to the writer; never more than one

	acted   atomic.Int64 // when a person did something that no frame answered yet, nanoseconds since 1970
	active  atomic.Int64 // when a person last did something, likewise
	waiting atomic.Int64 // messages that the loop has not handled
	left    atomic.Bool  // nothing more will be sent, since it is handed back

	// owned by the loop
	format     rfb.PixelFormat
	encodings  []rfb.Encoding // nil before it has told
	continuous rfb.ContinuousUpdates
	requested  bool
	width      uint16 // as it knows
	height     uint16
	stateful   bool
	wish       wish
	class      *class   // nil before it has told its encodings
	camera     *camera  // nil without a screen
	showing    *showing // in front of the camera
	dirty      region   // what it still needs
	soft       region   // what it alone sees not exactly
	owed       debt
	answered   bool   // its wish for another size has an answer
	answer     uint16 // a result constant of package rfb
	says       []byte // messages that answer its own, in their order
	busy       bool   // the writer has a batch
	leaving    bool   // is to be handed back
	gone       bool   // has left; its writer takes nothing more
	flow       flow
	pace       pace
	reelFrom   time.Time // from when on it may see films as video
	reelPause  time.Duration
	skipped    int64 // frames that it did not get as they came
	calm       int   // frames in a row that it did
	slow       bool
}

// batch is what a writer writes in one go.
type batch struct {
	says  []byte
	chunk *chunk // may be nil
}

// maxSays bounds the answers that wait for a viewer, in bytes: it asks, and does
// not read.
const maxSays = 64 << 10

// Status is how a viewer does.
type Status struct {
	Quality string // the class's label
	Viewers int    // of the hub
	Dropped int64  // frames that the viewer did not get as they came
	Video   *Video // nil for a viewer without a screen
}

// Video is how the coding of a viewer's video does.
type Video struct {
	Encode, Queue time.Duration // what a frame takes, and how long it waits for that
	Bitrate       int           // that frames are made to fit, in bits a second
}

// Serve serves a viewer from the caller's goroutine, which is its receiver, until
// it ends, which closes nothing. state is where a relay left off, or that of a
// viewer that was greeted with what Init returned. It returns why, and with
// ErrHandedBack what the next relay has to know.
func (h *Hub) Serve(socket Socket, seat Seat, state relay.State) (relay.State, error) {
	if seat.Observer == nil {
		seat.Observer = silent{}
	}
	v := &viewer{
		hub: h, socket: socket, seat: seat, batches: make(chan batch, 1),
		format: state.Format, continuous: state.Continuous, requested: state.Requested,
		width: state.Width, height: state.Height, stateful: state.Stateful,
		flow: newFlow(),
	}
	var joined error
	if !h.do(func() { joined = h.join(v, state.Encodings) }) {
		return relay.State{}, h.cause
	}
	if joined != nil {
		return relay.State{}, joined
	}
	var writing sync.WaitGroup
	writing.Go(v.write)
	r := receiver{viewer: v, parser: state.Parser}
	err := h.up.write(seat.Replay)
	if err == nil {
		err = r.run()
	}
	if !v.left.Load() {
		socket.FinishWrites()
		h.up.write(r.held.release()) // if that fails the desktop is gone, and the hub notices
	}
	h.do(func() { h.leave(v) })
	close(v.batches) // the loop sends to those who are there only
	writing.Wait()
	h.serving.Done()
	if !v.left.Load() {
		return relay.State{}, err
	}
	if len(v.says) > 0 { // answers to what came in the last moment
		socket.Write(v.says) // if that fails its next server notices
	}
	return relay.State{
		Parser: state.Parser, Format: v.format, Encodings: v.encodings, Continuous: v.continuous, Requested: v.requested,
		Width: v.width, Height: v.height, Stateful: v.stateful,
	}, ErrHandedBack
}

// join lets a viewer in. Encodings are nil when it has not told them.
func (h *Hub) join(v *viewer, encodings []rfb.Encoding) error {
	if h.parting {
		return ErrStopped
	}
	v.encodings = encodings
	init := h.Init()
	if err := v.canBeSized(init.Width, init.Height); err != nil {
		return err
	}
	if err := tight.CheckFormat(v.format); err != nil {
		return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
	}
	h.serving.Add(1)
	h.viewers = append(h.viewers, v)
	if v.seat.Screen != nil {
		h.turn(v)
	} else {
		v.dirty.add(h.bounds())
	}
	if v.width != init.Width || v.height != init.Height {
		v.owed |= oweSize
	}
	if encodings != nil {
		v.wish = wishOf(encodings)
		v.owed |= oweAll &^ oweSize
		v.flow.fences = v.has(rfb.EncodingFence)
		h.classify(v, time.Now(), false)
		h.serve(v, time.Now(), true)
	}
	return nil
}

// leave lets it out.
func (h *Hub) leave(v *viewer) {
	v.gone = true
	h.viewers = slices.DeleteFunc(h.viewers, func(other *viewer) bool { return other == v })
	if h.desktop.asker == v {
		h.desktop.asker = nil
	}
	h.unclassify(v)
	h.turnAway(v)
}

// HandBack makes the Serve of that socket return between two messages, both
// ways, with the viewer's Tight streams reset. It returns false when a relay
// could not go on with the viewer, or when it is not here.
func (h *Hub) HandBack(socket Socket) bool {
	can := false
	h.do(func() {
		v := h.find(socket)
		if v == nil || v.class == nil || v.class.key.raw || v.stateful || v.seat.Screen != nil {
			return
		}
		can, v.leaving = true, true
		v.flush()
	})
	return can
}

// Status tells how the viewer of a socket does; false when it is not here.
func (h *Hub) Status(socket Socket) (status Status, ok bool) {
	h.do(func() {
		v := h.find(socket)
		if v == nil || v.class == nil {
			return
		}
		status, ok = Status{Quality: v.class.key.String(), Viewers: len(h.viewers), Dropped: v.skipped}, true
		if v.camera != nil {
			status.Quality = v.camera.label()
			status.Video = &Video{Encode: v.camera.coding, Queue: v.camera.queued, Bitrate: v.camera.bitrate()}
		}
	})
	return status, ok
}

func (h *Hub) find(socket Socket) *viewer {
	for _, v := range h.viewers {
		if v.socket == socket {
			return v
		}
	}
	return nil
}

func (v *viewer) has(e rfb.Encoding) bool { return slices.Contains(v.encodings, e) }

// asked tells whether the viewer expects an update: requests and continuous
// updates of a part count as those of the whole.
func (v *viewer) asked() bool { return v.class != nil && (v.continuous.Enable || v.requested) }

// inStep tells whether the viewer has all that was shown before the present
// frame.
func (v *viewer) inStep() bool { return len(v.dirty) == 0 && v.owed&oweSize == 0 }

// open tells whether the viewer can take an update now.
func (v *viewer) open() bool { return !v.busy && !v.leaving && !v.gone && v.flow.open() }

// reason is why it did not get a frame as it came.
func (v *viewer) reason() string {
	switch {
	case !v.asked():
		return "not_asked"
	case v.busy:
		return "writing"
	case !v.flow.open():
		return "window"
	default:
		return "behind"
	}
}

// say sends an answer to a message of the viewer's.
func (v *viewer) say(message []byte) {
	if len(v.says)+len(message) > maxSays {
		v.socket.Interrupt(fmt.Errorf("%w: it asks and does not read", relay.ErrViewerSlow))
		return
	}
	v.says = append(v.says, message...)
	v.flush()
}

// flush sends what waits besides pixels.
func (v *viewer) flush() {
	if v.busy || v.gone || v.left.Load() {
		return
	}
	says := v.pay(v.says)
	v.says = nil
	if v.leaving {
		says = v.farewell(says)
		v.part()
	}
	if len(says) > 0 {
		v.hand(batch{says: says})
	}
}

// send sends an update. seen is what it shows, shared whether others in step got
// the same.
func (v *viewer) send(c *chunk, now time.Time, shared bool) {
	says := v.pay(v.says)
	v.says = nil
	v.requested = false
	acted := v.acted.Load()
	if acted > now.UnixNano() || !v.acted.CompareAndSwap(acted, 0) {
		acted = 0
	}
	v.flow.sent(flight{sequence: c.sequence, bytes: c.bytes, sent: time.Now(), drawn: now, acted: acted})
	v.seat.Observer.Updated(1, c.rects)
	v.hub.options.Observer.Sent(v.class.key.String(), c.bytes, shared)
	v.hand(batch{says: says, chunk: c})
}

func (v *viewer) hand(b batch) {
	v.busy = true
	bytes := len(b.says)
	if b.chunk != nil {
		bytes += b.chunk.bytes
	}
	v.seat.Observer.Moved(relay.ToViewer, bytes)
	v.batches <- b // there is room: the writer has none
}

// farewell ends the viewer's Tight streams, so that those of another server can
// begin. It needs a pixel for that, and takes one that is there.
func (v *viewer) farewell(b []byte) []byte {
	const allStreams = 0xF
	p := v.hub.picture.Row(0, 0, 1)
	b = rfb.AppendFramebufferUpdate(b, 1)
	return rfb.AppendTightFill(b, wire(image.Rect(0, 0, 1, 1)), allStreams, []byte{p[2], p[1], p[0]})
}

// part is the end of what is sent; what is with the writer is the last.
func (v *viewer) part() {
	v.left.Store(true)
	v.hub.unclassify(v)
	v.hub.turnAway(v)
	v.socket.Nudge()
}

// write is the writer's goroutine.
func (v *viewer) write() {
	for b := range v.batches {
		began := time.Now()
		var err error
		if len(b.says) > 0 {
			_, err = v.socket.Write(b.says)
		}
		if err == nil && b.chunk != nil {
			err = v.socket.WriteSealed(b.chunk.sealed)
		}
		if err != nil {
			v.socket.Interrupt(err)
		}
		v.hub.mail.post(func() { v.written(time.Since(began)) })
	}
}

// promptly is how long a viewer may take for what it is sent without being slow.
const promptly = 20 * time.Millisecond

// written goes on after a batch.
func (v *viewer) written(took time.Duration) {
	v.busy = false
	if took > promptly {
		v.calm = 0
		v.setSlow(true)
	}
	v.hub.serve(v, time.Now(), false)
}

// calmFrames in a row that went out as they came make a slow viewer a prompt one.
const calmFrames = 32

func (v *viewer) setSlow(slow bool) {
	if v.slow != slow {
		v.slow = slow
		v.seat.Observer.Slow(slow)
	}
}

// kept notes whether a frame went out as it came.
func (v *viewer) kept(up bool, now time.Time) {
	v.pace.offered++
	if up {
		if v.calm++; v.calm >= calmFrames {
			v.setSlow(false)
		}
		return
	}
	v.calm = 0
	v.skipped++
	if v.flow.fences && !v.flow.open() || v.busy {
		v.pace.missed++
	}
	v.hub.options.Observer.Skipped(v.reason())
}

// silent is the observer of a viewer that has none.
type silent struct{}

func (silent) Moved(relay.Direction, int)       {}
func (silent) Updated(int, int)                 {}
func (silent) Withheld(string, relay.Direction) {}
func (silent) Input()                           {}
func (silent) Slow(bool)                        {}
func (silent) FrameAge(time.Duration)           {}
func (silent) ClickToPixel(time.Duration)       {}
