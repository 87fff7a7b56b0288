// Package v1alpha1 is what people and programs say about desktops to a
// Kubernetes API server: the objects Session, Template, User and
// TemplateRepository of group stream.space. It has no behaviour; the operator
// acts on them.
//
// +kubebuilder:object:generate=true
// +groupName=stream.space
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

//go:generate go tool -modfile=../../../internal/tools/kubernetes/go.mod controller-gen object crd paths=. output:crd:dir=../../../deploy/helm/streamspace/crds

// Group is the API group of everything here, Version its version.
const (
	Group   = "stream.space"
	Version = "v1alpha1"
)

// GroupVersion returns both.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// AddToScheme makes the types known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(),
		&Session{}, &SessionList{},
		&Template{}, &TemplateList{},
		&User{}, &UserList{},
		&TemplateRepository{}, &TemplateRepositoryList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}

// Labels that objects carry. Their values are names of objects in the same
// namespace.
const (
	LabelSession  = Group + "/session"
	LabelUser     = Group + "/user"
	LabelTemplate = Group + "/template"
	LabelHome     = Group + "/home"
	// LabelStart is on a pod: the session's spec.start that it was made for.
	LabelStart = Group + "/start"
	// LabelSessionID is on a Session that the control plane made: its id there.
	LabelSessionID = Group + "/session-id"
)

// Finalizer keeps a Session until its pod is gone.
const Finalizer = Group + "/desktop"
