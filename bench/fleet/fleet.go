// Package fleet starts a whole installation of StreamSpace for measuring: PostgreSQL,
// Redis, control planes, gateways, and nginx in front, each a process of its own,
// configured as docs/DEPLOYMENT.md says.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
)

const (
	// readyTimeout bounds a start; the first one migrates a database.
	readyTimeout = time.Minute
	// endTimeout bounds an orderly end.
	endTimeout = 30 * time.Second
	// unlimited: all viewers are one user's, and come from one address.
	unlimited = "100000"
)

// Fleet is the installation.
type Fleet struct {
	Front    string // URL that everybody uses: nginx
	Username string
	Password string

	Planes   []*Member
	Gateways []*Member
	Redis    *peer.Process
	Nginx    *peer.Process

	program string
	folder  string
	keys    string // file of the public keys of tickets
	redis   string // its address
	closers []func()
}

// Member is a process of the fleet that can be started again.
type Member struct {
	Listen  string // host:port
	Ingress string // host:port where a gateway answers load balancers

	process *peer.Process
	command func() *exec.Cmd
}

// Start starts everything. Stop must be called.
func Start(ctx context.Context, program, nginxConf string, gateways, planes int) (f *Fleet, err error) {
	folder, err := os.MkdirTemp("", "streamspace-bench-fleet-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	f = &Fleet{Username: "admin", Password: rand.Text(), program: program, folder: folder}
	f.closers = append(f.closers, func() { os.RemoveAll(folder) })
	defer func() {
		if err != nil {
			f.Stop()
			f = nil
		}
	}()
	if err := os.Chmod(folder, 0o711); err != nil {
		return f, fmt.Errorf("opening the folder: %w", err)
	}
	database, err := f.startPostgres(ctx)
	if err != nil {
		return f, err
	}
	if err := f.startRedis(ctx); err != nil {
		return f, err
	}
	front, err := peer.FreePort(peer.Here())
	if err != nil {
		return f, err
	}
	f.Front = "http://" + front
	if err := f.startPlanes(ctx, planes, database); err != nil {
		return f, err
	}
	ingress, err := f.startGateways(ctx, gateways)
	if err != nil {
		return f, err
	}
	return f, f.startNginx(ctx, nginxConf, front, ingress)
}

// Stop ends everything, and removes what it left.
func (f *Fleet) Stop() {
	for _, m := range append(append([]*Member(nil), f.Gateways...), f.Planes...) {
		m.End(syscall.SIGTERM)
	}
	for i := len(f.closers) - 1; i >= 0; i-- {
		f.closers[i]()
	}
}

// launch starts a process that ends with the fleet.
func (f *Fleet) launch(command *exec.Cmd) (*peer.Process, error) {
	command.Stdout = io.Discard
	p, err := peer.Launch(peer.Here(), command)
	if err == nil {
		f.closers = append(f.closers, p.Stop)
	}
	return p, err
}

// startPostgres starts a server that trusts its Unix socket, whose folder is ours.
func (f *Fleet) startPostgres(ctx context.Context) (url string, err error) {
	binaries, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(binaries) == 0 {
		return "", fmt.Errorf("PostgreSQL is %w: apt-get install postgresql", peer.ErrMissing)
	}
	at := func(name string, args ...string) *exec.Cmd {
		line := append([]string{filepath.Join(binaries[len(binaries)-1], name)}, args...)
		if os.Geteuid() == 0 { // it refuses to run as root
			line = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, line...)
		}
		return exec.Command(line[0], line[1:]...)
	}
	data := filepath.Join(f.folder, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", fmt.Errorf("making PostgreSQL's folder: %w", err)
	}
	if os.Geteuid() == 0 {
		if out, err := exec.CommandContext(ctx, "chown", "postgres:postgres", data).CombinedOutput(); err != nil {
			return "", fmt.Errorf("giving PostgreSQL its folder: %w: %s", err, out)
		}
	}
	if out, err := at("initdb", "-D", data, "-U", "streamspace", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		return "", fmt.Errorf("making a database: %w: %s", err, out)
	}
	server, err := f.launch(at("postgres", "-D", data, "-k", data, "-c", "listen_addresses="))
	if err != nil {
		return "", err
	}
	if err := server.Answers(ctx, peer.Here(), "unix", filepath.Join(data, ".s.PGSQL.5432")); err != nil {
		return "", fmt.Errorf("waiting for PostgreSQL: %w", err)
	}
	return "postgres://streamspace@/postgres?host=" + data, nil
}

