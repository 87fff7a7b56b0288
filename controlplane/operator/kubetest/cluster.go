// Package kubetest starts a real API server of Kubernetes with etcd for tests,
// with our CRDs in it, and plays what such a server alone does not have: the
// nodes that pods run on.
//
// The programs are built from their modules on first use and kept in the
// account's cache folder (internal/tools/kubernetes/build.sh).
package kubetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// Patience is how long a test waits for what must happen: a busy machine takes
// long over everything.
const Patience = 90 * time.Second

const (
	buildTime = 30 * time.Minute // of the programs, cold, on a busy machine
	startTime = 2 * time.Minute  // of the server
)

// Cluster is an API server of one test binary. Everything in it is immutable.
type Cluster struct {
	Config *rest.Config
	Client client.WithWatch // uncached
	Scheme *runtime.Scheme

	missing string // why there is none; then tests are skipped
}

// Run runs a package's tests with a cluster, which have it from use before
// they begin. It returns what to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c })) }
func Run(m interface{ Run() int }, use func(*Cluster)) int {
	c, stop, err := start()
	if err != nil {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		c = &Cluster{missing: err.Error()}
		stop = func() error { return nil }
	}
	use(c)
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

func start() (*Cluster, func() error, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, nil, err
	}
	programs, err := build(root)
	if err != nil {
		return nil, nil, err
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, nil, err
	}
	environment := &envtest.Environment{
		Scheme:                   scheme,
		BinaryAssetsDirectory:    programs,
		CRDDirectoryPaths:        []string{filepath.Join(root, "deploy/helm/streamspace/crds")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTime,
		ControlPlaneStopTimeout:  startTime,
	}
	config, err := environment.Start()
	if err != nil {
		environment.Stop()
		return nil, nil, fmt.Errorf("starting kube-apiserver and etcd from %s: %w", programs, err)
	}
	config.QPS = -1 // no limit: a test is no neighbour to anybody
	c := &Cluster{Config: config, Scheme: scheme}
	if c.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		environment.Stop()
		return nil, nil, fmt.Errorf("making a client of the test's API server: %w", err)
	}
	return c, environment.Stop, nil
}

// Scheme returns one that knows Kubernetes' objects and ours.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, v1alpha1.AddToScheme(scheme)
}

// build builds the programs unless they are there, and returns their folder.
func build(root string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root, "internal/tools/kubernetes/build.sh"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("building etcd and kube-apiserver: %w\n%s", err, complaint.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleRoot is the repository's top folder, found from where a test runs.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "internal/tools/kubernetes/build.sh")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no folder above has internal/tools/kubernetes/build.sh")
}

// Namespace makes a namespace for one test, and skips the test when there is
// no cluster. What is in it is left behind: nothing here would collect it, and
// the server ends with the package's tests.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	if c.missing != "" {
		t.Skip(c.missing)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// Until waits until ok says yes; it is asked again and again.
func Until(t testing.TB, what string, ok func(ctx context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		yes, err := ok(ctx)
		if yes && err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s (last error: %v)", Patience, what, last)
		}
	}
}
