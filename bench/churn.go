package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
)

const (
	// churnKeys are pressed in each visit.
	churnKeys = 10
	// churnFirst visits go before the figures that the later ones are held against:
	// pools and caches fill.
	churnFirst = 6
	// quietTimeout bounds the wait until nothing of the last visit is left, and
	// quietFor is how long the desktop rests then: memory is given back late.
	quietTimeout = time.Minute
	quietFor     = 10 * time.Second
	// maxMetrics bounds the text of all metrics, in bytes.
	maxMetrics = 4 << 20
)

// churnFigures are the server's metrics that are told, with what a unit of the
// table's is.
var churnFigures = []struct {
	column report.Column
	metric string
	unit   float64
}{
	{report.Column{Key: "goroutines", Title: "goroutines", Digits: 0}, "go_goroutines", 1},
	{report.Column{Key: "threads", Title: "threads", Digits: 0}, "go_threads", 1},
	{report.Column{Key: "heap", Title: "Go heap MB", Digits: 1}, "go_memstats_heap_alloc_bytes", megabyte},
	{report.Column{Key: "rss", Title: "resident MB", Digits: 1}, "process_resident_memory_bytes", megabyte},
	{report.Column{Key: "files", Title: "descriptors", Digits: 0}, "process_open_fds", 1},
	{report.Column{Key: "peers", Title: "peers", Digits: 0}, "streamspace_gateway_webrtc_peers", 1},
}

// Churn has a browser come and go, by WebRTC and by WebSocket, while a film plays
// and keys are pressed, and tells what the server has left of it.
func Churn(ctx context.Context, s Settings, server string, duration time.Duration) error {
	r := s.begin(ctx, "churn", "What is left of viewers that come and go", report.Fact{Name: "length", Value: duration.String()})
	r.Notes = append(r.Notes,
		fmt.Sprintf("Each visit opens the product's own page in Chromium, waits for the picture, presses %d keys while a film plays, and leaves. Two of three are by WebRTC; each of those moves there from a WebSocket.", churnKeys),
		fmt.Sprintf("Before: after %d visits; after: after all. Each time nobody is there, and %s have gone by.", churnFirst, quietFor),
		"Resident memory has the encoders' in it, which is not Go's.")
	table := &report.Table{Title: "The server's process"}
	for _, figure := range churnFigures {
		table.Columns = append(table.Columns, figure.column)
	}
	visits := 0
	err := onRTCLine(ctx, s, rtcLine{}, server, func(p *rtcPage) error {
		begin := time.Now()
		for visits < churnFirst || time.Since(begin) < duration {
			if err := p.visit(ctx, visits); err != nil {
				return fmt.Errorf("visit %d: %w", visits+1, err)
			}
			if visits++; visits == churnFirst {
				if err := p.note(ctx, table.Row("before")); err != nil {
					return err
				}
				begin = time.Now()
			}
		}
		return p.note(ctx, table.Row("after"))
	})
	if err != nil {
		return err
	}
	r.Parameters = append(r.Parameters, report.Fact{Name: "visits", Value: fmt.Sprint(visits)})
	table.Compare("goroutines", "after", "before", report.Difference, nil)
	table.Compare("rss", "after", "before", report.Difference, nil)
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

// visit is one coming and going.
func (p *rtcPage) visit(ctx context.Context, i int) error {
	way := wayWebRTC
	if i%3 == 2 {
		way = wayBBR
	}
	if _, err := p.open(ctx, way); err != nil {
		return err
	}
	if i == 0 {
		if err := p.play(ctx, scene.Video, way); err != nil {
			return err
		}
	}
	for k := range churnKeys {
		if _, err := p.key(ctx, k, 50, way == wayWebRTC); err != nil {
			return err
		}
	}
	return p.page.Navigate(ctx, "about:blank")
}

// note waits until nobody is there and adds the server's figures.
func (p *rtcPage) note(ctx context.Context, row *report.Row) error {
	late := time.Now().Add(quietTimeout)
	for {
		values, err := metricsOf(ctx, p.bases[wayWebRTC])
		if err != nil {
			return err
		}
		if values["peers"] == 0 {
			break
		}
		if time.Now().After(late) {
			return fmt.Errorf("%g peers are left after %s", values["peers"], quietTimeout)
		}
		if err := rest(ctx, time.Second); err != nil {
			return err
		}
	}
	if err := rest(ctx, quietFor); err != nil {
		return err
	}
	values, err := metricsOf(ctx, p.bases[wayWebRTC])
	if err != nil {
		return err
	}
	row.Add(values)
	return nil
}

// metricsOf reads the figures of a server on this machine.
func metricsOf(ctx context.Context, base string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the server's metrics: %w", err)
	}
	defer response.Body.Close()
	values := map[string]float64{}
	for _, figure := range churnFigures {
		values[figure.column.Key] = math.NaN()
	}
	lines := bufio.NewScanner(io.LimitReader(response.Body, maxMetrics))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		for _, figure := range churnFigures {
			if name != figure.metric {
				continue
			}
			if number, err := strconv.ParseFloat(value, 64); err == nil {
				values[figure.column.Key] = number / figure.unit
			}
		}
	}
	return values, lines.Err()
}

func churnCommand(s *Settings) *cobra.Command {
	var duration time.Duration
	var server string
	command := &cobra.Command{
		Use: "churn", Short: "What a server has left of viewers by WebRTC that come and go", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Churn(command.Context(), *s, server, duration) },
	}
	command.Flags().DurationVar(&duration, "duration", 30*time.Minute, "how long visits go on")
	command.Flags().StringVar(&server, "server", "bin/streamspace", "program to start with `up` in a temporary folder")
	return command
}
