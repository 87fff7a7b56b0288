package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/wan"
)

// way is a way from viewers to the stand's desktop.
type way struct {
	name string
	// companions are further viewers: with them, the gateway's hub serves.
	companions int
	target     *target.Target
}

// Names of ways in the tables.
const (
	wayDirect     = "direct TCP to Xvnc"
	wayWebsockify = "websockify"
	wayRelay      = "StreamSpace relay"
	wayHub        = "StreamSpace hub"
)

// stand is a real desktop, TigerVNC's with the scenes, and the ways to it.
type stand struct {
	ways    []way
	closers []func()
}

// startStand starts Xvnc with its scenes and the relays in front of it in the
// place; viewers dial with dial, nil for plain. A way that cannot be started
// is told in the tables as not measured.
func (s Settings) startStand(ctx context.Context, place peer.Place, dial target.Options, tables ...*report.Table) (*stand, error) {
	st := &stand{}
	scene := func(display string) []string {
		return append(append([]string(nil), s.Self...), "scene", "--display", display)
	}
	xvnc, err := target.StartXvnc(ctx, place, "", scene)
	if err != nil {
		return nil, err
	}
	st.closers = append(st.closers, xvnc.Stop)
	for _, candidate := range []struct {
		name       string
		relay      peer.Relay
		upstream   string
		companions int
	}{
		{wayDirect, peer.Direct(), xvnc.TCP, 0},
		{wayWebsockify, peer.Websockify(), xvnc.TCP, 0},
		// As in the product, the gateway reaches the desktop on its Unix socket.
		{wayRelay, peer.Gateway(wayRelay, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...), xvnc.Unix, 0},
		{wayHub, peer.Gateway(wayHub, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...), xvnc.Unix, 1},
	} {
		if !s.wanted(candidate.name) {
			continue
		}
		running, err := candidate.relay.Start(ctx, place, candidate.upstream)
		if err != nil {
			for _, table := range tables {
				table.Row(candidate.name).NotMeasured = err.Error()
			}
			s.Log.Warn("a way cannot be measured", "way", candidate.name, "error", err)
			continue
		}
		st.closers = append(st.closers, running.Stop)
		pids := []int{xvnc.PID()}
		if running.Process != nil {
			pids = append(pids, running.PID())
		}
		st.ways = append(st.ways, way{name: candidate.name, companions: candidate.companions, target: target.New(candidate.name, dial, oneOf(running), pids...)})
	}
	if len(st.ways) == 0 {
		st.stop()
		return nil, errors.New("no way is left to measure")
	}
	return st, nil
}

// oneOf returns addresses of viewers of the relay's one desktop.
func oneOf(running *peer.Running) func(context.Context) (string, error) {
	var mu sync.Mutex // viewers are connected by several goroutines
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		addresses, err := running.Shared(1)
		if err != nil {
			return "", err
		}
		return addresses[0], nil
	}
}

func (st *stand) stop() {
	for i := len(st.closers) - 1; i >= 0; i-- {
		st.closers[i]()
	}
}

// turns calls measure for each way in each round, in turn, and adds what it
// returns to the table under the name that it gives.
func (s Settings) turns(ctx context.Context, table *report.Table, st *stand, measure func(context.Context, way) (map[string]float64, error)) error {
	for round := range s.Rounds {
		for _, w := range st.ways {
			values, err := measure(ctx, w)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.Log.Warn("a round failed", "table", table.Title, "way", w.name, "round", round+1, "error", err)
				values = nothing(table)
			} else {
				s.Log.Info("round", "table", table.Title, "way", w.name, "round", round+1, "values", values)
			}
			table.Row(w.name).Add(values)
		}
	}
	return nil
}

// onPath runs measure with a place at the far end of an emulated line, and what
// viewers at its near end dial with; without a line both are this machine.
func onPath(ctx context.Context, path *wan.Path, measure func(peer.Place, target.Options) error) error {
	if path == nil {
		return measure(peer.Here(), target.Options{})
	}
	return onNetwork(ctx, wan.Both(*path), func(network *wan.Network) error {
		far := peer.Place{Address: network.Far.Address, Start: network.Far.Start, Dial: network.Far.Dial}
		return measure(far, target.Options{Dial: network.Near.Dial})
	})
}

// onNetwork runs measure with an emulated line.
func onNetwork(ctx context.Context, config wan.Config, measure func(*wan.Network) error) (err error) {
	network, err := wan.New(config)
	if err != nil {
		return err
	}
	defer network.Close()
	moving, stop := context.WithCancel(ctx)
	var carrying sync.WaitGroup
	var carried error
	carrying.Go(func() { carried = network.Run(moving) })
	defer func() {
		stop()
		carrying.Wait()
		err = errors.Join(err, carried)
	}()
	return measure(network)
}

// standVersions are those of the programs of a stand.
func standVersions(ctx context.Context) []report.Fact {
	return append([]report.Fact{target.XvncVersion(ctx)}, peerVersions(ctx)[:2]...)
}

// viewersOf names a row.
func viewersOf(name string, viewers int) string { return fmt.Sprintf("%s, %d viewers", name, viewers) }
