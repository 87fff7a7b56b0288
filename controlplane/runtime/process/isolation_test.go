package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace"
)

// probe looks from inside a sandbox for everything that should not be there.
// Each line it writes is one finding.
const probe = `
import ctypes, errno, glob, os, socket, sys
def tell(name, value): print(name + "=" + str(value))
def attempt(what):
    try: return what()
    except OSError as e: return errno.errorcode.get(e.errno, e)
def readable(path): return attempt(lambda: bool(open(path).read()))
def listed(path): return attempt(lambda: sorted(os.listdir(path)))
def connects(family, address):
    s = socket.socket(family); s.settimeout(3)
    return attempt(lambda: s.connect(address) or True)

tell("uid", os.getuid())
tell("gid", os.getgid())
tell("groups", [g for g in os.getgroups() if g != os.getgid()])
tell("hostname", socket.gethostname())
status = dict(l.split(":\t", 1) for l in open("/proc/self/status").read().splitlines() if ":\t" in l)
tell("capabilities", status["CapEff"] + status["CapBnd"])
tell("no_new_privileges", status["NoNewPrivs"])
tell("seccomp", status["Seccomp"])
tell("strangers", [p for p in os.listdir("/proc") if p.isdigit() and open("/proc/" + p + "/cmdline").read().split("\0")[:2] == ["sleep", "98765"]])
tell("agent_memory", attempt(lambda: bool(open("/proc/1/environ").read())))
tell("home", listed("/home"))
tell("root", listed("/root"))
tell("var", listed("/var"))
tell("data", listed("@DATA@"))
tell("other_home", listed("@DATA@/homes/@OTHER_HOME@"))
tell("other_run", listed("@DATA@/run/@OTHER@"))
tell("shadow", readable("/etc/shadow"))
tell("secret", readable("@DATA@/secret"))
tell("proc_root_escape", listed("/proc/1/root/root"))
for path in ["/usr/x", "/etc/x", "/x", "/run/spec.json", "/etc/passwd", "/run/streamspace-agent"]:
    tell("writes " + path, attempt(lambda: bool(open(path, "a"))) is True)
for path in ["/tmp/x", "/var/tmp/x", "/run/user/x", "/dev/shm/x", os.environ["HOME"] + "/x"]:
    tell("writes " + path.replace(os.environ["HOME"], "~"), attempt(lambda: bool(open(path, "a"))))
tell("loopback", connects(socket.AF_INET, ("127.0.0.1", @PORT@)))
tell("host", connects(socket.AF_INET, ("10.0.2.2", @PORT@)))
tell("outside", connects(socket.AF_INET, ("@OUTSIDE@", @OUTSIDE_PORT@)))
tell("abstract", connects(socket.AF_UNIX, "\0@ABSTRACT@"))
tell("vsock", attempt(lambda: bool(socket.socket(40, socket.SOCK_STREAM))))
tell("netfilter", attempt(lambda: bool(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))))
tell("interfaces", sorted(n for _, n in socket.if_nameindex()))
libc = ctypes.CDLL(None, use_errno=True)
def call(*args): return True if libc.syscall(*args) >= 0 else errno.errorcode[ctypes.get_errno()]
tell("mount", True if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 else errno.errorcode[ctypes.get_errno()])
tell("keyctl", call(@KEYCTL@, 0, -3, 1))
tell("setuid", attempt(lambda: os.setuid(0) or True))
tell("kill_init", attempt(lambda: os.kill(1, 9) or "survived"))
tell("descriptors", [f + os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists("/proc/self/fd/" + f) and not os.readlink("/proc/self/fd/" + f).startswith("/proc")])
tell("environment", sorted(k for k in os.environ if "SECRET" in k))
tell("user", attempt(lambda: __import__("pwd").getpwuid(os.getuid()).pw_name))
`

