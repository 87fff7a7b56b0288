package agent

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// A whole desktop, in the folders that a pod gives it, serves a gateway over TLS
// and ends when it is told to.
func TestDesktopOverTLS(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bwrap", "Xvnc", "openbox", "xterm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir, err := os.MkdirTemp("", "desktop") // t.TempDir's names are too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "agent")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/streamspace/streamspace/cmd/streamspace-agent").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ours := newAuthority(t)
	settings := ours.files("one.desktop")
	settings.Listen = free.Addr().String()
	free.Close()
	text, err := json.Marshal(Spec{
		Session: "one", Name: "The desktop", Command: []string{"xterm"}, Width: 640, Height: 480,
		RFBSocket: dir + "/rfb.sock", ControlSocket: dir + "/control.sock", LogFile: dir + "/log", TLS: &settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "desktop.json")
	if err := os.WriteFile(spec, text, 0o600); err != nil {
		t.Fatal(err)
	}
	files := filepath.Dir(settings.Cert) // in /tmp, which the desktop has of its own
	desktop := exec.Command("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", dir, dir, "--ro-bind", files, files,
		"--setenv", "HOME", dir, "--setenv", "XDG_RUNTIME_DIR", dir, "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent", "--", program, "--spec", spec)
	var said bytes.Buffer
	desktop.Stderr = &said
	if err := desktop.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- desktop.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(dir + "/log")
			t.Logf("it said:\n%s\nits log:\n%s", said.Bytes(), log)
		}
	})

	pool := x509.NewCertPool()
	pool.AddCert(ours.certificate)
	gateway := &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "one.desktop", RootCAs: pool,
		Certificates: []tls.Certificate{ours.pair("one.desktop", x509.ExtKeyUsageClientAuth)},
	}
	var session *rfb.ClientSession
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); ; <-tick.C {
		conn, err := tls.Dial("tcp", settings.Listen, gateway)
		if err == nil {
			defer conn.Close()
			conn.SetDeadline(deadline)
			if session, err = rfb.ClientHandshake(conn, rfb.ClientConfig{}); err == nil {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no desktop: %v", err)
		}
	}
	if session.Init.Name != "The desktop" || session.Init.Width != 640 {
		t.Errorf("the desktop is %+v", session.Init)
	}
	// The agent is the child of bwrap, which does not hand signals on.
	children, err := os.ReadFile("/proc/" + strconv.Itoa(desktop.Process.Pid) + "/task/" + strconv.Itoa(desktop.Process.Pid) + "/children")
	if err != nil || len(bytes.Fields(children)) != 1 {
		t.Fatalf("bwrap has the children %q: %v", children, err)
	}
	agent, err := strconv.Atoi(string(bytes.Fields(children)[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(agent, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		desktop.Process.Kill()
		t.Error("it does not end")
	}
}
