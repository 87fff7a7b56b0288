// Package runtime is where desktops run, seen from above: declare what should
// be, observe what is. Nothing about processes or Kubernetes shows here.
//
// runtime/process runs desktops as sandboxed local processes.
package runtime

import (
	"context"
	"time"

	"github.com/streamspace/streamspace"
)

// Runtime brings desktops up and down. Every method may be called again with
// the same arguments, at any time, by a control plane that has just restarted.
type Runtime interface {
	// Apply declares that the desktop should run. It returns when the wish is
	// taken, not when the desktop is up: Watch tells that. A desktop that runs
	// already with the same epoch is left alone.
	Apply(ctx context.Context, desktop Desktop) error
	// Delete declares that the session's desktop should not run. Its home stays.
	Delete(ctx context.Context, session streamspace.SessionID) error
	// Watch delivers the state of every desktop that exists, then one
	// observation with Synced set, then every change until ctx ends; then the
	// channel is closed. There is one watcher. A slow one gets the newest
	// observation of each desktop rather than each in between.
	Watch(ctx context.Context) <-chan Observation
}

// Desktop is what should run.
type Desktop struct {
	Session  streamspace.SessionID
	Owner    streamspace.UserID
	Template streamspace.Template
	Home     streamspace.HomeID
	// HomeIndex is a small number that no other home has; the process runtime
	// derives the Unix user id from it.
	HomeIndex int
	// Epoch grows with every start of the session's desktop.
	Epoch  uint64
	Width  int // pixels, of the first screen; viewers resize it later
	Height int
}

// Observation is what a desktop is.
type Observation struct {
	Session streamspace.SessionID
	Epoch   uint64
	Phase   Phase
	Step    string // while starting: what is being done now, for people ("Starting the window manager")
	Reason  string // when failed or gone: why, for people, with what to do about it where we know
	Address string // when ready: see broker.Route
	Secret  []byte // when ready: see broker.Route
	At      time.Time
	Synced  bool // set alone, once: everything that existed has been told
}

// Phase is how far a desktop is.
type Phase string

const (
	PhaseStarting Phase = "starting"
	PhaseReady    Phase = "ready"  // an RFB handshake has succeeded
	PhaseFailed   Phase = "failed" // it died or could not start, and is not running now
	PhaseGone     Phase = "gone"   // it ended because it was asked to
)

// Availability says whether a template can be started here.
type Availability struct {
	Installed      bool
	Missing        []string // programs that were not found
	InstallCommand string   // what to type to install them
}
