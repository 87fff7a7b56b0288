package trial

import (
	"context"
	"errors"
	"time"

	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
)

// warmUp is left out: buffers and windows grow, encoders find their level.
const warmUp = time.Second

// Throughput is what came through to one viewer.
type Throughput struct {
	Bytes, Wire float64 // RFB and network, megabytes a second
	Updates     float64 // a second
	Pixels      float64 // millions a second
	Frames      float64 // of the scene, shown a second
	Shown       float64 // share of the scene's frames that were shown
	Ages        []float64
	Rate        Series
	Costs       map[string]Cost
}

// ThroughputOptions of a trial.
type ThroughputOptions struct {
	Screen     screen.Options
	Duration   time.Duration
	PIDs       []int // processes whose cost is told
	Companions int   // further viewers that watch meanwhile
}

// MeasureThroughput watches a scene that plays already.
func MeasureThroughput(ctx context.Context, t *target.Target, o ThroughputOptions, progress Progress) (result Throughput, err error) {
	c := new(counter)
	w, err := watch(ctx, t, o.Screen, c.see)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	leave, err := company(ctx, t, o.Companions, o.Screen)
	if err != nil {
		return result, err
	}
	defer leave()
	if err := w.pause(ctx, warmUp); err != nil {
		return result, err
	}
	m := startMeter(o.PIDs)
	begin, wire := time.Now(), w.screen.Wire()
	c.start(begin)
	const steps = 20
	for i := range steps {
		if err := w.pause(ctx, o.Duration/steps); err != nil {
			return result, err
		}
		progress.tell(float64(i+1)/steps, "watching")
	}
	c.stop()
	took := time.Since(begin).Seconds()
	result.Costs = m.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	result.Bytes, result.Wire = float64(c.bytes)/megabyte/took, float64(w.screen.Wire()-wire)/megabyte/took
	result.Updates, result.Pixels = float64(c.updates)/took, float64(c.pixels)/1e6/took
	result.Frames, result.Ages, result.Rate = float64(c.frames)/took, c.ages, c.rate
	if drawn := int(c.drawn()); drawn > 0 {
		result.Shown = min(1, float64(c.frames)/float64(drawn))
	}
	return result, nil
}
