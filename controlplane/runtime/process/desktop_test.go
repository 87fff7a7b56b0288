package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/controlplane/runtime"
)

// The bench's marker program is for templates that ask for it, where it is
// installed beside the agent.
func TestATemplateMayRunTheMarkerProgram(t *testing.T) {
	t.Parallel()
	o := options(dataDir(t))
	d := desktopOf(insideScene)
	without := newBed(t, options(dataDir(t)))
	if without.Availability(d.Template).Installed {
		t.Error("a program that is not there is installed")
	}
	agent, err := os.ReadFile(agentBinary)
	if err != nil {
		t.Fatal(err)
	}
	beside := dataDir(t)
	o.AgentPath = filepath.Join(beside, "streamspace-agent")
	if err := os.WriteFile(o.AgentPath, agent, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho $0 > ~/played\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(beside, filepath.Base(insideScene)), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, o)
	if !b.Availability(d.Template).Installed {
		t.Error("it is not installed")
	}
	b.apply(t, d)
	eventually(t, "it plays", func() bool { return b.homeFile(d, "played") == insideScene })
	other := shell("ls /run > ~/run")
	b.apply(t, other)
	eventually(t, "another desktop looks", func() bool { return b.homeFile(other, "run") != "" })
	if strings.Contains(b.homeFile(other, "run"), "scene") {
		t.Error("a desktop that did not ask has it too")
	}
}

// A person's whole way: pictures, keys, another size, the clipboard in both
// directions, the end, and the home that is there again.
func TestDesktopIsUsed(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	d := desktopOf("xterm", "-fa", "DejaVu Sans Mono", "-bg", "#10141c", "-fg", "#e6e9ef")
	d.Width, d.Height = 1024, 700
	v := open(t, b.apply(t, d).Address)

	if width, height := v.size(); width != 1024 || height != 700 {
		t.Errorf("the screen is %dx%d", width, height)
	}
	eventually(t, "the terminal fills the screen", func() bool {
		return v.share(func(r, g, b byte) bool { return r == 0x10 && g == 0x14 && b == 0x1c }) > .8 && v.colours() > 10
	})
	eventually(t, "what is typed is done", func() bool {
		if b.homeFile(d, "typed") == "" { // the shell may not have been there yet
			v.typed("echo works >> typed\n")
		}
		return strings.Contains(b.homeFile(d, "typed"), "works")
	})

	v.resize(640, 480)
	eventually(t, "the screen has another size", func() bool { width, height := v.size(); return width == 640 && height == 480 })
	eventually(t, "the terminal fills it", func() bool {
		return v.share(func(r, g, b byte) bool { return r == 0x10 && g == 0x14 && b == 0x1c }) > .8 && v.colours() > 10
	})
	eventually(t, "the programs know it", func() bool {
		v.typed("clear; xrandr | grep -o 'current 640 x 480' > size\n")
		return b.homeFile(d, "size") == "current 640 x 480"
	})

	eventually(t, "the extended clipboard is agreed on", v.extended)
	const out = "aus dem Schreibtisch: čaj, 茶, 🍵"
	if err := os.WriteFile(filepath.Join(b.homes(), string(d.Home), "out"), []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	v.typed("xclip -selection clipboard < out\n")
	eventually(t, "the viewer has the desktop's clipboard", func() bool { return v.got() == out })
	const in = "von außen: чай, 🫖\nzweite Zeile"
	v.offer(in)
	eventually(t, "the desktop has the viewer's clipboard", func() bool {
		v.typed("xclip -selection clipboard -o > in\n")
		return b.homeFile(d, "in") == in
	})

	b.remove(t, d)
	d.Epoch, d.Template.Command = 2, []string{"sh", "-c", "cat typed > again; exec sleep 1000"}
	b.apply(t, d)
	eventually(t, "the home is the same", func() bool { return strings.Contains(b.homeFile(d, "again"), "works") })
	if err := b.DeleteHome(t.Context(), d.Home); err == nil {
		t.Error("a home in use was removed")
	}
	if used, err := b.HomeUsage(t.Context(), d.Home); err != nil || used < 4096 {
		t.Errorf("usage %d: %v", used, err)
	}
	b.remove(t, d)
	if err := b.DeleteHome(t.Context(), d.Home); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.homes(), string(d.Home)+"*")); len(left) > 0 {
		t.Errorf("of the home is left %v", left)
	}
}

func TestAFailureIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	broken := desktopOf("sh", "-c", "echo I am broken; exit 3")
	missing := desktopOf("no-such-program")
	for _, test := range []struct {
		desktop runtime.Desktop
		reason  string
	}{
		{missing, "the application no-such-program is not installed"},
		{broken, "the application (sh) ended with status 3, 5 times in a row; its last words:\n"},
		{broken, "I am broken"},
	} {
		if err := b.Apply(t.Context(), test.desktop); err != nil {
			t.Fatal(err)
		}
		if o := b.awaitPhase(t, test.desktop.Session, runtime.PhaseFailed); !strings.Contains(o.Reason, test.reason) {
			t.Errorf("the reason %q lacks %q", o.Reason, test.reason)
		}
	}
	if available := b.Availability(missing.Template); available.Installed || available.InstallCommand != "sudo apt-get install -y xterm" || available.Missing[0] != "no-such-program" {
		t.Errorf("availability %+v", available)
	}
	if available := b.Availability(broken.Template); !available.Installed {
		t.Errorf("availability %+v", available)
	}
}

