package operator

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// pullerComponent is what pods are called that only hold an image on a node.
const pullerComponent = "image"

func pullerName(template string) string { return "streamspace-image-" + template }

// ensurePrePull has each node hold the Template's image, or none, as it says.
func (r *sessions) ensurePrePull(ctx context.Context, t *v1alpha1.Template) error {
	there := &appsv1.DaemonSet{}
	if t.Spec.PrePull {
		return r.applyOnce(ctx, puller(t), there)
	}
	there, err := get(ctx, r.client, t.Namespace, pullerName(t.Name), there)
	if err != nil || there == nil || !metav1.IsControlledBy(there, t) {
		return err
	}
	if err := r.client.Delete(ctx, there, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", there.Name, err)
	}
	return nil
}

// puller is a pod on each node that desktops of the Template may run on. It does
// nothing: a node keeps the images of its pods.
func puller(t *v1alpha1.Template) *appsv1.DaemonSet {
	labels := map[string]string{labelManaged: fieldOwner, labelComponent: pullerComponent, v1alpha1.LabelTemplate: t.Name}
	little := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("8Mi")}
	d := &appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "DaemonSet"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: t.Namespace, Name: pullerName(t.Name), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(t, v1alpha1.GroupVersion().WithKind("Template"))},
		},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken:  new(bool),
					EnableServiceLinks:            new(bool),
					TerminationGracePeriodSeconds: ptr[int64](0),
					ImagePullSecrets:              t.Spec.ImagePullSecrets,
					SecurityContext:               podSecurity(),
					Containers: []corev1.Container{{
						Name: "image", Image: t.Spec.Image, ImagePullPolicy: t.Spec.ImagePullPolicy,
						Command:         []string{"sleep", "infinity"},
						Resources:       corev1.ResourceRequirements{Requests: little, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")}},
						SecurityContext: containerSecurity(),
					}},
				},
			},
		},
	}
	place(&d.Spec.Template.Spec, t)
	d.Spec.Template.Spec.TopologySpreadConstraints = nil // there is one on each node
	return d
}
