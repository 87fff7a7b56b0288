package operator

import (
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/images/agent"
)

const (
	containerName = "desktop"
	// desktopUser is who everything in a desktop runs as: the images' user.
	desktopUser = 1000

	// What the agent in the image is told, and its certificate, as files.
	sessionDir = "/etc/streamspace/session"
	runtimeDir = "/run/streamspace"

	annotationSpec = v1alpha1.Group + "/desktop"

	// endTime is what a desktop has for ending: the agent asks its programs for
	// three seconds.
	endTime int64 = 15
	// leaveNode is after how many seconds the cluster gives up a pod on a node
	// that does not answer; its default of five minutes is long for a person.
	leaveNode int64 = 30
	// startLimit bounds the startup check, in seconds: Xvnc is up within one,
	// on a loaded node within many.
	startLimit = 180
	// runtimeSize bounds the sockets, cookies and log in the runtime folder.
	runtimeSize = "64Mi"
)

// podOf is the pod of a session's desktop.
func podOf(s *v1alpha1.Session, t *v1alpha1.Template, name string) (*corev1.Pod, error) {
	spec, err := json.Marshal(agentSpec(s, t))
	if err != nil {
		return nil, err
	}
	labels := labelsOf(s)
	labels[v1alpha1.LabelStart] = startLabel(s)
	volumes, mounts := storage(t, name, secretName(s))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: name, Labels: labels, Annotations: map[string]string{annotationSpec: string(spec)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, v1alpha1.GroupVersion().WithKind("Session"))},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever, // a pod is one start: who restarts is decided above
			AutomountServiceAccountToken:  new(bool),
			EnableServiceLinks:            new(bool),
			TerminationGracePeriodSeconds: ptr(endTime),
			RuntimeClassName:              t.Spec.RuntimeClassName,
			PriorityClassName:             t.Spec.PriorityClassName,
			ImagePullSecrets:              t.Spec.ImagePullSecrets,
			SecurityContext:               podSecurity(),
			Containers:                    []corev1.Container{container(t, mounts)},
			Volumes:                       volumes,
		},
	}
	place(&pod.Spec, t)
	return pod, nil
}

// podSecurity and containerSecurity let a pod do no more than it must: together
// they fit the profile "restricted" of Pod Security.
func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot: ptr(true), RunAsUser: ptr[int64](desktopUser), RunAsGroup: ptr[int64](desktopUser),
		FSGroup: ptr[int64](desktopUser), FSGroupChangePolicy: ptr(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func containerSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsNonRoot: ptr(true), AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true), Privileged: ptr(false),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// agentSpec is what the agent reads; an image of others with another entry point
// need not.
func agentSpec(s *v1alpha1.Session, t *v1alpha1.Template) agent.Spec {
	return agent.Spec{
		Session: s.Name, Name: t.Spec.DisplayName, Command: t.Spec.Command, Env: t.Spec.Env,
		Width: int(s.Spec.Screen.Width), Height: int(s.Spec.Screen.Height),
		RFBSocket: runtimeDir + "/rfb.sock", ControlSocket: runtimeDir + "/control.sock", LogFile: runtimeDir + "/desktop.log",
		TLS: &agent.TLS{
			Listen: fmt.Sprintf(":%d", t.Spec.VNC.Port),
			Cert:   sessionDir + "/" + keyCert, Key: sessionDir + "/" + keyKey, CA: sessionDir + "/" + keyCA,
		},
	}
}

func container(t *v1alpha1.Template, mounts []corev1.VolumeMount) corev1.Container {
	check := corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: t.Spec.VNC.Ready}}
	return corev1.Container{
		Name: containerName, Image: t.Spec.Image, ImagePullPolicy: t.Spec.ImagePullPolicy,
		Args: []string{"--spec", sessionDir + "/desktop.json"},
		Env: []corev1.EnvVar{
			{Name: "HOME", Value: homePath(t)},
			{Name: "XDG_RUNTIME_DIR", Value: runtimeDir},
		},
		WorkingDir: homePath(t),
		Ports:      []corev1.ContainerPort{{Name: "rfb", ContainerPort: t.Spec.VNC.Port, Protocol: corev1.ProtocolTCP}},
		Resources:  t.Spec.Resources,
		// Often at first, since somebody waits; then seldom, since each look
		// starts a process in every desktop.
		StartupProbe:             &corev1.Probe{ProbeHandler: check, PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: startLimit},
		ReadinessProbe:           &corev1.Probe{ProbeHandler: check, PeriodSeconds: 20, TimeoutSeconds: 10, FailureThreshold: 3},
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             mounts,
	}
}

// storage is everything in a desktop that can be written to, and what it is told.
func storage(t *v1alpha1.Template, claim, secret string) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	add := func(name, path string, source corev1.VolumeSource) {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: source})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: path, ReadOnly: name == "session"})
	}
	empty := func(medium corev1.StorageMedium, size *resource.Quantity) corev1.VolumeSource {
		return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: medium, SizeLimit: size}}
	}
	add("home", homePath(t), corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}})
	add("tmp", "/tmp", empty("", t.Spec.Scratch))
	add("run", runtimeDir, empty(corev1.StorageMediumMemory, ptr(resource.MustParse(runtimeSize))))
	add("shm", "/dev/shm", empty(corev1.StorageMediumMemory, t.Spec.SharedMemory))
	for i, path := range t.Spec.WritablePaths {
		add(fmt.Sprintf("scratch-%d", i), path, empty("", t.Spec.Scratch))
	}
	add("session", sessionDir, corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: ptr[int32](0o440),
		Sources: []corev1.VolumeProjection{
			{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: secret},
				Items:                []corev1.KeyToPath{{Key: keyCert, Path: keyCert}, {Key: keyKey, Path: keyKey}, {Key: keyCA, Path: keyCA}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
				Path: "desktop.json", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + annotationSpec + "']"},
			}}}},
		},
	}})
	return volumes, mounts
}

// place says which nodes a desktop may run on, and to keep desktops apart.
func place(spec *corev1.PodSpec, t *v1alpha1.Template) {
	spec.NodeSelector = map[string]string{corev1.LabelOSStable: "linux"}
	maps.Copy(spec.NodeSelector, t.Spec.NodeSelector)
	spec.Tolerations = append([]corev1.Toleration{
		{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(leaveNode)},
		{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(leaveNode)},
	}, t.Spec.Tolerations...)
	if len(t.Spec.Architectures) > 0 {
		spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: t.Spec.Architectures}},
			}}},
		}}
	}
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{labelComponent: Component}},
	}}
}

// homePath is the Template's; objects from before there was a default have none.
func homePath(t *v1alpha1.Template) string {
	if t.Spec.Home.Path == "" {
		return "/home/streamspace"
	}
	return t.Spec.Home.Path
}

func ptr[T any](v T) *T { return &v }
