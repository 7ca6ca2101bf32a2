package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

// phases is the table of what the clients saw.
func (p *page) phases(ps []result.Phase) {
	if len(ps) == 0 {
		return
	}
	if !p.s.Verbose {
		ps = merged(ps)
	}
	t := table{head: []string{"time", "requests", "errors", "answered by", "statuses", "flags"}, right: []bool{false, true, true}}
	for _, ph := range ps {
		errs := say(fmt.Sprint(ph.Errors))
		if ph.Errors > 0 {
			errs = in(red, fmt.Sprint(ph.Errors))
		}
		t.add(say(p.clock(ph.From)+" - "+p.clock(ph.To)+" s"), say(fmt.Sprint(ph.Requests)), errs,
			say(shares(ph.Share)), say(statuses(ph.Statuses)), say(counts(ph.Flags)))
	}
	p.rows("over time", t)
}

// merged joins phases that follow each other and differ in nothing but length:
// the same shares, and the same kinds of answers at the same rate of errors.
func merged(ps []result.Phase) []result.Phase {
	var out []result.Phase
	for _, ph := range ps {
		if len(out) == 0 || !alike(&out[len(out)-1], &ph) {
			ph.Statuses, ph.Flags = maps.Clone(ph.Statuses), maps.Clone(ph.Flags)
			out = append(out, ph)
			continue
		}
		last := &out[len(out)-1]
		last.To = ph.To
		last.Requests += ph.Requests
		last.Errors += ph.Errors
		for k, n := range ph.Statuses {
			last.Statuses[k] += n
		}
		for k, n := range ph.Flags {
			last.Flags[k] += n
		}
	}
	return out
}

func alike(a, b *result.Phase) bool {
	keys := func(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
	return a.To == b.From && maps.Equal(a.Share, b.Share) && a.Errors*b.Requests == b.Errors*a.Requests &&
		slices.Equal(keys(a.Statuses), keys(b.Statuses)) && slices.Equal(keys(a.Flags), keys(b.Flags))
}

// shares writes who answered, the largest share first.
func shares(m map[string]float64) string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int {
		switch {
		case m[a] > m[b]:
			return -1
		case m[a] < m[b]:
			return 1
		}
		return 0
	})
	var out []string
	for _, k := range keys {
		if m[k] > 0 {
			out = append(out, k+" "+share(m[k]))
		}
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}

// counterColumns are the columns of the table of upstreams. Those that are
// worth nothing to any upstream are left out.
var counterColumns = []struct {
	name  string
	of    func(result.Counter) int
	worth func(result.Counter) bool
}{
	{"attempts", func(c result.Counter) int { return c.Attempts }, func(result.Counter) bool { return true }},
	{"retries", func(c result.Counter) int { return c.Retries }, func(c result.Counter) bool { return c.Retries > 0 }},
	{"connect failed", func(c result.Counter) int { return c.ConnectFail }, func(c result.Counter) bool { return c.ConnectFail > 0 }},
	{"charged", func(c result.Counter) int { return c.Charged }, func(c result.Counter) bool { return c.Charged > 0 }},
	{"ejected", func(c result.Counter) int { return c.Ejections }, func(c result.Counter) bool { return c.Ejections+c.Overflow+c.Charged > 0 }},
	{"overflow", func(c result.Counter) int { return c.Overflow }, func(c result.Counter) bool { return c.Overflow > 0 }},
}

// counters is the table of what was tried on each upstream, and what the
// endpoint table of the proxy says at the end.
func (p *page) counters(m map[string]result.Counter, tables []result.Endpoints) {
	if len(m) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(m))
	t := table{head: []string{""}, right: []bool{false}}
	rows := make([][]text, len(names))
	for i, k := range names {
		rows[i] = []text{say(k)}
	}
	for _, c := range counterColumns {
		if !slices.ContainsFunc(names, func(k string) bool { return c.worth(m[k]) }) {
			continue
		}
		t.head, t.right = append(t.head, c.name), append(t.right, true)
		for i, k := range names {
			rows[i] = append(rows[i], say(fmt.Sprint(c.of(m[k]))))
		}
	}
	t.head = append(t.head, "at the end")
	for i, k := range names {
		t.add(append(rows[i], say(lastState(k, tables)))...)
	}
	p.rows("upstreams", t)
}

// lastState is how `istioctl proxy-config endpoints` would show the upstream at the end.
func lastState(upstream string, tables []result.Endpoints) string {
	if len(tables) == 0 {
		return ""
	}
	var states []string
	for _, r := range tables[len(tables)-1].Rows {
		if s := r.Status + " / " + r.OutlierCheck; r.Upstream == upstream && !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	slices.Sort(states)
	return strings.Join(states, ", ")
}

// notModelledShown is how many fields are named unless all are asked for.
const notModelledShown = 8

// notModelled warns, in one line, of what the prediction does not understand.
func (p *page) notModelled(ns []result.NotModelled) {
	if len(ns) == 0 {
		return
	}
	var out []string
	decides := false
	for _, n := range ns {
		s := n.Field
		if at := place(n.File, n.Line); at != "" {
			s += " (" + at + ")"
		}
		if n.Why != "" {
			s += ": " + n.Why
		}
		if n.Decides {
			s += " (may decide the outcome)"
			decides = true
		}
		out = append(out, s)
	}
	slices.Sort(out)
	tint := plain
	if decides {
		tint = yellow
	}
	out = slices.Compact(out)
	if n := len(out) - notModelledShown; n > 0 && !p.s.Verbose {
		out = append(out[:notModelledShown], fmt.Sprintf("and %d more", n))
	}
	p.row("not modelled", in(tint, strings.Join(out, "; ")))
}