// What dies inside comes back, or takes the desktop with it and says so.
func TestKilledPartsAreSeen(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	for _, test := range []struct {
		part   string
		reason string // empty: it comes back
	}{
		{"sleep", ""},
		{"openbox", ""},
		{"Xvnc", "the display (Xvnc) was killed by SIGKILL"},
		{"", "The desktop ended unexpectedly"}, // the agent itself
	} {
		d := desktopOf("sleep", "1000")
		b.apply(t, d)
		inner := b.running(t, d.Session).Inner
		victim := inner.Number
		if test.part != "" {
			victim = insideProcess(t, inner, test.part)
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if test.reason == "" {
			eventually(t, test.part+" comes back", func() bool { return insideProcess(t, inner, test.part) != victim })
		} else {
			if o := b.awaitPhase(t, d.Session, runtime.PhaseFailed); !strings.Contains(o.Reason, test.reason) {
				t.Errorf("%s: the reason is %q", test.part, o.Reason)
			}
			d.Epoch++
			b.apply(t, d)
		}
		b.remove(t, d)
	}
}

func TestAClosedApplicationComesBack(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	d := desktopOf("sh", "-c", "echo once >> runs")
	b.apply(t, d)
	eventually(t, "it comes back each time", func() bool { return strings.Count(b.homeFile(d, "runs"), "once") > 6 })
	b.remove(t, d)
}

// A program that does not listen to the request to end is killed.
func TestStubbornProgramsEnd(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	d := desktopOf("sh", "-c", "trap '' TERM HUP INT; (trap '' TERM HUP; setsid sh -c 'while :; do sleep 1; done') & echo up > up; while :; do sleep 1; done")
	b.apply(t, d)
	eventually(t, "it runs", func() bool { return b.homeFile(d, "up") == "up" })
	b.remove(t, d)
}

func TestProgramsMayPutThingsAway(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	d := desktopOf("sh", "-c", "trap 'xrandr > /dev/null && echo saved > saved; exit' TERM; echo up > up; while :; do sleep .1; done")
	b.apply(t, d)
	eventually(t, "it runs", func() bool { return b.homeFile(d, "up") == "up" })
	b.remove(t, d)
	if b.homeFile(d, "saved") != "saved" {
		t.Error("it lost its display before it could put anything away")
	}
}

func TestTwoDesktopsNeverShareAHome(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	d := shell("")
	b.apply(t, d)
	second := shell("")
	second.Home, second.HomeIndex = d.Home, d.HomeIndex
	if err := b.Apply(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if o := b.awaitPhase(t, second.Session, runtime.PhaseFailed); !strings.Contains(o.Reason, "used by another desktop") {
		t.Errorf("reason: %s", o.Reason)
	}
	b.remove(t, d)
	second.Epoch = 2
	b.apply(t, second)
}

func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	for name, change := range map[string]func(d *runtime.Desktop){
		"a session id that climbs": func(d *runtime.Desktop) { d.Session = "../../etc" },
		"a home id that climbs":    func(d *runtime.Desktop) { d.Home = "../run" },
		"no command":               func(d *runtime.Desktop) { d.Template.Command = nil },
		"a negative home number":   func(d *runtime.Desktop) { d.HomeIndex = -DefaultUIDBase },
	} {
		d := shell("")
		change(&d)
		if err := b.Apply(t.Context(), d); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	if err := b.DeleteHome(t.Context(), "../run"); err == nil {
		t.Error("a home id that climbs passed")
	}
}

// A home is removed without following what its owner has linked to.
func TestDeletedHomeTakesNothingElse(t *testing.T) {
	t.Parallel()
	b := newBed(t, options(dataDir(t)))
	outside := filepath.Join(b.data, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d := shell(fmt.Sprintf("mkdir -p a/b; ln -s %s a/link; ln -s %s a/b/file; chmod 000 a/b; echo up > up", outside, precious))
	b.apply(t, d)
	eventually(t, "the links are there", func() bool { return b.homeFile(d, "up") == "up" })
	b.remove(t, d)
	if os.Geteuid() != 0 { // root passes everywhere
		if err := os.Chmod(filepath.Join(b.homes(), string(d.Home), "a/b"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.DeleteHome(t.Context(), d.Home); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestFullDiskIsTold(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	t.Parallel()
	dir := dataDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=0711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b := newBed(t, options(dir))
	d := shell("")
	filler := filepath.Join(dir, "filler")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	file.Close()
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if o := b.awaitPhase(t, d.Session, runtime.PhaseFailed); !strings.Contains(o.Reason, "disk of the server's data folder is full") {
		t.Errorf("reason: %s", o.Reason)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.Epoch = 2
	b.apply(t, d)
	b.stop()
}
