package operator

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// counts tells on Templates and Users what there is of theirs.
type counts struct{ sessions *sessions }

// template sees to a Template's network rules, and counts its sessions.
func (c *counts) template(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	r := c.sessions
	defer r.metrics.took("template", time.Now())
	all, running, err := c.count(ctx, request.Namespace, byTemplate, request.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	t, err := get(ctx, r.client, request.Namespace, request.Name, &v1alpha1.Template{})
	if err != nil {
		return ctrl.Result{}, err
	}
	if t == nil || t.DeletionTimestamp != nil {
		if all > 0 {
			return ctrl.Result{}, nil // they run on: their rules stay until the last has gone
		}
		return ctrl.Result{}, r.dropRules(ctx, request.Namespace, request.Name)
	}
	if err := r.ensureRules(ctx, t); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.ensurePrePull(ctx, t); err != nil {
		return ctrl.Result{}, err
	}
	status := t.Status.DeepCopy()
	status.ObservedGeneration, status.Sessions, status.Running = t.Generation, all, running
	setCondition(&status.Conditions, taken(t.Generation, "Sessions can be started"), r.now())
	if apiequality.Semantic.DeepEqual(t.Status, *status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.applyStatus(ctx, &v1alpha1.Template{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Template"},
		ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name, UID: t.UID},
		Status:     *status,
	})
}

// user counts a User's sessions and homes.
func (c *counts) user(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	r := c.sessions
	defer r.metrics.took("user", time.Now())
	u, err := get(ctx, r.client, request.Namespace, request.Name, &v1alpha1.User{})
	if err != nil || u == nil {
		return ctrl.Result{}, err
	}
	all, running, err := c.count(ctx, request.Namespace, byUser, request.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	var homes corev1.PersistentVolumeClaimList
	if err := r.client.List(ctx, &homes, client.InNamespace(request.Namespace), client.MatchingLabels{v1alpha1.LabelUser: request.Name}); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing the homes of %s: %w", request.Name, err)
	}
	status := u.Status.DeepCopy()
	status.ObservedGeneration, status.Sessions, status.Running, status.Homes = u.Generation, all, running, int32(len(homes.Items))
	ready := taken(u.Generation, "Sessions can be started")
	if u.Spec.Suspended {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonUserSuspended, "Suspended: no session is started"
	}
	setCondition(&status.Conditions, ready, r.now())
	if apiequality.Semantic.DeepEqual(u.Status, *status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.applyStatus(ctx, &v1alpha1.User{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "User"},
		ObjectMeta: metav1.ObjectMeta{Namespace: u.Namespace, Name: u.Name, UID: u.UID},
		Status:     *status,
	})
}

func taken(generation int64, message string) metav1.Condition {
	return metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAsExpected, Message: message, ObservedGeneration: generation,
	}
}

func (c *counts) count(ctx context.Context, namespace, index, value string) (all, running int32, err error) {
	var list v1alpha1.SessionList
	if err := c.sessions.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{index: value}); err != nil {
		return 0, 0, fmt.Errorf("listing sessions by %s %s: %w", index, value, err)
	}
	for i := range list.Items {
		all++
		if list.Items[i].Status.Phase == v1alpha1.PhaseRunning {
			running++
		}
	}
	return all, running, nil
}

// applyStatus writes the status of a Template or User.
func (r *sessions) applyStatus(ctx context.Context, object client.Object) error {
	u, err := applied(object)
	if err != nil {
		return err
	}
	delete(u.Object, "spec")
	err = r.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(fieldOwner), client.ForceOwnership)
	return quiet(client.IgnoreNotFound(err))
}

// dropRules takes away the rules of a Template that is no more.
func (r *sessions) dropRules(ctx context.Context, namespace, template string) error {
	there, err := get(ctx, r.client, namespace, rulesName(template), &networkingv1.NetworkPolicy{})
	if err != nil || there == nil {
		return err
	}
	if err := r.client.Delete(ctx, there); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the network rules %s: %w", there.Name, err)
	}
	return nil
}
