package redis

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

// sessionsKept is how many sessions are in Redis while something is measured.
const sessionsKept = 100_000

// loaded is a broker on a Redis of its own that knows many sessions.
type loaded struct {
	*testing.B
	*Broker
	server   *client.Client
	sessions []streamspace.SessionID
}

func load(b *testing.B, sessions int) *loaded {
	b.Helper()
	server := redistest.Start(b)
	options := Options{Addresses: []string{server.Address}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Timeout: 10 * time.Second}
	broker, err := New(options)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- broker.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	l := &loaded{b, broker, server.Client(b), make([]streamspace.SessionID, sessions)}
	var group sync.WaitGroup
	for part := range slices.Chunk(l.sessions, max(1, sessions/32)) {
		group.Go(func() {
			for i := range part {
				part[i] = streamspace.NewSessionID()
				if err := l.Publish(ctx, route(part[i])); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return l
}

func route(session streamspace.SessionID) broker.Route {
	return broker.Route{Session: session, Address: "tcp:10.42.17.203:5900", Secret: make([]byte, 16), Epoch: 3}
}

// run is b.Run with what was loaded before: that takes longer than what is measured.
func (l *loaded) run(name string, f func(l *loaded)) {
	l.B.Run(name, func(b *testing.B) {
		own := *l
		own.B = b
		f(&own)
	})
}

// measure runs f on that many goroutines at once and reports calls a second,
// their 50th and 99th percentile, and what they cost Redis.
func (l *loaded) measure(at int, f func(i int) error) {
	took := make([][]time.Duration, at)
	before := l.serverCPU()
	l.ResetTimer()
	began := time.Now()
	var group sync.WaitGroup
	for g := range at {
		group.Go(func() {
			for i := g; i < l.N; i += at {
				start := time.Now()
				if err := f(i); err != nil {
					l.Error(err)
					return
				}
				took[g] = append(took[g], time.Since(start))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	l.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	l.ReportMetric(float64(l.N)/elapsed.Seconds(), "calls/s")
	l.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	l.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	l.ReportMetric(float64((l.serverCPU()-before).Microseconds())/float64(l.N), "redis-µs/op")
}

// serverCPU is what the server has used so far.
func (l *loaded) serverCPU() time.Duration {
	info, err := l.server.Info(context.Background(), "cpu").Result()
	if err != nil {
		l.Fatal(err)
	}
	var total float64
	for line := range strings.SplitSeq(info, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, _ := strconv.ParseFloat(value, 64)
			total += seconds
		}
	}
	return time.Duration(total * float64(time.Second))
}

// each runs the measurement with one caller, and with many.
func each(b *testing.B, sessions int, f func(l *loaded, i int) error) {
	l := load(b, sessions)
	for _, at := range []int{1, 32} {
		l.run(fmt.Sprintf("callers=%d", at), func(l *loaded) {
			l.measure(at, func(i int) error { return f(l, i) })
		})
	}
}

func BenchmarkRoute(b *testing.B) {
	ctx := context.Background()
	each(b, sessionsKept, func(l *loaded, i int) error {
		_, err := l.Route(ctx, l.sessions[i*7919%len(l.sessions)])
		return err
	})
}

// A route found by many that ask at once, in one pipeline.
func BenchmarkRoutePipelined(b *testing.B) {
	const together = 100
	ctx := context.Background()
	load(b, sessionsKept).run("callers=4", func(l *loaded) {
		l.measure(4, func(i int) error {
			_, err := l.client.Pipelined(ctx, func(p client.Pipeliner) error {
				for j := range together {
					p.Get(ctx, l.keys.of(l.sessions[(i*together+j)*7919%len(l.sessions)], "route"))
				}
				return nil
			})
			return err
		})
		l.ReportMetric(together, "routes/op")
	})
}

// What a session takes of Redis's memory: a route, then also a claim and the
// presence of one viewer.
func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	l := load(b, sessionsKept)
	l.run("session", func(l *loaded) {
		empty := load(l.B, 0).memory()
		l.ReportMetric(float64(l.memory()-empty)/sessionsKept, "B/route")
		gateway := streamspace.NewGatewayID()
		var group errgroup.Group
		group.SetLimit(300)
		for _, session := range l.sessions {
			group.Go(func() error {
				if _, err := l.Claim(ctx, session, gateway, time.Hour); err != nil {
					return err
				}
				return l.Join(ctx, broker.Viewer{
					ID: streamspace.NewViewerID(), Session: session, User: streamspace.NewUserID(), Name: "Ada Lovelace", Gateway: gateway,
					Permissions: streamspace.OwnerPermissions, Since: time.Now(),
				}, time.Hour)
			})
		}
		if err := group.Wait(); err != nil {
			l.Fatal(err)
		}
		l.ReportMetric(float64(l.memory()-empty)/sessionsKept, "B/watched-session")
	})
}

// memory is what the server uses.
func (l *loaded) memory() int64 {
	info, err := l.server.Info(context.Background(), "memory").Result()
	if err != nil {
		l.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	text, _, _ := strings.Cut(rest, "\r")
	bytes, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		l.Fatal(err)
	}
	return bytes
}

func BenchmarkClaim(b *testing.B) {
	ctx := context.Background()
	gateway := streamspace.NewGatewayID()
	each(b, sessionsKept, func(l *loaded, i int) error {
		_, err := l.Claim(ctx, l.sessions[i*7919%len(l.sessions)], gateway, time.Minute)
		return err
	})
}

// The way of a viewer into a desktop that runs, as far as the broker goes.
func BenchmarkAdmission(b *testing.B) {
	ctx := context.Background()
	gateway := streamspace.NewGatewayID()
	each(b, sessionsKept, func(l *loaded, i int) error {
		viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: l.sessions[i*7919%len(l.sessions)], User: "usr_1", Gateway: gateway}
		if err := l.Redeem(ctx, streamspace.NewTicketID(), time.Now().Add(time.Minute)); err != nil {
			return err
		}
		if _, _, err := l.Revoked(ctx, viewer, time.Now()); err != nil {
			return err
		}
		if _, err := l.Route(ctx, viewer.Session); err != nil {
			return err
		}
		if _, err := l.Claim(ctx, viewer.Session, gateway, time.Minute); err != nil {
			return err
		}
		return l.Join(ctx, viewer, time.Minute)
	})
}

// A round of heartbeats: of 100 gateways, each announces itself, renews 50
// claims and prolongs the presence of 100 viewers: one call after the other, all
// calls at once as a gateway makes them, and in a pipeline made by hand. Ten
// gateways beat at once.
func BenchmarkHeartbeatRound(b *testing.B) {
	const gateways, desktops, viewersEach = 100, 50, 2
	ctx := context.Background()
	l := load(b, sessionsKept)
	for _, way := range []string{"single", "together", "pipelined"} {
		l.run(way, func(l *loaded) {
			var rounds []func() error
			for range gateways {
				node := broker.Node{Gateway: streamspace.NewGatewayID()}
				var claims []broker.Claim
				var viewers []broker.Viewer
				for range desktops {
					claim, err := l.Claim(ctx, streamspace.NewSessionID(), node.Gateway, time.Hour)
					if err != nil {
						l.Fatal(err)
					}
					claims = append(claims, claim)
					for range viewersEach {
						viewers = append(viewers, broker.Viewer{ID: streamspace.NewViewerID(), Session: claim.Session, User: "usr_1", Gateway: node.Gateway})
					}
				}
				rounds = append(rounds, func() error { return l.round(ctx, node, claims, viewers, way) })
			}
			l.measure(10, func(i int) error { return rounds[i%gateways]() })
			l.ReportMetric(1+desktops+desktops*viewersEach, "beats/op")
		})
	}
}

func (l *loaded) round(ctx context.Context, node broker.Node, claims []broker.Claim, viewers []broker.Viewer, way string) error {
	if err := l.Announce(ctx, node, time.Hour); err != nil {
		return err
	}
	switch way {
	case "together":
		var group errgroup.Group
		for _, claim := range claims {
			group.Go(func() error { _, err := l.Renew(ctx, claim, time.Hour); return err })
		}
		for _, viewer := range viewers {
			group.Go(func() error { return l.Join(ctx, viewer, time.Hour) })
		}
		return group.Wait()
	case "pipelined":
		_, err := l.client.Pipelined(ctx, func(p client.Pipeliner) error {
			for _, claim := range claims {
				r := l.renewal(claim, time.Hour)
				l.scripts.hold.EvalSha(ctx, p, r.keys(l.keys), r.arguments()...)
			}
			for _, viewer := range viewers {
				keys, arguments, _ := l.joining(viewer, time.Hour)
				l.scripts.join.EvalSha(ctx, p, keys, arguments...)
			}
			return nil
		})
		return err
	}
	for _, claim := range claims {
		if _, err := l.Renew(ctx, claim, time.Hour); err != nil {
			return err
		}
	}
	for _, viewer := range viewers {
		if err := l.Join(ctx, viewer, time.Hour); err != nil {
			return err
		}
	}
	return nil
}
