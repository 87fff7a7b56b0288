package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

const (
	// shareKeep outlives every ticket of a share that has ended: one whose
	// request was under way then is made within requestTimeout.
	shareKeep = requestTimeout + ticket.Keep
	// sweepMost is the longest sleep between two looks for shares that run out.
	// It is shorter than any share lives, so that each is seen before its end.
	sweepMost = leastShareLife / 2
	// forgotten is how far back ends are told again to a broker that may have
	// forgotten them: longer than a gateway can have been cut off from it and
	// still serve its desktops.
	forgotten = time.Hour
	// sweepRetry is the pause after the database or the broker was away.
	sweepRetry = time.Second
)

// enforcer is what makes the ends of shares felt where streams are: of all
// control planes one consumes the events of shares, after a restart from where
// it stopped. Whoever ends a share revokes it at once besides.
func (a *API) enforcer() *store.Consumer {
	return &store.Consumer{
		Feed: a.Feed, Name: "shares", Log: a.Logger,
		Handle: func(ctx context.Context, event store.Event) error {
			if event.Type != store.EventSessionShares {
				return nil
			}
			var change store.ShareChange
			if err := json.Unmarshal(event.Payload, &change); err != nil { // not to be mended by trying again
				a.Logger.Error("event of a share is not understood", "error", err, "event", event.ID)
				return nil
			}
			if err := a.enforce(ctx, change); err != nil {
				return err
			}
			if change.Ended != "" {
				a.metrics.shares.WithLabelValues(string(change.Ended)).Inc()
			}
			if change.Ended != "" && change.Ended != store.ShareRevoked { // that one has an actor, who was audited
				detail := map[string]any{"session": change.Session, "reason": change.Ended}
				if change.User != nil {
					detail["user"] = *change.User
				}
				a.Identity.AuditSystem(ctx, identity.Entry{Action: "share.end", Subject: string(change.Share), Outcome: identity.OutcomeOK, Detail: detail})
			}
			return nil
		},
	}
}

// enforce sends away whom the share no longer lets in, or lets do less. It can
// be repeated.
func (a *API) enforce(ctx context.Context, change store.ShareChange) error {
	revocation := broker.Revocation{Share: change.Share}
	switch {
	case change.Ended == store.ShareStopped:
		revocation.Before, revocation.Code = a.Now().Add(shareKeep), streamspace.CodeSessionStopped
	case change.Ended != "":
		revocation.Before, revocation.Code = a.Now().Add(shareKeep), streamspace.CodeAccessRevoked // no ticket may ever be issued again
	case change.Narrowed != nil:
		// Viewers shall come back, and get a ticket with what is left.
		revocation.Before, revocation.Code = ticket.AfterWithdrawal(*change.Narrowed), streamspace.CodeGatewayDraining
	default:
		return nil
	}
	if err := a.Broker.Revoke(ctx, revocation, shareKeep); err != nil {
		return fmt.Errorf("revoking share %s: %w", change.Share, err)
	}
	return nil
}

// enforceAgain tells a broker that may have forgotten it which shares ended
// lately.
func (a *API) enforceAgain(ctx context.Context) error {
	ended, err := a.Store.SharesEndedSince(ctx, a.Now().Add(-forgotten))
	for _, share := range ended {
		if err := a.enforce(ctx, store.ShareChange{Share: share, Ended: store.ShareRevoked}); err != nil {
			return err
		}
	}
	return err
}

// sweep ends shares as they run out, until ctx ends.
func (a *API) sweep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait, err := a.sweepOnce(ctx)
		if err != nil && ctx.Err() == nil {
			a.Logger.Warn("shares not swept, trying again", "error", err)
			wait = sweepRetry
		}
		timer.Reset(wait)
	}
}

// sweepOnce ends what has run out, and returns when to look again.
func (a *API) sweepOnce(ctx context.Context) (time.Duration, error) {
	ended, err := a.Store.EndExpired(ctx, a.Now())
	for _, share := range ended {
		if err := a.enforce(ctx, store.ShareChange{Share: share.ID, Ended: store.ShareExpired}); err != nil {
			return 0, err // the enforcer has it too
		}
	}
	if err != nil {
		return 0, err
	}
	next, err := a.Store.NextShareExpiry(ctx)
	if err != nil {
		return 0, err
	}
	if next.Year() <= 1 {
		return sweepMost, nil
	}
	return min(max(next.Sub(a.Now()), 0), sweepMost), nil
}
