package explain

import (
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// panicServes: below minHealthPercent of healthy hosts a priority serves from
// all of its hosts, the ejected ones included
// (load_balancer_impl.cc: hostSourceToUse).
func panicServes(s *site, d *drill) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if s.cluster.HealthyPanicThreshold == 0 || s.cluster.OutlierDetection == nil || !ok {
		return nil
	}
	path := use.Path + ".minHealthPercent"
	f := finding(CodePanic, SeverityInfo, use.Resource, path)
	f.Message = fmt.Sprintf("minHealthPercent %v: %s", s.cluster.HealthyPanicThreshold, why(CodePanic))
	f.edits = []edit{set(use.Resource, path, nil)}
	if d == nil {
		return []Finding{f}
	}
	bad := d.failedWhileEjected(s)
	if bad == 0 {
		return nil
	}
	f.Message += fmt.Sprintf("; %s on ejected hosts here", plural(bad, "attempt failed", "attempts failed"))
	return []Finding{f}
}

// failedWhileEjected counts the failed attempts that were sent to ejected hosts
// while their priority was in panic.
func (d *drill) failedWhileEjected(s *site) int {
	panics := func(at trace.Sec, priority uint32) bool {
		in := false
		for _, l := range d.trace.Loads {
			if l.At > at {
				break
			}
			if l.Cluster == s.cluster.Name && l.Client == s.index && int(priority) < len(l.Panic) {
				in = l.Panic[priority]
			}
		}
		return in
	}
	type span struct{ from, to trace.Sec }
	out := map[int32][]span{}
	for c := range d.changes(s) {
		switch l := out[c.Host]; c.Event {
		case trace.Ejected:
			out[c.Host] = append(l, span{c.At, d.trace.Run.Duration})
		case trace.Returned:
			if len(l) > 0 {
				l[len(l)-1].to = c.At
			}
		}
	}
	n := 0
	for a := range d.attempts(s) {
		if !failed(a) {
			continue
		}
		for _, o := range out[a.Host] {
			if a.At > o.from && a.At < o.to && panics(a.At, d.trace.Hosts[a.Host].Priority) {
				n++
			}
		}
	}
	return n
}

// retryWords says what a route retries, and where that is written.
func (s *site) retryWords() (words string, use istio.Use, written bool) {
	use, written = s.t.Use(s.cluster.Name, istio.PartRetries)
	p := s.route.Retry
	words = fmt.Sprintf("attempts %d on %s", p.NumRetries, strings.Join(p.RetryOn, ","))
	for _, code := range p.RetriableStatusCodes {
		words += fmt.Sprintf(",%d", code)
	}
	if !written {
		words = "default, " + words
	}
	return words, use, written
}
