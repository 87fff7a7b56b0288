package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace/bench/fleet"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
)

// TreeOptions of the tree experiment.
type TreeOptions struct {
	Program  string // streamspace
	Gateways int
	Viewers  int
	Duration time.Duration
}

// Tree measures what a desktop's viewers cost the gateway that holds it, when all
// are at that one and when they are spread.
func Tree(ctx context.Context, s Settings, o TreeOptions) error {
	r := s.begin(ctx, "tree", "Many viewers of one desktop, at one gateway and at several",
		report.Fact{Name: "viewers", Value: fmt.Sprint(o.Viewers)}, report.Fact{Name: "gateways", Value: fmt.Sprint(o.Gateways)},
		report.Fact{Name: "seconds a round", Value: fmt.Sprint(o.Duration.Seconds())})
	r.Notes = append(r.Notes,
		"The desktop is a terminal in which a line is printed ten times a second. Spread evenly, one gateway holds the desktop and the others are served through it, over one connection each.",
		"Written is all that the process writes: to viewers, to other gateways, and next to nothing beside. Viewers, desktop and all gateways share two cores; cores are what the gateway used.")
	table := &report.Table{Title: "The gateway that holds the desktop", Columns: []report.Column{
		{Key: "written", Title: "written MB/s", Digits: 3}, {Key: "cores", Title: "cores", Digits: 3},
		{Key: "others", Title: "cores of the others", Digits: 3}, {Key: "updates", Title: "updates/s, all viewers"},
	}}
	const alone, spread = "all at one gateway", "spread over all"
	for range s.Rounds {
		for _, way := range []struct {
			name string
			over int
		}{{alone, 1}, {spread, o.Gateways}} {
			values, err := treeRound(ctx, o, way.over)
			if err != nil {
				return err
			}
			s.Log.Info("round", "subject", way.name, "values", values)
			table.Row(way.name).Add(values)
		}
	}
	table.Compare("written", spread, alone, report.Ratio, nil)
	table.Compare("cores", spread, alone, report.Ratio, nil)
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

func treeRound(ctx context.Context, o TreeOptions, over int) (map[string]float64, error) {
	f, err := furnish(ctx, o.Program, o.Gateways, 1, 1)
	if err != nil {
		return nil, err
	}
	defer f.remove(ctx)
	enter := func(ctx context.Context, at *fleet.Member) (*fleet.Patron, error) {
		return fleet.Enter(ctx, func(ctx context.Context) (string, error) {
			address, err := f.client.Connect(ctx, f.sessions[0])
			if err != nil {
				return "", err
			}
			u, err := url.Parse(address)
			if err != nil {
				return "", fmt.Errorf("a stream's address: %w", err)
			}
			u.Host = at.Listen
			return u.String(), nil
		})
	}
	first, err := enter(ctx, f.Gateways[0])
	if err != nil {
		return nil, err
	}
	defer first.Leave()
	if err := tick(ctx, first); err != nil {
		return nil, err
	}
	all := make(patrons, o.Viewers-1)
	group, entering := errgroup.WithContext(ctx)
	group.SetLimit(enterAtOnce)
	for i := range all {
		group.Go(func() (err error) {
			all[i], err = enter(entering, f.Gateways[(i+1)%over])
			return err
		})
	}
	err = group.Wait()
	all = all.present()
	defer all.leave()
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	return measureTree(ctx, f.Fleet, append(all, first), o.Duration)
}

func measureTree(ctx context.Context, f *fleet.Fleet, all patrons, duration time.Duration) (map[string]float64, error) {
	type reading struct {
		written       int64
		owner, others time.Duration
		updates       int64
	}
	read := func() (at reading, err error) {
		at.updates = all.updates()
		if at.written, err = f.Gateways[0].Written(); err != nil {
			return at, err
		}
		for i, m := range f.Gateways {
			if cpu := peer.ByName(m.PID())["streamspace"].CPU; i == 0 {
				at.owner = cpu
			} else {
				at.others += cpu
			}
		}
		return at, nil
	}
	before, err := read()
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, duration); err != nil {
		return nil, err
	}
	after, err := read()
	if err != nil {
		return nil, err
	}
	seconds := duration.Seconds()
	return map[string]float64{
		"written": float64(after.written-before.written) / megabyte / seconds, "cores": (after.owner - before.owner).Seconds() / seconds,
		"others": (after.others - before.others).Seconds() / seconds, "updates": float64(after.updates-before.updates) / seconds,
	}, nil
}

func treeCommand(s *Settings) *cobra.Command {
	options := TreeOptions{}
	command := &cobra.Command{
		Use: "tree", Short: "Many viewers of one desktop, at one gateway and at several", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Tree(command.Context(), *s, options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.Program, "program", "bin/streamspace", "the program under test")
	flags.IntVar(&options.Gateways, "gateways", 3, "gateways")
	flags.IntVar(&options.Viewers, "viewers", 300, "viewers of the desktop")
	flags.DurationVar(&options.Duration, "duration", 10*time.Second, "length of a round")
	return command
}
