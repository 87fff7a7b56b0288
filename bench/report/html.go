package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// HTML renders the report as one page that needs nothing else: plots are
// inline SVG, colours follow the reader's choice of light or dark.
func (r *Report) HTML() ([]byte, error) {
	page, err := template.New("report").Funcs(template.FuncMap{
		"svg":      func(p *Plot) template.HTML { return template.HTML(p.SVG()) }, // escapes what it prints
		"class":    func(i int) string { return fmt.Sprintf("c%d", i%colours) },
		"cells":    func(t *Table, row *Row) []string { return t.cells(row) },
		"sentence": func(t *Table, c Comparison) string { return strings.ReplaceAll(t.sentence(c), "**", "") },
		"deref":    func(met *bool) bool { return *met },
		"time":     func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reading the report's page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, r); err != nil {
		return nil, fmt.Errorf("writing the report's page: %w", err)
	}
	return out.Bytes(), nil
}

// cells are a row's medians with their ranges.
func (t *Table) cells(row *Row) []string {
	cells := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		cells[i] = spread(measured(row.Values(column.Key)), column.Digits)
	}
	return cells
}
