package memory

import (
	"context"
	"errors"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// target is whom a revocation is aimed at; an empty field matches all.
type target struct {
	session streamspace.SessionID
	user    streamspace.UserID
	viewer  streamspace.ViewerID
	share   streamspace.ShareID
}

// covering lists every target that includes this one, so that a look-up costs
// the same however many revocations are kept. Fields that are empty anyway
// make some of the fifteen equal.
func (t target) covering() [15]target {
	var all [15]target
	for without := range all { // a bit a field; all four at once would match everything
		aim := t
		if without&1 != 0 {
			aim.session = ""
		}
		if without&2 != 0 {
			aim.user = ""
		}
		if without&4 != 0 {
			aim.viewer = ""
		}
		if without&8 != 0 {
			aim.share = ""
		}
		all[without] = aim
	}
	return all
}

// Redeem marks the ticket as used until it expires.
func (b *Broker) Redeem(_ context.Context, ticket streamspace.TicketID, expires time.Time) error {
	now := b.lock()
	defer b.mu.Unlock()
	if _, used := b.redeemed.get(ticket, now); used {
		return broker.ErrRedeemed
	}
	b.redeemed.put(ticket, struct{}{}, expires)
	return nil
}

// Revoke tells every gateway and keeps the revocation for keep.
func (b *Broker) Revoke(_ context.Context, revocation broker.Revocation, keep time.Duration) error {
	aim := target{revocation.Session, revocation.User, revocation.Viewer, revocation.Share}
	if aim == (target{}) {
		return errors.New("revoking: neither session nor user nor viewer nor share is named")
	}
	now := b.lock()
	defer b.mu.Unlock()
	kept, expires := revocation, now.Add(keep)
	// A second one at the same target only ever adds: neither its reach nor
	// its end moves back.
	if known, ok := b.revocations.get(aim, now); ok {
		if known.Before.After(kept.Before) {
			kept = known
		}
		if known := b.revocations[aim].expires; known.After(expires) {
			expires = known
		}
	}
	b.revocations.put(aim, kept, expires)
	b.tell(broker.Event{Kind: broker.EventRevocation, Session: revocation.Session, Revocation: revocation})
	return nil
}

// Revoked returns the revocation that forbids the stream, the latest if there
// are several.
func (b *Broker) Revoked(_ context.Context, viewer broker.Viewer, issued time.Time) (found broker.Revocation, revoked bool, err error) {
	now := b.lock()
	defer b.mu.Unlock()
	for _, aim := range (target{viewer.Session, viewer.User, viewer.ID, viewer.Share}).covering() {
		revocation, ok := b.revocations.get(aim, now)
		if ok && issued.Before(revocation.Before) && revocation.Before.After(found.Before) {
			found, revoked = revocation, true
		}
	}
	return found, revoked, nil
}
