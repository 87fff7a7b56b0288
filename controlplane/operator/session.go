package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// sessions acts on Sessions. Everything in it is immutable.
type sessions struct {
	client   client.Client // reads from memory, which may lag behind
	live     client.Reader // asks the API server
	events   events.EventRecorder
	gateways Gateways
	metrics  *metrics
	now      func() time.Time
}

// refusal is an answer that trying again does not change soon: it becomes the
// session's status.
type refusal struct{ reason, message string }

func (r *refusal) Error() string { return r.message }

// Reconcile looks at one session and does what is next for it.
func (r *sessions) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	defer r.metrics.took("session", time.Now())
	var s v1alpha1.Session
	if err := r.client.Get(ctx, request.NamespacedName, &s); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.DeletionTimestamp != nil {
		return ctrl.Result{}, r.finish(ctx, &s)
	}
	if controllerutil.AddFinalizer(&s, v1alpha1.Finalizer) {
		// By update, with the version that was read: applying it would make a
		// session anew that was deleted meanwhile.
		return ctrl.Result{}, quiet(r.client.Update(ctx, &s, client.FieldOwner(fieldOwner)))
	}
	w, err := r.look(ctx, &s)
	if err != nil {
		return ctrl.Result{}, err
	}
	p := decide(w)
	if p.act != actCreate {
		changed, err := r.tell(ctx, &s, p.status)
		if err != nil || changed && p.act == actNone {
			return ctrl.Result{RequeueAfter: p.again}, quiet(err)
		}
		if p.act == actDelete {
			err = client.IgnoreNotFound(r.client.Delete(ctx, w.pod, client.Preconditions{UID: &w.pod.UID}))
		}
		return ctrl.Result{RequeueAfter: p.again}, quiet(err)
	}
	return r.start(ctx, w, p)
}

// start makes all that a desktop needs, and its pod last.
func (r *sessions) start(ctx context.Context, w world, p plan) (ctrl.Result, error) {
	// What is known of the session must be the newest before a pod is made of
	// it: writing the status proves that, and where nothing was to be written,
	// or the API server has refused before and would be told so again and again,
	// it is asked.
	refused := w.session.Status.Phase == v1alpha1.PhasePending && degraded(w.session.Status).Status == metav1.ConditionTrue
	told := false
	if !refused {
		var err error
		if told, err = r.tell(ctx, w.session, p.status); err != nil {
			return ctrl.Result{}, quiet(err)
		}
	}
	if !told {
		var newest v1alpha1.Session
		if err := r.live.Get(ctx, client.ObjectKeyFromObject(w.session), &newest); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		if newest.ResourceVersion != w.session.ResourceVersion {
			return ctrl.Result{RequeueAfter: time.Second}, nil
		}
	}
	err := r.make(ctx, w)
	var no *refusal
	if errors.As(err, &no) {
		p.say(w, verdict{phase: v1alpha1.PhasePending, reason: no.reason, message: no.message, degraded: true})
		_, err = r.tell(ctx, w.session, p.status)
		return ctrl.Result{RequeueAfter: askAgain}, quiet(err)
	}
	return ctrl.Result{}, quiet(err)
}

func (r *sessions) make(ctx context.Context, w world) error {
	s := w.session
	if err := r.ensureRules(ctx, w.template); err != nil {
		return err
	}
	if err := r.ensureHome(ctx, w); err != nil {
		return err
	}
	if err := r.ensureCredential(ctx, s); err != nil {
		return err
	}
	name := claimName(s.Spec.User, homeOf(s))
	pod, err := podOf(s, w.template, name)
	if err != nil {
		return err
	}
	// Created and not applied: the name is the lock on the home.
	err = r.client.Create(ctx, pod, client.FieldOwner(fieldOwner))
	switch {
	case err == nil:
		r.metrics.warm.WithLabelValues("false").Inc()
		return nil
	case apierrors.IsAlreadyExists(err):
		return r.taken(ctx, pod)
	case apierrors.IsForbidden(err) && quotaExceeded(err):
		return &refusal{v1alpha1.ReasonQuotaExceeded, "The namespace's quota has no room for the desktop: " + words(err.Error())}
	case apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err):
		return &refusal{v1alpha1.ReasonPodRefused, "The cluster refuses the desktop's pod: " + words(err.Error())}
	}
	return fmt.Errorf("making the pod %s: %w", pod.Name, err)
}

