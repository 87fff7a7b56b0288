package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

func (x *Xvnc) start(ctx context.Context, place peer.Place, program, geometry string, scene func(string) []string) error {
	address, err := peer.FreePort(place)
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(address, ":")
	socket := filepath.Join(x.folder, "rfb.sock")
	// As a StreamSpace desktop's Xvnc is started, and on TCP besides.
	command := exec.Command(program, "-displayfd", "1", "-geometry", geometry, "-depth", "24",
		"-rfbunixpath", socket, "-rfbunixmode", "0600", "-interface", host, "-rfbport", port,
		"-SecurityTypes", "None", "-AlwaysShared", "-AcceptSetDesktopSize", "-FrameRate", "60", "-SendPrimary=0",
		"-nolisten", "tcp", "-noreset", "-desktop", "bench", "-Log", "*:stderr:0")
	if x.server, err = peer.Launch(place, command); err != nil {
		return err
	}
	number, err := x.server.Line()
	if err != nil {
		return fmt.Errorf("starting Xvnc: %w", err)
	}
	x.Display, x.TCP, x.Unix = ":"+number, "tcp:"+address, "unix:"+socket
	argv := scene(x.Display)
	if x.stage, err = peer.Launch(place, exec.CommandContext(ctx, argv[0], argv[1:]...)); err != nil {
		return err
	}
	if _, err := peer.Ready(x.stage); err != nil {
		return fmt.Errorf("starting the scenes: %w", err)
	}
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

// lines is for reading a secret from a file: its first line.
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
