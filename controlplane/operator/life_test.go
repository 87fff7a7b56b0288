package operator_test

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// A session comes up, sleeps, wakes and ends, with kubectl's means alone.
func TestLife(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.template("gimp")
	b.session("paint")
	s := b.phase("paint", v1alpha1.PhaseRunning)
	if !strings.HasPrefix(s.Status.Address, "10.1.") || !strings.HasSuffix(s.Status.Address, ":5900") || s.Status.Node != "node-1" || s.Status.ReadyAt == nil {
		t.Errorf("running as %+v", s.Status)
	}
	for kind, want := range map[string]string{"Ready": "True", "Progressing": "False", "Hibernated": "False", "Degraded": "False"} {
		if c := condition(s.Status.Conditions, kind); string(c.Status) != want || c.ObservedGeneration != s.Generation {
			t.Errorf("running with the condition %+v", c)
		}
	}
	var home corev1.PersistentVolumeClaim
	b.ok(b.Get(t.Context(), client.ObjectKey{Namespace: b.namespace, Name: s.Status.Home}, &home))
	if len(home.OwnerReferences) != 0 {
		t.Errorf("the home is owned by %v, and would end with it", home.OwnerReferences)
	}
	first := b.pods()["paint"]

	b.patch("paint", func(s *v1alpha1.Session) { s.Spec.State = v1alpha1.StateHibernated })
	s = b.phase("paint", v1alpha1.PhaseHibernated)
	if c := condition(s.Status.Conditions, v1alpha1.ConditionHibernated); c.Status != "True" || s.Status.Address != "" {
		t.Errorf("asleep as %+v", s.Status)
	}
	if pods := b.pods(); len(pods) != 0 {
		t.Errorf("asleep with %d pods", len(pods))
	}
	b.patch("paint", func(s *v1alpha1.Session) { s.Spec.State = v1alpha1.StateRunning })
	b.phase("paint", v1alpha1.PhaseRunning)
	second := b.pods()["paint"]
	if second.UID == first.UID || second.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != home.Name {
		t.Errorf("woke with %+v", second)
	}

	b.patch("paint", func(s *v1alpha1.Session) { s.Spec.Start = 2 })
	b.until("paint", "another start", func(s *v1alpha1.Session) bool {
		return s.Status.Start == 2 && s.Status.Phase == v1alpha1.PhaseRunning && s.Status.PodUID != string(second.UID)
	})
	b.ok(b.Delete(t.Context(), s))
	b.gone(s)
	if pods := b.pods(); len(pods) != 0 {
		t.Errorf("%d pods are left", len(pods))
	}
	b.ok(b.Get(t.Context(), client.ObjectKeyFromObject(&home), &home))
	var events corev1.EventList
	kubetest.Until(t, "an event that says that the desktop is up", func(ctx context.Context) (bool, error) {
		err := b.List(ctx, &events, client.InNamespace(b.namespace))
		for _, e := range events.Items {
			if e.Reason == v1alpha1.ReasonRunning && strings.Contains(e.Message, "is up on node-1") {
				return true, err
			}
		}
		return false, err
	})
}

