package hub

import (
	"slices"
	"time"
)

const (
	// firstWindow is what a viewer is sent before anything is known of its way,
	// and leastWindow and mostWindow bound what is on its way later, in bytes.
	firstWindow = 128 << 10
	leastWindow = 32 << 10
	mostWindow  = 8 << 20
	// queueing is how long, beyond the way itself, what is sent may wait on it:
	// the price in latency of a way that is never empty.
	queueing = 25 * time.Millisecond
	// maxFlights bounds the updates that are on their way: one or two at 60 a
	// second over half a second.
	maxFlights = 64
	// wayLife is how long a shortest time of the way is believed: routes change.
	wayLife = 10 * time.Second
	// telling is how many bytes an update needs for the time that they took to
	// tell of the rate.
	telling = 2 << 10
)

// flow is what is on its way to a viewer, and how much may be. The answers to
// fences tell how long updates took; from that come the shortest way, the rate
// at which bytes arrive, and with them the window.
type flow struct {
	fences  bool // the viewer answers them
	flights []flight
	unacked int // bytes of flights
	window  int
	way     time.Duration // the shortest time from sending to an answer; zero when not known
	wayAt   time.Time
	rate    float64   // bytes a second that arrive; zero when not known
	landed  time.Time // when the last answer came
}

// flight is an update on its way.
type flight struct {
	sequence uint64
	bytes    int
	sent     time.Time
	drawn    time.Time // when its pixels came; zero for a fence alone
	acted    int64     // when the person did what it may show, nanoseconds since 1970
}

func newFlow() flow { return flow{window: firstWindow} }

// open tells whether there may be more.
func (f *flow) open() bool {
	return !f.fences || len(f.flights) == 0 || f.unacked < f.window && len(f.flights) < maxFlights
}

func (f *flow) sent(one flight) {
	if !f.fences {
		return
	}
	f.flights = append(f.flights, one)
	f.unacked += one.bytes
}

// echo takes an answer, and returns the updates that have arrived with it. The
// slice is valid until the next sent.
func (f *flow) echo(sequence uint64, now time.Time) (landed []flight) {
	// Chunks that several viewers get are not sent in the order of their numbers.
	n := 1 + slices.IndexFunc(f.flights, func(one flight) bool { return one.sequence == sequence })
	if n == 0 {
		return nil
	}
	bytes := 0
	for _, one := range f.flights[:n] {
		bytes += one.bytes
	}
	last := f.flights[n-1]
	f.measure(last, bytes, now)
	f.unacked -= bytes
	f.landed = now
	landed = f.flights[:n:n]
	f.flights = append([]flight(nil), f.flights[n:]...)
	if last.drawn.IsZero() {
		landed = landed[:n-1]
	}
	return landed
}

// measure learns from an update of so many bytes that has arrived.
func (f *flow) measure(one flight, bytes int, now time.Time) {
	took := now.Sub(one.sent)
	if f.way == 0 || took <= f.way || now.Sub(f.wayAt) > wayLife {
		f.way, f.wayAt = took, now
	}
	if bytes < telling {
		return
	}
	// It began to arrive when the one before it had, or when its first byte could
	// have been there.
	began := one.sent.Add(f.way)
	if f.landed.After(began) {
		began = f.landed
	}
	rate := float64(bytes) / max(now.Sub(began), 100*time.Microsecond).Seconds()
	if f.rate == 0 {
		f.rate = rate
	}
	f.rate += (rate - f.rate) / 4
	f.window = int(min(max(f.rate*(f.way+queueing).Seconds(), leastWindow), mostWindow))
}
