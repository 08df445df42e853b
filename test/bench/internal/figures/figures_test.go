package figures

import (
	"math"
	"slices"
	"testing"
)

func TestAll_IsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		if seen[f.ID] {
			t.Errorf("%s is there twice", f.ID)
		}
		seen[f.ID] = true
		if f.Name == "" || f.How == "" || f.Limits == "" || f.Group == "" || !slices.Contains(Sections(), f.Section) {
			t.Errorf("%s lacks something", f.ID)
		}
		if !slices.Contains(Groups(Full), f.Group) {
			t.Errorf("%s: nothing measures group %s", f.ID, f.Group)
		}
		ofRatio := f.Compare == ByRatio || f.Compare == ByRateRatio || f.Target != nil && f.Target.Ratio
		if ofRatio && f.Floor == "" {
			t.Errorf("%s has no floor to have a ratio to", f.ID)
		}
		if f.Unit == "ms" && f.Compare == ByValue {
			t.Errorf("%s: an absolute time is compared", f.ID)
		}
	}
	if f, ok := ByID("size"); !ok || f.Group != Size {
		t.Error("size is not found")
	}
}

func TestTarget_HasADirection(t *testing.T) {
	if !atMost(2).Met(2) || atMost(2).Met(2.1) || !atLeast(2).Met(2) || atLeast(2).Met(1.9) {
		t.Error("a limit is part of what meets it")
	}
}

func TestCost_IsThatOfAMillion(t *testing.T) {
	for _, tt := range []struct{ kms, writes, reads, want float64 }{
		{1, 0, 0, 3}, {0, 1, 0, 0.625}, {0, 0, 2, 0.25}, {2, 3, 4, 8.375},
	} {
		if got := Cost(tt.kms, tt.writes, tt.reads); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%+v costs %v", tt, got)
		}
	}
}
