package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
	"github.com/streamspace/streamspace/bench/wan"
)

// Limits of the product in milliseconds over direct TCP, at the median on
// loopback.
const (
	maxRelayAdds = 1
	maxHubAdds   = 5
)

// Viewers ask for what noVNC asks for.
const (
	usualQuality  = 6
	usualCompress = 2
)

func usualScreen() screen.Options {
	return screen.Options{Quality: usualQuality, Compress: usualCompress}
}

// Pixel measures from a key press to its pixels by every way to a desktop, on
// loopback and over a bad line.
func Pixel(ctx context.Context, s Settings, inputs int) error {
	r := s.begin(ctx, "pixel", "From a key press to its pixels",
		report.Fact{Name: "inputs a round", Value: fmt.Sprint(inputs)})
	r.Versions = append(r.Versions, standVersions(ctx)...)
	r.Notes = append(r.Notes,
		"A key is pressed in front of the marker program on a real Xvnc; the clock stops when the viewer has decoded the update in which the marker names that key press. `streamspace bench latency` measures the same.",
		"Xvnc itself waits for some milliseconds before it sends what has changed: that is in every row.",
		"The hub serves since a second viewer watches; the row of the relay has one viewer.")
	for _, line := range []struct {
		title string
		path  *wan.Path
	}{
		{"On loopback", nil},
		{"25 ms each way, 1 % loss", &wan.Path{Delay: 25 * time.Millisecond, Loss: 0.01, Seed: 1}},
	} {
		table := &report.Table{Title: line.title, Columns: []report.Column{
			{Key: "p50", Title: "p50 ms", Digits: 2}, {Key: "p90", Title: "p90 ms", Digits: 2}, {Key: "p99", Title: "p99 ms", Digits: 2}, {Key: "lost", Title: "unanswered", Digits: 0},
		}}
		plot := &report.Plot{Title: line.title, X: "milliseconds", Y: "share of inputs", Kind: report.CDF}
		err := onPath(ctx, line.path, func(place peer.Place, options target.Options) error {
			return s.pixelTable(ctx, table, plot, place, options, inputs)
		})
		if errors.Is(err, wan.ErrRights) {
			s.Log.Warn("a line cannot be emulated", "line", line.title, "error", err)
			r.Notes = append(r.Notes, line.title+": not measured: "+err.Error())
			continue
		}
		if err != nil {
			return err
		}
		onLoopback := func(limit float64) *float64 {
			if line.path != nil {
				return nil
			}
			return &limit
		}
		table.Compare("p50", wayRelay, wayDirect, report.Difference, onLoopback(maxRelayAdds))
		table.Compare("p50", wayHub, wayDirect, report.Difference, onLoopback(maxHubAdds))
		for _, key := range []string{"p50", "p99"} {
			table.Compare(key, wayRelay, wayWebsockify, report.Difference, nil)
			table.Compare(key, wayHub, wayWebsockify, report.Difference, nil)
		}
		r.Tables, r.Plots = append(r.Tables, table), append(r.Plots, plot)
	}
	return s.finish(r)
}

func (s Settings) pixelTable(ctx context.Context, table *report.Table, plot *report.Plot, place peer.Place, options target.Options, inputs int) error {
	st, err := s.startStand(ctx, place, options, table)
	if err != nil {
		return err
	}
	defer st.stop()
	all := map[string][]float64{}
	err = s.turns(ctx, table, st, func(ctx context.Context, w way) (map[string]float64, error) {
		if err := w.target.Direct(ctx, scene.Idle, false); err != nil {
			return nil, err
		}
		got, err := trial.MeasureLatency(ctx, w.target, trial.LatencyOptions{
			Inputs: inputs, Input: trial.Keys, Screen: usualScreen(), Companions: w.companions,
		}, nil)
		if err != nil {
			return nil, err
		}
		all[w.name] = append(all[w.name], got.Milliseconds...)
		return map[string]float64{
			"p50": report.Median(got.Milliseconds), "p90": report.Quantile(got.Milliseconds, 0.9),
			"p99": report.Quantile(got.Milliseconds, 0.99), "lost": float64(got.Lost),
		}, nil
	})
	for _, w := range st.ways {
		plot.AddCDF(w.name, all[w.name])
	}
	return err
}

func pixelCommand(s *Settings) *cobra.Command {
	var inputs int
	command := &cobra.Command{
		Use: "pixel", Short: "From a key press to its pixels: direct, websockify, relay, hub; also over a bad line (root)", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Pixel(command.Context(), *s, inputs) },
	}
	command.Flags().IntVar(&inputs, "inputs", 100, "key presses a round")
	return command
}
