package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// AddFlags declares every setting of the role, and config, on the flag set.
func AddFlags(flags *pflag.FlagSet, role Role) {
	flags.String("config", "", "`file` with settings; see 'streamspace config' (STREAMSPACE_CONFIG)")
	for _, s := range settings {
		if s.roles&role == 0 {
			continue
		}
		usage := fmt.Sprintf("%s (%s)", s.usage, s.env())
		if s.flag {
			flags.Bool(s.key, false, usage)
		} else {
			flags.String(s.key, "", usage)
		}
	}
}

// Load reads the configuration of one start in a role. environ is like
// os.Environ's result. The error lists every mistake, one a line. Settings of
// other roles may be there: one file serves all processes of a fleet.
func Load(flags *pflag.FlagSet, environ []string, role Role) (Config, error) {
	c := Default()
	var mistakes []error

	env, unknown := environment(environ)
	mistakes = append(mistakes, unknown...)

	path := env["config"]
	if flag := flags.Lookup("config"); flag != nil && flag.Changed {
		path = flag.Value.String()
	}
	if path != "" {
		mistakes = append(mistakes, c.loadFile(path)...)
	}
	for _, s := range settings {
		if value, ok := env[s.key]; ok {
			if err := s.set(&c, value); err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s: %w", s.env(), err))
			}
		}
	}
	for _, s := range settings {
		if flag := flags.Lookup(s.key); flag != nil && flag.Changed {
			if err := s.set(&c, flag.Value.String()); err != nil {
				mistakes = append(mistakes, fmt.Errorf("--%s: %w", s.key, err))
			}
		}
	}
	mistakes = append(mistakes, c.check(role))
	return c, errors.Join(mistakes...)
}

// environment returns the STREAMSPACE_… variables by key.
func environment(environ []string) (map[string]string, []error) {
	values := make(map[string]string)
	var unknown []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "STREAMSPACE_") {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "STREAMSPACE_"), "_", "-"))
		if _, ok := find(key); !ok && key != "config" {
			unknown = append(unknown, fmt.Errorf("%s: no such setting%s", name, suggestion(key)))
			continue
		}
		values[key] = value
	}
	return values, unknown
}

// loadFile applies a YAML mapping of scalars (or, for lists, sequences of
// scalars) and returns every mistake with its line.
func (c *Config) loadFile(path string) []error {
	text, err := os.ReadFile(path)
	if err != nil {
		return []error{fmt.Errorf("configuration file: %w", err)}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", path, err)}
	}
	var mistakes []error
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		mapping, ok := doc.Body.(ast.MapNode)
		if !ok {
			return []error{fmt.Errorf("%s: the file is not a list of `key: value` lines", path)}
		}
		for entries := mapping.MapRange(); entries.Next(); {
			if err := c.apply(entries.Key(), entries.Value()); err != nil {
				line := entries.Key().GetToken().Position.Line
				mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", path, line, err))
			}
		}
	}
	return mistakes
}

func (c *Config) apply(key, value ast.Node) error {
	name := key.GetToken().Value
	s, ok := find(name)
	if !ok {
		return fmt.Errorf("%s: no such setting%s", name, suggestion(name))
	}
	text, err := scalar(value)
	if err == nil {
		err = s.set(c, text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func scalar(node ast.Node) (string, error) {
	switch node := node.(type) {
	case *ast.NullNode:
		return "", nil
	case *ast.SequenceNode:
		var items []string
		for _, item := range node.Values {
			text, err := scalar(item)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), nil
	case *ast.StringNode:
		return node.Value, nil
	case ast.ScalarNode:
		return node.GetToken().Value, nil
	}
	return "", fmt.Errorf("a %s is not expected here", strings.ToLower(node.Type().String()))
}

// suggestion names the setting that a mistyped key is closest to.
func suggestion(key string) string {
	i := slices.IndexFunc(settings, func(s setting) bool {
		return strings.ReplaceAll(s.key, "-", "") == strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(key)) ||
			len(key) > 3 && (strings.HasPrefix(s.key, key) || strings.HasPrefix(key, s.key))
	})
	if i < 0 {
		return " (streamspace config shows all)"
	}
	return fmt.Sprintf(" (did you mean %s?)", settings[i].key)
}
