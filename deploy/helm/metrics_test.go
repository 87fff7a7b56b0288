package helm

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Every metric in a dashboard or an alert is one that the product has.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	for _, want := range []string{"streamspace_gateway_viewers", "streamspace_lifecycle_sessions", "streamspace_api_request_duration_seconds_bucket", "streamspace_gateway_hub_viewers"} {
		if !known[want] {
			t.Errorf("the product's sources were read wrongly: %s is not among %d metrics", want, len(known))
		}
	}
	used := 0
	for where, expressions := range map[string][]string{"alerts": readAlerts(t), "dashboards": readDashboards(t)} {
		for _, expression := range expressions {
			for _, name := range metricsIn(expression) {
				used++
				if !known[name] {
					t.Errorf("%s: there is no metric %s: %s", where, name, expression)
				}
			}
		}
	}
	if used < 40 {
		t.Errorf("only %d metrics were found in dashboards and alerts", used)
	}
}

var (
	metric   = regexp.MustCompile(`\b(streamspace|process|go|up)(_[a-z0-9_]+)?\b`)
	matchers = regexp.MustCompile(`\{[^}]*\}|by \([^)]*\)|"[^"]*"`)
)

func metricsIn(expression string) []string {
	return metric.FindAllString(matchers.ReplaceAllString(expression, ""), -1)
}

func readDashboards(t *testing.T) (expressions []string) {
	t.Helper()
	files, err := filepath.Glob(chart + "/files/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	seen := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			UID    string `json:"uid"`
			Title  string `json:"title"`
			Panels []struct {
				Title   string `json:"title"`
				Targets []struct {
					Expr string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if dashboard.UID == "" || seen[dashboard.UID] != "" {
			t.Errorf("%s: uid %q is empty, or that of %s too", file, dashboard.UID, seen[dashboard.UID])
		}
		seen[dashboard.UID] = file
		for _, panel := range dashboard.Panels {
			if panel.Title == "" || len(panel.Targets) == 0 {
				t.Errorf("%s: a panel %q shows nothing", file, panel.Title)
			}
			for _, target := range panel.Targets {
				if len(metricsIn(target.Expr)) == 0 {
					t.Errorf("%s: panel %q has no metric: %s", file, panel.Title, target.Expr)
				}
				expressions = append(expressions, target.Expr)
			}
		}
	}
	return expressions
}

// metrics is every name that the product's registries can hold: read from where
// the collectors are made, since a registry does not tell of vectors that are
// still empty; and the Go and process collectors', which do.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{"up": true} // Prometheus' own
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		known[family.GetName()] = true
	}
	for _, room := range []string{"broker", "controlplane", "gateway", "internal"} {
		err := filepath.WalkDir(filepath.Join("../..", room), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err == nil {
				readMetrics(file, known)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return known
}

// readMetrics finds names in the two ways in which they are written: in the
// options of a collector, with or without a prefix that is a constant, and as the
// argument of a function that puts its parameter behind the prefix.
func readMetrics(file *ast.File, known map[string]bool) {
	prefix := ""
	makers := make(map[string]bool) // functions whose first argument is a name behind the prefix
	add := func(name string) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known[name+suffix] = true
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ValueSpec:
			if len(n.Names) == 1 && n.Names[0].Name == "prefix" && len(n.Values) == 1 {
				prefix = literal(n.Values[0])
			}
		case *ast.AssignStmt:
			if function, ok := n.Rhs[0].(*ast.FuncLit); ok && namesItsParameter(function) {
				makers[n.Lhs[0].(*ast.Ident).Name] = true
			}
		case *ast.KeyValueExpr:
			key, ok := n.Key.(*ast.Ident)
			if !ok || key.Name != "Name" {
				break
			}
			if sum, ok := n.Value.(*ast.BinaryExpr); ok && literal(sum.Y) != "" {
				add(prefix + literal(sum.Y))
			} else if name := literal(n.Value); strings.HasPrefix(name, "streamspace_") {
				add(name)
			}
		case *ast.CallExpr:
			if function, ok := n.Fun.(*ast.Ident); ok && makers[function.Name] && len(n.Args) > 0 && literal(n.Args[0]) != "" {
				add(prefix + literal(n.Args[0]))
			}
		}
		return true
	})
}

// namesItsParameter says whether the function makes a collector whose name ends
// with what it is given.
func namesItsParameter(function *ast.FuncLit) bool {
	found := false
	ast.Inspect(function.Body, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := pair.Key.(*ast.Ident)
		sum, isSum := pair.Value.(*ast.BinaryExpr)
		if ok && isSum && key.Name == "Name" {
			_, found = sum.Y.(*ast.Ident)
		}
		return true
	})
	return found
}

func literal(e ast.Expr) string {
	text, ok := e.(*ast.BasicLit)
	if !ok || text.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(text.Value)
	if err != nil {
		return ""
	}
	return value
}
