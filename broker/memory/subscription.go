package memory

import (
	"context"
	"fmt"
	"io"

	"github.com/streamspace/streamspace/broker"
)

// subscription is one reader's bounded queue. Publishers only ever append to
// it; what does not fit pushes out the oldest.
type subscription struct {
	broker *Broker       // immutable
	buffer int           // immutable
	ready  chan struct{} // immutable; holds a token when there may be something to read
	closed chan struct{} // immutable; closed under broker.mu, once
	forget func() bool   // immutable; stops watching the subscriber's context

	queue   []broker.Event // guarded by broker.mu; at most buffer
	dropped bool           // guarded by broker.mu; events were lost and the reader does not know yet
}

// Subscribe delivers every event from now on.
func (b *Broker) Subscribe(ctx context.Context, buffer int) (broker.Subscription, error) {
	if buffer < 1 {
		return nil, fmt.Errorf("subscribing with a buffer of %d: it must hold an event", buffer)
	}
	s := &subscription{broker: b, buffer: buffer, ready: make(chan struct{}, 1), closed: make(chan struct{})}
	b.lock()
	defer b.mu.Unlock()
	b.subscriptions[s] = struct{}{}
	s.forget = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// tell queues the event for every subscriber; the caller holds mu, which makes
// the order of events that of the changes they tell.
func (b *Broker) tell(event broker.Event) {
	for s := range b.subscriptions {
		if len(s.queue) == s.buffer {
			s.queue = s.queue[1:]
			s.dropped = true
		}
		s.queue = append(s.queue, event)
		s.wake()
	}
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
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.dropped {
		s.dropped = false
		s.wake()
		return broker.Event{}, true, broker.ErrDropped
	}
	if len(s.queue) == 0 {
		s.queue = nil // lets go of the array that grew behind the slice
		return broker.Event{}, false, nil
	}
	event, s.queue = s.queue[0], s.queue[1:]
	if len(s.queue) > 0 {
		s.wake() // for another goroutine that may be in Next
	}
	return event, true, nil
}

// Close ends the subscription; what waits in it is lost.
func (s *subscription) Close() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if _, open := s.broker.subscriptions[s]; !open {
		return
	}
	delete(s.broker.subscriptions, s)
	close(s.closed)
	s.queue = nil
	s.forget()
}
