package hub

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/tight"
)

// receiver is the way from a viewer: input goes to the desktop, and what is about
// pixels to the loop, in its order.
type receiver struct {
	*viewer
	parser *rfb.ClientParser
	held   held
	batch  []byte // for the desktop
}

// run receives until the viewer ends, the socket is interrupted, or the viewer is
// handed back.
func (r *receiver) run() error {
	take := r.take
	for {
		err := r.socket.Receive(time.Time{}, take)
		if errors.Is(err, relay.ErrNudged) {
			err = r.nudged()
		}
		if err != nil {
			return err
		}
	}
}

// nudged looks why somebody wanted to be looked at.
func (r *receiver) nudged() error {
	if r.left.Load() {
		return ErrHandedBack
	}
	if r.seat.Screen != nil {
		if err := r.screened(r.seat.Screen); err != nil {
			return err
		}
	}
	if r.seat.Gate == nil {
		return nil
	}
	release := r.seat.Gate.LetGo()
	if len(release) > 0 {
		r.held = held{}
	}
	return r.hub.up.write(release)
}

// take follows what the viewer sent, and writes its input in one piece and at
// once.
func (r *receiver) take(p []byte) error {
	r.batch = r.batch[:0]
	for len(p) > 0 {
		n, m, err := r.parser.Next(p)
		if err != nil {
			return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
		}
		p = p[n:]
		if m.Raw == nil {
			break
		}
		if e, ok := m.Pointer(); ok && r.seat.Screen != nil {
			r.seat.Screen.Pointed(e)
		}
		if err := r.message(m); err != nil {
			return err
		}
	}
	if len(r.batch) == 0 {
		return nil
	}
	r.seat.Observer.Moved(relay.ToDesktop, len(r.batch))
	err := r.hub.up.write(r.batch)
	if cap(r.batch) > maxSays {
		r.batch = nil
	}
	return err
}

// message handles one message.
func (r *receiver) message(m rfb.ClientMessage) error {
	if !r.seat.Policy.Allows(m) || r.seat.Gate != nil && relay.Acts(m) && !r.seat.Gate.Act(m) {
		r.seat.Observer.Withheld(m.Type.String(), relay.ToDesktop)
		return nil
	}
	v := r.viewer
	switch m.Type {
	case rfb.ClientKeyEvent, rfb.ClientPointerEvent:
		r.input(m)
	case rfb.ClientQEMU:
		if _, isKey := m.Key(); isKey {
			r.input(m)
		}
	case rfb.ClientXVP:
		r.batch = append(r.batch, m.Raw...)
	case rfb.ClientSetDesktopSize:
		raw := append([]byte(nil), m.Raw...)
		return r.post(func() error { v.hub.desktop.asker = v; return v.hub.up.write(raw) })
	case rfb.ClientCutText:
		r.act()
		cut, body, _ := m.CutText()
		body = append([]byte(nil), body...)
		return r.post(func() error { return v.cut(cut.Extended, body) })
	case rfb.ClientSetPixelFormat:
		format, _ := m.PixelFormat()
		return r.post(func() error { return v.setFormat(format) })
	case rfb.ClientSetEncodings:
		list, _ := m.Encodings()
		kept := list[:0]
		for _, e := range list {
			if r.seat.Policy.AllowsEncoding(e) {
				kept = append(kept, e)
			} else {
				r.seat.Observer.Withheld("encoding", relay.ToDesktop)
			}
		}
		return r.post(func() error { return v.setEncodings(kept) })
	case rfb.ClientFramebufferUpdateRequest:
		request, _ := m.UpdateRequest()
		return r.post(func() error { return v.request(request) })
	case rfb.ClientEnableContinuousUpdates:
		area, _ := m.ContinuousUpdates()
		return r.post(func() error { v.setContinuous(area); return nil })
	case rfb.ClientFence:
		fence, _ := m.Fence()
		fence.Payload = append([]byte(nil), fence.Payload...)
		now := time.Now()
		return r.post(func() error { v.fence(fence, now); return nil })
	}
	return nil
}

// input passes a key or the pointer on.
func (r *receiver) input(m rfb.ClientMessage) {
	r.held.note(m)
	r.act()
	r.batch = append(r.batch, m.Raw...)
}

// act notes that a person did something.
func (r *receiver) act() {
	r.seat.Observer.Input()
	now := time.Now().UnixNano()
	r.active.Store(now)
	r.acted.CompareAndSwap(0, now)
}

// maxWaiting bounds the messages of one viewer that wait for the loop, which
// handles them many thousand times a second.
const maxWaiting = 4096

// post has the loop handle a message. An error ends the viewer.
func (r *receiver) post(f func() error) error {
	v := r.viewer
	if v.waiting.Add(1) > maxWaiting {
		return fmt.Errorf("%w: messages", relay.ErrViewerFlood)
	}
	v.hub.mail.post(func() {
		v.waiting.Add(-1)
		if err := f(); err != nil {
			v.socket.Interrupt(err)
		}
	})
	return nil
}

