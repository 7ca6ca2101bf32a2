package explain

import (
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// retriesStrike: each attempt of a request is charged, the retries too, so that
// one request can eject several hosts, or one host all by itself
// (router.cc: onUpstreamHeaders).
func retriesStrike(s *site, d *drill) []Finding {
	if s.route == nil || s.route.Retry == nil || s.cluster.OutlierDetection == nil {
		return nil
	}
	words, use, written := s.retryWords()
	if !written {
		return nil // the default retries nothing that was answered
	}
	f := finding(CodeRetriesStrike, SeverityWarning, use.Resource, use.Path+".retryOn")
	f.goal = goalErrors
	f.Message = fmt.Sprintf("retries (%s): %s", words, why(CodeRetriesStrike))
	if d == nil {
		strikes := s.route.Retry.NumRetries + 1
		if n := s.cluster.OutlierDetection.Consecutive5xx; n == 0 || n > strikes || !retriesAnswers(s.route.Retry) || len(ejectionBudget(s, nil)) > 0 {
			return nil
		}
		f.Severity = SeverityInfo
		f.Message += fmt.Sprintf("; consecutive5xxErrors %d is no more than the %d that one request can make", s.cluster.OutlierDetection.Consecutive5xx, strikes)
		return []Finding{f}
	}
	ejected := 0
	for c := range d.changes(s) {
		if c.Event == trace.Ejected {
			ejected++
		}
	}
	strikes, most, hosts := map[requestKey]int{}, 0, map[int32]bool{}
	var of requestKey
	for a := range d.attempts(s) {
		if k := (requestKey{a.Client, a.Request}); a.Charged {
			strikes[k]++
			if strikes[k] > most {
				most, of = strikes[k], k
			}
		}
	}
	for a := range d.attempts(s) {
		if a.Charged && (requestKey{a.Client, a.Request}) == of {
			hosts[a.Host] = true
		}
	}
	if ejected == 0 || most < 2 {
		return nil
	}
	f.Message += fmt.Sprintf("; one request struck %d times, on %s", most, count(len(hosts), "host"))
	if lookup(use.Resource.Spec, use.Path+".retryOn") != nil {
		f.edits = append(f.edits, set(use.Resource, use.Path+".retryOn", nil))
	}
	if s.route.Retry.NumRetries > 1 {
		f.edits = append(f.edits, set(use.Resource, use.Path+".attempts", 1))
	}
	if od, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection); ok {
		f.edits = append(f.edits, set(od.Resource, od.Path+".consecutive5xxErrors", int(s.cluster.OutlierDetection.Consecutive5xx)*most))
	}
	return []Finding{f}
}

// retriesAnswers reports whether the policy sends again what was answered with
// an error.
func retriesAnswers(p *xds.RetryPolicy) bool {
	return len(p.RetriableStatusCodes) > 0 || slices.Contains(p.RetryOn, "5xx") || slices.Contains(p.RetryOn, "gateway-error")
}

// retriesHide: the clients see nothing, because retries answered for the broken
// host. How many of them would have failed is found by playing without retries.
func retriesHide(s *site, d *drill) []Finding {
	if d == nil || !d.Outcome.Passes() || s.route == nil || s.route.Retry == nil {
		return nil
	}
	attempts, requests := hidden(d.trace, d.attempts(s))
	if attempts == 0 {
		return nil
	}
	words, use, written := s.retryWords()
	r, path := use.Resource, use.Path
	if !written {
		if r, path = s.routePath("retries"); r == nil {
			r, path = s.service(), "spec.http[0].retries"
		}
	}
	if r == nil {
		return nil
	}
	f := finding(CodeRetriesHide, SeverityInfo, r, path)
	f.goal = goalTell
	if !written {
		f.Default = fmt.Sprint(s.route.Retry.NumRetries)
	}
	f.Message = fmt.Sprintf("retries (%s) hid %s of %s: %s", words, count(attempts, "failed attempt"), count(requests, "request"), why(CodeRetriesHide))
	alone := check.Outcome(engine.Predict(withoutRetries(d.Schedule, s.index)))
	f.Message += fmt.Sprintf("; without them %d more would have failed", alone.Errors-d.Errors)
	return []Finding{f}
}

// withoutRetries is the schedule with the retries of one client switched off.
func withoutRetries(s *schedule.Schedule, client int32) *schedule.Schedule {
	out := *s
	out.Configs = slices.Clone(s.Configs)
	for i := range out.Configs {
		out.Configs[i] = slices.Clone(out.Configs[i])
		cfg := &out.Configs[i][client]
		cfg.VirtualHosts = slices.Clone(cfg.VirtualHosts)
		for j := range cfg.VirtualHosts {
			v := &cfg.VirtualHosts[j]
			v.Routes = slices.Clone(v.Routes)
			for k := range v.Routes {
				v.Routes[k].Retry = nil
			}
		}
	}
	return &out
}

// roundRobinLock: a retry takes a turn of the round robin, so that the dead one
// of n hosts is the first pick of every (n-1)-th request instead of every n-th
// (round_robin_lb.h; measured X65).
func roundRobinLock(s *site, d *drill) []Finding {
	if s.route == nil || s.route.Retry == nil || s.cluster.LBPolicy != xds.RoundRobin {
		return nil
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartLoadBalancer)
	if !ok {
		return nil
	}
	path := use.Path + ".simple"
	f := finding(CodeRoundRobinLock, SeverityInfo, use.Resource, path)
	f.goal = goalHidden
	f.edits = []edit{set(use.Resource, path, "LEAST_REQUEST")}
	if d == nil {
		if s.cluster.OutlierDetection != nil && len(ejectionBudget(s, nil)) == 0 || s.hosts < 2 {
			return nil // the dead host is ejected before it matters
		}
		f.Message = "ROUND_ROBIN: " + why(CodeRoundRobinLock)
		return []Finding{f}
	}
	first, total, n := d.firstPicks(s)
	if total < 10 || n < 2 || float64(first)/float64(total) < 0.9/float64(n-1) || float64(first)/float64(total) < 1.2/float64(n) {
		return nil
	}
	f.Message = fmt.Sprintf("ROUND_ROBIN: %s; %d of %d requests met the broken one of %d hosts first", why(CodeRoundRobinLock), first, total, n)
	return []Finding{f}
}

// firstPicks counts, of the requests whose priority has a broken host that is
// not ejected, those that met it first, and the hosts of that priority.
func (d *drill) firstPicks(s *site) (first, total, hosts int) {
	broken := int32(-1)
	for a := range d.attempts(s) {
		if failed(a) {
			broken = a.Host
			break
		}
	}
	if broken < 0 {
		return 0, 0, 0
	}
	b := &d.trace.Hosts[broken]
	for i := range d.trace.Hosts {
		if h := &d.trace.Hosts[i]; h.Client == b.Client && h.Cluster == b.Cluster && h.Priority == b.Priority {
			hosts++
		}
	}
	until := d.trace.Run.Duration
	for c := range d.changes(s) {
		if c.Host == broken && c.Event == trace.Ejected {
			until = c.At
			break
		}
	}
	for a := range d.attempts(s) {
		if a.N != 1 || a.At > until || d.trace.Hosts[a.Host].Priority != b.Priority {
			continue
		}
		total++
		if a.Host == broken {
			first++
		}
	}
	return first, total, hosts
}
