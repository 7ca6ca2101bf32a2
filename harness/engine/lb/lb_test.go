package lb

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A counter of 7 over three hosts takes index 1; one host less and it would have
// taken index 1 of the shortened list. The counter never restarts (8.1.1, G20).
func TestRoundRobinPhase(t *testing.T) {
	var rr RoundRobin
	rr.Seed(7)
	shorter := rr
	var got, after []int
	for range 4 {
		got, after = append(got, rr.Pick(3)), append(after, shorter.Pick(2))
	}
	if d := cmp.Diff([][]int{{1, 2, 0, 1}, {1, 0, 1, 0}}, [][]int{got, after}); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// One is ejected after three picks, and returns after two more.
	rr.Seed(0)
	order := []int{rr.Pick(3), rr.Pick(3), rr.Pick(3), rr.Pick(2), rr.Pick(2), rr.Pick(3), rr.Pick(3)}
	if d := cmp.Diff([]int{0, 1, 2, 1, 0, 2, 0}, order); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Two hosts, one busy: it is picked when both draws say so, 25 %. All idle: uniform
// for any number of hosts, because ties go to the first draw (8.2, X10).
func TestX10LeastRequest(t *testing.T) {
	busy := []uint32{1, 0}
	picks := make([]int, 2)
	for d1 := range 2 {
		for d2 := range 2 {
			picks[Fewer(d1, d2, busy[d1], busy[d2])]++
		}
	}
	if d := cmp.Diff([]int{1, 3}, picks); d != "" {
		t.Errorf("busy, idle of four (-want +got)\n%s", d)
	}
	if got := Fewer(2, 0, 1, 1); got != 2 {
		t.Errorf("a tie went to %d, want the first draw, 2", got)
	}
	if got := Fewer(2, 0, 1, 0); got != 0 {
		t.Errorf("an idle host lost to a busy one: %d", got)
	}
}

// A full scan takes one of the least busy (8.2).
func TestFewest(t *testing.T) {
	for _, c := range []struct {
		active []uint32
		want   []int32
	}{
		{[]uint32{3}, []int32{0}},
		{[]uint32{0, 0, 0}, []int32{0, 1, 2}},
		{[]uint32{2, 1, 3, 1}, []int32{1, 3}},
		{[]uint32{math.MaxUint32, math.MaxUint32}, []int32{0, 1}},
	} {
		got := Fewest(nil, len(c.active), func(i int) uint32 { return c.active[i] })
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v (-want +got)\n%s", c.active, d)
		}
	}
}

// The bias is the power of what a weight is divided by: 0 leaves it, and what
// makes no sense is 1 (8.2).
func TestByActive(t *testing.T) {
	for _, c := range []struct{ active, bias, want float64 }{
		{0, 1, 6}, {1, 1, 3}, {2, 1, 2}, {2, 0, 6}, {3, 0.5, 3}, {1, 2, 1.5}, {2, -1, 2}, {2, math.NaN(), 2},
	} {
		if got := ByActive(6, uint32(c.active), Bias(c.bias)); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v active, bias %v: got %v, want %v", c.active, c.bias, got, c.want)
		}
	}
}

// The draw that chose the level chooses the host: with 84 % on level 0, the ten
// hosts of level 1 get one or two of a hundred draws, by their place (8.3, X10:
// 82 and 166 of 8000).
func TestX10RandomCorrelation(t *testing.T) {
	picks := make([]int, 10)
	for draw := range uint64(100) {
		if draw%100 >= 84 {
			picks[Random(10, draw)]++
		}
	}
	if d := cmp.Diff([]int{1, 1, 1, 1, 2, 2, 2, 2, 2, 2}, picks); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The counter in use against one that divides, over lists that get longer and shorter.
func TestRoundRobinTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.Uint64Range(0, 1<<62).Draw(t, "seed")
		var rr RoundRobin
		rr.Seed(next)
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 5), 1, 60).Draw(t, "lengths") {
			if got, want := rr.Pick(n), int(next%uint64(n)); got != want {
				t.Fatalf("counter %d, list of %d: got %d, want %d", next, n, got, want)
			}
			next++
		}
	})
}

// Align moves a counter to what was observed without contradicting what is known.
func TestAlign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := RoundRobin{next: rapid.Uint64Range(0, 5000).Draw(t, "counter")}
		var rr RoundRobin
		known := uint64(0)
		seen := map[uint64]bool{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 6), 1, 30).Draw(t, "lengths") {
			want := secret.Pick(n)
			if seen[uint64(n)] && known%uint64(n) == 0 {
				if got := rr.Pick(n); got != want {
					t.Fatalf("a list of %d that was seen before: got %d, want %d", n, got, want)
				}
				continue
			}
			k := rr.Align(n, want, known)
			if k == 0 || k%uint64(n) != 0 || known != 0 && k%known != 0 {
				t.Fatalf("known modulo %d, list of %d: known modulo %d afterwards", known, n, k)
			}
			known, seen[uint64(n)] = k, true
			if got := rr.Pick(n); got != want {
				t.Fatalf("aligned to index %d of %d: got %d", want, n, got)
			}
		}
	})
}

// What cannot be: a counter that is even takes index 0 of two.
func TestAlignRefuses(t *testing.T) {
	rr := RoundRobin{next: 4}
	if k := rr.Align(2, 1, 4); k != 0 {
		t.Errorf("got known modulo %d, want 0", k)
	}
	if k := rr.Align(6, 2, 4); k != 12 || rr.next%12 != 8 {
		t.Errorf("got %d modulo %d, want 8 modulo 12", rr.next, k)
	}
}
