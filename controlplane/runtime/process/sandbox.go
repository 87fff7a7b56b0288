package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/images/agent"
)

const (
	infoLimit = 10 * time.Second // for bwrap to make its namespaces
	tmpSize   = 512 << 20        // bytes of /tmp; it is memory, and counts as such
)

// System files that programs need, bound read-only where they are. Nothing
// else of /etc, and no /root, /home or /var, is visible inside.
var systemFiles = []string{
	"/etc/alternatives", "/etc/chromium", "/etc/chromium.d", "/etc/dconf", "/etc/default/locale", "/etc/firefox-esr", "/etc/fonts",
	"/etc/gimp", "/etc/gtk-2.0", "/etc/gtk-3.0", "/etc/host.conf", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/libreoffice", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/openbox", "/etc/protocols", "/etc/services",
	"/etc/ssl/certs", "/etc/timezone", "/etc/X11", "/etc/xdg", "/var/cache/fontconfig", "/var/lib/xfonts", "/usr/local/share/fonts",
}

// sandbox is the preparation of one desktop's bubblewrap.
type sandbox struct {
	runtime *Runtime
	wanted  runtime.Desktop
	dir     string // run folder
	home    string
	uid     int // of the desktop's user
	lock    *os.File
}

// newSandbox makes the folders and files that the desktop needs, and takes its
// home.
func newSandbox(r *Runtime, dir string, wanted runtime.Desktop) (*sandbox, error) {
	b := &sandbox{runtime: r, wanted: wanted, dir: dir, home: filepath.Join(r.data, "homes", string(wanted.Home)), uid: os.Geteuid()}
	if r.uidBase != 0 {
		b.uid = r.uidBase + wanted.HomeIndex
	}
	// io is the desktop's own; what stands beside it is ours.
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o711), os.Chmod(dir, 0o711), b.own(filepath.Join(dir, "io")), b.own(b.home)); err != nil {
		return nil, fmt.Errorf("making the desktop's folders: %w", err)
	}
	spec := agent.Spec{
		Session: string(wanted.Session), Name: wanted.Template.DisplayName, Command: wanted.Template.Command, Env: wanted.Template.Env,
		Width: wanted.Width, Height: wanted.Height,
		RFBSocket: "/run/desktop/rfb.sock", ControlSocket: "/run/desktop/control.sock", LogFile: "/run/desktop/desktop.log",
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	id := strconv.Itoa(b.uid)
	for name, content := range map[string]string{
		"spec.json":   string(text),
		"passwd":      "user:x:" + id + ":" + id + ":Desktop user:/home/user:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"group":       "user:x:" + id + ":\nnogroup:x:65534:\n",
		"hosts":       "127.0.0.1 localhost desktop\n::1 localhost\n",
		"resolv.conf": "nameserver 10.0.2.3\n", // slirp4netns' own
		"machine-id":  strings.ToLower(strings.Repeat("0", 6)+string(wanted.Session)[4:]) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("writing the desktop's files: %w", err)
		}
	}
	return b, b.lockHome()
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

// lockHome takes the home for this sandbox: the lock is the open file, which
// the sandbox inherits, so it lasts as long as the desktop, whatever becomes
// of us. Two desktops never write one home.
func (b *sandbox) lockHome() error {
	file, err := os.OpenFile(b.home+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking home %s: %w", b.wanted.Home, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return fmt.Errorf("home %s is used by another desktop: %w", b.wanted.Home, err)
	}
	b.lock = file
	return nil
}

