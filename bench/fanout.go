package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/tool"
	"github.com/streamspace/streamspace/bench/trial"
)

// Limits of the product.
const (
	maxXvncGrowth    = 1.10 // Xvnc's CPU with many viewers against one
	maxMarginalShare = 5    // percent of the gateway's cost of the first shared viewer that each further one costs
	maxStalledAge    = 1.10 // p99 age of frames with stalled viewers against none
)

// probes is how many viewers of a fan-out decode.
const probes = 3

// FanoutOptions of the experiments with many viewers.
type FanoutOptions struct {
	Viewers  []int // steps, ascending
	Stalled  int   // of the last step, in the experiment with stalled viewers
	Duration time.Duration
}

// Fanout measures what many viewers of one desktop cost: Xvnc, and what stands
// in front of it.
func Fanout(ctx context.Context, s Settings, o FanoutOptions) error {
	r := s.begin(ctx, "fanout", "Many viewers of one desktop",
		report.Fact{Name: "viewers", Value: fmt.Sprint(o.Viewers)}, report.Fact{Name: "seconds a step", Value: fmt.Sprint(o.Duration.Seconds())})
	r.Versions = append(r.Versions, standVersions(ctx)...)
	r.Notes = append(r.Notes,
		"Viewers ask for what noVNC asks for (Tight, quality 6, compression 2); three of them decode, the others find boundaries. They run on the same cores as everything else.",
		"Cores are seconds of CPU a second. With one viewer the gateway only relays; from the second on its hub decodes and encodes. The cost of the first shared viewer is what the hub costs with two viewers less one further viewer's.",
		"Through websockify each viewer has a connection of its own to Xvnc.")
	for _, name := range []scene.Name{scene.Scroll, scene.Video} {
		table := &report.Table{Title: "Scene " + string(name), Columns: append(tool.FanoutColumns(), costColumns()...)}
		growth := &report.Table{Title: "Growth, scene " + string(name), Columns: []report.Column{
			{Key: "xvnc", Title: "Xvnc cores, most / one viewer", Digits: 2}, {Key: "share", Title: "front, a further viewer in % of the first shared", Digits: 2},
		}}
		if err := s.fanoutTables(ctx, table, growth, name, o); err != nil {
			return err
		}
		growth.Compare("xvnc", wayHub, "", report.Value, report.Target(maxXvncGrowth))
		growth.Compare("share", wayHub, "", report.Value, report.Target(maxMarginalShare))
		most := o.Viewers[len(o.Viewers)-1]
		table.Compare("Xvnc", viewersOf(wayHub, most), viewersOf(wayWebsockify, most), report.Ratio, nil)
		table.Compare("front", viewersOf(wayHub, most), viewersOf(wayWebsockify, most), report.Ratio, nil)
		table.Compare("age99", viewersOf(wayHub, most), viewersOf(wayWebsockify, most), report.Ratio, nil)
		r.Tables = append(r.Tables, table, growth)
	}
	return s.finish(r)
}

func costColumns() []report.Column {
	return []report.Column{
		{Key: "Xvnc", Title: "Xvnc cores", Digits: 3}, {Key: "front", Title: "front cores", Digits: 3}, {Key: "memory", Title: "front MiB", Digits: 0},
	}
}

// costs tells Xvnc's from what stands in front of it.
func costs(all map[string]trial.Cost) map[string]float64 {
	values := map[string]float64{"Xvnc": all["Xvnc"].Cores}
	for program, cost := range all {
		if program != "Xvnc" {
			values["front"] += cost.Cores
			values["memory"] += float64(cost.PSS) / (1 << 20)
		}
	}
	return values
}

// shared are the ways that serve many viewers: as a fan-out's row, the gateway
// is the hub.
func (s Settings) shared(ctx context.Context, tables ...*report.Table) (*stand, error) {
	only := s
	st, err := only.startStand(ctx, peer.Here(), target.Options{}, tables...)
	if err != nil {
		return nil, err
	}
	st.ways = slices.DeleteFunc(st.ways, func(w way) bool { return w.name == wayDirect || w.name == wayRelay })
	if len(st.ways) == 0 {
		st.stop()
		return nil, errors.New("neither websockify nor the gateway can be measured")
	}
	return st, nil
}

func (s Settings) fanoutTables(ctx context.Context, table, growth *report.Table, name scene.Name, o FanoutOptions) error {
	st, err := s.shared(ctx, growth)
	if err != nil {
		return err
	}
	defer st.stop()
	return s.turns(ctx, growth, st, func(ctx context.Context, w way) (map[string]float64, error) {
		steps := map[int]map[string]float64{}
		for _, n := range o.Viewers {
			got, err := fanoutStep(ctx, w, name, n, 0, o.Duration)
			if err != nil {
				return nil, fmt.Errorf("%d viewers: %w", n, err)
			}
			steps[n] = got
			table.Row(viewersOf(w.name, n)).Add(got)
			s.Log.Info("step", "scene", name, "way", w.name, "viewers", n, "values", got)
		}
		return grown(o.Viewers, steps), nil
	})
}

