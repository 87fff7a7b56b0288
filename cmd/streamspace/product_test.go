package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaries is the folder with the real streamspace and streamspace-agent.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "streamspace-binaries-")
	if err != nil {
		panic(err)
	}
	binaries = dir
	build := exec.Command("go", "build", "-o", dir, "github.com/streamspace/streamspace/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const adminPassword = "correct horse battery staple"

// product is a running `streamspace up`.
type product struct {
	t    *testing.T
	dir  string // data folder
	base string
	cmd  *exec.Cmd
	http *http.Client
	csrf string

	mu     sync.Mutex
	output bytes.Buffer // guarded by mu
}

func (p *product) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *product) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// dataDir is a folder that the users of desktops and database can pass through.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamspace-up-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freePort is free now; nobody else takes ports that the kernel gives out.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "streamspace"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	return cmd
}

// start runs `streamspace up` and waits until it is ready.
func start(t *testing.T, dir string, flags ...string) *product {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(adminPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	listen := freePort(t)
	p := &product{t: t, dir: dir, base: "http://" + listen, http: &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: transport}}
	p.cmd = program(t, append([]string{"up", "--listen", listen, "--data-dir", dir, "--admin-password-file", password, "--log-level", "debug"}, flags...)...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if strings.Contains(strings.Join(flags, " "), "--tls-self-signed") {
		p.base = "https://" + listen
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	p.eventually("ready", func() bool { return p.ready() })
	return p
}

func (p *product) ready() bool {
	answer, err := p.http.Get(p.base + "/readyz")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// stop ends it as a person would, and checks that nothing is left.
func (p *product) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			p.t.Errorf("it ended with %v:\n%s", err, tail(p.said()))
		}
	case <-time.After(60 * time.Second):
		p.t.Errorf("it does not end:\n%s", tail(p.said()))
		p.cmd.Process.Kill()
		<-ended
	}
	if left := processesOf(p.dir); len(left) > 0 {
		p.t.Errorf("processes are left: %q", left)
	}
}

// kill ends it as a crash would.
func (p *product) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func tail(text string) string { return text[max(0, len(text)-3000):] }

// processesOf lists the command lines that name the folder.
func processesOf(dir string) []string {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if line := strings.ReplaceAll(string(text), "\x00", " "); err == nil && strings.Contains(line, dir) && !strings.Contains(name, fmt.Sprintf("/%d/", os.Getpid())) {
			found = append(found, name+" "+line[:min(len(line), 120)])
		}
	}
	return found
}

func (p *product) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: not in time; it said:\n%s", what, tail(p.said()))
		}
	}
}

// call asks the API and returns the status and the decoded answer.
func (p *product) call(method, path string, body any) (int, map[string]any) {
	p.t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, p.base+"/api/v1"+path, content)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-CSRF-Token", p.csrf)
	answer, err := p.http.Do(request)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	var decoded map[string]any
	json.NewDecoder(answer.Body).Decode(&decoded) // an empty body is no answer
	return answer.StatusCode, decoded
}

func (p *product) signIn() {
	p.t.Helper()
	status, login := p.call("POST", "/auth/login", map[string]string{"username": "admin", "password": adminPassword})
	if status != http.StatusOK {
		p.t.Fatalf("signing in: %d %v", status, login)
	}
	p.csrf = login["csrfToken"].(string)
}

func (p *product) startSession() string {
	p.t.Helper()
	status, session := p.call("POST", "/sessions", map[string]string{"template": "terminal"})
	if status != http.StatusCreated {
		p.t.Fatalf("starting a session: %d %v", status, session)
	}
	return session["id"].(string)
}

func (p *product) awaitState(session, want string) map[string]any {
	p.t.Helper()
	var last map[string]any
	p.eventually("state "+want, func() bool {
		_, last = p.call("GET", "/sessions/"+session, nil)
		return last["state"] == want
	})
	return last
}

// run runs a command line that ends by itself.
func run(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	out, err := program(t, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !asExit(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return code, string(out)
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}
