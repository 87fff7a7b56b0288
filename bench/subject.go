package bench

import (
	"context"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
)

// subject is a row: a relay in front of one of the source's two addresses.
type subject struct {
	peer.Relay
	unix bool // reaches the source over its Unix socket, as desktops are reached
}

// Names of the rows that targets speak of.
const (
	nameGateway    = "StreamSpace gateway"
	nameWebsockify = "websockify"
	nameNginx      = "nginx stream"
	nameSplice     = "plain TCP (splice)"
	nameDirect     = "direct"
)

// overUnix marks the rows of relays that reach the source over its Unix
// socket, as the gateway reaches desktops in the product.
const overUnix = ", Unix socket"

// relays are all subjects with the source behind TCP, and gateway, nginx and
// websockify once more with it behind a Unix socket: like against like.
func (s Settings) relays() []subject {
	return []subject{
		{Relay: peer.Direct()},
		{Relay: peer.Splice(s.Self, peer.Tuning{})},
		{Relay: peer.Nginx()},
		{Relay: peer.Websockify()},
		{Relay: peer.Gorilla(s.Self, 32<<10, peer.Tuning{})},
		{Relay: peer.Gorilla(s.Self, 256<<10, peer.Tuning{})},
		{Relay: peer.Gateway(nameGateway, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...)},
		renamed(peer.Nginx()),
		renamed(peer.Websockify()),
		renamed(peer.Gateway(nameGateway, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...)),
	}
}

func renamed(relay peer.Relay) subject {
	relay.Name += overUnix
	return subject{Relay: relay, unix: true}
}

// contestant is a subject that has been started.
type contestant struct {
	name    string
	running *peer.Running
}

// assemble starts the subjects that are wanted. Those that cannot be started
// get a row which says why.
func (s Settings) assemble(ctx context.Context, table *report.Table, place peer.Place, subjects []subject, source *desktop) []contestant {
	var all []contestant
	for _, subject := range subjects {
		if !s.wanted(subject.Name) {
			continue
		}
		row := table.Row(subject.Name)
		upstream := source.TCP
		if subject.unix {
			upstream = source.Unix
		}
		running, err := subject.Start(ctx, place, upstream)
		if err != nil {
			row.NotMeasured = err.Error()
			s.Log.Warn("a subject cannot be measured", "subject", subject.Name, "error", err)
			continue
		}
		all = append(all, contestant{name: subject.Name, running: running})
	}
	return all
}

func dismiss(all []contestant) {
	for _, c := range all {
		c.running.Stop()
	}
}

// rounds runs measure for each contestant in turn, Rounds times: A B C, A B C,
// so that a busy minute of the machine hits all alike. A round that fails is
// NaN in every column; the experiment goes on.
func (s Settings) rounds(ctx context.Context, table *report.Table, all []contestant, measure func(context.Context, *peer.Running) (map[string]float64, error)) error {
	for round := range s.Rounds {
		for _, c := range all {
			values, err := measure(ctx, c.running)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.Log.Warn("a round failed", "table", table.Title, "subject", c.name, "round", round+1, "error", err)
				values = nothing(table)
			} else {
				s.Log.Info("round", "table", table.Title, "subject", c.name, "round", round+1, "values", values)
			}
			table.Row(c.name).Add(values)
		}
	}
	return nil
}
