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
	{"unconnected", func(c result.Counter) int { return c.ConnectFail }, func(c result.Counter) bool { return c.ConnectFail > 0 }},
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

// causes says why, and what to change.
func (p *page) causes(cs []result.Cause) {
	label := "why"
	for _, c := range cs {
		p.row(label, say(c.Message))
		if t := decidedBy(&c); t != nil {
			p.row("", t)
		}
		if c.Fix != nil {
			p.fix(&c)
		}
		label = "also"
	}
}

func decidedBy(c *result.Cause) text {
	var t text
	if c.Field != "" {
		t = t.add(c.Field)
		if c.Default != "" && c.Default != "none" {
			t = t.add(" (not set, default " + c.Default + ")")
		}
	}
	if at := place(c.File, c.Line); at != "" {
		if t != nil {
			t = t.add(", ")
		}
		t = t.add(at)
	}
	if c.Since != "" && !strings.Contains(c.Message, c.Since) {
		if t != nil {
			t = t.add(", ")
		}
		t = t.add("since " + c.Since)
	}
	for i := range t {
		t[i].p = faint
	}
	return t
}

// fix shows the change as a diff of the field.
func (p *page) fix(c *result.Cause) {
	label := "fix"
	for _, h := range hunks(c.Fix) {
		if h.parent != "" {
			p.row(label, in(faint, h.parent))
			label = ""
		}
		p.row(label, in(red, "- "+h.leaf+": "+fromWords(h, c)))
		p.row("", in(green, "+ "+h.leaf+": "+h.to))
		label = ""
	}
	if c.Fix.Confirmed {
		p.row("", in(faint, "confirmed by predicting again"))
	} else {
		p.row("", in(yellow, "not confirmed by predicting again"))
	}
}

// hunk is the change of one field.
type hunk struct{ parent, leaf, from, to string }

// hunks takes a fix apart: one that changes two fields joins them with "and".
func hunks(f *result.Fix) []hunk {
	fields, tos := strings.Split(f.Field, " and "), strings.Split(f.To, " and ")
	if len(fields) != len(tos) {
		fields, tos = []string{f.Field}, []string{f.To}
	}
	var out []hunk
	for i := range fields {
		h := hunk{leaf: fields[i], to: tos[i]}
		if k := strings.LastIndex(fields[i], "."); k >= 0 {
			h.parent, h.leaf = fields[i][:k], fields[i][k+1:]
		}
		if i == 0 {
			h.from = f.From
		}
		out = append(out, h)
	}
	return out
}

func fromWords(h hunk, c *result.Cause) string {
	switch {
	case h.from != "":
		return h.from
	case c.Default != "" && c.Default != "none" && strings.HasSuffix(c.Field, h.leaf):
		return "(not set, default " + c.Default + ")"
	}
	return "(not set)"
}

// fixWords is the fix in a headline.
func fixWords(f *result.Fix) string {
	var out []string
	for _, h := range hunks(f) {
		if h.from == "" {
			out = append(out, "+ "+h.leaf+": "+h.to)
		} else {
			out = append(out, h.leaf+": "+h.from+" -> "+h.to)
		}
	}
	return strings.Join(out, " and ")
}

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
			s += " [may decide the outcome]"
			decides = true
		}
		out = append(out, s)
	}
	slices.Sort(out)
	tint := plain
	if decides {
		tint = yellow
	}
	p.row("not modelled", in(tint, strings.Join(slices.Compact(out), "; ")))
}
