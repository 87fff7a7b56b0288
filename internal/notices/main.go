// Command notices writes the licences of everything that the binaries and the
// web page contain: the Go modules linked into cmd/…, and the npm packages
// that the web build may bundle.
//
// usage: go run ./internal/notices > THIRD_PARTY_NOTICES.txt
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is one third-party module or package.
type part struct {
	name, version string
	dir           string
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|ofl)([.-].*)?$`)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run() error {
	modules, err := goModules()
	if err != nil {
		return err
	}
	packages, err := npmPackages("web")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, "Third-party notices\n\nStreamSpace contains the following software. Written by `make gen`; do not edit.\n")
	for _, p := range append(modules, packages...) {
		texts, err := p.licences()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n%s %s\n%s\n\n", strings.Repeat("=", 80), p.name, p.version, strings.Repeat("=", 80))
		for _, text := range texts {
			fmt.Fprintf(out, "%s\n", text)
		}
	}
	return out.Flush()
}

// goModules lists what the binaries link.
func goModules() ([]part, error) {
	out, err := exec.Command("go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list ./cmd/...: %w", err)
	}
	var parts []part
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(strings.TrimSpace(line), "\t"); len(fields) == 3 {
			parts = append(parts, part{fields[0], fields[1], fields[2]})
		}
	}
	return tidy(parts), nil
}

// npmPackages lists what the lock file does not mark as for development only.
func npmPackages(dir string) ([]part, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version  string
			Dev      bool
			Optional bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("%s/package-lock.json: %w", dir, err)
	}
	var parts []part
	for path, p := range lock.Packages {
		_, name, ok := lastCut(path, "node_modules/")
		if !ok || p.Dev || p.Optional {
			continue
		}
		parts = append(parts, part{name, p.Version, filepath.Join(dir, path)})
	}
	return tidy(parts), nil
}

func lastCut(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func tidy(parts []part) []part {
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name+"@"+a.version, b.name+"@"+b.version) })
	return slices.CompactFunc(parts, func(a, b part) bool { return a.name == b.name && a.version == b.version })
}

// licences returns the texts that the part ships, or what its package.json
// says when it ships none.
func (p part) licences() ([]string, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("licence of %s: %w", p.name, err)
	}
	var texts []string
	for _, entry := range entries {
		if entry.Type() != fs.FileMode(0) || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(p.dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	if len(texts) > 0 {
		return texts, nil
	}
	text, err := os.ReadFile(filepath.Join(p.dir, "package.json"))
	if err != nil {
		return nil, fmt.Errorf("%s %s ships no licence: look at it by hand", p.name, p.version)
	}
	var manifest struct {
		License string
		Author  any
	}
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.License == "" {
		return nil, fmt.Errorf("%s %s names no licence: look at it by hand", p.name, p.version)
	}
	return []string{fmt.Sprintf("License: %s (as its package.json says; it ships no text)\n", manifest.License)}, nil
}
