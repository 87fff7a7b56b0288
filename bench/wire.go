package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

// Wire measures the bytes that each scene takes on the network, by Xvnc's own
// Tight encoder (which the relay passes on) and by the hub's, and how true the
// pictures are.
func Wire(ctx context.Context, s Settings, duration time.Duration) error {
	r := s.begin(ctx, "wire", "Bytes on the wire", report.Fact{Name: "seconds a scene", Value: fmt.Sprint(duration.Seconds())})
	r.Versions = append(r.Versions, standVersions(ctx)...)
	r.Notes = append(r.Notes,
		"Scenes play at their own pace, for one viewer that decodes; the hub has a second viewer whose bytes are not counted. Lossless asks for no JPEG; quality 6 is noVNC's own wish.",
		"Kilobytes a frame are network bytes, WebSocket headers included, divided by the frames that were shown.")
	st, err := s.startStand(ctx, peer.Here(), target.Options{})
	if err != nil {
		return err
	}
	defer st.stop()
	for _, quality := range []struct {
		name   string
		screen screen.Options
	}{{"quality 6", usualScreen()}, {"lossless", screen.Options{Quality: screen.Lossless, Compress: usualCompress}}} {
		table := &report.Table{Title: "Kilobytes a frame, " + quality.name}
		for _, name := range []scene.Name{scene.Typing, scene.Scroll, scene.Drag, scene.Video, scene.Idle} {
			table.Columns = append(table.Columns, report.Column{Key: string(name), Title: string(name), Digits: 2},
				report.Column{Key: string(name) + " frames", Title: "frames/s", Digits: 1})
		}
		table.Columns = append(table.Columns,
			report.Column{Key: "mixed", Title: "mixed MB/s", Digits: 2}, report.Column{Key: "text", Title: "text SSIM moving", Digits: 4},
			report.Column{Key: "legible", Title: "legibility moving", Digits: 4}, report.Column{Key: "photo", Title: "photo SSIM moving", Digits: 4},
			report.Column{Key: "lossless", Title: "to lossless ms", Digits: 0})
		err := s.turns(ctx, table, st, func(ctx context.Context, w way) (map[string]float64, error) {
			return wireRound(ctx, w, quality.screen, duration)
		})
		if err != nil {
			return err
		}
		for _, name := range []scene.Name{scene.Typing, scene.Scroll, scene.Drag, scene.Video} {
			table.Compare(string(name), wayHub, wayDirect, report.Ratio, nil)
		}
		table.Compare("mixed", wayHub, wayDirect, report.Ratio, nil)
		r.Tables = append(r.Tables, table)
	}
	return s.finish(r)
}

func wireRound(ctx context.Context, w way, options screen.Options, duration time.Duration) (map[string]float64, error) {
	values := map[string]float64{}
	for _, name := range []scene.Name{scene.Typing, scene.Scroll, scene.Drag, scene.Video, scene.Idle} {
		if err := w.target.Direct(ctx, name, false); err != nil {
			return nil, err
		}
		got, err := trial.MeasureThroughput(ctx, w.target, trial.ThroughputOptions{Screen: options, Duration: duration, Companions: w.companions}, nil)
		if err != nil {
			return nil, fmt.Errorf("scene %s: %w", name, err)
		}
		values[string(name)], values[string(name)+" frames"] = 1e3*got.Wire/got.Frames, got.Frames
	}
	if err := w.target.Direct(ctx, scene.Mixed, false); err != nil {
		return nil, err
	}
	// Two whole periods of motion and rest.
	got, err := trial.MeasureQuality(ctx, w.target, trial.QualityOptions{Screen: options, Duration: 2 * mixedPeriod, Companions: w.companions}, nil)
	if err != nil {
		return nil, fmt.Errorf("scene %s: %w", scene.Mixed, err)
	}
	values["mixed"], values["lossless"] = got.Wire, report.Median(got.Lossless)
	values["text"], values["legible"], values["photo"] = report.Median(got.Moving.TextSSIM), report.Median(got.Moving.Legibility), report.Median(got.Moving.PhotoSSIM)
	return values, nil
}

// mixedPeriod is the mixed scene's motion and rest.
const mixedPeriod = 4 * time.Second

func wireCommand(s *Settings) *cobra.Command {
	var duration time.Duration
	command := &cobra.Command{
		Use: "wire", Short: "Bytes on the wire by scene: Xvnc's encoder and the hub's", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Wire(command.Context(), *s, duration) },
	}
	command.Flags().DurationVar(&duration, "duration", 5*time.Second, "length of a scene")
	return command
}
