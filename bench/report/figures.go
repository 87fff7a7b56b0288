package report

import (
	"math"
	"slices"
)

// Quantile returns the q-quantile (0 to 1) of the values by linear
// interpolation between the two closest ranks, or NaN for none. Values that are
// NaN, rounds that failed, do not count.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(measured(values)))
	if len(sorted) == 0 {
		return math.NaN()
	}
	position := min(max(q, 0), 1) * float64(len(sorted)-1)
	below := int(position)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	share := position - float64(below)
	return sorted[below]*(1-share) + sorted[below+1]*share
}

// Median is the 0.5-quantile.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// pairwise combines the values of the same round, as far as both have one.
// NaN marks a round that could not be measured and is left out.
func pairwise(left, right []float64, combine func(l, r float64) float64) []float64 {
	var combined []float64
	for i := range min(len(left), len(right)) {
		if math.IsNaN(left[i]) || math.IsNaN(right[i]) {
			continue
		}
		combined = append(combined, combine(left[i], right[i]))
	}
	return combined
}

func measured(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}
