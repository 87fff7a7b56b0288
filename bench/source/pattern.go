package source

import (
	"context"
	"sync"
	"time"

	"github.com/streamspace/streamspace/bench/stamp"
)

// Pattern sends updates to one viewer until ctx ends or a write fails. It runs
// on a goroutine of its own and starts before the viewer has asked for
// anything.
type Pattern func(ctx context.Context, view *View) error

// Schedule says when change i of the picture happens, counted from the
// viewer's first request. It must not decrease.
type Schedule func(i uint64) time.Duration

// Rate is a schedule of perSecond evenly spaced changes.
func Rate(perSecond int) Schedule {
	interval := time.Second / time.Duration(perSecond)
	return func(i uint64) time.Duration { return time.Duration(i) * interval }
}

// Bursts is a schedule of count changes at perSecond, begun anew every period.
func Bursts(perSecond int, count uint64, period time.Duration) Schedule {
	within := Rate(perSecond)
	return func(i uint64) time.Duration {
		return time.Duration(i/count)*period + within(i%count)
	}
}

// Flood sends as fast as the connection takes it.
func Flood() Pattern {
	return func(ctx context.Context, view *View) error {
		if err := view.asked(ctx); err != nil {
			return err
		}
		for seq := uint64(0); ctx.Err() == nil; seq++ {
			if err := view.Send(stamp.Stamp{Seq: seq, At: stamp.Now()}); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}

// Every sends each change of the schedule. When the connection is slower than
// the schedule, changes wait and keep the time they were due, so that the
// viewer sees how far behind it is; a change that is sent in time is stamped
// with the moment of sending, so that the timer's own lateness is not counted
// as the relay's.
func Every(schedule Schedule) Pattern {
	return func(ctx context.Context, view *View) error {
		if err := view.asked(ctx); err != nil {
			return err
		}
		start := stamp.Now()
		for seq := uint64(0); ; seq++ {
			at := start + schedule(seq)
			if at > stamp.Now() {
				if err := sleepUntil(ctx, at); err != nil {
					return err
				}
				at = stamp.Now()
			}
			if err := view.Send(stamp.Stamp{Seq: seq, At: at}); err != nil {
				return err
			}
		}
	}
}

// Newest behaves as a VNC server does: whenever the connection takes more, it
// sends the newest change, and the ones in between are never sent. What is
// left of the delay is what the buffers on the way hold.
func Newest(schedule Schedule) Pattern {
	return func(ctx context.Context, view *View) error {
		if err := view.asked(ctx); err != nil {
			return err
		}
		start := stamp.Now()
		for seq := uint64(0); ; seq++ {
			if err := sleepUntil(ctx, start+schedule(seq)); err != nil {
				return err
			}
			for now := stamp.Now(); start+schedule(seq+1) <= now; {
				seq++
			}
			if err := view.Send(stamp.Stamp{Seq: seq, At: start + schedule(seq)}); err != nil {
				return err
			}
		}
	}
}

// OnDemand answers a viewer's first request at once and each further one after
// the next ring of the bell: a desktop on which nothing happens.
func OnDemand(bell *Bell) Pattern {
	return func(ctx context.Context, view *View) error {
		for seq := uint64(0); ; seq++ {
			if err := view.asked(ctx); err != nil {
				return err
			}
			if seq > 0 {
				select {
				case <-bell.next():
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := view.Send(stamp.Stamp{Seq: seq, At: stamp.Now()}); err != nil {
				return err
			}
			view.message = nil // thousands of views: keep nothing while idle
		}
	}
}

// Bell wakes every view that waits on it. The zero value is ready.
type Bell struct {
	mu   sync.Mutex
	rung chan struct{} // guarded by mu; closed and replaced by Ring
}

func (b *Bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// Ring lets everyone through who waits now.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
	}
	b.rung = make(chan struct{})
}

// asked waits until the viewer has asked for an update.
func (v *View) asked(ctx context.Context) error {
	select {
	case <-v.requests:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sleepUntil(ctx context.Context, at time.Duration) error {
	wait := at - stamp.Now()
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
