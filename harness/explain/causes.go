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
	goal     goal
	// firstWillDo: lint proposes the first edit, not the last.
	firstWillDo bool
	resource    string // see istio.Resource.ID
	cure        *edit  // the change that was confirmed
}

// goal is what a change has to achieve for a finding to matter although the
// drill passes. In a drill that fails the goal is always that it passes.
type goal int

const (
	goalPass    goal = iota // nothing: it matters only when the drill fails
	goalMoves               // others answer
	goalErrors              // fewer client errors
	goalReturns             // fewer client errors of returns
	goalHidden              // fewer failed attempts that retries hide
	goalTell                // no change is needed for it to be told
)

// met reports whether a change that leads from before to after achieves the goal.
func (g goal) met(before, after try) bool {
	switch g {
	case goalMoves:
		return after.moved
	case goalErrors:
		return after.errors < before.errors
	case goalReturns:
		return after.returnErrors < before.returnErrors && after.errors <= before.errors
	case goalHidden:
		return 4*after.hidden <= 3*before.hidden && after.errors <= before.errors
	}
	return false
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
	index     int32 // of the client
	client    istio.Client
	cluster   *xds.Cluster
	route     *xds.Route // that leads to it; nil: none does
	t         *istio.Translation
	profile   istio.Profile
	hosts     int // addresses of all its endpoints together
}

// drill is what was played, with what came out. Lint has none.
type drill struct {
	*schedule.Compiled
	trace *trace.Trace
	check.Impact
}

// finders look for one cause each: in the configuration alone when the drill
// is nil, else for one that shows in what was played. Their order breaks ties
// of the ranking.
var finders = []func(*site, *drill) []Finding{
	tlsNames,
	noOutlierDetection,
	portLevelSettings,
	ejectionBudget,
	budgetUsedUp,
	detectorsOff,
	thresholdNotReached,
	splitLocalErrors,
	noTimeout,
	connectTimeout,
	panicServes,
	retriesStrike,
	roundRobinLock,
	distributeOneRegion,
	endpointWithoutLocality,
	failoverFrom,
	tlsPassThrough,
	returnCost,
	retriesHide,
}

// Causes says why the drill went as it did, the cause whose fix alone helps
// most first. There are none when the drill had no impact and nothing that
// matters all the same.
func Causes(c *schedule.Compiled, t *trace.Trace, im check.Impact) []result.Cause {
	out := []result.Cause{}
	for _, f := range findings(c, t, im) {
		out = append(out, f.Cause)
	}
	return out
}

// Repair returns the drill with the change made that its first cause proposes.
// It is false when no change was found that makes the drill pass.
func Repair(c *schedule.Compiled, t *trace.Trace, im check.Impact) (*schedule.Drill, result.Cause, bool) {
	return repaired(c, findings(c, t, im))
}

