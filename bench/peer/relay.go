// Package peer starts the relays that are compared — others' and ours — as
// child processes, each in front of the same source, and reads what they cost
// from /proc. It sends no load.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Relay is a way from a viewer to a source. Name is its row in a table.
type Relay struct {
	Name  string
	start func(ctx context.Context, place Place, upstream string) (*Running, error)
}

// Running is a started relay.
type Running struct {
	*Process // nil for Direct
	targets  func(n int) ([]string, error)
	shared   func(n int) ([]string, error) // nil: as targets
	cleanup  func()
}

// ErrMissing says that a program is not installed; the error's text names the
// package that has it.
var ErrMissing = errors.New("not installed")

// Start starts the relay in the place, in front of the upstream, which is
// "tcp:host:port" or "unix:/path". The caller must Stop it.
func (r Relay) Start(ctx context.Context, place Place, upstream string) (*Running, error) {
	running, err := r.start(ctx, place, upstream)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", r.Name, err)
	}
	return running, nil
}

// Targets returns n targets for a viewer, each good for one connection.
func (r *Running) Targets(n int) ([]string, error) { return r.targets(n) }

// Shared returns n targets for viewers of one and the same desktop, each good
// for one connection.
func (r *Running) Shared(n int) ([]string, error) {
	if r.shared == nil {
		return r.targets(n)
	}
	return r.shared(n)
}

// Stop ends the relay and removes its files.
func (r *Running) Stop() {
	if r.Process != nil {
		r.Process.Stop()
	}
	if r.cleanup != nil {
		r.cleanup()
	}
}

// always is the targets function of a relay with a fixed address.
func always(target string) func(int) ([]string, error) {
	return func(n int) ([]string, error) {
		targets := make([]string, n)
		for i := range targets {
			targets[i] = target
		}
		return targets, nil
	}
}

// Direct is no relay at all: the viewer is connected to the source.
func Direct() Relay {
	return Relay{Name: "direct", start: func(_ context.Context, _ Place, upstream string) (*Running, error) {
		return &Running{targets: always(upstream)}, nil
	}}
}

// Websockify is Debian's.
func Websockify() Relay {
	return Relay{Name: "websockify", start: func(ctx context.Context, place Place, upstream string) (*Running, error) {
		program, err := find("websockify", "websockify")
		if err != nil {
			return nil, err
		}
		address, err := FreePort(place)
		if err != nil {
			return nil, err
		}
		network, target, _ := strings.Cut(upstream, ":")
		args := []string{address, target}
		if network == "unix" {
			args = []string{"--unix-target", target, address}
		}
		return launchListening(ctx, place, exec.Command(program, args...), address, "ws://"+address+"/")
	}}
}

// nginxConfiguration is one process, as the other relays are, so that it also
// dies as they do, with buffers of 64 KiB, which is where its CPU per byte
// stops falling.
const nginxConfiguration = `load_module %s;
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid %s/nginx.pid;
error_log stderr crit;
events { worker_connections 20000; }
stream {
	server {
		listen %s backlog=4096;
		proxy_pass %s;
		proxy_buffer_size 64k;
		tcp_nodelay on;
		proxy_timeout 1h;
	}
}
`

// Nginx is nginx's stream proxy: TCP to TCP, no WebSocket.
func Nginx() Relay {
	return Relay{Name: "nginx stream", start: func(ctx context.Context, place Place, upstream string) (*Running, error) {
		program, err := find("nginx", "nginx-full libnginx-mod-stream")
		if err != nil {
			return nil, err
		}
		const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
		if _, err := os.Stat(module); err != nil {
			return nil, fmt.Errorf("%s is %w: apt-get install libnginx-mod-stream", module, ErrMissing)
		}
		address, err := FreePort(place)
		if err != nil {
			return nil, err
		}
		folder, err := os.MkdirTemp("", "streamspace-bench-nginx-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for nginx: %w", err)
		}
		running, err := launchNginx(ctx, place, program, module, folder, address, upstream)
		if err != nil {
			os.RemoveAll(folder)
			return nil, err
		}
		running.cleanup = func() { os.RemoveAll(folder) }
		return running, nil
	}}
}

