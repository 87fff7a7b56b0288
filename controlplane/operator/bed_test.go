package operator_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	ctrllog.SetLogger(logr.Discard())
	os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c }))
}

// bed is a namespace with an operator of its own.
type bed struct {
	*testing.T
	client.Client
	namespace string
	registry  *prometheus.Registry
}

func newBed(t *testing.T, change ...func(*operator.Options)) *bed {
	t.Helper()
	b := &bed{T: t, namespace: cluster.Namespace(t), Client: cluster.Client, registry: prometheus.NewRegistry()}
	options := operator.Options{
		Config: cluster.Config, Namespace: b.namespace, CountEvery: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Registerer: b.registry,
	}
	for _, c := range change {
		c(&options)
	}
	o, err := operator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return b
}

func (b *bed) template(name string, change ...func(*v1alpha1.Template)) *v1alpha1.Template {
	b.Helper()
	o := &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: name},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "The " + name, Image: "registry.example/" + name + ":1", Command: []string{name}},
	}
	for _, c := range change {
		c(o)
	}
	b.make(o)
	return o
}

func (b *bed) session(name string, change ...func(*v1alpha1.Session)) *v1alpha1.Session {
	b.Helper()
	s := &v1alpha1.Session{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: name},
		Spec:       v1alpha1.SessionSpec{Template: "gimp", User: "ada"},
	}
	for _, c := range change {
		c(s)
	}
	b.make(s)
	return s
}

func (b *bed) make(o client.Object) {
	b.Helper()
	if err := b.Create(b.Context(), o); err != nil {
		b.Fatal(err)
	}
}

// until waits for the session to be as wanted, and returns it.
func (b *bed) until(name, what string, ok func(s *v1alpha1.Session) bool) *v1alpha1.Session {
	b.Helper()
	var s v1alpha1.Session
	defer func() {
		if b.Failed() {
			b.Logf("the session %s: %+v", name, s.Status)
		}
	}()
	kubetest.Until(b, name+": "+what, func(ctx context.Context) (bool, error) {
		err := b.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: name}, &s)
		return err == nil && ok(&s), err
	})
	return &s
}

func (b *bed) phase(name string, phase v1alpha1.SessionPhase) *v1alpha1.Session {
	b.Helper()
	return b.until(name, string(phase), func(s *v1alpha1.Session) bool {
		return s.Status.Phase == phase && s.Status.ObservedGeneration == s.Generation
	})
}

// degraded waits until the session is so for the reason.
func (b *bed) degraded(name, reason string) *v1alpha1.Session {
	b.Helper()
	return b.until(name, reason, func(s *v1alpha1.Session) bool {
		c := condition(s.Status.Conditions, v1alpha1.ConditionDegraded)
		return c.Status == metav1.ConditionTrue && c.Reason == reason
	})
}

// pods are those there are, by their sessions.
func (b *bed) pods() map[string]*corev1.Pod {
	b.Helper()
	var list corev1.PodList
	if err := b.List(b.Context(), &list, client.InNamespace(b.namespace)); err != nil {
		b.Fatal(err)
	}
	pods := make(map[string]*corev1.Pod)
	for i := range list.Items {
		pods[list.Items[i].Labels[v1alpha1.LabelSession]] = &list.Items[i]
	}
	return pods
}

// pod waits for the session's pod, other than the one with the uid.
func (b *bed) pod(session string, other ...*corev1.Pod) *corev1.Pod {
	b.Helper()
	var pod *corev1.Pod
	kubetest.Until(b, "a pod of "+session, func(context.Context) (bool, error) {
		pod = b.pods()[session]
		return pod != nil && (len(other) == 0 || pod.UID != other[0].UID), nil
	})
	return pod
}

func (b *bed) patch(name string, change func(*v1alpha1.Session)) {
	b.Helper()
	var s v1alpha1.Session
	if err := b.Get(b.Context(), client.ObjectKey{Namespace: b.namespace, Name: name}, &s); err != nil {
		b.Fatal(err)
	}
	base := s.DeepCopy()
	change(&s)
	if err := b.Patch(b.Context(), &s, client.MergeFrom(base)); err != nil {
		b.Fatal(err)
	}
}

func (b *bed) gone(o client.Object) {
	b.Helper()
	kubetest.Until(b, o.GetName()+" to be gone", func(ctx context.Context) (bool, error) {
		err := b.Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopyObject().(client.Object))
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// ok fails the test of an error of what the test itself plays.
func (b *bed) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// put puts the session's pod on a node and has it run.
func (b *bed) put(session string, other ...*corev1.Pod) *corev1.Pod {
	b.Helper()
	pod := b.pod(session, other...)
	b.ok(cluster.Bind(b.Context(), pod, "node-1"))
	b.ok(b.Get(b.Context(), client.ObjectKeyFromObject(pod), pod))
	b.ok(cluster.SetRunning(b.Context(), pod, "10.9.8.7"))
	return pod
}

func condition(all []metav1.Condition, kind string) metav1.Condition {
	for _, c := range all {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// writes is how many requests of the operator have changed something.
func (b *bed) writes() float64 {
	b.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	var n float64
	for _, f := range families {
		if f.GetName() == "streamspace_operator_api_writes_total" {
			for _, m := range f.Metric {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// settled waits until no write has come for several counts' pauses.
func (b *bed) settled() {
	b.Helper()
	last, same := -1.0, 0
	kubetest.Until(b, "the writes to end", func(context.Context) (bool, error) {
		if n := b.writes(); n != last {
			last, same = n, 0
		}
		same++
		return same > 40, nil // a second: it is asked every 25 ms
	})
}

// touchAll changes each object of a kind in a way that means nothing.
func (b *bed) touchAll(list client.ObjectList) {
	b.Helper()
	b.ok(b.List(b.Context(), list, client.InNamespace(b.namespace)))
	b.ok(meta.EachListItem(list, func(o runtime.Object) error {
		object := o.(client.Object)
		base := object.DeepCopyObject().(client.Object)
		annotations := map[string]string{"example.org/touched": "yes"}
		for k, v := range object.GetAnnotations() {
			annotations[k] = v
		}
		object.SetAnnotations(annotations)
		return b.Patch(b.Context(), object, client.MergeFrom(base))
	}))
}
