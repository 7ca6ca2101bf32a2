package des

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Events come out as a stable sort by time would have them, however pushing and
// popping take turns.
func TestOrder(t *testing.T) {
	type event struct {
		at int64
		n  int
	}
	rapid.Check(t, func(t *rapid.T) {
		var q Queue[int]
		var waiting []event
		n := 0
		for _, at := range rapid.SliceOf(rapid.Int64Range(-1, 6)).Draw(t, "times, -1 pops") {
			if at >= 0 {
				q.Push(at, n)
				waiting = append(waiting, event{at, n})
				n++
				continue
			}
			if len(waiting) == 0 {
				continue
			}
			slices.SortStableFunc(waiting, func(a, b event) int { return int(a.at - b.at) })
			if q.Peek() != waiting[0].at {
				t.Fatalf("Peek: got %d, want %d", q.Peek(), waiting[0].at)
			}
			got, e := q.Pop()
			if got != waiting[0].at || e != waiting[0].n {
				t.Fatalf("Pop: got %d of %d, want %v", e, got, waiting[0])
			}
			waiting = waiting[1:]
		}
		if q.Len() != len(waiting) {
			t.Fatalf("Len: got %d, want %d", q.Len(), len(waiting))
		}
	})
}
