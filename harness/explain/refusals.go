package explain

import (
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Refusals says why istiod would not push the configuration of a drill, and
// what to change: the drill was not played.
func Refusals(c *schedule.Compiled) []result.Cause {
	out := []result.Cause{}
	for _, f := range refusals(c) {
		out = append(out, f.Cause)
	}
	return out
}

// RepairRefusal is Repair for a drill that is refused.
func RepairRefusal(c *schedule.Compiled) (*schedule.Drill, result.Cause, bool) {
	return repaired(c, refusals(c))
}

func refusals(c *schedule.Compiled) []Finding {
	var found []Finding
	for n, ts := range c.Translations {
		for i := range ts {
			for _, p := range ts[i].Rejected {
				found = append(found, refused(CodeRejected, c.Configs[n], p))
			}
			if p := ts[i].Crash; p != nil {
				found = append(found, refused(CodeCrash, c.Configs[n], *p))
			}
		}
	}
	for i := range found {
		found[i].asWritten(c)
	}
	found = unique(found)
	// Only all of it together can be played.
	var all *edit
	for i := range found {
		for _, e := range found[i].edits[:min(1, len(found[i].edits))] {
			switch {
			case all == nil:
				all = &e
			case all.beside(e):
				both := all.and(e)
				all = &both
			}
		}
	}
	if all == nil {
		return found
	}
	t, ok := replay(with(c, all), variation{})
	if !ok {
		return found
	}
	passes := check.Outcome(t).Outcome.Passes()
	for i := range found {
		found[i].cured(c, *all)
		found[i].Fix.Confirmed = passes
	}
	return found
}

func refused(code string, rs []*istio.Resource, p istio.Problem) Finding {
	f := Finding{Severity: SeverityError, Pos: p.Pos, resource: p.Resource}
	f.Code, f.Field, f.File, f.Line, f.Since = code, p.Field, p.Pos.File, p.Pos.Line, since(code)
	f.Message = p.Message
	if code == CodeRejected {
		f.Message = fmt.Sprintf("%s: %s: %s", p.Field, p.Message, why(code))
	}
	for _, r := range rs {
		if r.ID() != p.Resource || p.Field == "" {
			continue
		}
		path := p.Field
		for lookup(r.Spec, path) == nil && strings.Contains(path, ".") {
			path = path[:strings.LastIndex(path, ".")] // what is wrong is something that is missing
		}
		if path == "spec" {
			continue
		}
		if v, ok := lookup(r.Spec, path).(float64); ok && strings.HasSuffix(strings.ToLower(path), "percent") && v > 100 {
			f.edits = []edit{set(r, path, 100)}
			continue
		}
		f.edits = []edit{set(r, path, nil)}
	}
	return f
}
