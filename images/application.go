package images

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/streamspace/streamspace"
)

// Application is one file of the catalog: the template that people choose, and
// what a container image of it is made of.
type Application struct {
	streamspace.Template `yaml:",inline"`
	Image                Image `yaml:"image"`
}

// Image is what distinguishes an application's container image from its base.
// A file that says nothing about it gets the template's packages on the usual
// base, for every architecture.
type Image struct {
	// Base is the image to build on, as distribution-environment; "" is DefaultBase.
	Base string `yaml:"base"`
	// Packages replace the template's where the base's distribution has other
	// names for them.
	Packages []string `yaml:"packages"`
	// Command replaces the template's inside a container.
	Command []string `yaml:"command"`
	// SharedMemory is the size of /dev/shm, as 512Mi or 1Gi; "" is the cluster's
	// usual. It counts as the desktop's memory.
	SharedMemory string `yaml:"sharedMemory"`
	// Downloads are what comes from elsewhere than the distribution.
	Downloads []Download `yaml:"downloads"`
	// Architectures the application is there for; none means all.
	Architectures []string `yaml:"architectures"`
	// Writable are folders, besides the home and /tmp, that the application
	// writes to.
	Writable []string `yaml:"writable"`
}

// Download is one file from elsewhere, known by its digest.
type Download struct {
	URL          string `yaml:"url"`
	SHA256       string `yaml:"sha256"`       // 64 hexadecimal digits
	Architecture string `yaml:"architecture"` // "" is all
	// To is where it goes: a folder, that an archive (.tar.*, .tgz, .zip) is unpacked
	// into; a program's path otherwise. A .deb is installed and has none.
	To string `yaml:"to"`
	// Strip leaves out this many leading folders of an archive's paths.
	Strip int `yaml:"strip"`
}

// DefaultBase is what images are built on that do not say.
const DefaultBase = "debian-openbox"

// Architectures are those that images are built for.
var Architectures = []string{"amd64", "arm64"}

// Kind is how a download is put into the image.
type Kind int

const (
	KindFile Kind = iota
	KindPackage
	KindTar
	KindZip
)

// Kind tells by the URL's path what the download is.
func (d Download) Kind() Kind {
	name := d.FileName()
	switch {
	case strings.HasSuffix(name, ".deb"):
		return KindPackage
	case strings.HasSuffix(name, ".zip"):
		return KindZip
	case strings.HasSuffix(name, ".tgz"), strings.HasSuffix(name, ".tar"), strings.Contains(name, ".tar."):
		return KindTar
	}
	return KindFile
}

// FileName is the last part of the URL's path.
func (d Download) FileName() string {
	address, err := url.Parse(d.URL)
	if err != nil {
		return ""
	}
	return path.Base(address.Path)
}

var (
	base     = regexp.MustCompile(`^[a-z0-9]+-[a-z0-9]+$`)
	memory   = regexp.MustCompile(`^[1-9][0-9]{0,3}[MG]i$`)
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)
	folder   = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._+-]*)+$`) // and nothing that a shell or a Containerfile reads in its own way
)

const maxStrip = 10

func (i Image) check() error {
	var mistakes []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	demand(i.Base == "" || base.MatchString(i.Base), "image.base: %q is not distribution-environment, like %s", i.Base, DefaultBase)
	demand(len(i.Packages) <= maxList && len(i.Downloads) <= maxList && len(i.Writable) <= 10, "image: more than %d packages or downloads, or 10 writable folders", maxList)
	demand(len(i.Command) <= maxList && !slices.Contains(i.Command[:min(1, len(i.Command))], ""), "image.command: a program and at most %d arguments are needed", maxList-1)
	for _, p := range i.Packages {
		demand(pkg.MatchString(p), "image.packages: %q is not the name of a package", p)
	}
	for _, a := range i.Architectures {
		demand(slices.Contains(Architectures, a), "image.architectures: %q is not one of %s", a, strings.Join(Architectures, ", "))
	}
	demand(i.SharedMemory == "" || memory.MatchString(i.SharedMemory), "image.sharedMemory: %q is not like 512Mi or 1Gi", i.SharedMemory)
	for _, w := range i.Writable {
		demand(folder.MatchString(w), "image.writable: %q is not an absolute folder of plain names", w)
	}
	for n, d := range i.Downloads {
		for _, mistake := range d.mistakes() {
			demand(false, "image.downloads[%d].%s", n, mistake)
		}
	}
	return errors.Join(mistakes...)
}

func (d Download) mistakes() (mistakes []string) {
	demand := func(ok bool, mistake string) {
		if !ok {
			mistakes = append(mistakes, mistake)
		}
	}
	address, err := url.Parse(d.URL)
	demand(err == nil && (address.Scheme == "https" || address.Scheme == "http") && address.Host != "" && !strings.ContainsAny(d.URL, " '\"\\\n"),
		"url: an https address is needed")
	demand(fileName.MatchString(d.FileName()), "url: its last part is no plain file name")
	demand(digest.MatchString(d.SHA256), "sha256: 64 hexadecimal digits are needed")
	demand(d.Architecture == "" || slices.Contains(Architectures, d.Architecture), "architecture: not one of "+strings.Join(Architectures, ", "))
	if d.Kind() == KindPackage {
		demand(d.To == "", "to: a .deb goes where it wants to")
	} else {
		demand(folder.MatchString(d.To), "to: an absolute path of plain names is needed")
	}
	demand(d.Strip >= 0 && d.Strip <= maxStrip && (d.Strip == 0 || d.Kind() == KindTar), "strip: only folders of .tar archives can be left out")
	return mistakes
}

// Application returns what the catalog's file of that name says.
func (c *Catalog) Application(name string) (Application, bool) {
	a, ok := c.byName[name]
	return a, ok
}

// Applications returns what every file says, by name.
func (c *Catalog) Applications() []Application {
	var list []Application
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		list = append(list, c.byName[name])
	}
	return list
}
