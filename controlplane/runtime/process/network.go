package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// chooseNetwork finds what gives desktops their way out, or says why there is
// none: a desktop that should have one is then started without, which beats not
// starting it.
func (r *Runtime) chooseNetwork() {
	const tun = "/dev/net/tun"
	path, err := exec.LookPath("slirp4netns")
	if err != nil {
		r.offline = "slirp4netns is not installed (sudo apt-get install -y slirp4netns)"
	} else if file, err := os.OpenFile(tun, os.O_RDWR, 0); err != nil {
		r.offline = fmt.Sprintf("%s cannot be opened (%v)", tun, err)
	} else {
		file.Close()
		r.slirp = path
	}
	if r.offline != "" {
		r.log.Warn("desktops have no network", "reason", r.offline)
	}
}

// awaitLoopback waits until bwrap has given the sandbox's loopback its address,
// which takes a few milliseconds and is announced nowhere. Were slirp4netns,
// which switches the loopback on too, to come first, then the kernel would have
// given the address, and bwrap ends over finding it there.
func awaitLoopback(child int) error {
	for deadline := time.Now().Add(infoLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		routes, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/fib_trie", child))
		if err != nil {
			return err
		}
		if bytes.Contains(routes, []byte("127.0.0.1")) {
			return nil
		}
	}
	return errors.New("the sandbox's loopback does not come up")
}

// connect gives the sandbox around the process a way out through slirp4netns,
// which never leads to this machine's own loopback. It ends when alive's other
// end, held by the sandbox, closes.
func (b *sandbox) connect(child int, alive *os.File) (pid, error) {
	if err := awaitLoopback(child); err != nil {
		return pid{}, err
	}
	// bwrap makes the network in one user namespace and moves into another: the
	// owner of the network is the one to join.
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", child))
	if err != nil {
		return pid{}, err
	}
	defer network.Close()
	owner, err := unix.IoctlRetInt(int(network.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return pid{}, fmt.Errorf("asking for the owner of the sandbox's network: %w", err)
	}
	users := os.NewFile(uintptr(owner), "user namespace")
	defer users.Close()
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return pid{}, err
	}
	defer readyRead.Close()
	log, err := os.OpenFile(filepath.Join(b.dir, "network.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		readyWrite.Close()
		return pid{}, fmt.Errorf("opening the network's log: %w", err)
	}
	defer log.Close()

	args := []string{"--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4", "--enable-seccomp"}
	if b.runtime.uidBase != 0 {
		// /dev/net/tun may be root's alone, so it starts as root, and then gives up
		// its capabilities and its view of the file system.
		args = append(args, "--enable-sandbox")
	}
	cmd := exec.Command(b.runtime.slirp, append(args, "--userns-path=/proc/self/fd/5", "--netns-type=path", "/proc/self/fd/6", "tap0")...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{readyWrite, alive, users, network}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	readyWrite.Close()
	if err != nil {
		return pid{}, fmt.Errorf("starting slirp4netns: %w", err)
	}
	started, err := b.runtime.reap(cmd)
	if err != nil {
		return pid{}, err
	}
	readyRead.SetReadDeadline(time.Now().Add(infoLimit))
	if _, err := readyRead.Read(make([]byte, 1)); err != nil {
		started.signal(unix.SIGKILL)
		said, _ := os.ReadFile(log.Name())
		return pid{}, fmt.Errorf("slirp4netns does not come up: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return started, nil
}
