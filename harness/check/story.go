package check

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/trace"
)

// SameStory compares a drill with the same drill played faster: the endpoint
// changes have to come in the same order, and every request has to end alike.
// It returns what is different, "" if nothing is.
func SameStory(slow, fast *trace.Trace) string {
	slow, fast = slow.Unpack(), fast.Unpack()
	for i := 0; i < max(len(slow.Changes), len(fast.Changes)); i++ {
		a, b := change(slow, i), change(fast, i)
		if a != b {
			return fmt.Sprintf("at full length endpoint change %d is %s, and scaled it is %s; what does not scale is the time that connections and answers take", i+1, a, b)
		}
	}
	if len(slow.Requests) != len(fast.Requests) {
		return fmt.Sprintf("at full length %d requests are sent, and scaled %d", len(slow.Requests), len(fast.Requests))
	}
	if !sure(slow) {
		return sameShares(slow, fast)
	}
	for i := range slow.Requests {
		a, b := &slow.Requests[i], &fast.Requests[i]
		if a.Failed() != b.Failed() || a.Upstream != b.Upstream {
			return fmt.Sprintf("at full length request %d, due at %s, ends with status %d from %s, and scaled with %d from %s; what does not scale is the time that connections and answers take",
				i+1, seconds(a.At), a.Status, slow.UpstreamName(a.Upstream), b.Status, fast.UpstreamName(b.Upstream))
		}
	}
	return ""
}

// sameShares compares runs in which chance picks the hosts: errors and shares
// between two steps must not differ by more than chance allows.
func sameShares(slow, fast *trace.Trace) string {
	ratio := fast.Run.Scale / slow.Run.Scale
	scale := func(at trace.Sec) trace.Sec { return trace.Sec(float64(at) / ratio) }
	cuts := []trace.Sec{0}
	for _, s := range slow.Steps {
		cuts = append(cuts, s.At)
	}
	cuts = append(cuts, slow.Run.Duration)
	for i := 0; i+1 < len(cuts); i++ {
		a, b := In(slow, -1, cuts[i], cuts[i+1]), In(fast, -1, scale(cuts[i]), scale(cuts[i+1]))
		if apart(a.Errors, a.Requests, b.Errors, b.Requests) {
			return fmt.Sprintf("between %s and %s %d of %d requests fail at full length, and %d of %d scaled", seconds(cuts[i]), seconds(cuts[i+1]), a.Errors, a.Requests, b.Errors, b.Requests)
		}
		for _, u := range slow.Run.Upstreams {
			if apart(a.Answered[u], a.Total(), b.Answered[u], b.Total()) {
				return fmt.Sprintf("between %s and %s %s answers %d of %d requests at full length, and %d of %d scaled", seconds(cuts[i]), seconds(cuts[i+1]), u, a.Answered[u], a.Total(), b.Answered[u], b.Total())
			}
		}
	}
	return ""
}

// apart reports whether two counts cannot have the same probability behind them.
func apart(k1, n1, k2, n2 int) bool {
	l1, h1 := interval(k1, n1)
	l2, h2 := interval(k2, n2)
	return h1 < l2 || h2 < l1
}

// sure reports whether no request of the run was a matter of chance: there is
// never more than one host with traffic at a time in one priority.
func sure(t *trace.Trace) bool {
	hosts := map[string]int{}
	for _, h := range t.Hosts {
		hosts[fmt.Sprint(h.Client, h.Cluster, h.Priority, h.At)]++
	}
	for _, n := range hosts {
		if n > 1 {
			return false
		}
	}
	return true
}

func change(t *trace.Trace, i int) string {
	if i >= len(t.Changes) {
		return "missing"
	}
	c := t.Changes[i]
	return fmt.Sprintf("%s %s by %s", t.UpstreamName(t.UpstreamOf(c.Host)), c.Event, c.Cause)
}
