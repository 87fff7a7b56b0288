// Package tool is `streamspace bench`: it measures any remote desktop that
// speaks RFB, ours included, several side by side, and writes a table, JSON and
// a page with plots. How something is measured is package trial's matter.
package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
)

// settings are what all measurements share.
type settings struct {
	self  []string // the program and the arguments that lead to `bench`
	build string

	reports     bool // the command measures, and does so in rounds
	rounds      int
	network     string
	apiKeyFile  string
	passwordTo  string
	template    string
	server      string
	geometry    string
	insecure    bool
	pids        []int
	quality     string
	compress    int
	json, html  string
	out, errOut io.Writer
}

// Command is the command line. build names the program's own commit; self is
// the path of the running program and the arguments that lead to this command:
// scenes are played by a process of their own.
func Command(build string, self ...string) *cobra.Command {
	s := &settings{self: self, build: build}
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure remote desktops: latency, throughput, many viewers, picture quality",
		Long: `Measure any remote desktop that speaks RFB, and StreamSpace, side by side.

Everything is measured in front of scenes, which a marker program plays on the
desktop: run ` + "`streamspace bench scene --display :N`" + ` there, or use a target that brings
it along. Two or more targets are measured in turn, round by round.

` + target.Usage + `

docs/BENCHMARKING.md says how it is measured and what the figures mean.`,
		Example: `  streamspace bench latency xvnc:// xvnc+websockify:// up://
  streamspace bench latency --network far --html report.html tcp://host:5901 wss://host/websockify
  streamspace bench fanout --viewers 1,10,50 --scene video up://`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.AddCommand(latencyCommand(s), throughputCommand(s), fanoutCommand(s), qualityCommand(s),
		sceneCommand(), recordCommand(s), replayCommand())
	return command
}

// measures gives a measuring command the flags that all have.
func (s *settings) measures(command *cobra.Command, rounds int) *cobra.Command {
	flags := command.Flags()
	flags.IntVar(&s.rounds, "rounds", rounds, "how often each target is measured, in turn with the others")
	flags.StringVar(&s.json, "json", "", "write everything that was measured to this `file` (- is standard output)")
	flags.StringVar(&s.html, "html", "", "write a page with plots to this `file`")
	flags.IntSliceVar(&s.pids, "pid", nil, "processes whose CPU and memory is told, with all below them (those of targets started here are)")
	s.connects(command)
	connect := command.PreRunE
	command.PreRunE = func(command *cobra.Command, args []string) error {
		s.reports = true
		return connect(command, args)
	}
	return command
}

// connects gives a command the flags of connections.
func (s *settings) connects(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&s.network, "network", "", "emulated `line` between viewers and targets: as 25ms,1%,10mbit,256KiB each way, or a named one (needs root)")
	flags.StringVar(&s.apiKeyFile, "api-key-file", "", "`file` with an API key of StreamSpace")
	flags.StringVar(&s.passwordTo, "vnc-password-file", "", "`file` with the password of VNC authentication")
	flags.StringVar(&s.template, "template", target.TemplateName, "what a StreamSpace target starts")
	flags.StringVar(&s.server, "server", "", "`program` that up:// starts (this one)")
	flags.StringVar(&s.geometry, "geometry", target.DefaultGeometry, "screen of a private Xvnc")
	flags.BoolVar(&s.insecure, "insecure", false, "take any TLS certificate")
	flags.StringVar(&s.quality, "quality", "6", "JPEG level that viewers ask for, 0 to 9, or lossless")
	flags.IntVar(&s.compress, "compress", 2, "compression level that viewers ask for, 0 to 9")
	command.PreRunE = func(command *cobra.Command, args []string) error {
		s.out, s.errOut = command.OutOrStdout(), command.ErrOrStderr()
		return s.check()
	}
}

