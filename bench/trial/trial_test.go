package trial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/stage"
	"github.com/streamspace/streamspace/bench/target"
)

// The test binary is the marker program too: it runs beside Xvnc as in life.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "scene" {
		if err := stage.Run(context.Background(), stage.Options{Display: os.Args[2], Scene: scene.Idle, Ready: os.Stdout}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// open opens targets of a private Xvnc, 640 × 480.
func open(t *testing.T, addresses ...string) (*target.Set, context.Context) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	set, err := target.Open(ctx, addresses, target.Options{
		Geometry: "640x480", Scene: func(display string) []string { return []string{self, "scene", display} },
	})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set, ctx
}

func direct(t *testing.T, ctx context.Context, to *target.Target, name scene.Name) {
	t.Helper()
	if err := to.Direct(ctx, name, false); err != nil {
		t.Fatal(err)
	}
}

func usual() screen.Options { return screen.Options{Quality: 6, Compress: 2} }

func TestEveryInputIsAnswered(t *testing.T) {
	t.Parallel()
	set, ctx := open(t, "xvnc://", "xvnc+websockify://")
	for _, to := range set.Targets {
		for _, input := range []Input{Keys, Pointer} {
			// Also while everything moves, and beside another viewer.
			direct(t, ctx, to, scene.Drag)
			got, err := MeasureLatency(ctx, to, LatencyOptions{Inputs: 10, Input: input, Screen: usual(), Companions: 1}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Milliseconds) != 10 || got.Lost != 0 {
				t.Errorf("%s, %s: %d answers, %d lost", to.Name, input, len(got.Milliseconds), got.Lost)
			}
			if slices.Min(got.Milliseconds) <= 0 {
				t.Errorf("%s, %s: an answer before its input: %v", to.Name, input, got.Milliseconds)
			}
		}
	}
	if _, err := MeasureLatency(ctx, set.Targets[0], LatencyOptions{Inputs: 1, Input: "shout", Screen: usual()}, nil); err == nil {
		t.Error("there is an input that nobody knows")
	}
}

func TestThroughputCountsWhatTheSceneDraws(t *testing.T) {
	t.Parallel()
	set, ctx := open(t, "xvnc://")
	to := set.Targets[0]
	direct(t, ctx, to, scene.Video)
	got, err := MeasureThroughput(ctx, to, ThroughputOptions{Screen: usual(), Duration: time.Second, PIDs: to.PIDs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bytes <= 0 || got.Wire < got.Bytes*0.5 || got.Updates <= 0 || got.Pixels <= 0 || got.Frames <= 0 || got.Shown <= 0 || got.Shown > 1 {
		t.Errorf("it measures %+v", got)
	}
	if age := report.Median(got.Ages); !(age > 0 && age < 60_000) {
		t.Errorf("frames are %v ms old", age)
	}
	if got.Costs["Xvnc"].Cores <= 0 || got.Costs["Xvnc"].PSS <= 0 {
		t.Errorf("Xvnc costs %+v", got.Costs)
	}
}

func TestStalledViewersAreNotAsked(t *testing.T) {
	t.Parallel()
	set, ctx := open(t, "xvnc://")
	to := set.Targets[0]
	direct(t, ctx, to, scene.Scroll)
	got, err := MeasureFanout(ctx, to, FanoutOptions{Viewers: 6, Stalled: 2, Probes: 2, Duration: time.Second, Screen: usual(), PIDs: to.PIDs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Updates) != 4 || got.Ended != 0 {
		t.Errorf("%d viewers were asked and %d ended", len(got.Updates), got.Ended)
	}
	if slices.Min(got.Updates) <= 0 || got.Fairness <= 0.25 || got.Fairness > 1.0001 || len(got.Ages) == 0 || len(got.Intervals) == 0 {
		t.Errorf("it measures %+v", got)
	}
	if _, err := MeasureFanout(ctx, to, FanoutOptions{Viewers: 2, Stalled: 2}, nil); err == nil {
		t.Error("with all viewers stalled there is somebody to ask")
	}
}

func TestExactPixelsAreTold(t *testing.T) {
	t.Parallel()
	set, ctx := open(t, "xvnc://")
	to := set.Targets[0]
	direct(t, ctx, to, scene.Mixed)
	exact, err := MeasureQuality(ctx, to, QualityOptions{Screen: screen.Options{Quality: screen.Lossless, Compress: 1}, Duration: 6 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(exact.Lossless) == 0 {
		t.Errorf("a lossless viewer never has the exact pixels: %+v", exact.Rested)
	}
	if got := report.Median(exact.Moving.TextSSIM); got < 0.98 {
		t.Errorf("in motion, a lossless viewer's text is %v like the truth", got)
	}
	direct(t, ctx, to, scene.Mixed)
	lossy, err := MeasureQuality(ctx, to, QualityOptions{Screen: screen.Options{Quality: 0, Compress: 1}, Duration: 3 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, values := range map[string][2][]float64{
		"photograph": {lossy.Moving.PhotoSSIM, exact.Moving.PhotoSSIM}, "text": {lossy.Moving.TextSSIM, exact.Moving.TextSSIM},
	} {
		if low, high := report.Median(values[0]), report.Median(values[1]); !(low > 0.1 && low < high-0.01) {
			t.Errorf("the %s is %v at the lowest quality and %v lossless", what, low, high)
		}
	}
}

func TestChromiumAnswersToo(t *testing.T) {
	t.Parallel()
	folder, err := FindNoVNC("../../web/node_modules/@novnc/novnc")
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	set, ctx := open(t, "xvnc+websockify://")
	browsing, err := OpenBrowser(ctx, peer.Here(), net.Listen, folder)
	if errors.Is(err, peer.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer browsing.Close()
	direct(t, ctx, set.Targets[0], scene.Idle)
	for _, input := range []Input{Keys, Pointer} {
		got, err := browsing.Latency(ctx, set.Targets[0], input, 5, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Milliseconds) != 5 || slices.Min(got.Milliseconds) <= 0 {
			t.Errorf("%s: %+v", input, got)
		}
	}
}

func TestAScreenWithoutScenesIsTold(t *testing.T) {
	t.Parallel()
	set, ctx := open(t, "xvnc://")
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	// An address where nobody listens, and then one whose stage is asked too
	// short a time to answer.
	if err := set.Targets[0].Direct(limited, "disco", false); err == nil {
		t.Error("there is a scene disco")
	}
}
