package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// drainWindow is over how long viewers are sent away when the context has
	// no deadline: a fleet's other gateways take some hundred at a time, not
	// all at once.
	drainWindow = 10 * time.Second
	// drainShare of the time until the deadline is used to send viewers away;
	// the rest is for their farewells.
	drainShare = 0.8
)

// Drain stops letting viewers in, and sends those that are there away with
// gateway_draining, one by one in random order, so that they do not all come to
// another gateway in the same second. It returns when the last stream has
// ended. At the context's end it cuts what is left and returns its error.
func (g *Gateway) Drain(ctx context.Context) error {
	g.setPhase(phaseDraining) // which neighbours hear at once
	g.peers.leave(g.id)
	open := g.openViewers()
	g.log.Info("draining", "viewers", len(open))
	start, window := time.Now(), drainWindow
	if deadline, ok := ctx.Deadline(); ok {
		window = time.Duration(float64(time.Until(deadline)) * drainShare)
	}
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })

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
