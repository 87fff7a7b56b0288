package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/streamspace/streamspace/images"
)

// Write makes below dir a folder for each image that the named applications are
// made of (none means all), and their templates:
//
//	dir/images             a line for each image, bases first: folder, name, the folder or image it is FROM, architectures
//	dir/docker-bake.json   the same for docker buildx bake
//	dir/base/DISTRIBUTION, dir/base/DISTRIBUTION-ENVIRONMENT, dir/desktop/APPLICATION
//	dir/templates/APPLICATION.yaml
//
// It returns an error that tells every mistake.
func Write(dir string, catalog *images.Catalog, applications []string, names Names) error {
	bases, err := images.Bases()
	if err != nil {
		return err
	}
	chosen, err := choose(catalog, applications)
	if err != nil {
		return err
	}
	w := writer{dir: dir, names: names, done: make(map[string]bool),
		bake: bake{Group: make(map[string]bakeGroup), Target: make(map[string]bakeTarget)}}
	if len(applications) == 0 {
		for _, b := range bases {
			for _, environment := range images.Environments {
				if err := w.base(bases, b.Name+"-"+environment); err != nil {
					return err
				}
			}
		}
	}
	for _, a := range chosen {
		if err := w.application(bases, a); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	text, err := w.bake.text()
	if err != nil {
		return err
	}
	return errors.Join(w.file("images", w.list.Bytes()), w.file("docker-bake.json", text))
}

func choose(catalog *images.Catalog, names []string) ([]images.Application, error) {
	if len(names) == 0 {
		return catalog.Applications(), nil
	}
	var chosen []images.Application
	for _, name := range names {
		a, ok := catalog.Application(name)
		if !ok {
			return nil, fmt.Errorf("there is no application %q in the catalog", name)
		}
		chosen = append(chosen, a)
	}
	return chosen, nil
}

type writer struct {
	dir   string
	names Names
	list  bytes.Buffer
	bake  bake
	done  map[string]bool // bases
}

func (w *writer) application(bases []images.Base, a images.Application) error {
	base := a.Image.Base
	if base == "" {
		base = images.DefaultBase
	}
	if err := w.base(bases, base); err != nil {
		return err
	}
	folder, err := Application(a, w.names)
	if err != nil {
		return err
	}
	text, err := YAML(Template(a, w.names))
	if err != nil {
		return err
	}
	if err := w.file(filepath.Join("templates", a.Name+".yaml"), text); err != nil {
		return err
	}
	return w.image("desktop/"+a.Name, w.names.Desktop(a.Name), w.names.Base(base), architecturesOf(a.Image), folder)
}

// base writes an environment's image and the distribution's, once.
func (w *writer) base(bases []images.Base, name string) error {
	distribution, environment, _ := strings.Cut(name, "-")
	at := slices.IndexFunc(bases, func(b images.Base) bool { return b.Name == distribution })
	if at < 0 {
		return fmt.Errorf("image.base: there is no distribution %q", distribution)
	}
	b := bases[at]
	if !w.done[distribution] {
		w.done[distribution] = true
		folder, err := Distribution(b)
		if err != nil {
			return err
		}
		if b.Suite != "" {
			folder["bootstrap"] = fmt.Appendf(nil, "%s %s %s %s %s\n", b.Suite, b.Mirror, strings.Join(b.Components, ","), b.Keyring, b.Snapshot)
		}
		if err := w.image("base/"+distribution, w.names.Base(distribution), b.From, images.Architectures, folder); err != nil {
			return err
		}
	}
	if w.done[name] {
		return nil
	}
	w.done[name] = true
	folder, err := Environment(b, environment, w.names)
	if err != nil {
		return err
	}
	return w.image("base/"+name, w.names.Base(name), w.names.Base(distribution), images.Architectures, folder)
}

func (w *writer) image(name, reference, from string, architectures []string, folder Folder) error {
	for path, content := range folder {
		if err := w.file(filepath.Join(name, path), content); err != nil {
			return err
		}
	}
	w.bake.add(name, reference, from, architectures)
	_, err := fmt.Fprintf(&w.list, "%s %s %s %s\n", name, reference, from, strings.Join(architectures, ","))
	return err
}

func (w *writer) file(path string, content []byte) error {
	path = filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// Print writes the templates of the named applications (none means all) as one
// stream of documents.
func Print(to io.Writer, catalog *images.Catalog, applications []string, names Names) error {
	chosen, err := choose(catalog, applications)
	if err != nil {
		return err
	}
	for _, a := range chosen {
		text, err := YAML(Template(a, names))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
