package lifecycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/store"
)

// maxRounds bounds how many decisions one look at a session takes: the longest
// way there is, from waking to stopped, has six.
const maxRounds = 10

// reconcile decides and acts until there is nothing to do now, and returns
// when there will be without anything happening.
func (r *Reconciler) reconcile(ctx context.Context, s *session) (again time.Time, err error) {
	for range maxRounds {
		in, remind, err := r.input(ctx, s)
		if err != nil {
			return remind, err
		}
		plan := Decide(in)
		if plan.Changed {
			if err := r.write(ctx, s, in); err != nil {
				return remind, err
			}
			continue
		}
		again = earliest(plan.Again, remind)
		if plan.Do == (Actions{}) {
			flush, err := r.flush(ctx, s, in)
			return earliest(again, flush), err
		}
		if err := r.act(ctx, s, in, plan.Do); err != nil {
			return again, err
		}
	}
	return r.now(), nil
}

// input gathers what a decision rests on. remind says when to look again at
// what it left open.
func (r *Reconciler) input(ctx context.Context, s *session) (in Input, remind time.Time, err error) {
	now := r.now()
	r.mu.Lock()
	heard := s.heard
	s.heard.lively, s.heard.fresh, s.heard.stale, s.heard.repeat = false, nil, false, false
	r.mu.Unlock()

	if err := r.refresh(ctx, s, heard, now); err != nil {
		r.mu.Lock()
		s.heard.stale = true
		s.heard.lively = s.heard.lively || heard.lively
		r.mu.Unlock()
		return Input{}, time.Time{}, err
	}
	if heard.lively {
		s.did.Deleted = time.Time{}
	}
	in = Input{
		Row: s.row, Seen: heard.seen, Hopeless: heard.hopeless, Did: s.did, Now: now, Repeat: heard.repeat, Timing: r.timing,
	}
	if in.Touched, err = r.touched(ctx, s, heard, now); err != nil {
		return Input{}, time.Time{}, err
	}
	in.Wanted, remind, err = r.wanted(ctx, s, heard, now)
	switch {
	case heard.forgot.IsZero():
	case now.Before(heard.forgot):
		remind = earliest(remind, heard.forgot)
	default:
		s.did.Routed = 0
		r.mu.Lock()
		if s.heard.forgot.Equal(heard.forgot) {
			s.heard.forgot = time.Time{}
		}
		r.mu.Unlock()
	}
	in.Did = s.did
	return in, remind, err
}

// refresh brings the row up to date, if it may not be.
func (r *Reconciler) refresh(ctx context.Context, s *session, heard heard, now time.Time) error {
	row := heard.fresh
	switch {
	case heard.stale || row == nil && !s.loaded:
		row = &store.Session{}
		err := r.inStore(ctx, func(ctx context.Context) (err error) {
			*row, err = r.store.SessionByID(ctx, s.id)
			if errors.Is(store.Classify(err), store.ErrNotFound) {
				// Nobody's desktop: it goes like that of a stopped session.
				*row, err = store.Session{ID: s.id, State: streamspace.StateStopped, Epoch: int64(heard.seen.Epoch)}, nil
			}
			return err
		})
		if err != nil {
			return err
		}
	case row == nil || s.loaded && row.UpdatedAt.Before(s.row.UpdatedAt): // it was read before our own last write
		return nil
	}
	if !s.loaded {
		s.loaded = true
		s.did.Since = now
		s.did.Unrouted = row.Epoch == 0 // it never had a route; of any other that is not known
	}
	r.metrics.moved(s.row.State, row.State)
	s.row = *row
	return nil
}

