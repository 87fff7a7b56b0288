package lifecycle

import (
	"cmp"
	"time"
)

// Timing is how patient the control plane is. A zero field means its default.
type Timing struct {
	StartTimeout time.Duration // 90 s: longer than viewers wait (60 s), shorter than people do
	GoneTimeout  time.Duration // 10 s: a runtime that is silent for so long after a Delete has nothing to delete
	Backoff      time.Duration // 1 s before the first new attempt, then doubled each time
	MaxRestarts  int           // 5 attempts after the first: half a minute in all
	Settled      time.Duration // 5 min of running well, after which earlier deaths are forgiven
	StepEvery    time.Duration // 200 ms: progress is written no more often, since each step is a transaction
	FlushTouch   time.Duration // 15 s: activity is written no more often
	WakeGrace    time.Duration // 1 s after viewers were sent away, in which a want may still be theirs
	Resync       time.Duration // 30 s: everything is looked at again, told or not
	CallTimeout  time.Duration // 30 s for one call to the runtime; those to the store and broker take 10 s at most
	RetryFirst   time.Duration // 100 ms before what went wrong is tried again, then doubled each time
	RetryMost    time.Duration // 10 s
}

func (t Timing) withDefaults() Timing {
	t.StartTimeout = cmp.Or(t.StartTimeout, 90*time.Second)
	t.GoneTimeout = cmp.Or(t.GoneTimeout, 10*time.Second)
	t.Backoff = cmp.Or(t.Backoff, time.Second)
	t.MaxRestarts = cmp.Or(t.MaxRestarts, 5)
	t.Settled = cmp.Or(t.Settled, 5*time.Minute)
	t.StepEvery = cmp.Or(t.StepEvery, 200*time.Millisecond)
	t.FlushTouch = cmp.Or(t.FlushTouch, 15*time.Second)
	t.WakeGrace = cmp.Or(t.WakeGrace, time.Second)
	t.Resync = cmp.Or(t.Resync, 30*time.Second)
	t.CallTimeout = cmp.Or(t.CallTimeout, 30*time.Second)
	t.RetryFirst = cmp.Or(t.RetryFirst, 100*time.Millisecond)
	t.RetryMost = cmp.Or(t.RetryMost, 10*time.Second)
	return t
}
