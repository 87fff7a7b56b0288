package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// User bounds what the sessions of one person may use. Deleting it leaves
// sessions and homes as they are.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=susr,categories=all
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspended`
// +kubebuilder:printcolumn:name="Sessions",type=integer,JSONPath=`.status.sessions`
// +kubebuilder:printcolumn:name="Running",type=integer,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name="Homes",type=integer,JSONPath=`.status.homes`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="a user's name has lower-case letters, digits and dashes, at most 63"
type User struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   UserSpec   `json:"spec,omitempty"`
	Status UserStatus `json:"status,omitempty"`
}

// UserSpec is written by people.
type UserSpec struct {
	// +optional
	// +kubebuilder:validation:MaxLength=500
	DisplayName string `json:"displayName,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[^@ ]+@[^@ ]+$')",message="email: an address such as ada@example.org"
	Email string `json:"email,omitempty"`
	// Suspended keeps the user's sessions from starting, and hibernates those
	// that run.
	//
	// +optional
	Suspended bool `json:"suspended,omitempty"`
	// Quota bounds what runs at a time; what is not given is not bounded.
	//
	// +optional
	Quota Quota `json:"quota,omitempty"`
	// HomeSize is how large a home is made, instead of the template's size.
	//
	// +optional
	HomeSize *resource.Quantity `json:"homeSize,omitempty"`
}

// Quota bounds what one user's sessions use together.
type Quota struct {
	// Sessions is how many may run at a time; the oldest go first.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sessions *int32 `json:"sessions,omitempty"`
}

// UserStatus is written by the operator alone.
type UserStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	Sessions           int32 `json:"sessions,omitempty"`
	Running            int32 `json:"running,omitempty"`
	Homes              int32 `json:"homes,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UserList is a list of Users.
//
// +kubebuilder:object:root=true
type UserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []User `json:"items"`
}
