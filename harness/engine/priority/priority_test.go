package priority

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// draw writes loads the way the table of 6.6 does: healthy loads, the degraded
// ones behind a bar, and the levels in panic.
func draw(l *Loads) string {
	var healthy, degraded, inPanic []string
	some := false
	for p := range l.Levels() {
		healthy, degraded = append(healthy, fmt.Sprint(l.healthy[p])), append(degraded, fmt.Sprint(l.degraded[p]))
		some = some || l.degraded[p] > 0
		if l.Panic(p) {
			inPanic = append(inPanic, fmt.Sprint(p))
		}
	}
	s := strings.Join(healthy, " ")
	if some {
		s += " | " + strings.Join(degraded, " ")
	}
	if len(inPanic) > 0 {
		s += ", panic " + strings.Join(inPanic, " ")
	}
	return s
}

func h(healthy, hosts int) Level { return Level{Hosts: hosts, Healthy: healthy} }
func hd(healthy, degraded, hosts int) Level {
	return Level{Hosts: hosts, Healthy: healthy, Degraded: degraded}
}

// The worked examples, with the loads that Envoy 1.36.2 and 1.40.0 gave (6.6, X21).
func TestX21WorkedExamples(t *testing.T) {
	for _, c := range []struct {
		levels    []Level
		threshold float64
		want      string
	}{
		{[]Level{h(5, 5), h(5, 5)}, 50, "100 0"},
		{[]Level{h(3, 5), h(5, 5)}, 50, "84 16"},
		{[]Level{h(1, 5), h(5, 5)}, 50, "28 72"},
		{[]Level{h(0, 5), h(5, 5)}, 50, "0 100"},
		{[]Level{h(7, 10)}, 50, "100"},
		{[]Level{h(1, 5), h(1, 5)}, 50, "50 50, panic 0 1"},
		{[]Level{h(1, 5), h(1, 5)}, 0, "50 50"},
		{[]Level{h(1, 10), h(2, 10), h(1, 10)}, 50, "34 33 33, panic 0 1 2"},
		{[]Level{h(0, 3), h(0, 5)}, 50, "38 62, panic 0 1"},
		{[]Level{h(0, 3), h(0, 5)}, 0, "100 0"},
		{[]Level{h(2, 3), h(1, 3), h(3, 3)}, 50, "93 7 0"},
		{[]Level{h(6, 10), h(1, 10)}, 50, "86 14, panic 1"},
		{[]Level{hd(1, 2, 4), h(2, 4)}, 50, "35 65"},
		{[]Level{hd(0, 3, 3)}, 50, "0 | 100"},
		{[]Level{hd(2, 1, 10), hd(1, 1, 10)}, 50, "50 50, panic 0 1"},
		// Five more rows that were measured, the last of them the end of a failover.
		{[]Level{h(4, 10)}, 50, "100, panic 0"},
		{[]Level{h(5, 10)}, 50, "100"}, // exactly the threshold is no panic
		{[]Level{h(1, 2), h(2, 2)}, 0, "70 30"},
		{[]Level{h(1, 20), h(20, 20)}, 50, "7 93"},
		{[]Level{h(0, 2), h(2, 2)}, 0, "0 100"},
		// Without hosts.
		{[]Level{h(0, 0), h(2, 2)}, 50, "0 100"},
		{[]Level{h(0, 0)}, 50, "100, panic 0"},
		{[]Level{h(0, 0)}, 0, "100"},
		{nil, 50, ""},
		// Draining hosts leave the denominators: one of two healthy, the other draining, is whole.
		{[]Level{{Hosts: 2, Healthy: 1, Excluded: 1}, h(2, 2)}, 50, "100 0"},
		{[]Level{{Hosts: 2, Excluded: 2}}, 50, "100, panic 0"},
		// The threshold is rounded to an integer.
		{[]Level{h(1, 3)}, 33.4, "100"},
		{[]Level{h(1, 3)}, 33.5, "100, panic 0"},
	} {
		var l Loads
		l.Compute(c.levels, 140, c.threshold)
		if got := draw(&l); got != c.want {
			t.Errorf("%v at %v %%: got %s, want %s", c.levels, c.threshold, got, c.want)
		}
	}
}

// overprovisioning_factor 100 spills over at the first loss (X25).
func TestX25Overprovisioning(t *testing.T) {
	var l Loads
	l.Compute([]Level{h(1, 2), h(2, 2)}, 100, 0)
	if got := draw(&l); got != "50 50" {
		t.Errorf("got %s, want 50 50", got)
	}
}

