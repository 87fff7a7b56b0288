package bench

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
)

// Ingress measures how fast a gateway answers load balancers, against nginx's own
// answer to everything.
func Ingress(ctx context.Context, s Settings, program string, duration time.Duration) error {
	r := s.begin(ctx, "ingress", "Answers to load balancers", report.Fact{Name: "seconds a round", Value: fmt.Sprint(duration.Seconds())},
		report.Fact{Name: "connections", Value: "64, kept"})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Versions = append(r.Versions, report.Fact{Name: "wrk", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "wrk")})
	r.Notes = append(r.Notes,
		"wrk (one thread) asks the same for all; it shares the two cores with who answers. nginx has two workers and says return 200, without a log.",
		"Good tickets: each answer has an Ed25519 signature verified, and a gateway of the fleet chosen. Bad: the ticket is no ticket. Affinity: at which gateway a session's viewers meet.")
	table := &report.Table{Title: "Answers", Columns: []report.Column{
		{Key: "rate", Title: "requests/s"}, {Key: "p50", Title: "p50 ms", Digits: 2}, {Key: "p99", Title: "p99 ms", Digits: 2},
	}}
	f, err := furnish(ctx, program, 3, 1, 1)
	if err != nil {
		return err
	}
	defer f.remove(ctx)
	plain, stop, err := returns200(ctx)
	if err != nil {
		return err
	}
	defer stop()
	const peerName, good = "nginx, return 200", "gateway, a good ticket"
	asked := "http://" + f.Gateways[0].Ingress
	for range s.Rounds {
		address, err := f.client.Connect(ctx, f.sessions[0]) // a ticket is good for a minute
		if err != nil {
			return err
		}
		stream, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("a stream's address: %w", err)
		}
		for _, ask := range []struct{ name, at, original string }{
			{peerName, plain, stream.RequestURI()},
			{good, asked + "/auth", stream.RequestURI()},
			{"gateway, a bad ticket", asked + "/auth", stream.Path + "?ticket=bad"},
			{"gateway, affinity", asked + "/route/" + f.sessions[0], ""},
		} {
			values, err := wrk(ctx, duration, ask.at, ask.original)
			if err != nil {
				return fmt.Errorf("asking %s: %w", ask.name, err)
			}
			s.Log.Info("round", "subject", ask.name, "values", values)
			table.Row(ask.name).Add(values)
		}
	}
	for _, name := range []string{good, "gateway, a bad ticket", "gateway, affinity"} {
		table.Compare("rate", name, peerName, report.Ratio, nil)
		table.Compare("p99", name, peerName, report.Ratio, nil)
	}
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

// returns200 starts an nginx that answers everything so.
func returns200(ctx context.Context) (address string, stop func(), err error) {
	folder, err := os.MkdirTemp("", "streamspace-bench-nginx-")
	if err != nil {
		return "", nil, fmt.Errorf("making a folder: %w", err)
	}
	listen, err := peer.FreePort(peer.Here())
	if err != nil {
		return "", nil, err
	}
	conf := fmt.Sprintf(`pid %[1]s/pid; error_log stderr; daemon off; worker_processes 2;
events { worker_connections 1000; }
http { access_log off; keepalive_requests 1000000000; server { listen %[2]s; location / { return 200 "ok\n"; } } }
`, folder, listen)
	path := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		return "", nil, fmt.Errorf("writing nginx's configuration: %w", err)
	}
	process, err := peer.Launch(peer.Here(), exec.Command("/usr/sbin/nginx", "-p", folder, "-c", path, "-e", "stderr"))
	if err != nil {
		return "", nil, fmt.Errorf("nginx (apt-get install nginx): %w", err)
	}
	stop = func() { process.Stop(); os.RemoveAll(folder) }
	if err := process.Answers(ctx, peer.Here(), "tcp", listen); err != nil {
		stop()
		return "", nil, err
	}
	return "http://" + listen + "/", stop, nil
}

var wrkSays = map[string]*regexp.Regexp{
	"rate": regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`),
	"p50":  regexp.MustCompile(`50%\s+([0-9.]+)(us|ms|s)`),
	"p99":  regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`),
}

// wrk runs the load generator of that name.
func wrk(ctx context.Context, duration time.Duration, address, original string) (map[string]float64, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c64", fmt.Sprintf("-d%ds", max(1, int(duration.Seconds()))), "--latency",
		"-H", "X-Original-URI: "+original, address).Output()
	if err != nil {
		return nil, fmt.Errorf("wrk (apt-get install wrk): %w", err)
	}
	values := map[string]float64{}
	for key, says := range wrkSays {
		found := says.FindSubmatch(out)
		if found == nil {
			return nil, fmt.Errorf("wrk does not say %s", key)
		}
		if values[key], err = strconv.ParseFloat(string(found[1]), 64); err != nil {
			return nil, fmt.Errorf("wrk's %s: %w", key, err)
		}
		if len(found) > 2 {
			values[key] *= map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[string(found[2])]
		}
	}
	return values, nil
}

func ingressCommand(s *Settings) *cobra.Command {
	var program string
	var duration time.Duration
	command := &cobra.Command{
		Use: "ingress", Short: "How fast a gateway answers load balancers, against nginx", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return Ingress(command.Context(), *s, program, duration)
		},
	}
	command.Flags().StringVar(&program, "program", "bin/streamspace", "the program under test")
	command.Flags().DurationVar(&duration, "duration", 8*time.Second, "length of a round")
	return command
}
