package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace/bench/fleet"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/product"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/rfb"
)

// FleetOptions of the fleet experiment.
type FleetOptions struct {
	Program  string // streamspace
	Gateways int
	Planes   int
	Sessions int
	Active   int // sessions in which something changes ten times a second
	Idle     int // viewers of the others
	Busy     int // viewers of those
	Settle   time.Duration
	Measure  time.Duration
}

const (
	// Goals for the longest gap that a viewer sees, in milliseconds.
	maxGapKilled  = 1000
	maxGapDrained = 300
	// enterAtOnce is how many viewers come at a time.
	enterAtOnce = 8
	// ticking is typed into the terminals of active sessions.
	ticking = "while :; do date +%s%N; sleep 0.1; done\n"
)

// Fleet measures a whole installation: what viewers cost each of its processes,
// and what they see when gateways are killed and when everything is restarted.
func Fleet(ctx context.Context, s Settings, options FleetOptions) error {
	r := s.begin(ctx, "fleet", "A fleet behind nginx",
		report.Fact{Name: "gateways", Value: fmt.Sprint(options.Gateways)}, report.Fact{Name: "control planes", Value: fmt.Sprint(options.Planes)},
		report.Fact{Name: "sessions", Value: fmt.Sprintf("%d, of which %d change ten times a second", options.Sessions, options.Active)},
		report.Fact{Name: "viewers", Value: fmt.Sprintf("%d of idle sessions, %d of active ones", options.Idle, options.Busy)})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Versions = append(r.Versions, report.Fact{Name: "Redis", Value: report.ProgramVersion(ctx, "redis-server", "--version")})
	r.Notes = append(r.Notes,
		"Desktops, viewers, fleet, database, Redis and nginx share two cores. Viewers come through nginx with deploy/balancers/nginx.conf, read what comes, answer fences and come back as the web page does.",
		"KiB a viewer: proportional set size of all gateways, less what they held before the first viewer, by the number of viewers; hubs and framebuffers of the shared sessions are in it. Of the control planes, Redis and nginx likewise.",
		"A gap is from the end of a viewer's stream to the first pixels of its next one. Lost are viewers who are not back half a minute later. New tickets: viewers who came back by the API and not with the gateway's word.",
		"The rolling restart ends each gateway and then each control plane with SIGTERM and starts it again, one after the other.")
	cost := &report.Table{Title: "Cost", Columns: []report.Column{
		{Key: "viewers", Title: "viewers"}, {Key: "gateway", Title: "gateways, KiB a viewer", Digits: 1}, {Key: "gatewayCPU", Title: "gateways, cores", Digits: 3},
		{Key: "plane", Title: "control planes, KiB a viewer", Digits: 1}, {Key: "planeCPU", Title: "control planes, cores", Digits: 3},
		{Key: "redis", Title: "Redis, KiB a viewer", Digits: 1}, {Key: "redisCPU", Title: "Redis, cores", Digits: 3},
		{Key: "nginx", Title: "nginx, KiB a viewer", Digits: 1}, {Key: "nginxCPU", Title: "nginx, cores", Digits: 3}, {Key: "updates", Title: "updates/s"},
	}}
	gaps := &report.Table{Title: "Gaps", Columns: []report.Column{
		{Key: "streams", Title: "streams that broke"}, {Key: "p50", Title: "gap p50 ms"}, {Key: "p99", Title: "p99 ms"}, {Key: "max", Title: "longest ms"},
		{Key: "tickets", Title: "new tickets"}, {Key: "lost", Title: "viewers lost"},
	}}
	for round := range s.Rounds {
		if err := s.fleetRound(ctx, options, cost, gaps); err != nil {
			return err
		}
		s.Log.Info("round", "round", round+1)
	}
	gaps.Compare("p99", "a gateway is killed", "", report.Value, report.Target(maxGapKilled))
	gaps.Compare("p99", "a gateway is drained", "", report.Value, report.Target(maxGapDrained))
	r.Tables = append(r.Tables, cost, gaps)
	return s.finish(r)
}

// crowd of a fleet.
type patrons []*fleet.Patron

