package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/viewer"
)

const (
	// rampBatch is how many viewers connect at a time: enough to be quick,
	// few enough that tickets are used long before their minute is over.
	rampBatch = 50
	// connectTimeout bounds one viewer's way to its first update. A relay
	// that needs longer holds no more viewers.
	connectTimeout = 20 * time.Second
	// servedTimeout bounds the update that all viewers get after the ramp.
	servedTimeout = time.Minute
	// idleReadBuffer keeps the client small; its memory is not counted.
	idleReadBuffer = 1 << 10
	// maxIdleKiB is the product's limit for the gateway's memory per viewer.
	maxIdleKiB = 24
)

// IdleOptions of the idle experiment.
type IdleOptions struct {
	Viewers int           // how many to connect
	Settle  time.Duration // rest before each reading of the memory
}

// Idle measures the memory that a relay holds per idle viewer, and that all of
// them are served: each gets a real update after the ramp.
func Idle(ctx context.Context, s Settings, options IdleOptions) error {
	r := s.begin(ctx, "idle", "Memory per idle viewer",
		report.Fact{Name: "viewers", Value: fmt.Sprint(options.Viewers)},
		report.Fact{Name: "settling", Value: options.Settle.String()})
	r.Versions = append(r.Versions, peerVersions(ctx)...)
	r.Notes = append(r.Notes,
		"Every viewer has completed the handshake, has had one update and waits for the next. Idle: before anything else happens. After an update: once more after each viewer has had one more update of 16 KiB.",
		"Proportional set size (PSS) of the relay's processes, less what they held before the first viewer, by the number of viewers held. The kernel's socket memory is not in it.",
		"A relay that holds fewer viewers than asked for is measured at what it held.")
	table := &report.Table{
		Title: "Memory",
		Columns: []report.Column{
			{Key: "held", Title: "viewers held", Digits: 0}, {Key: "served", Title: "served after the ramp", Digits: 0},
			{Key: "idle", Title: "PSS KiB/viewer, idle", Digits: 1}, {Key: "after", Title: "PSS KiB/viewer, after an update", Digits: 1},
			{Key: "rss", Title: "RSS KiB/viewer, after an update", Digits: 1}, {Key: "base", Title: "PSS MiB without viewers", Digits: 1},
		},
	}
	for round := range s.Rounds {
		for _, relay := range s.idleRelays() {
			if !s.wanted(relay.Name) || table.Row(relay.Name).NotMeasured != "" {
				continue
			}
			values, err := idleRound(ctx, s, relay, options)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && round == 0 {
				s.Log.Warn("a subject cannot be measured", "subject", relay.Name, "error", err)
				table.Row(relay.Name).NotMeasured = err.Error()
				continue
			}
			if err != nil {
				s.Log.Warn("a round failed", "subject", relay.Name, "error", err)
				values = nothing(table)
			}
			s.Log.Info("round", "subject", relay.Name, "round", round+1, "values", values)
			table.Row(relay.Name).Add(values)
		}
	}
	table.Compare("idle", nameGateway, "", report.Value, report.Target(maxIdleKiB))
	table.Compare("after", nameGateway, "", report.Value, report.Target(maxIdleKiB))
	table.Compare("after", nameWebsockify, nameGateway, report.Ratio, nil)
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

func (s Settings) idleRelays() []peer.Relay {
	return []peer.Relay{
		peer.Gateway(nameGateway, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...),
		peer.Gorilla(s.Self, 4<<10, peer.Tuning{}),
		peer.Gorilla(s.Self, 32<<10, peer.Tuning{}),
		peer.Splice(s.Self, peer.Tuning{}),
		peer.Websockify(),
	}
}

// idleRound starts a relay and a source of their own, so that no memory of an
// earlier round is counted. Relay, source and client are three processes: each
// may have 20,000 descriptors, and the relay needs two a viewer.
func idleRound(ctx context.Context, s Settings, relay peer.Relay, options IdleOptions) (map[string]float64, error) {
	desktops, err := peer.Launch(peer.Here(), s.Self.Command("idle-source"))
	if err != nil {
		return nil, err
	}
	defer desktops.Stop()
	upstream, err := peer.Ready(desktops)
	if err != nil {
		return nil, err
	}
	running, err := relay.Start(ctx, peer.Here(), upstream)
	if err != nil {
		return nil, err
	}
	defer running.Stop()
	if err := rest(ctx, options.Settle); err != nil {
		return nil, err
	}
	before, err := running.Usage()
	if err != nil {
		return nil, err
	}
	crowd := new(crowd)
	defer crowd.disperse()
	if err := ramp(ctx, running, options.Viewers, crowd.join); err != nil {
		s.Log.Warn("the ramp ended early", "subject", relay.Name, "viewers", crowd.size(), "error", err)
	}
	held := crowd.size()
	if held == 0 {
		return nil, fmt.Errorf("%s served no viewer at all", relay.Name)
	}
	if err := rest(ctx, options.Settle); err != nil {
		return nil, err
	}
	idle, err := running.Usage()
	if err != nil {
		return nil, err
	}
	served, err := crowd.served(ctx, func() error { return desktops.Tell("ring") })
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, options.Settle); err != nil {
		return nil, err
	}
	after, err := running.Usage()
	if err != nil {
		return nil, err
	}
	perViewer := func(bytes int64) float64 { return float64(bytes) / 1024 / float64(held) }
	return map[string]float64{
		"held": float64(held), "served": float64(served),
		"idle": perViewer(idle.PSS - before.PSS), "after": perViewer(after.PSS - before.PSS),
		"rss": perViewer(after.RSS - before.RSS), "base": float64(before.PSS) / (1 << 20),
	}, nil
}

