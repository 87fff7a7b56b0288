package operator

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// scene is a world with a session that should run and has all that it needs.
func scene(change ...func(*world)) world {
	w := world{
		session: &v1alpha1.Session{
			ObjectMeta: metav1.ObjectMeta{Name: "paint", Generation: 3},
			Spec:       v1alpha1.SessionSpec{Template: "gimp", User: "ada", State: v1alpha1.StateRunning, Restart: v1alpha1.RestartAlways, Start: 2},
		},
		template: &v1alpha1.Template{}, now: noon,
	}
	for _, c := range change {
		c(&w)
	}
	return w
}

func status(s v1alpha1.SessionStatus) func(*world) {
	return func(w *world) { w.session.Status = s }
}

func never(w *world) { w.session.Spec.Restart = v1alpha1.RestartNever }

func asleep(w *world) { w.session.Spec.State = v1alpha1.StateHibernated }

// pod gives the session one, of a start.
func pod(start string, change ...func(*corev1.Pod)) func(*world) {
	return func(w *world) {
		w.pod = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "home", UID: "1", Labels: map[string]string{v1alpha1.LabelStart: start}},
			Spec: corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{
				Name: containerName, Ports: []corev1.ContainerPort{{ContainerPort: 5900}},
			}}},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			},
		}
		for _, c := range change {
			c(w.pod)
		}
	}
}

func ending(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: noon} }

func dead(p *corev1.Pod) {
	p.Status = corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
		Name: containerName, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
	}}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	later := &metav1.Time{Time: noon.Add(time.Minute)}
	for name, test := range map[string]struct {
		world world
		act   act
		phase v1alpha1.SessionPhase
		uid   string
	}{
		"a new one is started":                 {scene(), actCreate, v1alpha1.PhaseStarting, ""},
		"one that is up is left alone":         {scene(pod("2")), actNone, v1alpha1.PhaseRunning, "1"},
		"one of an earlier start is replaced":  {scene(pod("1")), actDelete, v1alpha1.PhaseStarting, ""},
		"and waited for":                       {scene(pod("1", ending), status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseStarting, Start: 2, PodUID: "1"})), actNone, v1alpha1.PhaseStarting, ""},
		"one that should sleep is ended":       {scene(asleep, pod("2")), actDelete, v1alpha1.PhaseHibernating, ""},
		"once":                                 {scene(asleep, pod("2", ending)), actNone, v1alpha1.PhaseHibernating, ""},
		"one that sleeps is left alone":        {scene(asleep), actNone, v1alpha1.PhaseHibernated, ""},
		"asleep it has no need of a template":  {scene(asleep, func(w *world) { w.template = nil }), actNone, v1alpha1.PhaseHibernated, ""},
		"awake it has":                         {scene(func(w *world) { w.template = nil }), actNone, v1alpha1.PhasePending, ""},
		"but runs on without":                  {scene(pod("2"), func(w *world) { w.template = nil }), actNone, v1alpha1.PhaseRunning, "1"},
		"another's home is waited for":         {scene(pod("2"), func(w *world) { w.holder = "other" }), actNone, v1alpha1.PhasePending, ""},
		"and not ended by one that sleeps":     {scene(asleep, pod("2"), func(w *world) { w.holder = "other" }), actNone, v1alpha1.PhaseHibernated, ""},
		"a dead one is put away":               {scene(pod("2", dead)), actDelete, v1alpha1.PhaseFailed, "1"},
		"and started again later":              {scene(status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseFailed, Start: 2, PodUID: "1", RestartAt: later})), actNone, v1alpha1.PhaseFailed, "1"},
		"when it is time":                      {scene(status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseFailed, Start: 2, PodUID: "1", RestartAt: &metav1.Time{Time: noon}})), actCreate, v1alpha1.PhaseStarting, ""},
		"or never":                             {scene(never, status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseFailed, Start: 2, PodUID: "1"})), actNone, v1alpha1.PhaseFailed, "1"},
		"but for a new start":                  {scene(never, status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseFailed, Start: 1, PodUID: "1"})), actCreate, v1alpha1.PhaseStarting, ""},
		"or after a sleep":                     {scene(never, status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseHibernated, Start: 2})), actCreate, v1alpha1.PhaseStarting, ""},
		"one whose pod was deleted comes back": {scene(status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseRunning, Start: 2, PodUID: "1"})), actCreate, v1alpha1.PhaseStarting, ""},
		"or has failed":                        {scene(never, status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseRunning, Start: 2, PodUID: "1"})), actNone, v1alpha1.PhaseFailed, "1"},
		"woken while it ends it is not failed": {scene(never, pod("2", ending), status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseHibernating, Start: 2})), actNone, v1alpha1.PhaseStarting, ""},
		"and is started after that":            {scene(never, status(v1alpha1.SessionStatus{Phase: v1alpha1.PhaseStarting, Start: 2})), actCreate, v1alpha1.PhaseStarting, ""},
		"a lost volume keeps it waiting": {scene(func(w *world) {
			w.claim = &corev1.PersistentVolumeClaim{Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimLost}}
		}), actNone, v1alpha1.PhasePending, ""},
		"so does another home's claim": {scene(func(w *world) { w.taken = true }), actNone, v1alpha1.PhasePending, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := decide(test.world)
			if p.act != test.act || p.status.Phase != test.phase || p.status.PodUID != test.uid {
				t.Errorf("it does %d and says %s of the pod %q, want %d, %s, %q", p.act, p.status.Phase, p.status.PodUID, test.act, test.phase, test.uid)
			}
			if p.status.Address != "" && p.status.Phase != v1alpha1.PhaseRunning {
				t.Errorf("%s has the address %s", p.status.Phase, p.status.Address)
			}
			// Looked at again before anything has changed, it is the same: no end is counted twice.
			test.world.session.Status = p.status
			if again := decide(test.world); again.status.Restarts != p.status.Restarts || again.status.Phase != p.status.Phase || again.act != p.act {
				t.Errorf("looked at again it says %+v, not %+v", again.status, p.status)
			}
		})
	}
}

// Pauses grow, are bounded, and begin anew after a desktop that stayed up.
func TestPauses(t *testing.T) {
	t.Parallel()
	w := scene(pod("2", dead))
	last := time.Duration(0)
	for n := int32(1); n < 40; n++ {
		p := decide(w)
		if p.status.Restarts != n || p.again < last || p.again > longestPause {
			t.Fatalf("after %d ends in a row (it counts %d) it pauses %s, before %s", n, p.status.Restarts, p.again, last)
		}
		last = p.again
		w.session.Status = v1alpha1.SessionStatus{Phase: v1alpha1.PhaseStarting, Start: 2, Restarts: n}
	}
	if last != longestPause {
		t.Errorf("it pauses at most %s", last)
	}
	w.session.Status.ReadyAt = &metav1.Time{Time: noon.Add(-2 * stayedUp)}
	if p := decide(w); p.status.Restarts != 1 || p.again != firstPause || !strings.Contains(p.status.Message, "started again at") {
		t.Errorf("after one that stayed up: %+v, %s", p.status, p.again)
	}
}
