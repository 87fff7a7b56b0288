package operator

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// Pauses before a desktop that ended by itself is started again: they double,
// and begin anew after one that stayed up.
const (
	firstPause   = 5 * time.Second
	longestPause = 5 * time.Minute
	stayedUp     = 10 * time.Minute
)

// prepareLimit is how long a node may take to prepare a pod without a word
// before somebody should look.
const prepareLimit = time.Minute

// askAgain is when to try again what only others can change, where no event
// tells of the change.
const askAgain = 30 * time.Second

// world is all that a decision about a session rests on.
type world struct {
	session  *v1alpha1.Session
	template *v1alpha1.Template            // nil: there is none
	user     *v1alpha1.User                // nil: there is none, which bounds nothing
	before   int                           // of the user's other sessions, those that go before this one
	pod      *corev1.Pod                   // on the session's home; nil: none
	holder   string                        // the session that the pod is of, when it is another one
	claim    *corev1.PersistentVolumeClaim // of the home; nil: none yet
	taken    bool                          // the claim's name is another home's
	nodeLost bool                          // the pod's node does not answer
	now      time.Time
}

// act is what is to be done about a session's pod.
type act int

const (
	actNone act = iota
	actCreate
	actDelete
)

// plan is what follows from a world. The status is written before what is done.
type plan struct {
	status v1alpha1.SessionStatus
	act    act
	again  time.Duration // when to look again, though nothing changes; 0: never
}

// verdict is how a session does, from which its conditions are made.
type verdict struct {
	phase       v1alpha1.SessionPhase
	reason      string
	message     string
	degraded    bool
	unready     bool // running, yet not ready
	progressing bool
}

// decide says what a session's status is, and what to do about its pod. It
// changes nothing and asks nobody.
func decide(w world) plan {
	p := plan{status: *w.session.Status.DeepCopy()}
	p.status.ObservedGeneration, p.status.Start = w.session.Generation, w.session.Spec.Start
	suspended := w.user != nil && w.user.Spec.Suspended
	switch {
	case suspended || w.session.Spec.State == v1alpha1.StateHibernated:
		w.sleep(&p, suspended)
	case w.holder != "":
		p.say(w, verdict{
			phase: v1alpha1.PhasePending, reason: v1alpha1.ReasonHomeInUse,
			message: fmt.Sprintf("Waiting for the home %q: the session %s has it", homeOf(w.session), w.holder),
		})
	case w.pod != nil:
		w.attend(&p)
	default:
		w.begin(&p)
	}
	return p
}

// sleep is for a session that should not run.
func (w world) sleep(p *plan, suspended bool) {
	// Without the pod's UID its end is nobody's surprise, also when the session is
	// woken before it has ended.
	p.status.Restarts, p.status.RestartAt, p.status.PodUID = 0, nil, ""
	if w.pod != nil && w.holder == "" {
		if w.pod.DeletionTimestamp == nil {
			p.act = actDelete
		}
		v := verdict{phase: v1alpha1.PhaseHibernating, reason: v1alpha1.ReasonHibernating, message: "The desktop is ending; its home stays", progressing: true}
		if w.nodeLost {
			v.degraded, v.reason, v.message = true, v1alpha1.ReasonNodeLost, lostMessage(w.pod.Spec.NodeName)
		}
		p.say(w, v)
		return
	}
	p.status.ReadyAt = nil
	v := verdict{phase: v1alpha1.PhaseHibernated, reason: v1alpha1.ReasonHibernated, message: "Asleep; its home stays"}
	if suspended {
		v.reason, v.message = v1alpha1.ReasonUserSuspended, fmt.Sprintf("The user %s is suspended", w.session.Spec.User)
	}
	p.say(w, v)
}

