package agent

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A program that ends sooner than quickEnd, this often in a row, is not
	// started again.
	quickEnd     = 5 * time.Second
	maxQuickEnds = 5
	firstPause   = 100 * time.Millisecond
	maxPause     = 5 * time.Second
	// reopenPause lets a window that was closed on purpose be seen to close.
	reopenPause = 400 * time.Millisecond

	// managedLimit is how long an application waits for its window manager; one
	// that does not run at all is told by its keeper.
	managedLimit = 2 * time.Second

	// backdrop is what is seen before the application and beside its windows.
	backdrop = "#161b26"
)

// openbox.xml maximises normal windows, so that one application fills the screen.
//
//go:embed openbox.xml
var openboxConfig []byte

// prepare does what needs no display.
func (a *Agent) prepare() error {
	if _, err := exec.LookPath(a.spec.Command[0]); err != nil {
		return fmt.Errorf("the application %s is not installed: %w", a.spec.Command[0], err)
	}
	a.env = append(os.Environ(), "DISPLAY="+display, "XAUTHORITY="+a.cookieFile())
	bus := "unix:path=" + filepath.Join(a.private, "bus")
	if _, err := exec.LookPath("dbus-daemon"); err == nil {
		a.env = append(a.env, "DBUS_SESSION_BUS_ADDRESS="+bus)
		// It listens long before the application asks for it. When it dies,
		// programs go on without: starting it again would not bring them back to it.
		if _, err := a.nursery.start([]string{"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + bus}, a.env, a.home, a.journal.write); err != nil {
			return err
		}
	}
	for name, value := range a.spec.Env {
		a.env = append(a.env, name+"="+value)
	}
	a.furnish()
	return a.writeCookie()
}

// furnish gives a home that is new what the system gives to new users. A home
// that cannot be written to, a full disk, is the application's to complain of.
func (a *Agent) furnish() {
	if entries, err := os.ReadDir(a.home); err != nil || len(entries) > 0 {
		return
	}
	os.CopyFS(a.home, os.DirFS("/etc/skel"))
}

// startPrograms starts the window manager and, when it manages, the application.
func (a *Agent) startPrograms(keep func(func(context.Context) error)) error {
	if _, err := exec.LookPath("xsetroot"); err == nil {
		if _, err := a.nursery.start([]string{"xsetroot", "-solid", backdrop, "-cursor_name", "left_ptr"}, a.env, "/", a.journal.write); err != nil {
			return err
		}
	}
	if !bringsWindowManager(a.spec.Command[0]) {
		managed, err := a.managedSignal()
		if err != nil {
			return err
		}
		defer managed.Close()
		config := filepath.Join(a.private, "openbox.xml")
		if err := os.WriteFile(config, openboxConfig, 0o600); err != nil {
			return fmt.Errorf("writing the window manager's configuration: %w", err)
		}
		argv := []string{"openbox", "--sm-disable", "--config-file", config, "--startup", "sh -c 'echo >" + managed.Name() + "'"}
		keep(func(ctx context.Context) error { return a.keep(ctx, "window manager", argv) })
		managed.SetReadDeadline(time.Now().Add(managedLimit))
		managed.Read(make([]byte, 1))
		a.reached("window manager", "")
	}
	keep(func(ctx context.Context) error { return a.keep(ctx, "application", a.spec.Command) })
	a.reached("application", "")
	return nil
}

// bringsWindowManager says whether the command is a whole desktop: xfce4-session,
// lxsession, startlxqt; or a window manager itself.
func bringsWindowManager(command string) bool {
	name := filepath.Base(command)
	return name == "i3" || strings.HasSuffix(name, "session") || strings.HasPrefix(name, "start")
}

// managedSignal makes a named pipe that the window manager's start-up command
// writes to. A window that is mapped before there is a manager gets neither
// focus nor size.
func (a *Agent) managedSignal() (*os.File, error) {
	name := filepath.Join(a.private, "managed")
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("preparing the window manager: %w", err)
	}
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, fmt.Errorf("preparing the window manager: %w", err)
	}
	return os.OpenFile(name, os.O_RDWR, 0) // for writing too, so that opening does not wait
}

// keep runs the program until ctx ends, starting it again whenever it ends. It
// gives up when it ends quickly several times in a row.
func (a *Agent) keep(ctx context.Context, name string, argv []string) error {
	quick, pause := 0, firstPause
	for {
		c, err := a.nursery.start(argv, a.env, a.home, a.journal.write)
		if err != nil {
			return fmt.Errorf("the %s cannot run: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.ended:
		}
		switch {
		case c.clean():
			quick, pause = 0, reopenPause
		case time.Since(c.started) >= quickEnd:
			quick, pause = 0, firstPause
		default:
			quick++
			pause = min(2*pause, maxPause)
		}
		if quick >= maxQuickEnds {
			return fmt.Errorf("the %s (%s) %s, %d times in a row; its last words:\n%s", name, argv[0], c.outcome(), quick, a.journal.lastWords())
		}
		if !c.clean() {
			a.control.tell(func(s *Status) {
				s.LastError = fmt.Sprintf("the %s (%s) %s and is started again", name, argv[0], c.outcome())
				s.Restarts++
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
