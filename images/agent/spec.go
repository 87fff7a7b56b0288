// Package agent is PID 1 of every desktop: it starts the X server, a window
// manager and the application, brings back what dies, reaps what is orphaned,
// and tells on a socket how the desktop does. It knows neither who watches nor
// where it runs.
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
	Session string            `json:"session"` // for logs and the desktop's name
	Name    string            `json:"name"`    // shown by viewers
	Command []string          `json:"command"` // the application
	Env     map[string]string `json:"env,omitempty"`
	Width   int               `json:"width"` // pixels
	Height  int               `json:"height"`
	// RFBSocket is where Xvnc listens, ControlSocket where the agent tells its
	// status: absolute paths of at most 107 bytes.
	RFBSocket     string `json:"rfbSocket"`
	ControlSocket string `json:"controlSocket"`
	LogFile       string `json:"logFile"` // what the programs say; bounded
}

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
	if len(s.Command) == 0 || s.RFBSocket == "" || s.ControlSocket == "" || s.LogFile == "" {
		return s, errors.New("the desktop's spec lacks command, rfbSocket, controlSocket or logFile")
	}
	if s.Width < 16 || s.Height < 16 || s.Width > 16384 || s.Height > 16384 {
		return s, fmt.Errorf("the desktop's size %dx%d is not between 16 and 16384 pixels", s.Width, s.Height)
	}
	return s, nil
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
	// Milestones are milliseconds since the agent began, by what was reached.
	Milestones map[string]int64 `json:"milestones,omitempty"`
}
