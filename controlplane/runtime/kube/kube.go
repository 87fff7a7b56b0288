// Package kube has desktops run in a Kubernetes cluster: it says by Session
// objects what should run, and reads there what does. Pods, volumes and
// certificates are the operator's; nothing of them is touched here but homes
// that are deleted for good.
//
// A Session that somebody else made is handed to an Adopter. From then on, who
// writes a field last has it: the control plane takes spec.state and a deletion
// as wishes when they are somebody else's, and writes spec.state, spec.start and
// spec.restart itself. spec.template, spec.user and spec.home never change, and
// the status is the operator's alone.
package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// fieldOwner is by what name the API server knows what is written here.
const fieldOwner = "streamspace-controlplane"

// workers is how many sessions' news are read at a time: each may ask for a
// Secret.
const workers = 8

// Options are what a Runtime needs.
type Options struct {
	Config    *rest.Config
	Namespace string // where Sessions and Templates are
	// Over tells whether a session that should not run is over for good; then
	// its object is deleted. Nil: none ever is.
	Over func(ctx context.Context, session streamspace.SessionID) (bool, error)
	// Adopter takes sessions that others declare; nil: nobody does.
	Adopter Adopter
	Log     *slog.Logger
}

// Adopter is who knows sessions and people.
type Adopter interface {
	// Adopt takes a declared session in under the id, if it is not there yet.
	// ErrUnknown: there is no such user or template, and the session goes on
	// without the control plane.
	Adopt(ctx context.Context, session streamspace.SessionID, declared Declared) error
	// Want has the session be as somebody asked for in the cluster.
	Want(ctx context.Context, session streamspace.SessionID, state streamspace.DesiredState) error
}

// ErrUnknown is returned by an Adopter.
var ErrUnknown = errors.New("not known here")

// Declared is a session that was made in the cluster.
type Declared struct {
	Name     string
	User     string // a user's name or id
	Template string
	State    streamspace.DesiredState
}

// Runtime is one. Run it, or nothing is told.
type Runtime struct {
	options Options       // immutable
	client  client.Client // immutable; asks the API server
	cache   cache.Cache   // immutable
	queue   workqueue.TypedRateLimitingInterface[string]

	mu      sync.Mutex
	watched bool                                          // guarded by mu
	ended   map[string]*v1alpha1.Session                  // guarded by mu; deleted objects by name, not yet told
	names   map[streamspace.SessionID]string              // guarded by mu; of sessions that others named
	seen    map[streamspace.SessionID]runtime.Observation // guarded by mu
	adopted map[streamspace.SessionID]bool                // guarded by mu; by this process
	wished  map[streamspace.SessionID]int64               // guarded by mu; generation whose wish was told
	told    map[streamspace.SessionID]runtime.Observation // guarded by mu; not yet delivered
	order   []streamspace.SessionID                       // guarded by mu; of told
	wake    chan struct{}                                 // capacity 1
}

var _ runtime.Runtime = (*Runtime)(nil)

// New returns a runtime that knows nothing before Run.
func New(options Options) (*Runtime, error) {
	scheme := kruntime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	asks, err := client.New(options.Config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster's API server: %w", err)
	}
	remembers, err := cache.New(options.Config, cache.Options{Scheme: scheme, DefaultNamespaces: map[string]cache.Config{options.Namespace: {}}})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster's API server: %w", err)
	}
	return &Runtime{
		options: options, client: asks, cache: remembers,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, time.Minute)),
		ended: make(map[string]*v1alpha1.Session),
		names: make(map[streamspace.SessionID]string), seen: make(map[streamspace.SessionID]runtime.Observation),
		adopted: make(map[streamspace.SessionID]bool), wished: make(map[streamspace.SessionID]int64),
		told: make(map[streamspace.SessionID]runtime.Observation), wake: make(chan struct{}, 1),
	}, nil
}

// objectName is the name of the Session object that is made for a session.
func objectName[T ~string](id T) string { return strings.ReplaceAll(string(id), "_", "-") }

