package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/streamspace/streamspace"

// rule says which of our packages the packages of a room may import. A room is
// a folder with everything below it that has no rule of its own.
type rule struct {
	room   string
	may    []string // rooms, "." is the root package; a room may always import itself and what is below it
	reason string
}

var rules = []rule{
	{".", nil, "the vocabulary is what everything imports, so it imports nothing"},
	{"rfb", nil, "a protocol library that strangers can use: it knows nothing of us"},
	{"rfb/picture", []string{"rfb"}, "pixels out of rectangles: it knows nothing of connections"},
	{"rfb/tight", []string{"rfb"}, "rectangles out of pixels: it knows nothing of who gets them"},
	{"rfb/rfbtest", nil, "starts servers and speaks nothing with them"},
	{"gateway", []string{".", "rfb", "broker"}, "the edge moves frames and never learns why a desktop runs"},
	{"gateway/ticket", []string{"."}, "checked without asking anyone"},
	{"gateway/relay", []string{".", "rfb"}, "bytes between two sockets; policy comes in as plain values"},
	{"gateway/hub", []string{".", "rfb", "gateway/relay", "gateway/video"}, "one upstream, many viewers; who may do what comes in with each viewer"},
	{"gateway/tree", []string{".", "gateway/ticket", "gateway/room"}, "between two gateways: it knows their keys and words, and nothing of desktops"},
	{"gateway/ingress", []string{"."}, "answers load balancers with what it is handed"},
	{"gateway/room", []string{"."}, "who has control, decided without sockets and clocks"},
	{"gateway/rtc", nil, "a browser's connection: it knows nothing of what goes through it"},
	{"gateway/sound", []string{"."}, "packets out of samples: it knows nothing of who listens, nor how they travel"},
	{"gateway/video", []string{".", "rfb"}, "video out of pixels: it knows nothing of who watches"},
	{"broker", []string{"."}, "the seam itself: it depends on neither side"},
	{"broker/memory", []string{".", "broker"}, "one of the broker's two implementations"},
	{"broker/redis", []string{".", "broker"}, "the other one"},
	{"broker/redis/redistest", nil, "starts servers and knows nothing of what is kept in them"},
	{"broker/quota", []string{"broker"}, "counts, and knows nothing of what"},
	{"broker/brokertest", []string{".", "broker"}, "the suite sees the interface only"},
	{"controlplane/store", []string{"."}, "rows know nothing of who reads them"},
	{"controlplane/identity", []string{".", "controlplane/store"}, "accounts are rows and rules"},
	{"controlplane/runtime", []string{"."}, "the seam to where desktops run"},
	{"controlplane/runtime/process", []string{".", "controlplane/runtime", "images", "rfb"}, "starts the agent and speaks its status protocol"},
	{"controlplane/runtime/kube", []string{".", "controlplane/runtime", "controlplane/operator"}, "says what should run in the words of the cluster's objects; the operator, which acts on them, is there for tests"},
	{"controlplane/runtime/runtimetest", []string{".", "controlplane/runtime"}, "the suite sees the interface only"},
	{"controlplane/operator/v1alpha1", nil, "what is said to a cluster, without behaviour"},
	{"controlplane/operator", []string{"images/agent"}, "speaks with an API server alone, and writes what the agent reads: it runs without database, broker and gateway"},
	{"controlplane/operator/kubetest", []string{"controlplane/operator/v1alpha1"}, "starts an API server and knows nothing of who acts on what is in it"},
	{"controlplane/lifecycle", []string{".", "controlplane/store", "controlplane/runtime", "broker"}, "decides what runs and never sees a frame"},
	{"controlplane/api", []string{".", "controlplane", "broker", "gateway/ticket"}, "HTTP over the control plane"},
	{"images", []string{"."}, "data, and the code that reads it"},
	{"images/recipe", []string{".", "images", "images/agent", "controlplane/operator/v1alpha1"}, "writes what builders and clusters read, and builds nothing"},
	{"images/boot", []string{"images/agent"}, "starts built images and looks at them as a stranger would"},
	{"images/agent", []string{".", "rfb"}, "goes into every desktop image, so it stays small"},
	{"deploy/compose", nil, "tests of the Compose file"},
	{"deploy/helm", []string{".", "internal/config", "controlplane", "images", "images/recipe"}, "tests of the chart"},
	{"bench", []string{"rfb"}, "a black box: it measures our endpoints as it measures others'"},
	{"bench/cmd", []string{"rfb", "bench", "gateway", "broker", ".", "internal"}, "mains wire; the process under test is started here"},
	{"web", nil, "the embedded build of the web UI"},
	{"internal", nil, "leaves named for one thing each"},
	{"internal/app", []string{".", "rfb", "gateway", "broker", "controlplane", "images", "web", "internal"}, "the only place where parts are wired"},
	{"internal/command", []string{".", "internal", "bench", "images"}, "the command line calls the wiring; `streamspace bench` is for everybody, so it is a sub-command and no program of its own"},
	{"cmd/streamspace", []string{"internal/command"}, "a main is a door, not a room"},
	{"deploy/e2e", []string{"bench/browser", "bench/product"}, "people at a cluster: it knows what they see and type, and nothing of what answers"},
	{"cmd/streamspace-agent", []string{"images/agent"}, "a main is a door, not a room"},
	{"cmd/streamspace-scene", []string{"bench/scene", "bench/stage"}, "what is measured in front of, inside a desktop: it links nothing of ours but the picture"},
}

