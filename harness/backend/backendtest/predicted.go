package backendtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/trace"
)

// asPredicted holds the trace against the engine's: the same endpoint changes
// in the same order for each client, and the same answers in each phase. What
// is due near the border of two phases may belong to either.
func (p *played) asPredicted() {
	p.Helper()
	want, got := changes(p.want), changes(p.tr)
	if p.outside {
		blurRefused(want)
		blurRefused(got)
	}
	if d := cmp.Diff(want, got); d != "" {
		p.Errorf("endpoint changes (-predicted +observed):\n%s", d)
	}
	cuts := p.cuts()
	for i := range len(cuts) - 1 {
		from, to := cuts[i]+p.slack, cuts[i+1]-p.slack
		if d := cmp.Diff(answers(p.want, from, to), answers(p.tr, from, to)); d != "" {
			p.Errorf("answers to what is due from %v to %v (-predicted +observed):\n%s", from.D(), to.D(), d)
		}
	}
}

// changes are the endpoint changes of each client in order.
func changes(tr *trace.Trace) map[int32][]string {
	m := map[int32][]string{}
	for _, c := range tr.Changes {
		m[c.Client] = append(m[c.Client], tr.UpstreamName(tr.UpstreamOf(c.Host))+" "+c.Event+" by "+c.Cause)
	}
	return m
}

// blurRefused keeps of the ejections that were refused between two other changes
// which there were: attempts within a millisecond can be refused as one, in any order.
func blurRefused(changes map[int32][]string) {
	for client, cs := range changes {
		var out []string
		for from := 0; from < len(cs); {
			to := from
			for to < len(cs) && strings.Contains(cs[to], " "+trace.OverflowEvent+" ") {
				to++
			}
			if to == from {
				out = append(out, cs[from])
				from++
				continue
			}
			slices.Sort(cs[from:to])
			out = append(out, slices.Compact(cs[from:to])...)
			from = to
		}
		changes[client] = out
	}
}

// early is how much ahead of its instant a tick may be: a proxy seen from outside has
// its clusters as soon as it is told of them, and its clock is its own.
func (p *played) early() trace.Sec {
	if p.outside {
		return trace.Sec(ms(20))
	}
	return 0
}

// cuts are the instants between which nothing changes: the steps, and the
// changes that are predicted.
func (p *played) cuts() []trace.Sec {
	cuts := []trace.Sec{-p.slack, p.s.Duration + p.slack}
	for _, s := range p.s.Steps {
		cuts = append(cuts, s.At)
	}
	for _, c := range p.want.Changes {
		if c.Event == trace.Ejected || c.Event == trace.Returned {
			cuts = append(cuts, c.At)
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// answers counts how the requests that are due in the phase ended.
func answers(tr *trace.Trace, from, to trace.Sec) map[string]int {
	m := map[string]int{}
	for _, r := range tr.Requests {
		if r.At >= from && r.At < to {
			m[fmt.Sprintf("%d from %s, flags %s", r.Status, tr.UpstreamName(r.Upstream), r.Flags)]++
		}
	}
	return m
}

// changesOf are the times of one kind of change of an upstream for a client.
func (p *played) changesOf(client, upstream int32, event string) []trace.Change {
	var cs []trace.Change
	for _, c := range p.tr.Changes {
		if c.Client == client && p.tr.UpstreamOf(c.Host) == upstream && c.Event == event {
			cs = append(cs, c)
		}
	}
	return cs
}

// row is the line of an upstream in an endpoint table.
func (p *played) row(table int, upstream int32) trace.Row {
	p.Helper()
	for _, r := range p.tr.Endpoints[table].Rows {
		if r.Upstream == upstream {
			return r
		}
	}
	p.Fatalf("table %d has no line of upstream %d", table, upstream)
	return trace.Row{}
}

// errors are the requests that failed.
func (p *played) errors() []trace.Request {
	return slices.DeleteFunc(slices.Clone(p.tr.Requests), func(r trace.Request) bool { return !r.Failed() })
}

// atOnce reports whether all attempts of a request began within the slack.
func (p *played) atOnce(r trace.Request) bool {
	first, last := trace.Sec(math.MaxInt64), trace.Sec(math.MinInt64)
	for a := range p.tr.AllAttempts() {
		if a.Client == r.Client && a.Request == r.N {
			first, last = min(first, a.At), max(last, a.At)
		}
	}
	return last-first <= p.slack
}
