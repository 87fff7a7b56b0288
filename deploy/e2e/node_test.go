package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// keys are the cluster's, as files.
type keys struct {
	authority, certificate, key string
	token                       string // the administrator's
}

// certificates makes an authority and the API server's certificate.
func (c *cluster) certificates() keys {
	c.t.Helper()
	must := func(err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	make := func(template *x509.Certificate, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		must(err)
		made, err := x509.ParseCertificate(der)
		must(err)
		return made, key
	}
	ca, caKey := make(&x509.Certificate{Subject: pkix.Name{CommonName: "e2e"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}, nil, nil)
	serving, key := make(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc"}, IPAddresses: []net.IP{net.ParseIP(nodeAddress), net.ParseIP(firstService)},
	}, ca, caKey)
	private, err := x509.MarshalECPrivateKey(key)
	must(err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return keys{
		authority:   c.write("ca.crt", encode("CERTIFICATE", ca.Raw)),
		certificate: c.write("server.crt", encode("CERTIFICATE", serving.Raw)),
		key:         c.write("server.key", encode("EC PRIVATE KEY", private)),
		token:       rand.Text(),
	}
}

// node starts containerd, kubelet and kube-proxy.
func (c *cluster) node(authority string) {
	c.t.Helper()
	c.write("cni/10-bridge.conflist", fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "desks", "plugins": [
  {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": %q, "rangeStart": "10.213.0.10"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}`, bridge, c.path("ipam"), podNetwork))
	socket := c.path("containerd.sock")
	c.start("containerd", "containerd", "--config", c.write("containerd.toml", fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`, c.path("containerd"), c.path("run"), socket, c.path("cni"))))
	c.eventually("containerd", func() error { _, err := c.try(nil, "ctr", "--address", socket, "version"); return err })
	c.load(c.pause())

	c.start("kubelet", c.program("kubelet"), "--kubeconfig="+c.kubeconfig, "--hostname-override="+nodeName, "--node-ip="+nodeAddress,
		"--root-dir="+c.path("kubelet"), "--config="+c.write("kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://%s
cgroupDriver: cgroupfs
cgroupRoot: /
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
featureGates: {KubeletInUserNamespace: true}
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
podLogsDir: %s
healthzPort: 0
imageMinimumGCAge: 24h
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: 1%%, imagefs.available: 1%%, memory.available: 100Mi}
nodeStatusUpdateFrequency: 3s
`, nodeAddress, socket, c.path("pods"))))
	c.start("kube-proxy", c.program("kube-proxy"), "--config="+c.write("proxy.yaml", fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %s}
hostnameOverride: %s
mode: iptables
clusterCIDR: %s
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
healthzBindAddress: ""
metricsBindAddress: ""
`, c.kubeconfig, nodeName, podNetwork)))
	c.t.Cleanup(func() {
		exec.Command(c.program("kube-proxy"), "--cleanup").Run()
	})
	c.t.Cleanup(c.clear)
}

// clear ends what runs in pods: nothing else does when a node ends.
func (c *cluster) clear() {
	c.quiet("delete", "namespace", namespace, "--wait=false")
	socket := c.path("containerd.sock")
	c.quiet("delete", "pods", "--all", "--grace-period=1", "--timeout=40s")
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if out, err := c.try(nil, "ctr", "--address", socket, "--namespace", "k8s.io", "tasks", "list", "--quiet"); err != nil || out == "" {
			return
		}
	}
	out, _ := c.try(nil, "ctr", "--address", socket, "--namespace", "k8s.io", "tasks", "list", "--quiet")
	for task := range bytes.Lines([]byte(out)) {
		c.try(nil, "ctr", "--address", socket, "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", string(bytes.TrimSpace(task)))
	}
}

// load gives the node an image from an archive.
func (c *cluster) load(archive string) {
	c.t.Helper()
	c.run(nil, "ctr", "--address", c.path("containerd.sock"), "--namespace", "k8s.io", "images", "import", "--all-platforms", archive)
}

// pause makes the image of a sandbox: one static program.
func (c *cluster) pause() (archive string) {
	c.t.Helper()
	program := c.path("pause")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("building pause: %v: %s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	var layer, whole bytes.Buffer
	pack := func(to *bytes.Buffer, files map[string][]byte, order ...string) {
		w := tar.NewWriter(to)
		for _, name := range order {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}); err != nil {
				c.t.Fatal(err)
			}
			if _, err := w.Write(files[name]); err != nil {
				c.t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			c.t.Fatal(err)
		}
	}
	pack(&layer, map[string][]byte{"pause": text}, "pause")
	config := fmt.Appendf(nil, `{"architecture":%q,"os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`,
		goarch, sha256.Sum256(layer.Bytes()))
	manifest := []byte(`[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]`)
	pack(&whole, map[string][]byte{"config.json": config, "layer.tar": layer.Bytes(), "manifest.json": manifest}, "config.json", "layer.tar", "manifest.json")
	archive = filepath.Join(c.dir, "pause.tar")
	if err := os.WriteFile(archive, whole.Bytes(), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return archive
}
