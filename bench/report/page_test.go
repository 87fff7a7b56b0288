package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// plotted is the example with a plot of each kind.
func plotted() *Report {
	r := example()
	random := rand.New(rand.NewPCG(1, 2))
	cdf := &Plot{Title: "Latency <of all>", X: "milliseconds", Y: "share", Kind: CDF}
	series := &Plot{Title: "Over time", X: "seconds", Y: "updates a second", Kind: Series}
	for _, name := range []string{"gateway", `a "quoted" & <named> one`} {
		var x, y []float64
		for i := range 5000 {
			x, y = append(x, float64(i)/10), append(y, 60*random.Float64())
		}
		cdf.AddCDF(name, append(y, math.NaN()))
		series.AddSeries(name, x, y)
	}
	r.Plots = append(r.Plots, cdf, series, &Plot{Title: "Empty", Kind: CDF})
	return r
}

func TestThePageNeedsNothingElse(t *testing.T) {
	t.Parallel()
	page, err := plotted().HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, want := range []string{
		"<title>Relay</title>", "0123456789abcdef", "prefers-color-scheme: dark", "not measured: no nginx", "MISSED", "An example.",
		"a &#34;quoted&#34; &amp; &lt;named&gt; one", "Latency &lt;of all&gt;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, no := range []string{"http://", "https://", "<script", "@import", "url(", "<named>", "NaN", "Empty", "**"} {
		if strings.Contains(text, no) {
			t.Errorf("the page has %q in it", no)
		}
	}
	if strings.Count(text, "<svg") != 2+4 {
		t.Errorf("there are %d drawings, want two plots and four keys", strings.Count(text, "<svg"))
	}
}

func TestPlotsAreWellFormedWhateverTheyShow(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{{1}, {0, 0, 0}, {-5, 5}, {1e-9, 1e9}, {3, 3, 3, 3}} {
		for _, kind := range []Kind{CDF, Series} {
			p := &Plot{Title: "T", X: "x", Y: "y", Kind: kind}
			p.AddCDF("line", values)
			if kind == Series {
				p.Lines = nil
				p.AddSeries("line", values, values)
			}
			decoder := xml.NewDecoder(strings.NewReader(p.SVG()))
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s of %v is not well formed: %v", kind, values, err)
				}
			}
			if text := p.SVG(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || len(text) > 64<<10 {
				t.Errorf("%s of %v: %.2000s", kind, values, text)
			}
		}
	}
}

func TestLinesAreThinned(t *testing.T) {
	t.Parallel()
	for _, plot := range plotted().Plots {
		for _, line := range plot.Lines {
			if len(line.X) > maxPoints || len(line.X) != len(line.Y) {
				t.Errorf("%s has %d points", plot.Title, len(line.X))
			}
		}
	}
	p := &Plot{Kind: CDF}
	p.AddCDF("one to a thousand", func() (all []float64) {
		for i := range 1000 {
			all = append(all, float64(i+1))
		}
		return all
	}())
	if last := p.Lines[0]; last.X[len(last.X)-1] != 1000 || last.Y[len(last.Y)-1] != 1 {
		t.Errorf("the distribution ends at %v, %v", last.X[len(last.X)-1], last.Y[len(last.Y)-1])
	}
}

func TestTextStandsInColumns(t *testing.T) {
	t.Parallel()
	text := string(example().Text())
	for _, want := range []string{"Full speed", "gateway", "not measured: no nginx", "0.50 (0.40…0.60)", "MISSED"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "**") {
		t.Error("there is Markdown in it")
	}
}
