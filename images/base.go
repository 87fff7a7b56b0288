package images

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml"
)

//go:embed base
var bases embed.FS

// Base is what desktop images of one distribution begin with.
type Base struct {
	Name    string `yaml:"name"`
	From    string `yaml:"from"`    // image of the distribution
	Manager string `yaml:"manager"` // of packages: apt or apk
	// Packages are those of every desktop: the display, its tools, a font.
	Packages []string `yaml:"packages"`
	// Environments are the window managers and desktops that there are, and their
	// packages.
	Environments map[string][]string `yaml:"environments"`

	// From what mmdebstrap makes From, where no registry can be reached.
	Suite      string   `yaml:"suite"`
	Mirror     string   `yaml:"mirror"`
	Snapshot   string   `yaml:"snapshot"` // the archive of old states: a time is put behind it
	Components []string `yaml:"components"`
	Keyring    string   `yaml:"keyring"`
}

// Environments that every base has.
var Environments = []string{"i3", "mate", "openbox", "xfce"}

var image = regexp.MustCompile(`^[a-z0-9][a-z0-9./:@_-]*$`)

// Bases reads the distributions that images can be built on, by name.
func Bases() ([]Base, error) {
	names, err := fs.Glob(bases, "base/*.yaml")
	if err != nil {
		return nil, err
	}
	var list []Base
	for _, name := range names {
		text, err := bases.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var b Base
		if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := b.check(path.Base(name)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, b)
	}
	return list, nil
}

// InstallScript is the program that puts packages into an image.
func InstallScript() ([]byte, error) { return bases.ReadFile("base/install") }

func (b Base) check(file string) error {
	var mistakes []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	demand(b.Name+".yaml" == file, "name: %q is not the file's", b.Name)
	demand(image.MatchString(b.From), "from: %q is not the name of an image", b.From)
	demand(b.Manager == "apt" && b.Suite != "" && b.Mirror != "" && b.Keyring != "" && len(b.Components) > 0 || b.Manager == "apk",
		"manager: apt (with suite, mirror, components and keyring) or apk are known")
	demand(slices.Equal(slices.Sorted(maps.Keys(b.Environments)), Environments), "environments: %v are needed", Environments)
	lists := append(slices.Collect(maps.Values(b.Environments)), b.Packages)
	for _, list := range lists {
		demand(len(list) > 0, "packages: an empty list")
		for _, name := range list {
			demand(pkg.MatchString(name), "packages: %q is not the name of a package", name)
		}
	}
	return errors.Join(mistakes...)
}
