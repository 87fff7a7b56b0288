package lifecycle_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
	"github.com/streamspace/streamspace/controlplane/store"
)

// TestSimulation lets users, viewers, desktops, neighbours and the clock do
// what they like for a while. When they stop, everything comes to rest as it
// was wished. LIFECYCLE_SEED repeats a run's choices.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for run := range 3 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		if text := os.Getenv("LIFECYCLE_SEED"); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, seed)
		})
	}
}

// moves is how much is done to the world in one run.
const moves = 400

type simulation struct {
	*world
	random   *rand.Rand // owned by the test's goroutine
	sessions []streamspace.SessionID
}

func simulate(t *testing.T, seed uint64) {
	timing := quick
	timing.Resync, timing.StartTimeout, timing.Settled = 100*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
	timing.GoneTimeout = 200 * time.Millisecond
	var calm atomic.Bool
	var desktops atomic.Uint64
	s := &simulation{random: rand.New(rand.NewPCG(seed, 0))}
	s.world = newWorld(t, timing, func(runtime.Desktop) runtimetest.Script {
		random := rand.New(rand.NewPCG(seed, desktops.Add(1)))
		if calm.Load() {
			return runtimetest.Script{EndTime: time.Millisecond}
		}
		return randomScript(random)
	})
	for range 5 {
		s.sessions = append(s.sessions, s.create("terminal", 0).ID)
	}
	for range moves {
		s.move()
		pause := time.NewTimer(time.Duration(s.random.IntN(10)) * time.Millisecond)
		<-pause.C
	}
	calm.Store(true)
	s.store.down.Store(false)
	s.broker.down.Store(false)
	s.comesToRest()
}

func randomScript(random *rand.Rand) runtimetest.Script {
	script := runtimetest.Script{
		Steps: []string{"Starting the X server", "Starting the application"}, Step: time.Duration(random.IntN(10)) * time.Millisecond,
		EndTime: time.Duration(random.IntN(30)) * time.Millisecond,
	}
	switch random.IntN(12) {
	case 0:
		script.Fail = "It did not want to"
	case 1:
		script.Refuse = errors.New("no room")
	case 2:
		script.Step = time.Second // longer than the control plane waits
	case 3:
		hold := make(chan struct{})
		time.AfterFunc(time.Duration(random.IntN(200))*time.Millisecond, func() { close(hold) })
		script.Hold = hold
	}
	return script
}

// move does one thing to the world.
func (s *simulation) move() {
	id := s.sessions[s.random.IntN(len(s.sessions))]
	switch n := s.random.IntN(100); {
	case n < 10:
		if len(s.sessions) < 25 {
			s.sessions = append(s.sessions, s.create("terminal", time.Duration(s.random.IntN(3))*time.Second).ID)
		}
	case n < 35:
		s.wishAgain(id, []streamspace.DesiredState{streamspace.DesiredRunning, streamspace.DesiredRunning, streamspace.DesiredHibernated}[s.random.IntN(3)])
	case n < 38:
		s.wishAgain(id, streamspace.DesiredStopped)
	case n < 50:
		s.runtime.Crash(id, "It fell over")
	case n < 60:
		s.join(id)
		s.must(s.broker.Want(s.Context(), id))
	case n < 70:
		s.must(s.broker.Touch(s.Context(), id, s.clock.now()))
	case n < 75:
		s.stop()
		s.start()
	case n < 80:
		s.clock.jump(time.Duration(s.random.IntN(4000)-2000) * time.Millisecond)
	case n < 85:
		s.store.down.Store(s.random.IntN(3) == 0)
	case n < 90:
		s.broker.down.Store(s.random.IntN(3) == 0)
	case n < 93: // somebody starts a desktop behind our back
		_ = s.runtime.Apply(s.Context(), runtime.Desktop{Session: streamspace.NewSessionID(), Home: streamspace.NewHomeID(), Epoch: 1}) // or tries to
	}
}

// wishAgain does what the API does: a session that is to stop has no other wish.
func (s *simulation) wishAgain(id streamspace.SessionID, desired streamspace.DesiredState) {
	_, err := s.store.Store.ChangeSession(s.Context(), id, s.clock.now(), func(row *store.Session) error {
		if row.DesiredState == streamspace.DesiredStopped || row.State == streamspace.StateStopped {
			return store.ErrUnchanged
		}
		row.DesiredState = desired
		return nil
	})
	s.must(err)
}

// comesToRest waits until nothing is in motion, and everything is right.
func (s *simulation) comesToRest() {
	s.Helper()
	var wrong string
	defer func() {
		if wrong != "" {
			s.Logf("at the end: %s", wrong)
		}
	}()
	s.eventually("everything is as it was wished", func() bool {
		wrong = s.wrong()
		return wrong == ""
	})
}

// wrong says what is not as it should be at rest.
func (s *simulation) wrong() string {
	should := make(map[streamspace.SessionID]uint64)
	for _, id := range s.sessions {
		row := s.row(id)
		route, err := s.broker.Route(s.Context(), id)
		switch {
		case row.State == streamspace.StateRunning && row.DesiredState == streamspace.DesiredRunning:
			should[id] = uint64(row.Epoch)
			if err != nil || route.Epoch != uint64(row.Epoch) {
				return fmt.Sprintf("%s runs with epoch %d, its route has %d (%v)", id, row.Epoch, route.Epoch, err)
			}
			continue
		case row.State == streamspace.StateFailed && row.DesiredState == streamspace.DesiredHibernated:
		case row.State != streamspace.State(row.DesiredState):
			return fmt.Sprintf("%s is %s and should be %s (%s)", id, row.State, row.DesiredState, row.Reason)
		}
		if !errors.Is(err, broker.ErrNoRoute) {
			return fmt.Sprintf("%s is %s and has a route of epoch %d (%v)", id, row.State, route.Epoch, err)
		}
		home, err := s.store.HomeByID(s.Context(), row.HomeID)
		s.must(err)
		if attached := home.SessionID != nil && *home.SessionID == id; attached == (row.State == streamspace.StateStopped) {
			return fmt.Sprintf("%s is %s and its home is attached: %t", id, row.State, attached)
		}
	}
	running := s.runtime.Running()
	for _, desktop := range running {
		if should[desktop.Session] != desktop.Epoch {
			return fmt.Sprintf("a desktop of %s runs with epoch %d, should be %d", desktop.Session, desktop.Epoch, should[desktop.Session])
		}
	}
	if len(running) != len(should) {
		return fmt.Sprintf("%d desktops run, %d should", len(running), len(should))
	}
	return ""
}
