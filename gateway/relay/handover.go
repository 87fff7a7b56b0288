package relay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// ErrYielded says that a relay stopped between two messages, both ways, since
// its Socket's Yield asked for it. Nothing is wrong with either end.
var ErrYielded = errors.New("stopped between two messages")

// State is what a viewer has told a desktop so far and what it was told: all
// that somebody else needs in order to go on serving it in the middle of its
// stream.
type State struct {
	Parser     *rfb.ClientParser     // of the viewer's messages, with the beginning of the next
	Format     rfb.PixelFormat       // that the viewer expects
	Encodings  []rfb.Encoding        // that it asked for and may have; nil before it has asked
	Continuous rfb.ContinuousUpdates // as it enabled them
	Requested  bool                  // it waits for an update that it requested
	Width      uint16                // of the framebuffer, as the viewer knows it
	Height     uint16
	// Stateful says that the viewer was sent rectangles whose decoder keeps what
	// came before and cannot be reset: a fresh desktop's would not go with them.
	Stateful bool
}

// Greeted is the state of a viewer that was sent init and no more.
func Greeted(init rfb.ServerInit) State {
	return State{Parser: rfb.NewClientParser(rfb.ClientLimits{}), Format: init.Format, Width: init.Width, Height: init.Height}
}

// Has tells whether the viewer asked for the encoding.
func (s *State) Has(e rfb.Encoding) bool { return slices.Contains(s.Encodings, e) }

// Resumable tells whether a fresh desktop can go on with the viewer, if Tight's
// streams are reset before: whoever resumes must have sent a rectangle that
// does.
func (s *State) Resumable() bool {
	return !s.Stateful && s.Has(rfb.EncodingTight)
}

// stateful tells whether rectangles of the encoding depend on earlier ones in a
// way that nothing resets. Tight's streams can be reset.
func stateful(e rfb.Encoding) bool {
	switch e {
	case rfb.EncodingZRLE, rfb.EncodingZlib, rfb.EncodingJPEG, rfb.EncodingH264:
		return true
	}
	return false
}

// yielded is the state after input and output have stopped.
func (r *relay) yielded() State {
	r.viewer.yields.Store(false)
	r.state.Width, r.state.Height = r.walker.Size()
	r.state.Requested = r.wanted.Load()
	return r.state
}

// start takes the viewer over from whoever served it, if somebody did.
func (in *input) start(init rfb.ServerInit, options Options, now time.Time) error {
	if options.Resume == nil {
		in.state = Greeted(init)
		in.parser = in.state.Parser
		return nil
	}
	in.state, in.resumed = *options.Resume, true
	in.parser = in.state.Parser
	in.stale = in.state.Has(rfb.EncodingFence)
	in.age.speaks.Store(in.stale)
	in.walker.SetPixelFormat(in.state.Format)
	if err := in.catchUp(init); err != nil {
		return err
	}
	b := rfb.AppendSetPixelFormat(nil, in.state.Format)
	if in.state.Encodings != nil {
		b = rfb.AppendSetEncodings(b, in.state.Encodings...)
	}
	if in.state.Continuous.Enable {
		b = rfb.AppendEnableContinuousUpdates(b, in.state.Continuous)
	}
	if in.state.Continuous.Enable || in.state.Requested {
		b = rfb.AppendUpdateRequest(b, rfb.UpdateRequest{Width: init.Width, Height: init.Height})
		in.wanted.Store(in.state.Requested)
		in.owe(now)
	}
	return in.send(append(b, options.Replay...))
}

// catchUp tells the viewer the size of the fresh desktop, if it knows another.
// Desktops tell it by themselves to those who know the extended message.
func (in *input) catchUp(init rfb.ServerInit) error {
	same := in.state.Width == init.Width && in.state.Height == init.Height
	if same || in.state.Has(rfb.EncodingExtendedDesktopSize) {
		return nil
	}
	if !in.state.Has(rfb.EncodingDesktopSize) {
		return fmt.Errorf("%w: the desktop has %dx%d pixels now, which the viewer cannot be told", ErrViewerProtocol, init.Width, init.Height)
	}
	_, err := in.viewer.Write(rfb.AppendDesktopSize(rfb.AppendFramebufferUpdate(nil, 1), init.Width, init.Height))
	return err
}

// answersOther tells whether a viewer's fence answers somebody who served it
// before this desktop did. Answers come in order: the first to this desktop's
// ends that.
func (in *input) answersOther(fence rfb.Fence) bool {
	if !in.stale {
		return false
	}
	if mark := in.mark.Load(); mark != nil && *mark == string(fence.Payload) {
		in.stale = false
	}
	return in.stale
}
