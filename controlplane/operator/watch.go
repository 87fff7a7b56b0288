package operator

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// By what objects in memory are found.
const (
	byUser     = "user"
	byTemplate = "template"
	byHome     = "home" // the name of its volume claim
	byNode     = "node"
)

// Pauses after errors at an object, which double.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = time.Minute
)

// control sets up who acts on what.
func (o *Operator) control(options Options) error {
	m := o.manager
	if err := index(m); err != nil {
		return err
	}
	r := &sessions{
		client: m.GetClient(), live: m.GetAPIReader(), events: m.GetEventRecorder("streamspace-operator"),
		gateways: options.Gateways, metrics: o.metrics, now: time.Now,
	}
	bounds := func(workers int) controller.Options {
		return controller.Options{
			MaxConcurrentReconciles: workers,
			SkipNameValidation:      ptr(true), // several operators in one process: tests
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, longestRetry),
		}
	}
	err := ctrl.NewControllerManagedBy(m).Named("session").For(&v1alpha1.Session{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.onHome)).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.onHome)).
		Watches(&v1alpha1.Session{}, handler.EnqueueRequestsFromMapFunc(r.inQueue)).
		Watches(&v1alpha1.Template{}, handler.EnqueueRequestsFromMapFunc(r.waitingFor)).
		Watches(&v1alpha1.User{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.where(ctx, o.GetNamespace(), byUser, o.GetName(), nil)
		})).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.onNode), builder.WithPredicates(lossOrReturn())).
		WithOptions(bounds(options.Workers)).Complete(r)
	if err != nil {
		return err
	}
	count := &counts{sessions: r}
	err = ctrl.NewControllerManagedBy(m).Named("template").For(&v1alpha1.Template{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Session{}, later(options.CountEvery, func(s *v1alpha1.Session) string { return s.Spec.Template })).
		WithOptions(bounds(1)).Complete(reconcile.Func(count.template))
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(m).Named("user").For(&v1alpha1.User{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Session{}, later(options.CountEvery, func(s *v1alpha1.Session) string { return s.Spec.User })).
		WithOptions(bounds(1)).Complete(reconcile.Func(count.user))
}

func index(m ctrl.Manager) error {
	add := func(object client.Object, name string, of func(client.Object) string) error {
		return m.GetFieldIndexer().IndexField(context.Background(), object, name, func(o client.Object) []string { return []string{of(o)} })
	}
	for name, of := range map[string]func(*v1alpha1.Session) string{
		byUser:     func(s *v1alpha1.Session) string { return s.Spec.User },
		byTemplate: func(s *v1alpha1.Session) string { return s.Spec.Template },
		byHome:     func(s *v1alpha1.Session) string { return claimName(s.Spec.User, homeOf(s)) },
	} {
		if err := add(&v1alpha1.Session{}, name, func(o client.Object) string { return of(o.(*v1alpha1.Session)) }); err != nil {
			return err
		}
	}
	return add(&corev1.Pod{}, byNode, func(o client.Object) string { return o.(*corev1.Pod).Spec.NodeName })
}

// where lists sessions by an index, of those that fit.
func (r *sessions) where(ctx context.Context, namespace, index, value string, fits func(*v1alpha1.Session) bool) []reconcile.Request {
	var all v1alpha1.SessionList
	if err := r.client.List(ctx, &all, client.InNamespace(namespace), client.MatchingFields{index: value}); err != nil {
		return nil // of what is in memory: it cannot fail but at the end
	}
	var found []reconcile.Request
	for i := range all.Items {
		if fits == nil || fits(&all.Items[i]) {
			found = append(found, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: all.Items[i].Name}})
		}
	}
	return found
}

// onHome are the sessions of the home that a pod or claim is named after.
func (r *sessions) onHome(ctx context.Context, o client.Object) []reconcile.Request {
	return r.where(ctx, o.GetNamespace(), byHome, o.GetName(), nil)
}

// inQueue are the sessions that wait for one of the same user to end.
func (r *sessions) inQueue(ctx context.Context, o client.Object) []reconcile.Request {
	return r.where(ctx, o.GetNamespace(), byUser, o.(*v1alpha1.Session).Spec.User, func(s *v1alpha1.Session) bool {
		return s.Name != o.GetName() && readyReason(s.Status) == v1alpha1.ReasonQuotaExceeded
	})
}

// waitingFor are the sessions that a Template may let start.
func (r *sessions) waitingFor(ctx context.Context, o client.Object) []reconcile.Request {
	return r.where(ctx, o.GetNamespace(), byTemplate, o.GetName(), func(s *v1alpha1.Session) bool {
		return s.Status.Phase == v1alpha1.PhasePending || s.Status.Phase == ""
	})
}

// onNode are the sessions whose pods a node runs.
func (r *sessions) onNode(ctx context.Context, o client.Object) []reconcile.Request {
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, client.MatchingFields{byNode: o.GetName()}); err != nil {
		return nil
	}
	var found []reconcile.Request
	for i := range pods.Items {
		found = append(found, r.onHome(ctx, &pods.Items[i])...)
	}
	return found
}

// lossOrReturn lets through what changes whether a node answers.
func lossOrReturn() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return lost(e.Object.(*corev1.Node)) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return lost(e.ObjectOld.(*corev1.Node)) != lost(e.ObjectNew.(*corev1.Node))
		},
	}
}

// lost tells whether the cluster has not heard of the node for a while.
func lost(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionUnknown
		}
	}
	return false
}

// later has what a session names looked at after a while, once for all changes
// until then.
func later(after time.Duration, name func(*v1alpha1.Session) string) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(o client.Object, q queue) {
		q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name(o.(*v1alpha1.Session))}}, after)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { add(e.Object, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { add(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.(*v1alpha1.Session).Status.Phase != e.ObjectNew.(*v1alpha1.Session).Status.Phase {
				add(e.ObjectNew, q)
			}
		},
	}
}
