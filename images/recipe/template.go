package recipe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/images"
)

// What a desktop is promised, of what it may use at most: people look and
// think more than they compute, so a node holds several times the sum of the
// limits in processors, and twice in memory.
const (
	cpuShare    = 8
	memoryShare = 2
)

// Template is the object that a cluster offers the application by.
func Template(a images.Application, names Names) *v1alpha1.Template {
	t := &v1alpha1.Template{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Template"},
		ObjectMeta: metav1.ObjectMeta{Name: a.Name},
		Spec: v1alpha1.TemplateSpec{
			DisplayName: a.DisplayName, Description: a.Description, Category: a.Category, Icon: a.Icon, Tags: a.Tags,
			Image: names.Desktop(a.Name), Architectures: architecturesOf(a.Image),
			Command: command(a), Env: a.Env,
			IdleTimeout:   &metav1.Duration{Duration: time.Duration(a.IdleTimeout)},
			Network:       v1alpha1.NetworkNone,
			Resources:     resources(a.Resources),
			WritablePaths: a.Image.Writable,
		},
	}
	if a.Image.SharedMemory != "" {
		size := resource.MustParse(a.Image.SharedMemory) // the catalog has checked it
		t.Spec.SharedMemory = &size
	}
	if a.Network == streamspace.NetworkInternet {
		t.Spec.Network = v1alpha1.NetworkInternet
	}
	return t
}

func resources(r streamspace.Resources) corev1.ResourceRequirements {
	out := corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	if r.CPUs > 0 {
		out.Limits[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(r.CPUs*1000), resource.DecimalSI)
		out.Requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(r.CPUs*1000/cpuShare), resource.DecimalSI)
	}
	if r.MemoryBytes > 0 {
		out.Limits[corev1.ResourceMemory] = *resource.NewQuantity(r.MemoryBytes, resource.BinarySI)
		out.Requests[corev1.ResourceMemory] = *resource.NewQuantity(r.MemoryBytes/memoryShare, resource.BinarySI)
	}
	return out
}

// YAML writes a Template for kubectl apply, without what only clusters fill in.
func YAML(t *v1alpha1.Template) ([]byte, error) {
	object := struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec any `json:"spec"`
	}{TypeMeta: t.TypeMeta}
	object.Metadata.Name = t.Name
	spec, err := sparse(t.Spec)
	if err != nil {
		return nil, fmt.Errorf("writing the template %s: %w", t.Name, err)
	}
	object.Spec = spec
	return yaml.Marshal(object)
}

// sparse leaves out what is empty: omitempty does not do that for structs.
func sparse(spec v1alpha1.TemplateSpec) (map[string]any, error) {
	text, err := yaml.Marshal(spec)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := yaml.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		if m, ok := value.(map[string]any); ok && len(m) == 0 {
			delete(fields, name)
		}
	}
	return fields, nil
}
