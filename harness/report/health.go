package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/trace"
)

// health draws the outlier state of an upstream's endpoints: the state at the
// end of each column, and marks for what happened within it. It is false when
// the upstream has no endpoint.
func (a *axis) health(t *trace.Trace, upstream int32, s Style, used legend) (text, bool) {
	moments := replay(t, upstream)
	if len(moments) == 0 {
		return nil, false
	}
	var out text
	k := scaleOf(t)
	i := 0
	var now state
	for c := range a.n {
		mark := ""
		for ; i < len(moments) && (a.at(moments[i].at*k) <= c); i++ {
			now = moments[i]
			if markRank(now.mark) > markRank(mark) {
				mark = now.mark
			}
		}
		out = out.then(now.glyph(mark, s, used))
	}
	return out, true
}

// state is a change of an upstream's endpoints.
type state struct {
	at             float64
	ejected, hosts int
	mark           string // trace.Returned, trace.OverflowEvent
}

// markRank: of two marks in one column the rarer one is shown.
func markRank(m string) int {
	return slices.Index([]string{"", trace.OverflowEvent, trace.Returned}, m)
}

func (m *state) glyph(mark string, s Style, used legend) text {
	switch {
	case mark == trace.Returned:
		used["returned"] = true
		return in(green, "R")
	case mark == trace.OverflowEvent:
		used["overflow"] = true
		return in(red, "!")
	case m.hosts == 0:
		return say(" ")
	case m.ejected == 0:
		used["healthy"] = true
		return say(s.pick("─", "-"))
	case m.ejected < m.hosts:
		used["some"] = true
		return in(yellow, s.pick("▒", "/"))
	}
	used["ejected"] = true
	return in(yellow, s.pick("▓", "x"))
}

// replay follows the endpoints of one upstream through the trace. When an endpoint
// of a cluster that is built anew goes away, traces do not say; it is taken from
// configuration steps, where new endpoints of the upstream replace its old ones, and from the
// endpoint tables, which list all there are.
func replay(t *trace.Trace, upstream int32) []state {
	type event struct {
		at    float64
		order int
		do    func() string
	}
	var es []event
	there, ejected := map[int32]bool{}, map[int32]bool{}
	for i := range t.Hosts {
		if h := &t.Hosts[i]; h.Upstream == upstream {
			es = append(es, event{h.At.Seconds(), 1, func() string { there[int32(i)] = true; return "" }})
		}
	}
	for i := range t.Steps {
		st := &t.Steps[i]
		if st.Kind != "config" {
			continue
		}
		es = append(es, event{st.At.Seconds(), 0, func() string { rebuilt(t, st, there, ejected); return "" }})
	}
	for _, c := range t.Changes {
		if t.UpstreamOf(c.Host) != upstream {
			continue
		}
		es = append(es, event{c.At.Seconds(), 2, func() string { return changed(c, there, ejected) }})
	}
	for i := range t.Endpoints {
		es = append(es, event{t.Endpoints[i].At.Seconds(), 3, func() string { listed(t, &t.Endpoints[i], upstream, there, ejected); return "" }})
	}
	slices.SortStableFunc(es, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	var out []state
	some := false
	for _, e := range es {
		m := state{at: e.at, mark: e.do()}
		m.hosts = len(there)
		for h := range there {
			if ejected[h] {
				m.ejected++
			}
		}
		some = some || m.hosts > 0
		out = append(out, m)
	}
	if !some {
		return nil
	}
	return out
}

// changed applies a change of an endpoint, and returns the mark that it leaves.
func changed(c trace.Change, there, ejected map[int32]bool) string {
	switch c.Event {
	case trace.Added:
		there[c.Host] = true
	case trace.Removed:
		delete(there, c.Host)
		delete(ejected, c.Host)
	case trace.Ejected:
		ejected[c.Host] = true
	case trace.Returned:
		delete(ejected, c.Host)
		return c.Event
	case trace.OverflowEvent:
		return c.Event
	}
	return ""
}

// rebuilt applies a configuration step: a cluster that was built anew during
// it starts without ejections, and the upstream's new endpoints replace its
// old ones there.
func rebuilt(t *trace.Trace, st *trace.Step, there, ejected map[int32]bool) {
	end := max(st.At, st.Done, st.Witnessed)
	during := func(at trace.Sec) bool { return at > 0 && at >= st.At && at <= end }
	for h := range there {
		host := &t.Hosts[h]
		if slices.ContainsFunc(t.Loads, func(l trace.Load) bool {
			return during(l.At) && l.Client == host.Client && l.Cluster == host.Cluster
		}) {
			delete(ejected, h)
		}
		if slices.ContainsFunc(t.Hosts, func(n trace.Host) bool {
			return during(n.At) && n.Client == host.Client && n.Cluster == host.Cluster && n.Upstream == host.Upstream && n.Index != h
		}) {
			delete(ejected, h)
			delete(there, h)
		}
	}
}

// listed takes over what an endpoint table says.
func listed(t *trace.Trace, e *trace.Endpoints, upstream int32, there, ejected map[int32]bool) {
	if len(e.Rows) == 0 {
		return
	}
	in := map[int32]string{}
	for _, r := range e.Rows {
		if r.Host >= 0 && t.UpstreamOf(r.Host) == upstream {
			in[r.Host] = r.OutlierCheck
		}
	}
	clear(there)
	for h, check := range in {
		there[h] = true
		if check == "FAILED" {
			ejected[h] = true
		} else {
			delete(ejected, h)
		}
	}
}

// legend is the signs that a timeline used.
type legend map[string]bool

// text explains the signs that were used.
func (l legend) text(s Style) text {
	var out []string
	for _, e := range []struct{ key, says string }{
		{"share", s.pick("█ all, ▁..▇ some, · none", "# all, 1..9 tenths, . none") + " of the requests"},
		{"idle", "blank: no request"},
		{"healthy", s.pick("─", "-") + " healthy"},
		{"ejected", s.pick("▓", "x") + " ejected"},
		{"some", s.pick("▒", "/") + " some ejected"},
		{"returned", "R returned"},
		{"overflow", "! ejection refused (overflow)"},
	} {
		if l[e.key] {
			out = append(out, e.says)
		}
	}
	return in(faint, strings.Join(out, "; "))
}
