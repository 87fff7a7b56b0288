package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Ports of what stands beside the cluster, at the node's address.
const (
	frontPort    = 8088
	redisPort    = 6390
	postgresPort = 5490
)

// services starts Redis and PostgreSQL, which the desks use as somebody's own, and
// keeps their URLs in the cluster.
func (c *cluster) services() {
	c.t.Helper()
	secret := strings.ToLower(rand.Text())
	c.start("redis", "redis-server", "--bind", nodeAddress, "--port", fmt.Sprint(redisPort), "--save", "", "--dir", c.dir, "--requirepass", secret)

	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		c.t.Fatalf("PostgreSQL is not installed: deploy/debian/install.sh run (%v)", err)
	}
	bin, data := found[len(found)-1], c.path("postgres")
	password := c.write("password", secret+"\n")
	if err := os.Chmod(c.dir, 0o711); err != nil {
		c.t.Fatal(err)
	}
	c.run(nil, "chown", "postgres", password)
	c.run(nil, "install", "-d", "-o", "postgres", "-m", "700", data)
	as := []string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--"}
	c.run(nil, "setpriv", append(as, filepath.Join(bin, "initdb"), "--pgdata", data, "--username=streamspace", "--pwfile", password, "--auth=scram-sha-256", "--no-sync")...)
	if err := appendTo(filepath.Join(data, "pg_hba.conf"), "host all all "+podNetwork+" scram-sha-256\n"); err != nil {
		c.t.Fatal(err)
	}
	c.start("postgres", "setpriv", append(as, filepath.Join(bin, "postgres"), "-D", data, "-h", nodeAddress, "-p", fmt.Sprint(postgresPort), "-k", data, "-F")...)
	c.eventually("the database", func() error {
		conn, err := net.Dial("tcp", net.JoinHostPort(nodeAddress, fmt.Sprint(postgresPort)))
		if err == nil {
			conn.Close()
		}
		return err
	})
	for name, url := range map[string]string{
		"database": fmt.Sprintf("postgres://streamspace:%s@%s:%d/postgres?sslmode=disable", secret, nodeAddress, postgresPort),
		"redis":    fmt.Sprintf("redis://:%s@%s:%d/0", secret, nodeAddress, redisPort),
	} {
		c.kubectl("create", "secret", "generic", name, "--from-literal=url="+url)
	}
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// volumes are what homes can be bound to.
func (c *cluster) volumes(count int) {
	c.t.Helper()
	c.apply(`{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: here, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}, provisioner: kubernetes.io/no-provisioner}`)
	for i := range count {
		dir := c.path(fmt.Sprintf("volumes/%d", i))
		c.run(nil, "install", "-d", "-o", "1000", "-g", "1000", "-m", "700", dir)
		c.apply(fmt.Sprintf(`{apiVersion: v1, kind: PersistentVolume, metadata: {name: volume-%d}, spec: {capacity: {storage: 100Gi}, accessModes: [ReadWriteOnce], storageClassName: here, hostPath: {path: %q}}}`, i, dir))
	}
}

// front is what an ingress is: streams go to the gateways, all else to the control
// plane.
func (c *cluster) front() (base string) {
	c.t.Helper()
	to := func(service string) http.Handler {
		target := &url.URL{Scheme: "http", Host: c.kubectl("get", "service", service, "-o", "jsonpath={.spec.clusterIP}") + ":80"}
		return &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		}}
	}
	mux := http.NewServeMux()
	mux.Handle("/stream/", to("desks-streamspace-gateway"))
	mux.Handle("/rtc/", to("desks-streamspace-gateway"))
	mux.Handle("/", to("desks-streamspace-controlplane"))
	listener, err := net.Listen("tcp", net.JoinHostPort(nodeAddress, fmt.Sprint(frontPort)))
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() { defer close(ended); server.Serve(listener) }()
	c.t.Cleanup(func() { server.Close(); <-ended })
	return "http://" + listener.Addr().String()
}

// helm runs it, as on a machine that never used it.
func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	program := strings.TrimSpace(c.run(nil, "../../internal/tools/helm/build.sh"))
	home := c.path("helm")
	cmd := exec.CommandContext(context.Background(), program, append(args, "--kubeconfig", c.kubeconfig, "--namespace", namespace)...)
	cmd.Env = append(os.Environ(), "HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("helm %s: %v\n%s\n%s", strings.Join(args, " "), err, out, c.state())
	}
	return string(out)
}

// state is what the cluster says of itself, for whoever reads why a test failed.
func (c *cluster) state() string {
	var all strings.Builder
	for _, args := range [][]string{{"get", "all,pvc,sessions,templates", "-o", "wide"}, {"get", "events", "--sort-by=.lastTimestamp"}} {
		out, err := c.try(nil, c.program("kubectl"), append([]string{"--kubeconfig", c.kubeconfig, "--namespace", namespace}, args...)...)
		fmt.Fprintf(&all, "%s\n%v\n", out, err)
	}
	names, _ := c.try(nil, c.program("kubectl"), "--kubeconfig", c.kubeconfig, "--namespace", namespace, "get", "pods", "-o", "name")
	for name := range strings.Lines(names) {
		out, _ := c.try(nil, c.program("kubectl"), "--kubeconfig", c.kubeconfig, "--namespace", namespace, "logs", strings.TrimSpace(name), "--tail=15", "--all-containers")
		fmt.Fprintf(&all, "--- %s%s\n", name, out)
	}
	return all.String()
}
