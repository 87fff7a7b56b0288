package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/product"
)

const goarch = runtime.GOARCH

const (
	namespace = "desks"
	tag       = "e2e" // of the images; those called latest would be asked for at their registry
)

// The tests build upon one another: the cluster is made once.
func TestCluster(t *testing.T) {
	if os.Getenv("STREAMSPACE_E2E_KUBE") == "" {
		t.Skip("it takes minutes and runs as root: make e2e-kube")
	}
	c := newCluster(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.state())
		}
	})
	for _, image := range []string{"server", "terminal"} {
		archive := filepath.Join("../../bin/images", tag, image+".tar")
		if _, err := os.Stat(archive); err != nil {
			t.Fatalf("%v: make e2e-kube builds it", err)
		}
		c.load(archive)
	}
	c.run(nil, c.program("kubectl"), "--kubeconfig", c.kubeconfig, "create", "namespace", namespace)
	c.run(nil, c.program("kubectl"), "--kubeconfig", c.kubeconfig, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	c.services()
	c.volumes(6)
	password := rand.Text()
	c.kubectl("create", "secret", "generic", "admin", "--from-literal=password="+password)
	base := fmt.Sprintf("http://%s:%d", nodeAddress, frontPort)
	began := time.Now()
	values := strings.Join([]string{
		"url=" + base, "image.tag=" + tag, "admin.passwordSecret=admin", "catalog.tag=" + tag, "catalog.applications={terminal}",
		"controlplane.replicas=1", "operator.replicas=1", "gateway.replicas=2",
		"postgres.enabled=false", "postgres.external.urlSecret=database", fmt.Sprintf("postgres.external.port=%d", postgresPort),
		"redis.enabled=false", "redis.external.urlSecret=redis", fmt.Sprintf("redis.external.port=%d", redisPort),
	}, ",")
	c.helm("install", "desks", "../helm/streamspace", "--wait", "--timeout", "5m", "--set", values)
	t.Logf("the chart is installed, all is ready: %s", time.Since(began).Round(time.Millisecond))
	c.front()
	client, err := product.New(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c.eventually("signing in", func() error { return client.SignIn(t.Context(), "admin", password) })
	page, err := browser.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(page.Close)
	d := &desk{cluster: c, page: page, base: base}
	d.signIn("admin", password)

	t.Run("by kubectl", func(t *testing.T) { testByKubectl(t, d, client) })
	t.Run("in the browser", func(t *testing.T) { testInTheBrowser(t, d, client) })
	t.Run("bad days", func(t *testing.T) { testBadDays(t, d) })
	t.Run("upgrade and removal", func(t *testing.T) { testUpgrade(t, d, values) })
}

// session is a manifest.
func session(name, template string) string {
	return fmt.Sprintf("{apiVersion: stream.space/v1alpha1, kind: Session, metadata: {name: %s}, spec: {template: %s, user: admin}}", name, template)
}

// phase waits until the session has it, and tells how long that took.
func (c *cluster) phase(name, phase string) time.Duration {
	c.t.Helper()
	began := time.Now()
	c.eventually(name+" to be "+phase, func() error {
		if now := c.kubectl("get", "session", name, "-o", "jsonpath={.status.phase}: {.status.message}"); !strings.HasPrefix(now, phase+":") {
			return fmt.Errorf("it is %s", now)
		}
		return nil
	})
	return time.Since(began)
}

func testByKubectl(t *testing.T, d *desk, client *product.Client) {
	c := d.cluster
	c.apply(session("paint", "terminal"))
	t.Logf("from kubectl apply to Running: %s", c.phase("paint", "Running").Round(time.Millisecond))
	if sessions := c.kubectl("get", "sessions"); !strings.Contains(sessions, "paint") {
		t.Errorf("kubectl get sessions:\n%s", sessions)
	}
	var id string
	c.eventually("the web to know the session", func() error {
		sessions, err := client.Sessions(t.Context())
		if err != nil || len(sessions) != 1 || sessions[0].State != "running" {
			return fmt.Errorf("it has %+v: %v", sessions, err)
		}
		id = sessions[0].ID
		return nil
	})
	d.open(id)
	d.type_("echo kept > kept; " + d.block(1))
	d.sees(1)

	d.leave()
	c.kubectl("patch", "session", "paint", "--type", "merge", "-p", `{"spec":{"state":"hibernated"}}`)
	t.Logf("to sleep: %s", c.phase("paint", "Hibernated").Round(time.Millisecond))
	if pods := c.kubectl("get", "pods", "-l", "stream.space/session=paint", "-o", "name"); pods != "" {
		t.Errorf("it sleeps, and there is %s", pods)
	}
	if claims := c.kubectl("get", "pvc", "-o", "jsonpath={.items[*].status.phase}"); claims != "Bound" {
		t.Errorf("the homes are %q", claims)
	}
	c.kubectl("patch", "session", "paint", "--type", "merge", "-p", `{"spec":{"state":"running"}}`)
	t.Logf("awake: %s", c.phase("paint", "Running").Round(time.Millisecond))
	d.open(id)
	d.type_("grep -q kept kept && " + d.block(2))
	d.sees(2)

	c.kubectl("delete", "session", "paint")
	c.eventually("the session's end in the web", func() error {
		if sessions, err := client.Sessions(t.Context()); err != nil || len(sessions) != 0 {
			return fmt.Errorf("it has %+v: %v", sessions, err)
		}
		return nil
	})
	c.eventually("the pod's end", func() error {
		if pods := c.kubectl("get", "pods", "-l", "stream.space/session", "-o", "name"); pods != "" {
			return fmt.Errorf("there is %s", pods)
		}
		return nil
	})
}

func testInTheBrowser(t *testing.T, d *desk, client *product.Client) {
	c := d.cluster
	began := time.Now()
	started, err := client.Start(t.Context(), "terminal")
	if err != nil {
		t.Fatal(err)
	}
	d.open(started.ID)
	t.Logf("from a start in the web to pixels in the browser, the image on the node: %s", time.Since(began).Round(time.Millisecond))
	name := strings.ToLower(strings.ReplaceAll(started.ID, "_", "-"))
	if got := c.kubectl("get", "session", name, "-o", "jsonpath={.status.phase}"); got != "Running" {
		t.Errorf("kubectl says that it is %s", got)
	}
	d.type_("echo kept > kept; " + d.block(3))
	d.sees(3)
	pod := strings.TrimSpace(c.kubectl("get", "pods", "-l", "stream.space/session="+name, "-o", "name"))
	if who := c.kubectl("exec", pod, "--", "sh", "-c", "id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status; touch /x 2>&1; true"); !strings.Contains(who, "1000\n") ||
		!strings.Contains(who, "CapEff:\t0000000000000000") || !strings.Contains(who, "NoNewPrivs:\t1") || !strings.Contains(who, "Seccomp:\t2") || !strings.Contains(who, "Read-only") {
		t.Errorf("the desktop runs as\n%s", who)
	}

	// Hibernated, and woken by somebody who comes.
	d.leave()
	c.kubectl("patch", "session", name, "--type", "merge", "-p", `{"spec":{"state":"hibernated"}}`)
	c.phase(name, "Hibernated")
	began = time.Now()
	d.open(started.ID)
	t.Logf("from an access to pixels of a desktop that slept: %s", time.Since(began).Round(time.Millisecond))
	d.type_("grep -q kept kept && " + d.block(4))
	d.sees(4)

	// Its pod is killed: it comes back, with the same home.
	c.kubectl("delete", "pod", "-l", "stream.space/session="+name, "--grace-period=0", "--force")
	c.phase(name, "Running")
	d.open(started.ID)
	d.type_("grep -q kept kept && " + d.block(5))
	d.sees(5)
	if err := client.Stop(t.Context(), started.ID); err != nil {
		t.Error(err)
	}
	c.eventually("the object's end", func() error {
		if left := c.kubectl("get", "sessions", "-o", "name"); left != "" {
			return fmt.Errorf("there is %s", left)
		}
		return nil
	})
}

// What a cluster does to desktops is told on the Session.
func testBadDays(t *testing.T, d *desk) {
	c := d.cluster
	says := func(name, want string) {
		t.Helper()
		c.eventually(name+" to say "+want, func() error {
			got := c.kubectl("get", "session", name, "-o", "jsonpath={.status.phase} {.status.message} {.status.conditions}")
			if !strings.Contains(got, want) {
				return fmt.Errorf("it says %s", got)
			}
			return nil
		})
	}
	template := func(name, image, memory string) {
		c.apply(fmt.Sprintf(`{apiVersion: stream.space/v1alpha1, kind: Template, metadata: {name: %s},
  spec: {displayName: %s, image: %q, command: [sh, -c, "x=x; while :; do x=$x$x; done"], resources: {requests: {memory: 64Mi, cpu: 50m}, limits: {memory: %s, cpu: "1"}}}}`, name, name, image, memory))
	}
	template("nowhere", "localhost/no-such-image:1", "256Mi")
	c.apply(session("lost", "nowhere"))
	says("lost", "image pull failed")
	c.kubectl("delete", "session", "lost")

	template("hungry", "ghcr.io/streamspace/desktop-terminal:"+tag, "200Mi")
	c.apply(session("eats", "hungry"))
	says("eats", "OutOfMemory")
	c.kubectl("delete", "session", "eats")
	c.kubectl("delete", "template", "nowhere", "hungry")
}

// Everything is replaced under a viewer, who stays; a desktop at rest costs little;
// and what is removed is gone, but for homes.
func testUpgrade(t *testing.T, d *desk, values string) {
	c := d.cluster
	c.apply(session("stays", "terminal"))
	c.phase("stays", "Running")
	d.open(c.webID("stays"))
	d.do("window.here = true", nil)
	usage, memory := c.usage("stays")
	t.Logf("a desktop at rest: %.1f %% of a core, %d MiB", usage*100, memory>>20)
	c.helm("upgrade", "desks", "../helm/streamspace", "--wait", "--timeout", "5m", "--set", values,
		"--set", "logLevel=debug") // new pods of all kinds
	d.type_(d.block(6))
	d.sees(6)
	var here bool
	if d.do("!!window.here", &here); !here {
		t.Error("the page was loaded anew")
	}
	c.kubectl("delete", "session", "stays")
	c.helm("uninstall", "desks", "--wait", "--timeout", "3m")
	c.eventually("nothing to be left but homes", func() error {
		if left := c.kubectl("get", "pods,deployments,services,sessions,templates", "-o", "name"); left != "" {
			return fmt.Errorf("there is %s", left)
		}
		return nil
	})
	if claims := c.kubectl("get", "pvc", "-o", "name"); claims == "" {
		t.Error("the homes are gone")
	}
}
