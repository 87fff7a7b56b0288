package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// spokenLength is how many packets of a microphone wait for the desktop.
	spokenLength = 16
	// maxMadeUp is how many packets in a row are made up for ones that were lost; of
	// a longer gap nothing can be guessed.
	maxMadeUp = 5
	// takeTime is how long a desktop may take for a packet.
	takeTime = 2 * time.Second
)

// spoken is a packet that waits.
type spoken struct {
	number uint16
	data   []byte
}

// Microphone lets one desktop hear one viewer, from New to Close.
type Microphone struct {
	// immutable
	library *Library
	metrics *Metrics
	log     *slog.Logger
	dial    Dial
	cancel  context.CancelFunc
	done    chan struct{} // closed when nothing is left of it

	packets chan spoken
	mu      sync.Mutex
	err     error // guarded by mu; set before done is closed
}

// NewMicrophone connects with the desktop. When Done is closed there is no way to it
// (any more): Err says why.
func NewMicrophone(library *Library, metrics *Metrics, log *slog.Logger, dial Dial) *Microphone {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Microphone{library: library, metrics: metrics, log: log, dial: dial, cancel: cancel, done: make(chan struct{}), packets: make(chan spoken, spokenLength)}
	go m.run(ctx)
	return m
}

// Done is closed when the microphone is off.
func (m *Microphone) Done() <-chan struct{} { return m.done }

// Err is why, after Done.
func (m *Microphone) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Close turns it off, and waits.
func (m *Microphone) Close() {
	m.cancel()
	<-m.done
}

// Hear takes a packet of Opus. number is that of RTP: of packets that come late or
// twice only the first counts. It does not wait.
func (m *Microphone) Hear(number uint16, packet []byte) {
	if len(packet) == 0 || len(packet) > maxPacket {
		m.metrics.refused.Inc()
		return
	}
	select {
	case m.packets <- spoken{number, bytes.Clone(packet)}:
	default:
		m.metrics.overflow.Inc()
	}
}

func (m *Microphone) run(ctx context.Context) {
	defer close(m.done)
	defer m.cancel()
	err := m.speak(ctx)
	if ctx.Err() != nil {
		err = ErrOver
	} else {
		m.log.Debug("a microphone was turned off", "error", err)
	}
	m.mu.Lock()
	m.err = err
	m.mu.Unlock()
}

// speak decodes until ctx ends or the desktop closes.
func (m *Microphone) speak(ctx context.Context) error {
	decoder, err := m.library.newDecoder()
	if err != nil {
		return err
	}
	defer decoder.close()
	conn, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	m.metrics.microphones.Inc()
	defer m.metrics.microphones.Dec()
	var listening sync.WaitGroup
	gone := make(chan error, 1)
	listening.Go(func() { // the desktop says nothing, but closes when it hears somebody else
		_, err := conn.Read(make([]byte, 1))
		gone <- err
	})
	defer listening.Wait()
	defer conn.Close()
	order := sequence{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-gone:
			if err == nil {
				err = ErrOver
			}
			return err
		case p := <-m.packets:
			lost, use := order.next(p.number)
			if !use {
				continue
			}
			for range lost {
				m.metrics.conceded.Inc()
				if samples, err := decoder.decode(nil); err == nil {
					if err := write(conn, samples); err != nil {
						return err
					}
				}
			}
			samples, err := decoder.decode(p.data)
			if err != nil {
				m.metrics.refused.Inc()
				continue
			}
			m.metrics.heard.Inc()
			if err := write(conn, samples); err != nil {
				return err
			}
		}
	}
}

func write(conn net.Conn, samples []int16) error {
	b := make([]byte, 0, 2*len(samples))
	for _, sample := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(sample))
	}
	conn.SetWriteDeadline(time.Now().Add(takeTime))
	_, err := conn.Write(b)
	return err
}

// sequence follows the numbers of packets.
type sequence struct {
	begun bool
	last  uint16
}

// next tells whether a packet is of use, and how many to make up before it.
func (s *sequence) next(number uint16) (lost int, use bool) {
	ahead := int16(number - s.last)
	switch {
	case !s.begun:
		s.begun, s.last = true, number
		return 0, true
	case ahead <= 0 && ahead > -1000: // late, or twice
		return 0, false
	}
	s.last = number
	if ahead > 0 && ahead-1 <= maxMadeUp {
		return int(ahead) - 1, true
	}
	return 0, true // a long gap, or it began anew
}
