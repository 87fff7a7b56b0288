package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

const (
	// revokeKeep outlasts every ticket that was issued before the revocation:
	// tickets live 60 s, what a gateway lets viewers come back with two minutes, and
	// clocks may be apart.
	revokeKeep = 4 * time.Minute
	// The size of the first screen, before the first viewer says what it has.
	firstWidth, firstHeight = 1280, 800
)

// act does what a decision asks for. What fails does not keep the rest from
// being done: a broker that is away must not keep a desktop alive.
func (r *Reconciler) act(ctx context.Context, s *session, in Input, do Actions) error {
	var errs []error
	if do.Apply {
		errs = append(errs, r.apply(ctx, s, in))
	}
	if do.Publish {
		errs = append(errs, r.publish(ctx, s, in))
	}
	if do.Revoke != "" {
		errs = append(errs, r.revoke(ctx, s, in, do.Revoke))
	}
	if do.Withdraw {
		errs = append(errs, r.withdraw(ctx, s))
	}
	if do.Delete {
		errs = append(errs, r.delete(ctx, s, in))
	}
	return errors.Join(errs...)
}

// apply gives the desktop to the runtime. A runtime that refuses is a desktop
// that died: it counts and is tried again like one.
func (r *Reconciler) apply(ctx context.Context, s *session, in Input) error {
	epoch := uint64(s.row.Epoch)
	if s.home.ID != s.row.HomeID {
		err := r.inStore(ctx, func(ctx context.Context) (err error) {
			s.home, err = r.store.HomeByID(ctx, s.row.HomeID)
			return err
		})
		if err != nil {
			return err
		}
	}
	template, ok := r.templates(s.row.Template)
	if !ok {
		s.did.Applied = epoch
		r.suppose(s, epoch, true, fmt.Sprintf("The template %q is no longer in the catalog", s.row.Template))
		return nil
	}
	err := r.inRuntime(ctx, func(ctx context.Context) error {
		return r.runtime.Apply(ctx, runtime.Desktop{
			Session: s.id, Owner: s.row.OwnerID, Template: template, Home: s.home.ID, HomeIndex: int(s.home.Index),
			Epoch: epoch, Width: firstWidth, Height: firstHeight,
		})
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.did.Applied != epoch {
		s.did.Applied, s.did.Since = epoch, in.Now
	}
	s.did.Deleted = time.Time{}
	if err != nil {
		r.suppose(s, epoch, false, "It could not be started: "+err.Error())
	}
	return nil
}

// suppose puts down a failure that the runtime will not tell of.
func (r *Reconciler) suppose(s *session, epoch uint64, hopeless bool, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.heard.observe(runtime.Observation{Session: s.id, Epoch: epoch, Phase: runtime.PhaseFailed, Reason: reason})
	s.heard.hopeless = hopeless
}

func (r *Reconciler) publish(ctx context.Context, s *session, in Input) error {
	route := broker.Route{Session: s.id, Address: in.Seen.Address, Secret: in.Seen.Secret, Epoch: in.Seen.Epoch}
	err := r.inBroker(ctx, func(ctx context.Context) error { return r.broker.Publish(ctx, route) })
	if err == nil {
		s.did.Routed, s.did.Address, s.did.Unrouted = route.Epoch, route.Address, false
	}
	return err
}

func (r *Reconciler) withdraw(ctx context.Context, s *session) error {
	err := r.inBroker(ctx, func(ctx context.Context) error { return r.broker.Withdraw(ctx, s.id, uint64(s.row.Epoch)) })
	if err == nil {
		s.did.Routed, s.did.Address, s.did.Unrouted = 0, "", true
	}
	return err
}

// revoke sends viewers away. Where the session can be entered again, a new
// ticket must work at once: tickets tell their age in whole seconds only, so
// those who watch now are named one by one.
func (r *Reconciler) revoke(ctx context.Context, s *session, in Input, code streamspace.Code) error {
	changed := s.row.StateChangedAt
	forAll := broker.Revocation{Session: s.id, Before: changed.Truncate(time.Second), Code: code}
	if code == streamspace.CodeSessionStopped {
		forAll.Before = changed.Add(revokeKeep) // no ticket may ever be issued again
	}
	var viewers []broker.Viewer
	err := r.inBroker(ctx, func(ctx context.Context) (err error) {
		if viewers, err = r.broker.Viewers(ctx, s.id); err != nil {
			return err
		}
		return r.broker.Revoke(ctx, forAll, revokeKeep)
	})
	expelled := make(map[streamspace.ViewerID]bool, len(viewers))
	for _, viewer := range viewers {
		if err != nil {
			return err
		}
		expelled[viewer.ID] = true
		err = r.inBroker(ctx, func(ctx context.Context) error {
			return r.broker.Revoke(ctx, broker.Revocation{Session: s.id, Viewer: viewer.ID, Before: changed.Add(revokeKeep), Code: code}, revokeKeep)
		})
	}
	if err == nil {
		s.expelled, s.did.Revoked = expelled, changed
	}
	return err
}

func (r *Reconciler) delete(ctx context.Context, s *session, in Input) error {
	err := r.inRuntime(ctx, func(ctx context.Context) error { return r.runtime.Delete(ctx, s.id) })
	if err == nil {
		s.did.Deleted = in.Now
	}
	return err
}
