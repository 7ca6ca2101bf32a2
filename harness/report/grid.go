package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/result"
)

// matrix is verdicts by scenario and backend.
type matrix struct {
	scenarios, backends []string
	runs                map[[2]string][]*result.Run
}

// backendOrder is how far a backend is from virtual time; others follow by name.
var backendOrder = []string{"model", "inproc", "envoy", "kind", "cluster"}

func matrixOf(runs []result.Run) matrix {
	m := matrix{runs: map[[2]string][]*result.Run{}}
	for i := range runs {
		r := &runs[i]
		if !slices.Contains(m.scenarios, r.Scenario) {
			m.scenarios = append(m.scenarios, r.Scenario)
		}
		if !slices.Contains(m.backends, r.Backend) {
			m.backends = append(m.backends, r.Backend)
		}
		k := [2]string{r.Scenario, r.Backend}
		m.runs[k] = append(m.runs[k], r)
	}
	slices.Sort(m.scenarios)
	rank := func(b string) int {
		if i := slices.Index(backendOrder, b); i >= 0 {
			return i
		}
		return len(backendOrder)
	}
	slices.SortFunc(m.backends, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return m
}

// grid is the table of scenarios and backends. With one backend the headlines
// have said it all, and it lists only what did not pass.
func (p *page) grid(runs []result.Run) {
	m := matrixOf(runs)
	t := p.gridTable(&m, true)
	if !t.fits(p.s.width(), p.s.ASCII) {
		t = p.gridTable(&m, false)
	}
	if len(t.rows) == 0 {
		return
	}
	for _, l := range t.layout(p.s.width(), p.s.ASCII) {
		render(&p.b, l, p.s.Color)
		p.blank()
	}
	p.blank()
}

// gridTable has each verdict as a sign and, where there is room, a word.
func (p *page) gridTable(m *matrix, words bool) table {
	t := table{head: append([]string{"scenario"}, m.backends...)}
	for _, s := range m.scenarios {
		row := []text{say(s)}
		passed := true
		for _, b := range m.backends {
			var c text
			for _, r := range m.runs[[2]string{s, b}] {
				if c != nil {
					c = c.add(" ")
				}
				c = c.then(p.tick(r.Verdict))
				if words {
					c = c.add(" ").then(word(r.Verdict))
				}
				passed = passed && r.Verdict == result.Pass
			}
			row = append(row, c)
		}
		if len(m.backends) > 1 || !passed {
			t.add(row...)
		}
	}
	return t
}

// verdictOrder is the order of counts.
var verdictOrder = []result.Verdict{result.Pass, result.Fail, result.Error, result.Inconclusive, result.Skip}

func runSummary(runs []result.Run) text {
	n := map[result.Verdict]int{}
	for i := range runs {
		n[runs[i].Verdict]++
	}
	t := in(bold, count(len(runs), "run")).add(":")
	sep := " "
	for _, v := range verdictOrder {
		if n[v] > 0 {
			_, _, c := verdictStyle(v)
			t = t.add(sep).paint(c, fmt.Sprintf("%d %s", n[v], v))
			sep = ", "
		}
	}
	return t
}
