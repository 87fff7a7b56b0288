package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
)

// Markdown renders the report for people.
func (r *Report) Markdown() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n\n", r.Title)
	fmt.Fprintf(&out, "`%s` at commit %s, %s.\n", r.Command, r.Commit, r.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(&out, "%s.\n\n", r.Machine)
	writeFacts(&out, "Versions", r.Versions)
	writeFacts(&out, "Parameters", r.Parameters)
	for _, table := range r.Tables {
		table.markdown(&out)
	}
	if len(r.Notes) > 0 {
		out.WriteString("## Notes\n\n")
		for _, note := range r.Notes {
			fmt.Fprintf(&out, "- %s\n", note)
		}
	}
	return out.Bytes()
}

func writeFacts(out *bytes.Buffer, title string, facts []Fact) {
	if len(facts) == 0 {
		return
	}
	parts := make([]string, len(facts))
	for i, fact := range facts {
		parts[i] = fact.Name + " " + fact.Value
	}
	fmt.Fprintf(out, "%s: %s.\n\n", title, strings.Join(parts, "; "))
}

func (t *Table) markdown(out *bytes.Buffer) {
	fmt.Fprintf(out, "## %s\n\nMedian of the rounds, smallest and largest in brackets.\n\n|", t.Title)
	for _, column := range t.Columns {
		fmt.Fprintf(out, " | %s", column.Title)
	}
	out.WriteString(" | rounds |\n| ---")
	out.WriteString(strings.Repeat(" | ---:", len(t.Columns)+1))
	out.WriteString(" |\n")
	for _, row := range t.Rows {
		fmt.Fprintf(out, "| %s", row.Subject)
		if row.NotMeasured != "" {
			fmt.Fprintf(out, " | not measured: %s%s |\n", row.NotMeasured, strings.Repeat(" |", len(t.Columns)))
			continue
		}
		rounds := 0
		for _, column := range t.Columns {
			values := measured(row.Values(column.Key))
			rounds = max(rounds, len(values))
			fmt.Fprintf(out, " | %s", spread(values, column.Digits))
		}
		fmt.Fprintf(out, " | %d |\n", rounds)
	}
	out.WriteString("\n")
	for _, comparison := range t.Comparisons {
		fmt.Fprintf(out, "- %s\n", t.sentence(comparison))
	}
	if len(t.Comparisons) > 0 {
		out.WriteString("\n")
	}
}

// spread prints the median and, when there are several values, the range.
func spread(values []float64, digits int) string {
	switch len(values) {
	case 0:
		return "–"
	case 1:
		return number(values[0], digits)
	}
	return fmt.Sprintf("%s (%s…%s)", number(Median(values), digits), number(Quantile(values, 0), digits), number(Quantile(values, 1), digits))
}

func number(value float64, digits int) string {
	if math.IsNaN(value) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, value)
}

func (t *Table) sentence(c Comparison) string {
	title, digits := c.Column, 2
	for _, column := range t.Columns {
		if column.Key == c.Column {
			title = column.Title
			if c.Relation != Ratio {
				digits = column.Digits
			}
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s", title, c.Subject)
	switch c.Relation {
	case Ratio:
		fmt.Fprintf(&text, " / %s", c.Base)
	case Difference:
		fmt.Fprintf(&text, " − %s", c.Base)
	}
	if len(c.Values) == 0 {
		text.WriteString(": not measured")
		return text.String()
	}
	values := make([]float64, len(c.Values))
	for i, value := range c.Values {
		values[i] = float64(value)
	}
	fmt.Fprintf(&text, ": **%s**", spread(values, digits))
	if c.Met != nil {
		verdict := "met"
		if !*c.Met {
			verdict = "MISSED"
		}
		fmt.Fprintf(&text, ", target at most %s: %s", number(*c.AtMost, digits), verdict)
	}
	return text.String()
}
