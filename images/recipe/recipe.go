// Package recipe turns files of the catalog into what builders and clusters
// read: a Containerfile with what it copies, and a Template object. It builds
// and starts nothing.
package recipe

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/images/agent"
)

// Names gives images their names: REGISTRY/NAME:TAG.
type Names struct {
	Registry string // ghcr.io/streamspace
	Tag      string
}

// Desktop is the image of an application.
func (n Names) Desktop(application string) string {
	return n.Registry + "/desktop-" + application + ":" + n.Tag
}

// Base is the image of a distribution, or of one with an environment.
func (n Names) Base(name string) string { return n.Registry + "/" + name + ":" + n.Tag }

// Folder is a builder's context: its files by path. Containerfile is one.
type Folder map[string][]byte

// What a desktop has inside. The home, the runtime folder and /tmp are the only
// folders that it needs to write to.
const (
	Home       = "/home/streamspace"
	RuntimeDir = "/run/streamspace"
	// RFBSocket is where the display answers.
	RFBSocket = RuntimeDir + "/rfb.sock"
	agentFile = "/usr/local/bin/streamspace-agent"
	specFile  = "/etc/streamspace/desktop.json"
	installer = "/usr/local/lib/streamspace/install"
	user      = "1000:1000"

	// The first screen; viewers resize it.
	width, height = 1280, 800
)

// Distribution is the context of the image that all of a distribution's
// desktops begin with. The builder adds agent/ARCHITECTURE/streamspace-agent.
func Distribution(b images.Base) (Folder, error) {
	script, err := images.InstallScript()
	if err != nil {
		return nil, err
	}
	var f file
	f.line("# Made from images/base/%s.yaml by `streamspace catalog recipes`.", b.Name)
	f.line("ARG FROM=%s", b.From)
	f.line("FROM ${FROM}")
	f.line("# An archive's address, to have the packages of a certain time again.")
	f.line("ARG SNAPSHOT=")
	f.line("ARG SOURCE_DATE_EPOCH=0")
	f.line("ARG TARGETARCH")
	f.line("USER 0")
	f.line("COPY --chmod=0755 install %s", installer)
	f.run(append([]string{installer, "--base"}, b.Packages...)...)
	f.line("COPY --chmod=0755 agent/${TARGETARCH}/streamspace-agent %s", agentFile)
	f.line("ENV HOME=%s XDG_RUNTIME_DIR=%s LANG=C.UTF-8", Home, RuntimeDir)
	f.line("WORKDIR %s", Home)
	f.line("USER %s", user)
	f.line("STOPSIGNAL SIGTERM")
	f.list("ENTRYPOINT", agentFile)
	f.list("CMD", "--spec", specFile)
	return Folder{"Containerfile": f.text(), "install": script}, nil
}

// Environment is the context of a distribution's image with a window manager or
// desktop.
func Environment(b images.Base, environment string, names Names) (Folder, error) {
	packages, ok := b.Environments[environment]
	if !ok {
		return nil, fmt.Errorf("%s has no environment %q", b.Name, environment)
	}
	var f file
	f.line("# Made from images/base/%s.yaml by `streamspace catalog recipes`.", b.Name)
	f.line("ARG FROM=%s", names.Base(b.Name))
	f.line("FROM ${FROM}")
	f.line("ARG SOURCE_DATE_EPOCH=0")
	f.line("USER 0")
	f.run(append([]string{installer}, packages...)...)
	f.line("USER %s", user)
	return Folder{"Containerfile": f.text()}, nil
}

