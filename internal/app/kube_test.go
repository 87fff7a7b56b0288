package app

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/controlplane/lifecycle"
	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime/kube"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

var cluster *kubetest.Cluster

// withDatabases runs the tests with databases to be had.
type withDatabases struct{ *testing.M }

func (w withDatabases) Run() int { return storetest.Run(w.M) }

func TestMain(m *testing.M) {
	clusterLog(slog.New(slog.DiscardHandler))
	os.Exit(kubetest.Run(withDatabases{m}, func(c *kubetest.Cluster) { cluster = c }))
}

// installation is a control plane with its desktops in a cluster, without the
// parts that listen.
type installation struct {
	*testing.T
	namespace string
	store     *store.Store
	broker    *memory.Broker
	ada       store.User
}

func install(t *testing.T) *installation {
	i := &installation{T: t, namespace: cluster.Namespace(t), store: storetest.New(t), broker: memory.New(time.Now)}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	i.ada, err = i.store.CreateUser(t.Context(), store.InsertUserParams{ID: streamspace.NewUserID(), Username: "ada", Role: streamspace.RoleUser, Now: time.Now()})
	must(err)
	must(cluster.Client.Create(t.Context(), &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: i.namespace, Name: "sketch"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "Sketch", Image: "registry.example/sketch:1", Command: []string{"sketch"}},
	}))
	acts, err := operator.New(operator.Options{Config: cluster.Config, Namespace: i.namespace, Log: log, Registerer: prometheus.NewRegistry()})
	must(err)
	people := &adopter{store: i.store}
	desktops, err := kube.New(kube.Options{Config: cluster.Config, Namespace: i.namespace, Over: people.over, Adopter: people, Log: log})
	must(err)
	people.templates = desktops.Template
	feed := store.NewFeed(i.store)
	reconciler, err := lifecycle.New(lifecycle.Options{
		Store: i.store, Feed: feed, Runtime: desktops, Broker: i.broker, Templates: desktops.Template, Logger: log, Registerer: prometheus.NewRegistry(),
	})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{acts.Run, desktops.Run, feed.Run, reconciler.Run} {
		group.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); group.Wait() })
	cluster.Node(t, i.namespace)
	return i
}

// state waits for the row of the session to be so.
func (i *installation) state(id streamspace.SessionID, want streamspace.State) {
	i.Helper()
	var row store.Session
	defer func() {
		if i.Failed() {
			i.Logf("the row: %+v", row)
		}
	}()
	kubetest.Until(i, "the row to be "+string(want), func(ctx context.Context) (bool, error) {
		var err error
		row, err = i.store.SessionByID(ctx, id)
		return row.State == want, err
	})
}

func (i *installation) object(id streamspace.SessionID) *v1alpha1.Session {
	i.Helper()
	var list v1alpha1.SessionList
	if err := cluster.Client.List(i.Context(), &list, client.InNamespace(i.namespace), client.MatchingLabels{v1alpha1.LabelSessionID: string(id)}); err != nil {
		i.Fatal(err)
	}
	if len(list.Items) != 1 {
		return nil
	}
	return &list.Items[0]
}

func (i *installation) kubectl(name, patch string) {
	i.Helper()
	object := &v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: i.namespace, Name: name}}
	if err := cluster.Client.Patch(i.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("kubectl")); err != nil {
		i.Fatal(err)
	}
}

func (i *installation) route(id streamspace.SessionID) broker.Route {
	i.Helper()
	var route broker.Route
	kubetest.Until(i, "a route", func(ctx context.Context) (bool, error) {
		var err error
		route, err = i.broker.Route(ctx, id)
		return err == nil, err
	})
	return route
}

// A session that is declared with kubectl is one of the web's, and the other way
// round: whoever changes it last has it.
func TestKubectlAndWebSeeTheSame(t *testing.T) {
	t.Parallel()
	i := install(t)
	if err := cluster.Client.Create(t.Context(), &v1alpha1.Session{
		ObjectMeta: metav1.ObjectMeta{Namespace: i.namespace, Name: "paint"}, Spec: v1alpha1.SessionSpec{Template: "sketch", User: "ada"},
	}); err != nil {
		t.Fatal(err)
	}
	var row store.Session
	kubetest.Until(t, "the row of what kubectl made", func(ctx context.Context) (bool, error) {
		rows, err := i.store.LiveSessions(ctx)
		if len(rows) == 1 {
			row = rows[0]
		}
		return len(rows) == 1, err
	})
	if row.Name != "paint" || row.OwnerID != i.ada.ID || row.Template != "sketch" {
		t.Errorf("the row is %+v", row)
	}
	i.state(row.ID, streamspace.StateRunning)
	if route := i.route(row.ID); !strings.HasPrefix(route.Address, "tls:10.") || len(route.Secret) == 0 {
		t.Errorf("the route leads to %q with %d bytes of secret", route.Address, len(route.Secret))
	}

	i.kubectl("paint", `{"spec":{"state":"hibernated"}}`)
	i.state(row.ID, streamspace.StateHibernated)
	kubetest.Until(t, "it to wake", func(ctx context.Context) (bool, error) { // somebody opens it in the browser; gateways repeat that
		if err := i.broker.Want(ctx, row.ID); err != nil {
			return false, err
		}
		now, err := i.store.SessionByID(ctx, row.ID)
		return now.State == streamspace.StateRunning, err
	})
	if s := i.object(row.ID); s == nil || s.Spec.State != v1alpha1.StateRunning || s.Name != "paint" {
		t.Errorf("woken in the web it stands as %+v", s)
	}
	if err := cluster.Client.Delete(t.Context(), i.object(row.ID)); err != nil {
		t.Fatal(err)
	}
	i.state(row.ID, streamspace.StateStopped)

	made, err := i.store.CreateSession(t.Context(), store.NewSession{Owner: i.ada.ID, Template: "sketch", Name: "from the web", MaxLive: 5, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	i.state(made.ID, streamspace.StateRunning)
	s := i.object(made.ID)
	if s == nil || s.Status.Phase != v1alpha1.PhaseRunning {
		t.Fatalf("what the web made stands as %+v", s)
	}
	if _, err := i.store.ChangeSession(t.Context(), made.ID, time.Now(), func(row *store.Session) error {
		row.DesiredState = streamspace.DesiredStopped
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	i.state(made.ID, streamspace.StateStopped)
	kubetest.Until(t, "the object to be gone", func(context.Context) (bool, error) { return i.object(made.ID) == nil, nil })
	var homes corev1.PersistentVolumeClaimList
	if err := cluster.Client.List(t.Context(), &homes, client.InNamespace(i.namespace)); err != nil || len(homes.Items) != 2 {
		t.Errorf("%d homes are left, want both: %v", len(homes.Items), err)
	}
}