func launchNginx(ctx context.Context, place Place, program, module, folder, address, upstream string) (*Running, error) {
	pass := strings.TrimPrefix(upstream, "tcp:")
	text := fmt.Sprintf(nginxConfiguration, module, folder, address, pass)
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing nginx's configuration: %w", err)
	}
	return launchListening(ctx, place, exec.Command(program, "-p", folder, "-c", file, "-e", "stderr"), address, "tcp:"+address)
}

// launchListening starts a program that does not say when it is ready.
func launchListening(ctx context.Context, place Place, command *exec.Cmd, address, target string) (*Running, error) {
	command.Stdout = io.Discard
	process, err := Launch(place, command)
	if err != nil {
		return nil, err
	}
	if err := process.Answers(ctx, place, "tcp", address); err != nil {
		process.Stop()
		return nil, err
	}
	return &Running{Process: process, targets: always(target)}, nil
}

// find looks a program up; daemons live in /usr/sbin, which is not in
// everybody's PATH.
func find(program, packages string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("/usr/sbin/" + program); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is %w: apt-get install %s", program, ErrMissing, packages)
}

// Tuning is what a relay of our own may set on the viewer's socket; the zero
// value leaves the system's.
type Tuning struct {
	Congestion string // TCP_CONGESTION
	Unsent     int    // TCP_NOTSENT_LOWAT in bytes, -1 switches a relay's own mark off
}

func (t Tuning) flags() []string {
	var flags []string
	if t.Congestion != "" {
		flags = append(flags, "--congestion", t.Congestion)
	}
	if t.Unsent != 0 {
		flags = append(flags, "--unsent", strconv.Itoa(t.Unsent))
	}
	return flags
}

// Self is the command that runs a child role of this program: the baselines
// and the sources are started as processes of their own, so that their cost
// can be told from the load's.
type Self []string

// Command is Self with further arguments.
func (s Self) Command(args ...string) *exec.Cmd {
	all := append(append([]string(nil), s[1:]...), args...)
	return exec.Command(s[0], all...)
}

// Splice is the plain TCP relay of package baseline.
func Splice(self Self, tuning Tuning) Relay {
	return Relay{Name: "plain TCP (splice)", start: func(_ context.Context, place Place, upstream string) (*Running, error) {
		args := append([]string{"splice", "--listen", place.Address + ":0", "--upstream", upstream}, tuning.flags()...)
		return launchSpeaking(place, self.Command(args...))
	}}
}

// Gorilla is the plain WebSocket relay of package baseline.
func Gorilla(self Self, buffer int, tuning Tuning) Relay {
	name := fmt.Sprintf("plain gorilla loop, %d KiB", buffer>>10)
	return Relay{Name: name, start: func(_ context.Context, place Place, upstream string) (*Running, error) {
		args := append([]string{"websocket", "--listen", place.Address + ":0", "--upstream", upstream, "--buffer", strconv.Itoa(buffer)}, tuning.flags()...)
		return launchSpeaking(place, self.Command(args...))
	}}
}

// launchSpeaking starts a program that prints "ready <target>" once it
// listens.
func launchSpeaking(place Place, command *exec.Cmd) (*Running, error) {
	process, err := Launch(place, command)
	if err != nil {
		return nil, err
	}
	target, err := Ready(process)
	if err != nil {
		process.Stop()
		return nil, err
	}
	return &Running{Process: process, targets: always(target)}, nil
}

// Ready waits for the process's line "ready <target>".
func Ready(process *Process) (string, error) {
	line, err := process.Line()
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(line, "ready ")
	if !ok {
		return "", fmt.Errorf("%s says %q, want \"ready <target>\"", process.command.Path, line)
	}
	return target, nil
}
