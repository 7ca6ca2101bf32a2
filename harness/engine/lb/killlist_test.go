package lb

import (
	"slices"
	"testing"
)

// A schedule that starts after some picks goes on where those picks lead, the last
// few of them included: weights 1 and 3 take turns 1 1 0 1 (8.1.2).
func TestRuleSchedulerStart(t *testing.T) {
	ws := []float64{1, 3}
	turns := []int{1, 1, 0, 1}
	for start := range turns {
		e := NewEDFAfter(ws, uint64(start))
		var got []int
		for range turns[start:] {
			got = append(got, pick(e, ws))
		}
		if !slices.Equal(got, turns[start:]) {
			t.Errorf("after %d picks: got %v, want %v", start, got, turns[start:])
		}
	}
}
