package report

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// eventsShown is how many lines of events are printed unless all are asked for.
const eventsShown = 12

// events is the list of what outlier detection did.
func (p *page) events(es []result.Event) {
	groups := groupEvents(es)
	if len(groups) == 0 {
		return
	}
	t := table{right: []bool{true}}
	severalAddresses := severalAddresses(es)
	shown := groups
	if !p.s.Verbose && len(groups) > eventsShown {
		shown = groups[:eventsShown-1]
	}
	for _, g := range shown {
		who := g.Upstream
		if severalAddresses[g.Upstream] || who == "" || who == "none" {
			who += " " + g.Address
		}
		if g.Client != "" {
			who += " for " + g.Client
		}
		t.add(say(p.clock(g.At)+" s"), say(who), g.words(p))
	}
	if n := len(groups) - len(shown); n > 0 {
		t.add(say(""), say(""), in(faint, fmt.Sprintf("and %d more, up to %s", n, p.clock(groups[len(groups)-1].last)+" s")))
	}
	p.rows("events", t)
}

func severalAddresses(es []result.Event) map[string]bool {
	first, several := map[string]string{}, map[string]bool{}
	for _, e := range es {
		if a, ok := first[e.Upstream]; ok && a != e.Address {
			several[e.Upstream] = true
		}
		first[e.Upstream] = e.Address
	}
	return several
}

// eventGroup is one event, or a row of refused ejections of one endpoint.
type eventGroup struct {
	result.Event
	n      int
	last   float64
	causes map[string]int
}

// groupEvents joins the refused ejections of an endpoint, and those that were
// detected only, until something else happens to it.
func groupEvents(es []result.Event) []*eventGroup {
	var out []*eventGroup
	type key struct{ client, upstream, address string }
	open := map[key]*eventGroup{}
	for _, e := range es {
		k := key{e.Client, e.Upstream, e.Address}
		repeats := e.Event == trace.OverflowEvent || e.Event == trace.Detected
		g := open[k]
		if g == nil || !repeats || g.Event.Event != e.Event {
			g = &eventGroup{Event: e, causes: map[string]int{}}
			out = append(out, g)
			open[k] = g
		}
		g.n++
		g.last = e.At
		if e.Cause != "" {
			g.causes[e.Cause]++
		}
	}
	return out
}

func (g *eventGroup) words(p *page) text {
	cause := ""
	if len(g.causes) == 1 {
		cause = " (" + g.Cause + ")"
	} else if len(g.causes) > 1 {
		cause = " (" + counts(g.causes) + ")"
	}
	span := ""
	if g.last > g.At {
		span = ", up to " + p.clock(g.last) + " s"
	}
	switch g.Event.Event {
	case trace.Ejected:
		t := in(yellow, "ejected")
		if g.Until != nil {
			t = t.add(" until " + p.clock(*g.Until) + " s")
		}
		return t.add(cause)
	case trace.Degraded:
		t := in(yellow, "degraded")
		if g.Until != nil {
			t = t.add(" until " + p.clock(*g.Until) + " s")
		}
		return t
	case trace.Undegraded:
		return in(green, "no longer degraded")
	case trace.Returned:
		return in(green, "returned").add(cause)
	case trace.OverflowEvent:
		return in(red, fmt.Sprintf("overflow x%d", g.n)).add(span + ": maxEjectionPercent refused the ejection" + cause)
	case trace.Removed:
		return in(yellow, "removed: its name or its cluster has it no more")
	case trace.Added:
		return in(green, "added")
	case trace.Detected:
		return say(fmt.Sprintf("detected x%d%s: the enforcing percentage let it stay%s", g.n, span, cause))
	}
	return say(g.Event.Event + cause)
}
