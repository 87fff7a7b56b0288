// Package images is the catalog of desktops: templates as data files, and the
// code that reads and checks them. How a template is run is the runtime's
// matter.
package images

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/streamspace/streamspace"
)

//go:embed catalog/*.yaml
var builtin embed.FS

// Icons are the names that a template's icon may have: the web UI ships a
// picture for each.
var Icons = []string{
	"brush", "calculate", "code", "description", "desktop_windows", "draw", "edit_note", "folder", "language",
	"movie", "music_note", "picture_as_pdf", "public", "school", "science", "storage", "table_chart", "terminal",
}

// Bounds of a template; whoever writes one by hand is told when it is outside.
const (
	maxTemplates   = 10_000
	maxText        = 500 // bytes of a name or description
	maxList        = 50  // tags, packages, arguments, variables
	minMemory      = 64 << 20
	maxIdleTimeout = 30 * 24 * time.Hour
)

// Catalog is a checked set of templates. It does not change.
type Catalog struct {
	byName map[string]Application
	list   []streamspace.Template // by category, then display name
}

// Load reads the built-in templates and, when dir is not empty, the *.yaml
// files in it; one of the same name replaces a built-in one. The error lists
// every mistake.
func Load(dir string) (*Catalog, error) {
	c := &Catalog{byName: make(map[string]Application)}
	files, err := fs.Sub(builtin, "catalog")
	if err != nil {
		return nil, err
	}
	err = c.read(files, "built-in catalog")
	if dir != "" {
		err = errors.Join(err, c.read(os.DirFS(dir), dir))
	}
	if err != nil {
		return nil, err
	}
	for _, a := range c.byName {
		c.list = append(c.list, a.Template)
	}
	slices.SortFunc(c.list, func(a, b streamspace.Template) int {
		return strings.Compare(a.Category+"\x00"+a.DisplayName+"\x00"+a.Name, b.Category+"\x00"+b.DisplayName+"\x00"+b.Name)
	})
	return c, nil
}

// List returns every template, by category and display name.
func (c *Catalog) List() []streamspace.Template { return slices.Clone(c.list) }

// Get returns the template of that name.
func (c *Catalog) Get(name string) (streamspace.Template, bool) {
	a, ok := c.byName[name]
	return a.Template, ok
}

func (c *Catalog) read(files fs.FS, where string) error {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if len(names) > maxTemplates {
		return fmt.Errorf("%s: %d templates are more than %d", where, len(names), maxTemplates)
	}
	var mistakes []error
	seen := make(map[string]string)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", where, err))
			continue
		}
		a, err := Parse(text)
		if err == nil && seen[a.Name] != "" {
			err = fmt.Errorf("name: %s has the name %s too", seen[a.Name], a.Name)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", path.Join(where, name), err))
			continue
		}
		seen[a.Name] = name
		c.byName[a.Name] = a
	}
	return errors.Join(mistakes...)
}

// Parse reads one file. Unknown keys are mistakes; the error lists all of them.
func Parse(text []byte) (Application, error) {
	var a Application
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&a); err != nil {
		return a, fmt.Errorf("reading the template: %w", err)
	}
	return a, errors.Join(check(a.Template), a.Image.check())
}

var (
	slug     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	pkg      = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)
	variable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
)

func check(t streamspace.Template) error {
	var mistakes []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	demand(slug.MatchString(t.Name), "name: %q is not a slug of lower-case letters, digits and dashes", t.Name)
	for key, value := range map[string]string{"displayName": t.DisplayName, "description": t.Description, "category": t.Category} {
		demand(strings.TrimSpace(value) != "" && len(value) <= maxText, "%s: between 1 and %d bytes are needed", key, maxText)
	}
	demand(slices.Contains(Icons, t.Icon), "icon: %q is not one of %s", t.Icon, strings.Join(Icons, ", "))
	demand(len(t.Command) > 0 && len(t.Command) <= maxList && !slices.Contains(t.Command[:min(1, len(t.Command))], ""),
		"command: a program and at most %d arguments are needed", maxList-1)
	demand(len(t.Packages) > 0 && len(t.Packages) <= maxList, "packages: between 1 and %d are needed", maxList)
	for _, p := range t.Packages {
		demand(pkg.MatchString(p), "packages: %q is not the name of a Debian package", p)
	}
	demand(len(t.Tags) <= maxList, "tags: more than %d", maxList)
	demand(len(t.Env) <= maxList, "env: more than %d", maxList)
	for name := range t.Env {
		demand(variable.MatchString(name), "env: %q is not the name of a variable", name)
	}
	idle := time.Duration(t.IdleTimeout)
	demand(idle == 0 || idle >= time.Minute && idle <= maxIdleTimeout, "idleTimeout: %s is neither 0 (never) nor between 1m and %s", idle, maxIdleTimeout)
	demand(t.Network == streamspace.NetworkNone || t.Network == streamspace.NetworkInternet, "network: %q is neither none nor internet", t.Network)
	demand(t.Resources.MemoryBytes == 0 || t.Resources.MemoryBytes >= minMemory, "resources.memoryBytes: less than %d", minMemory)
	demand(t.Resources.CPUs >= 0 && t.Resources.Processes >= 0, "resources: a negative number")
	return errors.Join(mistakes...)
}
