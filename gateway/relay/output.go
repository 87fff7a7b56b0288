package relay

import (
	"bytes"
	"errors"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// output is the way from the desktop to the viewer.
type output struct {
	*relay
	withhold bool // the present message does not go to the viewer
	deciding bool // whether it does will be known at decideAt
	decideAt rfb.Event
	held     []byte // what came before in earlier reads; at most a header or a fence

	pool           *bufferPool // for the next read
	fresh          bool        // the desktop has not said yet that it knows continuous updates, but the viewer was told
	slow           bool        // the viewer does not take promptly what it is sent
	calm           int         // writes since the last one that waited for longer than briefly
	updates, rects int         // since the last report
}

// output relays until the desktop or the viewer ends, or until a boundary when
// the viewer is to be handed over.
func (r *relay) output() error {
	o := &output{relay: r, pool: &r.viewer.buffers.large, fresh: r.resumed && r.state.Has(rfb.EncodingContinuousUpdates)}
	for {
		if o.viewer.yields.Load() && o.walker.Between() && o.asked.Load() <= 0 {
			return ErrYielded
		}
		err := o.once()
		if woken(err) {
			o.desktop.rearm()
			if !o.over.Load() {
				continue // a Yield, which waits for a boundary
			}
		}
		if err != nil {
			return o.ended(err)
		}
	}
}

// ended sorts the output's errors. The viewer's are named already.
func (o *output) ended(err error) error {
	switch {
	case woken(err):
		return nil
	case errors.Is(err, ErrViewerGone), errors.Is(err, ErrViewerSlow):
		return err
	default:
		return desktopEnded(err)
	}
}

// once relays what one read brings.
func (o *output) once() error {
	buf, n, err := o.desktop.receive(o.pool)
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	o.heard.Store(now)
	drew, err := o.pass(buf, n)
	buf.release()
	o.adapt(n)
	if err == nil && drew {
		err = o.measure(now)
	}
	return err
}

const (
	// fullSpeed is how much must come at once for a stream to count as being at
	// full speed.
	fullSpeed = 128 << 10
	// promptly is how long a viewer may take for what is sent at once, so that
	// as much or more is sent the next time.
	promptly = 20 * time.Millisecond
	// calmWrites in a row that waited for no longer than briefly make a slow
	// viewer a prompt one: half a megabyte, more than its socket and most lines
	// hold, in small pieces of which each took its share of 8 MB/s.
	calmWrites = 32
	briefly    = 2 * time.Millisecond
)

// adapt chooses how the next bytes are read, after n came at once. A viewer that
// does not take them promptly gets small pieces: what waits here for its socket
// is stale when it arrives.
func (o *output) adapt(n int) {
	waited := o.viewer.lastWait()
	if o.calm++; waited > briefly {
		o.calm = 0
	}
	if slow := waited > promptly || o.slow && o.calm < calmWrites; slow != o.slow {
		o.slow = slow
		o.observer.Slow(slow)
	}
	buffers := o.viewer.buffers
	switch {
	case o.slow:
		o.pool = &buffers.small
	case n >= fullSpeed:
		o.pool = &buffers.huge
	default:
		o.pool = &buffers.large
	}
}

// pass relays the buffer's first n bytes, and tells whether there were pixels.
func (o *output) pass(buf *buffer, n int) (drew bool, err error) {
	kept, wrong := o.filter(buf.data()[:n])
	drew = o.rects > 0
	o.sending.Store(true)
	err = o.viewer.sendBuffer(buf, kept)
	o.sending.Store(false)
	o.report(kept)
	if wrong != nil {
		err = wrong
	}
	return drew, err
}

// report tells the observer once for each read, not for each message.
func (o *output) report(bytes int) {
	o.observer.Moved(ToViewer, bytes)
	if o.updates|o.rects != 0 {
		o.observer.Updated(o.updates, o.rects)
		o.updates, o.rects = 0, 0
	}
}

// filter follows b and packs what may go to the viewer at its start. It
// returns how much that is, also with an error: what was before it is good.
func (o *output) filter(b []byte) (kept int, err error) {
	from := 0 // where the message that is being decided on starts in b
	for in := 0; in < len(b); {
		n, event, err := o.walker.Next(b[in:])
		if err != nil {
			return kept, err
		}
		if event.Has(rfb.EventBegin) { // no byte was taken
			o.begin()
			from = in
			continue
		}
		chunk := b[in : in+n]
		in += n
		if event.Has(rfb.EventRect) {
			o.rects++
			o.state.Stateful = o.state.Stateful || stateful(o.walker.Rect().Encoding)
		}
		if o.deciding && event.Has(o.decideAt) {
			if err := o.decide(); err != nil {
				return kept, err
			}
			chunk = b[from:in]
		}
		if !o.withhold && !o.deciding {
			if kept == in-len(chunk) {
				kept = in // the common case: nothing was taken out before
			} else {
				kept += copy(b[kept:], chunk)
			}
		}
	}
	if o.deciding {
		o.held = append(o.held, b[from:]...)
	}
	return kept, nil
}

// begin looks at a message of which only the type is known.
func (o *output) begin() {
	o.withhold, o.deciding, o.held = false, false, nil
	switch message := o.walker.Message(); message {
	case rfb.ServerFramebufferUpdate:
		o.updates++
		o.wanted.Store(false)
	case rfb.ServerCutText:
		// With one permission of the two it depends on what the message says.
		o.withhold = !o.policy.ClipboardIn && !o.policy.ClipboardOut
		o.deciding, o.decideAt = o.policy.ClipboardIn != o.policy.ClipboardOut, rfb.EventHeader
	case rfb.ServerFence:
		o.fences.Store(true)
		o.deciding, o.decideAt = o.probes.Load() > 0 || o.asked.Load() > 0 || o.fresh, rfb.EventEnd
	case rfb.ServerEndOfContinuousUpdates:
		// A desktop says it once to tell that it knows them. A viewer that has
		// been told before would take it for an end.
		o.withhold, o.fresh = o.fresh, false
	case rfb.ServerQEMU: // sound is all that a server says with it
		o.withhold = !o.policy.Audio
	case rfb.ServerXVP:
		o.withhold = !o.policy.Control
	}
	if o.withhold {
		o.observer.Withheld(o.walker.Message().String(), ToViewer)
	}
}

// decide looks at the part of a message that says whether it may pass. What was
// held back of it in earlier reads goes first.
func (o *output) decide() error {
	o.deciding = false
	if o.walker.Message() == rfb.ServerFence {
		o.fence(o.walker.Fence())
	} else if o.withhold = !o.policy.AllowsToViewer(o.walker.CutText()); o.withhold {
		o.observer.Withheld(o.walker.Message().String(), ToViewer)
	}
	held := o.held
	o.held = nil
	if o.withhold || len(held) == 0 {
		return nil
	}
	_, err := o.viewer.Write(held)
	return err
}

// fence looks at a fence of the desktop's.
func (o *output) fence(fence rfb.Fence) {
	switch {
	case fence.Flags&rfb.FenceRequest != 0:
		if o.resumed && o.mark.Load() == nil {
			mark := string(fence.Payload)
			o.mark.Store(&mark)
		}
	case bytes.Equal(fence.Payload, probePayload):
		o.withhold = true
		o.probes.Add(-1) // the answer is ours, not the viewer's
	default:
		o.asked.Add(-1)
	}
}
