// Package operator acts on the objects of group stream.space in a cluster: it
// gives each Session that should run a pod, a home, a certificate and network
// rules, and tells on the Session how it does. It speaks with the API server
// alone, and knows neither viewers nor accounts.
//
// What it must never do is to have two pods write one home. A pod is named
// after its home's volume claim, so that the API server itself refuses a second
// one, and no pod is ever removed by force: one on a node that does not answer
// may still run.
package operator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// fieldOwner is by what name the API server knows what the operator wrote.
const fieldOwner = "streamspace-operator"

// Component is what desktops' pods are called in app.kubernetes.io/component.
const Component = "desktop"

// Options are what an operator needs.
type Options struct {
	Config *rest.Config
	// Namespace bounds what the operator sees; empty is all of the cluster.
	Namespace string
	// Gateways are the only pods that network rules let reach desktops.
	Gateways Gateways
	// LeaseNamespace has the lease by which one of several operators leads;
	// empty means that there is only this one.
	LeaseNamespace string
	// Workers is how many sessions are acted on at a time; 0 means 16.
	Workers int
	// CountEvery is between two looks at how many sessions a Template or User
	// has, so that a burst of sessions is one write there; 0 means 5 s.
	CountEvery time.Duration

	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Gateways says where gateways run.
type Gateways struct {
	Namespace string            // empty: in the desktops' own
	Labels    map[string]string // empty: app.kubernetes.io/component=gateway
}

// Operator is one. Everything in it is immutable.
type Operator struct {
	manager ctrl.Manager
	metrics *metrics
}

// New returns an operator that does nothing before Run.
func New(options Options) (*Operator, error) {
	options.Workers = cmp.Or(options.Workers, 16)
	options.CountEvery = cmp.Or(options.CountEvery, 5*time.Second)
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	m, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(options.Config)
	config.Wrap(m.countWrites)
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Logger:  logr.FromSlogHandler(options.Log.Handler()),
		Metrics: metricsserver.Options{BindAddress: "0"}, // the process serves its own
		Cache:   cacheOptions(options.Namespace),

		LeaderElection: options.LeaseNamespace != "", LeaderElectionNamespace: options.LeaseNamespace,
		LeaderElectionID: "streamspace-operator", LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster's API server: %w", err)
	}
	o := &Operator{manager: manager, metrics: m}
	if err := o.control(options); err != nil {
		return nil, fmt.Errorf("setting up what acts on sessions: %w", err)
	}
	return o, nil
}

// cacheOptions keep in memory what is ours, without what is large and of no use.
func cacheOptions(namespace string) cache.Options {
	ours := cache.ByObject{
		Label:     labels.SelectorFromSet(labels.Set{labelManaged: fieldOwner}),
		Transform: cache.TransformStripManagedFields(),
	}
	o := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: ours, &corev1.PersistentVolumeClaim{}: ours, &corev1.Secret{}: ours, &networkingv1.NetworkPolicy{}: ours,
			&appsv1.DaemonSet{}: ours,
			&corev1.Node{}:      {Transform: stripNode},
		},
	}
	if namespace != "" {
		o.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	return o
}

// stripNode leaves of a node only whether it answers.
func stripNode(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		return &corev1.Node{
			TypeMeta: node.TypeMeta, ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, Labels: node.Labels},
			Status: corev1.NodeStatus{Conditions: node.Status.Conditions},
		}, nil
	}
	return object, nil
}

// Run acts until ctx ends, or it cannot go on: also when another operator leads
// though this one thought that it did.
func (o *Operator) Run(ctx context.Context) error {
	if err := o.manager.Start(ctx); err != nil {
		return fmt.Errorf("acting on sessions in the cluster: %w", err)
	}
	return nil
}

// Ready is nil once the operator has read what is in the cluster.
func (o *Operator) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !o.manager.GetCache().WaitForCacheSync(ctx) {
		return fmt.Errorf("the cluster's objects have not been read yet")
	}
	return nil
}
