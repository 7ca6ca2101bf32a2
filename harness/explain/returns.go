package explain

import (
	"fmt"
	"strconv"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// returnCost: each return of a host that is still broken costs requests. How
// many an hour is found by letting the drill go on for one.
func returnCost(s *site, d *drill) []Finding {
	od := s.cluster.OutlierDetection
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if d == nil || od == nil || !ok || d.ReturnErrors == 0 || !d.Outcome.Passes() {
		return nil
	}
	returns := 0
	for c := range d.changes(s) {
		if c.Event == trace.Returned && c.At < d.trace.Run.Duration {
			returns++
		}
	}
	path := use.Path + ".baseEjectionTime"
	f := finding(CodeReturnCost, SeverityInfo, use.Resource, path)
	f.goal = goalReturns
	words := "baseEjectionTime " + length(od.BaseEjectionTime)
	if !use.Resource.Has(path) {
		f.Default = length(od.BaseEjectionTime)
		words = "baseEjectionTime (not set, default " + f.Default + ")"
	}
	f.Message = fmt.Sprintf("%s: %s to a host that is still broken cost %s", words, count(returns, "return"), count(d.ReturnErrors, "client error"))
	if n, back, ok := d.perHour(s); ok {
		f.Message += fmt.Sprintf(", %s cost %s in the first hour", count(back, "return"), strconv.Itoa(n))
	}
	f.Message += "; " + why(CodeReturnCost)
	if s.route != nil && s.route.Retry == nil {
		if r, p := s.routePath("retries"); r != nil {
			f.edits = append(f.edits, set(r, p, nil))
		}
	}
	if od.Consecutive5xx > 1 {
		f.edits = append(f.edits, set(use.Resource, use.Path+".consecutive5xxErrors", 1))
	}
	for _, base := range []time.Duration{5 * time.Minute, 15 * time.Minute} {
		if base > od.BaseEjectionTime {
			f.edits = append(f.edits, set(use.Resource, path, length(base)))
		}
	}
	return []Finding{f}
}

// mostOfAnHour is how many requests an hour may have to be played.
const mostOfAnHour = 10_000

// perHour counts the client errors that returns cost in the hour after the first
// step, and the returns. It is false when an hour has too many requests to play.
func (d *drill) perHour(s *site) (errors, returns int, ok bool) {
	load := 0.0
	for i := range d.Schedule.Clients {
		if every := d.Schedule.Clients[i].Load.Every; every > 0 {
			load += time.Hour.Seconds() / every.Seconds()
		}
	}
	if load > mostOfAnHour {
		return 0, 0, false
	}
	t, ok := replay(d.Compiled.Drill, variation{duration: d.Since.D() + time.Hour})
	if !ok {
		return 0, 0, false
	}
	for i := range t.Changes {
		if c := &t.Changes[i]; c.Client == s.index && c.Event == trace.Returned {
			returns++
		}
	}
	return check.Outcome(t).ReturnErrors, returns, true
}
