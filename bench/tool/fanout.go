package tool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

type fanoutOptions struct {
	viewers  []int
	stalled  int
	probes   int
	scene    string
	duration time.Duration
}

func fanoutCommand(s *settings) *cobra.Command {
	var o fanoutOptions
	command := &cobra.Command{
		Use:   "fanout TARGET…",
		Short: "Many viewers of one desktop, some of them stalled",
		Long: `Connect viewers to one desktop and watch a scene with all of them. Some decode and
know each frame's age; the others count. Stalled ones read nothing after their first
picture.

` + target.Usage,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			var mistakes []error
			for _, n := range o.viewers {
				if n < 1 || n <= o.stalled {
					mistakes = append(mistakes, fmt.Errorf("--viewers has %d, want more than the %d that stall", n, o.stalled))
				}
			}
			if err := errors.Join(mistakes...); err != nil {
				return err
			}
			return s.measure(command.Context(), "bench-fanout", "Many viewers of one desktop", args, o.measure)
		},
	}
	s.measures(command, 3)
	flags := command.Flags()
	flags.IntSliceVar(&o.viewers, "viewers", []int{1, 10, 50}, "how many viewers, one step after the other")
	flags.IntVar(&o.stalled, "stalled", 0, "how many of them stall")
	flags.IntVar(&o.probes, "probes", 3, "how many of them decode")
	flags.StringVar(&o.scene, "scene", string(scene.Video), fmt.Sprintf("what plays, of %v", scene.Names()))
	flags.DurationVar(&o.duration, "duration", 6*time.Second, "length of a round")
	return command
}

// FanoutColumns are a fan-out's figures.
func FanoutColumns() []report.Column {
	return []report.Column{
		{Key: "age50", Title: "frame age p50 ms", Digits: 1}, {Key: "age99", Title: "age p99 ms", Digits: 1},
		{Key: "gap50", Title: "between updates p50 ms", Digits: 1}, {Key: "gap99", Title: "between p99 ms", Digits: 1},
		{Key: "updates", Title: "updates/s a viewer", Digits: 1}, {Key: "fair", Title: "fairness", Digits: 3}, {Key: "bytes", Title: "RFB MB/s", Digits: 2},
	}
}

// FanoutValues are one round's.
func FanoutValues(f trial.Fanout) map[string]float64 {
	return map[string]float64{
		"age50": report.Median(f.Ages), "age99": report.Quantile(f.Ages, 0.99),
		"gap50": report.Median(f.Intervals), "gap99": report.Quantile(f.Intervals, 0.99),
		"updates": report.Median(f.Updates), "fair": f.Fairness, "bytes": f.Bytes,
	}
}

func (o fanoutOptions) measure(ctx context.Context, r *run) error {
	table := &report.Table{Title: "Many viewers", Columns: FanoutColumns()}
	r.report.Tables = append(r.report.Tables, table)
	r.report.Parameters = append(r.report.Parameters, report.Fact{Name: "Scene", Value: o.scene}, report.Fact{Name: "Stalled", Value: fmt.Sprint(o.stalled)},
		report.Fact{Name: "Decoding", Value: fmt.Sprint(o.probes)}, report.Fact{Name: "A round", Value: o.duration.String()})
	r.report.Notes = append(r.report.Notes,
		"Figures are of the viewers that do not stall. Fairness is Jain's index of their updates: 1 is all alike.",
		"Viewers run on this machine; where targets do too, their load is shared by the same cores.")
	ages := &report.Plot{Title: "Age of frames", X: "milliseconds", Y: "share of frames", Kind: report.CDF}
	gaps := &report.Plot{Title: "Time between updates of a viewer", X: "milliseconds", Y: "share of updates", Kind: report.CDF}
	all := map[string]*trial.Fanout{}
	err := r.each(ctx, func(ctx context.Context, t *target.Target) error {
		for _, n := range o.viewers {
			if err := t.Direct(ctx, scene.Name(o.scene), false); err != nil {
				return err
			}
			got, err := trial.MeasureFanout(ctx, t, trial.FanoutOptions{
				Viewers: n, Stalled: o.stalled, Probes: o.probes, Duration: o.duration, Screen: r.screen, PIDs: r.allPIDs(t),
			}, r.progress.tell)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("%s, %d viewers", t.Name, n)
			values := FanoutValues(got)
			r.addCosts(table, values, got.Costs)
			table.Row(name).Add(values)
			if all[name] == nil {
				all[name] = &trial.Fanout{}
			}
			all[name].Ages = append(all[name].Ages, got.Ages...)
			all[name].Intervals = append(all[name].Intervals, got.Intervals...)
		}
		return t.Direct(ctx, scene.Idle, false)
	})
	if err != nil {
		return err
	}
	for _, row := range table.Rows {
		ages.AddCDF(row.Subject, all[row.Subject].Ages)
		gaps.AddCDF(row.Subject, all[row.Subject].Intervals)
	}
	r.report.Plots = append(r.report.Plots, ages, gaps)
	return nil
}
