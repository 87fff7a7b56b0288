package operator

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// waitingForNode is said from before the pod is made until a node has it.
const waitingForNode = "Waiting for a node"

// maxWords bounds what is repeated of others' words.
const maxWords = 1000

// judge says how a pod does that should run, and after which time without any
// change to look at it again.
func judge(pod *corev1.Pod, claim *corev1.PersistentVolumeClaim, nodeLost bool, was v1alpha1.SessionStatus, now time.Time) (verdict, time.Duration) {
	container := desktopOf(pod)
	switch {
	case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded || container.State.Terminated != nil:
		return ended(pod, container), 0
	case nodeLost:
		v := verdict{phase: was.Phase, reason: v1alpha1.ReasonNodeLost, message: lostMessage(pod.Spec.NodeName), degraded: true, unready: true}
		if v.phase != v1alpha1.PhaseRunning {
			v.phase = v1alpha1.PhaseStarting
		}
		return v, 0
	case isTrue(pod, corev1.PodReady) && pod.Status.PodIP != "":
		return verdict{phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning, message: "The desktop is up on " + pod.Spec.NodeName}, 0
	case was.Phase == v1alpha1.PhaseRunning && container.State.Running != nil:
		return verdict{
			phase: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonDesktopUnreachable, degraded: true, unready: true,
			message: "The desktop runs, but does not answer its readiness check",
		}, 0
	}
	return starting(pod, container, claim, was, now)
}

// starting says what a pod that is not ready yet waits for.
func starting(pod *corev1.Pod, container corev1.ContainerStatus, claim *corev1.PersistentVolumeClaim, was v1alpha1.SessionStatus, now time.Time) (verdict, time.Duration) {
	v := verdict{phase: v1alpha1.PhaseStarting, reason: v1alpha1.ReasonStarting, progressing: true}
	trouble := func(reason, format string, args ...any) (verdict, time.Duration) {
		v.reason, v.message, v.degraded = reason, fmt.Sprintf(format, args...), true
		return v, 0
	}
	if pod.Spec.NodeName == "" {
		v.message = waitingForNode
		scheduled := condition(pod, corev1.PodScheduled)
		switch {
		case scheduled.Status != corev1.ConditionFalse:
			return v, 0
		case claim != nil && claim.Status.Phase == corev1.ClaimPending && strings.Contains(scheduled.Message, "PersistentVolumeClaim"):
			return trouble(v1alpha1.ReasonHomePending, "The home has no volume yet: the claim %s is pending (%s)", claim.Name, words(scheduled.Message))
		}
		return trouble(v1alpha1.ReasonUnschedulable, "No node takes the desktop: %s", words(scheduled.Message))
	}
	waiting := container.State.Waiting
	switch {
	case container.State.Running != nil:
		v.message = "Starting the desktop"
		return v, 0
	case waiting == nil || waiting.Reason == "ContainerCreating" || waiting.Reason == "PodInitializing":
		v.message = "Preparing the desktop on " + pod.Spec.NodeName
		at := condition(pod, corev1.PodScheduled).LastTransitionTime
		if at.IsZero() {
			at = pod.CreationTimestamp
		}
		if left := prepareLimit - now.Sub(at.Time); left > 0 {
			return v, left
		}
		return trouble(v1alpha1.ReasonContainerNotMade, "The node %s has been preparing the desktop for long: a large image, or a volume that it does not get; `kubectl describe pod %s` tells", pod.Spec.NodeName, pod.Name)
	case waiting.Reason == "ImagePullBackOff" && wasSaid(was, v1alpha1.ReasonImagePullFailed):
		return trouble(v1alpha1.ReasonImagePullFailed, "%s", was.Message) // the node only pauses, and says less
	case waiting.Reason == "ErrImagePull", waiting.Reason == "ImagePullBackOff", waiting.Reason == "InvalidImageName",
		waiting.Reason == "ErrImageNeverPull", waiting.Reason == "RegistryUnavailable", waiting.Reason == "ImageInspectError":
		return trouble(v1alpha1.ReasonImagePullFailed, "image pull failed: %s", words(cmp.Or(waiting.Message, waiting.Reason)))
	}
	return trouble(v1alpha1.ReasonContainerNotMade, "The node %s cannot start the desktop: %s: %s", pod.Spec.NodeName, waiting.Reason, words(waiting.Message))
}

// ended says why a desktop ended by itself.
func ended(pod *corev1.Pod, container corev1.ContainerStatus) verdict {
	v := verdict{phase: v1alpha1.PhaseFailed, reason: v1alpha1.ReasonDesktopEnded, degraded: true}
	t := container.State.Terminated
	switch {
	case pod.Status.Reason == "Evicted":
		v.reason, v.message = v1alpha1.ReasonEvicted, "The node threw the desktop out: "+words(pod.Status.Message)
	case t != nil && t.Reason == "OOMKilled":
		v.reason, v.message = v1alpha1.ReasonOutOfMemory, "The desktop needed more memory than its Template gives it"
		if limit := pod.Spec.Containers[0].Resources.Limits.Memory(); !limit.IsZero() {
			v.message += " (" + limit.String() + ")"
		}
	case pod.Status.Reason == "NodeLost" || isTrue(pod, corev1.DisruptionTarget):
		v.reason, v.message = v1alpha1.ReasonEvicted, "The desktop's node ended it: "+words(cmp.Or(condition(pod, corev1.DisruptionTarget).Message, pod.Status.Message, pod.Status.Reason))
	case t != nil:
		v.message = fmt.Sprintf("The desktop ended with code %d", t.ExitCode)
		if t.Signal != 0 {
			v.message = fmt.Sprintf("The desktop was ended by signal %d", t.Signal)
		}
		if last := words(t.Message); last != "" {
			v.message += ": " + last
		}
	default:
		v.message = "The desktop's pod ended: " + words(cmp.Or(pod.Status.Message, pod.Status.Reason, "no reason was given"))
	}
	return v
}

func lostMessage(node string) string {
	return fmt.Sprintf("The node %s does not answer. The desktop may still run there, so it is started elsewhere only when the cluster says that it has ended: bring the node back, delete it, or taint it node.kubernetes.io/out-of-service", node)
}

// desktopOf is the state of the pod's container that is the desktop.
func desktopOf(pod *corev1.Pod) corev1.ContainerStatus {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == containerName {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

func isTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	return condition(pod, kind).Status == corev1.ConditionTrue
}

func wasSaid(was v1alpha1.SessionStatus, reason string) bool {
	for _, c := range was.Conditions {
		if c.Type == v1alpha1.ConditionDegraded {
			return c.Reason == reason
		}
	}
	return false
}

// words are others' words on one line, bounded.
func words(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + "…"
	}
	return s
}

// address is where a gateway reaches the pod's desktop.
func address(pod *corev1.Pod) string {
	port := pod.Spec.Containers[0].Ports[0].ContainerPort
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port)))
}

func startLabel(s *v1alpha1.Session) string { return strconv.FormatInt(s.Spec.Start, 10) }