// taken is what follows when there is a pod of the name already.
func (r *sessions) taken(ctx context.Context, pod *corev1.Pod) error {
	var there corev1.Pod
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(pod), &there); err != nil {
		return client.IgnoreNotFound(err)
	}
	if there.Labels[labelManaged] != fieldOwner {
		return &refusal{v1alpha1.ReasonNameTaken, fmt.Sprintf("There is a pod %s that is not the operator's: delete it", pod.Name)}
	}
	return nil // what is in memory lags behind, or another session was faster: an event follows
}

// finish ends the pod of a session that is deleted, and lets it go after that.
func (r *sessions) finish(ctx context.Context, s *v1alpha1.Session) error {
	if !controllerutil.ContainsFinalizer(s, v1alpha1.Finalizer) {
		return nil
	}
	pod, err := r.podOn(ctx, s)
	if err != nil {
		return err
	}
	if pod != nil && metav1.IsControlledBy(pod, s) {
		if pod.DeletionTimestamp != nil {
			return nil
		}
		return client.IgnoreNotFound(r.client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}))
	}
	// What is in memory may lag behind a pod that was just made.
	var there corev1.Pod
	err = r.live.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: claimName(s.Spec.User, homeOf(s))}, &there)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && metav1.IsControlledBy(&there, s) {
		return client.IgnoreNotFound(r.client.Delete(ctx, &there, client.Preconditions{UID: &there.UID}))
	}
	controllerutil.RemoveFinalizer(s, v1alpha1.Finalizer)
	return quiet(client.IgnoreNotFound(r.client.Update(ctx, s, client.FieldOwner(fieldOwner))))
}

// look gathers what a decision needs.
func (r *sessions) look(ctx context.Context, s *v1alpha1.Session) (world, error) {
	w := world{session: s, now: r.now()}
	var err error
	if w.template, err = get(ctx, r.client, s.Namespace, s.Spec.Template, &v1alpha1.Template{}); err != nil {
		return w, err
	}
	if w.user, err = get(ctx, r.client, s.Namespace, s.Spec.User, &v1alpha1.User{}); err != nil {
		return w, err
	}
	if w.claim, err = get(ctx, r.client, s.Namespace, claimName(s.Spec.User, homeOf(s)), &corev1.PersistentVolumeClaim{}); err != nil {
		return w, err
	}
	w.taken = w.claim != nil && !isHomeOf(w.claim, s)
	if w.pod, err = r.podOn(ctx, s); err != nil {
		return w, err
	}
	if w.pod != nil && !metav1.IsControlledBy(w.pod, s) {
		w.holder = w.pod.Labels[v1alpha1.LabelSession]
		if w.holder == "" {
			w.holder = "(a pod of the same name)"
		}
	}
	if w.pod != nil && w.pod.Spec.NodeName != "" {
		node, err := get(ctx, r.client, "", w.pod.Spec.NodeName, &corev1.Node{})
		if err != nil {
			return w, err
		}
		w.nodeLost = node != nil && lost(node)
	}
	if w.user != nil && w.user.Spec.Quota.Sessions != nil {
		w.before, err = r.before(ctx, s)
	}
	return w, err
}

// podOn is the pod on the session's home, nil if there is none.
func (r *sessions) podOn(ctx context.Context, s *v1alpha1.Session) (*corev1.Pod, error) {
	return get(ctx, r.client, s.Namespace, claimName(s.Spec.User, homeOf(s)), &corev1.Pod{})
}

