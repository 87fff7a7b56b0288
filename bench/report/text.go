package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text renders the tables for a terminal.
func (r *Report) Text() []byte {
	var out bytes.Buffer
	for _, table := range r.Tables {
		table.text(&out)
	}
	return out.Bytes()
}

func (t *Table) text(out *bytes.Buffer) {
	rows := [][]string{{t.Title}}
	for _, column := range t.Columns {
		rows[0] = append(rows[0], column.Title)
	}
	for _, row := range t.Rows {
		if row.NotMeasured != "" {
			rows = append(rows, []string{row.Subject, "not measured: " + row.NotMeasured})
			continue
		}
		rows = append(rows, append([]string{row.Subject}, t.cells(row)...))
	}
	widths := make([]int, len(t.Columns)+1)
	for _, row := range rows {
		if len(row) != len(widths) {
			continue // one that was not measured takes the rest of its line
		}
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		var line strings.Builder
		for column, cell := range row {
			gap := strings.Repeat(" ", max(0, widths[column]-utf8.RuneCountInString(cell)))
			switch {
			case column == 0:
				line.WriteString(cell + gap)
			case len(row) != len(widths):
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + gap + cell)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
		if i == 0 {
			fmt.Fprintln(out, strings.Repeat("─", utf8.RuneCountInString(line.String())))
		}
	}
	for _, comparison := range t.Comparisons {
		fmt.Fprintf(out, "%s\n", strings.ReplaceAll(t.sentence(comparison), "**", ""))
	}
	fmt.Fprintln(out)
}