func (s *settings) check() error {
	var mistakes []error
	if s.rounds < 1 && s.reports {
		mistakes = append(mistakes, fmt.Errorf("--rounds is %d, want at least 1", s.rounds))
	}
	if _, err := s.viewer(); err != nil {
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// viewer is what viewers ask for.
func (s *settings) viewer() (screen.Options, error) {
	options := screen.Options{Compress: s.compress}
	if s.compress < 0 || s.compress > 9 {
		return options, fmt.Errorf("--compress is %d, want 0 to 9", s.compress)
	}
	if s.quality == "lossless" {
		options.Quality = screen.Lossless
		return options, nil
	}
	if len(s.quality) != 1 || s.quality < "0" || s.quality > "9" {
		return options, fmt.Errorf("--quality is %q, want 0 to 9 or lossless", s.quality)
	}
	options.Quality = int(s.quality[0] - '0')
	return options, nil
}

// run is one run of a measuring command.
type run struct {
	*settings
	set      *target.Set
	report   *report.Report
	progress *progress
	screen   screen.Options
}

// measure opens the targets, has measure called, and writes the results, also
// those of a run that was interrupted after its first round.
func (s *settings) measure(ctx context.Context, name, title string, targets []string, measure func(context.Context, *run) error) (err error) {
	options, closeLine, err := s.place(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLine()) }()
	r := &run{settings: s, progress: newProgress(s.errOut)}
	r.screen, _ = s.viewer() // checked before
	r.report = &report.Report{
		Experiment: name, Title: title, At: time.Now(), Commit: s.build, Command: typed(),
		Machine:  report.ThisMachine(),
		Versions: []report.Fact{{Name: "Go", Value: runtime.Version()}},
		Parameters: []report.Fact{
			{Name: "Rounds", Value: fmt.Sprint(s.rounds)}, {Name: "Quality", Value: s.quality}, {Name: "Compression", Value: fmt.Sprint(s.compress)},
		},
	}
	if err := s.describeLine(r.report); err != nil {
		return err
	}
	r.progress.say("opening targets")
	if r.set, err = target.Open(ctx, targets, options); err != nil {
		r.progress.clear()
		return err
	}
	defer r.set.Close()
	for _, t := range r.set.Targets {
		for _, fact := range t.Facts {
			if !slices.Contains(r.report.Versions, fact) {
				r.report.Versions = append(r.report.Versions, fact)
			}
		}
	}
	err = measure(ctx, r)
	r.progress.clear()
	if err != nil {
		return err
	}
	return r.write()
}

// each calls measure for each target in each round, in turn. A round that
// fails is told and counts as missing; ctx's end ends everything.
func (r *run) each(ctx context.Context, measure func(context.Context, *target.Target) error) error {
	var last error
	done := 0
	for round := range r.rounds {
		for _, t := range r.set.Targets {
			r.progress.begin(fmt.Sprintf("round %d/%d  %s", round+1, r.rounds, t.Name))
			err := measure(ctx, t)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				last = err
				r.progress.clear()
				fmt.Fprintf(r.errOut, "round %d of %s failed: %v\n", round+1, t.Name, err)
				continue
			}
			done++
		}
	}
	if done == 0 {
		return fmt.Errorf("nothing was measured: %w", last)
	}
	return nil
}

// write shows the table and writes the files.
func (r *run) write() error {
	if r.json != "-" {
		if _, err := r.out.Write(r.report.Text()); err != nil {
			return fmt.Errorf("showing the table: %w", err)
		}
	}
	if r.json != "" {
		data, err := r.report.JSON()
		if err != nil {
			return err
		}
		if r.json == "-" {
			_, err = r.out.Write(data)
		} else {
			err = os.WriteFile(r.json, data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	if r.html == "" {
		return nil
	}
	page, err := r.report.HTML()
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.html, page, 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// allPIDs are the processes of a target and those that were named.
func (r *run) allPIDs(t *target.Target) []int {
	return append(slices.Clone(t.PIDs()), r.pids...)
}

// typed is the command line without what may be secret.
func typed() string {
	words := []string{"streamspace"}
	for _, word := range os.Args[1:] {
		words = append(words, target.Shown(word))
	}
	return strings.Join(words, " ")
}
