package agent

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/rfb"
)

const (
	display = ":1" // of the desktop's own; its /tmp is private

	displayLimit   = 20 * time.Second // Xvnc takes 0.1 s; a loaded machine far longer
	handshakeLimit = 5 * time.Second
	endGrace       = 3 * time.Second // between asking programs to end and killing them

	// A program that ends sooner than quickEnd, this often in a row, is not
	// started again.
	quickEnd     = 5 * time.Second
	maxQuickEnds = 5
	maxPause     = 5 * time.Second
	// reopenPause lets a window that was closed on purpose be seen to close.
	reopenPause = 400 * time.Millisecond
)

// openbox.xml maximises normal windows, so that one application fills the screen.
//
//go:embed openbox.xml
var openboxConfig []byte

// Agent is one desktop.
type Agent struct {
	spec    Spec
	began   time.Time
	nursery *nursery
	journal *journal
	control *control
	env     []string
	home    string
}

// Run brings the desktop up and keeps it up until ctx ends, which is a clean
// end, or it cannot go on, which is the error. Everything it started has ended
// when it returns.
func Run(ctx context.Context, spec Spec) error {
	a := &Agent{spec: spec, began: time.Now(), home: os.Getenv("HOME")}
	var err error
	if a.control, err = newControl(spec.ControlSocket); err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { a.control.run(serving) })
	defer served.Wait()
	defer stopServing()

	err = a.live(ctx)
	if err != nil {
		a.control.tell(func(s *Status) { s.Phase, s.Reason = PhaseFailed, err.Error() })
	}
	return err
}

func (a *Agent) live(ctx context.Context) error {
	var err error
	if a.journal, err = newJournal(a.spec.LogFile); err != nil {
		return err
	}
	defer a.journal.close()
	if a.nursery, err = newNursery(); err != nil {
		return err
	}
	defer a.nursery.endAll(endGrace)
	a.env = a.environment()

	// What is kept alive ends, with its error, in this channel; kept waits for
	// the keepers, which stop when keeping ends.
	failed := make(chan error, 3)
	keeping, stopKeeping := context.WithCancel(ctx)
	var kept sync.WaitGroup
	defer kept.Wait()
	defer stopKeeping()

	xvnc, err := a.startDisplay(ctx)
	if err != nil {
		return err
	}
	a.reached("display", "Starting the application")
	managed, err := a.managedSignal()
	if err != nil {
		return err
	}
	defer managed.Close()
	for _, program := range a.programs(managed.Name()) {
		kept.Go(func() {
			if err := a.keep(keeping, program); err != nil {
				failed <- err
			}
		})
		if program.name == windowManager {
			awaitSignal(managed)
		}
	}
	if err := a.handshake(ctx); err != nil {
		return err
	}
	a.control.tell(func(s *Status) { s.Phase, s.Step = PhaseReady, "" })
	a.reached("ready", "")

	select {
	case <-ctx.Done():
		a.control.tell(func(s *Status) { s.Phase = PhaseStopping })
		return nil
	case <-xvnc.ended:
		return fmt.Errorf("the X server %s; its last words:\n%s", xvnc.outcome(), a.journal.lastWords())
	case err := <-failed:
		return err
	}
}

// reached notes a milestone and says what comes next.
func (a *Agent) reached(milestone, next string) {
	a.control.tell(func(s *Status) {
		milestones := map[string]int64{milestone: time.Since(a.began).Milliseconds()}
		for name, at := range s.Milestones { // copied: an old status may still be on its way out
			milestones[name] = at
		}
		s.Milestones, s.Step = milestones, next
	})
}

// startDisplay starts Xvnc and waits until it answers.
func (a *Agent) startDisplay(ctx context.Context) (*child, error) {
	a.reached("begun", "Starting the display")
	if err := os.Remove(a.spec.RFBSocket); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("removing an old RFB socket: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	xvnc, err := a.nursery.start([]string{
		"Xvnc", display, "-displayfd", "3",
		// RFB on the private socket only; who may connect is the gateway's matter.
		"-rfbunixpath", a.spec.RFBSocket, "-rfbunixmode", "0600", "-rfbport", "-1", "-SecurityTypes", "None", "-AlwaysShared",
		"-nolisten", "tcp", "-nolisten", "local",
		"-geometry", fmt.Sprintf("%dx%d", a.spec.Width, a.spec.Height), "-depth", "24", "-desktop", a.spec.Name,
		"-AcceptSetDesktopSize", "-FrameRate", "60",
		"-SendPrimary=0",                   // selecting text is not copying it
		"-MaxCutText", fmt.Sprint(1 << 20), // what the gateway lets through
		"-noreset", "-Log", "*:stderr:10", // errors only: the log is for the programs' own words
	}, a.env, "/", a.journal.write, write)
	write.Close()
	if err != nil {
		return nil, err
	}
	answered := make(chan error, 1)
	go func() { // ends when Xvnc has answered or closed its end; read is closed above at the latest
		// The number and its newline are two writes; Xvnc dies of the second
		// when nobody reads it.
		_, err := bufio.NewReaderSize(read, 16).ReadSlice('\n')
		answered <- err
	}()
	limit := time.NewTimer(displayLimit)
	defer limit.Stop()
	select {
	case err = <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = fmt.Errorf("no answer within %s", displayLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("the X server did not start (%w); its last words:\n%s", err, a.journal.lastWords())
	}
	return xvnc, nil
}

