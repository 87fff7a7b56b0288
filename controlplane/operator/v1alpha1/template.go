package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Template is an application that sessions can run. A change of it is for
// desktops that start later: those that run stay as they are.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tpl,categories=all
// +kubebuilder:printcolumn:name="Application",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.spec.category`
// +kubebuilder:printcolumn:name="Sessions",type=integer,JSONPath=`.status.sessions`
// +kubebuilder:printcolumn:name="Running",type=integer,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.image`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="a template's name has lower-case letters, digits and dashes, at most 63"
type Template struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TemplateSpec   `json:"spec"`
	Status TemplateStatus `json:"status,omitempty"`
}

// TemplateSpec describes the application: what people see, what runs, and what
// it may use.
type TemplateSpec struct {
	// DisplayName is what people call the application.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	DisplayName string `json:"displayName"`
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Description string `json:"description,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Category string `json:"category,omitempty"`
	// Icon is the name of an icon that the web UI ships.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Icon string `json:"icon,omitempty"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=63
	Tags []string `json:"tags,omitempty"`

	// Image has the desktop in it; its entry point is the desktop's agent.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:XValidation:rule="!self.contains(' ')",message="image: a reference such as registry/name:tag or registry/name@sha256:… has no spaces"
	Image string `json:"image"`
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// PrePull has every node that these desktops may run on keep the image, so
	// that no start waits for it. A program that sleeps holds it there.
	//
	// +optional
	PrePull bool `json:"prePull,omitempty"`
	// Architectures are those that the image is there for; without any, the
	// desktop may be put on every node that runs Linux.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=amd64;arm64
	Architectures []string `json:"architectures,omitempty"`

	// Command is the application, started by the agent inside the desktop.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	Command []string `json:"command"`
	// Env is added to the application's environment.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule="self.all(name, name.matches('^[A-Z_][A-Z0-9_]*$'))",message="env: names of variables have capital letters, digits and underscores"
	Env map[string]string `json:"env,omitempty"`

	// VNC says where the image serves RFB.
	//
	// +optional
	// +kubebuilder:default={port: 5900}
	VNC VNC `json:"vnc,omitempty"`

	// IdleTimeout is after how long without input the session is hibernated by
	// the control plane; 0 means never.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1m')",message="idleTimeout: 0s (never) or at least 1m"
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// Network is what the desktop may reach: none, or internet (the outside and
	// name service, never the cluster's own addresses).
	//
	// +optional
	// +kubebuilder:default=none
	Network Network `json:"network,omitempty"`
	// Egress is what it may reach besides.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty"`

	// Home is where the user's files are.
	//
	// +optional
	// +kubebuilder:default={size: "5Gi"}
	Home Home `json:"home,omitempty"`

	// Resources of the desktop. A limit without a request is both.
	//
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// SharedMemory is the size of /dev/shm; it counts as the desktop's memory.
	//
	// +optional
	// +kubebuilder:default="256Mi"
	SharedMemory *resource.Quantity `json:"sharedMemory,omitempty"`
	// Scratch bounds /tmp, which ends with the desktop.
	//
	// +optional
	// +kubebuilder:default="2Gi"
	Scratch *resource.Quantity `json:"scratch,omitempty"`
	// WritablePaths are further folders of the image that may be written to, up
	// to Scratch each; what is in them ends with the desktop.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.all(p, p.startsWith('/') && p != '/' && !p.contains('..') && !p.contains(':'))",message="writablePaths: absolute folders below /, without .. and colons"
	WritablePaths []string `json:"writablePaths,omitempty"`

	// RuntimeClassName chooses a sandbox such as gVisor or Kata.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxProperties=20
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
}

// VNC is where and how an image serves RFB.
type VNC struct {
	// +kubebuilder:default=5900
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Ready is a command that succeeds inside the desktop once RFB is served. A
	// connection to the port would count as a failed sign-in.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:default={"test", "-S", "/tmp/.X11-unix/X1"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Ready []string `json:"ready,omitempty"`
}

// Network is what a desktop may reach.
//
// +kubebuilder:validation:Enum=none;internet
type Network string

const (
	NetworkNone     Network = "none"
	NetworkInternet Network = "internet"
)

// Home is a volume for the user's files, made on first need and kept.
type Home struct {
	// +kubebuilder:default="5Gi"
	Size *resource.Quantity `json:"size,omitempty"`
	// StorageClassName is the cluster's default when it is not given.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
	// Path is where it is seen inside the desktop.
	//
	// +kubebuilder:default="/home/streamspace"
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/') && self != '/' && !self.contains('..') && !self.contains(':')",message="home.path: an absolute folder below /, without .. and colons"
	Path string `json:"path,omitempty"`
}

// TemplateStatus is written by the operator alone.
type TemplateStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Sessions is how many sessions there are of the template, Running how many
	// of them run.
	Sessions int32 `json:"sessions,omitempty"`
	Running  int32 `json:"running,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// TemplateList is a list of Templates.
//
// +kubebuilder:object:root=true
type TemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Template `json:"items"`
}
