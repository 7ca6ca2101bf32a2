package locality

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The example of 7.1, measured as 33.33, 33.33, 29.57 and 12.30 % for A (X12):
// A has weight 1 and 5 hosts, B weight 2 and all healthy.
func TestX12Weights(t *testing.T) {
	for _, c := range []struct {
		healthy int
		share   float64
	}{{5, 33.33}, {4, 33.33}, {3, 29.58}, {1, 12.28}, {0, 0}} {
		w := Effective([]Group{{Weight: 1, Hosts: 5, Eligible: c.healthy}, {Weight: 2, Hosts: 5, Eligible: 5}}, 140)
		if got := 100 * w[0] / (w[0] + w[1]); math.Abs(got-c.share) > 0.005 {
			t.Errorf("%d of 5 healthy: got %.2f %%, want %.2f %%", c.healthy, got, c.share)
		}
	}
}

// Nobody eligible, or no weights: no schedule, the pick falls through.
func TestNoSchedule(t *testing.T) {
	for name, gs := range map[string][]Group{
		"nobody":     {{Weight: 1, Hosts: 2}},
		"no weights": {{Hosts: 2, Eligible: 2}},
		"no hosts":   {{Weight: 1}},
		"draining":   {{Weight: 1, Hosts: 2, Excluded: 2}},
		"nothing":    nil,
	} {
		if w := Effective(gs, 140); w != nil {
			t.Errorf("%s: got %v, want no schedule", name, w)
		}
	}
}

// The weights against a twin that counts in whole numbers: a locality has its
// weight unless factor times its eligible hosts is less than a hundred times all.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Uint32Range(100, 300).Draw(t, "factor")
		gs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Group {
			g := Group{Weight: rapid.Uint32Range(0, 9).Draw(t, "weight"), Hosts: rapid.IntRange(0, 9).Draw(t, "hosts")}
			g.Excluded = rapid.IntRange(0, g.Hosts).Draw(t, "excluded")
			g.Eligible = rapid.IntRange(0, g.Hosts-g.Excluded).Draw(t, "eligible")
			return g
		}), 0, 5).Draw(t, "groups")
		want := make([]float64, len(gs))
		some := false
		for i, g := range gs {
			of, n := int(factor)*g.Eligible, 100*(g.Hosts-g.Excluded)
			switch {
			case of == 0 || g.Weight == 0:
				continue
			case of >= n:
				want[i] = float64(g.Weight)
			default:
				want[i] = float64(int(g.Weight)*of) / float64(n)
			}
			some = true
		}
		got := Effective(gs, factor)
		if (got != nil) != some {
			t.Fatalf("%+v: got %v, want a schedule: %v", gs, got, some)
		}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-9 {
				t.Fatalf("%+v, factor %d: got %v, want %v", gs, factor, got, want)
			}
		}
	})
}

// Excluded hosts leave the denominator, one group without weight does not end
// the schedule.
func TestExcluded(t *testing.T) {
	w := Effective([]Group{{Weight: 4, Hosts: 4, Excluded: 2, Eligible: 1}, {Hosts: 3, Eligible: 3}}, 140)
	if len(w) != 2 || math.Abs(w[0]-2.8) > 1e-12 || w[1] != 0 {
		t.Errorf("got %v, want [2.8 0]", w)
	}
}
