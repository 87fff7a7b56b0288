// Package helm tests the chart: what it renders for several sets of values, that
// a real API server takes it, and that its dashboards and alerts speak of metrics
// that there are.
package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/images/recipe"
)

var (
	update  = flag.Bool("update", false, "write testdata and files/catalog.yaml anew")
	cluster *kubetest.Cluster
	program string // helm
)

const chart = "streamspace"

func TestMain(m *testing.M) {
	flag.Parse()
	out, err := exec.Command("../../internal/tools/helm/build.sh").Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		fmt.Fprintf(os.Stderr, "building helm: %v\n%s", err, exit.Stderr)
		os.Exit(1)
	}
	program = strings.TrimSpace(string(out))
	os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c }))
}

// helm runs it, as on a machine that never used it.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG=")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, out, complaint.Bytes())
	}
	return string(out), err
}

// valueSets are the files with values that everything is tried with.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	return files
}

func render(t *testing.T, values string) string {
	t.Helper()
	text, err := helm(t, "template", "desks", chart, "--namespace", "streamspace", "--values", values, "--include-crds=false")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLintAndGolden(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			t.Parallel()
			if _, err := helm(t, "lint", "--strict", chart, "--values", values); err != nil {
				t.Error(err)
			}
			text := render(t, values)
			golden := strings.TrimSuffix(values, ".values.yaml") + ".golden.yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s differs from what is rendered: look at the difference that go test ./deploy/helm -update makes", golden)
			}
		})
	}
}

func TestMistakesInValuesAreTold(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"":                                       "url is needed",
		"url=desks.example":                      "/url",
		"url=https://x,gatway.replicas=2":        "gatway",
		"url=https://x,gateway.drain=fast":       "/gateway/drain",
		"url=https://x,postgres.enabled=false":   "postgres.external.urlSecret",
		"url=https://x,redis.enabled=false":      "redis.external.urlSecret",
		"url=https://x,tls.certManager.issuer=x": "/tls/secret",
		"url=https://x,gateway.env.FOO=bar":      "FOO",
	} {
		_, err := helm(t, "template", "x", chart, "--set", set)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", set, err)
		}
	}
}

// objects takes rendered text apart.
func objects(t *testing.T, text string) (list []*unstructured.Unstructured) {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			list = append(list, &object)
		}
	}
}

// A real API server takes every object, without an unknown field, in a namespace
// that admits restricted pods only.
func TestAPIServerTakesIt(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			namespace := cluster.Namespace(t)
			var ns corev1.Namespace
			if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: namespace}, &ns); err != nil {
				t.Fatal(err)
			}
			ns.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
			if err := cluster.Client.Update(t.Context(), &ns); err != nil {
				t.Fatal(err)
			}
			for _, object := range objects(t, render(t, values)) {
				if object.GroupVersionKind().Group == "monitoring.coreos.com" {
					continue // kinds of the Prometheus operator, which is not here
				}
				if object.GetNamespace() != "" || object.GetKind() != "ClusterRole" && object.GetKind() != "ClusterRoleBinding" {
					object.SetNamespace(namespace)
				}
				tryOut(t, object)
				if pod := podOf(t, object); pod != nil && object.GetName() != "" {
					// Webrtc's ports are the node's: only then are pods not restricted ones.
					if !strings.Contains(values, "webrtc") || !strings.HasSuffix(object.GetName(), "-gateway") {
						pod.SetNamespace(namespace)
						tryOut(t, pod)
					}
				}
			}
		})
	}
}

