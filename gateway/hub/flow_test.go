package hub

import (
	"testing"
	"time"
)

// line is a way with a rate, a length and a buffer that never overflows.
type line struct {
	rate  float64 // bytes a second
	way   time.Duration
	empty time.Time // when what was sent will have left the buffer
}

// arrive is when the answer to bytes sent at now comes back.
func (l *line) arrive(now time.Time, bytes int) time.Time {
	if l.empty.Before(now) {
		l.empty = now
	}
	l.empty = l.empty.Add(time.Duration(float64(bytes) / l.rate * float64(time.Second)))
	return l.empty.Add(l.way)
}

// A viewer on any line gets about what the line carries, and what it gets has
// waited for little longer than the line is long.
func TestWindowFitsTheLine(t *testing.T) {
	t.Parallel()
	for _, l := range []line{
		{rate: 1.25e6, way: 20 * time.Millisecond},
		{rate: 1.25e6, way: 150 * time.Millisecond},
		{rate: 12.5e6, way: 50 * time.Millisecond},
		{rate: 125e6, way: 2 * time.Millisecond},
	} {
		const size = 20 << 10
		f := newFlow()
		f.fences = true
		now := time.Unix(1000, 0)
		began, end := now, now.Add(10*time.Second)
		var sequence, delivered uint64
		var worst time.Duration
		arrivals := map[uint64]time.Time{}
		f.sent(flight{sequence: 0, sent: now}) // the first fence
		arrivals[0] = l.arrive(now, 30)
		for now.Before(end) {
			if f.open() && len(f.flights) < maxFlights {
				sequence++
				f.sent(flight{sequence: sequence, bytes: size, sent: now, drawn: now})
				arrivals[sequence] = l.arrive(now, size)
				continue
			}
			next := f.flights[0]
			now = arrivals[next.sequence]
			f.echo(next.sequence, now)
			delivered++
			if now.Sub(began) > 2*time.Second {
				worst = max(worst, now.Sub(next.sent))
			}
		}
		share := float64(delivered*size) / (l.rate * 10)
		t.Logf("%.1f MB/s over %s: %.0f %% used, oldest %s, window %d", l.rate/1e6, l.way, share*100, worst, f.window)
		if share < 0.7 && f.window < mostWindow && len(f.flights) < maxFlights {
			t.Errorf("%.0f bytes a second over %s: only %.0f %% of it are used", l.rate, l.way, share*100)
		}
		unit := time.Duration(size / l.rate * float64(time.Second))
		if limit := l.way + 2*queueing + 3*unit; worst > limit {
			t.Errorf("%.0f bytes a second over %s: an update took %s, more than %s", l.rate, l.way, worst, limit)
		}
	}
}

func TestAnswersThatNobodyWaitsForAreIgnored(t *testing.T) {
	t.Parallel()
	f := newFlow()
	f.fences = true
	now := time.Unix(1, 0)
	for _, sequence := range []uint64{7, 3, 9} { // shared chunks come in any order
		f.sent(flight{sequence: sequence, bytes: 10, sent: now, drawn: now})
	}
	if landed := f.echo(5, now); len(landed) != 0 || f.unacked != 30 {
		t.Errorf("%d landed, %d bytes are on their way", len(landed), f.unacked)
	}
	if landed := f.echo(3, now.Add(time.Second)); len(landed) != 2 || f.unacked != 10 {
		t.Errorf("%d landed, %d bytes are on their way", len(landed), f.unacked)
	}
}

func TestQualityFallsAndRises(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Unix(1, 0)
	second := func(offered, missed int) bool {
		p.offered += offered
		p.missed += missed
		now = now.Add(paceEvery)
		return p.judge(now, 2)
	}
	p.judge(now, 2)
	if second(30, 3) || p.steps != 0 {
		t.Error("a few missed frames changed the quality")
	}
	for steps := 1; steps <= 2; steps++ {
		if !second(30, 20) || p.steps != steps {
			t.Errorf("%d steps down, want %d", p.steps, steps)
		}
	}
	if second(30, 30) {
		t.Error("there is no quality below the worst")
	}
	rises := func() (after int) {
		for after = 1; !second(30, 0); after++ {
			if after > 100 {
				t.Fatal("it never rises")
			}
		}
		return after
	}
	first := rises()
	if !second(30, 30) || p.steps != 2 {
		t.Error("it stayed up although that went wrong")
	}
	if again := rises(); again <= first {
		t.Errorf("tried again after %d seconds, the first time after %d", again, first)
	}
}
