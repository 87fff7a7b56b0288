package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/internal/config"
)

// kubeConfigFile says how the test's cluster is reached, as kubectl is told.
func kubeConfigFile(t *testing.T) string {
	t.Helper()
	c := cluster.Config
	text, err := clientcmd.Write(api.Config{
		Clusters:       map[string]*api.Cluster{"test": {Server: c.Host, CertificateAuthorityData: c.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"test": {ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Token: c.BearerToken}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startOperator runs the command's operator, and returns its address and what
// ends it.
func startOperator(t *testing.T, namespace, kubeConfig string) (address string, stop func()) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	settings := config.Default()
	settings.Listen, settings.KubeNamespace, settings.KubeConfig = address, namespace, kubeConfig
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := operate(ctx, settings, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), io.Discard); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return address, stop
}

func ask(ctx context.Context, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	return response.StatusCode, text.String(), err
}

// Of several operators one acts; when it ends, another one goes on. Each tells
// how it does.
func TestOperatorsTakeTurns(t *testing.T) {
	namespace := cluster.Namespace(t)
	cluster.Node(t, namespace)
	kubeConfig := kubeConfigFile(t)
	if err := cluster.Client.Create(t.Context(), &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "sketch"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "Sketch", Image: "registry.example/sketch:1", Command: []string{"sketch"}},
	}); err != nil {
		t.Fatal(err)
	}
	comesUp := func(name string) {
		t.Helper()
		s := &v1alpha1.Session{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: v1alpha1.SessionSpec{Template: "sketch", User: name}}
		if err := cluster.Client.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		kubetest.Until(t, name+" to run", func(ctx context.Context) (bool, error) {
			err := cluster.Client.Get(ctx, client.ObjectKeyFromObject(s), s)
			return s.Status.Phase == v1alpha1.PhaseRunning, err
		})
	}
	first, stopFirst := startOperator(t, namespace, kubeConfig)
	comesUp("one")
	second, _ := startOperator(t, namespace, kubeConfig)
	for _, address := range []string{first, second} {
		kubetest.Until(t, address+" to be ready", func(ctx context.Context) (bool, error) {
			status, _, err := ask(ctx, "http://"+address+"/readyz")
			return status == http.StatusOK, err
		})
	}
	_, text, err := ask(t.Context(), "http://"+first+"/metrics")
	if err != nil || !strings.Contains(text, `streamspace_operator_api_writes_total{method="POST",resource="pods"}`) {
		t.Errorf("the first one's metrics: %v\n%s", err, text)
	}
	if _, text, err = ask(t.Context(), "http://"+second+"/metrics"); err != nil || strings.Contains(text, `resource="pods"`) {
		t.Errorf("the second one acts too: %v", err)
	}
	stopFirst()
	comesUp("two")
}
