package operator_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// At most one session at a time runs on a home; the next one has it afterwards.
func TestOneHomeOnePod(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.template("gimp")
	first := b.session("first")
	b.phase("first", v1alpha1.PhaseRunning)
	b.session("second")
	s := b.phase("second", v1alpha1.PhasePending)
	if !strings.Contains(s.Status.Message, "the session first has it") {
		t.Errorf("it says %q", s.Status.Message)
	}
	b.ok(b.Delete(t.Context(), first))
	b.gone(first)
	b.phase("second", v1alpha1.PhaseRunning)
}

// What goes wrong is told in words, and what can be mended is.
func TestTroubles(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.template("gimp", func(o *v1alpha1.Template) {
		o.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	})
	b.session("paint")
	pod := b.pod("paint")
	b.ok(cluster.SetUnschedulable(t.Context(), pod, "0/3 nodes are available: 3 Insufficient memory."))
	if s := b.degraded("paint", v1alpha1.ReasonUnschedulable); s.Status.Phase != v1alpha1.PhaseStarting || !strings.Contains(s.Status.Message, "3 Insufficient memory") {
		t.Errorf("it says %+v", s.Status)
	}

	b.ok(cluster.Bind(t.Context(), pod, "node-1"))
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetWaiting(t.Context(), pod, "ErrImagePull", "registry.example/gimp:1: not found"))
	if s := b.degraded("paint", v1alpha1.ReasonImagePullFailed); s.Status.Message != "image pull failed: registry.example/gimp:1: not found" {
		t.Errorf("it says %q", s.Status.Message)
	}
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetRunning(t.Context(), pod, "10.9.8.7"))
	b.phase("paint", v1alpha1.PhaseRunning)

	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetEnded(t.Context(), pod, "OOMKilled", 137, ""))
	s := b.degraded("paint", v1alpha1.ReasonOutOfMemory)
	if s.Status.Phase != v1alpha1.PhaseFailed || s.Status.Restarts != 1 || s.Status.RestartAt == nil || !strings.Contains(s.Status.Message, "1Gi") {
		t.Errorf("out of memory: %+v", s.Status)
	}
	next := b.put("paint", pod) // no node lets the first one go: that had no container left, and is gone at once
	if s := b.phase("paint", v1alpha1.PhaseRunning); s.Status.Restarts != 1 {
		t.Errorf("restarted as %+v", s.Status)
	}

	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(next), next))
	b.ok(cluster.SetEvicted(t.Context(), next, "The node was low on resource: memory."))
	if s := b.degraded("paint", v1alpha1.ReasonEvicted); s.Status.Restarts != 2 || !strings.Contains(s.Status.Message, "low on resource") {
		t.Errorf("evicted: %+v", s.Status)
	}
}

// Who asked not to be restarted is not.
func TestRestartNever(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.template("gimp")
	b.session("paint", func(s *v1alpha1.Session) { s.Spec.Restart = v1alpha1.RestartNever })
	pod := b.put("paint")
	b.phase("paint", v1alpha1.PhaseRunning)
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetEnded(t.Context(), pod, "Error", 1, "Xvnc: cannot open display"))
	s := b.phase("paint", v1alpha1.PhaseFailed)
	if !strings.Contains(s.Status.Message, "code 1: Xvnc: cannot open display") || s.Status.RestartAt != nil {
		t.Errorf("failed as %+v", s.Status)
	}
	b.gone(pod)
	b.settled()
	if pods := b.pods(); len(pods) != 0 {
		t.Errorf("it was started again: %v", pods)
	}
	b.patch("paint", func(s *v1alpha1.Session) { s.Spec.Start++ })
	again := b.put("paint", pod)
	b.phase("paint", v1alpha1.PhaseRunning)
	b.ok(cluster.Remove(t.Context(), again.Namespace, again.Name, again.UID)) // by somebody's hand
	b.degraded("paint", v1alpha1.ReasonPodDeleted)
}

