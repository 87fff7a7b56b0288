package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TemplateRepository is a place that templates come from. It is a type only:
// nothing reads it yet.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=trepo,categories=all
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TemplateRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TemplateRepositorySpec   `json:"spec"`
	Status TemplateRepositoryStatus `json:"status,omitempty"`
}

// TemplateRepositorySpec says where the templates are.
type TemplateRepositorySpec struct {
	// URL of a Git repository or an index of templates.
	//
	// +kubebuilder:validation:MaxLength=2000
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('oci://')",message="url: https://… or oci://…"
	URL string `json:"url"`
	// Reference is a branch, tag or digest.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Reference string `json:"reference,omitempty"`
	// Interval is how often it is looked at.
	//
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="interval: at least 1m"
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// TemplateRepositoryStatus is written by the operator alone.
type TemplateRepositoryStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// TemplateRepositoryList is a list of TemplateRepositories.
//
// +kubebuilder:object:root=true
type TemplateRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TemplateRepository `json:"items"`
}