// touched returns the newest activity. Before a session is put to sleep the
// broker is asked: it may know of more than was heard.
func (r *Reconciler) touched(ctx context.Context, s *session, heard heard, now time.Time) (time.Time, error) {
	row := s.row
	row.LastActiveAt = activeAt(row, heard.touched)
	sleepsAt, sleeps := HibernatesAt(row)
	if !sleeps || now.Before(sleepsAt) {
		return heard.touched, nil
	}
	var last time.Time
	err := r.inBroker(ctx, func(ctx context.Context) (err error) {
		last, err = r.broker.LastTouch(ctx, s.id)
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	s.heard.touched = later(s.heard.touched, last)
	return s.heard.touched, err
}

// wanted says whether a viewer waits for the desktop. A want that comes right
// after viewers were sent away may still be theirs: it counts after a moment,
// if somebody else is there then.
func (r *Reconciler) wanted(ctx context.Context, s *session, heard heard, now time.Time) (wanted bool, remind time.Time, err error) {
	if heard.wanted.IsZero() {
		return false, time.Time{}, nil
	}
	switch s.row.State {
	case streamspace.StateHibernating, streamspace.StateHibernated:
	default:
		if s.row.State == streamspace.StateRunning {
			s.did.Routed = 0 // a gateway does not know the route: the broker may have lost it
		}
		r.unwant(s, heard.wanted)
		return false, time.Time{}, nil
	}
	if s.row.State == streamspace.StateHibernating && !s.did.Revoked.Equal(s.row.StateChangedAt) {
		return false, now.Add(r.timing.WakeGrace), nil // they are yet to be sent away, and it may be one of theirs
	}
	grace := s.did.Revoked.Add(r.timing.WakeGrace)
	switch {
	case !heard.wanted.Before(grace), now.Before(s.did.Revoked): // in the latter, the clock was set back
		return true, time.Time{}, nil
	case now.Before(grace):
		return false, grace, nil
	}
	err = r.inBroker(ctx, func(ctx context.Context) error {
		viewers, err := r.broker.Viewers(ctx, s.id)
		wanted = slices.ContainsFunc(viewers, func(v broker.Viewer) bool { return !s.expelled[v.ID] })
		return err
	})
	if err == nil && !wanted {
		r.unwant(s, heard.wanted)
	}
	return wanted, time.Time{}, err
}

// unwant forgets a want that was dealt with, unless there is a newer one.
func (r *Reconciler) unwant(s *session, dealt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.heard.wanted.Equal(dealt) {
		s.heard.wanted = time.Time{}
	}
}

// write decides again on the row as it stands in the database, where nobody
// can change it meanwhile, and writes what follows together with its event.
func (r *Reconciler) write(ctx context.Context, s *session, in Input) error {
	var before, after store.Session
	err := r.inStore(ctx, func(ctx context.Context) (err error) {
		after, err = r.store.ChangeSession(ctx, s.id, in.Now, func(row *store.Session) error {
			before, in.Row = *row, *row
			plan := Decide(in)
			if !plan.Changed {
				return store.ErrUnchanged
			}
			*row = plan.Row
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	r.metrics.moved(s.row.State, after.State)
	s.row = after
	if after.State != before.State {
		r.metrics.transition(before, after)
		r.log.Info("session changed state", "session_id", s.id, "from", before.State, "to", after.State,
			"desired", after.DesiredState, "epoch", after.Epoch, "reason", after.Reason)
	}
	if after.RetryAt != nil && before.RetryAt == nil {
		r.metrics.restarts.Inc()
		r.log.Warn("desktop ended unasked", "session_id", s.id, "epoch", after.Epoch, "restarts", after.Restarts, "reason", after.Reason)
	}
	return nil
}

// flush writes activity down, now and then, and returns when it is due if not
// now. It is no change that anybody is told of.
func (r *Reconciler) flush(ctx context.Context, s *session, in Input) (due time.Time, err error) {
	active := activeAt(s.row, earlier(in.Touched, in.Now))
	if sameTime(active, s.row.LastActiveAt) || s.row.State == streamspace.StateStopped {
		return time.Time{}, nil
	}
	if due := s.flushed.Add(r.timing.FlushTouch); in.Now.Before(due) {
		return due, nil
	}
	err = r.inStore(ctx, func(ctx context.Context) error {
		return r.store.SetLastActive(ctx, store.SetLastActiveParams{ID: s.id, At: *active})
	})
	if err == nil {
		s.row.LastActiveAt, s.flushed = active, in.Now
	}
	return time.Time{}, err
}

// activeAt returns when somebody last did something, by the row and the touch.
func activeAt(row store.Session, touched time.Time) *time.Time {
	if touched.After(at(row.LastActiveAt)) {
		return &touched
	}
	return row.LastActiveAt
}
