package stat

import (
	"math"
	"testing"
)

func TestQuantile_IsTheNearestRank(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(100 - i)
	}
	for p, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 0.991: 100, 1: 100} {
		if got := Quantile(values, p); got != want {
			t.Errorf("p%v is %v, want %v", 100*p, got, want)
		}
	}
	if values[0] != 100 {
		t.Error("the values were sorted in place")
	}
	if !math.IsNaN(Quantile(nil, 0.5)) || !math.IsNaN(Median(nil)) || Of() != nil {
		t.Error("nothing has a value")
	}
}

func TestMedian_OfAnEvenNumberIsBetween(t *testing.T) {
	if got := Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Error(got)
	}
	if got := *Of(3, 1, 2); got != (Stat{2, 1, 3, 3}) {
		t.Error(got)
	}
}

func TestRatios_AreOfNeighbours(t *testing.T) {
	if got := Ratios([]float64{2, 9, 4}, []float64{1, 0, 8}); len(got) != 2 || got[0] != 2 || got[1] != 0.5 {
		t.Error(got)
	}
}
