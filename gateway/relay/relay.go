// Package relay is one viewer and one upstream: a message-aware splice between
// a WebSocket and an RFB connection, in which no pixel is decoded.
//
// Bytes pass untouched; only the boundaries of messages are followed, so that
// what the viewer's permissions do not allow never crosses, in either
// direction, and so that updates can be counted. A [Socket] is the viewer's
// WebSocket from its upgrade on; [Run] is the splice.
//
// A stream costs memory while bytes flow: buffers are taken when there is
// something to read and given back when it is written. Nothing is queued. A
// viewer that reads slowly makes its desktop's connection fill up, which is
// how RFB servers learn to send less.
package relay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// Direction is where bytes go.
type Direction int

const (
	ToViewer Direction = iota
	ToDesktop
)

// Observer is told what a relay does. It is called on the data path, by two
// goroutines, and must not block.
type Observer interface {
	Moved(to Direction, bytes int)      // bytes of RFB
	Updated(updates, rectangles int)    // framebuffer updates that began
	Withheld(kind string, to Direction) // a message, or an encoding, that the policy does not allow
	Input()                             // a person did something: a key, a pointer, a clipboard
	Slow(slow bool)                     // the viewer began to take its bytes slowly, or promptly again
	FrameAge(d time.Duration)           // from an update's coming here to the viewer's having taken it
	ClickToPixel(d time.Duration)       // from a person's input to the viewer's having taken the next update
}

// Gate decides what changes while a relay runs: whether the viewer has control
// of the desktop. It is called on the viewer's goroutine.
type Gate interface {
	// Act is asked about each message that the policy allows and that acts on
	// the desktop, and tells whether it may pass.
	Act(m rfb.ClientMessage) bool
	// LetGo returns messages that release what the viewer holds down, once
	// after it has lost control. It is asked after a Nudge of the Socket.
	LetGo() []byte
}

// Options is what a relay needs besides its two ends.
type Options struct {
	Policy   Policy
	Gate     Gate // nil: everything that the policy allows passes
	Observer Observer
	Timing   *Timing
	// Asked, if there is one, is told which encodings the viewer asks for and may
	// have, each time.
	Asked func(encodings []rfb.Encoding)

	// Resume is the state of a viewer that was served by something else. The
	// desktop is fresh: it is told what the viewer told before, and then gets
	// Replay.
	Resume *State
	Replay []byte // messages, such as of keys that are held down
}

// relay is one running splice.
type relay struct {
	// immutable
	viewer   *Socket
	desktop  *wire
	policy   Policy
	gate     Gate
	observer Observer
	timing   *Timing
	asks     func([]rfb.Encoding)
	resumed  bool              // the viewer was served by something else before
	walker   *rfb.ServerWalker // the output's, but for SetPixelFormat

	state State // owned by the input until Run returns it; Stateful is the output's

	heard   atomic.Int64 // when the desktop last sent anything, nanoseconds since 1970
	sending atomic.Bool  // the output waits for the viewer to take bytes
	fences  atomic.Bool  // the desktop speaks of fences
	probes  atomic.Int32 // fences of ours that await their answers
	asked   atomic.Int32 // fences of the viewer's that await their answers
	wanted  atomic.Bool  // the viewer waits for the update that it requested
	over    atomic.Bool  // the output is to end, wherever it is
	stopped atomic.Bool  // the output has stopped at a boundary, as the viewer's Yield wanted
	age     age
	mark    atomic.Pointer[string] // payload of the first fence that a resumed viewer got from this desktop
}

// Run relays between viewer and desktop, which has just sent init, until one of
// them ends or the viewer's Socket is interrupted. It returns why, and leaves
// both connections to be closed by the caller.
//
// After the Socket's Yield it returns ErrYielded, and with it what the viewer's
// next server has to know.
func Run(viewer *Socket, desktop net.Conn, init rfb.ServerInit, options Options) (State, error) {
	r := &relay{
		viewer: viewer, desktop: newWire(desktop),
		policy: options.Policy, gate: options.Gate, observer: options.Observer, timing: options.Timing, asks: options.Asked,
		walker: rfb.NewServerWalker(init),
	}
	now := time.Now()
	r.heard.Store(now.UnixNano())
	in := &input{relay: r, checkAt: now.Add(r.timing.Probe), mayProbe: true}
	if err := in.start(init, options, now); err != nil {
		return State{}, err
	}
	viewer.splice.Store(r)
	defer viewer.splice.Store(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		switch err := r.output(); {
		case errors.Is(err, ErrYielded):
			r.stopped.Store(true)
			viewer.Nudge()
		case err != nil:
			viewer.Interrupt(err)
		}
	}()
	err := in.run()
	if errors.Is(err, ErrYielded) {
		<-ended
		return r.yielded(), err
	}
	viewer.Interrupt(err) // the first cause counts, and what follows from it does not
	r.over.Store(true)
	r.desktop.wake()
	viewer.wire.finishBy(r.timing.Linger / 2)
	<-ended
	return State{}, *viewer.cause.Load()
}

// desktopEnded says why reading from or writing to the desktop failed.
func desktopEnded(err error) error {
	var wrong *rfb.ProtocolError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", ErrDesktopProtocol, err)
	}
	return fmt.Errorf("%w: %w", ErrDesktopGone, err)
}

// woken tells whether err is a wake: that of Run's end, or of a Yield.
func woken(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
