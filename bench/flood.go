package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
)

const (
	// flooders are connections at a time over which bad tickets come.
	flooders = 32
	// floodAddresses is from how many addresses they come where they come from many.
	floodAddresses = 2000
	// maxFlooded is the product's limit: a good viewer's p99 with the flood against
	// with one that another process answers.
	maxFlooded = 1.2
)

// Flood measures what a viewer sees while others come with bad tickets.
func Flood(ctx context.Context, s Settings, rates []int, duration time.Duration) error {
	r := s.begin(ctx, "flood", "A good viewer, and a flood of bad tickets",
		report.Fact{Name: "bad tickets a second", Value: fmt.Sprint(rates)}, report.Fact{Name: "seconds a round", Value: fmt.Sprint(duration.Seconds())})
	r.Notes = append(r.Notes,
		"The good viewer gets 16 KiB 60 times a second. Bad tickets come over 32 connections that are kept, from one address that is not the viewer's or, each on a new connection, from 2,000 in turn. Ages as in latency.",
		"The client of the flood runs on the same two cores: part of what it does to the viewer is its own use of them. The same flood to a plain Go server beside the gateway, which answers 404, shows how much.")
	table := &report.Table{Title: "Flood", Columns: []report.Column{
		{Key: "p50", Title: "age p50 ms", Digits: 3}, {Key: "p99", Title: "p99 ms", Digits: 3},
		{Key: "refused", Title: "refused/s"}, {Key: "cost", Title: "gateway CPU µs a refusal", Digits: 1},
	}}
	desktop, err := startDesktop(ctx, source.Config{Kind: source.Raw16K, Pattern: source.Every(source.Rate(framesPerSecond))})
	if err != nil {
		return err
	}
	defer desktop.Stop()
	running, err := peer.Gateway(nameGateway, s.Relayhost, peer.Tuning{}, s.RelayhostFlags...).Start(ctx, peer.Here(), desktop.TCP)
	if err != nil {
		return err
	}
	defer running.Stop()
	plain, err := startPlain(ctx)
	if err != nil {
		return err
	}
	defer plain.Close()
	quiet := floodOf{name: "no flood"}
	for range s.Rounds {
		for _, flood := range append([]floodOf{quiet}, floods(rates, plain.Addr().String())...) {
			values, err := flood.round(ctx, running, duration)
			if err != nil {
				return err
			}
			s.Log.Info("round", "subject", flood.name, "values", values)
			table.Row(flood.name).Add(values)
		}
	}
	for all := floods(rates, ""); len(all) > 0; all = all[3:] {
		table.Compare("p99", all[0].name, quiet.name, report.Ratio, nil)
		table.Compare("p99", all[1].name, all[0].name, report.Ratio, report.Target(maxFlooded))
		table.Compare("p99", all[2].name, all[0].name, report.Ratio, report.Target(maxFlooded))
	}
	r.Tables = append(r.Tables, table)
	return s.finish(r)
}

// startPlain starts a server that refuses everything.
func startPlain(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a plain server: %w", err)
	}
	go http.Serve(listener, http.NotFoundHandler()) // ends with its listener
	return listener, nil
}

// floodOf is one kind of flood.
type floodOf struct {
	name  string
	rate  int    // a second
	many  bool   // from many addresses
	plain string // host:port instead of the gateway's
}

func floods(rates []int, plain string) (all []floodOf) {
	for _, rate := range rates {
		all = append(all,
			floodOf{name: fmt.Sprintf("%d/s to a plain server", rate), rate: rate, plain: plain},
			floodOf{name: fmt.Sprintf("%d/s from one address", rate), rate: rate},
			floodOf{name: fmt.Sprintf("%d/s from many addresses", rate), rate: rate, many: true})
	}
	return all
}

func (f floodOf) round(ctx context.Context, relay *peer.Running, duration time.Duration) (map[string]float64, error) {
	targets, err := relay.Targets(1)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(targets[0])
	if err != nil {
		return nil, fmt.Errorf("the gateway's address: %w", err)
	}
	if f.plain != "" {
		at.Host = f.plain
	}
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	var refused atomic.Int64
	var all sync.WaitGroup
	if f.rate > 0 {
		every := time.Second * flooders / time.Duration(f.rate)
		for i := range flooders {
			all.Go(func() { f.pour(flooding, at, i, every, &refused) })
		}
	}
	before, err := relay.CPU()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	seen, err := ages(ctx, relay, viewer.Options{}, duration, nil)
	if err != nil {
		return nil, err
	}
	after, err := relay.CPU()
	if err != nil {
		return nil, err
	}
	count := float64(refused.Load())
	values := map[string]float64{"p50": report.Median(seen), "p99": report.Quantile(seen, 0.99), "refused": count / time.Since(began).Seconds()}
	if count > 0 && f.plain == "" {
		values["cost"] = float64((after - before).Microseconds()) / count
	}
	stop()
	all.Wait()
	return values, nil
}

// pour sends bad tickets over one connection after the other until ctx ends.
func (f floodOf) pour(ctx context.Context, at *url.URL, number int, every time.Duration, refused *atomic.Int64) {
	request := "GET " + at.Path + "?ticket=" + strings.Repeat("bad-", 60) + " HTTP/1.1\r\nHost: " + at.Host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := number; ctx.Err() == nil; n += flooders {
		from := net.IPv4(127, 0, 0, 2)
		if f.many {
			from = net.IPv4(127, 1, byte(n%floodAddresses>>8), byte(n%floodAddresses))
		}
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		conn, err := dialer.DialContext(ctx, "tcp", at.Host)
		if err != nil {
			<-ticker.C
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		for in := bufio.NewReader(conn); ; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
			if _, err := io.WriteString(conn, request); err != nil {
				break
			}
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				break
			}
			_, err = io.Copy(io.Discard, answer.Body)
			refused.Add(1)
			if err != nil || answer.Close || f.many {
				break
			}
		}
		stop()
		conn.Close()
	}
}

func floodCommand(s *Settings) *cobra.Command {
	var rates []int
	var duration time.Duration
	command := &cobra.Command{
		Use: "flood", Short: "A good viewer, and a flood of bad tickets", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Flood(command.Context(), *s, rates, duration) },
	}
	command.Flags().IntSliceVar(&rates, "rates", []int{500, 2000}, "bad tickets a second")
	command.Flags().DurationVar(&duration, "duration", 8*time.Second, "length of a round")
	return command
}
