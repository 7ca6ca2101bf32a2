package lb

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/engine/locality"
)

func fixed(ws []float64) func(int) float64 { return func(i int) float64 { return ws[i] } }

func picks(e *EDF, ws []float64, n int) []int {
	got := make([]int, len(ws))
	for range n {
		got[e.Pick(fixed(ws))]++
	}
	return got
}

// Weights 100:200:500 are exact over 800 picks, and 100:200 after the third host
// is out (8.1.2, X33). From another start a window may end between two picks
// that are due at the same time, so that one pick belongs to the next window.
func TestX33Exact(t *testing.T) {
	for _, ws := range [][]float64{{100, 200, 500}, {100, 200, 0}} {
		n := int(ws[0] + ws[1] + ws[2])
		if got := picks(NewEDF(ws, 0), ws, n); got[0] != 100 || got[1] != 200 {
			t.Errorf("got %v, want %v", got, ws)
		}
		for start := range uint32(100) {
			for i, k := range picks(NewEDF(ws, start), ws, n) {
				if math.Abs(float64(k)-ws[i]) > 1 {
					t.Errorf("start %d: host %d had %d of %d picks, want %v", start, i, k, n, ws[i])
				}
			}
		}
	}
}

// Equal deadlines go in the order of insertion: equal weights take turns.
func TestTies(t *testing.T) {
	ws := []float64{2, 2, 2}
	e := NewEDF(ws, 0)
	var got []int
	for range 6 {
		got = append(got, e.Pick(fixed(ws)))
	}
	if d := cmp.Diff([]int{0, 1, 2, 0, 1, 2}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The weight counts when an entry is put in again: least request with weights
// 1:3 and one request on the heavy host gives 1:1.5, 160 to 240 (8.2, X49).
func TestX49LeastRequestWeights(t *testing.T) {
	ws := []float64{1, 3.0 / 2}
	if d := cmp.Diff([]int{160, 240}, picks(NewEDF(ws, 0), ws, 400)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Localities of weight 1 and 2 with 5, 4, 3 and 1 of 5 hosts healthy in the
// first: 33.33, 33.33, 29.57 and 12.30 % were measured (7.1, X12).
func TestX12LocalityShares(t *testing.T) {
	for _, c := range []struct {
		healthy int
		want    float64
	}{{5, 33.33}, {4, 33.33}, {3, 29.58}, {1, 12.28}} {
		ws := locality.Effective([]locality.Group{{Weight: 1, Hosts: 5, Eligible: c.healthy}, {Weight: 2, Hosts: 5, Eligible: 5}}, 140)
		got := float64(picks(NewEDF(ws, 12345), ws, 30_000)[0]) / 300
		if math.Abs(got-c.want) > 0.01 {
			t.Errorf("%d of 5 healthy: got %.2f %%, want %.2f %%", c.healthy, got, c.want)
		}
	}
}

// list is the schedule as a list that is searched from one end to the other.
type list struct {
	due   []float64
	order []int
	next  int
}

func (l *list) pick(ws []float64) int {
	best := -1
	for i, w := range ws {
		if w > 0 && (best < 0 || l.due[i] < l.due[best] || l.due[i] == l.due[best] && l.order[i] < l.order[best]) {
			best = i
		}
	}
	l.due[best] += 1 / ws[best]
	l.order[best] = l.next
	l.next++
	return best
}

func drawWeights(t *rapid.T) []float64 {
	ws := rapid.SliceOfN(rapid.Float64Range(0.1, 50), 1, 8).Draw(t, "weights")
	for i := range ws {
		if len(ws) > 1 && i > 0 && rapid.IntRange(0, 4).Draw(t, "absent") == 0 {
			ws[i] = 0
		}
	}
	return ws
}

func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := drawWeights(t)
		e := NewEDF(ws, 0)
		l := list{due: make([]float64, len(ws)), order: make([]int, len(ws))}
		for i, w := range ws {
			if w > 0 {
				l.due[i], l.order[i] = 1/w, l.next
				l.next++
			}
		}
		for n := range 200 {
			clone := e.Clone()
			got, want := e.Pick(fixed(ws)), l.pick(ws)
			if got != want {
				t.Fatalf("pick %d: got %d, want %d", n, got, want)
			}
			if again := clone.Pick(fixed(ws)); again != got {
				t.Fatalf("pick %d: a clone took %d, the original %d", n, again, got)
			}
		}
		if e.Len() != l.next-200 {
			t.Fatalf("Len: got %d, want %d", e.Len(), l.next-200)
		}
	})
}

// A start in closed form is where so many real picks lead: every entry has had
// as many of all the picks, give or take one that the rounding of times moves.
func TestStartIsAsGoodAsPicking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := drawWeights(t)
		start := rapid.Uint32Range(0, 3000).Draw(t, "start")
		const more = 500
		fromThere := picks(NewEDF(ws, start), ws, more)
		picked := NewEDF(ws, 0)
		picks(picked, ws, int(start))
		byHand := picks(picked, ws, more)
		for i := range ws {
			if d := fromThere[i] - byHand[i]; d < -1 || d > 1 {
				t.Fatalf("weights %v: after %d picks the next %d are %v, skipping them %v", ws, start, more, byHand, fromThere)
			}
		}
	})
}

func TestCloneOfNothing(t *testing.T) {
	var none *EDF
	if none.Clone() != nil {
		t.Error("a clone of no schedule is one")
	}
}
