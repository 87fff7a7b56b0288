package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/report"
)

// The test binary plays the tool: it starts scenes as processes of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		command := Command("test", os.Args[0], "bench")
		command.SetArgs(os.Args[2:])
		if err := command.ExecuteContext(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// run runs the tool and returns what it says.
func runTool(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := Command("test", self, "bench")
	var out, errOut bytes.Buffer
	command.SetArgs(args)
	command.SetOut(&out)
	command.SetErr(&errOut)
	err = command.ExecuteContext(ctx)
	return out.String(), errOut.String(), err
}

func needXvnc(t *testing.T) {
	t.Helper()
	for _, program := range []string{"Xvnc", "websockify"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

func TestTwoTargetsAreMeasuredInTurnAndReported(t *testing.T) {
	t.Parallel()
	needXvnc(t)
	folder := t.TempDir()
	jsonFile, page := filepath.Join(folder, "r.json"), filepath.Join(folder, "r.html")
	out, progress, err := runTool(t, "latency", "--geometry", "640x480", "--rounds", "2", "--inputs", "4",
		"--json", jsonFile, "--html", page, "xvnc://", "xvnc+websockify://")
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	if !strings.Contains(out, "xvnc+websockify://") || !strings.Contains(out, "p50 ms") {
		t.Errorf("the table is:\n%s", out)
	}
	order := []string{"round 1/2  xvnc://", "round 1/2  xvnc+websockify://", "round 2/2  xvnc://", "round 2/2  xvnc+websockify://"}
	at := 0
	for _, step := range order {
		i := strings.Index(progress[at:], step+"\n")
		if i < 0 {
			t.Fatalf("%q does not come in its turn in:\n%s", step, progress)
		}
		at += i
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Commit != "test" || len(r.Tables) != 1 || len(r.Tables[0].Rows) != 2 || len(r.Plots) != 2 || len(r.Plots[0].Lines) != 2 {
		t.Errorf("the report is %+v", r)
	}
	for _, row := range r.Tables[0].Rows {
		if values := row.Values("p50"); len(values) != 2 || values[0] <= 0 {
			t.Errorf("%s: %v", row.Subject, values)
		}
	}
	if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("<svg")) {
		t.Errorf("the page is %d bytes, %v", len(text), err)
	}
}

func TestEachMeasurementRuns(t *testing.T) {
	t.Parallel()
	needXvnc(t)
	for _, args := range [][]string{
		{"throughput", "--scene", "scroll", "--duration", "500ms"},
		{"fanout", "--scene", "typing", "--viewers", "1,3", "--stalled", "0", "--duration", "500ms"},
		{"quality", "--duration", "3s", "--quality", "lossless"},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			out, progress, err := runTool(t, append(args, "--rounds", "1", "--json", "-", "--geometry", "640x480", "xvnc://")...)
			if err != nil {
				t.Fatalf("%v\n%s", err, progress)
			}
			var r report.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if len(r.Tables) != 1 || len(r.Tables[0].Rows) == 0 {
				t.Errorf("the report is %s", out)
			}
		})
	}
}

func TestARecordingIsMade(t *testing.T) {
	t.Parallel()
	needXvnc(t)
	file := filepath.Join(t.TempDir(), "typing.rfbtrace")
	out, progress, err := runTool(t, "record", "--scene", "typing", "--geometry", "320x240", "--duration", "1s", "xvnc://", file)
	if err != nil || !strings.Contains(out, "320 × 240") {
		t.Fatalf("%s, %v\n%s", out, err, progress)
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Errorf("the file: %v", err)
	}
}

func TestALineIsPutBetween(t *testing.T) {
	t.Parallel()
	needXvnc(t)
	out, progress, err := runTool(t, "latency", "--geometry", "640x480", "--network", "30ms", "--rounds", "1", "--inputs", "4", "--json", "-", "xvnc://")
	if err != nil && strings.Contains(err.Error(), "needs root") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if p50 := r.Tables[0].Rows[0].Values("p50"); len(p50) != 1 || p50[0] < 60 {
		t.Errorf("over 30 ms each way an answer takes %v ms", p50)
	}
}

func TestNonsenseIsRefusedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--quality":         {"latency", "--quality", "best", "xvnc://"},
		"--compress":        {"latency", "--compress", "12", "xvnc://"},
		"--rounds":          {"latency", "--rounds", "0", "xvnc://"},
		"no target":         {"latency", "nonsense"},
		"no part of a line": {"latency", "--network", "quick", "xvnc://"},
		"--viewers":         {"fanout", "--viewers", "5", "--stalled", "5", "xvnc://"},
		"no scene":          {"scene", "disco"},
		"arg":               {"quality"},
	} {
		if _, _, err := runTool(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want something about %s", args, err, want)
		}
	}
}

func TestTheTemplateIsPrinted(t *testing.T) {
	t.Parallel()
	out, _, err := runTool(t, "scene", "--template")
	if err != nil || !strings.Contains(out, "name: bench-scene") {
		t.Errorf("%q, %v", out, err)
	}
}
