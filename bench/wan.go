package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
	"github.com/streamspace/streamspace/bench/wan"
)

const (
	// lossyRate is a busy desktop: 30 frames of 20 KB a second, 4.8 Mbit/s.
	lossyRate = 30
	// newestRate offers twice what the bottleneck of 10 Mbit/s carries.
	newestRate = 120
	// burstRate and burstFrames: a second of scrolling, three times what the
	// bottleneck of 10 Mbit/s carries, then nothing until the period is over.
	burstRate   = 60
	burstFrames = 60
	burstPeriod = 3 * time.Second
	// unsentMark is the mark in bytes that the plain loop is measured with:
	// about one frame.
	unsentMark = 16 << 10
)

// line is one emulated line with what is measured on it.
type line struct {
	title   string
	path    wan.Path
	columns []report.Column
	loads   []load
}

// load is a source's behaviour on a line and how a round of it is read.
type load struct {
	config  source.Config
	measure func(ctx context.Context, relay *peer.Running, dial viewer.Options, duration time.Duration) (map[string]float64, error)
}

func lines() []line {
	return []line{
		{
			title: "25 ms each way, 1 % loss: 30 frames of 20 KB a second, then full speed",
			path:  wan.Path{Delay: 25 * time.Millisecond, Loss: 0.01, Seed: 1},
			columns: []report.Column{
				{Key: "p50", Title: "frame p50 ms", Digits: 0}, {Key: "p90", Title: "p90 ms", Digits: 0}, {Key: "p99", Title: "p99 ms", Digits: 0},
				{Key: "fps", Title: "frames/s", Digits: 1}, {Key: "bulk", Title: "full speed MB/s", Digits: 2},
			},
			loads: []load{
				{source.Config{Kind: source.JPEG20K, Pattern: source.Every(source.Rate(lossyRate))}, frameAges("p50", "p90", "p99", "fps")},
				{source.Config{Kind: source.JPEG20K, Pattern: source.Flood()}, bulk},
			},
		},
		{
			title: "10 Mbit/s with a queue of 1 MiB, 25 ms each way: always the newest picture, then bursts",
			path:  wan.Path{Delay: 25 * time.Millisecond, BitsPerSecond: 10_000_000, QueueBytes: 1 << 20, Seed: 1},
			columns: []report.Column{
				{Key: "p50", Title: "picture age p50 ms", Digits: 0}, {Key: "p90", Title: "p90 ms", Digits: 0}, {Key: "p99", Title: "p99 ms", Digits: 0},
				{Key: "fps", Title: "frames/s", Digits: 1}, {Key: "burst", Title: "last change of a burst, p50 ms", Digits: 0}, {Key: "burst90", Title: "p90 ms", Digits: 0},
			},
			loads: []load{
				{source.Config{Kind: source.JPEG20K, Pattern: source.Newest(source.Rate(newestRate))}, frameAges("p50", "p90", "p99", "fps")},
				{source.Config{Kind: source.Raw64K, Pattern: source.Newest(source.Bursts(burstRate, burstFrames, burstPeriod))}, burstEnds},
			},
		},
	}
}

// variants are the socket options that are compared, in the gateway and in the
// plain loop.
func (s Settings) variants() []peer.Relay {
	var all []peer.Relay
	for _, congestion := range []string{"cubic", "bbr"} {
		for _, mark := range []struct {
			name    string
			gateway int
			plain   int
		}{{"no mark", -1, 0}, {"unsent-data mark", 0, unsentMark}} {
			suffix := fmt.Sprintf(", %s, %s", congestion, mark.name)
			all = append(all, peer.Gateway(nameGateway+suffix, s.Relayhost, peer.Tuning{Congestion: congestion, Unsent: mark.gateway}, s.RelayhostFlags...))
			plain := peer.Gorilla(s.Self, 32<<10, peer.Tuning{Congestion: congestion, Unsent: mark.plain})
			plain.Name += suffix
			all = append(all, plain)
		}
	}
	return all
}

// WAN measures congestion control and the unsent-data mark on emulated lines.
// Rounds of all variants are interleaved, on one line after the other.
func WAN(ctx context.Context, s Settings, duration time.Duration) error {
	r := s.begin(ctx, "wan", "Congestion control and unsent-data mark on bad lines",
		report.Fact{Name: "seconds a load", Value: fmt.Sprint(duration.Seconds())},
		report.Fact{Name: "unsent-data mark of the plain loop", Value: fmt.Sprintf("%d KiB", unsentMark>>10)})
	r.Notes = append(r.Notes,
		"The line is emulated in userspace between two network namespaces. Relay and source are at its far end, joined by a Unix socket as in the product.",
		"Ages are counted from the moment the picture changed at the source, also while the source cannot send, to the client's read of the last byte.",
		"The source of the second line sends the newest picture whenever its socket takes one, as a VNC server does; pictures in between are never sent. Age is then what the buffers between source and viewer hold.")
	for _, line := range lines() {
		table, err := s.onLine(ctx, line, duration)
		if err != nil {
			return err
		}
		r.Tables = append(r.Tables, table)
	}
	return s.finish(r)
}

