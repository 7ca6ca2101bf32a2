package lb

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/engine/locality"
)

func pick(e *EDF, ws []float64) int {
	i := e.Next()
	e.Again(ws[i])
	return i
}

func picks(e *EDF, ws []float64, n int) []int {
	got := make([]int, len(ws))
	for range n {
		got[pick(e, ws)]++
	}
	return got
}

// Weights 100:200:500 are exact over 800 picks, and 100:200 after the third host
// is out (8.1.2, X33). From another start a window may end between two picks
// that are due at the same time, so that one pick belongs to the next window.
func TestX33Exact(t *testing.T) {
	for _, ws := range [][]float64{{100, 200, 500}, {100, 200, 0}} {
		n := int(ws[0] + ws[1] + ws[2])
		if got := picks(NewEDF(ws), ws, n); got[0] != 100 || got[1] != 200 {
			t.Errorf("got %v, want %v", got, ws)
		}
		for start := range uint32(100) {
			for i, k := range picks(NewEDFAfter(ws, uint64(start)), ws, n) {
				if math.Abs(float64(k)-ws[i]) > 1 {
					t.Errorf("start %d: host %d had %d of %d picks, want %v", start, i, k, n, ws[i])
				}
			}
		}
	}
}

// The picks of two releases, one after another: they are those of a schedule that
// starts somewhere (8.1.2, X33; 1.36.2 and 1.40.0).
func TestX33Sequence(t *testing.T) {
	for _, c := range []struct {
		weights []float64
		seen    []string
	}{
		{[]float64{1, 3, 7}, []string{
			"220122212212201222122122012221221220122212212201222122122012",
			"222122122012221221220122212212201222122122012221221220122212",
		}},
		{[]float64{1, 2, 4, 6}, []string{
			"231233230123323123323012332312332301233231233230123323123323",
			"312332301233231233230123323123323012332312332301233231233230",
		}},
		{[]float64{2, 2, 5, 5}, []string{
			"301232323012323012323230123230123232301232301232323012323012",
			"232301232323012323012323230123230123232301232301232323012323",
		}},
	} {
		for _, seen := range c.seen {
			found := false
			for start := range uint64(14) {
				e := NewEDFAfter(c.weights, start)
				var got []byte
				for range seen {
					got = append(got, '0'+byte(pick(e, c.weights)))
				}
				found = found || string(got) == seen
			}
			if !found {
				t.Errorf("weights %v: no start leads to the picks %s", c.weights, seen)
			}
		}
	}
}

// Order numbers run out after four billion picks, and the order stays.
func TestOrderNumbersRunOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := drawWeights(t)
		e := NewEDFAfter(ws, rapid.Uint64Range(0, 50).Draw(t, "start"))
		o := e.Clone()
		e.order = math.MaxUint32 - uint32(rapid.IntRange(0, 20).Draw(t, "left"))
		for n := range 100 {
			if got, want := pick(e, ws), pick(o, ws); got != want {
				t.Fatalf("pick %d: got %d, want %d", n, got, want)
			}
		}
		if e.order > 200 {
			t.Fatalf("the numbers did not begin again: %d", e.order)
		}
	})
}

// Equal deadlines go in the order of insertion: equal weights take turns.
func TestTies(t *testing.T) {
	ws := []float64{2, 2, 2}
	e := NewEDF(ws)
	var got []int
	for range 6 {
		got = append(got, pick(e, ws))
	}
	if d := cmp.Diff([]int{0, 1, 2, 0, 1, 2}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The weight counts when an entry is put in again: least request with weights
// 1:3 and one request on the heavy host gives 1:1.5, 160 to 240 (8.2, X49).
func TestX49LeastRequestWeights(t *testing.T) {
	ws := []float64{1, 3.0 / 2}
	if d := cmp.Diff([]int{160, 240}, picks(NewEDF(ws), ws, 400)); d != "" {
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
		got := float64(picks(NewEDFAfter(ws, uint64(12345)), ws, 30_000)[0]) / 300
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
		e := NewEDF(ws)
		l := list{due: make([]float64, len(ws)), order: make([]int, len(ws))}
		for i, w := range ws {
			if w > 0 {
				l.due[i], l.order[i] = 1/w, l.next
				l.next++
			}
		}
		for n := range 200 {
			clone := e.Clone()
			got, want := pick(e, ws), l.pick(ws)
			if got != want {
				t.Fatalf("pick %d: got %d, want %d", n, got, want)
			}
			if again := pick(clone, ws); again != got {
				t.Fatalf("pick %d: a clone took %d, the original %d", n, again, got)
			}
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
		fromThere := picks(NewEDFAfter(ws, uint64(start)), ws, more)
		picked := NewEDF(ws)
		picks(picked, ws, int(start))
		byHand := picks(picked, ws, more)
		for i := range ws {
			if d := fromThere[i] - byHand[i]; d < -1 || d > 1 {
				t.Fatalf("weights %v: after %d picks the next %d are %v, skipping them %v", ws, start, more, byHand, fromThere)
			}
		}
	})
}

// The start in closed form against a list: everybody has had its share of the
// picks rounded down, by weights that are a trace larger, and what is left over is
// picked. Whole weights have many deadlines that only rounding parts.
func TestTwinStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := rapid.SliceOfN(rapid.Map(rapid.IntRange(1, 100), func(w int) float64 { return float64(w) }), 1, 8).Draw(t, "weights")
		start := rapid.Uint32().Draw(t, "start")
		e := NewEDFAfter(ws, 1<<40+uint64(start))
		start %= 429496729
		l := list{due: make([]float64, len(ws)), order: make([]int, len(ws))}
		all, left := 0.0, start
		for _, w := range ws {
			all += w + 1e-13
		}
		for i, w := range ws {
			w += 1e-13
			had := uint32(w * float64(start) / all)
			for had > 0 && float64(had)/w >= float64(start)/all {
				had--
			}
			l.due[i], l.order[i] = float64(had+1)/w, l.next
			l.next++
			left -= had
		}
		for range left {
			l.pick(ws)
		}
		for n := range 100 {
			if got, want := pick(e, ws), l.pick(ws); got != want {
				t.Fatalf("pick %d: got %d, want %d", n, got, want)
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
