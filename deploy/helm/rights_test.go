package helm

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/kube"
)

// The operator, with the rights that the chart gives it and no others, brings a
// session up to its pod, in a namespace of its own, and puts everything away.
func TestOperatorsRightsAreEnough(t *testing.T) {
	release, desktops := cluster.Namespace(t), cluster.Namespace(t)
	grant(t, release, desktops)
	as := account(release, "operator")
	stranger, err := client.New(as, client.Options{Scheme: cluster.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.List(t.Context(), &corev1.SecretList{}, client.InNamespace(metav1.NamespaceSystem)); !errors.IsForbidden(err) {
		t.Fatalf("it may read the secrets of others: %v", err)
	}
	var said said
	o, err := operator.New(operator.Options{
		Config: as, Namespace: desktops, LeaseNamespace: desktops, Gateways: operator.Gateways{Namespace: release},
		Log: slog.New(slog.NewTextHandler(&said, nil)), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Errorf("the operator ended: %v", err)
		}
	})
	defer done.Wait()
	defer cancel()

	template := &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: desktops, Name: "terminal"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "Terminal", Image: "example/terminal:1", Command: []string{"xterm"}},
	}
	session := &v1alpha1.Session{
		ObjectMeta: metav1.ObjectMeta{Namespace: desktops, Name: "anna"},
		Spec:       v1alpha1.SessionSpec{Template: "terminal", User: "anna"},
	}
	for _, object := range []client.Object{template, session} {
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	kubetest.Until(t, "the session's pod", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := cluster.Client.List(ctx, &pods, client.InNamespace(desktops), client.MatchingLabels{v1alpha1.LabelSession: "anna"})
		return len(pods.Items) == 1, err
	})
	kubetest.Until(t, "the session's status", func(ctx context.Context) (bool, error) {
		err := cluster.Client.Get(ctx, client.ObjectKeyFromObject(session), session)
		return session.Status.Phase == v1alpha1.PhaseStarting, err
	})
	if err := cluster.Client.Delete(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	// Nobody plays the node here: the pod's end is what the operator has asked for.
	kubetest.Until(t, "the pod's end", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		if err := cluster.Client.List(ctx, &pods, client.InNamespace(desktops)); err != nil {
			return false, err
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp == nil {
				return false, nil
			}
		}
		return true, nil
	})
	if words := said.String(); strings.Contains(words, "forbidden") {
		t.Errorf("the operator was refused something:\n%s", words)
	}
}

// account is how a part of the chart speaks with the API server.
func account(release, part string) *rest.Config {
	as := rest.CopyConfig(cluster.Config)
	as.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + release + ":desks-streamspace-" + part,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + release, "system:authenticated"},
	}
	return as
}

// The control plane, with its own rights, declares a session, reads how it does
// and what a gateway needs for it, puts it to sleep, and deletes its home.
func TestControlPlanesRightsAreEnough(t *testing.T) {
	release, desktops := cluster.Namespace(t), cluster.Namespace(t)
	grant(t, release, desktops)
	template := &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: desktops, Name: "terminal"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "Terminal", Image: "example/terminal:1", Command: []string{"xterm"}},
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: desktops, Name: "anna"}}
	for _, object := range []client.Object{template, secret} {
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	as := account(release, "controlplane")
	var said said
	desks, err := kube.New(kube.Options{Config: as, Namespace: desktops, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := desks.Run(ctx); err != nil {
			t.Errorf("the runtime ended: %v", err)
		}
	})
	defer done.Wait()
	defer cancel()
	kubetest.Until(t, "the Template", func(context.Context) (bool, error) {
		_, there := desks.Template("terminal")
		return there, nil
	})
	session, home := streamspace.NewSessionID(), streamspace.NewHomeID()
	err = desks.Apply(t.Context(), runtime.Desktop{
		Session: session, Epoch: 1, Owner: streamspace.NewUserID(), Home: home,
		Template: streamspace.Template{Name: "terminal"}, Width: 800, Height: 600,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := desks.Delete(t.Context(), session); err != nil {
		t.Error(err)
	}
	if err := desks.DeleteHome(t.Context(), home); err != nil {
		t.Error(err)
	}
	plain, err := client.New(as, client.Options{Scheme: cluster.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Error(err)
	}
	if err := plain.List(t.Context(), &corev1.PodList{}, client.InNamespace(desktops)); !errors.IsForbidden(err) {
		t.Errorf("it may read pods: %v", err)
	}
	if words := said.String(); strings.Contains(words, "forbidden") {
		t.Errorf("the control plane was refused something:\n%s", words)
	}
}

// grant makes what the chart renders of accounts and roles.
func grant(t *testing.T, release, desktops string) {
	t.Helper()
	text, err := helm(t, "template", "desks", chart, "--namespace", release, "--set", "url=https://desks.example,desktops.namespace="+desktops)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects(t, text) {
		if object.GetAnnotations()["helm.sh/hook"] != "" || object.GetKind() != "ServiceAccount" && object.GroupVersionKind().Group != "rbac.authorization.k8s.io" {
			continue
		}
		if object.GetNamespace() == "" && !strings.HasPrefix(object.GetKind(), "Cluster") {
			object.SetNamespace(release)
		}
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// said keeps what is logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
