package rtc

import (
	"sync"
	"time"
)

// estimateEvery is over how long it is looked how much was sent.
const estimateEvery = time.Second

// estimate makes sense of what congestion control finds. That learns only from
// what is sent: of a desktop that rests it knows nothing, and takes the few bytes
// that it saw arrive for all that would have. So what it finds is believed at once
// when it rises, and when it falls while the line was in use.
type estimate struct {
	mu    sync.Mutex
	value int       // guarded by mu; bits a second
	since time.Time // guarded by mu; when counting began
	bytes int       // guarded by mu; sent since
	used  bool      // guarded by mu; in the last second the line was in use
}

// start sets what is believed before anything is known.
func (e *estimate) start(bits int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.value, e.since = bits, time.Now()
}

// sent notes bytes of video.
func (e *estimate) sent(bytes int, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count(now)
	e.bytes += bytes
}

// count begins anew when the time is over. It needs mu.
func (e *estimate) count(now time.Time) {
	passed := now.Sub(e.since)
	if passed < estimateEvery {
		return
	}
	// A fourth of what is believed to be possible counts as use: the bytes of a
	// desktop come in bursts, which fill the line for the moment.
	e.used = float64(e.bytes)*8 > float64(e.value)/4*passed.Seconds()
	e.since, e.bytes = now, 0
}

// update takes what was found, and returns what is believed.
func (e *estimate) update(found int, now time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count(now)
	inUse := e.used || float64(e.bytes)*8 > float64(e.value)/4
	if found > e.value || inUse {
		e.value = found
	}
	return e.value
}
