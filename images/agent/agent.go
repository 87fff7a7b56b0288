package agent

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// endGrace is between asking programs to end and killing them: enough for an
// editor to write its recovery file, short enough to wait for.
const endGrace = 3 * time.Second

// Agent is one desktop.
type Agent struct {
	// immutable once live has begun
	spec    Spec
	began   time.Time
	home    string
	private string // folder that only this desktop's user can enter, for cookies and pipes
	env     []string

	nursery *nursery
	journal *journal
	control *control
}

// Run brings the desktop up and keeps it up until ctx ends, which is a clean
// end, or it cannot go on, which is the error. Everything it started has ended
// when it returns.
func Run(ctx context.Context, spec Spec) error {
	a := &Agent{spec: spec, began: time.Now(), home: os.Getenv("HOME"), private: os.Getenv("XDG_RUNTIME_DIR")}
	if a.private == "" {
		a.private = os.TempDir()
	}
	var err error
	if a.control, err = newControl(spec); err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { a.control.run(serving) })
	defer served.Wait()
	defer stopServing()

	err = a.live(ctx)
	if err != nil {
		a.control.tell(func(s *Status) { s.Phase, s.Step, s.Reason = PhaseFailed, "", err.Error() })
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
	var display *child
	defer func() { a.nursery.endAll(endGrace, display) }()

	// What is kept alive ends, with its error, in failed; kept waits for the
	// keepers, which stop when keeping ends.
	failed := make(chan error, 4)
	keeping, stopKeeping := context.WithCancel(ctx)
	var kept sync.WaitGroup
	defer kept.Wait()
	defer stopKeeping()
	keep := func(run func(context.Context) error) {
		kept.Go(func() {
			if err := run(keeping); err != nil {
				failed <- err
			}
		})
	}

	if err := a.prepare(); err != nil {
		return err
	}
	hears, err := a.openSound()
	if err != nil {
		return err
	}
	if hears != nil {
		keep(hears.run)
	}
	up := make(chan struct{}) // closed when the display answers
	if a.spec.TLS != nil {
		door, err := a.openDoor(up)
		if err != nil {
			return err
		}
		keep(door.run)
	}
	if display, err = a.startDisplay(ctx); err != nil {
		return err
	}
	a.reached("display", "Starting the application")
	if err := a.handshake(ctx); err != nil {
		return fmt.Errorf("the display does not answer RFB: %w", err)
	}
	close(up)
	// Viewers may come while the programs start: the one's time hides the other's.
	a.control.tell(func(s *Status) { s.Phase = PhaseReady })
	a.reached("ready", "")
	looks := time.NewTicker(healthEvery)
	defer looks.Stop()
	keep(func(ctx context.Context) error { return a.watchDisplay(ctx, looks.C) })
	if err := a.startPrograms(keep); err != nil {
		return err
	}

	select {
	case <-ctx.Done():
		a.control.tell(func(s *Status) { s.Phase = PhaseStopping })
		return nil
	case <-display.ended:
		return fmt.Errorf("the display (Xvnc) %s; its last words:\n%s", display.outcome(), a.journal.lastWords())
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
