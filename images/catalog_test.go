package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace"
)

func TestBuiltInCatalog(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.List()) < 10 {
		t.Errorf("only %d templates", len(c.List()))
	}
	for _, name := range []string{"terminal", "files", "editor", "chromium"} {
		if _, ok := c.Get(name); !ok {
			t.Errorf("no template %s", name)
		}
	}
}

// The packages are what people are told to install, so they must exist.
func TestPackagesAreInDebian(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("apt-cache", "show", "xterm").Output(); err != nil || len(out) == 0 {
		t.Skip("this machine has no Debian package lists")
	}
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"show", "--no-all-versions"}
	for _, template := range c.List() {
		args = append(args, template.Packages...)
	}
	out, _ := exec.Command("apt-cache", args...).Output() // it fails when one is missing, and shows the others
	for _, template := range c.List() {
		for _, name := range template.Packages {
			if !strings.Contains("\n"+string(out), "\nPackage: "+name+"\n") {
				t.Errorf("%s: there is no package %s", template.Name, name)
			}
		}
	}
}

// Sorted and none twice, so that the web UI's list is easily held against it.
func TestIconsAreSorted(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(Icons) || len(slices.Compact(slices.Clone(Icons))) != len(Icons) {
		t.Errorf("%v", Icons)
	}
}

func TestOwnTemplatesReplaceBuiltInOnes(t *testing.T) {
	dir := t.TempDir()
	builtin, err := builtin.ReadFile("catalog/terminal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(builtin), "displayName: Terminal", "displayName: Our shell", 1)
	if err := os.WriteFile(filepath.Join(dir, "t.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Get("terminal"); got.DisplayName != "Our shell" {
		t.Errorf("got %q", got.DisplayName)
	}
}

func TestEveryMistakeOfATemplateIsTold(t *testing.T) {
	_, err := Parse([]byte("name: No Slug\ndisplayName: x\nicon: rocket\ncommand: []\npackages: ['rm -rf']\nidleTimeout: 5s\nnetwork: host\nresources: {memoryBytes: 1}\nenv: {'a b': c}\n"))
	if err == nil {
		t.Fatal("it passed")
	}
	for _, want := range []string{"name:", "description:", "category:", "icon:", "command:", "packages:", "idleTimeout:", "network:", "resources.memoryBytes:", "env:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told:\n%v", want, err)
		}
	}
	if _, err := Parse([]byte("name: x\nimage: y\n")); err == nil || !strings.Contains(err.Error(), "image") {
		t.Errorf("an unknown key: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	text, err := builtin.ReadFile("catalog/chromium.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("name: [\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		template, err := Parse(text)
		if err == nil && (template.Command[0] == "" || template.Network != streamspace.NetworkNone && template.Network != streamspace.NetworkInternet) {
			t.Errorf("%+v passed", template)
		}
	})
}

func TestEveryMistakeOfAnImageIsTold(t *testing.T) {
	text, err := builtin.ReadFile("catalog/terminal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse([]byte(string(text) + "image:\n  base: Debian\n  packages: ['; rm']\n  command: ['']\n  architectures: [vax]\n  writable: ['/a b']\n  sharedMemory: much\n" +
		"  downloads:\n    - {url: 'ftp://x/y', sha256: 'x', architecture: m68k, to: relative, strip: 3}\n    - {url: 'https://x/y.deb', sha256: 'x', to: /opt}\n"))
	if err == nil {
		t.Fatal("it passed")
	}
	for _, want := range []string{"image.base:", "image.packages:", "image.command:", "image.architectures:", "image.writable:", "image.sharedMemory:", "downloads[0].url:",
		"downloads[0].sha256:", "downloads[0].architecture:", "downloads[0].to:", "downloads[0].strip:", "downloads[1].to:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told:\n%v", want, err)
		}
	}
}

func TestBases(t *testing.T) {
	list, err := Bases()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 3 {
		t.Errorf("only %d distributions", len(list))
	}
}
