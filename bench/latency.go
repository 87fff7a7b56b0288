package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/stamp"
	"github.com/streamspace/streamspace/bench/viewer"
)

const (
	// framesPerSecond of the latency experiment: a smooth desktop.
	framesPerSecond = 60
	// maxAboveSplice is the product's limit in microseconds at the median.
	maxAboveSplice = 50
)

// Latency measures the way of a 64 KiB rectangle from the source's write to
// the client's having read it whole, at 60 a second.
func Latency(ctx context.Context, s Settings, duration time.Duration) error {
	r := s.begin(ctx, "latency", "One-way latency of 64 KiB at 60 a second",
		report.Fact{Name: "seconds a round", Value: fmt.Sprint(duration.Seconds())})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Notes = append(r.Notes, "From just before the source's write to just after the client's read of the last byte; both use the machine's monotonic clock.")
	table := &report.Table{
		Title:   "Latency",
		Columns: []report.Column{{Key: "p50", Title: "p50 µs", Digits: 0}, {Key: "p99", Title: "p99 µs", Digits: 0}},
	}
	desktop, err := startDesktop(ctx, source.Config{Kind: source.Raw64K, Pattern: source.Every(source.Rate(framesPerSecond))})
	if err != nil {
		return err
	}
	defer desktop.Stop()
	all := s.assemble(ctx, table, peer.Here(), s.relays(), desktop)
	defer dismiss(all)
	err = s.rounds(ctx, table, all, func(ctx context.Context, relay *peer.Running) (map[string]float64, error) {
		ages, err := ages(ctx, relay, viewer.Options{}, duration, nil)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"p50": 1e3 * report.Median(ages), "p99": 1e3 * report.Quantile(ages, 0.99)}, nil
	})
	if err != nil {
		return err
	}
	table.Compare("p50", nameGateway, nameSplice, report.Difference, report.Target(maxAboveSplice))
	table.Compare("p50", nameGateway+overUnix, nameSplice, report.Difference, report.Target(maxAboveSplice))
	for _, subject := range s.relays() {
		if s.wanted(subject.Name) && subject.Name != nameDirect {
			table.Compare("p50", subject.Name, nameDirect, report.Difference, nil)
		}
	}
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

// ages reads stamped rectangles for the duration, after a warm-up, and returns
// how old each one was in milliseconds. Of the sequence numbers only those
// that pick accepts count; nil accepts all.
func ages(ctx context.Context, relay *peer.Running, options viewer.Options, duration time.Duration, pick func(seq uint64) bool) ([]float64, error) {
	watching, stop, err := watch(ctx, relay, options)
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := readUntil(watching, time.Now().Add(warmUp)); err != nil {
		return nil, err
	}
	var ages []float64
	for end := time.Now().Add(duration); time.Now().Before(end); {
		rectangle, err := watching.Next()
		if err != nil {
			return nil, fmt.Errorf("reading updates: %w", err)
		}
		age := stamp.Now() - rectangle.Stamp.At
		if !rectangle.Stamped {
			return nil, fmt.Errorf("an update came without a stamp")
		}
		if pick == nil || pick(rectangle.Stamp.Seq) {
			ages = append(ages, float64(age)/float64(time.Millisecond))
		}
	}
	return ages, nil
}
