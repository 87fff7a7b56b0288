// Package trial is one measurement of one target: how long from an input to
// its pixels, how much comes through, how many viewers are served alike, how
// true the picture is. It starts no target and writes no report.
package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
)

// megabyte is 10⁶ bytes.
const megabyte = 1e6

// Progress is told how far a trial is, 0 to 1, and what is going on; nil is
// told nothing.
type Progress func(share float64, what string)

func (p Progress) tell(share float64, format string, args ...any) {
	if p != nil {
		p(share, fmt.Sprintf(format, args...))
	}
}

// Series is values over time, for a plot.
type Series struct {
	Seconds []float64
	Values  []float64
}

func (s *Series) add(seconds, value float64) {
	s.Seconds = append(s.Seconds, seconds)
	s.Values = append(s.Values, value)
}

// watching is a screen that runs on a goroutine of its own.
type watching struct {
	screen *screen.Screen
	stop   context.CancelFunc
	ended  chan struct{}
	err    error // set before ended is closed
}

// watch connects and has see called with each update, on another goroutine.
// close must be called.
func watch(ctx context.Context, t *target.Target, options screen.Options, see func(screen.Update) bool) (*watching, error) {
	s, err := t.Connect(ctx, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{screen: s, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.err = s.Run(ctx, see)
	}()
	return w, nil
}

// close ends the connection and says why it had ended by itself, if it had.
func (w *watching) close() error {
	select {
	case <-w.ended:
	default:
		w.stop()
		<-w.ended
		w.err = nil
	}
	w.stop()
	w.screen.Close()
	return w.err
}

// company connects further viewers that only count, so that a target serves
// several. The function ends them.
func company(ctx context.Context, t *target.Target, n int, options screen.Options) (func(), error) {
	options.Blind = true
	var all []*watching
	leave := func() {
		for _, w := range all {
			_ = w.close() // one that has ended is not what is measured
		}
	}
	for range n {
		w, err := watch(ctx, t, options, func(screen.Update) bool { return true })
		if err != nil {
			leave()
			return nil, fmt.Errorf("connecting a further viewer: %w", err)
		}
		all = append(all, w)
	}
	return leave, nil
}

// pause waits, or says why it cannot go on.
func (w *watching) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ended:
		return errors.Join(w.err, errors.New("the connection has ended"))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cost is what processes used during a trial, by program.
type Cost struct {
	Cores float64 // seconds of CPU a second
	PSS   int64   // bytes at the end
}

// meter measures what processes cost.
type meter struct {
	pids   []int
	begin  time.Time
	before map[string]peer.Usage
}

func startMeter(pids []int) *meter {
	m := &meter{pids: pids}
	if len(pids) > 0 {
		m.before = peer.ByName(pids...)
	}
	m.begin = time.Now()
	return m
}

func (m *meter) read() map[string]Cost {
	took := time.Since(m.begin).Seconds()
	costs := map[string]Cost{}
	if len(m.pids) == 0 {
		return costs
	}
	for name, after := range peer.ByName(m.pids...) {
		costs[name] = Cost{Cores: max(0, (after.CPU-m.before[name].CPU).Seconds()) / took, PSS: after.PSS}
	}
	return costs
}

// counter counts what one viewer gets between two moments.
type counter struct {
	mu       sync.Mutex
	counting bool // guarded by mu, like all below
	last     time.Time
	first    uint16 // number of the first frame that was shown
	frame    uint16 // and of the latest
	seen     bool

	updates   int
	bytes     int64
	pixels    int64
	frames    int       // of the scene, that were shown
	intervals []float64 // between updates, in milliseconds
	ages      []float64 // of shown frames, in milliseconds
	rate      Series    // of updates a second
	bucket    int
	begin     time.Time
}

// bucketLength is how finely a rate is shown over time.
const bucketLength = 250 * time.Millisecond

func (c *counter) start(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counting, c.begin, c.last = true, now, time.Time{}
}

func (c *counter) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counting = false
}

func (c *counter) see(u screen.Update) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.counting || u.Rects == 0 {
		return true
	}
	c.updates++
	c.bytes += int64(u.Bytes)
	c.pixels += u.Pixels
	if !c.last.IsZero() {
		c.intervals = append(c.intervals, milliseconds(u.At.Sub(c.last)))
	}
	c.last = u.At
	if bucket := int(u.At.Sub(c.begin) / bucketLength); bucket != c.bucket {
		c.rate.add(float64(c.bucket)*bucketLength.Seconds(), 0)
		c.bucket = bucket
	}
	if n := len(c.rate.Values); n > 0 {
		c.rate.Values[n-1] += float64(time.Second / bucketLength)
	}
	if u.Marked && (!c.seen || u.Mark.Frame != c.frame) {
		if !c.seen {
			c.seen, c.first = true, u.Mark.Frame
		}
		c.frame = u.Mark.Frame
		c.frames++
		c.ages = append(c.ages, milliseconds(u.Mark.Age(u.At)))
	}
	return true
}

// drawn is how many frames the scene drew from the first to the latest that
// was shown, when they are fewer than the numbers there are.
func (c *counter) drawn() uint16 {
	if !c.seen {
		return 0
	}
	return c.frame - c.first + 1
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
