package report

import (
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/trace"
)

// item is a bar or a mark above the lanes: a fault while it lasts, a
// configuration that is applied.
type item struct {
	kind, name string
	from, to   float64 // a mark has to == from
	bad        bool
}

// stepItems reads the timeline of a trace, in the drill's own seconds.
func stepItems(t *trace.Trace, diverged *float64, duration float64) []item {
	k := scaleOf(t)
	var out []item
	type open struct{ item, step int }
	var begun []open
	for i := range t.Steps {
		st := &t.Steps[i]
		at := st.At.Seconds() * k
		switch st.Kind {
		case "fault":
			begun = append(begun, open{len(out), i})
			out = append(out, item{kind: "fault", name: strings.TrimPrefix(st.Name, "fault "), from: at, to: duration, bad: true})
		case "heal":
			name := strings.TrimPrefix(st.Name, "heal ")
			n := slices.IndexFunc(begun, func(o open) bool { return out[o.item].name == name })
			if n < 0 {
				n = slices.IndexFunc(begun, func(o open) bool { return t.Steps[o.step].Upstream == st.Upstream })
			}
			if n < 0 {
				out = append(out, item{kind: "heal", name: name, from: at, to: at})
				continue
			}
			out[begun[n].item].to = at
			begun = slices.Delete(begun, n, n+1)
		default:
			out = append(out, item{kind: st.Kind, name: st.Name, from: at, to: at})
		}
	}
	if diverged != nil {
		out = append(out, item{kind: "diverged", name: "first divergence", from: *diverged, to: *diverged, bad: true})
	}
	return out
}

// steps draws the items, several in a lane where there is room.
func (a *axis) steps(p *page, items []item) {
	type lane struct {
		kind  string
		chart []cell
		until int
	}
	var lanes []*lane
	for _, it := range items {
		from, cs := a.drawItem(it, p.s)
		i := slices.IndexFunc(lanes, func(l *lane) bool { return l.kind == it.kind && l.until < from })
		if i < 0 {
			i = len(lanes)
			lanes = append(lanes, &lane{kind: it.kind, until: -1})
		}
		l := lanes[i]
		l.chart = append(l.chart, blanks(from-measure(l.chart))...)
		l.chart = append(l.chart, cs...)
		l.until = measure(l.chart)
	}
	slices.SortStableFunc(lanes, func(x, y *lane) int { return strings.Compare(x.kind, y.kind) })
	kind := ""
	for _, l := range lanes {
		label := l.kind
		if label == kind {
			label = ""
		}
		kind = l.kind
		head := append(blanks(len(indent)), middle(in(faint, label).cells(p.s.ASCII), kindWidth-1, p.s)...)
		head = append(head, blanks(len(indent)+kindWidth+a.name+1-measure(head))...)
		render(&p.b, trimRight(append(head, l.chart...)), p.s.Color)
		p.blank()
	}
}

// drawItem returns the cells of an item with its name, and the column at which
// they begin.
func (a *axis) drawItem(it item, s Style) (int, []cell) {
	from, to := a.at(it.from), a.at(it.to)
	if it.to >= a.duration {
		to = a.n
	}
	tint := plain
	if it.bad {
		tint = red
	}
	name := in(tint, it.name).cells(s.ASCII)
	if it.from == it.to {
		mark := in(tint, s.pick("▼", "v")).cells(s.ASCII)
		if right := a.n - from - 2; measure(name) <= right || right >= from-1 {
			return from, join(mark, blanks(1), middle(name, right, s))
		}
		name = middle(name, from-1, s)
		return from - 1 - measure(name), join(name, blanks(1), mark)
	}
	line := s.pick("━", "=")
	bar := func(n int) []cell { return in(tint, strings.Repeat(line, max(0, n))).cells(s.ASCII) }
	n := max(1, to-from)
	edge := in(tint, s.pick("┣", "[")).cells(s.ASCII)
	if room := n - 5; measure(name) <= room {
		return from, join(edge, bar(1), blanks(1), name, blanks(1), bar(n-4-measure(name)))
	}
	whole := join(edge, bar(n-1))
	if right := a.n - from - n - 1; measure(name) <= right || right >= from-1 {
		return from, join(whole, blanks(1), middle(name, max(1, right), s))
	}
	name = middle(name, from-1, s)
	return from - 1 - measure(name), join(name, blanks(1), whole)
}

func join(parts ...[]cell) []cell { return slices.Concat(parts...) }
