package tool

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

// latencyOptions of the command.
type latencyOptions struct {
	inputs     int
	input      string
	scene      string
	companions int
	browser    bool
	novnc      string
}

func latencyCommand(s *settings) *cobra.Command {
	var o latencyOptions
	command := &cobra.Command{
		Use:   "latency TARGET…",
		Short: "From an input to its pixels",
		Long: `Press keys or move the pointer in front of the marker program, one input after the
other, and time until the marker shows the answer on the viewer's decoded picture.

` + target.Usage,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return s.measure(command.Context(), "bench-latency", "Input to pixel", args, o.measure)
		},
	}
	s.measures(command, 5)
	flags := command.Flags()
	flags.IntVar(&o.inputs, "inputs", 60, "inputs a round")
	flags.StringVar(&o.input, "input", string(trial.Keys), "key or pointer")
	flags.StringVar(&o.scene, "scene", string(scene.Idle), "scene that plays meanwhile")
	flags.IntVar(&o.companions, "companions", 0, "further viewers of the same desktop")
	flags.BoolVar(&o.browser, "browser", false, "also in Chromium with noVNC, so that decoding and painting there count")
	flags.StringVar(&o.novnc, "novnc", "", "`folder` of noVNC (default: Debian's, or the web page's own)")
	return command
}

func (o latencyOptions) measure(ctx context.Context, r *run) error {
	table := &report.Table{Title: "Input to pixel", Columns: []report.Column{
		{Key: "p50", Title: "p50 ms", Digits: 2}, {Key: "p90", Title: "p90 ms", Digits: 2}, {Key: "p99", Title: "p99 ms", Digits: 2},
		{Key: "max", Title: "max ms", Digits: 1}, {Key: "lost", Title: "unanswered", Digits: 0},
	}}
	r.report.Tables = append(r.report.Tables, table)
	r.report.Parameters = append(r.report.Parameters,
		report.Fact{Name: "Inputs a round", Value: fmt.Sprint(o.inputs)}, report.Fact{Name: "Input", Value: o.input},
		report.Fact{Name: "Scene", Value: o.scene}, report.Fact{Name: "Further viewers", Value: fmt.Sprint(o.companions)})
	r.report.Notes = append(r.report.Notes,
		"From just before the input is written to the connection until the update with its answer is decoded into the viewer's picture. The marker names the input that it answers.",
		"Between inputs there is a pause of 20 to 70 ms of random length. A VNC server collects changes for some milliseconds before it sends; that is in every figure.")
	all := map[string][]float64{}
	var order []string
	note := func(name string, l trial.Latency) {
		if _, known := all[name]; !known {
			order = append(order, name)
		}
		all[name] = append(all[name], l.Milliseconds...)
		table.Row(name).Add(map[string]float64{
			"p50": report.Median(l.Milliseconds), "p90": report.Quantile(l.Milliseconds, 0.9), "p99": report.Quantile(l.Milliseconds, 0.99),
			"max": report.Quantile(l.Milliseconds, 1), "lost": float64(l.Lost),
		})
	}
	var inBrowser func(context.Context, *target.Target) error
	if o.browser {
		browsing, err := o.openBrowser(ctx, r)
		if err != nil {
			return err
		}
		defer browsing.Close()
		r.report.Notes = append(r.report.Notes, "In Chromium: from the page's key or mouse event until noVNC's canvas holds the answer, looked at once an animation frame; until the screen shows it, up to one more frame passes.")
		inBrowser = func(ctx context.Context, t *target.Target) error {
			l, err := browsing.Latency(ctx, t, trial.Input(o.input), o.inputs, r.progress.tell)
			if err == nil {
				note(t.Name+" in Chromium", l)
			}
			return err
		}
	}
	err := r.each(ctx, func(ctx context.Context, t *target.Target) error {
		if err := t.Direct(ctx, scene.Name(o.scene), false); err != nil {
			return err
		}
		l, err := trial.MeasureLatency(ctx, t, trial.LatencyOptions{
			Inputs: o.inputs, Input: trial.Input(o.input), Screen: r.screen, Companions: o.companions,
		}, r.progress.tell)
		if err != nil {
			return err
		}
		note(t.Name, l)
		if inBrowser != nil {
			return inBrowser(ctx, t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	plot := &report.Plot{Title: "How many inputs were answered within", X: "milliseconds", Y: "share of inputs", Kind: report.CDF}
	series := &report.Plot{Title: "Each input", X: "input", Y: "milliseconds", Kind: report.Series}
	for _, name := range order {
		plot.AddCDF(name, all[name])
		numbers := make([]float64, len(all[name]))
		for i := range numbers {
			numbers[i] = float64(i + 1)
		}
		series.AddSeries(name, numbers, all[name])
	}
	r.report.Plots = append(r.report.Plots, plot, series)
	r.compare(table, "p50", report.Difference)
	r.compare(table, "p99", report.Difference)
	return nil
}

// compare sets all rows against the first.
func (r *run) compare(table *report.Table, column string, relation report.Relation) {
	for _, row := range table.Rows[1:] {
		table.Compare(column, row.Subject, table.Rows[0].Subject, relation, nil)
	}
}

// nan stands for what a round could not tell.
func nan() float64 { return math.NaN() }
