package peer

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Gateway is StreamSpace's gateway, wired by itself in the program relayhost
// (bench/cmd/relayhost): it has sessions that all lead to the upstream, and
// mints tickets for them.
func Gateway(name, relayhost string, tuning Tuning, further ...string) Relay {
	return Relay{Name: name, start: func(_ context.Context, place Place, upstream string) (*Running, error) {
		program, err := exec.LookPath(relayhost)
		if err != nil {
			return nil, fmt.Errorf("%s is %w: go build -o %s ./bench/cmd/relayhost", relayhost, ErrMissing, relayhost)
		}
		args := append([]string{"--listen", place.Address + ":0", "--upstream", upstream}, tuning.flags()...)
		process, err := Launch(place, exec.Command(program, append(args, further...)...))
		if err != nil {
			return nil, err
		}
		if _, err := Ready(process); err != nil {
			process.Stop()
			return nil, err
		}
		return &Running{
			Process: process,
			targets: func(n int) ([]string, error) { return mint(process, "mint", n) },
			shared:  func(n int) ([]string, error) { return mint(process, "share", n) },
		}, nil
	}}
}

// mint asks relayhost for n stream URLs, each with a ticket of its own, to be
// used within a minute: "mint" for sessions of their own, "share" for one
// session of all.
func mint(process *Process, order string, n int) ([]string, error) {
	if err := process.Tell(fmt.Sprintf("%s %d", order, n)); err != nil {
		return nil, err
	}
	targets := make([]string, n)
	for i := range targets {
		line, err := process.Line()
		if err != nil {
			return nil, err
		}
		// A line with something else may hold a ticket: do not repeat it.
		if !strings.HasPrefix(line, "ws://") {
			return nil, fmt.Errorf("relayhost answers %s with no stream URL", order)
		}
		targets[i] = line
	}
	return targets, nil
}
