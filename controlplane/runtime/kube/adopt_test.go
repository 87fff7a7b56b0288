package kube_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/kube"
)

// registry is an adopter that knows one user.
type registry struct {
	mu      sync.Mutex
	adopted map[streamspace.SessionID]kube.Declared
	wishes  []string
	over    map[streamspace.SessionID]bool
}

func (r *registry) Adopt(_ context.Context, session streamspace.SessionID, declared kube.Declared) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if declared.User != "ada" {
		return fmt.Errorf("%w: the user %s", kube.ErrUnknown, declared.User)
	}
	r.adopted[session] = declared
	return nil
}

func (r *registry) Want(_ context.Context, session streamspace.SessionID, state streamspace.DesiredState) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wishes = append(r.wishes, string(session)+" "+string(state))
	return nil
}

func (r *registry) isOver(_ context.Context, session streamspace.SessionID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over[session], nil
}

// last is the newest wish, and how many there were.
func (r *registry) last() (string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wishes) == 0 {
		return "", 0
	}
	return r.wishes[len(r.wishes)-1], len(r.wishes)
}

func newRegistry(t *testing.T) (*bed, *registry, <-chan runtime.Observation) {
	r := &registry{adopted: make(map[streamspace.SessionID]kube.Declared), over: make(map[streamspace.SessionID]bool)}
	b := newBed(t, func(o *kube.Options) { o.Adopter, o.Over = r, r.isOver })
	ctx, cancel := context.WithCancel(context.Background())
	observations := b.runtime.Watch(ctx)
	t.Cleanup(func() {
		cancel()
		for range observations { // until it is closed
		}
	})
	return b, r, observations
}

// until reads observations up to the phase of the session.
func (b *bed) until(observations <-chan runtime.Observation, session streamspace.SessionID, epoch uint64, phase runtime.Phase) runtime.Observation {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), kubetest.Patience)
	defer cancel()
	var all []runtime.Observation
	for {
		select {
		case o, open := <-observations:
			if !open {
				b.Fatal("the watch ended")
			}
			if o.Session == session && o.Epoch == epoch && o.Phase == phase {
				return o
			}
			all = append(all, o)
		case <-ctx.Done():
			b.Fatalf("waited for %s of epoch %d; so far %+v", phase, epoch, all)
		}
	}
}

// kubectl changes a session's state as a person does.
func (b *bed) kubectl(name string, state v1alpha1.SessionState) {
	b.Helper()
	object := &v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: name}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"state":"`+string(state)+`"}}`))
	if err := cluster.Client.Patch(b.Context(), object, patch, client.FieldOwner("kubectl-patch")); err != nil {
		b.Fatal(err)
	}
}

// A session that somebody declares in the cluster is taken in, and who writes
// its state last has it.
func TestDeclaredSessions(t *testing.T) {
	t.Parallel()
	b, r, observations := newRegistry(t)
	b.make(&v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "strange"}, Spec: v1alpha1.SessionSpec{Template: "gimp", User: "eve"}})
	b.make(&v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "paint"}, Spec: v1alpha1.SessionSpec{Template: "gimp", User: "ada"}})
	var id streamspace.SessionID
	kubetest.Until(t, "the session to be taken in", func(context.Context) (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for found, declared := range r.adopted {
			if declared != (kube.Declared{Name: "paint", User: "ada", Template: "gimp", State: streamspace.DesiredRunning}) {
				t.Errorf("taken in as %+v", declared)
			}
			id = found
		}
		return id != "", nil
	})
	o := b.until(observations, id, 1, runtime.PhaseReady)
	if len(o.Secret) == 0 || o.Address == "" {
		t.Errorf("ready without address or certificate: %+v", o.Address)
	}

	// The control plane, which has its row now, applies it: nothing changes but who restarts it.
	desktop := b.desktop()
	desktop.Session = id
	uid := b.pods(id)[0].UID
	if err := b.runtime.Apply(t.Context(), desktop); err != nil {
		t.Fatal(err)
	}
	s := b.object(id)
	if s.Name != "paint" || s.Spec.User != "ada" || s.Spec.Home != "" || s.Spec.Restart != v1alpha1.RestartNever {
		t.Errorf("applied it became %+v", s.Spec)
	}

	b.kubectl("paint", v1alpha1.StateHibernated)
	b.until(observations, id, 1, runtime.PhaseGone)
	b.wish(r, string(id)+" hibernated")
	if pods := b.pods(id); len(pods) != 0 {
		t.Errorf("asleep with %d pods", len(pods))
	}

	// The web wakes it: that is no wish of the cluster's.
	_, before := r.last()
	desktop.Epoch = 2
	if err := b.runtime.Apply(t.Context(), desktop); err != nil {
		t.Fatal(err)
	}
	b.until(observations, id, 2, runtime.PhaseReady)
	if wish, n := r.last(); n != before {
		t.Errorf("what the control plane wrote came back as a wish: %s", wish)
	}
	if pods := b.pods(id); len(pods) != 1 || pods[0].UID == uid {
		t.Errorf("awake with %d pods", len(pods))
	}

	if err := cluster.Client.Delete(t.Context(), b.object(id)); err != nil {
		t.Fatal(err)
	}
	b.until(observations, id, 2, runtime.PhaseGone)
	b.wish(r, string(id)+" stopped")
}

func (b *bed) wish(r *registry, want string) {
	b.Helper()
	kubetest.Until(b, "the wish "+want, func(context.Context) (bool, error) {
		last, _ := r.last()
		return last == want, nil
	})
}

// A session made in the web stands in the cluster under a name of its id, sleeps
// when it should not run, and goes when it is over.
func TestSessionsOfTheWeb(t *testing.T) {
	t.Parallel()
	b, r, observations := newRegistry(t)
	desktop := b.desktop()
	if err := b.runtime.Apply(t.Context(), desktop); err != nil {
		t.Fatal(err)
	}
	b.until(observations, desktop.Session, 1, runtime.PhaseReady)
	s := b.object(desktop.Session)
	if s.Spec.Template != "gimp" || s.Spec.User == "" || s.Spec.Home == "" || s.Spec.Start != 1 {
		t.Errorf("it stands as %+v", s.Spec)
	}
	if err := b.runtime.Delete(t.Context(), desktop.Session); err != nil {
		t.Fatal(err)
	}
	b.until(observations, desktop.Session, 1, runtime.PhaseGone)
	if s = b.object(desktop.Session); s == nil || s.Spec.State != v1alpha1.StateHibernated || s.Spec.Template != "gimp" {
		t.Fatalf("asleep it stands as %+v", s)
	}
	b.kubectl(s.Name, v1alpha1.StateRunning)
	b.wish(r, string(desktop.Session)+" running")

	r.mu.Lock()
	r.over[desktop.Session] = true
	r.mu.Unlock()
	if err := b.runtime.Delete(t.Context(), desktop.Session); err != nil {
		t.Fatal(err)
	}
	kubetest.Until(t, "the object to be gone", func(ctx context.Context) (bool, error) {
		err := cluster.Client.Get(ctx, client.ObjectKeyFromObject(s), &v1alpha1.Session{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err := b.runtime.DeleteHome(t.Context(), desktop.Home); err != nil {
		t.Fatal(err)
	}
	if a := b.runtime.Availability(streamspace.Template{Name: "gimp"}); !a.Installed {
		t.Errorf("GIMP is there, and is not: %+v", a)
	}
	if a := b.runtime.Availability(streamspace.Template{Name: "nosuch"}); a.Installed {
		t.Error("there is a template that is not there")
	}
}
