package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/quota"
)

// What a flood of bad requests may cost. A page has one ticket too many when its
// person was away, and a whole office comes back with old ones when its network
// does; somebody who tries tickets, or has nothing to say, comes more often.
const (
	strikeRate  = 5 // bad tickets a second from one subscriber, at all gateways
	strikeBurst = 100
	refusalRate = 10 // lines a second in the log about who was refused
	refusalMost = 100
)

// strikes are the bad tickets of subscribers. Who has used up what there is of them
// is refused before anything is computed or asked for.
type strikes struct {
	bad   *quota.Quota // by subscriber; has its own lock
	lines *quota.Quota // has its own lock

	unsaid atomic.Int64 // refusals since the last line
}

func newStrikes(shared broker.Rates) *strikes {
	return &strikes{
		bad:   quota.New("strikes", strikeRate, strikeBurst, shared, time.Now),
		lines: quota.New("refusals", refusalRate, refusalMost, nil, time.Now),
	}
}

// check refuses a subscriber with too many bad tickets.
func (s *strikes) check(remote netip.Addr) error {
	if wait := s.bad.Exhausted(subscriber(remote).String()); wait > 0 {
		return &refusal{status: http.StatusTooManyRequests, code: streamspace.CodeThrottled, detail: "too many bad tickets from this address", retry: wait}
	}
	return nil
}

// note counts a bad ticket.
func (s *strikes) note(ctx context.Context, remote netip.Addr) {
	s.bad.Take(ctx, subscriber(remote).String())
}

// tell returns whether a refusal gets a line in the log, and how many got none
// since the last that did.
func (s *strikes) tell(ctx context.Context) (unsaid int64, say bool) {
	if s.lines.Take(ctx, "") > 0 {
		s.unsaid.Add(1)
		return 0, false
	}
	return s.unsaid.Swap(0), true
}
