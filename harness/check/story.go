package check

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/trace"
)

// SameStory compares a drill with the same drill played faster: the endpoint
// changes have to come in the same order, and every request has to end alike.
// It returns what is different, "" if nothing is.
func SameStory(slow, fast *trace.Trace) string {
	for i := 0; i < max(len(slow.Changes), len(fast.Changes)); i++ {
		a, b := change(slow, i), change(fast, i)
		if a != b {
			return fmt.Sprintf("at full length endpoint change %d is %s, and scaled it is %s; what does not scale is the time that connections and answers take", i+1, a, b)
		}
	}
	if len(slow.Requests) != len(fast.Requests) {
		return fmt.Sprintf("at full length %d requests are sent, and scaled %d", len(slow.Requests), len(fast.Requests))
	}
	for i := range slow.Requests {
		a, b := &slow.Requests[i], &fast.Requests[i]
		if a.Failed() != b.Failed() || sure(slow) && a.Upstream != b.Upstream {
			return fmt.Sprintf("at full length request %d, due at %s, ends with status %d from %s, and scaled with %d from %s; what does not scale is the time that connections and answers take",
				i+1, seconds(a.At), a.Status, slow.UpstreamName(a.Upstream), b.Status, fast.UpstreamName(b.Upstream))
		}
	}
	return ""
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
