package identity

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/streamspace/streamspace/controlplane/store"
)

// How many failures are free, and how the wait grows after them: 1 s, doubled
// with each further failure. An account is blocked for at most five minutes,
// since somebody else may be the one who fails; an address, behind which many
// people may sit, has more free failures and a longer bound.
const (
	freeUserFailures = 5
	freeAddrFailures = 20
	maxUserBlock     = 5 * time.Minute
	maxAddrBlock     = 15 * time.Minute

	// forgetFailures is how long after the last failure the count starts anew.
	forgetFailures = 24 * time.Hour
)

// throttleKey is one thing whose failures are counted together.
type throttleKey struct {
	key  string
	free int32
	most time.Duration
}

// throttleKeys are the account, when the name can be one, and the address.
func throttleKeys(username, remoteAddr string) []throttleKey {
	keys := []throttleKey{{"addr:" + Network(remoteAddr), freeAddrFailures, maxAddrBlock}}
	if username != "" {
		keys = append(keys, throttleKey{"user:" + username, freeUserFailures, maxUserBlock})
	}
	return keys
}

// Network is what is counted together as one address: of IPv6 the /64 that one
// subscriber has.
func Network(remoteAddr string) string {
	addr, err := netip.ParseAddr(remoteAddr)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

func (k throttleKey) block(failures int32) time.Duration {
	if failures <= k.free {
		return 0
	}
	wait := time.Second
	for n := k.free + 1; n < failures && wait < k.most; n++ {
		wait *= 2
	}
	return min(wait, k.most)
}

// attempt counts a sign-in as failed before it is tried, so that many at once
// cannot all be tried before the first is counted. A block in force returns a
// ThrottledError and counts nothing.
func (i *Identity) attempt(ctx context.Context, keys []throttleKey) error {
	now := i.now()
	names := make([]string, len(keys))
	for n, k := range keys {
		names[n] = k.key
	}
	var blocked time.Duration
	err := i.store.InTx(ctx, func(q *store.Queries) error {
		if err := q.EnsureThrottles(ctx, store.EnsureThrottlesParams{Now: now, Keys: names}); err != nil {
			return err
		}
		rows, err := q.LockThrottles(ctx, names)
		if err != nil {
			return err
		}
		for _, row := range rows {
			blocked = max(blocked, row.BlockedUntil.Sub(now))
		}
		if blocked > 0 {
			return nil
		}
		for _, row := range rows {
			failures := row.Failures + 1
			if row.LastFailureAt.Before(now.Add(-forgetFailures)) {
				failures = 1
			}
			for _, k := range keys {
				if k.key != row.Key {
					continue
				}
				err := q.SetThrottle(ctx, store.SetThrottleParams{
					Key: k.key, Failures: failures, Now: now, BlockedUntil: now.Add(k.block(failures)),
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("counting a sign-in: %w", err)
	}
	if blocked > 0 {
		return &ThrottledError{RetryAfter: blocked}
	}
	return nil
}

// forgive takes the attempt back. A success clears the account's count but
// only its own attempt from the address's: otherwise somebody with one account
// could go on guessing others'.
func (i *Identity) forgive(ctx context.Context, keys []throttleKey, succeeded bool) {
	ctx = context.WithoutCancel(ctx)
	for _, k := range keys {
		var err error
		if succeeded && k.free == freeUserFailures {
			err = i.store.ResetThrottle(ctx, k.key)
		} else {
			err = i.store.ForgiveThrottle(ctx, store.ForgiveThrottleParams{Now: i.now(), Key: k.key})
		}
		if err != nil {
			i.log.Warn("sign-in throttle not reset", "error", err)
		}
	}
}