// A node that does not answer may still run the desktop: it is told, and no
// second pod is made while the first one may write to the home.
func TestNodeLoss(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.template("gimp")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}
	b.make(node)
	answer := func(status corev1.ConditionStatus) {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
		b.ok(b.Status().Update(t.Context(), node))
	}
	answer(corev1.ConditionTrue)
	b.session("paint")
	pod := b.pod("paint")
	b.ok(cluster.Bind(t.Context(), pod, node.Name))
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetRunning(t.Context(), pod, "10.9.8.7"))
	b.phase("paint", v1alpha1.PhaseRunning)
	answer(corev1.ConditionUnknown)
	b.degraded("paint", v1alpha1.ReasonNodeLost)
	b.ok(b.Delete(t.Context(), pod)) // as the cluster does after a while; nobody is there to carry it out
	s := b.until("paint", "that it waits", func(s *v1alpha1.Session) bool {
		return s.Status.Phase == v1alpha1.PhaseStarting && condition(s.Status.Conditions, v1alpha1.ConditionDegraded).Status == metav1.ConditionTrue
	})
	if !strings.Contains(s.Status.Message, "may still run there") {
		t.Errorf("it says %q", s.Status.Message)
	}
	b.settled()
	if now := b.pods()["paint"]; now == nil || now.UID != pod.UID {
		t.Errorf("there is another pod while the first may run: %+v", now)
	}
	b.ok(cluster.Remove(t.Context(), pod.Namespace, pod.Name, pod.UID)) // the node is known to be off
	b.put("paint", pod)
}

// Others' parts that are missing are named, and awaited.
func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.session("paint")
	if s := b.degraded("paint", v1alpha1.ReasonTemplateMissing); s.Status.Phase != v1alpha1.PhasePending {
		t.Errorf("without a template: %+v", s.Status)
	}
	b.template("gimp")
	b.phase("paint", v1alpha1.PhaseRunning)
}

// A user's quota and suspension bound what runs.
func TestUsers(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.template("gimp")
	one := int32(1)
	ada := &v1alpha1.User{ObjectMeta: objectMeta(b.namespace, "ada"), Spec: v1alpha1.UserSpec{Quota: v1alpha1.Quota{Sessions: &one}}}
	b.make(ada)
	b.session("first", func(s *v1alpha1.Session) { s.Spec.Home = "first" })
	b.phase("first", v1alpha1.PhaseRunning)
	b.session("second", func(s *v1alpha1.Session) { s.Spec.Home = "second" })
	if s := b.phase("second", v1alpha1.PhasePending); !strings.Contains(s.Status.Message, "1 sessions at a time") {
		t.Errorf("it says %q", s.Status.Message)
	}
	b.patch("first", func(s *v1alpha1.Session) { s.Spec.State = v1alpha1.StateHibernated })
	b.phase("second", v1alpha1.PhaseRunning)

	base := ada.DeepCopy()
	ada.Spec.Suspended = true
	b.ok(b.Patch(t.Context(), ada, client.MergeFrom(base)))
	s := b.phase("second", v1alpha1.PhaseHibernated)
	if !strings.Contains(s.Status.Message, "suspended") || len(b.pods()) != 0 {
		t.Errorf("suspended: %+v", s.Status)
	}
}

// A volume that does not come is named.
func TestHomePending(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.template("gimp")
	b.session("paint")
	pod := b.pod("paint")
	var home corev1.PersistentVolumeClaim
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(pod), &home))
	home.Status.Phase = corev1.ClaimPending
	b.ok(b.Status().Update(t.Context(), &home))
	b.ok(cluster.SetUnschedulable(t.Context(), pod, "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."))
	if s := b.degraded("paint", v1alpha1.ReasonHomePending); !strings.Contains(s.Status.Message, home.Name) {
		t.Errorf("it says %q", s.Status.Message)
	}
}

// What is somebody else's is left alone, and a session may have the name of one
// that has ended.
func TestNames(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.template("gimp")
	theirs := &corev1.Secret{ObjectMeta: objectMeta(b.namespace, "paint-desktop"), StringData: map[string]string{"tls.key": "theirs"}}
	b.make(theirs)
	s := b.session("paint")
	b.degraded("paint", v1alpha1.ReasonNameTaken)
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs))
	if string(theirs.Data["tls.key"]) != "theirs" || len(theirs.Data) != 1 {
		t.Errorf("it was changed: %v", theirs.Data)
	}
	b.ok(b.Delete(t.Context(), theirs))
	b.ok(b.Delete(t.Context(), s))
	b.gone(s)
	first := b.session("paint")
	b.phase("paint", v1alpha1.PhaseRunning)
	b.ok(b.Delete(t.Context(), first))
	b.gone(first) // its Secret is still there: nobody collects what has no owner any more
	second := b.session("paint")
	b.phase("paint", v1alpha1.PhaseRunning)
	var secret corev1.Secret
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(theirs), &secret))
	if !metav1.IsControlledBy(&secret, second) {
		t.Errorf("the secret is of %v", secret.OwnerReferences)
	}
}