func (v *viewer) setFormat(format rfb.PixelFormat) error {
	if err := tight.CheckFormat(format); err != nil {
		return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
	}
	if v.format != format {
		v.format = format
		v.owed |= oweCursor
		v.hub.classify(v, time.Now(), false)
	}
	return nil
}

func (v *viewer) setEncodings(list []rfb.Encoding) error {
	now, init := time.Now(), v.hub.Init()
	before := v.encodings
	v.encodings = append(make([]rfb.Encoding, 0, len(list)), list...)
	if err := v.canBeSized(init.Width, init.Height); err != nil {
		return err
	}
	v.wish = wishOf(list)
	v.flow.fences = v.has(rfb.EncodingFence)
	for _, told := range []struct {
		encoding rfb.Encoding
		debt     debt
	}{
		{rfb.EncodingFence, oweFence}, {rfb.EncodingContinuousUpdates, oweContinuous}, {rfb.EncodingExtendedClipboard, oweCaps},
		{rfb.EncodingExtendedDesktopSize, oweScreens}, {rfb.EncodingDesktopName, oweName},
		{rfb.EncodingCursor, oweCursor}, {rfb.EncodingVMwareCursor, oweCursor},
		{rfb.EncodingQEMULEDState, oweLEDs}, {rfb.EncodingVMwareLEDState, oweLEDs},
		{rfb.EncodingQEMUExtendedKey, oweKeycodes}, {rfb.EncodingExtendedMouseButtons, oweButtons},
	} {
		if v.has(told.encoding) && !slices.Contains(before, told.encoding) {
			v.owed |= told.debt
		}
	}
	v.hub.classify(v, now, false)
	if v.seat.Screen != nil {
		v.hub.turn(v)
		v.softenAll()
	}
	v.hub.serve(v, now, true)
	return nil
}

func (v *viewer) request(r rfb.UpdateRequest) error {
	now := time.Now()
	if v.encodings == nil { // the protocol's default: Raw
		if err := v.setEncodings(nil); err != nil {
			return err
		}
	}
	v.requested = true
	if !r.Incremental {
		if v.seat.Screen == nil {
			area := rectOf(rfb.Rect{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height})
			v.dirty.add(area.Intersect(v.hub.bounds()))
		}
		if v.has(rfb.EncodingExtendedDesktopSize) {
			v.owed |= oweScreens // which a full request asks for, too
		}
	}
	v.hub.serve(v, now, !r.Incremental)
	return nil
}

func (v *viewer) setContinuous(area rfb.ContinuousUpdates) {
	was := v.continuous.Enable
	v.continuous = area
	if was && !area.Enable {
		v.say(rfb.AppendEndOfContinuousUpdates(nil))
		return
	}
	v.hub.serve(v, time.Now(), true)
}

// fence answers one of the viewer's, or takes the answer to one of ours.
func (v *viewer) fence(f rfb.Fence, now time.Time) {
	if f.Flags&rfb.FenceRequest != 0 {
		v.say(rfb.AppendServerFence(nil, f.Answer()))
		return
	}
	sequence, ours := fenceSequence(f.Payload)
	if !ours {
		return // answers whoever served it before
	}
	for _, landed := range v.flow.echo(sequence, now) {
		v.seat.Observer.FrameAge(now.Sub(landed.drawn))
		if landed.acted != 0 {
			v.seat.Observer.ClickToPixel(time.Duration(now.UnixNano() - landed.acted))
		}
	}
	v.hub.serve(v, now, false)
}

// announceFence appends the fence that says that the hub knows them. Its answer
// is the first measure of the way.
func (v *viewer) announceFence(b []byte) []byte {
	v.hub.sequence++
	v.flow.sent(flight{sequence: v.hub.sequence, sent: time.Now()})
	return rfb.AppendServerFence(b, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: fencePayload(v.hub.sequence)})
}

// maxHeld bounds the keys of which it is noted that they are down: people have
// ten fingers.
const maxHeld = 32

// held is what a viewer holds down.
type held struct {
	keys    []rfb.KeyEvent
	pointer rfb.PointerEvent
}

// note follows a key or pointer event.
func (h *held) note(m rfb.ClientMessage) {
	if p, ok := m.Pointer(); ok {
		h.pointer = p
		return
	}
	key, _ := m.Key()
	for i, k := range h.keys {
		if k.Keysym == key.Keysym && k.Keycode == key.Keycode {
			h.keys = append(h.keys[:i], h.keys[i+1:]...)
			break
		}
	}
	if key.Down && len(h.keys) < maxHeld {
		h.keys = append(h.keys, key)
	}
}

// release is messages that let go of it all.
func (h *held) release() (b []byte) {
	for _, key := range h.keys {
		key.Down = false
		if key.Keycode != 0 {
			b = rfb.AppendQEMUKeyEvent(b, key)
		} else {
			b = rfb.AppendKeyEvent(b, key)
		}
	}
	if h.pointer.Buttons != 0 {
		h.pointer.Buttons = 0
		b = rfb.AppendPointerEvent(b, h.pointer)
	}
	*h = held{}
	return b
}
