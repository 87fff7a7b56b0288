package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaries is the folder with what is tested: the programs as people run them.
var binaries string

func TestMain(m *testing.M) { os.Exit(testAll(m)) }

func testAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "streamspace-command-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // desktops run the agent from there
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", dir, "github.com/streamspace/streamspace/cmd/streamspace", "github.com/streamspace/streamspace/cmd/streamspace-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building what is tested: %v\n%s", err, out)
		return 1
	}
	binaries = dir
	return m.Run()
}

const (
	// startLimit is for making a database on a machine that does much else.
	startLimit = 90 * time.Second
	password   = "a long enough password"
)

// product is one data folder, and the process that serves it now.
type product struct {
	t      *testing.T
	role   string // the command
	data   string // empty with a role that keeps nothing
	listen string
	client *http.Client
	csrf   string

	process *exec.Cmd
	ended   chan error
	output  *lines
}

// lines is what a process prints.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newProduct(t *testing.T) *product {
	t.Helper()
	data, err := os.MkdirTemp("", "streamspace-up-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o711); err != nil { // PostgreSQL and desktops have users of their own
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &product{t: t, role: "up", data: data, listen: freeAddress(t), client: &http.Client{Jar: jar, Timeout: 10 * time.Second}}
	t.Cleanup(func() {
		p.close()
		if err := os.RemoveAll(data); err != nil {
			t.Error(err)
		}
	})
	return p
}

// close ends the process if the test has not.
func (p *product) close() {
	if p.process != nil {
		p.end(syscall.SIGTERM)
	}
	if p.t.Failed() && p.output != nil {
		p.t.Logf("the last words of %s:\n%s", p.role, tail(p.output.String(), 40))
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// launch starts the process and does not wait for it.
func (p *product) launch(flags ...string) {
	p.t.Helper()
	p.output = new(lines)
	args := []string{p.role, "--listen", p.listen}
	if p.data != "" {
		args = append(args, "--data-dir", p.data)
	}
	p.process = exec.Command(filepath.Join(binaries, "streamspace"), append(args, flags...)...)
	p.process.Stdout, p.process.Stderr = p.output, p.output
	p.process.Env = environment()
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func(process *exec.Cmd, ended chan<- error) { ended <- process.Wait() }(p.process, p.ended)
}

// environment is ours without the settings of another installation.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "STREAMSPACE_") })
}

// start launches and waits until it is ready.
func (p *product) start(flags ...string) {
	p.t.Helper()
	p.launch(flags...)
	p.eventually("the product is ready", func() bool {
		select {
		case err := <-p.ended:
			p.ended <- err
			p.t.Fatalf("it ended: %v\n%s", err, p.output)
		default:
		}
		response, err := p.client.Get("http://" + p.listen + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// end sends the signal and returns what the process ended with.
func (p *product) end(signal syscall.Signal) error {
	p.t.Helper()
	p.process.Process.Signal(signal)
	p.process = nil
	select {
	case err := <-p.ended:
		return err
	case <-time.After(startLimit):
		p.t.Fatalf("it does not end on %v\n%s", signal, p.output)
		return nil
	}
}

// signIn uses the one-time link.
func (p *product) signIn() {
	p.t.Helper()
	var found []string
	p.eventually("a one-time link is printed", func() bool { // a moment after it is ready
		found = regexp.MustCompile(`setup#token=(\S+)\n`).FindStringSubmatch(p.output.String())
		return found != nil
	})
	var login struct{ CSRFToken string }
	if status := p.call("POST", "/auth/setup", map[string]string{"token": found[1], "password": password}, &login); status != http.StatusOK {
		p.t.Fatalf("setup: %d", status)
	}
	p.csrf = login.CSRFToken
}

// call returns the answer's status, 0 when there was none.
func (p *product) call(method, path string, body, answer any) int {
	p.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, "http://"+p.listen+"/api/v1"+path, payload)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-CSRF-Token", p.csrf)
	response, err := p.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if answer != nil && response.StatusCode < 300 {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			p.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return response.StatusCode
}

func (p *product) eventually(what string, condition func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(startLimit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %s: %s\n%s", startLimit, what, tail(p.output.String(), 40))
		}
	}
}

// postmaster is the process number of the private PostgreSQL.
func (p *product) postmaster() int {
	text, err := os.ReadFile(filepath.Join(p.data, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	number, _ := strconv.Atoi(first) // 0 while it is being written
	return number
}

// family is every process that has the data folder in its command line.
func (p *product) family(program string) (numbers []int) {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(p.data)) || !bytes.Contains(text, []byte(program)) {
			continue
		}
		if number, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func tail(text string, count int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-count):], "\n")
}
