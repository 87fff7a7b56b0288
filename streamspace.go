// Package streamspace is the vocabulary of StreamSpace: typed ids, states,
// permissions, templates and error codes that every other package speaks.
//
// It imports only the standard library and has no behaviour beyond minting
// and checking ids, so that anything may depend on it.
package streamspace

import "time"

// Role is what an account may do on the whole installation.
type Role string

const (
	RoleAdmin Role = "admin" // everything, on every session
	RoleUser  Role = "user"  // own sessions only
)

// Permission is one thing a viewer may do inside a session. A ticket carries
// a set of them; the gateway enforces it.
type Permission string

const (
	PermissionView         Permission = "view"          // receive pixels
	PermissionControl      Permission = "control"       // send keys, pointer and resize
	PermissionClipboardIn  Permission = "clipboard.in"  // viewer's clipboard to the desktop
	PermissionClipboardOut Permission = "clipboard.out" // desktop's clipboard to the viewer
	PermissionFiles        Permission = "files"
	PermissionAudio        Permission = "audio"      // hear the desktop
	PermissionMicrophone   Permission = "microphone" // be heard in it
	PermissionAdmin        Permission = "admin"      // take control from others; never given away by a share
)

// OwnerPermissions is what the owner of a session gets when asking for nothing
// in particular.
var OwnerPermissions = []Permission{
	PermissionView, PermissionControl, PermissionClipboardIn, PermissionClipboardOut,
	PermissionFiles, PermissionAudio, PermissionMicrophone, PermissionAdmin,
}

// DesiredState is what somebody asked a session to be.
type DesiredState string

const (
	DesiredRunning    DesiredState = "running"
	DesiredHibernated DesiredState = "hibernated" // desktop gone, session and home kept, woken on access
	DesiredStopped    DesiredState = "stopped"    // desktop gone for good, home kept
)

// State is what a session was last observed to be.
type State string

const (
	StatePending     State = "pending"     // accepted, nothing started yet
	StateStarting    State = "starting"    // the runtime is bringing the desktop up
	StateRunning     State = "running"     // an RFB handshake with the desktop has succeeded
	StateHibernating State = "hibernating" // going to sleep
	StateHibernated  State = "hibernated"  // asleep
	StateWaking      State = "waking"      // coming up again after a sleep
	StateStopping    State = "stopping"    // ending
	StateStopped     State = "stopped"     // ended; final
	StateFailed      State = "failed"      // ended by itself too often; a new desired state revives it
)

// Template describes a desktop that can be started: data, never code.
type Template struct {
	Name        string   `json:"name" yaml:"name"` // slug, unique in a catalog
	DisplayName string   `json:"displayName" yaml:"displayName"`
	Description string   `json:"description" yaml:"description"`
	Category    string   `json:"category" yaml:"category"`
	Icon        string   `json:"icon" yaml:"icon"` // name of an icon the web UI ships
	Tags        []string `json:"tags,omitempty" yaml:"tags"`

	// Command is the application's argument vector, run inside the desktop.
	// Command[0] is looked up in PATH: a template whose program is missing is
	// shown as not installed.
	Command []string `json:"command" yaml:"command"`
	// Env is added to the desktop's environment.
	Env map[string]string `json:"env,omitempty" yaml:"env"`
	// Packages are the Debian packages that provide Command.
	Packages []string `json:"packages" yaml:"packages"`

	IdleTimeout Duration  `json:"idleTimeout" yaml:"idleTimeout"` // hibernate after this long without input; 0 means never
	Network     Network   `json:"network" yaml:"network"`
	Resources   Resources `json:"resources" yaml:"resources"`
}

// Network is what a desktop may reach.
type Network string

const (
	NetworkNone     Network = "none"     // nothing
	NetworkInternet Network = "internet" // the outside, never the host's own loopback
)

// Resources bound one desktop.
type Resources struct {
	MemoryBytes int64   `json:"memoryBytes" yaml:"memoryBytes"` // 0 means the runtime's default
	CPUs        float64 `json:"cpus" yaml:"cpus"`               // 0 means no limit
	Processes   int     `json:"processes" yaml:"processes"`     // 0 means the runtime's default
}

// Duration is a time.Duration that reads and writes as "30m" in data files.
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}
