package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// redeemedKeep is how much longer than its life a used ticket is remembered:
// by another gateway's clock it may not have run out yet.
const redeemedKeep = time.Minute

// Redeem marks the ticket as used until it expires.
func (b *Broker) Redeem(ctx context.Context, ticket streamspace.TicketID, expires time.Time) error {
	keep := max(expires.Sub(b.now()), 0) + redeemedKeep
	answer, err := b.run(ctx, "redeem", b.scripts.redeem, []string{b.keys.ticket(ticket)}, rand.Text(), milliseconds(keep))
	if err != nil {
		return err
	}
	if first, _ := answer.Bool(); !first {
		return broker.ErrRedeemed
	}
	return nil
}

// target is whom a revocation is aimed at; an empty field matches all.
type target struct {
	session streamspace.SessionID
	user    streamspace.UserID
	viewer  streamspace.ViewerID
	share   streamspace.ShareID
}

func targetOf(r broker.Revocation) target { return target{r.Session, r.User, r.Viewer, r.Share} }

// name is the target's in keys. Ids have no colons.
func (t target) name() string {
	return strings.Join([]string{string(t.session), string(t.user), string(t.viewer), string(t.share)}, ":")
}

// covering lists every target but the empty one that includes this one, each
// once, so that a look-up costs the same however many revocations are kept.
func (t target) covering() []target {
	all := []target{{}}
	for _, fill := range []func(*target){
		func(c *target) { c.session = t.session },
		func(c *target) { c.user = t.user },
		func(c *target) { c.viewer = t.viewer },
		func(c *target) { c.share = t.share },
	} {
		for _, c := range all {
			wide := c
			if fill(&c); c != wide {
				all = append(all, c)
			}
		}
	}
	return all[1:]
}

func (b *Broker) revokedKey(t target) (bucket int, key string) {
	bucket = bucketOf(t.name())
	return bucket, b.keys.in(bucket, "revoked:"+t.name())
}

// Revoke tells every gateway and keeps the revocation for keep.
func (b *Broker) Revoke(ctx context.Context, revocation broker.Revocation, keep time.Duration) error {
	if targetOf(revocation) == (target{}) {
		return errors.New("revoking: neither session nor user nor viewer nor share is named")
	}
	// Remembered before it is told: if Redis has it and loses it, it is told again.
	b.revoked.note(revocation, keep, b.now())
	return b.revoke(ctx, revocation, keep)
}

func (b *Broker) revoke(ctx context.Context, revocation broker.Revocation, keep time.Duration) error {
	text, err := json.Marshal(revocation)
	if err != nil {
		return fmt.Errorf("writing down a revocation: %w", err)
	}
	bucket, key := b.revokedKey(targetOf(revocation))
	event := encodeEvent(broker.Event{Session: revocation.Session, Revocation: revocation})
	_, err = b.run(ctx, "revoke", b.scripts.revoke, []string{b.keys.told(bucket), key},
		b.keys.channels(), bucket, event, instant(revocation.Before), string(text), milliseconds(keep))
	return err
}

// Revoked returns the revocation that forbids the viewer's stream, the latest if there
// are several.
func (b *Broker) Revoked(ctx context.Context, viewer broker.Viewer, issued time.Time) (found broker.Revocation, revoked bool, err error) {
	var texts []*client.StringCmd
	err = b.call(ctx, "revoked", func(ctx context.Context) error {
		texts = nil
		_, err := b.client.Pipelined(ctx, func(p client.Pipeliner) error {
			for _, t := range (target{viewer.Session, viewer.User, viewer.ID, viewer.Share}).covering() {
				_, key := b.revokedKey(t)
				texts = append(texts, p.HGet(ctx, key, "about"))
			}
			return nil
		})
		return err
	})
	if err != nil {
		return broker.Revocation{}, false, err
	}
	for _, text := range texts {
		if errors.Is(text.Err(), client.Nil) {
			continue
		}
		var known broker.Revocation
		if err := json.Unmarshal([]byte(text.Val()), &known); err != nil {
			return broker.Revocation{}, false, fmt.Errorf("reading a revocation: %w", err)
		}
		if issued.Before(known.Before) && known.Before.After(found.Before) {
			found, revoked = known, true
		}
	}
	return found, revoked, nil
}

// mostRevocations bounds what is remembered here. They are kept for as long as a
// ticket lives: a minute's worth, for which this is two hundred a second.
const mostRevocations = 10_000

// revocations are those that this process made and that still count: nobody else
// would tell them again to a Redis that lost its memory.
type revocations struct {
	mu   sync.Mutex
	made []madeRevocation // guarded by mu; at most mostRevocations, the newest
}

type madeRevocation struct {
	broker.Revocation
	until time.Time
}

func (r *revocations) note(revocation broker.Revocation, keep time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.made) == mostRevocations {
		if r.expire(now); len(r.made) == mostRevocations {
			r.made = append(r.made[:0], r.made[1:]...)
		}
	}
	r.made = append(r.made, madeRevocation{revocation, now.Add(keep)})
}

// expire drops what counts no longer; the caller holds mu.
func (r *revocations) expire(now time.Time) {
	kept := r.made[:0]
	for _, m := range r.made {
		if now.Before(m.until) {
			kept = append(kept, m)
		}
	}
	clear(r.made[len(kept):])
	r.made = kept
}

// current returns what still counts.
func (r *revocations) current(now time.Time) []madeRevocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	return append([]madeRevocation(nil), r.made...)
}