// All ejected with panic off: level 0 has everything, whatever was before.
func TestNobodyLeftAfterFailover(t *testing.T) {
	var l Loads
	l.Compute([]Level{hd(0, 1, 2), h(2, 2)}, 140, 0)
	l.Compute([]Level{h(0, 2), h(0, 2)}, 140, 0)
	if got := draw(&l); got != "100 0" {
		t.Errorf("got %s, want 100 0", got)
	}
}

// Choose gives every level exactly its percentage of the numbers 1 to 100,
// healthy hosts of all levels before degraded ones.
func TestChooseCoversThePercentages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels := drawLevels(t)
		var l Loads
		l.Compute(levels, 140, rapid.SampledFrom([]float64{0, 50}).Draw(t, "threshold"))
		healthy, degraded := make([]uint32, len(levels)), make([]uint32, len(levels))
		last := -1
		for r := uint32(1); r <= 100; r++ {
			p, d := l.Choose(r)
			order := p
			if d {
				degraded[p]++
				order += len(levels)
			} else {
				healthy[p]++
			}
			if order < last {
				t.Fatalf("%d went back to level %d", r, p)
			}
			last = order
		}
		if d := cmp.Diff([][]uint32{l.healthy, l.degraded}, [][]uint32{healthy, degraded}); d != "" {
			t.Fatalf("%v: (-load +chosen)\n%s", levels, d)
		}
		for p := range levels {
			if l.Percent(p) != healthy[p]+degraded[p] {
				t.Fatalf("Percent(%d): got %d, want %d", p, l.Percent(p), healthy[p]+degraded[p])
			}
		}
	})
}

func drawLevels(t *rapid.T) []Level {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Level {
		n := rapid.IntRange(0, 12).Draw(t, "hosts")
		v := Level{Hosts: n, Healthy: rapid.IntRange(0, n).Draw(t, "healthy")}
		v.Degraded = rapid.IntRange(0, n-v.Healthy).Draw(t, "degraded")
		v.Excluded = rapid.IntRange(0, n-v.Healthy-v.Degraded).Draw(t, "excluded")
		return v
	}), 1, 5).Draw(t, "levels")
}

// slow computes the loads by handing out one percent after another, and counts
// hosts instead of dividing where it can.
func slow(levels []Level, factor, threshold int) string {
	norm := 0
	for _, v := range levels {
		norm = min(100, norm+whole(v, v.Healthy, factor)+whole(v, v.Degraded, factor))
	}
	var l Loads
	l.healthy, l.degraded, l.panicky = make([]uint32, len(levels)), make([]uint32, len(levels)), make([]bool, len(levels))
	everybody := true
	for p, v := range levels {
		// (healthy + degraded) / n < threshold / 100 without a division
		n := v.Hosts - v.Excluded
		l.panicky[p] = norm < 100 && threshold > 0 && ((v.Healthy+v.Degraded)*100 < threshold*n || n == 0)
		everybody = everybody && l.panicky[p]
	}
	switch {
	case norm == 0 && threshold == 0:
		l.healthy[0] = 100
	case everybody:
		byCount(l.healthy, levels)
	default:
		byHealth(&l, levels, factor, norm)
	}
	return draw(&l)
}

// whole is the largest percentage that fits: p * n <= factor * of.
func whole(v Level, of, factor int) int {
	n, p := v.Hosts-v.Excluded, 0
	for n > 0 && p < 100 && (p+1)*n <= factor*of {
		p++
	}
	return p
}

func byCount(load []uint32, levels []Level) {
	total, left, first := 0, uint32(100), -1
	for p, v := range levels {
		total += v.Hosts
		if v.Hosts > 0 && first < 0 {
			first = p
		}
	}
	if first < 0 {
		load[0] = 100
		return
	}
	for p, v := range levels {
		for int(load[p]+1)*total <= 100*v.Hosts {
			load[p]++
			left--
		}
	}
	load[first] += left
}

func byHealth(l *Loads, levels []Level, factor, norm int) {
	left := 100
	fill := func(load []uint32, of func(Level) int) {
		for p, v := range levels {
			for left > 0 && (int(load[p])+1)*norm <= whole(v, of(v), factor)*100 {
				load[p]++
				left--
			}
		}
	}
	first := func(load []uint32, of func(Level) int) {
		for p, v := range levels {
			if whole(v, of(v), factor) > 0 {
				load[p] += uint32(left)
				left = 0
			}
		}
	}
	healthy, degraded := func(v Level) int { return v.Healthy }, func(v Level) int { return v.Degraded }
	fill(l.healthy, healthy)
	fill(l.degraded, degraded)
	first(l.healthy, healthy)
	first(l.degraded, degraded)
}

