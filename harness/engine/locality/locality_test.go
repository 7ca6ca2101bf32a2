package locality

import (
	"math"
	"testing"
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

// Excluded hosts leave the denominator, one group without weight does not end
// the schedule.
func TestExcluded(t *testing.T) {
	w := Effective([]Group{{Weight: 4, Hosts: 4, Excluded: 2, Eligible: 1}, {Hosts: 3, Eligible: 3}}, 140)
	if len(w) != 2 || math.Abs(w[0]-2.8) > 1e-12 || w[1] != 0 {
		t.Errorf("got %v, want [2.8 0]", w)
	}
}
