// Package run starts long-lived parts in order and stops them in reverse.
//
// A part is a function that blocks until its context ends and everything it
// started has ended. The stack waits for every part it started: nothing
// outlives it.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Stack is a pile of running parts: the last one started is the first one
// stopped, so a part may use all that were started before it.
type Stack struct {
	log     *slog.Logger
	timeout time.Duration

	failed chan error // the first part that ended unasked; capacity 1

	mu    sync.Mutex
	parts []*part // guarded by mu
}

type part struct {
	name     string
	stop     context.CancelFunc
	stopping chan struct{} // closed before stop is called
	done     chan struct{} // closed when the part has returned
	err      error         // valid after done
}

// NewStack returns an empty stack. timeout bounds the whole of Close.
func NewStack(log *slog.Logger, timeout time.Duration) *Stack {
	return &Stack{log: log, timeout: timeout, failed: make(chan error, 1)}
}

// Start runs a part. Its context is not the caller's: the part ends only when
// its turn in Close comes, so that what was started later can still use it.
func (s *Stack) Start(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, stop: cancel, stopping: make(chan struct{}), done: make(chan struct{})}
	s.mu.Lock()
	s.parts = append(s.parts, p)
	s.mu.Unlock()
	go func() {
		p.err = run(ctx)
		select {
		case <-p.stopping:
		default:
			err := p.err
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case s.failed <- fmt.Errorf("%s: %w", name, err):
			default: // another part failed first, and is what gets told
			}
		}
		close(p.done)
	}()
}

// Defer adds something to close when its turn comes: a pool, a file.
func (s *Stack) Defer(name string, closeIt func()) {
	s.Start(name, func(ctx context.Context) error {
		<-ctx.Done()
		closeIt()
		return nil
	})
}

// Failed delivers the error of the first part that ended without being asked.
func (s *Stack) Failed() <-chan error { return s.failed }

// Close stops the parts, last started first, each after the one before it has
// ended. What has not ended by the timeout is named in the error and left.
func (s *Stack) Close() error {
	deadline := time.NewTimer(s.timeout)
	defer deadline.Stop()
	s.mu.Lock()
	parts := s.parts
	s.parts = nil
	s.mu.Unlock()

	expired := false
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		close(p.stopping)
		p.stop()
		if !expired {
			select {
			case <-p.done:
			case <-deadline.C:
				expired = true
			}
		}
		select {
		case <-p.done:
			if p.err != nil && !errors.Is(p.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("stopping %s: %w", p.name, p.err))
			}
			s.log.Debug("part stopped", "part", p.name)
		default:
			errs = append(errs, fmt.Errorf("stopping %s: not ended within %s", p.name, s.timeout))
		}
	}
	return errors.Join(errs...)
}