// rest waits; an experiment that is interrupted ends at once.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// crowd is many idle viewers.
type crowd struct {
	watching sync.WaitGroup
	updates  atomic.Int64 // beyond each viewer's first

	mu      sync.Mutex
	viewers []*viewer.Viewer // guarded by mu
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.viewers)
}

// ramp lets n viewers in by join, in batches, and returns at the first that fails.
func ramp(ctx context.Context, relay *peer.Running, n int, join func(ctx context.Context, target string) error) error {
	for have := 0; have < n; have += rampBatch {
		targets, err := relay.Targets(min(rampBatch, n-have))
		if err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		for _, target := range targets {
			group.Go(func() error { return join(ctx, target) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// join connects one viewer, waits for its first update, asks for the next and
// leaves it waiting.
func (c *crowd) join(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	v, err := viewer.Connect(ctx, target, viewer.Options{ReadBuffer: idleReadBuffer})
	if err != nil {
		return err
	}
	release := context.AfterFunc(ctx, func() { v.Close() })
	err = v.Request(false)
	if err == nil {
		_, err = v.Next()
	}
	if err == nil {
		err = v.Request(true)
	}
	if err != nil || !release() {
		v.Close()
		return fmt.Errorf("waiting for a viewer's first update: %w", err)
	}
	c.mu.Lock()
	c.viewers = append(c.viewers, v)
	c.mu.Unlock()
	c.watching.Go(func() {
		for {
			if _, err := v.Next(); err != nil {
				return
			}
			c.updates.Add(1)
		}
	})
	return nil
}

// served makes every desktop change and returns how many viewers got the
// change in time.
func (c *crowd) served(ctx context.Context, change func() error) (int64, error) {
	if err := change(); err != nil {
		return 0, err
	}
	const interval = 50 * time.Millisecond
	for waited := time.Duration(0); waited < servedTimeout && c.updates.Load() < int64(c.size()); waited += interval {
		if err := rest(ctx, interval); err != nil {
			return 0, err
		}
	}
	return c.updates.Load(), nil
}

// disperse closes all viewers and waits for them.
func (c *crowd) disperse() {
	c.mu.Lock()
	viewers := c.viewers
	c.mu.Unlock()
	closeAll(viewers)
	c.watching.Wait()
}

func closeAll(viewers []*viewer.Viewer) {
	var closing sync.WaitGroup
	for _, v := range viewers {
		closing.Go(func() { v.Close() })
	}
	closing.Wait()
}

func idleCommand(s *Settings) *cobra.Command {
	options := IdleOptions{}
	command := &cobra.Command{
		Use: "idle", Short: "Memory per idle viewer", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Idle(command.Context(), *s, options) },
	}
	// Two descriptors a viewer in the relay, under a limit of 20,000.
	command.Flags().IntVar(&options.Viewers, "viewers", 9000, "how many viewers to connect")
	command.Flags().DurationVar(&options.Settle, "settle", 5*time.Second, "rest before each reading of the memory")
	return command
}
