package kube_test

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/kube"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	ctrllog.SetLogger(logr.Discard())
	os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c }))
}

// bed is a namespace with an operator, a node and a runtime.
type bed struct {
	*testing.T
	namespace string
	runtime   *kube.Runtime
}

func newBed(t *testing.T, change ...func(*kube.Options)) *bed {
	t.Helper()
	b := &bed{T: t, namespace: cluster.Namespace(t)}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	acts, err := operator.New(operator.Options{Config: cluster.Config, Namespace: b.namespace, Log: log, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	options := kube.Options{Config: cluster.Config, Namespace: b.namespace, Log: log}
	for _, c := range change {
		c(&options)
	}
	if b.runtime, err = kube.New(options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{acts.Run, b.runtime.Run} {
		group.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); group.Wait() })
	cluster.Node(t, b.namespace)
	b.make(&v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "gimp"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "GIMP", Image: "registry.example/gimp:1", Command: []string{"gimp"}},
	})
	return b
}

func (b *bed) make(o client.Object) {
	b.Helper()
	if err := cluster.Client.Create(b.Context(), o); err != nil {
		b.Fatal(err)
	}
}

func (b *bed) desktop() runtime.Desktop {
	return runtime.Desktop{
		Session: streamspace.NewSessionID(), Owner: streamspace.NewUserID(), Home: streamspace.NewHomeID(),
		Template: streamspace.Template{Name: "gimp"}, Epoch: 1, Width: 1280, Height: 800,
	}
}

// object is the session's, found as kubectl finds it.
func (b *bed) object(session streamspace.SessionID) *v1alpha1.Session {
	b.Helper()
	var list v1alpha1.SessionList
	if err := cluster.Client.List(b.Context(), &list, client.InNamespace(b.namespace), client.MatchingLabels{v1alpha1.LabelSessionID: string(session)}); err != nil {
		b.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// pods are those of the session that have not ended.
func (b *bed) pods(session streamspace.SessionID) []corev1.Pod {
	b.Helper()
	s := b.object(session)
	if s == nil {
		return nil
	}
	var list corev1.PodList
	if err := cluster.Client.List(b.Context(), &list, client.InNamespace(b.namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name}); err != nil {
		b.Fatal(err)
	}
	var live []corev1.Pod
	for _, p := range list.Items {
		if p.Status.Phase != corev1.PodFailed {
			live = append(live, p)
		}
	}
	return live
}

func (b *bed) crash(session streamspace.SessionID) {
	b.Helper()
	kubetest.Until(b, "the pod to be ended", func(ctx context.Context) (bool, error) {
		pods := b.pods(session)
		if len(pods) != 1 {
			return false, nil
		}
		err := cluster.SetEnded(ctx, &pods[0], "Error", 1, "killed by the test")
		if apierrors.IsConflict(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		b := newBed(t)
		return runtimetest.Harness{
			Runtime:  b.runtime,
			Desktop:  func(*testing.T) runtime.Desktop { return b.desktop() },
			Crash:    func(_ *testing.T, session streamspace.SessionID) { b.crash(session) },
			Count:    func(_ *testing.T, session streamspace.SessionID) int { return len(b.pods(session)) },
			Patience: 90 * time.Second,
		}
	})
}
