package operator

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// defaultHomeSize is for Templates from before there was a default.
const defaultHomeSize = "5Gi"

// claim is a home as it should be made. Nothing owns it: it outlives sessions,
// Templates and Users, and is deleted by people or the control plane alone.
func claim(s *v1alpha1.Session, t *v1alpha1.Template, u *v1alpha1.User) *corev1.PersistentVolumeClaim {
	size := t.Spec.Home.Size
	if u != nil && u.Spec.HomeSize != nil {
		size = u.Spec.HomeSize
	}
	if size == nil {
		size = ptr(resource.MustParse(defaultHomeSize))
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: claimName(s.Spec.User, homeOf(s)),
			Labels: map[string]string{
				labelManaged: fieldOwner, labelComponent: "home",
				v1alpha1.LabelUser: s.Spec.User, v1alpha1.LabelHome: homeOf(s), v1alpha1.LabelTemplate: s.Spec.Template,
			},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			// One node at a time, where the volume's driver can see to it.
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: t.Spec.Home.StorageClassName,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: *size}},
		},
	}
}

// isHomeOf tells whether a claim is that home of that user.
func isHomeOf(c *corev1.PersistentVolumeClaim, s *v1alpha1.Session) bool {
	return c.Labels[v1alpha1.LabelUser] == s.Spec.User && c.Labels[v1alpha1.LabelHome] == homeOf(s)
}

// ensureHome makes the home unless it is there. One that was made before is left
// as it is: its size is a matter of the volume's driver.
func (r *sessions) ensureHome(ctx context.Context, w world) error {
	if w.claim != nil {
		return nil
	}
	c := claim(w.session, w.template, w.user)
	err := r.client.Create(ctx, c, client.FieldOwner(fieldOwner))
	if apierrors.IsAlreadyExists(err) {
		var there corev1.PersistentVolumeClaim
		if err := r.live.Get(ctx, client.ObjectKeyFromObject(c), &there); err != nil {
			return fmt.Errorf("reading the volume claim %s: %w", c.Name, err)
		}
		if !isHomeOf(&there, w.session) {
			return &refusal{v1alpha1.ReasonHomeOfAnother, fmt.Sprintf("The volume claim %s is there and is not of this home", c.Name)}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the volume claim %s: %w", c.Name, err)
	}
	return nil
}
