package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// input is the way from the viewer to the desktop. It is also who notices that
// the desktop is silent.
type input struct {
	*relay
	parser  *rfb.ClientParser
	batch   *buffer // allowed messages of one read, on their way to the desktop
	batched int     // bytes of batch

	owedSince time.Time // since when the desktop owes an answer; zero when it owes none
	checkAt   time.Time // when to look at the desktop again
	mayProbe  bool      // a fence of ours would not come between two messages that belong together
	stale     bool      // the viewer's fences may still answer who served it before
}

// probePayload marks a fence as ours. Its answer is withheld from the viewer,
// who has not asked.
var probePayload = []byte("streamspace")

// run relays until the viewer ends, the Socket is interrupted, the desktop stops
// answering, or the output has yielded.
func (in *input) run() error {
	take := in.take
	for {
		err := in.viewer.Receive(in.checkAt, take)
		switch {
		case errors.Is(err, ErrTimeout):
			err = in.checkDesktop(time.Now())
		case errors.Is(err, ErrNudged):
			err = in.nudged()
		}
		if err != nil {
			return err
		}
	}
}

// nudged looks why somebody wanted to be looked at.
func (in *input) nudged() error {
	if in.stopped.Load() {
		return ErrYielded
	}
	if in.gate == nil {
		return nil
	}
	return in.send(in.gate.LetGo())
}

// take follows what the viewer sent and writes what may pass, in one piece and
// at once: the desktop waits for nothing else.
func (in *input) take(p []byte) error {
	in.batch, in.batched = in.viewer.buffers.small.take(), 0
	defer func() { in.batch.release(); in.batch = nil }()
	now := time.Now()
	for len(p) > 0 {
		n, message, err := in.parser.Next(p)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrViewerProtocol, err)
		}
		p = p[n:]
		if message.Raw == nil {
			break
		}
		if !in.viewer.rates.messages.take(1, now) {
			return fmt.Errorf("%w: messages", ErrViewerFlood)
		}
		if err := in.message(message, now); err != nil {
			return err
		}
	}
	return in.flush()
}

// message decides on one whole message.
func (in *input) message(m rfb.ClientMessage, now time.Time) error {
	if !in.policy.Allows(m) || in.gate != nil && Acts(m) && !in.gate.Act(m) {
		in.observer.Withheld(m.Type.String(), ToDesktop)
		return nil
	}
	in.mayProbe = true
	switch m.Type {
	case rfb.ClientKeyEvent, rfb.ClientPointerEvent, rfb.ClientCutText:
		in.act(now)
	case rfb.ClientQEMU:
		if _, isKey := m.Key(); isKey {
			in.act(now)
		}
	case rfb.ClientSetEncodings:
		return in.encodings(m)
	case rfb.ClientSetPixelFormat:
		in.format(m)
	case rfb.ClientFramebufferUpdateRequest:
		in.wanted.Store(true)
		if request, _ := m.UpdateRequest(); !request.Incremental && request.Width > 0 && request.Height > 0 {
			in.owe(now)
		}
	case rfb.ClientEnableContinuousUpdates:
		in.state.Continuous, _ = m.ContinuousUpdates()
	case rfb.ClientFence:
		return in.fence(m, now)
	}
	return in.forward(m.Raw)
}

func (in *input) format(m rfb.ClientMessage) {
	format, _ := m.PixelFormat()
	in.state.Format = format
	if m.Synced {
		in.walker.SetPixelFormatAtSync(format)
	} else {
		in.walker.SetPixelFormat(format)
	}
}

// fence forwards a fence, unless it answers one that is not the desktop's.
func (in *input) fence(m rfb.ClientMessage, now time.Time) error {
	fence, _ := m.Fence()
	if in.measured(fence, now) {
		return nil
	}
	if fence.Flags&rfb.FenceRequest == 0 {
		if in.answersOther(fence) {
			return nil
		}
		return in.forward(m.Raw)
	}
	in.mayProbe = fence.Flags&rfb.FenceSyncNext == 0
	in.owe(now)
	in.asked.Add(1)
	return in.forward(m.Raw)
}

// encodings forwards a SetEncodings without what the viewer may not have and
// what nobody here could follow.
func (in *input) encodings(m rfb.ClientMessage) error {
	list, _ := m.Encodings()
	kept := list[:0]
	for _, e := range list {
		if in.policy.AllowsEncoding(e) {
			kept = append(kept, e)
		} else {
			in.observer.Withheld("encoding", ToDesktop)
		}
	}
	in.state.Encodings = append(make([]rfb.Encoding, 0, len(kept)), kept...)
	in.age.speaks.Store(in.state.Has(rfb.EncodingFence))
	if in.asks != nil {
		in.asks(in.state.Encodings)
	}
	return in.forward(rfb.AppendSetEncodings(nil, kept...))
}

// forward puts a message into the batch.
func (in *input) forward(raw []byte) error {
	if in.batched+len(raw) > smallBuffer {
		if err := in.flush(); err != nil {
			return err
		}
	}
	if len(raw) > smallBuffer {
		return in.send(raw)
	}
	in.batched += copy(in.batch.data()[in.batched:], raw)
	return nil
}

func (in *input) flush() error {
	b := in.batch.data()[:in.batched]
	in.batched = 0
	return in.send(b)
}

// send writes to the desktop.
func (in *input) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := in.desktop.send(b, in.timing.DesktopStall)
	if errors.Is(err, errStalled) {
		return fmt.Errorf("%w: it does not read", ErrDesktopStalled)
	}
	if err != nil {
		return desktopEnded(err)
	}
	in.observer.Moved(ToDesktop, len(b))
	return nil
}

// owe notes that the desktop has to answer what is sent now.
func (in *input) owe(now time.Time) {
	if in.owedSince.IsZero() {
		in.owedSince = now
	}
	if due := in.owedSince.Add(in.timing.DesktopStall); due.Before(in.checkAt) {
		in.checkAt = due
	}
}

// checkDesktop ends the stream if the desktop owes an answer for too long. One
// that was silent for long is asked whether it lives, if it speaks of fences: a
// fence costs it nothing, and changes nothing.
func (in *input) checkDesktop(now time.Time) error {
	heard := time.Unix(0, in.heard.Load())
	switch {
	case in.sending.Load():
		// It is the viewer that is slow; the desktop may have answered.
		in.owedSince = time.Time{}
	case !in.owedSince.IsZero() && heard.After(in.owedSince):
		in.owedSince = time.Time{}
	}
	in.checkAt = now.Add(in.timing.Probe)
	if !in.owedSince.IsZero() {
		if now.Sub(in.owedSince) >= in.timing.DesktopStall {
			return fmt.Errorf("%w: silent for %s", ErrDesktopStalled, now.Sub(heard).Round(time.Second))
		}
		in.owe(now)
		return nil
	}
	if !in.fences.Load() || !in.mayProbe || now.Sub(heard) < in.timing.Probe {
		return nil
	}
	in.owe(now)
	in.probes.Add(1)
	return in.send(rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest, Payload: probePayload}))
}