// name is the name of a session's object, which others may have given.
func (r *Runtime) name(session streamspace.SessionID) (name string, declared bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name, ok := r.names[session]; ok {
		return name, true
	}
	return objectName(session), false
}

// Apply declares that the desktop should run.
func (r *Runtime) Apply(ctx context.Context, desktop runtime.Desktop) error {
	name, declared := r.name(desktop.Session)
	spec := map[string]any{
		"state": string(v1alpha1.StateRunning), "start": int64(desktop.Epoch), "restart": string(v1alpha1.RestartNever),
	}
	if !declared {
		spec["template"], spec["user"], spec["home"] = desktop.Template.Name, objectName(desktop.Owner), objectName(desktop.Home)
		spec["screen"] = map[string]any{"width": int64(desktop.Width), "height": int64(desktop.Height)}
		if desktop.Width == 0 || desktop.Height == 0 {
			delete(spec, "screen")
		}
		if desktop.Owner == "" {
			spec["user"] = "nobody"
		}
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion().String(), "kind": "Session",
		"metadata": map[string]any{
			"namespace": r.options.Namespace, "name": name,
			"labels": map[string]any{v1alpha1.LabelSessionID: string(desktop.Session)},
		},
		"spec": spec,
	}}
	// By force: whoever asked for another state has been heard, and this is what followed.
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldOwner), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("declaring the Session %s: %w", name, err)
	}
	return nil
}

// Delete declares that the session's desktop should not run. Its object stays
// and sleeps, unless the session is over for good.
func (r *Runtime) Delete(ctx context.Context, session streamspace.SessionID) error {
	name, _ := r.name(session)
	object := &v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: r.options.Namespace, Name: name}}
	if r.options.Over != nil {
		over, err := r.options.Over(ctx, session)
		if err != nil {
			return err
		}
		if over {
			if err := r.client.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("deleting the Session %s: %w", name, err)
			}
			return nil
		}
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"state":"`+string(v1alpha1.StateHibernated)+`"}}`))
	if err := r.client.Patch(ctx, object, patch, client.FieldOwner(fieldOwner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("hibernating the Session %s: %w", name, err)
	}
	return nil
}

// Availability says whether there is a Template object.
func (r *Runtime) Availability(template streamspace.Template) runtime.Availability {
	if _, ok := r.Template(template.Name); ok {
		return runtime.Availability{Installed: true}
	}
	return runtime.Availability{
		Missing:        []string{"Template " + template.Name},
		InstallCommand: fmt.Sprintf("streamspace catalog template %s | kubectl apply -n %s -f -", template.Name, r.options.Namespace),
	}
}

// Template is what the cluster knows by a template's name.
func (r *Runtime) Template(name string) (streamspace.Template, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // of memory; before Run there is none
	defer cancel()
	var t v1alpha1.Template
	if err := r.cache.Get(ctx, client.ObjectKey{Namespace: r.options.Namespace, Name: name}, &t); err != nil {
		return streamspace.Template{}, false
	}
	template := streamspace.Template{
		Name: t.Name, DisplayName: t.Spec.DisplayName, Description: t.Spec.Description, Category: t.Spec.Category, Icon: t.Spec.Icon,
		Tags: t.Spec.Tags, Command: t.Spec.Command, Env: t.Spec.Env, Network: streamspace.Network(t.Spec.Network),
	}
	if t.Spec.IdleTimeout != nil {
		template.IdleTimeout = streamspace.Duration(t.Spec.IdleTimeout.Duration)
	}
	return template, true
}

// DeleteHome deletes the volume claim of a home whose row is gone.
func (r *Runtime) DeleteHome(ctx context.Context, home streamspace.HomeID) error {
	var claims corev1.PersistentVolumeClaimList
	err := r.client.List(ctx, &claims, client.InNamespace(r.options.Namespace), client.MatchingLabels{v1alpha1.LabelHome: objectName(home)})
	for i := range claims.Items {
		if gone := r.client.Delete(ctx, &claims.Items[i]); !apierrors.IsNotFound(gone) {
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return fmt.Errorf("deleting the home %s in the cluster: %w", home, err)
	}
	return nil
}