// What a desktop may do, and what it may not.
func TestPod(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var namespace corev1.Namespace
	b.ok(b.Get(t.Context(), client.ObjectKey{Name: b.namespace}, &namespace))
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted" // the strictest profile that Kubernetes has
	b.ok(b.Update(t.Context(), &namespace))
	b.template("gimp", func(o *v1alpha1.Template) {
		o.Spec.Architectures = []string{"amd64", "arm64"}
		o.Spec.WritablePaths = []string{"/var/cache/gimp"}
		o.Spec.RuntimeClassName = nil
		o.Spec.Network = v1alpha1.NetworkInternet
		o.Spec.Resources.Limits = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("2Gi"), corev1.ResourceCPU: resource.MustParse("2"), "nvidia.com/gpu": resource.MustParse("1"),
		}
	})
	b.session("paint")
	pod := b.pod("paint")
	c := pod.Spec.Containers[0]
	security := c.SecurityContext
	if !*pod.Spec.SecurityContext.RunAsNonRoot || pod.Spec.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		*security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem || security.Capabilities.Drop[0] != "ALL" || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("too much is let: %+v, %+v", pod.Spec.SecurityContext, security)
	}
	writable := make(map[string]bool)
	for _, m := range c.VolumeMounts {
		writable[m.MountPath] = !m.ReadOnly
	}
	for path, want := range map[string]bool{
		"/home/streamspace": true, "/tmp": true, "/run/streamspace": true, "/dev/shm": true, "/var/cache/gimp": true, "/etc/streamspace/session": false,
	} {
		if got, there := writable[path]; !there || got != want {
			t.Errorf("%s: there is %t, to be written to %t", path, there, got)
		}
	}
	if gpu := c.Resources.Requests["nvidia.com/gpu"]; gpu.Value() != 1 {
		t.Errorf("it asks for %s GPUs", gpu.String())
	}
	if e := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0]; len(e.Values) != 2 {
		t.Errorf("it goes to nodes with %+v", e)
	}
	if spread := pod.Spec.TopologySpreadConstraints; len(spread) != 1 || pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("spread %v, restarted %s", spread, pod.Spec.RestartPolicy)
	}

	var closed, opened networkingv1.NetworkPolicy
	b.ok(b.Get(t.Context(), client.ObjectKey{Namespace: b.namespace, Name: "streamspace-desktops"}, &closed))
	if len(closed.Spec.Ingress) != 0 || len(closed.Spec.Egress) != 0 || len(closed.Spec.PolicyTypes) != 2 {
		t.Errorf("all are closed by %+v", closed.Spec)
	}
	b.ok(b.Get(t.Context(), client.ObjectKey{Namespace: b.namespace, Name: "streamspace-template-gimp"}, &opened))
	in := opened.Spec.Ingress
	if len(in) != 1 || len(in[0].From) != 1 || in[0].From[0].PodSelector.MatchLabels["app.kubernetes.io/component"] != "gateway" || in[0].Ports[0].Port.IntValue() != 5900 {
		t.Errorf("let in: %+v", in)
	}
	if out := opened.Spec.Egress; len(out) != 2 || len(out[1].To) != 2 || len(out[1].To[0].IPBlock.Except) == 0 {
		t.Errorf("let out: %+v", out)
	}
	for key := range opened.Spec.PodSelector.MatchLabels {
		if pod.Labels[key] != opened.Spec.PodSelector.MatchLabels[key] {
			t.Errorf("the rules are not for the pod: %s", key)
		}
	}
}

// While nothing happens, nothing is written.
func TestAtRestNothingIsWritten(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	cluster.Node(t, b.namespace)
	b.template("gimp")
	b.make(&v1alpha1.User{ObjectMeta: objectMeta(b.namespace, "ada")})
	for _, name := range []string{"one", "two", "three"} {
		b.session(name, func(s *v1alpha1.Session) { s.Spec.Home = name })
	}
	b.session("asleep", func(s *v1alpha1.Session) { s.Spec.Home, s.Spec.State = "four", v1alpha1.StateHibernated })
	for _, name := range []string{"one", "two", "three"} {
		b.phase(name, v1alpha1.PhaseRunning)
	}
	b.phase("asleep", v1alpha1.PhaseHibernated)
	kubetest.Until(t, "the counts", func(ctx context.Context) (bool, error) {
		var u v1alpha1.User
		var o v1alpha1.Template
		if err := b.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "ada"}, &u); err != nil {
			return false, err
		}
		err := b.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "gimp"}, &o)
		return u.Status.Sessions == 4 && u.Status.Running == 3 && u.Status.Homes == 3 && o.Status.Sessions == 4 && o.Status.Running == 3, err
	})
	b.settled()
	before := b.writes()
	// Everything is looked at again: a label that nobody knows touches each object.
	for _, list := range []client.ObjectList{&v1alpha1.SessionList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &v1alpha1.TemplateList{}, &v1alpha1.UserList{}} {
		b.touchAll(list)
	}
	// A session that comes up afterwards tells that all before it was looked at.
	b.session("last", func(s *v1alpha1.Session) { s.Spec.State = v1alpha1.StateHibernated; s.Spec.User = "eve" })
	b.phase("last", v1alpha1.PhaseHibernated)
	b.settled()
	const ofLast = 2 + 1 + 1 // finalizer, status; the event; the Template's count
	if n := b.writes() - before; n > ofLast {
		t.Errorf("%v writes, of which the new session has at most %d", n, ofLast)
	}
	if n := b.writes() - before; n < 2 {
		t.Errorf("only %v writes: they are not counted", n)
	}
}
