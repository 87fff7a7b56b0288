package redis

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace/broker"
)

// events hands what comes from Redis to this process's subscriptions. There is
// one connection for all of them.
type events struct {
	lost func() // immutable; counts what a slow reader lost

	mu            sync.Mutex
	subscriptions map[*subscription]struct{} // guarded by mu
	connected     chan struct{}              // guarded by mu; closed while events come
	over          bool                       // guarded by mu
	counts        counts                     // guarded by mu; the last seen
}

// counts are numbers of events, by kind and bucket; zero is none.
type counts map[broker.EventKind]*[buckets]uint64

// newCount is from what jump on a count has begun anew and is not missing events:
// it begins at the time in microseconds, while a connection that has not broken
// does not lose thousands of events.
const newCount = 10_000

func (c counts) of(kind broker.EventKind, bucket int) uint64 {
	if c[kind] == nil {
		return 0
	}
	return c[kind][bucket]
}

func (c counts) set(kind broker.EventKind, bucket int, n uint64) {
	if c[kind] == nil {
		c[kind] = new([buckets]uint64)
	}
	c[kind][bucket] = n
}

func (e *events) init(lost func()) {
	e.lost = lost
	e.subscriptions = make(map[*subscription]struct{})
	e.connected = make(chan struct{})
}

// subscription is one reader's bounded queue. What does not fit pushes out the
// oldest.
type subscription struct {
	events *events       // immutable
	buffer int           // immutable
	ready  chan struct{} // immutable; holds a token when there may be something to read
	closed chan struct{} // immutable; closed under events.mu, once
	forget func() bool   // immutable; stops watching the subscriber's context

	queue   []broker.Event // guarded by events.mu; at most buffer
	before  counts         // guarded by events.mu; what was told before it began and may still be on its way
	reset   bool           // guarded by events.mu; the reader is to be told of a reset
	dropped bool           // guarded by events.mu; the reader is to be told of lost events
}

// Subscribe delivers every event from now on, and none from before. It waits
// for the connection that events come by, within the broker's timeout.
func (b *Broker) Subscribe(ctx context.Context, buffer int) (broker.Subscription, error) {
	if buffer < 1 {
		return nil, fmt.Errorf("subscribing with a buffer of %d: it must hold an event", buffer)
	}
	timeout := time.NewTimer(b.timeout)
	defer timeout.Stop()
	for {
		connected := b.events.connection()
		select {
		case <-connected:
			before, err := b.told(ctx)
			if err != nil {
				return nil, err
			}
			s, err := b.events.add(ctx, buffer, before)
			if s != nil || err != nil {
				return s, err
			} // else the connection has ended since
		case <-ctx.Done():
			return nil, fmt.Errorf("subscribing to events: %w", ctx.Err())
		case <-timeout.C:
			return nil, fmt.Errorf("subscribing to events: %w: no connection within %s", broker.ErrUnavailable, b.timeout)
		}
	}
}

// told reads how many events have been told.
func (b *Broker) told(ctx context.Context) (counts, error) {
	told := make(counts)
	err := b.call(ctx, "subscribe", func(ctx context.Context) error {
		var all [buckets]*client.MapStringStringCmd
		_, err := b.client.Pipelined(ctx, func(p client.Pipeliner) error {
			for i := range all {
				all[i] = p.HGetAll(ctx, b.keys.told(i))
			}
			return nil
		})
		for bucket, kinds := range all {
			for kind, text := range kinds.Val() {
				n, _ := strconv.ParseUint(text, 10, 64) // what is no number counts as none
				told.set(broker.EventKind(kind), bucket, n)
			}
		}
		return err
	})
	return told, err
}

// connection returns what is closed when events come.
func (e *events) connection() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.connected
}

// add returns a subscription, or nil if no events come.
func (e *events) add(ctx context.Context, buffer int, before counts) (broker.Subscription, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return nil, fmt.Errorf("subscribing to events: %w: the broker's Run has ended", broker.ErrUnavailable)
	}
	select {
	case <-e.connected:
	default:
		return nil, nil
	}
	s := &subscription{events: e, buffer: buffer, before: before, ready: make(chan struct{}, 1), closed: make(chan struct{})}
	e.subscriptions[s] = struct{}{}
	s.forget = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// connect begins a connection: what was told since the last one is lost.
func (e *events) connect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts = make(counts)
	e.drop()
	close(e.connected)
}

// disconnect ends it, if there is one.
func (e *events) disconnect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.connected:
		e.connected = make(chan struct{})
	default:
	}
}

// gap says that events were lost on the way.
func (e *events) gap() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop()
}

// reset says that Redis may have forgotten.
func (e *events) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tellReset()
}

func (e *events) tellReset() {
	for s := range e.subscriptions {
		s.reset = true
		s.wake()
	}
}

func (e *events) drop() {
	for s := range e.subscriptions {
		s.dropped = true
		s.wake()
	}
}

// deliver queues the event for every subscription. Its count tells whether one
// before it is missing, or whether the counter was forgotten.
func (e *events) deliver(m message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch last := e.counts.of(m.event.Kind, m.bucket); {
	case last == 0 || m.count == last+1:
	case m.count <= last, m.count-last > newCount:
		e.tellReset()
	default:
		e.drop()
	}
	e.counts.set(m.event.Kind, m.bucket, m.count)
	for s := range e.subscriptions {
		if m.count <= s.before.of(m.event.Kind, m.bucket) {
			continue
		}
		if len(s.queue) == s.buffer {
			s.queue = s.queue[1:]
			s.dropped = true
			e.lost()
		}
		s.queue = append(s.queue, m.event)
		s.wake()
	}
}

// close ends every subscription, and there will be none again.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	for s := range e.subscriptions {
		e.end(s)
	}
}

// end takes the subscription off; the caller holds mu.
func (e *events) end(s *subscription) {
	delete(e.subscriptions, s)
	close(s.closed)
	s.queue = nil
	s.forget()
}

func (s *subscription) wake() {
	select {
	case s.ready <- struct{}{}:
	default: // the reader has been told and has not looked yet
	}
}

// Next blocks for the next event.
func (s *subscription) Next(ctx context.Context) (broker.Event, error) {
	for {
		select {
		case <-s.closed:
			return broker.Event{}, io.EOF
		default:
		}
		if event, ok, err := s.take(); ok {
			return event, err
		}
		select {
		case <-s.ready:
		case <-s.closed:
		case <-ctx.Done():
			return broker.Event{}, ctx.Err()
		}
	}
}

func (s *subscription) take() (event broker.Event, ok bool, err error) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	switch {
	case s.reset:
		s.reset = false
		event = broker.Event{Kind: broker.EventReset}
	case s.dropped:
		s.dropped = false
		err = broker.ErrDropped
	case len(s.queue) == 0:
		s.queue = nil // lets go of the array that grew behind the slice
		return broker.Event{}, false, nil
	default:
		event, s.queue = s.queue[0], s.queue[1:]
	}
	if s.dropped || len(s.queue) > 0 {
		s.wake() // for another goroutine that may be in Next
	}
	return event, true, err
}

// Close ends the subscription; what waits in it is lost.
func (s *subscription) Close() {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	if _, open := s.events.subscriptions[s]; open {
		s.events.end(s)
	}
}