func (f *Fleet) startRedis(ctx context.Context) error {
	address, err := peer.FreePort(peer.Here())
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(address, ":")
	f.redis = address
	f.Redis, err = f.launch(exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", f.folder))
	if err != nil {
		return fmt.Errorf("redis-server (apt-get install redis-server): %w", err)
	}
	return f.Redis.Answers(ctx, peer.Here(), "tcp", address)
}

func (f *Fleet) startPlanes(ctx context.Context, count int, database string) error {
	password := filepath.Join(f.folder, "password")
	if err := os.WriteFile(password, []byte(f.Password+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing the password file: %w", err)
	}
	key := filepath.Join(f.folder, "plane0", "keys", "ticket.pem")
	for i := range count {
		listen, err := peer.FreePort(peer.Here())
		if err != nil {
			return err
		}
		args := []string{
			"controlplane", "--listen", listen, "--redis-url", "redis://" + f.redis, "--postgres-url", database, "--external-url", f.Front,
			"--trusted-proxies", "127.0.0.0/8", "--data-dir", filepath.Join(f.folder, fmt.Sprintf("plane%d", i)), "--sessions-per-user", "1000", "--log-level", "warn",
		}
		if i == 0 {
			args = append(args, "--admin-password-file", password, "--keep-desktops")
		} else {
			args = append(args, "--desktops", "none", "--ticket-key", key)
		}
		m := &Member{Listen: listen, command: func() *exec.Cmd { return exec.Command(f.program, args...) }}
		f.Planes = append(f.Planes, m)
		if err := m.Begin(ctx); err != nil {
			return err
		}
	}
	text, err := exec.CommandContext(ctx, f.program, "ticket-keys", "--ticket-key", key).Output()
	if err != nil {
		return fmt.Errorf("asking for the public keys of tickets: %w", err)
	}
	f.keys = filepath.Join(f.folder, "public.pem")
	return os.WriteFile(f.keys, text, 0o600)
}

func (f *Fleet) startGateways(ctx context.Context, count int) (ingress []string, err error) {
	for range count {
		listen, err := peer.FreePort(peer.Here())
		if err != nil {
			return nil, err
		}
		asked, err := peer.FreePort(peer.Here())
		if err != nil {
			return nil, err
		}
		args := []string{
			"gateway", "--listen", listen, "--redis-url", "redis://" + f.redis, "--ticket-public-keys", f.keys, "--external-url", f.Front,
			"--trusted-proxies", "127.0.0.0/8", "--viewers-per-user", unlimited, "--viewers-per-address", unlimited, "--ingress-listen", asked, "--link-listen", "127.0.0.1:0", "--log-level", "warn",
		}
		m := &Member{Listen: listen, Ingress: asked, command: func() *exec.Cmd { return exec.Command(f.program, args...) }}
		f.Gateways = append(f.Gateways, m)
		ingress = append(ingress, asked)
		if err := m.Begin(ctx); err != nil {
			return nil, err
		}
	}
	return ingress, nil
}

// startNginx starts it with the repository's file, with other addresses.
func (f *Fleet) startNginx(ctx context.Context, file, front string, ingress []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading nginx's configuration: %w", err)
	}
	servers := func(addresses []string) (lines string) {
		for _, a := range addresses {
			lines += "server " + a + " max_fails=1 fail_timeout=2s; "
		}
		return lines
	}
	var planes []string
	for _, m := range f.Planes {
		planes = append(planes, m.Listen)
	}
	conf := strings.NewReplacer(
		"127.0.0.1:8088", front,
		"server 127.0.0.1:8089 max_fails=1 fail_timeout=2s;", servers(ingress),
		"server 127.0.0.1:8080;", servers(planes),
	).Replace(string(text))
	folder := filepath.Join(f.folder, "nginx")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making nginx's folder: %w", err)
	}
	conf = fmt.Sprintf("pid %[1]s/pid; error_log %[1]s/error.log; daemon off; worker_processes 2; worker_rlimit_nofile 20000; user root;\nevents { worker_connections 9000; }\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%[2]s}\n", folder, conf)
	path := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		return fmt.Errorf("writing nginx's configuration: %w", err)
	}
	if f.Nginx, err = f.launch(exec.Command("/usr/sbin/nginx", "-p", folder, "-c", path, "-e", "stderr")); err != nil {
		return fmt.Errorf("nginx (apt-get install nginx): %w", err)
	}
	return f.Nginx.Answers(ctx, peer.Here(), "tcp", front)
}

// Begin starts the process, and waits until it is ready.
func (m *Member) Begin(ctx context.Context) (err error) {
	command := m.command()
	command.Stdout = io.Discard
	if m.process, err = peer.Launch(peer.Here(), command); err != nil {
		return err
	}
	return m.process.Serves(ctx, peer.Here(), "http://"+m.Listen+"/readyz", readyTimeout)
}

// PID is the process.
func (m *Member) PID() int { return m.process.PID() }

// Written returns how many bytes the process has written since its start, to
// sockets for the most part (proc(5): wchar of /proc/<pid>/io).
func (m *Member) Written() (n int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", m.PID()))
	if err != nil {
		return 0, fmt.Errorf("reading what a gateway has written: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n, nil
		}
	}
	return 0, errors.New("reading what a gateway has written: no wchar")
}

// End ends the process, and waits for it.
func (m *Member) End(signal syscall.Signal) {
	if m.process == nil {
		return
	}
	m.process.Signal(signal)
	select {
	case <-m.process.Exited():
	case <-time.After(endTimeout):
		m.process.Stop()
	}
}