// before counts the user's other sessions that go before this one: those that
// are older, or run already.
func (r *sessions) before(ctx context.Context, s *v1alpha1.Session) (int, error) {
	var all v1alpha1.SessionList
	if err := r.client.List(ctx, &all, client.InNamespace(s.Namespace), client.MatchingFields{byUser: s.Spec.User}); err != nil {
		return 0, fmt.Errorf("listing the sessions of %s: %w", s.Spec.User, err)
	}
	n := 0
	for i := range all.Items {
		o := &all.Items[i]
		if o.UID == s.UID || o.Spec.State == v1alpha1.StateHibernated && o.Status.Phase != v1alpha1.PhaseHibernating {
			continue
		}
		runs := o.Status.Phase == v1alpha1.PhaseStarting || o.Status.Phase == v1alpha1.PhaseRunning || o.Status.Phase == v1alpha1.PhaseHibernating
		older := o.CreationTimestamp.Before(&s.CreationTimestamp) || o.CreationTimestamp.Equal(&s.CreationTimestamp) && o.Name < s.Name
		if runs || older {
			n++
		}
	}
	return n, nil
}

// tell writes the status where it is another one, and tells of it in an event.
func (r *sessions) tell(ctx context.Context, s *v1alpha1.Session, status v1alpha1.SessionStatus) (bool, error) {
	if apiequality.Semantic.DeepEqual(s.Status, status) {
		return false, nil
	}
	was := s.Status
	next := &v1alpha1.Session{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Session"},
		// With the version that was read, so that a decision on old news is refused.
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, UID: s.UID, ResourceVersion: s.ResourceVersion},
		Status:     status,
	}
	object, err := applied(next)
	if err != nil {
		return false, err
	}
	delete(object.Object, "spec")
	if err := r.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	s.Status, s.ResourceVersion = status, object.GetResourceVersion()
	r.announce(s, was)
	return true, nil
}

// announce makes an event of what people should hear of.
func (r *sessions) announce(s *v1alpha1.Session, was v1alpha1.SessionStatus) {
	before, after := degraded(was), degraded(s.Status)
	if was.Phase != s.Status.Phase {
		r.metrics.phases.WithLabelValues(string(s.Status.Phase), readyReason(s.Status)).Inc()
	}
	switch {
	case after.Status == metav1.ConditionTrue && (before.Reason != after.Reason || before.Message != after.Message):
		r.events.Eventf(s, nil, corev1.EventTypeWarning, after.Reason, "Watch", "%s", s.Status.Message)
	case was.Phase != s.Status.Phase:
		switch s.Status.Phase {
		case v1alpha1.PhaseRunning:
			if s.Status.ReadyAt != nil {
				r.metrics.start.Observe(max(0, r.now().Sub(progressSince(was, s)).Seconds()))
			}
			fallthrough
		case v1alpha1.PhaseHibernated, v1alpha1.PhasePending:
			r.events.Eventf(s, nil, corev1.EventTypeNormal, readyReason(s.Status), "Watch", "%s", s.Status.Message)
		}
	}
}

// progressSince is since when the session was being started.
func progressSince(was v1alpha1.SessionStatus, s *v1alpha1.Session) time.Time {
	for _, c := range was.Conditions {
		if c.Type == v1alpha1.ConditionProgressing && c.Status == metav1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return s.CreationTimestamp.Time
}

func degraded(s v1alpha1.SessionStatus) metav1.Condition {
	return conditionOf(s, v1alpha1.ConditionDegraded)
}

func readyReason(s v1alpha1.SessionStatus) string {
	return conditionOf(s, v1alpha1.ConditionReady).Reason
}

func conditionOf(s v1alpha1.SessionStatus, kind string) metav1.Condition {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// quiet drops what only says that there is newer news, which brings the object
// here again by itself.
func quiet(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}
