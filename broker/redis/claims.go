package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// The claim protocol.
//
// Redis grants a claim for a time that its own clock measures, and keeps it a
// margin longer than it says. The holder counts the time it was given from
// before it sent the request, on its own monotonic clock: however long messages
// take, it has stopped before Redis gives the desktop away.
//
// Each grant has an epoch above all before: the key that holds it outlives the
// claim, and an epoch is never below the server's clock in microseconds, so that
// a Redis that was emptied, or that lost its last writes to a failover, goes on
// above what it forgot. (A replica that takes over may be behind by less than
// the time the take-over needs.)
//
// A holder whose lease runs, and whose epoch is above what Redis remembers, knows
// that Redis forgot: its claim is put back, with its epoch. Anything under an
// epoch below the one that Redis remembers is refused.

// claimKeep is how long an epoch is remembered after its claim's last use: long
// against any lease, and against how far a server's clock is ever set back.
const claimKeep = 24 * time.Hour

// Claim takes the desktop for ttl, or tells who holds it. The end of what it
// returns is this process's own deadline.
func (b *Broker) Claim(ctx context.Context, session streamspace.SessionID, gateway streamspace.GatewayID, ttl time.Duration) (broker.Claim, error) {
	r := b.request(session, gateway, ttl)
	answer, err := b.run(ctx, "claim", b.scripts.hold, r.keys(b.keys), r.arguments()...)
	if err != nil {
		return broker.Claim{}, err
	}
	return b.granted(r, answer)
}

// Inherit takes the desktop over from a gateway that has died. The epoch of its
// claim names it: no two have the same.
func (b *Broker) Inherit(ctx context.Context, from broker.Claim, gateway streamspace.GatewayID, ttl time.Duration) (broker.Claim, error) {
	r := b.request(from.Session, gateway, ttl)
	r.heir = from.Epoch
	answer, err := b.run(ctx, "claim", b.scripts.hold, r.keys(b.keys), r.arguments()...)
	if err != nil {
		return broker.Claim{}, err
	}
	return b.granted(r, answer)
}

// Renew prolongs the claim by ttl from now.
func (b *Broker) Renew(ctx context.Context, claim broker.Claim, ttl time.Duration) (broker.Claim, error) {
	r := b.renewal(claim, ttl)
	answer, err := b.runBatched(ctx, "renew", b.scripts.hold, r.keys(b.keys), r.arguments()...)
	if err != nil {
		return broker.Claim{}, err
	}
	return b.granted(r, answer)
}

// Release gives the claim up, if it is the present one.
func (b *Broker) Release(ctx context.Context, claim broker.Claim) error {
	b.leases.release(claim, b.now())
	_, err := b.run(ctx, "release", b.scripts.release, []string{b.keys.of(claim.Session, "claim")},
		string(claim.Gateway), strconv.FormatUint(claim.Epoch, 10))
	return err
}

// request is one run of hold.lua and what its answer is measured by.
type request struct {
	claim   broker.Claim // Epoch is what the caller knows or has
	ttl     time.Duration
	want    string // "claim", "anew" or "renew"
	vouched bool
	sent    time.Time
	heir    uint64 // epoch of another's claim that may be taken over, 0 for none
}

func (b *Broker) request(session streamspace.SessionID, gateway streamspace.GatewayID, ttl time.Duration) request {
	now := b.now()
	known := b.leases.know(session, gateway)
	want := "claim"
	if known.released {
		want = "anew"
	}
	return request{
		claim: broker.Claim{Session: session, Gateway: gateway, Epoch: known.epoch}, ttl: ttl, want: want, vouched: known.alive(now), sent: now,
	}
}

func (b *Broker) renewal(claim broker.Claim, ttl time.Duration) request {
	now := b.now()
	known := b.leases.know(claim.Session, claim.Gateway)
	return request{claim: claim, ttl: ttl, want: "renew", vouched: known.epoch == claim.Epoch && known.alive(now), sent: now}
}

func (r request) keys(k keys) []string {
	return []string{k.of(r.claim.Session, "claim"), k.of(r.claim.Session, "route")}
}

func (r request) arguments() []any {
	vouched := "0"
	if r.vouched {
		vouched = "1"
	}
	return []any{
		string(r.claim.Gateway), (r.ttl + margin(r.ttl)).Microseconds(), claimKeep.Milliseconds(),
		r.want, strconv.FormatUint(r.claim.Epoch, 10), vouched, routeKeep.Milliseconds(),
		strconv.FormatUint(r.heir, 10),
	}
}

// granted reads the answer to a request.
func (b *Broker) granted(r request, answer *client.Cmd) (broker.Claim, error) {
	claim, err := r.read(answer)
	switch {
	case err == nil:
		b.leases.note(claim, b.now())
	case errors.Is(err, broker.ErrStaleClaim):
		b.leases.lose(r.claim)
	}
	return claim, err
}

// read turns the answer into a claim, its holder's or another's.
func (r request) read(answer *client.Cmd) (broker.Claim, error) {
	fields, err := answer.Slice()
	if err != nil || len(fields) == 0 {
		return broker.Claim{}, fmt.Errorf("reading the answer to a claim: %w: %v: %w", broker.ErrUnavailable, fields, err)
	}
	if fields[0] == "stale" {
		return broker.Claim{}, broker.ErrStaleClaim
	}
	if len(fields) != 4 {
		return broker.Claim{}, fmt.Errorf("reading the answer to a claim: %w: %v", broker.ErrUnavailable, fields)
	}
	gateway, _ := fields[1].(string)
	text, _ := fields[2].(string)
	left, _ := fields[3].(int64)
	epoch, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return broker.Claim{}, fmt.Errorf("reading the answer to a claim: %w: %w", broker.ErrUnavailable, err)
	}
	claim := broker.Claim{Session: r.claim.Session, Gateway: streamspace.GatewayID(gateway), Epoch: epoch}
	if fields[0] == "claimed" {
		claim.Expires = r.sent.Add(time.Duration(left) * time.Microsecond)
		return claim, broker.ErrClaimed
	}
	claim.Expires = r.sent.Add(r.ttl)
	return claim, nil
}
