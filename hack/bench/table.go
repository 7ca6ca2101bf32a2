package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A row is one quantity of a figure.
type row struct {
	what  string
	unit  string
	most  float64 // what the median must not exceed; 0: no goal
	least float64 // what the median must reach; 0: no goal
	// peer is the row, by what it measures, that this one is compared with, and
	// ratio the most that this one may be of it; 0: no goal.
	peer  string
	ratio float64
}

// A trial measures some rows at once: it returns one value for each.
type trial struct {
	rows []row
	run  func() ([]float64, error)
	once bool // too slow for every round: in the first alone
}

// A figure is one table.
type figure struct {
	name   string // for -only
	title  string
	trials []trial
	rounds int // at least so many
}

// measure runs the rounds and writes the table. It returns how many goals were missed.
func (f *figure) measure(w io.Writer, rounds int) (missed int, err error) {
	values := map[string][]float64{}
	rounds = max(rounds, f.rounds)
	for round := range rounds {
		for _, t := range f.trials {
			if t.once && round > 0 {
				continue
			}
			got, err := t.run()
			if err != nil {
				return 0, fmt.Errorf("measuring %s: %w", t.rows[0].what, err)
			}
			for i, r := range t.rows {
				values[r.what] = append(values[r.what], got[i])
			}
		}
	}
	fmt.Fprintf(w, "\n%s; median of %d rounds\n", f.title, rounds)
	table := [][]string{{"what", "measured", "least..most", "must reach", "peer", "ratio", ""}}
	for _, t := range f.trials {
		for _, r := range t.rows {
			cells, ok := r.cells(values)
			if !ok {
				missed++
			}
			table = append(table, cells)
		}
	}
	write(w, table)
	return missed, nil
}

// cells is a row of the table, and whether every goal is met.
func (r *row) cells(values map[string][]float64) ([]string, bool) {
	own := values[r.what]
	got, ok := median(own), true
	var goals []string
	goal := func(met bool, format string, args ...any) {
		goals = append(goals, fmt.Sprintf(format, args...))
		ok = ok && met
	}
	if r.most > 0 {
		goal(got <= r.most, "<= %v %s", r.most, r.unit)
	}
	if r.least > 0 {
		goal(got >= r.least, ">= %v %s", r.least, r.unit)
	}
	peer, ratio := "", ""
	if r.peer != "" {
		// The ratio of each round, so that a slow minute does not make one.
		var ratios []float64
		for i, v := range own {
			ratios = append(ratios, v/values[r.peer][i])
		}
		peer = r.peer + " " + number(median(values[r.peer]))
		ratio = number(median(ratios))
		if r.ratio > 0 {
			goal(median(ratios) <= r.ratio, "<= %v of peer", r.ratio)
		}
	}
	mark := ""
	switch {
	case !ok:
		mark = "MISSED"
	case len(goals) > 0:
		mark = "met"
	}
	spread := number(slices.Min(own)) + ".." + number(slices.Max(own))
	return []string{r.what, number(got) + " " + r.unit, spread, strings.Join(goals, ", "), peer, ratio, mark}, ok
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// number has four significant digits, and no exponent.
func number(v float64) string {
	digits := 2
	if v != 0 {
		digits = max(0, 3-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	s := fmt.Sprintf("%.*f", digits, v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func write(w io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, c := range line {
			widths[i] = max(widths[i], len(c))
		}
	}
	for _, line := range table {
		var b strings.Builder
		for i, c := range line {
			fmt.Fprintf(&b, "%-*s  ", widths[i], c)
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
