package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
)

const (
	// warmUp is left out of a round: buffers and congestion windows grow.
	warmUp = 500 * time.Millisecond
	// megabyte is 10⁶ bytes of RFB; WebSocket headers are not counted.
	megabyte = 1e6

	// Limits of the product: CPU per byte against websockify and nginx.
	maxAgainstWebsockify = 0.7
	maxAgainstNginx      = 1.2
)

// Relay measures the CPU that a relay spends per megabyte and how many
// megabytes a second come through, with a source and a client that are faster
// than any relay.
func Relay(ctx context.Context, s Settings, duration time.Duration) error {
	r := s.begin(ctx, "relay", "Relay at full speed: CPU per megabyte, megabytes per second",
		report.Fact{Name: "seconds a round", Value: fmt.Sprint(duration.Seconds())})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Notes = append(r.Notes,
		"CPU is the relay's processes alone, from their CPU clocks (nanoseconds, user and system). Source and client are one further process on the same cores.",
		"On loopback the sender also pays for the receiver's softirq work; all subjects do alike.",
		"Direct is the source and the client without a relay: the ceiling of MB/s.")
	for _, kind := range []source.Kind{source.Raw64K, source.JPEG20K} {
		table, err := relayTable(ctx, s, kind, duration)
		if err != nil {
			return err
		}
		r.Tables = append(r.Tables, table)
	}
	return s.finish(r)
}

func relayTable(ctx context.Context, s Settings, kind source.Kind, duration time.Duration) (*report.Table, error) {
	table := &report.Table{
		Title:   fmt.Sprintf("Rectangles %s", kind),
		Columns: []report.Column{{Key: "cpu", Title: "relay CPU ms/MB", Digits: 3}, {Key: "rate", Title: "MB/s", Digits: 0}},
	}
	desktop, err := startDesktop(ctx, source.Config{Kind: kind, Pattern: source.Flood()})
	if err != nil {
		return nil, err
	}
	defer desktop.Stop()
	all := s.assemble(ctx, table, peer.Here(), s.relays(), desktop)
	defer dismiss(all)
	err = s.rounds(ctx, table, all, func(ctx context.Context, relay *peer.Running) (map[string]float64, error) {
		return fullSpeed(ctx, relay, duration)
	})
	if err != nil {
		return nil, err
	}
	table.Compare("cpu", nameGateway, nameWebsockify, report.Ratio, report.Target(maxAgainstWebsockify))
	table.Compare("cpu", nameGateway, nameNginx, report.Ratio, report.Target(maxAgainstNginx))
	table.Compare("cpu", nameGateway+overUnix, nameWebsockify+overUnix, report.Ratio, report.Target(maxAgainstWebsockify))
	table.Compare("cpu", nameGateway+overUnix, nameNginx+overUnix, report.Ratio, report.Target(maxAgainstNginx))
	table.Compare("rate", nameGateway, nameWebsockify, report.Ratio, nil)
	return table, nil
}

// fullSpeed is one round: one viewer that reads as fast as it can.
func fullSpeed(ctx context.Context, relay *peer.Running, duration time.Duration) (map[string]float64, error) {
	watching, stop, err := watch(ctx, relay, viewer.Options{})
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := readUntil(watching, time.Now().Add(warmUp)); err != nil {
		return nil, err
	}
	cpuBefore, err := cpu(relay)
	if err != nil {
		return nil, err
	}
	begin, bytesBefore := time.Now(), watching.Received()
	if err := readUntil(watching, begin.Add(duration)); err != nil {
		return nil, err
	}
	took, bytes := time.Since(begin), float64(watching.Received()-bytesBefore)
	cpuAfter, err := cpu(relay)
	if err != nil {
		return nil, err
	}
	spent := math.NaN()
	if relay.Process != nil {
		spent = float64((cpuAfter - cpuBefore).Microseconds()) / 1e3 / (bytes / megabyte)
	}
	return map[string]float64{"cpu": spent, "rate": bytes / megabyte / took.Seconds()}, nil
}

// watch connects a streaming viewer through the relay. The returned function
// closes it and must be called; ctx's end closes it too.
func watch(ctx context.Context, relay *peer.Running, options viewer.Options) (*viewer.Viewer, func(), error) {
	targets, err := relay.Targets(1)
	if err != nil {
		return nil, nil, err
	}
	watching, err := viewer.Connect(ctx, targets[0], options)
	if err != nil {
		return nil, nil, err
	}
	release := context.AfterFunc(ctx, func() { watching.Close() })
	stop := func() {
		release()
		watching.Close()
	}
	// The request starts the stream where a relay holds back the extension's
	// message; sources need only one of the two.
	if err := watching.Request(false); err != nil {
		stop()
		return nil, nil, err
	}
	if err := watching.Stream(); err != nil {
		stop()
		return nil, nil, err
	}
	return watching, stop, nil
}

func readUntil(watching *viewer.Viewer, end time.Time) error {
	for time.Now().Before(end) {
		if _, err := watching.Next(); err != nil {
			return fmt.Errorf("reading updates: %w", err)
		}
	}
	return nil
}

// cpu is zero for a path without a process.
func cpu(relay *peer.Running) (time.Duration, error) {
	if relay.Process == nil {
		return 0, nil
	}
	return relay.CPU()
}

// nothing is a failed round.
func nothing(table *report.Table) map[string]float64 {
	values := map[string]float64{}
	for _, column := range table.Columns {
		values[column.Key] = math.NaN()
	}
	return values
}
