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
}

// Options is what a relay needs besides its two ends.
type Options struct {
	Policy   Policy
	Observer Observer
	Timing   *Timing
}

// relay is one running splice.
type relay struct {
	// immutable
	viewer   *Socket
	desktop  *wire
	policy   Policy
	observer Observer
	timing   *Timing
	walker   *rfb.ServerWalker // the output's, but for SetPixelFormat

	heard   atomic.Int64 // when the desktop last sent anything, nanoseconds since 1970
	sending atomic.Bool  // the output waits for the viewer to take bytes
	fences  atomic.Bool  // the desktop speaks of fences
	probes  atomic.Int32 // fences of ours that await their answers
}

// Run relays between viewer and desktop, which has just sent init, until one of
// them ends or the viewer's Socket is interrupted. It returns why, and leaves
// both connections to be closed by the caller.
func Run(viewer *Socket, desktop net.Conn, init rfb.ServerInit, options Options) error {
	r := &relay{
		viewer: viewer, desktop: newWire(desktop),
		policy: options.Policy, observer: options.Observer, timing: options.Timing,
		walker: rfb.NewServerWalker(init),
	}
	r.heard.Store(time.Now().UnixNano())
	viewer.partner.Store(r.desktop)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.output(); err != nil {
			viewer.Interrupt(err)
		}
	}()
	viewer.Interrupt(r.input()) // the first cause counts, and what follows from it does not
	r.desktop.wake()
	viewer.wire.finishBy(r.timing.Linger / 2)
	<-ended
	return *viewer.cause.Load()
}

// desktopEnded says why reading from or writing to the desktop failed.
func desktopEnded(err error) error {
	var wrong *rfb.ProtocolError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", ErrDesktopProtocol, err)
	}
	return fmt.Errorf("%w: %w", ErrDesktopGone, err)
}

// stopped tells whether err is the wake that Run ends the output with.
func stopped(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
