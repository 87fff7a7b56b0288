package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Plot is one or more lines over a common axis.
type Plot struct {
	Title string `json:"title"`
	X     string `json:"x"` // what the axis is, with its unit
	Y     string `json:"y"`
	Kind  Kind   `json:"kind"`
	Lines []Line `json:"lines"`
}

// Kind says how a plot's lines are read.
type Kind string

// The kinds.
const (
	CDF    Kind = "cdf"    // share of values up to X, on a logarithmic axis
	Series Kind = "series" // values over time
)

// Line is one subject's.
type Line struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
}

// maxPoints bounds a line: more are not seen on any screen.
const maxPoints = 400

// AddCDF adds the distribution of the values.
func (p *Plot) AddCDF(name string, values []float64) {
	sorted := slices.Sorted(slices.Values(measured(values)))
	if len(sorted) == 0 {
		return
	}
	line := Line{Name: name}
	points := min(len(sorted), maxPoints)
	for i := range points {
		// The last point is the largest value.
		at := (i + 1) * len(sorted) / points
		line.X = append(line.X, sorted[at-1])
		line.Y = append(line.Y, float64(at)/float64(len(sorted)))
	}
	p.Lines = append(p.Lines, line)
}

// AddSeries adds values over time, thinned to what can be seen.
func (p *Plot) AddSeries(name string, x, y []float64) {
	if len(x) == 0 || len(x) != len(y) {
		return
	}
	step := (len(x) + maxPoints - 1) / maxPoints
	line := Line{Name: name}
	for i := 0; i < len(x); i += step {
		line.X, line.Y = append(line.X, x[i]), append(line.Y, y[i])
	}
	p.Lines = append(p.Lines, line)
}

// A plot's drawing, in SVG units.
const (
	plotWidth, plotHeight                      = 720, 360
	plotLeft, plotRight, plotTop, plotBaseline = 78, 700, 14, 300
	colours                                    = 8 // that the page has for lines
)

// axis maps values to a side of the drawing.
type axis struct {
	low, high   float64
	from, to    float64 // drawing
	logarithmic bool
}

func (a axis) at(value float64) float64 {
	low, high := a.low, a.high
	if a.logarithmic {
		low, high, value = math.Log10(low), math.Log10(high), math.Log10(max(value, a.low))
	}
	return a.from + (a.to-a.from)*(value-low)/(high-low)
}

// ticks are round values along the axis.
func (a axis) ticks() []float64 {
	var all []float64
	if a.logarithmic {
		for decade := math.Pow(10, math.Floor(math.Log10(a.low))); decade <= a.high*1.0001; decade *= 10 {
			for _, step := range []float64{1, 2, 5} {
				if value := decade * step; value >= a.low*0.9999 && value <= a.high*1.0001 {
					all = append(all, value)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/4)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (a.high-a.low)/(step*factor) <= 6 {
			step *= factor
			break
		}
	}
	for value := math.Ceil(a.low/step) * step; value <= a.high+step/1000; value += step {
		all = append(all, value)
	}
	return all
}

// axes covers all lines.
func (p *Plot) axes() (x, y axis) {
	x = axis{low: math.Inf(1), high: math.Inf(-1), from: plotLeft, to: plotRight, logarithmic: p.Kind == CDF}
	y = axis{low: 0, high: 0, from: plotBaseline, to: plotTop}
	for _, line := range p.Lines {
		for i := range line.X {
			x.low, x.high = min(x.low, line.X[i]), max(x.high, line.X[i])
			y.high = max(y.high, line.Y[i])
		}
	}
	if p.Kind == CDF {
		y.high = 1
		x.low, x.high = max(x.low*0.8, 1e-3), max(x.high*1.1, 2e-3)
	} else {
		y.high *= 1.08
	}
	if x.high <= x.low {
		x.high = x.low + 1
	}
	if y.high <= y.low {
		y.high = y.low + 1
	}
	return x, y
}

// SVG draws the plot for the page of HTML, whose style colours it.
func (p *Plot) SVG() string {
	var out strings.Builder
	x, y := p.axes()
	fmt.Fprintf(&out, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, html.EscapeString(p.Title))
	for _, tick := range y.ticks() {
		at := y.at(tick)
		fmt.Fprintf(&out, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotRight, at, at, plotLeft-9, at+5.5, tickText(tick))
	}
	for _, tick := range x.ticks() {
		at := x.at(tick)
		fmt.Fprintf(&out, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			at, at, plotTop, plotBaseline, at, plotBaseline+22, tickText(tick))
	}
	fmt.Fprintf(&out, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, plotLeft, plotRight, plotBaseline, plotBaseline)
	fmt.Fprintf(&out, `<text class="label" x="%d" y="%d" text-anchor="middle">%s</text>`, (plotLeft+plotRight)/2, plotHeight-10, html.EscapeString(p.X))
	fmt.Fprintf(&out, `<text class="label" transform="translate(17 %d) rotate(-90)" text-anchor="middle">%s</text>`, (plotTop+plotBaseline)/2, html.EscapeString(p.Y))
	for i, line := range p.Lines {
		fmt.Fprintf(&out, `<path class="line c%d" d="%s"><title>%s</title></path>`, i%colours, p.path(line, x, y), html.EscapeString(line.Name))
	}
	out.WriteString("</svg>")
	return out.String()
}

// path is a line as SVG's path data; a CDF goes in steps.
func (p *Plot) path(line Line, x, y axis) string {
	var out strings.Builder
	if p.Kind == CDF {
		fmt.Fprintf(&out, "M%.1f %.1f", x.at(line.X[0]), y.at(0))
		for i := range line.X {
			fmt.Fprintf(&out, "H%.1fV%.1f", x.at(line.X[i]), y.at(line.Y[i]))
		}
		fmt.Fprintf(&out, "H%.1f", x.to)
		return out.String()
	}
	for i := range line.X {
		fmt.Fprintf(&out, "%c%.1f %.1f", "ML"[min(i, 1)], x.at(line.X[i]), y.at(line.Y[i]))
	}
	return out.String()
}

// tickText prints a round value without superfluous digits.
func tickText(value float64) string {
	if math.Abs(value) < 1e-9 {
		return "0"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.4g", value), ".0")
}