// attend is for one that should run and has a pod.
func (w world) attend(p *plan) {
	pod := w.pod
	old := pod.Labels[v1alpha1.LabelStart] != startLabel(w.session)
	recorded := w.session.Status.Phase == v1alpha1.PhaseFailed && types.UID(w.session.Status.PodUID) == pod.UID && !old
	switch {
	case recorded: // it ended by itself, and that is told: only the pod has to go
		if pod.DeletionTimestamp == nil {
			p.act = actDelete
		}
	case pod.DeletionTimestamp != nil:
		if old {
			p.status.Restarts, p.status.RestartAt, p.status.PodUID = 0, nil, ""
		}
		v := verdict{phase: v1alpha1.PhaseStarting, reason: v1alpha1.ReasonReplacing, message: "Waiting for the desktop before to end", progressing: true}
		if w.nodeLost {
			v.degraded, v.reason, v.message = true, v1alpha1.ReasonNodeLost, lostMessage(pod.Spec.NodeName)
		}
		p.say(w, v)
	case old:
		p.act = actDelete
		p.status.Restarts, p.status.RestartAt, p.status.PodUID = 0, nil, ""
		p.say(w, verdict{phase: v1alpha1.PhaseStarting, reason: v1alpha1.ReasonReplacing, message: "Waiting for the desktop before to end", progressing: true})
	default:
		p.status.Node, p.status.RestartAt = pod.Spec.NodeName, nil
		if pod.Spec.NodeName != "" { // before, nothing of it can have run: no write for that
			p.status.PodUID = string(pod.UID)
		}
		v, left := judge(pod, w.claim, w.nodeLost, w.session.Status, w.now)
		p.again = left
		if v.phase == v1alpha1.PhaseFailed {
			p.act = actDelete
			w.fail(p, &v)
		}
		if v.phase == v1alpha1.PhaseRunning && pod.Status.PodIP != "" {
			p.status.Address = address(pod)
		}
		if v.phase == v1alpha1.PhaseRunning && p.status.ReadyAt == nil {
			at := metav1.NewTime(w.now).Rfc3339Copy()
			p.status.ReadyAt = &at
		}
		p.say(w, v)
	}
}

// fail counts a desktop that ended by itself, and says when it is started again.
func (w world) fail(p *plan, v *verdict) {
	if at := w.session.Status.ReadyAt; at != nil && w.now.Sub(at.Time) > stayedUp {
		p.status.Restarts = 0
	}
	p.status.Restarts++
	p.status.ReadyAt = nil
	if w.session.Spec.Restart == v1alpha1.RestartNever {
		return
	}
	pause := longestPause
	if doublings := p.status.Restarts - 1; doublings < 7 {
		pause = min(firstPause<<doublings, longestPause)
	}
	at := metav1.NewTime(w.now.Add(pause)).Rfc3339Copy()
	p.status.RestartAt, p.again = &at, pause
	v.message += fmt.Sprintf(" (ended %d times; started again at %s)", p.status.Restarts, at.UTC().Format("15:04:05"))
}

// begin is for one that should run and has no pod.
func (w world) begin(p *plan) {
	was := w.session.Status
	same := was.Start == w.session.Spec.Start
	if same && was.Phase == v1alpha1.PhaseFailed {
		if w.session.Spec.Restart == v1alpha1.RestartNever {
			return
		}
		if was.RestartAt != nil && w.now.Before(was.RestartAt.Time) {
			p.again = was.RestartAt.Sub(w.now)
			return
		}
	}
	alive := was.Phase == v1alpha1.PhaseStarting || was.Phase == v1alpha1.PhaseRunning
	if same && alive && was.PodUID != "" && w.session.Spec.Restart == v1alpha1.RestartNever {
		v := verdict{phase: v1alpha1.PhaseFailed, reason: v1alpha1.ReasonPodDeleted, message: "The desktop's pod was deleted", degraded: true}
		w.fail(p, &v)
		p.say(w, v)
		return
	}
	if !same {
		p.status.Restarts = 0
	}
	p.status.PodUID, p.status.Node, p.status.ReadyAt, p.status.RestartAt = "", "", nil, nil
	if v, missing := w.missing(); missing {
		p.say(w, v)
		return
	}
	p.act = actCreate
	p.status.Home, p.status.Secret = claimName(w.session.Spec.User, homeOf(w.session)), secretName(w.session)
	v := verdict{phase: v1alpha1.PhaseStarting, reason: v1alpha1.ReasonStarting, message: waitingForNode, progressing: true}
	switch {
	case was.Phase == v1alpha1.PhaseHibernated || was.Phase == v1alpha1.PhaseHibernating:
		v.reason = v1alpha1.ReasonWaking
	case same && alive && was.PodUID != "":
		v.reason, v.message = v1alpha1.ReasonPodDeleted, "The desktop's pod was deleted: another one waits for a node"
	case p.status.Restarts > 0:
		v.reason = v1alpha1.ReasonRestarting
	}
	p.say(w, v)
}

