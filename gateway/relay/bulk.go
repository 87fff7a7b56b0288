package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

const (
	// bulkEnter is how much must come at once for a stream to count as being at
	// full speed.
	bulkEnter = 128 << 10
	// bulkBody is how many of those bytes one step of the walker must pass on
	// average for the next to be spliced: each header costs two more calls.
	bulkBody = 16 << 10
	// promptly is how long a viewer may take for what is sent at once, so that
	// more is sent at once.
	promptly = 20 * time.Millisecond
	// peekSize is what is read to find a header: an update's and its first
	// rectangle's have 16 to 20 bytes.
	peekSize = 64
	// skipMinimum is the body from which on throwing its copy away is cheaper
	// than reading it.
	skipMinimum = 256
)

// canSplice tells whether both ends are sockets that the kernel can connect.
func (r *relay) canSplice() bool { return r.desktop.raw != nil && r.viewer.wire.raw != nil }

// spliced relays what one splice brings, as one frame where nothing of it is
// to be withheld.
func (o *output) spliced() error {
	ducts := &o.viewer.buffers.ducts
	d, n, err := o.desktop.fill(ducts)
	if err != nil {
		return err
	}
	if d == nil { // all are in use
		return o.once()
	}
	o.heard.Store(time.Now().UnixNano())
	o.steps = 0
	err = o.throughDuct(d, n)
	if err != nil {
		ducts.discard(d)
		return err
	}
	ducts.give(d)
	o.adapt(n)
	return nil
}

// throughDuct relays the n bytes that are in the duct, and leaves it empty.
func (o *output) throughDuct(d *duct, n int) error {
	if o.withhold || o.deciding || !d.duplicate(n) {
		return o.copyDuct(d, n)
	}
	plain, peeked, err := o.lookThrough(d, n)
	if err != nil {
		return err
	}
	if plain > 0 {
		if err := o.writeDuct(d, plain); err != nil {
			return err
		}
	}
	if plain == n {
		return nil
	}
	// A message comes that may have to be withheld: the rest is copied.
	if err := d.skip(n - peeked); err != nil {
		return err
	}
	return o.copyDuct(d, n-plain)
}

// lookThrough follows the duct's bytes up to a message that may not simply
// pass, of which no byte is taken. It returns how many are before that, and how
// many it has read or thrown away of look.
func (o *output) lookThrough(d *duct, n int) (plain, peeked int, err error) {
	var room [peekSize]byte
	for plain < n {
		if opaque := int(min(o.walker.Opaque(), int64(n-plain))); opaque >= skipMinimum {
			if err := d.skip(opaque); err != nil {
				return plain, peeked, err
			}
			event, err := o.walker.Skip(int64(opaque))
			if err != nil {
				return plain, peeked, err
			}
			o.count(event)
			plain, peeked = plain+opaque, peeked+opaque
			continue
		}
		got, err := d.peek(room[:min(peekSize, n-plain)])
		if err != nil {
			return plain, peeked, err
		}
		peeked += got
		for b := room[:got]; len(b) > 0; {
			taken, event, err := o.walker.Next(b)
			if err != nil {
				return plain, peeked, err
			}
			o.steps++
			if event.Has(rfb.EventBegin) {
				o.begin()
				if o.withhold || o.deciding {
					return plain, peeked, nil
				}
			}
			o.count(event)
			b = b[taken:]
			plain += taken
		}
	}
	return plain, peeked, nil
}

// frameMost bounds a frame that is spliced: browsers deliver whole messages, and
// should have the first rows early.
const frameMost = 256 << 10

// writeDuct sends the duct's next n bytes.
func (o *output) writeDuct(d *duct, n int) error {
	o.sending.Store(true)
	defer o.sending.Store(false)
	for left := n; left > 0; {
		part := min(left, frameMost)
		if err := o.viewer.sendDuct(d, part); err != nil {
			return err
		}
		left -= part
	}
	o.observer.Spliced(n)
	o.report(n)
	return nil
}

// sendDuct sends the duct's next n bytes as one frame.
func (s *Socket) sendDuct(d *duct, n int) error {
	var room [maxHeader]byte
	s.beginWrite()
	err := s.writeFrame(appendHeader(room[:0], opBinary, n), true)
	if err == nil {
		err = s.finishFrame(d, n)
	}
	if ended := s.endWrite(); err == nil {
		err = ended
	}
	return err
}

// finishFrame ends a frame of which writeFrame has written the header. It needs
// the right to write.
func (s *Socket) finishFrame(d *duct, n int) error {
	waited, err := s.wire.drain(d, n, s.timing.WriteStall)
	s.noteWait(waited)
	switch {
	case errors.Is(err, errStalled):
		return ErrViewerSlow
	case err != nil:
		return fmt.Errorf("%w: %w", ErrViewerGone, err)
	}
	s.broken = false
	return nil
}

// copyDuct relays n bytes of the duct the ordinary way.
func (o *output) copyDuct(d *duct, n int) error {
	buf := o.viewer.buffers.large.take()
	defer buf.release()
	for n > 0 {
		got, err := d.readData(buf.data()[:min(n, largeBuffer)])
		if err != nil {
			return err
		}
		n -= got
		if err := o.pass(buf, got); err != nil {
			return err
		}
	}
	return nil
}
