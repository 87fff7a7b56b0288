package process

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/images/agent"
)

const (
	infoLimit = 10 * time.Second // for bwrap to make its namespaces
	tmpSize   = 512 << 20        // bytes of /tmp and /run each; they are memory, and count as such
	// Should the machine as a whole run out of memory, desktops go before the server.
	oomScore = 300
)

// Names in a session's run folder. io is the desktop's own and is seen inside
// as insideDir; what stands beside it is ours, and nobody inside can put
// another thing in its place.
const (
	ioDir         = "io"
	rfbSocket     = "rfb.sock"
	controlSocket = "control.sock"
	desktopLog    = "desktop.log"
	sandboxLog    = "sandbox.log"
	stateFile     = "state.json"
	insideDir     = "/run/desktop"
)

// File descriptors that bwrap is started with. lock, alive and control go on
// to the agent.
const (
	fdInfo = 3 + iota
	fdBlock
	fdLock
	fdAlive
	fdControl
	fdFilter
)

// System files that programs need, bound read-only where they are. Nothing
// else of /etc, and no /root, /home or /var, is visible inside.
var systemFiles = []string{
	"/etc/alternatives", "/etc/bash.bashrc", "/etc/bash_completion.d", "/etc/chromium", "/etc/chromium.d", "/etc/dconf", "/etc/debian_version",
	"/etc/default/locale", "/etc/firefox-esr", "/etc/fonts", "/etc/gimp", "/etc/gtk-2.0", "/etc/gtk-3.0", "/etc/host.conf", "/etc/inputrc",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/libreoffice", "/etc/localtime", "/etc/magic", "/etc/mime.types",
	"/etc/nanorc", "/etc/nsswitch.conf", "/etc/openbox", "/etc/os-release", "/etc/papersize", "/etc/profile", "/etc/profile.d", "/etc/protocols",
	"/etc/services", "/etc/shells", "/etc/skel", "/etc/ssl/certs", "/etc/timezone", "/etc/vim", "/etc/X11", "/etc/xdg",
	"/var/cache/fontconfig", "/var/lib/xfonts",
}

// sandbox is the preparation of one desktop's bubblewrap.
type sandbox struct {
	runtime *Runtime
	wanted  runtime.Desktop
	dir     string // run folder
	home    string
	uid     int // of the desktop's user
	lock    *os.File
	control *os.File // listening socket that the agent answers on
}

// newSandbox makes the folders, files and socket that the desktop needs, and
// takes its home.
func newSandbox(r *Runtime, dir string, wanted runtime.Desktop) (_ *sandbox, err error) {
	b := &sandbox{runtime: r, wanted: wanted, dir: dir, home: filepath.Join(r.homes(), string(wanted.Home)), uid: os.Geteuid()}
	if r.uidBase != 0 {
		b.uid = r.uidBase + wanted.HomeIndex
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.lock, err = r.lockHome(wanted.Home, homeWait); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o711), os.Chmod(dir, 0o711), b.own(filepath.Join(dir, ioDir)), b.own(b.home)); err != nil {
		return nil, fmt.Errorf("making the desktop's folders: %w", err)
	}
	if err := b.writeFiles(); err != nil {
		return nil, fmt.Errorf("writing the desktop's files: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, controlSocket), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("making the desktop's control socket: %w", err)
	}
	defer listener.Close()
	listener.SetUnlinkOnClose(false)
	b.control, err = listener.File()
	return b, err
}

func (b *sandbox) close() {
	for _, file := range []*os.File{b.lock, b.control} {
		if file != nil {
			file.Close()
		}
	}
}

func (b *sandbox) writeFiles() error {
	spec, err := json.Marshal(agent.Spec{
		Session: string(b.wanted.Session), Name: b.wanted.Template.DisplayName, Command: b.wanted.Template.Command, Env: b.wanted.Template.Env,
		Width: b.wanted.Width, Height: b.wanted.Height,
		RFBSocket: filepath.Join(insideDir, rfbSocket), ControlFD: fdControl, LogFile: filepath.Join(insideDir, desktopLog),
		Limits: b.runtime.limits.inside(b.wanted.Template.Resources),
	})
	if err != nil {
		return err
	}
	id := strconv.Itoa(b.uid)
	machine := sha256.Sum256([]byte(b.wanted.Home)) // programs tie settings in the home to it
	for name, content := range map[string]string{
		"spec.json":   string(spec),
		"passwd":      "user:x:" + id + ":" + id + ":Desktop user:/home/user:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"group":       "user:x:" + id + ":\nnogroup:x:65534:\n",
		"hosts":       "127.0.0.1 localhost " + b.hostname() + "\n::1 localhost\n",
		"resolv.conf": "nameserver 10.0.2.3\n", // slirp4netns' own
		"machine-id":  hex.EncodeToString(machine[:16]) + "\n",
	} {
		file := filepath.Join(b.dir, name)
		if err := errors.Join(os.WriteFile(file, []byte(content), 0o644), os.Chmod(file, 0o644)); err != nil { // also against a umask
			return err
		}
	}
	return nil
}

func (b *sandbox) hostname() string {
	if name := b.wanted.Template.Name; name != "" {
		return name // a slug
	}
	return "desktop"
}

