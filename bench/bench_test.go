package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/wan"
)

// TestMain lets experiments start child roles of the test binary itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		child := childCommand()
		child.SetArgs(os.Args[2:])
		if err := child.ExecuteContext(context.Background()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func settings(t *testing.T, only ...string) (Settings, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shown := new(bytes.Buffer)
	return Settings{
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Out: t.TempDir(), Show: shown, Command: "bench test",
		Self: peer.Self{self, "child"}, Relayhost: "/nonexistent/relayhost", Only: only, Rounds: 2,
	}, shown
}

// written reads the one report in the folder.
func written(t *testing.T, s Settings) report.Report {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Out, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the results are %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// values returns a row's rounds, which must be there, one for each round.
func values(t *testing.T, table *report.Table, subject, key string) []float64 {
	t.Helper()
	for _, row := range table.Rows {
		if row.Subject != subject {
			continue
		}
		if row.NotMeasured != "" {
			t.Fatalf("%s was not measured: %s", subject, row.NotMeasured)
		}
		if got := row.Values(key); len(got) == 2 {
			return got
		}
	}
	t.Fatalf("table %q has no two rounds of %s for %s", table.Title, key, subject)
	return nil
}

func TestRelayMeasuresEachSubjectEachRound(t *testing.T) {
	t.Parallel()
	s, shown := settings(t, nameDirect, "plain", nameGateway)
	if err := Relay(t.Context(), s, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	r := written(t, s)
	if len(r.Tables) != 2 {
		t.Fatalf("there are %d tables, want one for each kind of rectangle", len(r.Tables))
	}
	for _, table := range r.Tables {
		for _, subject := range []string{nameSplice, "plain gorilla loop, 32 KiB"} {
			for _, cpu := range values(t, table, subject, "cpu") {
				if !(cpu > 0.01 && cpu < 100) {
					t.Errorf("%s, %s: %v ms/MB", table.Title, subject, cpu)
				}
			}
		}
		for _, rate := range values(t, table, nameDirect, "rate") {
			if !(rate > 1) {
				t.Errorf("%s, direct: %v MB/s", table.Title, rate)
			}
		}
	}
	// What is not there is said, not invented.
	if text := shown.String(); !strings.Contains(text, "StreamSpace gateway | not measured") || !strings.Contains(text, "go build") {
		t.Errorf("the missing program is not told:\n%s", text)
	}
}

func TestLatencyIsPositiveAndOrdered(t *testing.T) {
	t.Parallel()
	s, _ := settings(t, nameDirect, nameSplice)
	if err := Latency(t.Context(), s, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	table := written(t, s).Tables[0]
	for _, subject := range []string{nameDirect, nameSplice} {
		p50, p99 := values(t, table, subject, "p50"), values(t, table, subject, "p99")
		for i := range p50 {
			if !(p50[i] > 0 && p50[i] <= p99[i] && p99[i] < 5e6) {
				t.Errorf("%s: p50 %v µs, p99 %v µs", subject, p50[i], p99[i])
			}
		}
	}
}

func TestIdleServesEveryViewer(t *testing.T) {
	t.Parallel()
	s, _ := settings(t, "4 KiB")
	if err := Idle(t.Context(), s, IdleOptions{Viewers: 120, Settle: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	table := written(t, s).Tables[0]
	for _, key := range []string{"held", "served"} {
		if got := values(t, table, "plain gorilla loop, 4 KiB", key); !slices.Equal(got, []float64{120, 120}) {
			t.Errorf("%s: %v, want 120 in both rounds", key, got)
		}
	}
	for _, size := range values(t, table, "plain gorilla loop, 4 KiB", "after") {
		if !(size > 1 && size < 1000) {
			t.Errorf("a viewer takes %v KiB", size)
		}
	}
}

func TestALineIsMeasuredThroughANamespace(t *testing.T) {
	t.Parallel()
	const variant = "plain gorilla loop, 32 KiB, bbr, unsent-data mark"
	s, _ := settings(t, variant)
	line := lines()[0]
	table, err := s.onLine(t.Context(), line, time.Second)
	if errors.Is(err, wan.ErrRights) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	delay := float64(line.path.Delay / time.Millisecond)
	for _, age := range values(t, table, variant, "p50") {
		if age < delay {
			t.Errorf("half of the frames came in %v ms over a line of %v ms", age, delay)
		}
	}
}

func TestAnInterruptedExperimentLeavesNothing(t *testing.T) {
	t.Parallel()
	s, _ := settings(t, nameSplice)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Relay(ctx, s, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v, want the context's", err)
	}
	// TestMain checks goroutines; a child would hold one that waits for it.
	if files, _ := filepath.Glob(filepath.Join(s.Out, "*")); len(files) != 0 {
		t.Errorf("half an experiment left results: %v", files)
	}
}

func TestCommandRefusesNonsense(t *testing.T) {
	t.Parallel()
	command := Command("/nonexistent/bench")
	command.SetArgs([]string{"relay", "--rounds", "0"})
	command.SetOut(new(bytes.Buffer))
	command.SetErr(new(bytes.Buffer))
	if err := command.Execute(); err == nil || !strings.Contains(err.Error(), "--rounds") {
		t.Errorf("error is %v, want one about --rounds", err)
	}
}
