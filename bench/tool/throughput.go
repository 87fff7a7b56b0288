package tool

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

type throughputOptions struct {
	scene      string
	ownPace    bool
	duration   time.Duration
	companions int
}

func throughputCommand(s *settings) *cobra.Command {
	var o throughputOptions
	command := &cobra.Command{
		Use:   "throughput TARGET…",
		Short: "What comes through to one viewer: bytes, updates, pixels, frames",
		Long: `Watch a scene with one viewer that decodes everything. At full speed the marker
program draws one frame after the other, as fast as its X server takes them.

` + target.Usage,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return s.measure(command.Context(), "bench-throughput", "Throughput of the scene "+o.scene, args, o.measure)
		},
	}
	s.measures(command, 3)
	flags := command.Flags()
	flags.StringVar(&o.scene, "scene", string(scene.Video), fmt.Sprintf("what plays, of %v", scene.Names()))
	flags.BoolVar(&o.ownPace, "own-pace", false, "play at the scene's own pace instead of full speed")
	flags.DurationVar(&o.duration, "duration", 6*time.Second, "length of a round")
	flags.IntVar(&o.companions, "companions", 0, "further viewers of the same desktop")
	return command
}

func (o throughputOptions) measure(ctx context.Context, r *run) error {
	table := &report.Table{Title: "Throughput", Columns: []report.Column{
		{Key: "bytes", Title: "RFB MB/s", Digits: 2}, {Key: "wire", Title: "network MB/s", Digits: 2}, {Key: "updates", Title: "updates/s", Digits: 1},
		{Key: "pixels", Title: "Mpixel/s", Digits: 1}, {Key: "frames", Title: "frames/s", Digits: 1}, {Key: "shown", Title: "of those drawn %", Digits: 0},
		{Key: "age50", Title: "frame age p50 ms", Digits: 1}, {Key: "age99", Title: "age p99 ms", Digits: 1},
	}}
	r.report.Tables = append(r.report.Tables, table)
	r.report.Parameters = append(r.report.Parameters, report.Fact{Name: "Scene", Value: o.scene},
		report.Fact{Name: "Pace", Value: map[bool]string{true: "its own", false: "full speed"}[o.ownPace]},
		report.Fact{Name: "Further viewers", Value: fmt.Sprint(o.companions)}, report.Fact{Name: "A round", Value: o.duration.String()})
	r.report.Notes = append(r.report.Notes,
		"A frame's age is the time from its drawing, which its marker says, until it is decoded into the viewer's picture. Both clocks must agree: on one machine they do.",
		"Cores are seconds of CPU a second of the named processes.")
	ages := &report.Plot{Title: "Age of frames", X: "milliseconds", Y: "share of frames", Kind: report.CDF}
	rates := &report.Plot{Title: "Updates over time (last round)", X: "seconds", Y: "updates a second", Kind: report.Series}
	all, latest := map[string][]float64{}, map[string]trial.Series{}
	err := r.each(ctx, func(ctx context.Context, t *target.Target) error {
		if err := t.Direct(ctx, scene.Name(o.scene), !o.ownPace); err != nil {
			return err
		}
		got, err := trial.MeasureThroughput(ctx, t, trial.ThroughputOptions{
			Screen: r.screen, Duration: o.duration, PIDs: r.allPIDs(t), Companions: o.companions,
		}, r.progress.tell)
		if err != nil {
			return err
		}
		values := map[string]float64{
			"bytes": got.Bytes, "wire": got.Wire, "updates": got.Updates, "pixels": got.Pixels, "frames": got.Frames, "shown": 100 * got.Shown,
			"age50": report.Median(got.Ages), "age99": report.Quantile(got.Ages, 0.99),
		}
		r.addCosts(table, values, got.Costs)
		table.Row(t.Name).Add(values)
		all[t.Name] = append(all[t.Name], got.Ages...)
		latest[t.Name] = got.Rate
		return t.Direct(ctx, scene.Idle, false) // and so it leaves the others in peace
	})
	if err != nil {
		return err
	}
	for _, row := range table.Rows {
		ages.AddCDF(row.Subject, all[row.Subject])
		rates.AddSeries(row.Subject, latest[row.Subject].Seconds, latest[row.Subject].Values)
	}
	r.report.Plots = append(r.report.Plots, ages, rates)
	r.compare(table, "wire", report.Ratio)
	r.compare(table, "age50", report.Difference)
	return nil
}

// minCores is how much a program must use to have a column: the tenth of a
// percent of a core.
const minCores = 0.001

// addCosts puts the cost of each program into a round, with columns for it.
func (r *run) addCosts(table *report.Table, values map[string]float64, costs map[string]trial.Cost) {
	for _, program := range slices.Sorted(maps.Keys(costs)) {
		cost := costs[program]
		key := "cores " + program
		known := slices.ContainsFunc(table.Columns, func(c report.Column) bool { return c.Key == key })
		if !known && cost.Cores < minCores {
			continue
		}
		if !known {
			table.Columns = append(table.Columns,
				report.Column{Key: key, Title: program + " cores", Digits: 3},
				report.Column{Key: "memory " + program, Title: program + " MiB", Digits: 0})
		}
		values[key], values["memory "+program] = cost.Cores, float64(cost.PSS)/(1<<20)
	}
}
