package tool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/trace"
	"github.com/streamspace/streamspace/rfb"
)

func recordCommand(s *settings) *cobra.Command {
	var name string
	var duration time.Duration
	command := &cobra.Command{
		Use:   "record TARGET FILE",
		Short: "Record what a server sends, in exact pixels and with its times",
		Long: `Record a screen, so that anyone can repeat it with replay. With --scene the marker
program there plays a workload from its beginning; without, whatever happens there is
recorded.

` + target.Usage,
		Example: "  streamspace bench record --scene scroll --duration 10s xvnc:// scroll.rfbtrace",
		Args:    cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			return s.record(command.Context(), args[0], args[1], scene.Name(name), duration)
		},
	}
	s.connects(command)
	command.Flags().StringVar(&name, "scene", "", fmt.Sprintf("what to play, of %v", scene.Names()))
	command.Flags().DurationVar(&duration, "duration", 10*time.Second, "how long")
	return command
}

func (s *settings) record(ctx context.Context, from, file string, name scene.Name, duration time.Duration) (err error) {
	options, closeLine, err := s.place(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLine()) }()
	set, err := target.Open(ctx, []string{from}, options)
	if err != nil {
		return err
	}
	defer set.Close()
	t := set.Targets[0]
	if name != "" {
		if err := t.Direct(ctx, name, false); err != nil {
			return err
		}
	}
	var recorder *trace.Recorder
	watching, err := t.Connect(ctx, screen.Options{
		Quality: screen.Lossless, Blind: true, Offer: trace.Offer(),
		Tap: func(m rfb.ServerMessage) { recorder.Add(m, time.Now()) },
	})
	if err != nil {
		return err
	}
	defer watching.Close()
	source := t.Name
	if name != "" {
		source += ", scene " + string(name)
	}
	recorder = trace.NewRecorder(watching.Width, watching.Height, watching.Name, source)
	limited, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	progress := newProgress(s.errOut)
	progress.begin("recording " + t.Name)
	begin := time.Now()
	err = watching.Run(limited, func(screen.Update) bool {
		progress.tell(min(1, float64(time.Since(begin))/float64(duration)), "")
		return true
	})
	progress.clear()
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(ctx.Err(), err)
	}
	recorded, err := recorder.Trace()
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing the recording: %w", err)
	}
	if err := errors.Join(recorded.Write(out), out.Close()); err != nil {
		return fmt.Errorf("writing the recording: %w", err)
	}
	h := recorded.Header
	fmt.Fprintf(s.out, "%s: %d × %d, %d updates, %.1f Mpixel, %.1f s\n", file, h.Width, h.Height, h.Updates, float64(h.Pixels)/1e6, h.Duration.Seconds())
	return nil
}

func replayCommand() *cobra.Command {
	var listen string
	var options trace.Options
	command := &cobra.Command{
		Use:   "replay FILE",
		Short: "Be an RFB server that plays a recording to each viewer",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			t, err := trace.Read(file)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			network, address := "tcp", listen
			if path, ok := strings.CutPrefix(listen, "unix:"); ok {
				network, address = "unix", path
			}
			listener, err := net.Listen(network, address)
			if err != nil {
				return fmt.Errorf("listening: %w", err)
			}
			options.Log = slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
			fmt.Fprintf(command.OutOrStdout(), "ready %s:%s\n", network, listener.Addr())
			return trace.NewServer(t, options).Run(command.Context(), listener)
		},
	}
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:5999", "`address` for viewers, host:port or unix:/path")
	command.Flags().Float64Var(&options.Speed, "speed", 1, "how many times as fast as recorded; 0 is as fast as viewers ask")
	command.Flags().BoolVar(&options.Loop, "loop", false, "begin again at the end")
	return command
}
