package tool

import (
	"context"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trial"
)

// browsing is the Chromium of a run.
type browsing struct{ *trial.Browsing }

// openBrowser starts Chromium where viewers are.
func (o latencyOptions) openBrowser(ctx context.Context, r *run) (browsing, func(), error) {
	folder, err := trial.FindNoVNC(o.novnc)
	if err != nil {
		return browsing{}, nil, err
	}
	r.report.Versions = append(r.report.Versions,
		report.Fact{Name: "Chromium", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "chromium")},
		report.Fact{Name: "noVNC", Value: trial.NoVNCVersion(folder)})
	b, err := trial.OpenBrowser(ctx, r.set.Near, r.set.NearListen, folder)
	if err != nil {
		return browsing{}, nil, err
	}
	return browsing{b}, b.Close, nil
}

func (b browsing) measure(ctx context.Context, t *target.Target, input trial.Input, inputs int, progress trial.Progress) (trial.Latency, error) {
	return b.Latency(ctx, t, input, inputs, progress)
}
