package explain

import (
	"cmp"
	"slices"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Finding is a possible cause, seen in the configuration of one cluster.
type Finding struct {
	result.Cause
	Severity Severity
	Pos      istio.Position
	edits    []edit // changes that may cure it, the smallest first
	// standing findings matter although the drill passes: traffic goes, but not
	// where the configuration means it to.
	standing bool
	resource string // see istio.Resource.ID
	cure     *edit  // the change that was confirmed
}

// Severity is how bad a finding is without a drill.
type Severity string

// The severities of a lint finding.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityInfo    Severity = "info"
)

// site is one cluster of one client with where it comes from.
type site struct {
	resources []*istio.Resource
	client    xds.Locality
	cluster   *xds.Cluster
	t         *istio.Translation
	profile   istio.Profile
	hosts     int // addresses of all its endpoints together
}

// finders look for one cause each. Their order breaks ties of the ranking.
var finders = []func(*site) []Finding{
	noOutlierDetection,
	ejectionBudget,
	endpointWithoutLocality,
	failoverFrom,
}

// Causes says why the drill went as it did, the cause whose fix alone helps
// most first. There are none when the drill had no impact.
func Causes(c *schedule.Compiled, t *trace.Trace, im check.Impact) []result.Cause {
	found := findings(c, t, im)
	if im.Outcome.Passes() {
		return append(causesOf(found), returnCost(c, t, im)...)
	}
	return causesOf(found)
}

// Repair returns the drill with the change made that its first cause proposes.
// It is false when no change was found that makes the drill pass.
func Repair(c *schedule.Compiled, t *trace.Trace, im check.Impact) (*schedule.Drill, result.Cause, bool) {
	for _, f := range findings(c, t, im) {
		if f.cure == nil {
			continue
		}
		d := *c.Drill
		d.Configs = nil
		d.Patched = map[string]string{}
		for i := range c.Configs {
			d.Configs = append(d.Configs, f.cure.apply(c.Configs[i]))
			for _, id := range f.cure.ids() {
				d.Patched[schedule.PatchKey(i, id)] = f.cure.patched(c.Configs[i], id)
			}
		}
		return &d, f.Cause, true
	}
	return nil, result.Cause{}, false
}

func findings(c *schedule.Compiled, t *trace.Trace, im check.Impact) []Finding {
	sites := sitesOf(c)
	var found []Finding
	for _, s := range sites {
		for _, f := range finders {
			found = append(found, f(s)...)
		}
	}
	found = append(found, budgetUsedUp(t, im, sites)...)
	found = append(found, thresholdNotReached(t, im, sites)...)
	for i := range found {
		found[i].asWritten(c)
	}
	found = unique(found)
	if im.Outcome.Passes() {
		found = slices.DeleteFunc(found, func(f Finding) bool { return !f.standing })
		return standingFixes(c, im, found)
	}
	return rank(c, im, found)
}

// asWritten points at the object of the configuration at 0 s where there is one:
// that is the user's own file, and later ones repeat it.
func (f *Finding) asWritten(c *schedule.Compiled) {
	for _, r := range c.Configs[0] {
		if r.ID() == f.resource {
			f.Pos = r.Where(f.Field)
			f.File, f.Line = f.Pos.File, f.Pos.Line
		}
	}
}

// cured notes the change that was confirmed, with the objects as they are after
// it: those of the configuration at 0 s, or of the first that has them.
func (f *Finding) cured(c *schedule.Compiled, e edit) {
	f.cure = &e
	f.Fix = e.fix()
	for _, id := range e.ids() {
		if f.Fix.Patch != "" {
			f.Fix.Patch += "---\n"
		}
		for _, rs := range c.Configs {
			if text := e.patched(rs, id); text != "" {
				f.Fix.Patch += text
				break
			}
		}
	}
}

func causesOf(fs []Finding) []result.Cause {
	out := []result.Cause{}
	for _, f := range fs {
		out = append(out, f.Cause)
	}
	return out
}

// sitesOf are the clusters that requests reach under the last configuration.
func sitesOf(c *schedule.Compiled) []*site {
	last := len(c.Configs) - 1
	var out []*site
	for i := range c.Schedule.Clients {
		cl := &c.Schedule.Clients[i]
		t := &c.Translations[last][i]
		for k := range t.Config.VirtualHosts {
			v := &t.Config.VirtualHosts[k]
			if v.Port != cl.Load.Port || !v.Matches(cl.Load.Host) {
				continue
			}
			for r := range v.Routes {
				cluster := t.Config.Cluster(v.Routes[r].Cluster)
				if cluster == nil {
					continue
				}
				s := &site{resources: c.Configs[last], client: cl.Locality, cluster: cluster, t: t, profile: c.Profile}
				for _, l := range cluster.Localities {
					for _, e := range l.Endpoints {
						s.hosts += len(c.Schedule.Resolve(e.Address))
					}
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// unique drops what several clients or routes have in common.
func unique(fs []Finding) []Finding {
	var out []Finding
	for _, f := range fs {
		if !slices.ContainsFunc(out, func(o Finding) bool {
			return o.Code == f.Code && o.Field == f.Field && o.Pos == f.Pos && o.Message == f.Message
		}) {
			out = append(out, f)
		}
	}
	return out
}

// rank tries each finding's changes, and sorts by what they achieve. When no
// finding alone makes the drill pass, pairs are tried. Findings whose change
// alters nothing are not causes of this drill, and are left out as long as
// others are.
func rank(c *schedule.Compiled, im check.Impact, found []Finding) []Finding {
	type scored struct {
		Finding
		errors int
		passes bool
	}
	var all []scored
	for _, f := range found {
		s := scored{Finding: f, errors: im.Errors}
		for _, e := range f.edits {
			try := attempt(c, e, im.Lost)
			if try.passes {
				f.cured(c, e)
				s = scored{f, try.errors, true}
				break
			}
			s.errors = min(s.errors, try.errors)
		}
		all = append(all, s)
	}
	if !slices.ContainsFunc(all, func(s scored) bool { return s.passes }) {
		if i, k, both := together(c, im, found); both != nil {
			for _, n := range []int{i, k} {
				all[n].cured(c, *both)
				all[n].passes = true
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		if a.passes != b.passes {
			if a.passes {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.errors, b.errors)
	})
	helps := slices.ContainsFunc(all, func(s scored) bool { return s.passes })
	var out []Finding
	for _, s := range all {
		if !helps || s.passes || s.errors < im.Errors {
			out = append(out, s.Finding)
		}
	}
	return out
}

// together looks for the first pair of findings whose changes make the drill
// pass when both are made. Nil: there is none.
func together(c *schedule.Compiled, im check.Impact, found []Finding) (int, int, *edit) {
	for i := range found {
		for k := i + 1; k < len(found); k++ {
			for _, a := range found[i].edits {
				for _, b := range found[k].edits {
					both := a.and(b)
					if attempt(c, both, im.Lost).passes {
						return i, k, &both
					}
				}
			}
		}
	}
	return 0, 0, nil
}

// standingFixes confirms changes of findings that matter although the drill
// passes: the change has to alter where the traffic goes.
func standingFixes(c *schedule.Compiled, im check.Impact, found []Finding) []Finding {
	for i := range found {
		for _, e := range found[i].edits {
			if try := attempt(c, e, im.Lost); try.passes && try.moved {
				found[i].cured(c, e)
				break
			}
		}
	}
	return slices.DeleteFunc(found, func(f Finding) bool { return f.Fix == nil })
}