// With weighted_priority_health the availability is the share of the weight: the
// largest percentage that fits. Panic counts hosts (6.1, 6.3).
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Weights{Healthy: rapid.Uint64Range(0, 900).Draw(t, "healthy"), Degraded: rapid.Uint64Range(0, 900).Draw(t, "degraded")}
		w.Hosts = w.Healthy + w.Degraded + rapid.Uint64Range(1, 900).Draw(t, "others")
		factor := rapid.Uint64Range(100, 300).Draw(t, "factor")
		fits := func(of uint64) uint32 {
			p := uint64(0)
			for p < 100 && (p+1)*w.Hosts <= factor*of {
				p++
			}
			return uint32(p)
		}
		h, d := Availability(Level{Hosts: 3, Healthy: 1, Degraded: 1, Weights: &w}, uint32(factor))
		if h != fits(w.Healthy) || d != fits(w.Degraded) {
			t.Fatalf("%+v, factor %d: got %d and %d, want %d and %d", w, factor, h, d, fits(w.Healthy), fits(w.Degraded))
		}
	})
	// One light host of four is healthy: 1 of 100 by weight, 25 % by count.
	var l Loads
	l.Compute([]Level{{Hosts: 4, Healthy: 1, Weights: &Weights{Hosts: 100, Healthy: 1}}, h(1, 2)}, 140, 25)
	if got := draw(&l); got != "2 98" {
		t.Errorf("got %s, want 2 98 and no panic", got)
	}
}

// Ten thousand clusters against the twin; the seed is fixed, the shrinking
// variant is below.
func TestTwinMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for range 10_000 {
		levels := make([]Level, 1+r.IntN(4))
		for i := range levels {
			n := r.IntN(15)
			v := Level{Hosts: n, Healthy: r.IntN(n + 1)}
			v.Degraded = r.IntN(n - v.Healthy + 1)
			v.Excluded = r.IntN(n - v.Healthy - v.Degraded + 1)
			levels[i] = v
		}
		against(t.Fatalf, levels, []int{100, 140, 200}[r.IntN(3)], []int{0, 1, 30, 50, 100}[r.IntN(5)])
	}
}

func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		against(t.Fatalf, drawLevels(t), rapid.IntRange(100, 300).Draw(t, "factor"), rapid.IntRange(0, 100).Draw(t, "threshold"))
	})
}

func against(fatal func(string, ...any), levels []Level, factor, threshold int) {
	var l Loads
	l.Compute(levels, uint32(factor), float64(threshold))
	if got, want := draw(&l), slow(levels, factor, threshold); got != want {
		fatal("%+v, factor %d, threshold %d: got %s, want %s", levels, factor, threshold, got, want)
	}
	sum := uint32(0)
	for p := range levels {
		sum += l.Percent(p)
	}
	if sum != 100 {
		fatal("%+v: the loads add up to %d", levels, sum)
	}
}

// A retry that avoids level 0 goes to the others as if it had no hosts; nobody
// else left means that nothing changes (11.4).
func TestWithout(t *testing.T) {
	for _, c := range []struct {
		levels []Level
		avoid  []bool
		want   string
		ok     bool
	}{
		{[]Level{h(2, 2), h(2, 2)}, []bool{true, false}, "0 100", true},
		{[]Level{h(2, 2), h(1, 2), h(1, 3)}, []bool{true, false, false}, "0 70 30", true},
		{[]Level{h(2, 2), h(1, 5), h(1, 5)}, []bool{true, false, false}, "0 50 50", true},
		{[]Level{h(2, 2), hd(1, 1, 5)}, []bool{true, false}, "0 50 | 0 50", true},
		{[]Level{h(2, 2), h(0, 2)}, []bool{true, false}, "100 0", false},
		{[]Level{h(2, 2)}, []bool{true}, "100", false},
	} {
		var l Loads
		l.Compute(c.levels, 140, 0)
		if ok := l.Without(c.levels, 140, c.avoid); ok != c.ok || draw(&l) != c.want {
			t.Errorf("%+v without %v: got %v %s, want %v %s", c.levels, c.avoid, ok, draw(&l), c.ok, c.want)
		}
	}
}

func TestCloneAndEqual(t *testing.T) {
	var a, none Loads
	a.Compute([]Level{h(1, 2), h(2, 2)}, 140, 0)
	b := a.Clone()
	if !a.Equal(&b) || a.Equal(&none) {
		t.Error("Equal: a clone differs, or loads without levels do not")
	}
	b.Compute([]Level{h(2, 2), h(2, 2)}, 140, 0)
	if a.Equal(&b) || draw(&a) != "70 30" {
		t.Errorf("a clone shares its loads with the original: %s", draw(&a))
	}
}
