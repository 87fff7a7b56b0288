package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Session is one desktop of one user.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ses;desktop;desktops,categories=all
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.template`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Wanted",type=string,JSONPath=`.spec.state`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Node",type=string,priority=1,JSONPath=`.status.node`
// +kubebuilder:printcolumn:name="Restarts",type=integer,priority=1,JSONPath=`.status.restarts`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 52",message="the session's name may have at most 52 characters: objects are named after it"
type Session struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SessionSpec   `json:"spec"`
	Status SessionStatus `json:"status,omitempty"`
}

// SessionSpec is what somebody wants: it is written by people or by the
// control plane, and never by the operator.
//
// +kubebuilder:validation:XValidation:rule="self.template == oldSelf.template",message="a session keeps its template: delete it and make another"
// +kubebuilder:validation:XValidation:rule="self.user == oldSelf.user",message="a session keeps its user: delete it and make another"
// +kubebuilder:validation:XValidation:rule="has(self.home) == has(oldSelf.home) && (!has(self.home) || self.home == oldSelf.home)",message="a session keeps its home: delete it and make another; the home's files stay"
// +kubebuilder:validation:XValidation:rule="self.start >= oldSelf.start",message="start only grows: a higher number starts the desktop afresh"
type SessionSpec struct {
	// Template is the name of the Template to run, in the session's namespace.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="template: lower-case letters, digits and dashes, as in a Template's name"
	Template string `json:"template"`
	// User is whom the desktop and its home belong to. A User object of that
	// name is not needed; where there is one, its quota holds.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="user: lower-case letters, digits and dashes, as in a User's name"
	User string `json:"user"`
	// Home names one of the user's homes; without it, it is the user's home of
	// the template. At most one session at a time runs on a home.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="home: lower-case letters, digits and dashes"
	Home string `json:"home,omitempty"`
	// State is what the session should be: running, or hibernated (no pod; the
	// session and its home stay).
	//
	// +optional
	// +kubebuilder:default=running
	State SessionState `json:"state,omitempty"`
	// Restart says whether the operator starts a desktop again that ended by
	// itself. The control plane, which decides that for its own sessions, sets
	// Never.
	//
	// +optional
	// +kubebuilder:default=Always
	Restart RestartPolicy `json:"restart,omitempty"`
	// Start grows with every start that is asked for: a desktop that was
	// started under a lower number is replaced.
	//
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	Start int64 `json:"start,omitempty"`
	// Screen is the size of the first screen; viewers resize it later.
	//
	// +optional
	// +kubebuilder:default={width: 1280, height: 800}
	Screen Screen `json:"screen,omitempty"`
}

// SessionState is what a session should be.
//
// +kubebuilder:validation:Enum=running;hibernated
type SessionState string

const (
	StateRunning    SessionState = "running"
	StateHibernated SessionState = "hibernated"
)

// RestartPolicy says who brings back a desktop that ended by itself.
//
// +kubebuilder:validation:Enum=Always;Never
type RestartPolicy string

const (
	RestartAlways RestartPolicy = "Always" // the operator, with growing pauses
	RestartNever  RestartPolicy = "Never"  // nobody, until start grows
)

// Screen is a size in pixels.
type Screen struct {
	// +kubebuilder:default=1280
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=16384
	Width int32 `json:"width,omitempty"`
	// +kubebuilder:default=800
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=16384
	Height int32 `json:"height,omitempty"`
}

// SessionStatus is what the session is: written by the operator alone.
type SessionStatus struct {
	// ObservedGeneration is the generation of the spec that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Phase is where the session is, in one word.
	Phase SessionPhase `json:"phase,omitempty"`
	// Message is what is being done, or what is wrong, for people.
	Message string `json:"message,omitempty"`
	// Start is the spec.start that this speaks of.
	Start int64 `json:"start,omitempty"`
	// Address is where a gateway finds the desktop's RFB server (host:port),
	// while the phase is Running.
	Address string `json:"address,omitempty"`
	// Home is the name of the volume claim of the home, and of the pod on it.
	Home string `json:"home,omitempty"`
	// Secret is the name of the Secret that the desktop's RFB server asks for.
	Secret string `json:"secret,omitempty"`
	// Node is where the pod runs.
	Node string `json:"node,omitempty"`
	// PodUID is the pod of this start, also when it is gone.
	PodUID string `json:"podUID,omitempty"`
	// ReadyAt is when the desktop was last seen to come up.
	ReadyAt *metav1.Time `json:"readyAt,omitempty"`
	// Restarts counts how often in a row the desktop ended by itself, under
	// this start; a desktop that stays up for a while sets it back.
	Restarts int32 `json:"restarts,omitempty"`
	// RestartAt is when it is started again.
	RestartAt *metav1.Time `json:"restartAt,omitempty"`
	// Conditions are Ready, Progressing, Hibernated and Degraded.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SessionPhase is a session's condition in one word.
//
// +kubebuilder:validation:Enum=Pending;Starting;Running;Hibernating;Hibernated;Failed
type SessionPhase string

const (
	PhasePending     SessionPhase = "Pending"     // something is missing that somebody else must bring
	PhaseStarting    SessionPhase = "Starting"    // its pod is coming up, or the one before it is ending
	PhaseRunning     SessionPhase = "Running"     // a gateway can reach the desktop
	PhaseHibernating SessionPhase = "Hibernating" // its pod is ending
	PhaseHibernated  SessionPhase = "Hibernated"  // no pod, as was asked
	PhaseFailed      SessionPhase = "Failed"      // the desktop ended by itself
)

// SessionList is a list of Sessions.
//
// +kubebuilder:object:root=true
type SessionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Session `json:"items"`
}