// handshake is the readiness check: a whole RFB handshake, not just an open port.
func (a *Agent) handshake(ctx context.Context) error {
	dialer := net.Dialer{Timeout: handshakeLimit}
	conn, err := dialer.DialContext(ctx, "unix", a.spec.RFBSocket)
	if err != nil {
		return fmt.Errorf("the X server does not answer RFB: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(handshakeLimit))
	if _, err := rfb.ClientHandshake(conn, rfb.ClientConfig{}); err != nil {
		return fmt.Errorf("the X server does not answer RFB: %w", err)
	}
	return nil
}

// program is something that is kept running.
type program struct {
	name string
	argv []string
}

const windowManager = "window manager"

// programs lists what is kept running, in the order of starting.
func (a *Agent) programs(managed string) []program {
	config := filepath.Join(runtimeDir(), "openbox.xml")
	if err := os.WriteFile(config, openboxConfig, 0o600); err != nil {
		config = "/etc/xdg/openbox/rc.xml"
	}
	programs := []program{
		{name: windowManager, argv: []string{"openbox", "--sm-disable", "--config-file", config, "--startup", "sh -c 'echo >" + managed + "'"}},
		{name: "application", argv: a.spec.Command},
	}
	if strings.Contains(a.spec.Command[0], "session") { // a whole desktop brings its own window manager
		return programs[1:]
	}
	return programs
}

// managedLimit is how long an application waits for its window manager.
const managedLimit = 2 * time.Second

// managedSignal makes a named pipe that the window manager's start-up command
// writes to. A window that is mapped before there is a manager gets neither
// focus nor size.
func (a *Agent) managedSignal() (*os.File, error) {
	name := filepath.Join(runtimeDir(), "managed")
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("preparing the window manager: %w", err)
	}
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, fmt.Errorf("preparing the window manager: %w", err)
	}
	return os.OpenFile(name, os.O_RDWR, 0) // for writing too, so that opening does not wait
}

// awaitSignal waits for the window manager, or goes on without it: that it
// does not run at all is told by its keeper.
func awaitSignal(managed *os.File) {
	managed.SetReadDeadline(time.Now().Add(managedLimit))
	managed.Read(make([]byte, 1))
}

// keep runs the program until ctx ends, starting it again whenever it ends. It
// gives up when it ends quickly several times in a row.
func (a *Agent) keep(ctx context.Context, p program) error {
	quick, pause := 0, 100*time.Millisecond
	for {
		c, err := a.nursery.start(p.argv, a.env, a.home, a.journal.write)
		if err != nil {
			return fmt.Errorf("the %s cannot run: %w", p.name, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.ended:
		}
		switch {
		case time.Since(c.started) >= quickEnd || c.clean():
			quick, pause = 0, reopenPause
		default:
			quick++
			pause = min(2*pause, maxPause)
		}
		if quick >= maxQuickEnds {
			return fmt.Errorf("the %s (%s) %s, %d times in a row; its last words:\n%s", p.name, p.argv[0], c.outcome(), quick, a.journal.lastWords())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// environment is what the programs see: what the runtime gave us, the
// display, and the template's own variables.
func (a *Agent) environment() []string {
	env := append(os.Environ(), "DISPLAY="+display)
	for name, value := range a.spec.Env {
		env = append(env, name+"="+value)
	}
	return env
}

func runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// Main is the agent's command line: streamspace-agent --spec FILE. It returns
// when ctx ends or the desktop cannot go on.
func Main(ctx context.Context, args []string) error {
	// What the runtime handed down (the home's lock, the sign of life for the
	// network) is ours to hold, and not for the programs inside.
	for fd := 3; fd < 64; fd++ {
		unix.CloseOnExec(fd)
	}
	if len(args) < 2 || args[0] != "--spec" {
		return errors.New("usage: streamspace-agent --spec FILE [TAG…]")
	}
	spec, err := ReadSpec(args[1]) // further arguments only mark the process for whoever looks for it
	if err != nil {
		return err
	}
	return Run(ctx, spec)
}