// start runs bwrap, puts it under its bounds, gives it its network, and lets
// it go on. The channel delivers bwrap's end.
func (b *sandbox) start() (<-chan error, error) {
	defer b.lock.Close()
	infoRead, infoWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer infoRead.Close()
	blockRead, blockWrite, err := os.Pipe()
	if err != nil {
		infoWrite.Close()
		return nil, err
	}
	defer blockWrite.Close() // closing lets bwrap go on as well: whoever fails here kills it first
	aliveRead, aliveWrite, err := os.Pipe()
	if err != nil {
		infoWrite.Close()
		blockRead.Close()
		return nil, err
	}
	defer aliveRead.Close()

	log, err := os.OpenFile(filepath.Join(b.dir, "sandbox.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("bwrap", b.arguments()...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{infoWrite, blockRead, b.lock, aliveWrite} // 3, 4, 5, 6
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.runtime.uidBase != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}
	}
	err = cmd.Start()
	infoWrite.Close()
	blockRead.Close()
	aliveWrite.Close()
	if err != nil {
		return nil, fmt.Errorf("starting bwrap: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }() // ends with the sandbox, which stop and killAll see to

	if err := b.confine(infoRead, aliveRead); err != nil {
		cmd.Process.Kill()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("making the sandbox: %w %s", err, strings.TrimSpace(string(said)))
	}
	if _, err := blockWrite.Write([]byte{1}); err != nil {
		cmd.Process.Kill()
		return nil, fmt.Errorf("releasing the sandbox: %w", err)
	}
	return exited, nil
}

// confine bounds the sandbox and connects it before anything runs inside.
func (b *sandbox) confine(info, alive *os.File) error {
	info.SetReadDeadline(time.Now().Add(infoLimit))
	var told struct {
		Child int `json:"child-pid"`
	}
	if err := json.NewDecoder(info).Decode(&told); err != nil || told.Child == 0 {
		return fmt.Errorf("bwrap does not say that it runs: %w", err)
	}
	if err := b.runtime.limits.enter(b.wanted.Session, told.Child, b.wanted.Template.Resources); err != nil {
		return fmt.Errorf("bounding the desktop: %w", err)
	}
	if b.wanted.Template.Network == streamspace.NetworkInternet && b.runtime.slirp != "" {
		return b.connect(told.Child, alive)
	}
	return nil
}

// connect gives the sandbox a way out through slirp4netns, which never leads
// to this machine's own loopback. It ends when alive's other end, held by the
// sandbox, closes.
func (b *sandbox) connect(child int, alive *os.File) error {
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyRead.Close()
	// bwrap makes the network in one user namespace and moves into another: the
	// owner of the network is the one to join.
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", child))
	if err != nil {
		readyWrite.Close()
		return err
	}
	defer network.Close()
	owner, err := unix.IoctlRetInt(int(network.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		readyWrite.Close()
		return fmt.Errorf("asking for the owner of the sandbox's network: %w", err)
	}
	users := os.NewFile(uintptr(owner), "userns")
	defer users.Close()
	cmd := exec.Command(b.runtime.slirp, "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4",
		"--userns-path=/proc/self/fd/5", strconv.Itoa(child), "tap0")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{readyWrite, alive, users}
	log, err := os.OpenFile(filepath.Join(b.dir, "network.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		readyWrite.Close()
		return fmt.Errorf("opening the network's log: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		readyWrite.Close()
		return fmt.Errorf("starting slirp4netns: %w", err)
	}
	readyWrite.Close()
	b.runtime.ending.Go(func() { cmd.Wait() }) // with the sandbox
	readyRead.SetReadDeadline(time.Now().Add(infoLimit))
	if _, err := readyRead.Read(make([]byte, 1)); err != nil {
		cmd.Process.Kill()
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("slirp4netns does not come up: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// arguments are bwrap's. The last two mark the processes for find.
func (b *sandbox) arguments() []string {
	args := []string{
		"--info-fd", "3", "--block-fd", "4",
		"--unshare-all", "--as-pid-1", "--hostname", "desktop", "--cap-drop", "ALL", "--clearenv",
		"--proc", "/proc", "--dev", "/dev",
		"--size", strconv.Itoa(tmpSize), "--tmpfs", "/tmp",
		"--size", strconv.Itoa(tmpSize), "--tmpfs", "/run",
		"--perms", "0700", "--dir", "/run/user",
		"--ro-bind", "/usr", "/usr",
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
	args = append(args,
		"--dir", "/var/tmp",
		"--bind", b.home, "/home/user",
		"--bind", filepath.Join(b.dir, "io"), "/run/desktop",
		"--ro-bind", filepath.Join(b.dir, "spec.json"), "/run/spec.json",
		"--ro-bind", b.runtime.agent, "/run/streamspace-agent",
		"--remount-ro", "/",
		"--chdir", "/home/user",
	)
	env := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/games", "HOME": "/home/user", "USER": "user", "LOGNAME": "user", "SHELL": "/bin/bash",
		"LANG": "C.UTF-8", "XDG_RUNTIME_DIR": "/run/user", "XDG_SESSION_TYPE": "x11", "NO_AT_BRIDGE": "1", "GTK_USE_PORTAL": "0",
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