func (s Settings) fleetRound(ctx context.Context, options FleetOptions, cost, gaps *report.Table) error {
	f, err := furnish(ctx, options.Program, options.Gateways, options.Planes, options.Sessions)
	if err != nil {
		return err
	}
	defer f.remove(ctx)
	s.Log.Info("sessions run", "sessions", len(f.sessions))
	before := measureFleet(f.Fleet)
	all, err := enter(ctx, f.client, f.sessions, options)
	defer all.leave()
	if err != nil {
		return err
	}
	s.Log.Info("viewers are there", "viewers", len(all))
	if err := rest(ctx, options.Settle); err != nil {
		return err
	}
	at, updates := measureFleet(f.Fleet), all.updates()
	if err := rest(ctx, options.Measure); err != nil {
		return err
	}
	cost.Row("all").Add(fleetCosts(before, at, measureFleet(f.Fleet), len(all), float64(all.updates()-updates)/options.Measure.Seconds(), options.Measure))

	for _, event := range []struct {
		name string
		do   func() error
	}{
		{"a gateway is killed", func() error {
			f.Gateways[0].End(syscall.SIGKILL)
			return rest(ctx, options.Settle)
		}},
		{"it comes back", func() error { return f.Gateways[0].Begin(ctx) }},
		{"a gateway is drained", func() error {
			f.Gateways[1].End(syscall.SIGTERM)
			return rest(ctx, options.Settle)
		}},
		{"it comes back", func() error { return f.Gateways[1].Begin(ctx) }},
		{"everything is restarted in turn", func() error {
			for _, m := range append(slices.Clone(f.Gateways), f.Planes...) {
				m.End(syscall.SIGTERM)
				if err := m.Begin(ctx); err != nil {
					return err
				}
				if err := rest(ctx, options.Settle/2); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		all.forget()
		if err := event.do(); err != nil {
			return fmt.Errorf("when %s: %w", event.name, err)
		}
		values := all.gaps(ctx)
		s.Log.Info(event.name, "values", values)
		if event.name != "it comes back" {
			gaps.Row(event.name).Add(values)
		}
	}
	return nil
}

// furnished is a fleet with sessions and somebody who is signed in.
type furnished struct {
	*fleet.Fleet
	client   *product.Client
	sessions []string
}

// furnish starts all of it. remove must be called.
func furnish(ctx context.Context, program string, gateways, planes, sessions int) (in *furnished, err error) {
	in = &furnished{}
	if in.Fleet, err = fleet.Start(ctx, program, "deploy/balancers/nginx.conf", gateways, planes); err != nil {
		return nil, err
	}
	if in.client, err = product.New(in.Front); err != nil {
		in.Stop()
		return nil, err
	}
	if err = in.client.SignIn(ctx, in.Username, in.Password); err == nil {
		in.sessions, err = startSessions(ctx, in.client, sessions)
	}
	if err != nil {
		in.remove(ctx)
		return nil, err
	}
	return in, nil
}

// remove ends everything.
func (in *furnished) remove(ctx context.Context) {
	for _, id := range in.sessions {
		in.client.Stop(context.WithoutCancel(ctx), id)
	}
	in.client.Close()
	in.Stop()
}

// startSessions starts terminals and waits until all run.
func startSessions(ctx context.Context, client *product.Client, count int) (ids []string, err error) {
	for len(ids) < count {
		session, err := client.Start(ctx, "terminal")
		if err != nil {
			return ids, err
		}
		ids = append(ids, session.ID)
		if err := client.Running(ctx, session.ID); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// enter lets viewers in: the first sessions are the active ones.
func enter(ctx context.Context, client *product.Client, sessions []string, options FleetOptions) (all patrons, err error) {
	ticket := func(id string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return client.Connect(ctx, id) }
	}
	where := make([]string, 0, options.Busy+options.Idle)
	for i := range options.Busy {
		where = append(where, sessions[i%options.Active])
	}
	quiet := sessions[options.Active:]
	for i := range options.Idle {
		where = append(where, quiet[i%len(quiet)])
	}
	all = make(patrons, len(where))
	group, entering := errgroup.WithContext(ctx)
	group.SetLimit(enterAtOnce)
	for i, id := range where {
		group.Go(func() (err error) {
			if all[i], err = fleet.Enter(entering, ticket(id)); err == nil && i < options.Active {
				err = tick(entering, all[i])
			}
			return err
		})
	}
	err = group.Wait()
	return all.present(), err
}

// present leaves out who did not get in.
func (all patrons) present() patrons {
	return slices.DeleteFunc(all, func(p *fleet.Patron) bool { return p == nil })
}

// tick makes the desktop of that viewer change ten times a second. Its terminal may
// not be there yet.
func tick(ctx context.Context, p *fleet.Patron) error {
	for range 20 {
		before := p.Updates.Load()
		p.Send(typed(ticking))
		if err := rest(ctx, time.Second); err != nil {
			return err
		}
		seen := p.Updates.Load()
		if err := rest(ctx, time.Second); err != nil {
			return err
		}
		if p.Updates.Load()-seen >= 4 && seen > before {
			return nil
		}
	}
	return errors.New("what is typed into a terminal does not show")
}

// typed is a text as key events.
func typed(text string) (b []byte) {
	for _, c := range text {
		keysym := uint32(c)
		if c == '\n' {
			keysym = 0xff0d
		}
		b = rfb.AppendKeyEvent(b, rfb.KeyEvent{Down: true, Keysym: keysym})
		b = rfb.AppendKeyEvent(b, rfb.KeyEvent{Keysym: keysym})
	}
	return b
}

func (all patrons) leave() {
	var leaving errgroup.Group
	for _, p := range all {
		leaving.Go(func() error { p.Leave(); return nil })
	}
	leaving.Wait()
}

func (all patrons) updates() (sum int64) {
	for _, p := range all {
		sum += p.Updates.Load()
	}
	return sum
}

// forget begins a new count.
func (all patrons) forget() {
	for _, p := range all {
		p.Gaps()
		p.Breaks.Store(0)
		p.Tickets.Store(0)
	}
}

// lostAfter is how long viewers are waited for who are not back.
const lostAfter = 30 * time.Second

// gaps waits until everybody is back, and tells what they saw.
func (all patrons) gaps(ctx context.Context) map[string]float64 {
	var seen []float64
	var breaks, tickets int64
	for deadline := time.Now().Add(lostAfter); ; {
		breaks, tickets = 0, 0
		for _, p := range all {
			for _, gap := range p.Gaps() {
				seen = append(seen, float64(gap.Microseconds())/1000)
			}
			breaks += p.Breaks.Load()
			tickets += p.Tickets.Load()
		}
		if int64(len(seen)) >= breaks || time.Now().After(deadline) || rest(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	slices.Sort(seen)
	at := func(q float64) float64 {
		if len(seen) == 0 {
			return 0
		}
		return seen[min(int(q*float64(len(seen))), len(seen)-1)]
	}
	return map[string]float64{
		"streams": float64(breaks), "p50": at(.5), "p99": at(.99), "max": at(1), "tickets": float64(tickets), "lost": float64(breaks - int64(len(seen))),
	}
}

// fleetUsage is what each kind of process uses.
type fleetUsage struct{ gateways, planes, redis, nginx peer.Usage }

func measureFleet(f *fleet.Fleet) (u fleetUsage) {
	add := func(sum *peer.Usage, name string, pids ...int) {
		used := peer.ByName(pids...)[name]
		sum.CPU += used.CPU
		sum.PSS += used.PSS
	}
	for _, m := range f.Gateways {
		add(&u.gateways, "streamspace", m.PID())
	}
	for _, m := range f.Planes {
		add(&u.planes, "streamspace", m.PID())
	}
	add(&u.redis, "redis-server", f.Redis.PID())
	add(&u.nginx, "nginx", f.Nginx.PID())
	return u
}

func fleetCosts(before, at, after fleetUsage, viewers int, updates float64, passed time.Duration) map[string]float64 {
	memory := func(now, base peer.Usage) float64 { return float64(now.PSS-base.PSS) / 1024 / float64(viewers) }
	cores := func(now, base peer.Usage) float64 { return (now.CPU - base.CPU).Seconds() / passed.Seconds() }
	return map[string]float64{
		"viewers": float64(viewers), "updates": updates,
		"gateway": memory(after.gateways, before.gateways), "gatewayCPU": cores(after.gateways, at.gateways),
		"plane": memory(after.planes, before.planes), "planeCPU": cores(after.planes, at.planes),
		"redis": memory(after.redis, before.redis), "redisCPU": cores(after.redis, at.redis),
		"nginx": memory(after.nginx, before.nginx), "nginxCPU": cores(after.nginx, at.nginx),
	}
}

func fleetCommand(s *Settings) *cobra.Command {
	options := FleetOptions{}
	command := &cobra.Command{
		Use: "fleet", Short: "A whole fleet: cost of viewers, gateways killed and drained, a rolling restart", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Fleet(command.Context(), *s, options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.Program, "program", "bin/streamspace", "the program under test")
	flags.IntVar(&options.Gateways, "gateways", 3, "gateways")
	flags.IntVar(&options.Planes, "planes", 2, "control planes")
	flags.IntVar(&options.Sessions, "sessions", 50, "sessions")
	flags.IntVar(&options.Active, "active", 10, "sessions of them in which something changes")
	flags.IntVar(&options.Idle, "idle", 1000, "viewers of sessions in which nothing changes")
	flags.IntVar(&options.Busy, "busy", 100, "viewers of the others")
	flags.DurationVar(&options.Settle, "settle", 6*time.Second, "rest after each event")
	flags.DurationVar(&options.Measure, "measure", 20*time.Second, "length of the measurement of cost")
	return command
}
