package recipe

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/images/agent"
)

var update = flag.Bool("update", false, "write testdata anew")

var names = Names{Registry: "registry.example/desks", Tag: "7"}

func catalog(t *testing.T, dir string) *images.Catalog {
	t.Helper()
	c, err := images.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is written for an application with everything that a file can say, and
// for one of the built-in catalog.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gimp", "everything"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Write(dir, catalog(t, "testdata/catalog"), []string{name}, names); err != nil {
				t.Fatal(err)
			}
			golden(t, dir, filepath.Join("testdata", name))
		})
	}
}

// golden holds every file below dir against the one below want.
func golden(t *testing.T, dir, want string) {
	t.Helper()
	if *update {
		os.RemoveAll(want)
		if err := os.CopyFS(want, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		for _, distribution := range []string{"debian", "ubuntu"} {
			os.RemoveAll(filepath.Join(want, "base", distribution, "install")) // images/base/install itself
		}
	}
	seen := 0
	err := filepath.WalkDir(want, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		seen++
		relative, _ := filepath.Rel(want, path)
		expected, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, relative))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, expected) {
			t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d files: %v", seen, err)
	}
}

// Every application of the built-in catalog gives a spec that the agent takes,
// and a Template without fields that the API does not know.
func TestEveryApplication(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := catalog(t, "")
	if err := Write(dir, c, nil, names); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Applications()); n < 15 {
		t.Errorf("only %d applications", n)
	}
	for _, a := range c.Applications() {
		if _, err := agent.ReadSpec(filepath.Join(dir, "desktop", a.Name, "desktop.json")); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "templates", a.Name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var object v1alpha1.Template
		if err := yaml.UnmarshalStrict(text, &object); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
		if object.Spec.Image != "registry.example/desks/desktop-"+a.Name+":7" {
			t.Errorf("%s: the image is %q", a.Name, object.Spec.Image)
		}
	}
	list, err := os.ReadFile(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	bases, err := images.Bases()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(string(list), "\n"), len(c.Applications())+len(bases)*(1+len(images.Environments)); got != want {
		t.Errorf("%d images, not %d", got, want)
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	if err := Write(t.TempDir(), catalog(t, ""), []string{"nosuch"}, names); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("an unknown application: %v", err)
	}
	for _, base := range []string{"plan9-openbox", "debian-twm"} {
		dir := t.TempDir()
		text := "name: x\ndisplayName: X\ndescription: X\ncategory: X\nicon: code\ncommand: [x]\npackages: [xx]\nnetwork: none\nimage: {base: " + base + "}\n"
		if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(t.TempDir(), catalog(t, dir), []string{"x"}, names); err == nil || !strings.Contains(err.Error(), strings.Split(base, "-")[0]) {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestSBOM(t *testing.T) {
	t.Parallel()
	release := &fstest.MapFile{Data: []byte("NAME=x\nID=debian\n")}
	for kind, root := range map[string]fstest.MapFS{
		"deb": {"usr/lib/os-release": release, "var/lib/dpkg/status": {Data: []byte(
			"Package: b\nStatus: install ok installed\nVersion: 1.0+deb\nArchitecture: amd64\nDescription: x\n Package: no\n\n" +
				"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nStatus: install ok installed\nSource: src\nVersion: 2\nArchitecture: all\n")}},
		"apk": {"usr/lib/os-release": release, "lib/apk/db/installed": {Data: []byte("P:b\nV:1.0+deb\nA:amd64\n\nP:a\nV:2\nA:all\no:src\n\n")}},
	} {
		var out bytes.Buffer
		if err := (SBOM{Name: "x:1", Architecture: "amd64", Created: time.Unix(0, 0)}).Write(&out, root); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Packages []struct {
				Name         string `json:"name"`
				Version      string `json:"versionInfo"`
				ExternalRefs []struct {
					Locator string `json:"referenceLocator"`
				} `json:"externalRefs"`
			} `json:"packages"`
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Packages) != 3 || got.Packages[1].Name != "a" || got.Packages[2].ExternalRefs[0].Locator != "pkg:"+kind+"/debian/b@1.0%2Bdeb?arch=amd64" {
			t.Errorf("%s: %+v", kind, got.Packages)
		}
	}
}
