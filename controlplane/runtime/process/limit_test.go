package process

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamspace/streamspace/controlplane/runtime"
)

// hog takes memory until somebody stops it.
const hog = "tail /dev/zero"

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(dataDir(t))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := newBed(t, o)
	d := shell(hog + "; echo $? > outcome")
	d.Template.Resources.MemoryBytes = 128 << 20
	b.apply(t, d)
	eventually(t, "the hog has ended", func() bool { return b.homeFile(d, "outcome") != "" })
	switch b.limits.(type) {
	case rlimits: // tail cannot have more, and says so
		if outcome := b.homeFile(d, "outcome"); outcome != "1" {
			t.Errorf("the hog ended with %s", outcome)
		}
	default:
		if outcome := b.homeFile(d, "outcome"); outcome != "137" {
			t.Errorf("the hog ended with %s, not by SIGKILL", outcome)
		}
	}
	b.remove(t, d)
	b.stop()
	if !strings.Contains(log.String(), "by="+b.limits.name()) {
		t.Errorf("the log does not say what bounds desktops: %s", log.String())
	}
}

func TestWantOfMemoryIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	if _, none := b.limits.(rlimits); none {
		t.Skip("without control groups a program is refused memory, and nobody kills it")
	}
	d := desktopOf("sh", "-c", "exec "+hog)
	d.Template.Resources.MemoryBytes = 128 << 20
	b.apply(t, d)
	if o := b.awaitPhase(t, d.Session, runtime.PhaseFailed); !strings.Contains(o.Reason, "ran out of its 128 MiB of memory") {
		t.Errorf("reason: %s", o.Reason)
	}
	if kills := testutil.ToFloat64(b.metrics.oomKills); kills < 1 {
		t.Errorf("%v kills are counted", kills)
	}
	b.remove(t, d)
}

func TestForksAreBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	neighbour := shell("while :; do date +%s%N > pulse; sleep .1; done")
	b.apply(t, neighbour)
	d := desktopOf("sh", "-c", `bomb() { bomb | bomb & }; bomb 2>> errors; sleep 1000`)
	d.Template.Resources.Processes = 60
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it stops at the bound", func() bool { return strings.Contains(b.homeFile(d, "errors"), "fork") })
	if n := len(processesOfUser(b.uidBase + d.HomeIndex)); b.uidBase != 0 && n > 60 {
		t.Errorf("%d processes run", n)
	}
	before := b.homeFile(neighbour, "pulse")
	eventually(t, "the neighbour goes on", func() bool { return b.homeFile(neighbour, "pulse") != before })
	b.remove(t, d)
	b.remove(t, neighbour)
}

// Where no group can be made, limits of the process hold.
func TestLimitsWithoutGroups(t *testing.T) {
	t.Parallel()
	r, stop := newUnwatched(t, options(dataDir(t)))
	stop()
	r, stop = newUnwatched(t, Options{
		DataDir: r.data, AgentPath: agentBinary, Log: r.log, UIDBase: DefaultUIDBase, noGroups: true,
	})
	defer stop()
	b := &bed{Runtime: r}
	d := shell("(ulimit -p; ulimit -d; ulimit -c) > limits; (for i in $(seq 100); do sleep 1000 & done) 2> errors; " + hog + " 2> memory; echo done > done")
	d.Template.Resources.Processes, d.Template.Resources.MemoryBytes = 50, 128<<20
	if err := r.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the limits are met", func() bool { return b.homeFile(d, "done") == "done" })
	if got := b.homeFile(d, "limits"); got != "50\n131072\n0" {
		t.Errorf("limits %q", got)
	}
	if !strings.Contains(b.homeFile(d, "errors"), "fork") || !strings.Contains(b.homeFile(d, "memory"), "memory") {
		t.Errorf("the bounds do not hold: %q, %q", b.homeFile(d, "errors"), b.homeFile(d, "memory"))
	}
}

func TestRefusedFolders(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("desktops run as ourselves")
	}
	dir := dataDir(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	o := options(filepath.Join(closed, "data"))
	if err := searchable(closed); err == nil || !strings.Contains(err.Error(), "chmod o+x "+closed) {
		t.Errorf("no word of the closed folder: %v", err)
	}
	if err := os.Mkdir(o.DataDir, 0o711); err != nil {
		t.Fatal(err)
	}
	r := &Runtime{data: o.DataDir, uidBase: DefaultUIDBase, log: o.Log}
	if err := r.prepareFolders(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("the folder was taken: %v", err)
	}
}
