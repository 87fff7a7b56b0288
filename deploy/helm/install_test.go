package helm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// A release is installed, changed, taken back and removed. Hooks are left out:
// there are no nodes to run them.
func TestRelease(t *testing.T) {
	namespace := cluster.Namespace(t)
	kubeconfig := writeKubeconfig(t)
	do := func(args ...string) string {
		t.Helper()
		out, err := helm(t, append(args, "--kubeconfig", kubeconfig, "--namespace", namespace, "--no-hooks")...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	gateway := func() *appsv1.Deployment {
		t.Helper()
		var d appsv1.Deployment
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "desks-streamspace-gateway"}, &d); err != nil {
			t.Fatal(err)
		}
		return &d
	}

	out := do("install", "desks", chart, "--set", "url=https://desks.example")
	if !strings.Contains(out, "First sign-in") {
		t.Errorf("whoever installs it is not told how to get in:\n%s", out)
	}
	var templates v1alpha1.TemplateList
	if err := cluster.Client.List(t.Context(), &templates, client.InNamespace(namespace)); err != nil || len(templates.Items) < 15 {
		t.Errorf("%d applications are offered: %v", len(templates.Items), err)
	}
	if got := *gateway().Spec.Replicas; got != 2 {
		t.Errorf("%d gateways", got)
	}

	do("upgrade", "desks", chart, "--set", "url=https://desks.example,gateway.replicas=5,image.tag=next,networkPolicy.enabled=false")
	d := gateway()
	if *d.Spec.Replicas != 5 || d.Spec.Template.Spec.Containers[0].Image != "ghcr.io/streamspace/streamspace:next" {
		t.Errorf("after the upgrade: %d gateways of %s", *d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image)
	}
	do("rollback", "desks", "1")
	if got := *gateway().Spec.Replicas; got != 2 {
		t.Errorf("after going back: %d gateways", got)
	}

	// Secrets that the setup made are nobody's.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "desks-streamspace-postgres"}}
	if err := cluster.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	do("uninstall", "desks")
	kubetest.Until(t, "the Deployments' end", func(ctx context.Context) (bool, error) {
		var left appsv1.DeploymentList
		err := cluster.Client.List(ctx, &left, client.InNamespace(namespace))
		for _, d := range left.Items {
			if d.DeletionTimestamp == nil {
				return false, err
			}
		}
		return true, err
	})
	if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Errorf("the database's password is gone: %v", err)
	}
}

// writeKubeconfig says to helm how to reach the cluster.
func writeKubeconfig(t *testing.T) string {
	t.Helper()
	c := api.NewConfig()
	c.Clusters["test"] = &api.Cluster{Server: cluster.Config.Host, CertificateAuthorityData: cluster.Config.CAData}
	c.AuthInfos["test"] = &api.AuthInfo{ClientCertificateData: cluster.Config.CertData, ClientKeyData: cluster.Config.KeyData}
	c.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "test"}
	c.CurrentContext = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
