// Package report turns measured rounds into a result: medians, pairwise
// comparisons, verdicts on targets, and the circumstances under which they
// hold, as JSON for machines and as a table for people. It measures nothing.
package report

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Report is the result of one experiment.
type Report struct {
	Experiment string    `json:"experiment"` // short name, part of the file name
	Title      string    `json:"title"`
	At         time.Time `json:"at"`
	Commit     string    `json:"commit"`
	Command    string    `json:"command"`
	Machine    Machine   `json:"machine"`
	Versions   []Fact    `json:"versions"`
	Parameters []Fact    `json:"parameters"`
	Tables     []*Table  `json:"tables"`
	Plots      []*Plot   `json:"plots,omitempty"`
	Notes      []string  `json:"notes,omitempty"`
}

// Fact is a named value, in the order in which it is to be read.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Table holds the rounds of several subjects measured side by side.
type Table struct {
	Title       string       `json:"title"`
	Columns     []Column     `json:"columns"`
	Rows        []*Row       `json:"rows"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
}

// Column is one quantity.
type Column struct {
	Key    string `json:"key"`
	Title  string `json:"title"` // with the unit
	Digits int    `json:"digits"`
}

// Row is one subject. Rounds holds, for each column's key, one value a round;
// a round that failed holds NaN, in JSON null.
type Row struct {
	Subject     string              `json:"subject"`
	Rounds      map[string][]Number `json:"rounds,omitempty"`
	NotMeasured string              `json:"notMeasured,omitempty"` // why there are no rounds
}

// Number is a float64 whose NaN is null in JSON.
type Number float64

// MarshalJSON writes NaN, which JSON does not know, as null.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as NaN.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// Relation says how a comparison combines the two values of a round.
type Relation string

const (
	Ratio      Relation = "ratio"      // subject / base
	Difference Relation = "difference" // subject - base
	Value      Relation = "value"      // the subject alone, held against a limit
)

// Comparison sets a subject against a base in one column, round by round, and
// tells whether the median keeps within AtMost.
type Comparison struct {
	Column   string   `json:"column"`
	Subject  string   `json:"subject"`
	Base     string   `json:"base,omitempty"`
	Relation Relation `json:"relation"`
	AtMost   *float64 `json:"atMost,omitempty"` // nil: no target, told for information
	Values   []Number `json:"values"`
	Median   Number   `json:"median"`
	Met      *bool    `json:"met,omitempty"` // nil without a target or without values
}

// Row returns the subject's row, made when it is missing.
func (t *Table) Row(subject string) *Row {
	for _, row := range t.Rows {
		if row.Subject == subject {
			return row
		}
	}
	row := &Row{Subject: subject, Rounds: map[string][]Number{}}
	t.Rows = append(t.Rows, row)
	return row
}

// Add appends one round to the row.
func (r *Row) Add(round map[string]float64) {
	for key, value := range round {
		r.Rounds[key] = append(r.Rounds[key], Number(value))
	}
}

// Values returns the rounds of a column.
func (r *Row) Values(key string) []float64 {
	values := make([]float64, len(r.Rounds[key]))
	for i, value := range r.Rounds[key] {
		values[i] = float64(value)
	}
	return values
}

// has says whether the table has a row of the subject.
func (t *Table) has(subject string) bool {
	return slices.ContainsFunc(t.Rows, func(row *Row) bool { return row.Subject == subject })
}

// Compare adds a comparison, unless one of the two has no row; atMost nil only
// informs.
func (t *Table) Compare(column, subject, base string, relation Relation, atMost *float64) {
	if !t.has(subject) || relation != Value && !t.has(base) {
		return
	}
	left := t.Row(subject).Values(column)
	right := left
	if relation != Value {
		right = t.Row(base).Values(column)
	}
	values := pairwise(left, right, func(l, r float64) float64 {
		switch relation {
		case Ratio:
			return l / r
		case Difference:
			return l - r
		default:
			return l
		}
	})
	comparison := Comparison{Column: column, Subject: subject, Base: base, Relation: relation, AtMost: atMost, Median: Number(Median(values))}
	for _, value := range values {
		comparison.Values = append(comparison.Values, Number(value))
	}
	if atMost != nil && len(values) > 0 {
		met := float64(comparison.Median) <= *atMost
		comparison.Met = &met
	}
	t.Comparisons = append(t.Comparisons, comparison)
}

// Target is a limit for Compare.
func Target(limit float64) *float64 { return &limit }

// Missed returns the comparisons whose target was not met.
func (r *Report) Missed() []Comparison {
	var missed []Comparison
	for _, table := range r.Tables {
		for _, comparison := range table.Comparisons {
			if comparison.Met != nil && !*comparison.Met {
				missed = append(missed, comparison)
			}
		}
	}
	return missed
}

// JSON is everything, for machines.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("coding the report: %w", err)
	}
	return append(data, '\n'), nil
}

// Write puts the report into folder as <date>-<commit>-<experiment>.json and
// .md and returns the path without the ending.
func (r *Report) Write(folder string) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for results: %w", err)
	}
	commit := r.Commit
	if len(commit) > 9 {
		commit = commit[:9]
	}
	stem := filepath.Join(folder, fmt.Sprintf("%s-%s-%s", r.At.UTC().Format("2006-01-02"), commit, r.Experiment))
	data, err := r.JSON()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(stem+".json", data, 0o644); err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	if err := os.WriteFile(stem+".md", r.Markdown(), 0o644); err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	return stem, nil
}
