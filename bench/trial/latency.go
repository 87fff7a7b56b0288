package trial

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/streamspace/streamspace/bench/marker"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
)

// Input is what is pressed or moved.
type Input string

// The inputs.
const (
	Keys    Input = "key"
	Pointer Input = "pointer"
)

// LatencyOptions of a trial.
type LatencyOptions struct {
	Inputs int
	Input  Input
	Screen screen.Options
	// Companions are further viewers that watch meanwhile.
	Companions int
}

// Latency is what a trial found.
type Latency struct {
	Milliseconds []float64 // from just before an input was sent until its pixels were decoded
	Lost         int       // inputs that were not answered within answerTimeout
}

const (
	// answerTimeout is when an input counts as lost: nobody waits longer.
	answerTimeout = 5 * time.Second
	// Between two inputs there is a pause of random length, so that they fall
	// everywhere in the periods of screens and servers.
	minPause = 20 * time.Millisecond
	maxPause = 70 * time.Millisecond
	// heard is how many updates may wait for the measuring goroutine.
	heard = 1 << 10
	// firstPicture bounds the wait for the first whole picture.
	firstPicture = 30 * time.Second
)

// MeasureLatency presses keys or moves the pointer, one input after the other,
// and waits for the answer of each in the marker.
func MeasureLatency(ctx context.Context, t *target.Target, o LatencyOptions, progress Progress) (result Latency, err error) {
	updates := make(chan screen.Update, heard)
	w, err := watch(ctx, t, o.Screen, func(u screen.Update) bool {
		if u.Marked {
			select {
			case updates <- u:
			default: // nobody waits for it: between two inputs the oldest are enough
			}
		}
		return true
	})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	leave, err := company(ctx, t, o.Companions, o.Screen)
	if err != nil {
		return result, err
	}
	defer leave()
	l := &latencyTrial{watching: w, updates: updates, random: rand.New(rand.NewPCG(1, uint64(o.Inputs)))}
	first, ok, err := l.await(ctx, firstPicture, func(marker.Mark) bool { return true })
	if err != nil {
		return result, err
	}
	if !ok {
		return result, target.ErrNoScene
	}
	l.keys = first.Mark.Keys
	for i := range o.Inputs {
		took, ok, err := l.input(ctx, o.Input, i)
		switch {
		case err != nil:
			return result, err
		case !ok:
			result.Lost++
		default:
			result.Milliseconds = append(result.Milliseconds, milliseconds(took))
		}
		progress.tell(float64(i+1)/float64(o.Inputs), "input %d of %d", i+1, o.Inputs)
	}
	return result, nil
}

type latencyTrial struct {
	*watching
	updates chan screen.Update
	random  *rand.Rand
	keys    uint16 // presses so far, as the marker counts them
}

// input makes one input and returns how long its answer took.
func (l *latencyTrial) input(ctx context.Context, kind Input, i int) (time.Duration, bool, error) {
	if err := l.pause(ctx, minPause+time.Duration(l.random.Int64N(int64(maxPause-minPause)))); err != nil {
		return 0, false, err
	}
	for len(l.updates) > 0 {
		<-l.updates
	}
	var answered func(marker.Mark) bool
	begin := time.Now()
	var err error
	switch kind {
	case Pointer:
		// Coordinates that differ from those of the inputs before: the answer
		// names its question.
		x, y := uint16(160+(i*37)%320), uint16(100+(i*23)%128)
		answered = func(m marker.Mark) bool { return m.X == x && m.Y == y }
		err = l.screen.Point(x, y)
	case Keys:
		symbol := uint32('a' + i%26)
		l.keys++
		want := l.keys
		// The counter may be ahead where somebody else types, never behind.
		answered = func(m marker.Mark) bool { return int16(m.Keys-want) >= 0 && m.Key == uint8(symbol) }
		err = l.screen.Press(symbol)
	default:
		err = fmt.Errorf("there is no input %q", kind)
	}
	if err != nil {
		return 0, false, err
	}
	u, ok, err := l.await(ctx, answerTimeout, answered)
	return u.At.Sub(begin), ok, err
}

// await returns the first update whose mark fits.
func (l *latencyTrial) await(ctx context.Context, limit time.Duration, fits func(marker.Mark) bool) (screen.Update, bool, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case u := <-l.updates:
			if fits(u.Mark) {
				return u, true, nil
			}
		case <-timer.C:
			return screen.Update{}, false, nil
		case <-l.ended:
			return screen.Update{}, false, errors.Join(l.err, errors.New("the connection has ended"))
		case <-ctx.Done():
			return screen.Update{}, false, ctx.Err()
		}
	}
}