func repaired(c *schedule.Compiled, found []Finding) (*schedule.Drill, result.Cause, bool) {
	for _, f := range found {
		if f.cure == nil || !f.Fix.Confirmed {
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
	d := &drill{c, t, im}
	var found []Finding
	for _, s := range sitesOf(c) {
		for _, find := range finders {
			found = append(found, find(s, d)...)
		}
	}
	for i := range found {
		found[i].asWritten(c)
	}
	found = unique(found)
	s := newSearch(d)
	if im.Outcome.Passes() {
		return s.better(slices.DeleteFunc(found, func(f Finding) bool { return f.goal == goalPass }))
	}
	return s.rank(found)
}

// finding begins one about a field of an object.
func finding(code string, sev Severity, r *istio.Resource, path string) Finding {
	f := Finding{Severity: sev, Pos: r.Where(path), resource: r.ID()}
	f.Code, f.Field, f.File, f.Line, f.Since = code, path, f.Pos.File, f.Pos.Line, since(code)
	return f
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

// sitesOf are the clusters that requests reach under the last configuration.
func sitesOf(c *schedule.Compiled) []*site {
	last := len(c.Configs) - 1
	var out []*site
	for i := range c.Schedule.Clients {
		cl := &c.Schedule.Clients[i]
		t := &c.Translations[last][i]
		add := func(cluster *xds.Cluster, route *xds.Route) {
			if cluster == nil {
				return
			}
			s := &site{resources: c.Configs[last], index: int32(i), cluster: cluster, route: route, t: t, profile: c.Profile}
			s.client = istio.Client{Name: cl.Name, Namespace: cl.Namespace, Locality: cl.Locality, Labels: cl.Labels}
			for _, l := range cluster.Localities {
				for _, e := range l.Endpoints {
					s.hosts += len(c.Schedule.Resolve(e.Address))
				}
			}
			out = append(out, s)
		}
		for k := range t.Config.VirtualHosts {
			v := &t.Config.VirtualHosts[k]
			if v.Port != cl.Load.Port || !v.Matches(cl.Load.Host) {
				continue
			}
			for r := range v.Routes {
				add(t.Config.Cluster(v.Routes[r].Cluster), &v.Routes[r])
			}
		}
		add(schedule.PassedThrough(&t.Config, &cl.Load), nil)
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

// search looks for changes by playing the drill with them.
type search struct {
	*drill
	before    try
	addresses []int // see addressCounts
	left      int   // changes that may still be tried
}

// mostTries bounds how many changes are tried for one drill: each is played up
// to five times. What is found before is the smallest of its kind, because the
// changes come in that order.
const mostTries = 40

func newSearch(d *drill) *search {
	return &search{drill: d, left: mostTries, before: tryOf(d.trace, d.Impact), addresses: addressCounts(d)}
}

// rank tries each finding's changes, and sorts by what they achieve. When no
// finding alone makes the drill pass, pairs are tried. Findings whose change
// alters nothing are not causes of this drill, and are left out as long as
// others are.
func (s *search) rank(found []Finding) []Finding {
	for i := range found {
		f := &found[i]
		for _, e := range f.edits {
			after, ok := s.attempt(e)
			if !ok {
				continue
			}
			f.avoids(s.before.errors-after.errors, after.passes)
			if after.passes {
				f.cured(s.Compiled, e)
				break
			}
		}
	}
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.cure != nil }) {
		s.together(found)
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		if (a.cure == nil) != (b.cure == nil) {
			if a.cure != nil {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.avoided(), a.avoided())
	})
	if len(found) > 0 && found[0].cure != nil {
		found = slices.DeleteFunc(found, func(f Finding) bool { return f.cure == nil && f.avoided() <= 0 })
	}
	return found
}

// avoids notes what a change achieves: the best one, or the one that is proposed.
func (f *Finding) avoids(errors int, proposed bool) {
	if f.ErrorsAvoided == nil || proposed || errors > *f.ErrorsAvoided {
		f.ErrorsAvoided = &errors
	}
}

func (f *Finding) avoided() int {
	if f.ErrorsAvoided == nil {
		return 0
	}
	return *f.ErrorsAvoided
}

// together looks for the first pair of findings whose changes make the drill
// pass when both are made. What each avoids stays what it avoids alone.
func (s *search) together(found []Finding) {
	for i := range found {
		for k := i + 1; k < len(found); k++ {
			for _, a := range found[i].edits {
				for _, b := range found[k].edits {
					if !a.beside(b) {
						continue
					}
					both := a.and(b)
					if after, ok := s.attempt(both); ok && after.passes {
						found[i].cured(s.Compiled, both)
						found[k].cured(s.Compiled, both)
						return
					}
				}
			}
		}
	}
}

// better confirms changes of findings that matter although the drill passes.
func (s *search) better(found []Finding) []Finding {
	for i := range found {
		f := &found[i]
		for _, e := range f.edits {
			after, ok := s.attempt(e)
			if ok && after.passes && f.goal.met(s.before, after) {
				f.avoids(s.before.errors-after.errors, true)
				f.cured(s.Compiled, e)
				break
			}
		}
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Fix == nil && f.goal != goalTell && f.goal != goalReturns })
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.avoided(), a.avoided()) })
	return found
}
