package tool

import (
	"context"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/trial"
)

// openBrowser starts the run's Chromium where viewers are.
func (o latencyOptions) openBrowser(ctx context.Context, r *run) (*trial.Browsing, error) {
	folder, err := trial.FindNoVNC(o.novnc)
	if err != nil {
		return nil, err
	}
	r.report.Versions = append(r.report.Versions,
		report.Fact{Name: "Chromium", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "chromium")},
		report.Fact{Name: "noVNC", Value: trial.NoVNCVersion(folder)})
	return trial.OpenBrowser(ctx, r.set.Near, r.set.NearListen, folder)
}