// Application is the context of an application's image. The builder adds what
// the file downloads names: files/ARCHITECTURE and packages/ARCHITECTURE.
func Application(a images.Application, names Names) (Folder, error) {
	spec, err := json.MarshalIndent(agent.Spec{
		Session: "image", Name: a.DisplayName, Command: command(a), Env: a.Env, Width: width, Height: height,
		RFBSocket: RFBSocket, ControlSocket: RuntimeDir + "/control.sock", LogFile: RuntimeDir + "/desktop.log",
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	base := a.Image.Base
	if base == "" {
		base = images.DefaultBase
	}
	installed := a.Image.Packages
	if len(installed) == 0 {
		installed = a.Packages
	}
	folder := Folder{"desktop.json": append(spec, '\n')}
	var f file
	f.line("# Made from the catalog's file of %s by `streamspace catalog recipes`.", a.Name)
	f.line("ARG FROM=%s", names.Base(base))
	f.line("FROM ${FROM}")
	f.line("ARG SOURCE_DATE_EPOCH=0")
	f.line("ARG TARGETARCH")
	f.line("USER 0")
	if has(a.Image, images.KindPackage) {
		// One transaction, so that what the download needs is there when it is configured.
		f.line("COPY packages/${TARGETARCH}/ /usr/local/lib/streamspace/packages/")
		f.line("RUN %s %s /usr/local/lib/streamspace/packages/*.deb && rm -r /usr/local/lib/streamspace/packages", installer, strings.Join(installed, " "))
	} else {
		f.run(append([]string{installer}, installed...)...)
	}
	if has(a.Image, images.KindFile) || has(a.Image, images.KindTar) || has(a.Image, images.KindZip) {
		f.line("COPY files/${TARGETARCH}/ /")
	}
	f.line("COPY --chmod=0644 desktop.json %s", specFile)
	f.line("USER %s", user)
	f.label("org.opencontainers.image.title", a.DisplayName)
	f.label("org.opencontainers.image.description", a.Description)
	f.label("space.stream.application", a.Name)
	folder["Containerfile"] = f.text()
	if len(a.Image.Downloads) > 0 {
		folder["downloads"] = downloads(a.Image)
	}
	return folder, nil
}

func has(i images.Image, kind images.Kind) bool {
	return slices.ContainsFunc(i.Downloads, func(d images.Download) bool { return d.Kind() == kind })
}

// downloads is a line for each file that the builder fetches and puts in its
// place: architecture, kind, digest, folders to leave out, place, address.
func downloads(i images.Image) []byte {
	kinds := map[images.Kind]string{images.KindFile: "file", images.KindPackage: "package", images.KindTar: "tar", images.KindZip: "zip"}
	var text strings.Builder
	for _, d := range i.Downloads {
		architectures := []string{d.Architecture}
		if d.Architecture == "" {
			architectures = architecturesOf(i)
		}
		place := d.To
		if d.Kind() == images.KindPackage {
			place = path.Join("/", d.FileName())
		}
		for _, a := range architectures {
			fmt.Fprintf(&text, "%s %s %s %d %s %s\n", a, kinds[d.Kind()], d.SHA256, d.Strip, place, d.URL)
		}
	}
	return []byte(text.String())
}

// command is the program inside a container.
func command(a images.Application) []string {
	if len(a.Image.Command) > 0 {
		return a.Image.Command
	}
	return a.Command
}

func architecturesOf(i images.Image) []string {
	if len(i.Architectures) == 0 {
		return images.Architectures
	}
	return i.Architectures
}

// file is a Containerfile being written.
type file struct{ strings.Builder }

func (f *file) line(format string, args ...any) { fmt.Fprintf(f, format+"\n", args...) }

// run is a RUN without a shell, so that no argument is read by one.
func (f *file) run(argv ...string) { f.list("RUN", argv...) }

func (f *file) list(instruction string, argv ...string) {
	text, _ := json.Marshal(argv) // strings: it cannot fail
	f.line("%s %s", instruction, text)
}

// label quotes the value: variables and line ends in it stay what they are.
func (f *file) label(name, value string) {
	value = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", " ").Replace(value)
	f.line(`LABEL %s="%s"`, name, value)
}

func (f *file) text() []byte { return []byte(f.String()) }
