// Package stat has the few statistics that the benchmark needs.
package stat

import (
	"math"
	"slices"
)

// Stat is what is kept of repeated measurements: their median, and how far they are apart.
type Stat struct {
	Value float64 `json:"value"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	N     int     `json:"n"`
}

// Of summarizes values. Of none it returns nil.
func Of(values ...float64) *Stat {
	if len(values) == 0 {
		return nil
	}
	return &Stat{Value: Median(values), Min: slices.Min(values), Max: slices.Max(values), N: len(values)}
}

// Exact is a value that was counted and not measured.
func Exact(value float64) *Stat { return &Stat{value, value, value, 1} }

// Median is the middle of values, or the mean of both middles. Of no values it is NaN.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the smallest value that at least the share p of the values do not exceed (the nearest rank). Of no values
// it is NaN.
func Quantile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Ratios divides each value by its partner: the measurement that was made beside it.
func Ratios(values, partners []float64) (ratios []float64) {
	for i := range min(len(values), len(partners)) {
		if partners[i] != 0 {
			ratios = append(ratios, values[i]/partners[i])
		}
	}
	return ratios
}
