// Package bench measures StreamSpace against its peers: what a relay costs,
// how late it delivers, what an idle viewer holds, how a stream does on a bad
// line, and how long a click on Start takes. It is a black box: it speaks RFB
// and HTTP to any endpoint and knows nothing of what is behind.
package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
)

// Settings are what all experiments share.
type Settings struct {
	Log       *slog.Logger // progress
	Out       string       // folder for results
	Show      io.Writer    // where finished tables are shown
	Command   string       // as it was typed, for the report
	Self      peer.Self    // starts child roles of this program
	Relayhost string       // path of the program bench/cmd/relayhost
	// RelayhostFlags are passed on to it.
	RelayhostFlags []string
	Only           []string // subjects whose name contains one of these; empty: all
	Rounds         int
}

// begin returns a report with the circumstances filled in.
func (s Settings) begin(ctx context.Context, experiment, title string, parameters ...report.Fact) *report.Report {
	return &report.Report{
		Experiment: experiment,
		Title:      title,
		At:         time.Now(),
		Commit:     report.Commit(ctx),
		Command:    s.Command,
		Machine:    report.ThisMachine(),
		Versions:   []report.Fact{{Name: "Go", Value: runtime.Version()}},
		Parameters: append([]report.Fact{{Name: "rounds", Value: fmt.Sprint(s.Rounds)}}, parameters...),
	}
}

// finish writes the report and shows it.
func (s Settings) finish(r *report.Report) error {
	stem, err := r.Write(s.Out)
	if err != nil {
		return err
	}
	if _, err := s.Show.Write(r.Markdown()); err != nil {
		return fmt.Errorf("showing the report: %w", err)
	}
	s.Log.Info("results are written", "path", stem+".json")
	return nil
}

// wanted says whether the subject is among those asked for.
func (s Settings) wanted(name string) bool {
	if len(s.Only) == 0 {
		return true
	}
	for _, part := range s.Only {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// peerVersions names the versions of the programs compared with.
func peerVersions(ctx context.Context) []report.Fact {
	return []report.Fact{
		{Name: "websockify", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "websockify")},
		{Name: "Python", Value: report.ProgramVersion(ctx, "python3", "--version")},
		{Name: "nginx", Value: report.ProgramVersion(ctx, "/usr/sbin/nginx", "-v")},
	}
}

// desktop is a source that runs in this process, reachable over TCP and over a
// Unix socket.
type desktop struct {
	TCP, Unix string // upstream addresses

	cancel  context.CancelFunc
	running sync.WaitGroup
	folder  string
}

// startDesktop starts a source. Stop must be called.
func startDesktop(ctx context.Context, config source.Config) (*desktop, error) {
	folder, err := os.MkdirTemp("", "streamspace-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the source's socket: %w", err)
	}
	socket := filepath.Join(folder, "rfb.sock")
	overTCP, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("opening the source: %w", err)
	}
	overUnix, err := net.Listen("unix", socket)
	if err != nil {
		overTCP.Close()
		os.RemoveAll(folder)
		return nil, fmt.Errorf("opening the source: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &desktop{TCP: "tcp:" + overTCP.Addr().String(), Unix: "unix:" + socket, cancel: cancel, folder: folder}
	pixels := source.New(config)
	for _, listener := range []net.Listener{overTCP, overUnix} {
		// A source that cannot accept any more shows as viewers that fail.
		d.running.Go(func() { _ = pixels.Run(ctx, listener) })
	}
	return d, nil
}

// Stop ends the source and its connections.
func (d *desktop) Stop() {
	d.cancel()
	d.running.Wait()
	os.RemoveAll(d.folder)
}
