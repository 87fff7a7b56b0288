package gateway

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// drainPace is between two viewers who are sent away: those who take them, on two
	// cores that they share with everything else, take some four hundred a second, and give each of them a whole picture.
	drainPace = 10 * time.Millisecond
	// drainShare of the time until the deadline is used at most to send viewers away;
	// the rest is for their farewells.
	drainShare = 0.8
)

// Drain stops letting viewers in, and sends those that are there away with
// gateway_draining, one by one, so that they do not all come to another gateway in
// the same second. It returns when the last stream has
// ended. At the context's end it cuts what is left and returns its error.
func (g *Gateway) Drain(ctx context.Context) error {
	g.setPhase(phaseDraining) // which neighbours hear at once
	g.peers.leave(g.id)
	open := g.openViewers()
	g.log.Info("draining", "viewers", len(open))
	start, window := time.Now(), time.Duration(len(open))*drainPace
	if deadline, ok := ctx.Deadline(); ok {
		window = min(window, time.Duration(float64(time.Until(deadline))*drainShare))
	}
	bySession(open)

	ended := make(chan struct{})
	go func() {
		g.group.Wait()
		close(ended)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, s := range open {
		timer.Reset(time.Until(start.Add(window * time.Duration(i) / time.Duration(len(open)))))
		select {
		case <-timer.C:
			s.end(closing{streamspace.CodeGatewayDraining})
		case <-ended: // all left by themselves
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	g.setPhase(phaseOver) // from here on other gateways are let in no more either
	for _, s := range g.openStreams() {
		s.kill()
	}
	<-ended // a killed stream ends at once
	return ctx.Err()
}

// bySession brings the viewers of each session together, the sessions in random
// order: another gateway then has a desktop whole, and not through this one first.
func bySession(open []*stream) {
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	rank := make(map[streamspace.SessionID]int)
	for i, s := range open {
		if _, met := rank[s.claims.Session]; !met {
			rank[s.claims.Session] = i
		}
	}
	slices.SortStableFunc(open, func(a, b *stream) int { return cmp.Compare(rank[a.claims.Session], rank[b.claims.Session]) })
}
