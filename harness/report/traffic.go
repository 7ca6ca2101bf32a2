package report

import (
	"math"
	"slices"
	"strconv"

	"github.com/faildrill/faildrill/harness/trace"
)

// traffic is the requests of a trace by the column in which they were due.
type traffic struct {
	total    []int
	failed   []int
	answered [][]int // by upstream
	filled   []int   // the column whose requests a column shows; -1: none
}

func (a *axis) traffic(t *trace.Trace) *traffic {
	tr := &traffic{total: make([]int, a.n), failed: make([]int, a.n), filled: make([]int, a.n)}
	for range t.Run.Upstreams {
		tr.answered = append(tr.answered, make([]int, a.n))
	}
	k := scaleOf(t)
	last := make([]float64, a.n) // time of the last request in the column
	var times []float64
	for r := range t.AllRequests() {
		at := r.At.Seconds() * k
		c := a.at(at)
		tr.total[c]++
		last[c] = max(last[c], at)
		times = append(times, at)
		switch {
		case r.Failed():
			tr.failed[c]++
		case r.Upstream >= 0 && int(r.Upstream) < len(tr.answered):
			tr.answered[r.Upstream][c]++
		}
	}
	tr.fill(a, last, spacing(times))
	return tr
}

// fill lets a column without a request show the one before it while the next
// request is not overdue, so that slow traffic is a bar and not a comb.
func (tr *traffic) fill(a *axis, last []float64, spacing float64) {
	from := -1
	for c := range tr.total {
		if tr.total[c] > 0 {
			from = c
		}
		tr.filled[c] = -1
		if from >= 0 && float64(c)*a.column() < last[from]+1.2*spacing || from == c {
			tr.filled[c] = from
		}
	}
}

// spacing is the usual time between two requests.
func spacing(times []float64) float64 {
	slices.Sort(times)
	times = slices.Compact(times)
	if len(times) < 2 {
		return 0
	}
	gaps := make([]float64, 0, len(times))
	for i := range times[1:] {
		gaps = append(gaps, times[i+1]-times[i])
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

func (tr *traffic) anyAnswered(u int) bool {
	return slices.ContainsFunc(tr.answered[u], func(n int) bool { return n > 0 })
}

// bars draws how many of each column's requests are counted in n.
func (tr *traffic) bars(n []int, tint paint, s Style, used legend) text {
	var out text
	for c := range n {
		from := tr.filled[c]
		switch {
		case from < 0:
			used["idle"] = true
			out = out.add(" ")
		case n[from] == 0:
			used["share"] = true
			out = out.paint(faint, s.pick("·", "."))
		default:
			used["share"] = true
			out = out.paint(tint, level(n[from], tr.total[from], s))
		}
	}
	return out
}

// level is a bar for n of so many: full only for all.
func level(n, of int, s Style) string {
	if n == of {
		return s.pick("█", "#")
	}
	f := float64(n) / float64(of)
	bar, tenth := int(f*7), int(math.Round(f*10))
	return s.pick(string([]rune("▁▂▃▄▅▆▇")[min(6, bar)]), strconv.Itoa(min(9, max(1, tenth))))
}
