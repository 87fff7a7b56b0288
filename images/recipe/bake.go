package recipe

import (
	"encoding/json"
	"strings"
)

// bake is what `docker buildx bake` builds the same images from: a target for
// each, FROM the targets before it, with an SBOM and provenance attached.
type bake struct {
	Group  map[string]bakeGroup  `json:"group"`
	Target map[string]bakeTarget `json:"target"`
}

type bakeGroup struct {
	Targets []string `json:"targets"`
}

type bakeTarget struct {
	Context   string            `json:"context"`
	File      string            `json:"dockerfile"`
	Contexts  map[string]string `json:"contexts,omitempty"` // what FROM names, made by another target
	Platforms []string          `json:"platforms"`
	Tags      []string          `json:"tags"`
	Attest    []string          `json:"attest"`
	Output    []string          `json:"output"`
}

// add notes an image; from is the one that it is FROM.
func (b *bake) add(folder, reference, from string, architectures []string) {
	target := targetName(folder)
	t := bakeTarget{
		Context: folder, File: "Containerfile", Tags: []string{reference},
		Attest: []string{"type=sbom", "type=provenance,mode=max"},
		// Files get the time SOURCE_DATE_EPOCH, as with buildah.
		Output: []string{"type=image,rewrite-timestamp=true"},
	}
	for _, a := range architectures {
		t.Platforms = append(t.Platforms, "linux/"+a)
	}
	for other, o := range b.Target {
		if o.Tags[0] == from {
			t.Contexts = map[string]string{from: "target:" + other}
		}
	}
	b.Target[target] = t
	group := b.Group["default"]
	group.Targets = append(group.Targets, target)
	b.Group["default"] = group
}

func (b *bake) text() ([]byte, error) {
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// targetName is the folder's name without what targets may not have.
func targetName(folder string) string { return strings.NewReplacer("/", "-", ".", "_").Replace(folder) }
