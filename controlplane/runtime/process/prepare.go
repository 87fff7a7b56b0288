package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// maxSocketPath is what fits into sockaddr_un.
const maxSocketPath = 107

// needed are the programs without which there is no desktop, and the Debian
// packages that bring them.
var needed = []struct{ program, debian string }{
	{"bwrap", "bubblewrap"}, {"Xvnc", "tigervnc-standalone-server"}, {"openbox", "openbox"}, {"xkbcomp", "x11-xkb-utils"},
}

// insidePath is PATH inside the sandbox.
const insidePath = "/usr/local/bin:/usr/bin:/bin:/usr/games"

// lookInside finds a program as the desktop will.
func lookInside(program string) bool {
	if filepath.IsAbs(program) {
		return executable(program)
	}
	for _, dir := range filepath.SplitList(insidePath) {
		if executable(filepath.Join(dir, program)) {
			return true
		}
	}
	return false
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// Availability says whether the template's program is installed here.
func (r *Runtime) Availability(template streamspace.Template) runtime.Availability {
	if len(template.Command) > 0 && (lookInside(template.Command[0]) || template.Command[0] == insideScene && r.scene != "") {
		return runtime.Availability{Installed: true}
	}
	return runtime.Availability{
		Missing:        template.Command[:min(1, len(template.Command))],
		InstallCommand: "sudo apt-get install -y " + strings.Join(template.Packages, " "),
	}
}

// checkPrograms names everything missing at once.
func checkPrograms() error {
	var programs, install []string
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			programs, install = append(programs, n.program), append(install, n.debian)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return fmt.Errorf("desktops need %s: run `sudo apt-get install -y %s`", strings.Join(programs, ", "), strings.Join(install, " "))
}

// trySandbox makes one, so that a machine that forbids user namespaces is told
// of at the start and not by each desktop.
func (r *Runtime) trySandbox() error {
	cmd := exec.Command("bwrap", "--unshare-all", "--cap-drop", "ALL", "--ro-bind", "/", "/", "/bin/true")
	cmd.Dir = "/"
	r.asDesktop(cmd, r.uidBase)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this machine does not let us make sandboxes (user namespaces may be switched off: look at sysctl "+
			"kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns): %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// asDesktop has the command run as the user, when we are root.
func (r *Runtime) asDesktop(cmd *exec.Cmd, uid int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if r.uidBase != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
}

func (r *Runtime) prepareFolders() error {
	var err error
	if r.data, err = filepath.Abs(r.data); err != nil {
		return err
	}
	r.run = filepath.Join(r.data, "run")
	longest := filepath.Join(r.run, string(streamspace.NewSessionID()), controlSocket)
	if len(longest) > maxSocketPath {
		sum := sha256.Sum256([]byte(r.data))
		r.run = filepath.Join(os.TempDir(), "streamspace-"+hex.EncodeToString(sum[:6]))
		r.log.Info("the data folder's path is too long for sockets, using another", "run_dir", r.run)
	}
	for _, dir := range []string{r.homes(), filepath.Join(r.data, "agent"), r.run} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("making a folder for desktops: %w", err)
		}
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(owner.Uid) != os.Geteuid() {
			return fmt.Errorf("%s is not a folder of ours: %w", dir, os.ErrInvalid)
		}
		if err := os.Chmod(dir, 0o711); err != nil { // also against a umask
			return fmt.Errorf("opening %s to desktops: %w", dir, err)
		}
	}
	sum := sha256.Sum256([]byte(r.run))
	r.tag = "streamspace-" + hex.EncodeToString(sum[:6])
	if r.uidBase != 0 {
		return searchable(r.data)
	}
	return nil
}

// searchable says which parent of the data folder keeps the desktops' users out.
func searchable(dir string) error {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("desktops run as users of their own, who cannot pass through %s (mode %04o): run `chmod o+x %s`, or choose another data folder", d, info.Mode().Perm(), d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// installAgent copies the agent to where every sandbox may read it: our own
// folder may be closed to the desktops' users. Copies of other versions go;
// a running desktop keeps the one that it holds open.
func (r *Runtime) installAgent(path string) error {
	if path == "" {
		if own, err := os.Executable(); err == nil {
			path = filepath.Join(filepath.Dir(own), "streamspace-agent")
		}
		if _, err := os.Stat(path); err != nil {
			if path, err = exec.LookPath("streamspace-agent"); err != nil {
				return errors.New("streamspace-agent stands neither beside streamspace nor in PATH: build both with `make build`")
			}
		}
	}
	dir := filepath.Join(r.data, "agent")
	var err error
	if r.agent, err = copyProgram(path, dir); err != nil {
		return fmt.Errorf("installing the desktop agent: %w", err)
	}
	// Only who measures needs it, and says so in a template.
	if r.scene, err = copyProgram(filepath.Join(filepath.Dir(path), filepath.Base(insideScene)), dir); err != nil {
		r.scene = ""
	}
	copies, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if c.Name() != filepath.Base(r.agent) && c.Name() != filepath.Base(r.scene) {
			os.Remove(filepath.Join(dir, c.Name())) // one that stays only takes room
		}
	}
	return nil
}

// insideScene is where a desktop whose template runs it finds the bench's marker
// program, which stands beside the agent where it is installed at all.
const insideScene = "/run/streamspace-scene"

// copyProgram puts a copy into the folder, named after its content.
func copyProgram(path, dir string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	file := filepath.Join(dir, hex.EncodeToString(sum[:8]))
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, text) {
		temp := file + ".new"
		if err := errors.Join(os.WriteFile(temp, text, 0o755), os.Chmod(temp, 0o755), os.Rename(temp, file)); err != nil {
			return "", err
		}
	}
	return file, nil
}