// missing says what keeps a session from starting that somebody else must bring.
func (w world) missing() (verdict, bool) {
	pending := func(reason, format string, args ...any) (verdict, bool) {
		return verdict{phase: v1alpha1.PhasePending, reason: reason, message: fmt.Sprintf(format, args...), degraded: true}, true
	}
	switch {
	case w.template == nil:
		return pending(v1alpha1.ReasonTemplateMissing, "There is no Template %q here", w.session.Spec.Template)
	case w.taken:
		return pending(v1alpha1.ReasonHomeOfAnother, "The volume claim %s is there and is not of this home", claimName(w.session.Spec.User, homeOf(w.session)))
	case w.claim != nil && w.claim.DeletionTimestamp != nil:
		return pending(v1alpha1.ReasonHomePending, "The home's volume claim %s is being deleted", w.claim.Name)
	case w.claim != nil && w.claim.Status.Phase == corev1.ClaimLost:
		return pending(v1alpha1.ReasonHomePending, "The home's volume is lost: its claim %s has none any more", w.claim.Name)
	}
	if w.user != nil && w.user.Spec.Quota.Sessions != nil && w.before >= int(*w.user.Spec.Quota.Sessions) {
		v, _ := pending(v1alpha1.ReasonQuotaExceeded, "%s may run %d sessions at a time: hibernate or delete another one", w.session.Spec.User, *w.user.Spec.Quota.Sessions)
		v.degraded = false // it is as somebody wanted it
		return v, true
	}
	return verdict{}, false
}

// say sets the phase, the message and the conditions.
func (p *plan) say(w world, v verdict) {
	s := &p.status
	s.Phase, s.Message = v.phase, v.message
	if v.phase != v1alpha1.PhaseRunning {
		s.Address = ""
	}
	if v.phase == v1alpha1.PhaseHibernated || v.phase == v1alpha1.PhasePending {
		s.Node = ""
	}
	set := func(kind string, yes bool) {
		c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: v.reason, Message: v.message, ObservedGeneration: w.session.Generation}
		if yes {
			c.Status = metav1.ConditionTrue
		} else if kind == v1alpha1.ConditionDegraded {
			c.Reason, c.Message = v1alpha1.ReasonAsExpected, ""
		}
		setCondition(&s.Conditions, c, w.now)
	}
	set(v1alpha1.ConditionReady, v.phase == v1alpha1.PhaseRunning && !v.unready)
	set(v1alpha1.ConditionProgressing, v.progressing)
	set(v1alpha1.ConditionHibernated, v.phase == v1alpha1.PhaseHibernated)
	set(v1alpha1.ConditionDegraded, v.degraded)
}

// setCondition puts the condition in, with the time of its change of status.
func setCondition(all *[]metav1.Condition, c metav1.Condition, now time.Time) {
	for i, was := range *all {
		if was.Type != c.Type {
			continue
		}
		c.LastTransitionTime = was.LastTransitionTime
		if was.Status != c.Status {
			c.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
		}
		(*all)[i] = c
		return
	}
	c.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	*all = append(*all, c)
}
