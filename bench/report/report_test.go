package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := []float64{4, 1, 3, 2}
	for _, test := range []struct{ q, want float64 }{{0, 1}, {0.5, 2.5}, {1, 4}, {1.0 / 3, 2}, {-1, 1}, {2, 4}} {
		if got := Quantile(values, test.q); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", test.q, got, test.want)
		}
	}
	if values[0] != 4 {
		t.Error("the values were sorted in place")
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
	if got := Median([]float64{7}); got != 7 {
		t.Errorf("the median of one value is %v", got)
	}
}

// example is a report with everything in it: two subjects, a failed round, a
// subject that could not be measured, met and missed targets.
func example() *Report {
	table := &Table{Title: "Full speed", Columns: []Column{{"cpu", "CPU ms/MB", 2}, {"rate", "MB/s", 0}}}
	for _, round := range []float64{0.50, 0.40, 0.60} {
		table.Row("gateway").Add(map[string]float64{"cpu": round, "rate": 1000 * round})
	}
	for _, round := range []float64{1.00, math.NaN(), 0.80} {
		table.Row("websockify").Add(map[string]float64{"cpu": round, "rate": 900})
	}
	table.Row("nginx").NotMeasured = "no nginx in PATH: apt-get install nginx-full"
	table.Compare("cpu", "gateway", "websockify", Ratio, Target(0.7))
	table.Compare("cpu", "gateway", "nginx", Ratio, Target(1.2))
	table.Compare("cpu", "gateway", "websockify", Difference, nil)
	table.Compare("cpu", "gateway", "", Value, Target(0.3))
	return &Report{
		Experiment: "relay", Title: "Relay", At: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC),
		Commit: "0123456789abcdef", Command: "bench relay",
		Machine:    Machine{System: "Debian", Kernel: "6.1", CPU: "EPYC", Cores: 2, Memory: "1 kB", Congestion: "cubic", Load: "0 0 0"},
		Versions:   []Fact{{"go", "1.26"}},
		Parameters: []Fact{{"rounds", "3"}},
		Tables:     []*Table{table},
		Notes:      []string{"An example."},
	}
}

func TestMarkdownAndJSONAreAsAgreed(t *testing.T) {
	t.Parallel()
	r := example()
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"report.md": r.Markdown(), "report.json": append(data, '\n')} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (go test -update rewrites it):\n%s", name, got)
		}
	}
}

func TestJSONComesBack(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Errorf("read back:\n%s\nwant:\n%s", again, data)
	}
}

func TestMissedNamesOnlyMissedTargets(t *testing.T) {
	t.Parallel()
	missed := example().Missed()
	if len(missed) != 1 || missed[0].Relation != Value {
		t.Fatalf("missed targets are %+v, want the value alone", missed)
	}
}

func TestWriteNamesTheFilesAfterDayCommitAndExperiment(t *testing.T) {
	t.Parallel()
	stem, err := example().Write(filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	if base := filepath.Base(stem); base != "2026-11-23-012345678-relay" {
		t.Errorf("the files are named %s", base)
	}
	for _, ending := range []string{".json", ".md"} {
		if _, err := os.Stat(stem + ending); err != nil {
			t.Error(err)
		}
	}
}

func TestThisMachineIsKnown(t *testing.T) {
	t.Parallel()
	if text := ThisMachine().String(); strings.Contains(text, "unknown") {
		t.Errorf("something is unknown: %s", text)
	}
}

func TestProgramVersionOfAMissingProgram(t *testing.T) {
	t.Parallel()
	if got := ProgramVersion(t.Context(), "/nonexistent/program"); got != "missing" {
		t.Errorf("version is %q, want missing", got)
	}
}