// onLine measures all variants on one line.
func (s Settings) onLine(ctx context.Context, line line, duration time.Duration) (table *report.Table, err error) {
	network, err := wan.New(wan.Both(line.path))
	if err != nil {
		return nil, err
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
	table = &report.Table{Title: line.title, Columns: line.columns}
	far := peer.Place{Address: network.Far.Address, Start: network.Far.Start, Dial: network.Far.Dial}
	for round := range s.Rounds {
		for _, relay := range s.variants() {
			if !s.wanted(relay.Name) || table.Row(relay.Name).NotMeasured != "" {
				continue
			}
			values, err := wanRound(ctx, relay, line, far, viewer.Options{Dial: network.Near.Dial}, duration)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if errors.Is(err, peer.ErrMissing) {
				table.Row(relay.Name).NotMeasured = err.Error()
				continue
			}
			if err != nil {
				s.Log.Warn("a round failed", "subject", relay.Name, "round", round+1, "error", err)
				values = nothing(table)
			}
			s.Log.Info("round", "table", line.title, "subject", relay.Name, "round", round+1, "values", values)
			table.Row(relay.Name).Add(values)
		}
	}
	for _, mark := range []string{", no mark", ", unsent-data mark"} {
		table.Compare("p50", nameGateway+", bbr"+mark, nameGateway+", cubic"+mark, report.Ratio, nil)
	}
	for _, congestion := range []string{", cubic", ", bbr"} {
		table.Compare("p50", nameGateway+congestion+", unsent-data mark", nameGateway+congestion+", no mark", report.Ratio, nil)
	}
	return table, nil
}

// wanRound runs all loads of the line through a freshly started relay.
func wanRound(ctx context.Context, relay peer.Relay, line line, far peer.Place, options viewer.Options, duration time.Duration) (map[string]float64, error) {
	all := map[string]float64{}
	for _, load := range line.loads {
		err := func() error {
			desktop, err := startDesktop(ctx, load.config)
			if err != nil {
				return err
			}
			defer desktop.Stop()
			running, err := relay.Start(ctx, far, desktop.Unix)
			if err != nil {
				return err
			}
			defer running.Stop()
			values, err := load.measure(ctx, running, options, duration)
			for key, value := range values {
				all[key] = value
			}
			return err
		}()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// frameAges measures the ages of all frames under the keys given for three
// quantiles and the rate.
func frameAges(p50, p90, p99, fps string) func(context.Context, *peer.Running, viewer.Options, time.Duration) (map[string]float64, error) {
	return func(ctx context.Context, relay *peer.Running, options viewer.Options, duration time.Duration) (map[string]float64, error) {
		ages, err := ages(ctx, relay, options, duration, nil)
		if err != nil {
			return nil, err
		}
		return map[string]float64{
			p50: report.Median(ages), p90: report.Quantile(ages, 0.9), p99: report.Quantile(ages, 0.99),
			fps: float64(len(ages)) / duration.Seconds(),
		}, nil
	}
}

// burstEnds measures how old the last picture of each burst is on arrival:
// how long somebody waits for the end of a scroll.
func burstEnds(ctx context.Context, relay *peer.Running, options viewer.Options, duration time.Duration) (map[string]float64, error) {
	last := func(seq uint64) bool { return seq%burstFrames == burstFrames-1 }
	// Whole periods, so that reading ends in a pause.
	periods := max(2, duration/burstPeriod)
	ages, err := ages(ctx, relay, options, periods*burstPeriod, last)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"burst": report.Median(ages), "burst90": report.Quantile(ages, 0.9)}, nil
}

// bulk measures what the line carries at full speed.
func bulk(ctx context.Context, relay *peer.Running, options viewer.Options, duration time.Duration) (map[string]float64, error) {
	watching, stop, err := watch(ctx, relay, options)
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := readUntil(watching, time.Now().Add(warmUp)); err != nil {
		return nil, err
	}
	begin, before := time.Now(), watching.Received()
	if err := readUntil(watching, begin.Add(duration)); err != nil {
		return nil, err
	}
	return map[string]float64{"bulk": float64(watching.Received()-before) / megabyte / time.Since(begin).Seconds()}, nil
}

func wanCommand(s *Settings) *cobra.Command {
	var duration time.Duration
	command := &cobra.Command{
		Use: "wan", Short: "Congestion control and unsent-data mark on emulated bad lines (root)", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return WAN(command.Context(), *s, duration) },
	}
	command.Flags().DurationVar(&duration, "duration", 9*time.Second, "length of a load; a round has two")
	return command
}
