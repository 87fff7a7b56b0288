// Package agent is PID 1 of every desktop: it starts the X server, a window
// manager and the application, brings back what dies, reaps what is orphaned,
// and tells on a socket how the desktop does. It knows neither who watches nor
// where it runs.
//
// An application that is closed comes back after a moment, so that a desktop
// is never an empty screen with no way out; one that keeps ending at once, and
// a display that ends or stops answering, end the desktop with a reason.
package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Spec is what a desktop is to be, written by the runtime as JSON.
type Spec struct {
	Session string            `json:"session"` // for logs
	Name    string            `json:"name"`    // the desktop's name, shown by viewers
	Command []string          `json:"command"` // the application
	Env     map[string]string `json:"env,omitempty"`
	Width   int               `json:"width"` // pixels
	Height  int               `json:"height"`
	// RFBSocket is where Xvnc listens: an absolute path of at most 107 bytes.
	RFBSocket string `json:"rfbSocket"`
	// The agent tells its status on the listening socket that it was handed as
	// file descriptor ControlFD, or when that is 0, on one that it makes at
	// ControlSocket.
	ControlFD     int    `json:"controlFD,omitempty"`
	ControlSocket string `json:"controlSocket,omitempty"`
	LogFile       string `json:"logFile"` // what the programs say; bounded
	Limits        Limits `json:"limits,omitzero"`
	// TLS has the agent serve RFB beyond its machine; nil where RFBSocket is enough.
	TLS *TLS `json:"tls,omitempty"`
}

// TLS is where the desktop is served over mutual TLS, and by which files: a
// certificate, its key, and the authority that the peer's certificate is from.
type TLS struct {
	Listen string `json:"listen"` // host:port
	Cert   string `json:"cert"`
	Key    string `json:"key"`
	CA     string `json:"ca"`
}

// Limits bound the programs where the runtime has nothing better; 0 is no bound.
type Limits struct {
	Processes   uint64 `json:"processes,omitempty"`   // of all together
	MemoryBytes uint64 `json:"memoryBytes,omitempty"` // that each may write to
}

// Bounds of a screen: Xvnc's own.
const (
	minSide = 16
	maxSide = 16384
)

// ReadSpec reads and checks a spec.
func ReadSpec(file string) (Spec, error) {
	var s Spec
	text, err := os.ReadFile(file)
	if err != nil {
		return s, fmt.Errorf("reading the desktop's spec: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("reading the desktop's spec %s: %w", file, err)
	}
	return s, s.check()
}

func (s Spec) check() error {
	var mistakes []error
	if len(s.Command) == 0 || s.Command[0] == "" {
		mistakes = append(mistakes, errors.New("command: empty"))
	}
	if s.RFBSocket == "" {
		mistakes = append(mistakes, errors.New("rfbSocket: empty"))
	}
	if s.ControlSocket == "" && s.ControlFD < 3 {
		mistakes = append(mistakes, errors.New("controlSocket, controlFD: one is needed"))
	}
	if s.LogFile == "" {
		mistakes = append(mistakes, errors.New("logFile: empty"))
	}
	if s.Width < minSide || s.Height < minSide || s.Width > maxSide || s.Height > maxSide {
		mistakes = append(mistakes, fmt.Errorf("width, height: %dx%d is not between %d and %d pixels", s.Width, s.Height, minSide, maxSide))
	}
	if err := errors.Join(mistakes...); err != nil {
		return fmt.Errorf("the desktop's spec is wrong:\n%w", err)
	}
	return nil
}

// Phase is how far the desktop is.
type Phase string

const (
	PhaseStarting Phase = "starting"
	PhaseReady    Phase = "ready"    // an RFB handshake has succeeded
	PhaseFailed   Phase = "failed"   // it cannot go on; the agent ends
	PhaseStopping Phase = "stopping" // it was asked to end
)

// Status is what the agent tells: one JSON object a line, the present one on
// connecting and then each change.
type Status struct {
	Phase  Phase     `json:"phase"`
	Step   string    `json:"step,omitempty"`   // what is being done, for people
	Reason string    `json:"reason,omitempty"` // why it failed, for people
	At     time.Time `json:"at"`
	// LastError is the newest thing that went wrong without ending the desktop,
	// Restarts how often a program was started again after one.
	LastError string `json:"lastError,omitempty"`
	Restarts  int    `json:"restarts,omitempty"`
	// Sound is why the desktop is without sound, or what last went wrong with it.
	Sound string `json:"sound,omitempty"`
	// Milestones are milliseconds since the agent began, by what was reached:
	// display, ready, window manager, application.
	Milestones map[string]int64 `json:"milestones,omitempty"`
}