// forbidden dependencies, direct or not, of a binary that must stay small.
var forbidden = map[string][]string{
	"cmd/streamspace-agent": {"github.com/jackc/", "k8s.io/", "github.com/pion/", "github.com/prometheus/", "github.com/gorilla/", "github.com/danielgtaylor/"},
	"cmd/streamspace-scene": {"github.com/jackc/", "github.com/prometheus/", "github.com/gorilla/", "github.com/danielgtaylor/", "github.com/spf13/"},
	"rfb":                   {"log/slog", "github.com/", "golang.org/x/"},
	"rfb/picture":           {"log/slog", "golang.org/x/", "github.com/ebitengine/", "github.com/prometheus/", "github.com/gorilla/"},
	"rfb/tight":             {"log/slog", "golang.org/x/", "github.com/prometheus/", "github.com/gorilla/"},
	"gateway/video":         {"log/slog", "github.com/prometheus/", "github.com/gorilla/", "github.com/pion/"},
	".":                     {"github.com/jackc/", "github.com/prometheus/", "golang.org/x/"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Doc        string
	Dir        string
	GoFiles    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Doc,Dir,GoFiles", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// root is the top folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// inModule returns the package's folder, "." for the root package.
func inModule(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// roomOf returns the rule of the closest room that holds the folder.
func roomOf(folder string) (rule, bool) {
	for dir := folder; ; dir = path.Dir(dir) {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.room == dir })
		if i >= 0 && (dir != "." || folder == ".") {
			return rules[i], true
		}
		if dir == "." {
			return rule{}, false
		}
	}
}

func within(folder, room string) bool {
	return folder == room || room != "." && strings.HasPrefix(folder, room+"/")
}

func TestImportRules(t *testing.T) {
	for _, p := range list(t) {
		folder, _ := inModule(p.ImportPath)
		r, ok := roomOf(folder)
		if !ok {
			t.Errorf("%s stands in no room: give it a rule here and a line in docs/ARCHITECTURE.md", folder)
			continue
		}
		for _, imported := range p.Imports {
			other, ours := inModule(imported)
			if !ours || within(other, r.room) {
				continue
			}
			if !slices.ContainsFunc(r.may, func(room string) bool { return within(other, room) }) {
				t.Errorf("%s imports %s, which %s may not: %s", folder, other, r.room, r.reason)
			}
		}
		for _, prefix := range forbidden[folder] {
			if i := slices.IndexFunc(p.Deps, func(dep string) bool { return strings.HasPrefix(dep, prefix) && !strings.HasPrefix(dep, module) }); i >= 0 {
				t.Errorf("%s links %s: %s", folder, p.Deps[i], r.reason)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	banned := []string{"util", "utils", "common", "types", "helpers", "helper", "manager", "misc", "base"}
	for _, p := range list(t) {
		folder, _ := inModule(p.ImportPath)
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package doc", folder)
		}
		if slices.Contains(banned, path.Base(folder)) {
			t.Errorf("%s: a package is named by the noun it owns", folder)
		}
	}
}
