package tool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/wan"
)

// place makes what targets are opened with and, where one is asked for, the
// line between them and viewers. The function ends the line.
func (s *settings) place(ctx context.Context) (target.Options, func() error, error) {
	options := target.Options{
		Insecure: s.insecure, Template: s.template, Geometry: s.geometry, Server: s.server,
		Scene: func(display string) []string {
			return append(append([]string(nil), s.self...), "scene", "--display", display)
		},
	}
	if options.Server == "" {
		options.Server = s.self[0]
	}
	var err, otherErr error
	options.APIKey, err = target.Secret(s.apiKeyFile)
	options.Password, otherErr = target.Secret(s.passwordTo)
	if err := errors.Join(err, otherErr); err != nil {
		return options, nil, fmt.Errorf("reading a secret: %w", err)
	}
	if s.network == "" {
		return options, func() error { return nil }, nil
	}
	path, err := wan.ParsePath(s.network)
	if err != nil {
		return options, nil, fmt.Errorf("--network: %w", err)
	}
	path.Seed = 1 // the same luck for everybody
	network, err := wan.New(wan.Both(path))
	if err != nil {
		return options, nil, fmt.Errorf("--network: %w", err)
	}
	moving, stop := context.WithCancel(context.WithoutCancel(ctx)) // it outlives what runs over it
	var carrying sync.WaitGroup
	var carried error
	carrying.Go(func() { carried = network.Run(moving) })
	gate := network.NewGate()
	options.Far = peer.Place{Address: network.Far.Address, Start: network.Far.Start, Dial: network.Far.Dial}
	options.Near = peer.Place{Address: network.Near.Address, Start: network.Near.Start, Dial: network.Near.Dial}
	options.NearListen = network.Near.Listen
	options.Dial = gate.Dial
	return options, func() error {
		gate.Close()
		stop()
		carrying.Wait()
		network.Close()
		return carried
	}, nil
}

// describeLine says in the report what the line does.
func (s *settings) describeLine(r *report.Report) error {
	if s.network == "" {
		r.Parameters = append(r.Parameters, report.Fact{Name: "Line", Value: "none: viewers reach targets as they are"})
		return nil
	}
	path, err := wan.ParsePath(s.network)
	if err != nil {
		return err
	}
	r.Parameters = append(r.Parameters, report.Fact{Name: "Line", Value: fmt.Sprintf("%s (emulated): %s", s.network, path)})
	r.Notes = append(r.Notes, "The line is emulated in userspace between two network namespaces. Targets that were started here stand at its far end; "+
		"to any other target a splice there carries connections on, which hides the target's own congestion control.")
	return nil
}
