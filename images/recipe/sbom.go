package recipe

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// SBOM is a list of what is in an image, as SPDX 2.3 JSON.
type SBOM struct {
	Name         string    // of the image
	Architecture string    // amd64, arm64
	Created      time.Time // of the image: the same image has the same list
}

// pkg is one package of the distribution.
type pkg struct{ name, version, architecture, source string }

// Write lists the packages that the image's root folder says are installed:
// dpkg's or apk's own records. What came as a download is not among them; the
// catalog's file has its digest.
func (s SBOM) Write(to io.Writer, root fs.FS) error {
	packages, kind, err := installed(root)
	if err != nil {
		return fmt.Errorf("reading what is installed: %w", err)
	}
	distribution, err := release(root)
	if err != nil {
		return err
	}
	type ref struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	type entry struct {
		ID       string `json:"SPDXID"`
		Name     string `json:"name"`
		Version  string `json:"versionInfo,omitempty"`
		Source   string `json:"sourceInfo,omitempty"`
		Download string `json:"downloadLocation"`
		Analyzed bool   `json:"filesAnalyzed"`
		Refs     []ref  `json:"externalRefs,omitempty"`
	}
	type relation struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
	entries := []entry{{ID: "SPDXRef-image", Name: s.Name, Download: "NOASSERTION"}}
	relations := []relation{{"SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"}}
	sum := sha256.New()
	for n, p := range packages {
		id := fmt.Sprintf("SPDXRef-%d", n+1)
		locator := fmt.Sprintf("pkg:%s/%s/%s@%s?arch=%s", kind, distribution, p.name, strings.ReplaceAll(p.version, "+", "%2B"), p.architecture)
		e := entry{ID: id, Name: p.name, Version: p.version, Download: "NOASSERTION", Refs: []ref{{"PACKAGE-MANAGER", "purl", locator}}}
		if p.source != "" {
			e.Source = "built from " + p.source
		}
		entries = append(entries, e)
		relations = append(relations, relation{"SPDXRef-image", "CONTAINS", id})
		fmt.Fprintln(sum, locator)
	}
	out := json.NewEncoder(to)
	out.SetIndent("", " ")
	return out.Encode(map[string]any{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": s.Name + " " + s.Architecture,
		// Unique by content, as the standard wants.
		"documentNamespace": "https://stream.space/sbom/" + hex.EncodeToString(sum.Sum(nil)),
		"creationInfo":      map[string]any{"created": s.Created.UTC().Format(time.RFC3339), "creators": []string{"Tool: streamspace-catalog"}},
		"packages":          entries,
		"relationships":     relations,
	})
}

func installed(root fs.FS) (packages []pkg, kind string, err error) {
	file, err := root.Open("var/lib/dpkg/status")
	if err == nil {
		packages, err = stanzas(file, ": ", map[string]string{"Package": "name", "Version": "version", "Architecture": "architecture", "Source": "source", "Status": "status"})
		return packages, "deb", err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if file, err = root.Open("lib/apk/db/installed"); err != nil {
		return nil, "", err
	}
	packages, err = stanzas(file, ":", map[string]string{"P": "name", "V": "version", "A": "architecture", "o": "source"})
	return packages, "apk", err
}

// maxLine is more than any line of dpkg's records has: those with descriptions
// and lists of files are the longest.
const maxLine = 4 << 20

// stanzas reads records of "Key: value" lines with empty lines between them.
func stanzas(file fs.File, separator string, keys map[string]string) ([]pkg, error) {
	defer file.Close()
	var packages []pkg
	record := make(map[string]string)
	end := func() {
		if record["name"] != "" && (record["status"] == "" || strings.HasSuffix(record["status"], " installed")) {
			packages = append(packages, pkg{record["name"], record["version"], record["architecture"], record["source"]})
		}
		clear(record)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if lines.Text() == "" {
			end()
			continue
		}
		key, value, _ := strings.Cut(lines.Text(), separator)
		if name, ok := keys[key]; ok {
			record[name] = value
		}
	}
	end()
	slices.SortFunc(packages, func(a, b pkg) int { return strings.Compare(a.name+" "+a.architecture, b.name+" "+b.architecture) })
	return packages, lines.Err()
}

// release is the distribution's id.
func release(root fs.FS) (string, error) {
	text, err := fs.ReadFile(root, "usr/lib/os-release") // /etc/os-release is a link that may lead out of the root
	if err != nil {
		return "", fmt.Errorf("reading which distribution it is: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
			return strings.Trim(id, `"`), nil
		}
	}
	return "", errors.New("os-release names no distribution")
}
