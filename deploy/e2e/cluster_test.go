package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The node's networks. Others of this machine are hoped to be elsewhere.
const (
	bridge       = "ssk0"
	nodeAddress  = "10.213.0.1"
	podNetwork   = "10.213.0.0/24"
	services     = "10.214.0.0/24"
	firstService = "10.214.0.1"
	nodeName     = "desks"
)

// patience is for what takes a busy machine long.
const patience = 4 * time.Minute

// cluster is a node and its control plane, as processes of this machine.
type cluster struct {
	t          *testing.T
	dir        string
	programs   string // folder of Kubernetes' programs
	kubeconfig string
	server     string // URL of the API server
}

// newCluster starts one that ends with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	for _, program := range []string{"containerd", "runc", "ctr", "ip", "iptables", "/usr/lib/cni/bridge"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: deploy/debian/install.sh kube", err)
		}
	}
	leftovers(t)
	dir, err := os.MkdirTemp("", dirPrefix) // sockets' paths are to be short
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, server: "https://" + nodeAddress + ":6443"}
	t.Cleanup(c.remove)
	c.programs = strings.TrimSpace(c.run(nil, "../../internal/tools/kubernetes/build.sh", "cluster"))
	c.network()
	keys := c.certificates()
	c.kubeconfig = c.write("kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: %s}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
current-context: here
`, c.server, keys.authority, keys.token))

	etcd, peer := c.free(), c.free()
	c.start("etcd", c.program("etcd"), "--data-dir="+c.path("etcd"), "--listen-client-urls=http://"+etcd, "--advertise-client-urls=http://"+etcd,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=default=http://"+peer, "--unsafe-no-fsync")
	c.start("kube-apiserver", c.program("kube-apiserver"), "--etcd-servers=http://"+etcd, "--bind-address="+nodeAddress, "--advertise-address="+nodeAddress,
		"--secure-port=6443", "--service-cluster-ip-range="+services, "--tls-cert-file="+keys.certificate, "--tls-private-key-file="+keys.key,
		"--token-auth-file="+c.write("tokens", keys.token+`,admin,admin,"system:masters"`), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+keys.key, "--service-account-signing-key-file="+keys.key,
		"--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true")
	c.eventually("the API server", func() error { return c.quiet("get", "--raw", "/readyz") })
	c.start("kube-controller-manager", c.program("kube-controller-manager"), "--kubeconfig="+c.kubeconfig, "--service-account-private-key-file="+keys.key,
		"--root-ca-file="+keys.authority, "--secure-port=0", "--leader-elect=false", "--pvclaimbinder-sync-period=1s",
		// A node that dies is missed within seconds, as the tests wish.
		"--node-monitor-grace-period=20s")
	c.start("kube-scheduler", c.program("kube-scheduler"), "--kubeconfig="+c.kubeconfig, "--secure-port=0", "--leader-elect=false")
	c.node(keys.authority)
	c.eventually("the node", func() error {
		return c.quiet("wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=2s")
	})
	return c
}

const dirPrefix = "desks-e2e-"

// leftovers ends what a test that was interrupted has left: whatever is in a pod's
// cgroup, and the programs and mounts of its folder. Two of these tests cannot run
// at a time.
func leftovers(t *testing.T) {
	t.Helper()
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		groups, _ := os.ReadFile(filepath.Join(process, "cgroup"))
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		if !bytes.Contains(groups, []byte("/kubepods")) && !bytes.Contains(command, []byte(filepath.Join(os.TempDir(), dirPrefix))) {
			continue
		}
		if id, err := strconv.Atoi(filepath.Base(process)); err == nil && id != os.Getpid() {
			syscall.Kill(id, syscall.SIGKILL)
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		(&cluster{t: t, dir: dir}).remove()
	}
	exec.Command("ip", "link", "delete", bridge).Run()
}

// network makes the bridge of the pods, which has the node's address.
func (c *cluster) network() {
	if out, err := exec.Command("ip", "link", "add", bridge, "type", "bridge").CombinedOutput(); err != nil && !bytes.Contains(out, []byte("File exists")) {
		c.t.Fatalf("ip link add: %v: %s", err, out)
	}
	c.t.Cleanup(func() { exec.Command("ip", "link", "delete", bridge).Run() })
	if out, err := exec.Command("ip", "address", "replace", nodeAddress+"/24", "dev", bridge).CombinedOutput(); err != nil {
		c.t.Fatalf("ip address: %v: %s", err, out)
	}
	c.run(nil, "ip", "link", "set", bridge, "up")
	for _, name := range []string{"net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"} { // which kubelet and CNI change
		file := filepath.Join("/proc/sys", name)
		if before, err := os.ReadFile(file); err == nil {
			c.t.Cleanup(func() { os.WriteFile(file, before, 0o644) })
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) path(name string) string    { return filepath.Join(c.dir, name) }
func (c *cluster) program(name string) string { return filepath.Join(c.programs, name) }

func (c *cluster) write(name, text string) string {
	c.t.Helper()
	file := c.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// free is an address of this machine alone that nobody listens at.
func (c *cluster) free() string {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// start starts a program that lasts as long as the test, and logs to a file.
func (c *cluster) start(name, program string, args ...string) {
	c.t.Helper()
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait(); log.Close() }()
	c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT) // at which PostgreSQL waits for nobody, and the others end as well
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		if c.t.Failed() {
			if text, err := os.ReadFile(log.Name()); err == nil {
				c.t.Logf("the last words of %s:\n%s", name, text[max(0, len(text)-4000):])
			}
		}
	})
}

// run runs a program to its end and returns what it said.
func (c *cluster) run(input []byte, program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(input, program, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *cluster) try(input []byte, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(input)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(program), strings.Join(args, " "), err, out, complaint.Bytes())
	}
	return string(out), nil
}

// kubectl runs it, and returns what it said.
func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	return c.run(nil, c.program("kubectl"), append([]string{"--kubeconfig", c.kubeconfig, "--namespace", namespace}, args...)...)
}

func (c *cluster) quiet(args ...string) error {
	_, err := c.try(nil, c.program("kubectl"), append([]string{"--kubeconfig", c.kubeconfig, "--namespace", namespace}, args...)...)
	return err
}

func (c *cluster) apply(manifest string) {
	c.t.Helper()
	c.run([]byte(manifest), c.program("kubectl"), "--kubeconfig", c.kubeconfig, "--namespace", namespace, "apply", "-f", "-")
}

// webID is the id that the web has for a session.
func (c *cluster) webID(name string) (id string) {
	c.t.Helper()
	c.eventually("the web's id of "+name, func() error {
		label := c.kubectl("get", "session", name, "-o", `jsonpath={.metadata.labels.stream\.space/session-id}`)
		if id = strings.Replace(strings.TrimSpace(label), "-", "_", 1); id == "" {
			return errors.New("it has none")
		}
		return nil
	})
	return id
}

// usage is what the session's pod takes over some seconds: the share of a core, and
// bytes that are not a file's.
func (c *cluster) usage(name string) (cores float64, memory int64) {
	c.t.Helper()
	type summary struct {
		Pods []struct {
			PodRef struct{ Name string }
			CPU    struct{ UsageCoreNanoSeconds int64 }
			Memory struct{ WorkingSetBytes int64 }
		}
	}
	pod := c.kubectl("get", "pods", "-l", "stream.space/session="+name, "-o", "jsonpath={.items[0].metadata.name}")
	read := func() (int64, int64) {
		var s summary
		if err := json.Unmarshal([]byte(c.kubectl("get", "--raw", "/api/v1/nodes/"+nodeName+"/proxy/stats/summary?only_cpu_and_memory=true")), &s); err != nil {
			c.t.Fatal(err)
		}
		for _, p := range s.Pods {
			if p.PodRef.Name == pod {
				return p.CPU.UsageCoreNanoSeconds, p.Memory.WorkingSetBytes
			}
		}
		return 0, 0
	}
	var before int64
	c.eventually("figures of "+pod, func() error {
		if before, memory = read(); before == 0 {
			return errors.New("there are none")
		}
		return nil
	})
	began := time.Now()
	time.Sleep(20 * time.Second) // what is measured
	after, memory := read()
	return float64(after-before) / float64(time.Since(began)), memory
}

// eventually tries until it succeeds.
func (c *cluster) eventually(what string, try func() error) {
	c.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %s: %s: %v", patience, what, err)
		}
	}
}

// remove takes away what the programs leave behind.
func (c *cluster) remove() {
	mounts, _ := os.ReadFile("/proc/mounts")
	var inside []string
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], c.dir+"/") {
			inside = append(inside, fields[1])
		}
	}
	var wrong []error
	for i := len(inside) - 1; i >= 0; i-- {
		if err := syscall.Unmount(inside[i], syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			wrong = append(wrong, err)
		}
	}
	wrong = append(wrong, os.RemoveAll(c.dir))
	if err := errors.Join(wrong...); err != nil {
		c.t.Logf("cleaning up: %v", err)
	}
}
