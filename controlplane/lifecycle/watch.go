package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/store"
)

// eventBuffer is how many events may wait to be noted. Noting one takes less
// than a microsecond, so even a burst of a thousand clicks fits.
const eventBuffer = 4096

// watchRuntime notes what desktops are, and closes synced when all that were
// there at first have been told of.
func (r *Reconciler) watchRuntime(ctx context.Context, synced chan<- struct{}) error {
	known := false
	for observation := range r.runtime.Watch(ctx) {
		if observation.Synced {
			if !known {
				known = true
				close(synced)
			}
			continue
		}
		r.tell(ctx, observation.Session, func(h *heard) { h.observe(observation) })
	}
	if ctx.Err() == nil {
		return errors.New("the runtime ended its watch")
	}
	return nil
}

// watchBroker notes what viewers do. It outlives the broker's absence.
func (r *Reconciler) watchBroker(ctx context.Context) error {
	for pause := r.timing.RetryFirst; ctx.Err() == nil; pause = min(2*pause, r.timing.RetryMost) {
		subscription, err := r.broker.Subscribe(ctx, eventBuffer)
		if err == nil {
			pause = r.timing.RetryFirst
			err = r.followBroker(ctx, subscription)
			subscription.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		r.outages.broker.note(r.log, time.Now(), fmt.Errorf("following its events: %w", err))
		if !wait(ctx, pause) {
			return nil
		}
	}
	return nil
}

func (r *Reconciler) followBroker(ctx context.Context, subscription broker.Subscription) error {
	for {
		event, err := subscription.Next(ctx)
		switch {
		case errors.Is(err, broker.ErrDropped):
			continue // gateways repeat their wants, and touches are read again before a session sleeps
		case errors.Is(err, io.EOF):
			return errors.New("the subscription ended")
		case err != nil:
			return err
		}
		switch event.Kind {
		case broker.EventWant:
			r.tell(ctx, event.Session, func(h *heard) { h.wanted = r.now() })
		case broker.EventTouch:
			r.touch(ctx, event.Session, event.At)
		case broker.EventReset:
			r.forgotten(ctx)
		}
	}
}

// forgotten has every route told again that the broker may have lost, when those
// who hold the desktops have had the time to claim them.
func (r *Reconciler) forgotten(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	when := r.now().Add(broker.ResetGrace)
	for _, s := range r.sessions {
		s.heard.forgot = when
		r.remind(ctx, s, when)
	}
}

// touch notes activity. Nothing follows from it at once: it is written down
// now and then, and the reminder of the idle deadline finds it.
func (r *Reconciler) touch(ctx context.Context, id streamspace.SessionID, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sessions[id]; s != nil {
		s.heard.touched = later(s.heard.touched, at)
		r.remind(ctx, s, r.now().Add(r.timing.FlushTouch))
	}
}

// watchRows has every session looked at whose row was changed, and now and
// then all of them. begin is called after the first look at all.
func (r *Reconciler) watchRows(ctx context.Context, begin func()) error {
	changes, err := r.feed.Subscribe(ctx, 0, eventBuffer)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("subscribing to changed sessions: %w", err)
	}
	defer changes.Close()
	for pause := r.timing.RetryFirst; r.lookAtAll(ctx) != nil; pause = min(2*pause, r.timing.RetryMost) {
		if !wait(ctx, pause) {
			return nil
		}
	}
	begin()
	again := time.Now().Add(r.timing.Resync)
	for ctx.Err() == nil {
		until, cancel := context.WithDeadline(ctx, again)
		event, err := changes.Next(until)
		cancel()
		switch {
		case err == nil:
			r.noteChange(ctx, event)
			continue
		case errors.Is(err, store.ErrDropped), errors.Is(err, context.DeadlineExceeded):
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("following changed sessions: %w", err)
		}
		again = time.Now().Add(r.timing.Resync)
		if err := r.lookAtAll(ctx); err != nil {
			again = time.Now().Add(min(r.timing.RetryMost, r.timing.Resync))
		}
	}
	return nil
}

func (r *Reconciler) noteChange(ctx context.Context, event store.Event) {
	id := streamspace.SessionID(event.Subject)
	switch event.Type {
	case store.EventSessionCreated, store.EventSessionUpdated:
		r.tell(ctx, id, func(h *heard) { h.stale = true })
	default:
		if strings.HasPrefix(event.Type, "session.") && r.knows(id) { // of a stopped one that is forgotten nothing is left to do
			r.tell(ctx, id, func(h *heard) { h.stale = true })
		}
	}
}

func (r *Reconciler) knows(id streamspace.SessionID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[id] != nil
}

// lookAtAll reads every live session and has it looked at, together with those
// that are known here and are no longer among them.
func (r *Reconciler) lookAtAll(ctx context.Context) error {
	var rows []store.Session
	err := r.inStore(ctx, func(ctx context.Context) (err error) {
		rows, err = r.store.LiveSessions(ctx)
		return err
	})
	if err != nil {
		return err
	}
	live := make(map[streamspace.SessionID]bool, len(rows))
	for i := range rows {
		live[rows[i].ID] = true
		r.tell(ctx, rows[i].ID, func(h *heard) { h.fresh, h.repeat = &rows[i], true })
	}
	r.mu.Lock()
	var others []streamspace.SessionID
	for id := range r.sessions {
		if !live[id] {
			others = append(others, id)
		}
	}
	r.mu.Unlock()
	for _, id := range others {
		r.tell(ctx, id, func(h *heard) { h.stale = true })
	}
	return nil
}

// wait pauses, or returns false when ctx ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
