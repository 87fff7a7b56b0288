package helm

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/streamspace/streamspace/internal/config"
)

// roles are what the containers of the chart are, by their first argument.
var roles = map[string]config.Role{"controlplane": config.RoleControlPlane, "gateway": config.RoleGateway, "operator": config.RoleOperator}

// What the chart tells the processes, they understand.
func TestSettingsAreUnderstood(t *testing.T) {
	t.Parallel()
	mounted := filepath.Join(t.TempDir(), "mounted") // what Secrets are mounted as
	if err := os.WriteFile(mounted, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, values := range valueSets(t) {
		tried := make(map[string]bool)
		for _, object := range objects(t, render(t, values)) {
			pod := podOf(t, object)
			if pod == nil {
				continue
			}
			for _, c := range specOf(t, pod).Containers {
				if len(c.Args) == 0 || roles[c.Args[0]] == 0 {
					continue
				}
				tried[c.Args[0]] = true
				flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
				if _, err := config.Load(flags, environment(c.Env, mounted), roles[c.Args[0]]); err != nil {
					t.Errorf("%s: %s: %v", values, c.Name, err)
				}
			}
		}
		if !tried["controlplane"] || !tried["gateway"] {
			t.Errorf("%s: only %v were tried", values, tried)
		}
	}
}

var reference = regexp.MustCompile(`\$\([A-Z_]+\)`)

// environment is what a container would see, with stand-ins for what only a
// cluster knows.
func environment(variables []corev1.EnvVar, mounted string) (environ []string) {
	standIns := map[string]string{
		"STREAMSPACE_POSTGRES_URL": "postgres://u:p@db/streamspace", "STREAMSPACE_REDIS_URL": "redis://:p@redis/0",
		"STREAMSPACE_WEBRTC_PUBLIC_ADDRESSES": "192.0.2.1",
	}
	for _, v := range variables {
		value := v.Value
		if v.ValueFrom != nil {
			value = standIns[v.Name]
		}
		if strings.HasPrefix(value, "/etc/streamspace/") {
			value = mounted
		}
		environ = append(environ, v.Name+"="+reference.ReplaceAllString(value, "10.0.0.1"))
	}
	return environ
}