// own makes a folder that only the desktop's user can enter.
func (b *sandbox) own(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a folder: %w", dir, errors.Join(err, fs.ErrInvalid))
	}
	if b.runtime.uidBase != 0 {
		if err := os.Lchown(dir, b.uid, b.uid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}

// start runs bwrap, puts it under its bounds, gives it its network, has record
// put down what runs, and lets it go on. What runs is returned with an error
// too: somebody has to end it.
func (b *sandbox) start(record func(running) error) (running, error) {
	var now running
	var mine, theirs []*os.File // ends of the pipes
	defer func() {
		for _, file := range append(mine, theirs...) {
			file.Close()
		}
	}()
	for range 4 { // info and alive are read by us, block and filter written
		read, write, err := os.Pipe()
		if err != nil {
			return now, err
		}
		mine, theirs = append(mine, read), append(theirs, write)
	}
	info, alive := mine[0], mine[3]
	block, filter := theirs[1], theirs[2]
	log, err := os.OpenFile(filepath.Join(b.dir, sandboxLog), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return now, fmt.Errorf("opening the sandbox's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("bwrap", b.arguments()...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{theirs[0], mine[1], b.lock, theirs[3], b.control, mine[2]} // in the order of fdInfo…
	b.runtime.asDesktop(cmd, b.uid)
	if err := cmd.Start(); err != nil {
		return now, fmt.Errorf("starting bwrap: %w", err)
	}
	if now.Outer, err = b.runtime.reap(cmd); err != nil {
		return now, err
	}
	for _, file := range []*os.File{theirs[0], mine[1], theirs[3], mine[2]} { // the sandbox's ends: that they close is how we see it end
		file.Close()
	}
	if _, err := filter.Write(b.runtime.filter); err != nil {
		return now, fmt.Errorf("handing over the seccomp filter: %w", err)
	}
	filter.Close()
	if err := b.confine(&now, info, alive); err != nil {
		said, _ := os.ReadFile(log.Name())
		return now, fmt.Errorf("making the sandbox: %w %s", err, strings.TrimSpace(string(said)))
	}
	if err := record(now); err != nil {
		return now, err
	}
	if _, err := block.Write([]byte{1}); err != nil {
		return now, fmt.Errorf("releasing the sandbox: %w", err)
	}
	return now, nil
}

// confine bounds the sandbox and connects it before anything runs inside.
func (b *sandbox) confine(now *running, info, alive *os.File) error {
	info.SetReadDeadline(time.Now().Add(infoLimit))
	var told struct {
		Child int `json:"child-pid"`
	}
	if err := json.NewDecoder(info).Decode(&told); err != nil || told.Child == 0 {
		return fmt.Errorf("bwrap does not say that it runs: %w", err)
	}
	var err error
	if now.Inner, err = pidOf(told.Child); err != nil {
		return err
	}
	if err := b.runtime.limits.enter(b.wanted.Session, told.Child, b.wanted.Template.Resources); err != nil {
		return fmt.Errorf("bounding the desktop: %w", err)
	}
	score := fmt.Sprintf("/proc/%d/oom_score_adj", told.Child)
	if err := os.WriteFile(score, []byte(strconv.Itoa(oomScore)), 0); err != nil {
		b.runtime.log.Debug("desktop is not preferred when memory runs out", "session_id", b.wanted.Session, "error", err)
	}
	if b.wanted.Template.Network == streamspace.NetworkInternet && b.runtime.slirp != "" {
		now.Network, err = b.connect(told.Child, alive)
	}
	return err
}

// arguments are bwrap's. The last two mark the processes for whoever looks for
// strays.
func (b *sandbox) arguments() []string {
	args := []string{
		"--info-fd", strconv.Itoa(fdInfo), "--block-fd", strconv.Itoa(fdBlock),
		"--unshare-all", "--as-pid-1", "--hostname", b.hostname(), "--cap-drop", "ALL", "--clearenv",
		"--proc", "/proc", "--dev", "/dev",
		"--size", strconv.Itoa(tmpSize), "--perms", "1777", "--tmpfs", "/tmp",
		"--size", strconv.Itoa(tmpSize), "--tmpfs", "/run",
		"--perms", "0700", "--dir", "/run/user",
		"--ro-bind", "/usr", "/usr",
	}
	if len(b.runtime.filter) > 0 {
		args = append(args, "--seccomp", strconv.Itoa(fdFilter))
	}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		switch target, err := os.Readlink(dir); {
		case err == nil:
			args = append(args, "--symlink", target, dir)
		default:
			args = append(args, "--ro-bind-try", dir, dir)
		}
	}
	for _, file := range systemFiles {
		args = append(args, "--ro-bind-try", file, file)
	}
	for _, name := range []string{"passwd", "group", "hosts", "resolv.conf", "machine-id"} {
		args = append(args, "--ro-bind", filepath.Join(b.dir, name), "/etc/"+name)
	}
	if command := b.wanted.Template.Command; len(command) > 0 && command[0] == insideScene && b.runtime.scene != "" {
		args = append(args, "--ro-bind", b.runtime.scene, insideScene)
	}
	args = append(args,
		"--symlink", "../run", "/var/run", "--symlink", "../tmp", "/var/tmp",
		"--bind", b.home, "/home/user",
		"--bind", filepath.Join(b.dir, ioDir), insideDir,
		"--ro-bind", filepath.Join(b.dir, "spec.json"), "/run/spec.json",
		"--ro-bind", b.runtime.agent, "/run/streamspace-agent",
		"--remount-ro", "/",
		"--chdir", "/home/user",
	)
	env := map[string]string{
		"PATH": insidePath, "HOME": "/home/user", "USER": "user", "LOGNAME": "user", "SHELL": "/bin/bash",
		"LANG": "C.UTF-8", "XDG_RUNTIME_DIR": "/run/user", "XDG_SESSION_TYPE": "x11", "NO_AT_BRIDGE": "1", "GTK_USE_PORTAL": "0",
	}
	if zone := os.Getenv("TZ"); zone != "" {
		env["TZ"] = zone
	}
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		args = append(args, "--setenv", name, env[name])
	}
	return append(args, "/run/streamspace-agent", "--spec", "/run/spec.json", b.runtime.tag, string(b.wanted.Session))
}