func tryOut(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	err := cluster.Client.Create(t.Context(), object.DeepCopy(), client.DryRunAll, client.FieldValidation("Strict"))
	// Pods are tried before the accounts that they run as are there.
	if err != nil && !strings.Contains(err.Error(), "error looking up service account") {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// specOf reads the pod's spec.
func specOf(t *testing.T, pod *unstructured.Unstructured) (spec corev1.PodSpec) {
	t.Helper()
	text, err := json.Marshal(pod.Object["spec"])
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// podOf makes a pod of what a controller would make pods of.
func podOf(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	template, ok, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil || !ok {
		return nil
	}
	pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": object.GetName()}, "spec": template["spec"]}}
	if err := unstructured.SetNestedField(pod.Object, "default", "spec", "serviceAccountName"); err != nil {
		t.Fatal(err)
	}
	// A StatefulSet's claims become volumes.
	claims, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	volumes, _, _ := unstructured.NestedSlice(pod.Object, "spec", "volumes")
	for _, claim := range claims {
		name, _, _ := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		volumes = append(volumes, map[string]any{"name": name, "persistentVolumeClaim": map[string]any{"claimName": name}})
	}
	if err := unstructured.SetNestedSlice(pod.Object, volumes, "spec", "volumes"); err != nil {
		t.Fatal(err)
	}
	return pod
}

// What must hold for each container, whatever the values.
func TestPodsAreHarmless(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		pods := 0
		for _, object := range objects(t, render(t, values)) {
			pod := podOf(t, object)
			if pod == nil {
				continue
			}
			pods++
			for _, mistake := range harm(specOf(t, pod)) {
				t.Errorf("%s: %s %s: %s", values, object.GetKind(), object.GetName(), mistake)
			}
		}
		if pods < 3 {
			t.Errorf("%s: only %d pods", values, pods)
		}
	}
}

func harm(spec corev1.PodSpec) (mistakes []string) {
	demand := func(ok bool, mistake string) {
		if !ok {
			mistakes = append(mistakes, mistake)
		}
	}
	demand(spec.EnableServiceLinks != nil && !*spec.EnableServiceLinks, "variables of Services are put in")
	demand(!spec.HostNetwork && !spec.HostPID && !spec.HostIPC, "it shares the node's namespaces")
	s := spec.SecurityContext
	demand(s != nil && s.RunAsNonRoot != nil && *s.RunAsNonRoot && s.RunAsUser != nil && *s.RunAsUser > 0, "it may run as root")
	demand(s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "it has no seccomp profile")
	for _, v := range spec.Volumes {
		demand(v.HostPath == nil, "it sees the node's files")
		demand(v.EmptyDir == nil || v.EmptyDir.SizeLimit != nil, "volume "+v.Name+" has no bound")
	}
	for _, c := range spec.Containers {
		s := c.SecurityContext
		demand(s != nil && s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem, c.Name+" can write to its root")
		demand(s != nil && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation, c.Name+" may gain privileges")
		demand(s != nil && s.Capabilities != nil && len(s.Capabilities.Drop) == 1 && s.Capabilities.Drop[0] == "ALL" && len(s.Capabilities.Add) == 0, c.Name+" has capabilities")
		demand(!c.Resources.Limits.Memory().IsZero() && !c.Resources.Requests.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(), c.Name+" has no bounds")
		for _, e := range c.Env {
			secret := strings.HasSuffix(e.Name, "_PASSWORD")
			demand(!secret || e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil, c.Name+" has a password in "+e.Name)
		}
	}
	return mistakes
}

// The chart offers what the catalog has.
func TestCatalogIsTheCatalog(t *testing.T) {
	t.Parallel()
	catalog, err := images.Load("")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := recipe.Print(&out, catalog, nil, recipe.Names{Registry: "ghcr.io/streamspace", Tag: "latest"}); err != nil {
		t.Fatal(err)
	}
	const file = chart + "/files/catalog.yaml"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != out.String() {
		t.Errorf("%s is not what the catalog says: go test ./deploy/helm -update", file)
	}
}

// promtool checks the alert rules, and that they fire when they should.
func TestAlerts(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is missing: Debian's package prometheus has it")
		}
		t.Skip("promtool is missing: Debian's package prometheus has it")
	}
	for _, args := range [][]string{{"check", "rules", "streamspace/files/alerts.yaml"}, {"test", "rules", "testdata/alerts_test.yaml"}} {
		ctx, cancel := context.WithCancel(t.Context())
		if out, err := exec.CommandContext(ctx, "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		cancel()
	}
}

func readAlerts(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(chart + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Expr        string            `json:"expr"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := sigsyaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, rule.Expr)
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s: whoever is woken by it is not told why and what to do", rule.Expr)
			}
		}
	}
	return expressions
}
