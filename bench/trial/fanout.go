package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
)

// FanoutOptions of a trial.
type FanoutOptions struct {
	Viewers int
	Stalled int // of them, that read nothing after their first picture
	// Probes of them decode what they get and so know the age of each frame;
	// the others only count, since fifty decoders would be all the load.
	Probes   int
	Duration time.Duration
	Screen   screen.Options
	PIDs     []int
}

// Fanout is what a trial found. Everything is of the viewers that do not
// stall.
type Fanout struct {
	Ages      []float64 // of the frames that probes showed, in milliseconds
	Intervals []float64 // between two updates of one viewer, in milliseconds
	Updates   []float64 // a second, of each viewer
	Bytes     float64   // megabytes a second, of all together
	Fairness  float64   // Jain's index of the updates: 1 is all alike, 1/n one has all
	Rate      Series    // of the first probe's updates a second
	Costs     map[string]Cost
	Ended     int // viewers that were closed during the trial
}

// connecting is how many viewers are connected at the same time: a storm is
// another question.
const connecting = 4

// MeasureFanout connects viewers to a scene that plays already and watches
// them all.
func MeasureFanout(ctx context.Context, t *target.Target, o FanoutOptions, progress Progress) (result Fanout, err error) {
	if o.Stalled >= o.Viewers && o.Viewers > 0 {
		return result, fmt.Errorf("%d of %d viewers stall: nobody is left to ask", o.Stalled, o.Viewers)
	}
	f := &fanout{options: o, viewers: make([]*watching, o.Viewers), counters: make([]*counter, o.Viewers)}
	defer f.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // first: stalled viewers wait for it
	if err := f.connect(ctx, t, progress); err != nil {
		return result, err
	}
	if err := f.pause(ctx, warmUp); err != nil {
		return result, err
	}
	m := startMeter(o.PIDs)
	begin := time.Now()
	for _, c := range f.counters {
		c.start(begin)
	}
	const steps = 20
	for i := range steps {
		if err := f.pause(ctx, o.Duration/steps); err != nil {
			return result, err
		}
		progress.tell(float64(i+1)/steps, "%d viewers", o.Viewers)
	}
	for _, c := range f.counters {
		c.stop()
	}
	result = f.result(time.Since(begin).Seconds())
	// Read while all are connected: a relay's process may end with its viewer.
	result.Costs = m.read()
	return result, nil
}

type fanout struct {
	options  FanoutOptions
	viewers  []*watching
	counters []*counter
}

// connect connects all viewers, those that stall first.
func (f *fanout) connect(ctx context.Context, t *target.Target, progress Progress) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	done := 0
	gate := make(chan struct{}, connecting)
	for i := range f.viewers {
		f.counters[i] = new(counter)
		gate <- struct{}{}
		group.Go(func() {
			defer func() { <-gate }()
			w, err := f.viewer(ctx, t, i)
			mu.Lock()
			defer mu.Unlock()
			done++
			progress.tell(0, "%d of %d viewers are connected", done, len(f.viewers))
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("connecting viewer %d: %w", i+1, err))
				return
			}
			f.viewers[i] = w
		})
	}
	group.Wait()
	return failed
}

func (f *fanout) viewer(ctx context.Context, t *target.Target, i int) (*watching, error) {
	options, see := f.options.Screen, f.counters[i].see
	switch {
	case i < f.options.Stalled:
		options.Blind = true
		see = func(screen.Update) bool {
			<-ctx.Done() // and so its connection is read no more
			return false
		}
	case i >= f.options.Stalled+f.options.Probes:
		options.Blind = true
	}
	return watch(ctx, t, options, see)
}

// pause waits; viewers that end meanwhile are counted in the end.
func (f *fanout) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fanout) result(took float64) Fanout {
	var r Fanout
	var sum, squares float64
	for i, c := range f.counters {
		if i < f.options.Stalled {
			continue // a server may close it: that is its right
		}
		select {
		case <-f.viewers[i].ended:
			r.Ended++
		default:
		}
		c.mu.Lock()
		updates := float64(c.updates) / took
		r.Updates = append(r.Updates, updates)
		r.Intervals = append(r.Intervals, c.intervals...)
		r.Ages = append(r.Ages, c.ages...)
		r.Bytes += float64(c.bytes) / megabyte / took
		if i == f.options.Stalled {
			r.Rate = c.rate
		}
		c.mu.Unlock()
		sum += updates
		squares += updates * updates
	}
	if squares > 0 {
		r.Fairness = sum * sum / (float64(len(r.Updates)) * squares)
	}
	return r
}

func (f *fanout) close() {
	var group sync.WaitGroup
	for _, w := range f.viewers {
		if w != nil {
			group.Go(func() { w.stop(); <-w.ended; w.screen.Close() })
		}
	}
	group.Wait()
}
