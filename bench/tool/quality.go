package tool

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

type qualityOptions struct {
	duration   time.Duration
	companions int
}

func qualityCommand(s *settings) *cobra.Command {
	var o qualityOptions
	command := &cobra.Command{
		Use:   "quality TARGET…",
		Short: "How true the picture is: in motion, at rest, and how soon",
		Long: `Play text and a photograph that move for two seconds and rest for two, and compare
what the viewer shows with the true picture, which is drawn here too.

` + target.Usage,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return s.measure(command.Context(), "bench-quality", "How true the picture is", args, o.measure)
		},
	}
	s.measures(command, 3)
	command.Flags().DurationVar(&o.duration, "duration", 12*time.Second, "length of a round; a period is 4s")
	command.Flags().IntVar(&o.companions, "companions", 0, "further viewers of the same desktop")
	return command
}

func (o qualityOptions) measure(ctx context.Context, r *run) error {
	table := &report.Table{Title: "Quality", Columns: []report.Column{
		{Key: "text", Title: "text SSIM moving", Digits: 4}, {Key: "legible", Title: "legibility moving", Digits: 4}, {Key: "photo", Title: "photo SSIM moving", Digits: 4},
		{Key: "textRest", Title: "text SSIM at rest", Digits: 4}, {Key: "photoRest", Title: "photo SSIM at rest", Digits: 4},
		{Key: "lossless", Title: "to lossless ms", Digits: 0}, {Key: "reached", Title: "rests lossless %", Digits: 0},
		{Key: "frames", Title: "frames/s moving", Digits: 1}, {Key: "wire", Title: "network MB/s", Digits: 2},
	}}
	r.report.Tables = append(r.report.Tables, table)
	r.report.Parameters = append(r.report.Parameters, report.Fact{Name: "Further viewers", Value: fmt.Sprint(o.companions)}, report.Fact{Name: "A round", Value: o.duration.String()})
	r.report.Notes = append(r.report.Notes,
		"SSIM and legibility compare brightness with the true picture of the frame that is shown, pixel for pixel: 1 is the same. Values are the median of the pictures.",
		"Legibility is the similarity of gradients where the true text has an edge: it falls with blur, ringing and wrong contrast.",
		"Time to lossless is from the drawing of the last moving frame until every pixel of both regions is exact. A viewer that asks for JPEG from a server that never sharpens gets there never.")
	over := &report.Plot{Title: "SSIM of the text over time (last round)", X: "seconds", Y: "SSIM", Kind: report.Series}
	sharp := &report.Plot{Title: "Time to lossless", X: "milliseconds", Y: "share of rests that got there", Kind: report.CDF}
	lossless, latest := map[string][]float64{}, map[string]trial.Series{}
	err := r.each(ctx, func(ctx context.Context, t *target.Target) error {
		if err := t.Direct(ctx, scene.Mixed, false); err != nil {
			return err
		}
		got, err := trial.MeasureQuality(ctx, t, trial.QualityOptions{
			Screen: r.screen, Duration: o.duration, Companions: o.companions,
		}, r.progress.tell)
		if err != nil {
			return err
		}
		values := map[string]float64{
			"text": report.Median(got.Moving.TextSSIM), "legible": report.Median(got.Moving.Legibility), "photo": report.Median(got.Moving.PhotoSSIM),
			"textRest": report.Median(got.Rested.TextSSIM), "photoRest": report.Median(got.Rested.PhotoSSIM),
			"lossless": report.Median(got.Lossless), "reached": nan(), "frames": got.Frames, "wire": got.Wire,
		}
		if got.Rests > 0 {
			values["reached"] = min(100, 100*float64(len(got.Lossless))/float64(got.Rests))
		}
		table.Row(t.Name).Add(values)
		lossless[t.Name] = append(lossless[t.Name], got.Lossless...)
		latest[t.Name] = got.SSIM
		return t.Direct(ctx, scene.Idle, false)
	})
	if err != nil {
		return err
	}
	for _, row := range table.Rows {
		over.AddSeries(row.Subject, latest[row.Subject].Seconds, latest[row.Subject].Values)
		sharp.AddCDF(row.Subject, lossless[row.Subject])
	}
	r.report.Plots = append(r.report.Plots, over, sharp)
	return nil
}