func fanoutStep(ctx context.Context, w way, name scene.Name, viewers, stalled int, duration time.Duration) (map[string]float64, error) {
	if err := w.target.Direct(ctx, name, false); err != nil {
		return nil, err
	}
	got, err := trial.MeasureFanout(ctx, w.target, trial.FanoutOptions{
		Viewers: viewers, Stalled: stalled, Probes: probes, Duration: duration, Screen: usualScreen(), PIDs: w.target.PIDs(),
	}, nil)
	if err != nil {
		return nil, err
	}
	if got.Ended > 0 {
		return nil, fmt.Errorf("%d viewers were closed meanwhile", got.Ended)
	}
	values := tool.FanoutValues(got)
	for key, value := range costs(got.Costs) {
		values[key] = value
	}
	return values, nil
}

// grown sets the steps of one round against each other. The second step is the
// first one at which viewers share.
func grown(viewers []int, steps map[int]map[string]float64) map[string]float64 {
	first, most := steps[viewers[0]], steps[viewers[len(viewers)-1]]
	values := map[string]float64{"xvnc": most["Xvnc"] / first["Xvnc"]}
	if len(viewers) > 2 {
		few := viewers[1]
		further := (most["front"] - steps[few]["front"]) / float64(viewers[len(viewers)-1]-few)
		values["share"] = 100 * further / (steps[few]["front"] - float64(few-1)*further)
	}
	return values
}

// Stalled measures what viewers that read nothing do to the others.
func Stalled(ctx context.Context, s Settings, o FanoutOptions) error {
	most := o.Viewers[len(o.Viewers)-1]
	r := s.begin(ctx, "stalled", fmt.Sprintf("%d of %d viewers stall", o.Stalled, most),
		report.Fact{Name: "seconds a step", Value: fmt.Sprint(o.Duration.Seconds())})
	r.Versions = append(r.Versions, standVersions(ctx)...)
	r.Notes = append(r.Notes,
		fmt.Sprintf("Each round measures %d viewers that all read, and %d of which %d read nothing after their first picture; figures are of those that read. So that there are as many of them both times, the first has %d.", most-o.Stalled, most, o.Stalled, most-o.Stalled),
		"Memory per stalled viewer is the difference of the front's proportional set size, divided by their number; what the kernel's sockets hold is not in it.")
	for _, name := range []scene.Name{scene.Scroll, scene.Video} {
		table := &report.Table{Title: "Scene " + string(name), Columns: append(tool.FanoutColumns(), costColumns()...)}
		each := &report.Table{Title: "Memory, scene " + string(name), Columns: []report.Column{{Key: "kib", Title: "KiB per stalled viewer", Digits: 0}}}
		st, err := s.shared(ctx, each)
		if err != nil {
			return err
		}
		err = s.turns(ctx, each, st, func(ctx context.Context, w way) (map[string]float64, error) {
			without, err := fanoutStep(ctx, w, name, most-o.Stalled, 0, o.Duration)
			if err != nil {
				return nil, err
			}
			with, err := fanoutStep(ctx, w, name, most, o.Stalled, o.Duration)
			if err != nil {
				return nil, err
			}
			table.Row(w.name + ", none stalled").Add(without)
			table.Row(w.name + ", with stalled").Add(with)
			return map[string]float64{"kib": 1024 * (with["memory"] - without["memory"]) / float64(o.Stalled)}, nil
		})
		st.stop()
		if err != nil {
			return err
		}
		table.Compare("age99", wayHub+", with stalled", wayHub+", none stalled", report.Ratio, report.Target(maxStalledAge))
		table.Compare("gap99", wayHub+", with stalled", wayHub+", none stalled", report.Ratio, nil)
		table.Compare("age99", wayWebsockify+", with stalled", wayWebsockify+", none stalled", report.Ratio, nil)
		r.Tables = append(r.Tables, table, each)
	}
	return s.finish(r)
}

func fanoutCommands(s *Settings) []*cobra.Command {
	var all []*cobra.Command
	add := func(use, short string, steps []int, run func(context.Context, Settings, FanoutOptions) error) {
		var o FanoutOptions
		command := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error {
			most := slices.Max(append([]int{0}, o.Viewers...))
			if len(o.Viewers) == 0 || o.Viewers[0] < 1 || !slices.IsSorted(o.Viewers) || o.Stalled < 1 || use == "stalled" && most <= o.Stalled {
				return fmt.Errorf("--viewers %v with --stalled %d: want ascending numbers, the last above those that stall", o.Viewers, o.Stalled)
			}
			return run(command.Context(), *s, o)
		}}
		command.Flags().IntSliceVar(&o.Viewers, "viewers", steps, "steps, ascending")
		command.Flags().IntVar(&o.Stalled, "stalled", 10, "viewers that read nothing, of the last step")
		command.Flags().DurationVar(&o.Duration, "duration", 8*time.Second, "length of a step")
		all = append(all, command)
	}
	add("fanout", "CPU of Xvnc and of the gateway by viewers, against websockify", []int{1, 2, 10, 50}, Fanout)
	add("stalled", "What stalled viewers do to the others", []int{50}, Stalled)
	return all
}
