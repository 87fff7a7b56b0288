package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// queueLength is how many packets wait for a listener: what is older than 0.3 s
	// nobody wants to hear.
	queueLength = 16
	// quietFrames without a single sample but zero end the coding: decoders have
	// faded out by then.
	quietFrames = 10
	// gap is how far the desktop may be behind the clock before it has been silent.
	gap = streamspace.SoundRate / 5
	// A desktop whose sound is not there is tried again after firstPause, then after
	// twice as long each time, up to lastPause.
	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
)

// Dial connects with a desktop's sound.
type Dial func(ctx context.Context) (net.Conn, error)

// Station is one desktop's sound, for all who listen. It reads and codes while
// there is a listener.
type Station struct {
	// immutable
	library *Library
	metrics *Metrics
	log     *slog.Logger
	dial    Dial

	mu        sync.Mutex
	listeners map[*Listener]struct{} // guarded by mu
	state     State                  // guarded by mu
	running   bool                   // guarded by mu; run is there
	stop      context.CancelFunc     // guarded by mu; ends what run does, if it is there
	over      bool                   // guarded by mu
	group     sync.WaitGroup         // run; grows under mu while over is false
}

// State is what a station has of its desktop.
type State string

const (
	Waiting State = "waiting" // it is being connected with
	Playing State = "playing" // connected: what the desktop plays is heard
	Missing State = "missing" // the desktop has no sound, or cannot be reached
)

// NewStation returns one that does nothing yet.
func NewStation(library *Library, metrics *Metrics, log *slog.Logger, dial Dial) *Station {
	return &Station{library: library, metrics: metrics, log: log, dial: dial, listeners: make(map[*Listener]struct{}), state: Waiting}
}

// Listener is one who listens.
type Listener struct {
	// Packets come here. Who does not take them loses the oldest.
	Packets <-chan Packet
	// Changed holds one when State may be another.
	Changed <-chan struct{}

	station *Station
	packets chan Packet
	changed chan struct{}
}

// Listen lets another one listen. It is closed by whoever called. After Close of the
// station it hears nothing.
func (s *Station) Listen() *Listener {
	l := &Listener{station: s, packets: make(chan Packet, queueLength), changed: make(chan struct{}, 1)}
	l.Packets, l.Changed = l.packets, l.changed
	l.changed <- struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return l
	}
	s.listeners[l] = struct{}{}
	s.metrics.listeners.Inc()
	if !s.running {
		s.running, s.state = true, Waiting
		s.group.Go(s.run)
	}
	return l
}

// State is the station's.
func (l *Listener) State() State {
	l.station.mu.Lock()
	defer l.station.mu.Unlock()
	return l.station.state
}

// Close ends the listening.
func (l *Listener) Close() {
	s := l.station
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.listeners[l]; !there {
		return
	}
	delete(s.listeners, l)
	s.metrics.listeners.Dec()
	if len(s.listeners) == 0 && s.stop != nil {
		s.stop()
	}
}

// Close ends the station: nobody hears anything any more. It waits.
func (s *Station) Close() {
	s.mu.Lock()
	s.over = true
	s.metrics.listeners.Sub(float64(len(s.listeners)))
	clear(s.listeners)
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.group.Wait()
}

// run serves while there is somebody who listens.
func (s *Station) run() {
	s.metrics.stations.Inc()
	defer s.metrics.stations.Dec()
	began := time.Now()
	for {
		s.mu.Lock()
		if s.over || len(s.listeners) == 0 {
			s.running, s.stop = false, nil
			s.mu.Unlock()
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		s.mu.Unlock()
		s.serve(ctx, began)
		cancel()
	}
}

// serve connects and plays until ctx ends.
func (s *Station) serve(ctx context.Context, began time.Time) {
	encoder, err := s.library.newEncoder()
	if err != nil {
		s.log.Warn("no sound", "error", err)
		s.become(Missing)
		<-ctx.Done()
		return
	}
	defer encoder.close()
	clock := &clock{began: began}
	for pause := firstPause; ; {
		heard, err := s.play(ctx, encoder, clock)
		if ctx.Err() != nil {
			return
		}
		s.metrics.failed.Inc()
		if heard {
			pause = firstPause
		} else {
			s.become(Missing) // or it has just been started anew, and nobody is told
		}
		s.log.Debug("no sound of the desktop", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// settleTime is how long a connection must last to be one: of a desktop without
// sound it is accepted, on the way through others, and closed.
const settleTime = 300 * time.Millisecond

// play connects once, and codes what comes. heard says that there was something.
func (s *Station) play(ctx context.Context, e *encoder, c *clock) (heard bool, err error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	settled := time.AfterFunc(settleTime, func() { s.become(Playing) })
	defer settled.Stop()
	var frame, silence [frameBytes]byte
	for quiet := quietFrames; ; {
		if _, err := io.ReadFull(conn, frame[:]); err != nil {
			return heard, fmt.Errorf("reading the desktop's sound: %w", err)
		}
		if !heard {
			heard = true
			s.become(Playing)
		}
		at := c.next(time.Now())
		if frame == silence {
			if quiet++; quiet > quietFrames {
				continue
			}
		} else {
			quiet = 0
		}
		for i := range e.samples {
			e.samples[i] = int16(binary.LittleEndian.Uint16(frame[2*i:]))
		}
		packet, err := e.encode()
		if err != nil {
			return heard, err
		}
		s.send(Packet{Data: bytes.Clone(packet), At: at})
	}
}

// clock says when frames are to be heard.
type clock struct {
	began time.Time
	at    uint64 // of the next frame, in samples
}

// next is when a frame that has just come is to be heard: after the one before, or
// now, when there was silence in between.
func (c *clock) next(now time.Time) uint64 {
	if real := uint64(now.Sub(c.began).Seconds() * streamspace.SoundRate); real > c.at+gap {
		c.at = real
	}
	at := c.at
	c.at += frameSamples
	return at
}

// send gives the packet to all.
func (s *Station) send(p Packet) {
	s.metrics.packets.Inc()
	s.metrics.bytes.Add(float64(len(p.Data)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		for sent := false; !sent; {
			select {
			case l.packets <- p:
				sent = true
			default:
				select {
				case <-l.packets: // the oldest
					s.metrics.dropped.Inc()
				default:
				}
			}
		}
	}
}

// become tells all of another state.
func (s *Station) become(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == state {
		return
	}
	s.state = state
	for l := range s.listeners {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// ErrOver says that a microphone was closed, by us or by the desktop.
var ErrOver = errors.New("the microphone is off")
