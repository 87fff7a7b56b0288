package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/report"
)

// DefaultGeometry is a private Xvnc's screen: that of a StreamSpace session.
const DefaultGeometry = "1280x720"

// A private Xvnc's display is one of many numbers beyond those that people and
// display managers use.
const (
	lowestDisplay = 1000
	displays      = 30_000
)

// Xvnc is a private X server with a stage in it.
type Xvnc struct {
	TCP, Unix string // where viewers connect, as screen.Connect takes it
	Display   string

	server, stage *peer.Process
	folder        string
}

// StartXvnc starts one in the place. scene is the command that plays scenes on
// a display. Stop must be called.
func StartXvnc(ctx context.Context, place peer.Place, geometry string, scene func(display string) []string) (*Xvnc, error) {
	program, err := exec.LookPath("Xvnc")
	if err != nil {
		return nil, fmt.Errorf("Xvnc is %w: apt-get install tigervnc-standalone-server", peer.ErrMissing)
	}
	if geometry == "" {
		geometry = DefaultGeometry
	}
	folder, err := os.MkdirTemp("", "streamspace-bench-xvnc-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for Xvnc: %w", err)
	}
	x := &Xvnc{folder: folder}
	if err := x.start(ctx, place, program, geometry, scene); err != nil {
		x.Stop()
		return nil, err
	}
	return x, nil
}

// tries is how many displays are tried: a number may be taken, and so may a
// port between its choice and its use.
const tries = 10

func (x *Xvnc) start(ctx context.Context, place peer.Place, program, geometry string, scene func(string) []string) error {
	var err error
	for range tries {
		if err = x.serve(ctx, place, program, geometry); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	argv := scene(x.Display)
	if x.stage, err = peer.Launch(place, exec.CommandContext(ctx, argv[0], argv[1:]...)); err != nil {
		return err
	}
	if _, err := peer.Ready(x.stage); err != nil {
		return fmt.Errorf("starting the scenes: %w", err)
	}
	return nil
}

// serve starts the server on some display.
func (x *Xvnc) serve(ctx context.Context, place peer.Place, program, geometry string) error {
	address, err := peer.FreePort(place)
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(address, ":")
	socket := filepath.Join(x.folder, "rfb.sock")
	// With -displayfd Xvnc would choose the number itself, but it then takes no
	// lock: a server that starts at the same time, or in another network
	// namespace, takes the same number and the other's clients.
	display := fmt.Sprintf(":%d", lowestDisplay+rand.IntN(displays))
	// As a StreamSpace desktop's Xvnc is started, and on TCP besides.
	command := exec.Command(program, display, "-geometry", geometry, "-depth", "24",
		"-rfbunixpath", socket, "-rfbunixmode", "0600", "-interface", host, "-rfbport", port,
		"-SecurityTypes", "None", "-AlwaysShared", "-AcceptSetDesktopSize", "-FrameRate", "60", "-SendPrimary=0",
		"-nolisten", "tcp", "-noreset", "-desktop", "bench", "-Log", "*:stderr:0")
	server, err := peer.Launch(place, command)
	if err != nil {
		return err
	}
	if err := server.Answers(ctx, place, "unix", socket); err != nil {
		server.Stop()
		return fmt.Errorf("starting Xvnc: %w", err)
	}
	x.server, x.Display, x.TCP, x.Unix = server, display, "tcp:"+address, "unix:"+socket
	return nil
}

// PID is the X server's process.
func (x *Xvnc) PID() int { return x.server.PID() }

// Stop ends it and removes its files.
func (x *Xvnc) Stop() {
	for _, process := range []*peer.Process{x.stage, x.server} {
		if process != nil {
			process.Stop()
		}
	}
	os.RemoveAll(x.folder)
}

// XvncVersion is the one that is installed.
func XvncVersion(ctx context.Context) report.Fact {
	return report.Fact{Name: "Xvnc", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "tigervnc-standalone-server")}
}

// behind opens a target in front of the run's private Xvnc.
func (s *Set) behind(ctx context.Context, kind scheme) (*Target, error) {
	if s.xvnc == nil {
		xvnc, err := StartXvnc(ctx, s.options.Far, s.options.Geometry, s.options.Scene)
		if err != nil {
			return nil, err
		}
		s.xvnc = xvnc
		s.closers = append(s.closers, xvnc.Stop)
	}
	t := &Target{pids: []int{s.xvnc.PID()}, Facts: []report.Fact{XvncVersion(ctx)}}
	var relay peer.Relay
	switch kind {
	case schemeWebsockify:
		relay = peer.Websockify()
		t.Facts = append(t.Facts, report.Fact{Name: "websockify", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "websockify")})
	case schemeNginx:
		relay = peer.Nginx()
		t.Facts = append(t.Facts, report.Fact{Name: "nginx", Value: report.ProgramVersion(ctx, "/usr/sbin/nginx", "-v")})
	default:
		t.fresh = always(s.xvnc.TCP)
		return t, nil
	}
	running, err := relay.Start(ctx, s.options.Far, s.xvnc.TCP)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, running.Stop)
	t.pids = append(t.pids, running.PID())
	t.fresh = func(context.Context) (string, error) {
		targets, err := running.Targets(1)
		if err != nil {
			return "", err
		}
		return targets[0], nil
	}
	return t, nil
}

// ErrNoScene says that nobody plays scenes on a target's screen.
var ErrNoScene = errors.New("no marker is on the screen: run `streamspace bench scene --display :N` there")

// sceneTimeout bounds the wait for a marker: a session must be started, a
// desktop must draw.
const sceneTimeout = 30 * time.Second

// firstLine is what a file with a secret holds.
func firstLine(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	line, err := bufio.NewReader(file).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("%s is empty: %w", path, err)
	}
	return line, nil
}

// Secret reads a secret from the first line of a file; no file is no secret.
func Secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return firstLine(path)
}
