// Package compose tests the Compose file: that it is one, and that what it starts
// is bounded and harmless.
package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// load reads the file as docker compose would, with these variables.
func load(t *testing.T, variables ...string) (map[string]service, error) {
	t.Helper()
	file, err := filepath.Abs("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "-C", "../../internal/tools/compose", "run", ".", file)
	cmd.Env = append(os.Environ(), variables...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaint.String())
	}
	var project struct {
		Services map[string]service `json:"services"`
	}
	if err := json.Unmarshal(out, &project); err != nil {
		t.Fatal(err)
	}
	return project.Services, nil
}

type service struct {
	Privileged  bool              `json:"privileged"`
	ReadOnly    bool              `json:"read_only"`
	CapAdd      []string          `json:"cap_add"`
	CapDrop     []string          `json:"cap_drop"`
	SecurityOpt []string          `json:"security_opt"`
	MemLimit    string            `json:"mem_limit"`
	Environment map[string]string `json:"environment"`
	Volumes     []struct {
		Type string `json:"type"`
	} `json:"volumes"`
	Ports []struct {
		Protocol string `json:"protocol"`
	} `json:"ports"`
}

func TestCompose(t *testing.T) {
	t.Parallel()
	services, err := load(t, "STREAMSPACE_URL=https://desks.example:8443", "POSTGRES_PASSWORD=made-up")
	if err != nil {
		t.Fatal(err)
	}
	if len(services) != 2 {
		t.Errorf("%d services", len(services))
	}
	for name, s := range services {
		if s.Privileged || len(s.CapAdd) > 0 || !slices.Equal(s.CapDrop, []string{"ALL"}) || !s.ReadOnly || s.MemLimit == "" {
			t.Errorf("%s is not harmless: %+v", name, s)
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				t.Errorf("%s sees the host's files", name)
			}
		}
		if name != "streamspace" && len(s.Ports) > 0 {
			t.Errorf("%s can be reached from outside", name)
		}
	}
	if url := services["streamspace"].Environment["STREAMSPACE_POSTGRES_URL"]; url != "postgres://streamspace:made-up@postgres/streamspace?sslmode=disable" {
		t.Errorf("the database is at %q", url)
	}
}

func TestNoPasswordHasADefault(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"POSTGRES_PASSWORD", "STREAMSPACE_URL"} {
		if _, err := load(t, map[string]string{"POSTGRES_PASSWORD": "STREAMSPACE_URL=https://x", "STREAMSPACE_URL": "POSTGRES_PASSWORD=x"}[missing]); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}
