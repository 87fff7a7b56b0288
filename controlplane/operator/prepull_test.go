package operator_test

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// Nodes hold an image ahead of sessions, for as long as its Template says so.
func TestPrePull(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	o := b.template("gimp", func(o *v1alpha1.Template) { o.Spec.PrePull, o.Spec.Architectures = true, []string{"arm64"} })
	var d appsv1.DaemonSet
	key := client.ObjectKey{Namespace: b.namespace, Name: "streamspace-image-gimp"}
	kubetest.Until(t, "the image to be pulled", func(ctx context.Context) (bool, error) {
		err := b.Get(ctx, key, &d)
		return err == nil, client.IgnoreNotFound(err)
	})
	pod := d.Spec.Template.Spec
	if pod.Containers[0].Image != o.Spec.Image || pod.Affinity == nil || !*pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
		t.Errorf("the pods are %+v", pod)
	}
	base := o.DeepCopy()
	o.Spec.PrePull = false
	b.ok(b.Patch(t.Context(), o, client.MergeFrom(base)))
	b.gone(&d)
}