func TestSandboxKeepsDesktopsApart(t *testing.T) {
	t.Setenv("OUR_SECRET", "s") // which forbids t.Parallel
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	outside := outsideListener(t)
	defer outside.Close()
	outsideHost, outsidePort, _ := net.SplitHostPort(outside.Addr().String())
	abstract := fmt.Sprintf("streamspace-test-%d", os.Getpid())
	hidden, err := net.Listen("unix", "@"+abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer hidden.Close()
	b := newBed(t, options(dataDir(t)))
	if err := os.WriteFile(filepath.Join(b.data, "secret"), []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := desktopOf("sleep", "98765")
	b.apply(t, other)
	script := strings.NewReplacer("@DATA@", b.data, "@OTHER_HOME@", string(other.Home), "@OTHER@", string(other.Session),
		"@PORT@", port, "@ABSTRACT@", abstract, "@OUTSIDE@", outsideHost, "@OUTSIDE_PORT@", outsidePort, "@KEYCTL@", strconv.Itoa(unix.SYS_KEYCTL)).Replace(probe)
	for _, network := range []streamspace.Network{streamspace.NetworkNone, streamspace.NetworkInternet} {
		t.Run(string(network), func(t *testing.T) {
			d := desktopOf("sh", "-c", "cat > probe.py <<'END'\n"+script+"\nEND\npython3 probe.py > findings 2>&1; echo done > done; exec sleep 1000")
			d.Template.Network, d.Template.Name = network, "probe-"+string(network)
			b.apply(t, d)
			eventually(t, "the probe is done", func() bool { return b.homeFile(d, "done") == "done" })
			uid := os.Geteuid()
			if uid == 0 {
				uid = DefaultUIDBase + d.HomeIndex
			}
			want := findings(uid, d.Template.Name, network, b.slirp != "")
			if got := b.homeFile(d, "findings"); got != want {
				t.Errorf("%s", difference(got, want))
			}
			b.remove(t, d)
		})
	}
	b.remove(t, other)
}

// outsideListener listens on an address of this machine that is not loopback:
// the nearest thing to the internet that every machine has.
func outsideListener(t *testing.T) net.Listener {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			listener, err := net.Listen("tcp4", net.JoinHostPort(ip.IP.String(), "0"))
			if err != nil {
				t.Fatal(err)
			}
			return listener
		}
	}
	t.Fatal("this machine has no address but its loopback")
	return nil
}

func findings(uid int, hostname string, network streamspace.Network, connected bool) string {
	interfaces, outside := "['lo']", "ENETUNREACH"
	if network == streamspace.NetworkInternet && connected {
		interfaces, outside = "['lo', 'tap0']", "True"
	}
	return strings.TrimSpace(fmt.Sprintf(`
uid=%[1]d
gid=%[1]d
groups=[]
hostname=%[2]s
capabilities=00000000000000000000000000000000
no_new_privileges=1
seccomp=2
strangers=[]
agent_memory=EACCES
home=['user']
root=ENOENT
var=['cache', 'lib', 'run', 'tmp']
data=ENOENT
other_home=ENOENT
other_run=ENOENT
shadow=ENOENT
secret=ENOENT
proc_root_escape=EACCES
writes /usr/x=False
writes /etc/x=False
writes /x=False
writes /run/spec.json=False
writes /etc/passwd=False
writes /run/streamspace-agent=False
writes /tmp/x=True
writes /var/tmp/x=True
writes /run/user/x=True
writes /dev/shm/x=True
writes ~/x=True
loopback=ECONNREFUSED
host=ENETUNREACH
outside=%[3]s
abstract=ECONNREFUSED
vsock=EPERM
netfilter=EPERM
interfaces=%[4]s
mount=EPERM
keyctl=EPERM
setuid=EINVAL
kill_init=survived
descriptors=[]
environment=[]
user=user
`, uid, hostname, outside, interfaces))
}

// difference lists the lines that differ.
func difference(got, want string) string {
	wanted := make(map[string]bool)
	for line := range strings.Lines(want + "\n") {
		wanted[line] = true
	}
	var out strings.Builder
	for line := range strings.Lines(got + "\n") {
		if !wanted[line] {
			out.WriteString("found inside: " + line)
		}
		delete(wanted, line)
	}
	for line := range wanted {
		out.WriteString("want:         " + line)
	}
	return out.String()
}

// A desktop may put anything at the place of its sockets: we do not go there.
func TestSocketsCannotBeSwapped(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	victim := shell("")
	there := b.apply(t, victim)
	// A swap before the socket is published ends the desktop; this one comes after.
	d := shell("until [ -e $HOME/published ]; do sleep 0.05; done; cd /run/desktop; mv rfb.sock old; ln -s " +
		strings.TrimPrefix(there.Address, "unix:") + " rfb.sock; echo up > $HOME/up")
	address := strings.TrimPrefix(b.apply(t, d).Address, "unix:")
	if err := os.WriteFile(filepath.Join(b.homes(), string(d.Home), "published"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the link is there", func() bool { return b.homeFile(d, "up") == "up" })
	if strings.HasPrefix(address, filepath.Join(b.run, string(d.Session), ioDir)) {
		t.Errorf("the address %s is in a folder of the desktop's", address)
	}
	if info, err := os.Lstat(address); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the address is no socket: %v %v", info, err)
	}
	open(t, "unix:"+address)
	b.remove(t, d)
	b.remove(t, victim)
}
