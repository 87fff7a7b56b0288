package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/stamp"
	"github.com/streamspace/streamspace/bench/viewer"
)

// fluentAge is how old a frame may be, in milliseconds, at the 99th percentile, for
// a gateway to have room for its viewers.
const fluentAge = 50

// CapacityOptions of the capacity experiment.
type CapacityOptions struct {
	Viewers  []int // steps, ascending
	Rate     int   // changes a second that each viewer gets, of 16 KiB
	Duration time.Duration
}

// Capacity measures how many people one gateway serves, each at a desktop of their
// own in which something changes all the time, until frames come late.
func Capacity(ctx context.Context, s Settings, o CapacityOptions) error {
	r := s.begin(ctx, "capacity", "Viewers of one gateway, each with a desktop",
		report.Fact{Name: "viewers", Value: fmt.Sprint(o.Viewers)}, report.Fact{Name: "changes a second", Value: fmt.Sprintf("%d of 16 KiB for each", o.Rate)},
		report.Fact{Name: "seconds a step", Value: fmt.Sprint(o.Duration.Seconds())})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Notes = append(r.Notes,
		"Every viewer has a session and a connection to the source of its own: the gateway relays. Ages are from just before the source's write to just after the viewer's read, of all viewers together.",
		"The source and all viewers are one process on the same two cores: what is late without a relay is their own doing, and with one the cores are shared. A gateway that has a machine to itself holds more.",
		"Fluent: frames are at most 50 ms old at the 99th percentile.")
	for _, viewers := range o.Viewers {
		table := &report.Table{Title: fmt.Sprintf("%d viewers", viewers), Columns: []report.Column{
			{Key: "p50", Title: "age p50 ms", Digits: 2}, {Key: "p99", Title: "p99 ms", Digits: 2},
			{Key: "rate", Title: "changes/s received", Digits: 0}, {Key: "cores", Title: "relay cores", Digits: 2},
			{Key: "cost", Title: "relay CPU µs a change", Digits: 1}, {Key: "memory", Title: "relay PSS KiB a viewer", Digits: 1},
		}}
		if err := s.capacityTable(ctx, table, viewers, o); err != nil {
			return err
		}
		table.Compare("p99", nameGateway, "", report.Value, report.Target(fluentAge))
		table.Compare("cost", nameGateway, nameSplice, report.Ratio, nil)
		r.Tables = append(r.Tables, table)
	}
	return s.finish(r)
}

func (s Settings) capacityTable(ctx context.Context, table *report.Table, viewers int, o CapacityOptions) error {
	relays := []subject{
		{Relay: peer.Direct()}, {Relay: peer.Splice(s.Self, peer.Tuning{})},
		{Relay: peer.Gateway(nameGateway, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...)},
	}
	for round := range s.Rounds {
		for _, relay := range relays {
			if !s.wanted(relay.Name) {
				continue
			}
			values, err := s.capacityRound(ctx, relay.Relay, viewers, o)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.Log.Warn("a round failed", "table", table.Title, "subject", relay.Name, "round", round+1, "error", err)
				values = nothing(table)
			}
			s.Log.Info("round", "table", table.Title, "subject", relay.Name, "round", round+1, "values", values)
			table.Row(relay.Name).Add(values)
		}
	}
	return nil
}

func (s Settings) capacityRound(ctx context.Context, relay peer.Relay, viewers int, o CapacityOptions) (map[string]float64, error) {
	desktop, err := startDesktop(ctx, source.Config{Kind: source.Raw16K, Pattern: source.Every(source.Rate(o.Rate))})
	if err != nil {
		return nil, err
	}
	defer desktop.Stop()
	running, err := relay.Start(ctx, peer.Here(), desktop.TCP)
	if err != nil {
		return nil, err
	}
	defer running.Stop()
	var before, at, after peer.Usage
	usage := func(u *peer.Usage) (err error) {
		if running.Process != nil {
			*u, err = running.Usage()
		}
		return err
	}
	if err := usage(&before); err != nil {
		return nil, err
	}
	audience := new(audience)
	defer audience.leave()
	if err := ramp(ctx, running, viewers, audience.enter); err != nil {
		return nil, err
	}
	if err := rest(ctx, warmUp); err != nil {
		return nil, err
	}
	if err := usage(&at); err != nil {
		return nil, err
	}
	audience.counting.Store(true)
	if err := rest(ctx, o.Duration); err != nil {
		return nil, err
	}
	audience.counting.Store(false)
	if err := usage(&after); err != nil {
		return nil, err
	}
	ages := audience.leave()
	return map[string]float64{
		"p50": report.Median(ages), "p99": report.Quantile(ages, 0.99), "rate": float64(len(ages)) / o.Duration.Seconds(),
		"cores": (after.CPU - at.CPU).Seconds() / o.Duration.Seconds(), "cost": float64((after.CPU - at.CPU).Microseconds()) / float64(max(1, len(ages))),
		"memory": float64(after.PSS-before.PSS) / 1024 / float64(viewers),
	}, nil
}

// audience is viewers who note how old what they see is.
type audience struct {
	counting atomic.Bool
	reading  sync.WaitGroup

	mu      sync.Mutex
	viewers []*viewer.Viewer // guarded by mu
	ages    []float64        // guarded by mu; milliseconds
}

// enter lets one viewer in.
func (a *audience) enter(ctx context.Context, target string) error {
	v, err := viewer.Connect(ctx, target, viewer.Options{ReadBuffer: idleReadBuffer})
	if err != nil {
		return err
	}
	if err := v.Request(false); err != nil {
		v.Close()
		return err
	}
	a.mu.Lock()
	a.viewers = append(a.viewers, v)
	a.mu.Unlock()
	a.reading.Go(func() {
		var ages []float64
		for {
			rectangle, err := v.Next()
			if err != nil {
				break
			}
			if rectangle.Stamped && a.counting.Load() {
				ages = append(ages, float64(stamp.Now()-rectangle.Stamp.At)/float64(time.Millisecond))
			}
		}
		a.mu.Lock()
		a.ages = append(a.ages, ages...)
		a.mu.Unlock()
	})
	return nil
}

// leave ends all viewers and returns what they noted.
func (a *audience) leave() []float64 {
	a.mu.Lock()
	viewers := a.viewers
	a.viewers = nil
	a.mu.Unlock()
	closeAll(viewers)
	a.reading.Wait()
	return a.ages
}

func capacityCommand(s *Settings) *cobra.Command {
	options := CapacityOptions{}
	command := &cobra.Command{
		Use: "capacity", Short: "Viewers of one gateway, each with a desktop, until frames come late", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Capacity(command.Context(), *s, options) },
	}
	command.Flags().IntSliceVar(&options.Viewers, "viewers", []int{1000, 2000, 4000, 6000}, "how many, step by step")
	command.Flags().IntVar(&options.Rate, "rate", 4, "changes a second of 16 KiB that each viewer gets")
	command.Flags().DurationVar(&options.Duration, "duration", 8*time.Second, "length of a step")
	return command
}
