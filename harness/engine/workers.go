package engine

import (
	"cmp"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/lb"
	"github.com/faildrill/faildrill/harness/engine/locality"
	"github.com/faildrill/faildrill/harness/engine/priority"
	"github.com/faildrill/faildrill/harness/xds"
)

// workers is what the workers know: for each priority the hosts that are
// healthy as of the last snapshot, and the load balancer built on them. One
// worker is modelled.
type workers struct {
	seed   uint64
	levels []level
	counts []priority.Level
	loads  priority.Loads
	bias   float64 // of least request, as of the last update

	// Slow start: when the workers first saw each host healthy (longAgo: not
	// yet), and the last of these instants. Neither an ejection nor a return
	// touches them.
	since  []int64
	latest int64
}

// level is one priority as the workers see it.
type level struct {
	all      source
	healthy  source
	degraded source
	excluded int

	groups []group // by locality, in order; only for clusters that choose by locality
	sched  [2]*lb.EDF
	weight [2][]float64
	zones  locality.Routing // only at priority 0 of zone-aware clusters
}

type group struct {
	locality xds.Locality
	weight   uint32
	hosts    []int32
	excluded int
	eligible [2]source // healthy, degraded
}

// source is a list of candidates with the balancer's memory for it.
type source struct {
	hosts   []int32
	weights []float64 // of the hosts, where they are scheduled by weight; else nil
	seeded  bool
	known   uint64 // accepting: the counter is known modulo this
	rr      lb.RoundRobin
	edf     *lb.EDF
}

func (s *source) clone() source {
	c := *s
	c.edf = s.edf.Clone()
	return c // hosts and weights are made anew, never changed
}

func (w *workers) init(c *Cluster, ch *Chooser) {
	w.seed = ch.Uniform(DrawSeed, 1<<62)
	w.levels = make([]level, len(c.levels))
	w.counts = make([]priority.Level, len(c.levels))
	w.latest = c.now
	for p := range c.levels {
		w.update(c, hostSet{p, c.levels[p], c.counts[p]}, c.now, ch)
	}
}

func (w *workers) clone() workers {
	d := *w
	d.counts, d.loads, d.levels, d.since = slices.Clone(w.counts), w.loads.Clone(), make([]level, len(w.levels)), slices.Clone(w.since)
	for p := range w.levels {
		l := w.levels[p]
		l.all, l.healthy, l.degraded = l.all.clone(), l.healthy.clone(), l.degraded.clone()
		l.groups = append([]group(nil), l.groups...)
		for g := range l.groups {
			l.groups[g].eligible = [2]source{l.groups[g].eligible[0].clone(), l.groups[g].eligible[1].clone()}
		}
		l.sched = [2]*lb.EDF{l.sched[0].Clone(), l.sched[1].Clone()}
		d.levels[p] = l
	}
	return d
}

// same reports whether two workers would make the same picks from the same
// draws. Schedules of unequal weight are not compared: an acceptor takes from
// them whatever was observed.
func (w *workers) same(o *workers) bool {
	return w.loads.Equal(&o.loads) && w.latest == o.latest && slices.Equal(w.since, o.since) && slices.EqualFunc(w.levels, o.levels, func(a, b level) bool {
		return a.all.same(&b.all) && a.healthy.same(&b.healthy) && a.degraded.same(&b.degraded) &&
			slices.EqualFunc(a.groups, b.groups, func(a, b group) bool {
				return a.eligible[0].same(&b.eligible[0]) && a.eligible[1].same(&b.eligible[1])
			})
	})
}

func (s *source) same(o *source) bool {
	return slices.Equal(s.hosts, o.hosts) && (s.weights == nil) == (o.weights == nil) && s.seeded == o.seeded && s.known == o.known && s.rr.Equal(&o.rr)
}

// current are the hosts as they are called now: one that moved has another number.
func (c *Cluster) current(hosts []int32) []int32 {
	for i, h := range hosts {
		if f := c.fate[h]; f != h && f != NoHost {
			hosts = slices.Clone(hosts)
			hosts[i] = f
		}
	}
	return hosts
}

// groupsOf are the localities of one priority with their weights, the proxy's own
// one first if it is known, and the others in the order of their names. What a
// locality's sources remember goes by its place.
//
// Rule: RuleLocalityOrder.
func groupsOf(c *Cluster, s hostSet, old []group) []group {
	weights := localityWeights(c.cfg, s.level)
	var gs []group
	at := map[xds.Locality]int{}
	for _, h := range s.hosts {
		loc := c.hosts[h].Locality
		i, ok := at[loc]
		if !ok {
			i = len(gs)
			at[loc] = i
			w := weights[loc]
			if loc == (xds.Locality{}) {
				w = 0 // endpoints without a locality have no locality weight
			}
			gs = append(gs, group{locality: loc, weight: w})
		}
		gs[i].hosts = append(gs[i].hosts, h)
	}
	slices.SortFunc(gs, func(a, b group) int {
		x, y := a.locality, b.locality
		if z := c.cfg.ZoneAware; z != nil && x != y && (x == z.Own || y == z.Own) {
			return cmp.Compare(btoi(y == z.Own), btoi(x == z.Own))
		}
		return cmp.Or(cmp.Compare(x.Region, y.Region), cmp.Compare(x.Zone, y.Zone), cmp.Compare(x.SubZone, y.SubZone))
	})
	for i := range min(len(gs), len(old)) {
		gs[i].eligible = old[i].eligible
	}
	return gs
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// localityWeights are the weights of one priority's localities.
func localityWeights(c *xds.Cluster, p int) map[xds.Locality]uint32 {
	weights := map[xds.Locality]uint32{}
	for _, l := range c.Localities {
		if int(l.Priority) == p {
			weights[l.Locality] += l.Weight
		}
	}
	return weights
}

// update takes the snapshot of one priority at an instant. Levels can come, and
// never go.
func (w *workers) update(c *Cluster, s hostSet, at int64, ch *Chooser) {
	for len(w.levels) <= s.level {
		w.levels, w.counts = append(w.levels, level{}), append(w.counts, priority.Level{})
	}
	l := &w.levels[s.level]
	is := func(k standing) func(int) bool { return func(i int) bool { return s.counts[i]&k != 0 } }
	s.hosts = c.current(s.hosts)
	if lr := c.cfg.LeastRequest; lr != nil {
		w.bias = lb.Bias(lr.ActiveRequestBias)
	} else {
		w.bias = 1
	}
	w.warm(c, s.hosts, at)
	l.all.set(c, s.hosts, func(int) bool { return true }, at)
	l.healthy.set(c, s.hosts, is(countsHealthy), at)
	l.degraded.set(c, s.hosts, is(countsDegraded), at)
	l.excluded = 0
	for i := range s.hosts {
		if is(countsExcluded)(i) {
			l.excluded++
		}
	}
	if c.cfg.LocalityWeighted || c.cfg.ZoneAware != nil && s.level == 0 {
		l.groups = groupsOf(c, s, l.groups)
		w.updateGroups(c, s, at, ch)
	}
	w.counts[s.level] = priority.Level{Hosts: len(s.hosts), Healthy: len(l.healthy.hosts), Degraded: len(l.degraded.hosts), Excluded: l.excluded}
	if c.cfg.WeightedPriorityHealth {
		w.counts[s.level].Weights = weigh(c, l)
	}
	w.loads.Compute(w.counts, c.cfg.OverprovisioningFactor, c.cfg.HealthyPanicThreshold)
}

// weigh adds up the weights of a level's hosts.
func weigh(c *Cluster, l *level) *priority.Weights {
	sum := func(hosts []int32, in func(h int32) bool) (n uint64) {
		for _, h := range hosts {
			if in(h) {
				n += uint64(max(1, c.hosts[h].Weight))
			}
		}
		return n
	}
	all := func(int32) bool { return true }
	return &priority.Weights{
		Hosts:   sum(l.all.hosts, func(h int32) bool { return !excluded(c, h) }),
		Healthy: sum(l.healthy.hosts, all), Degraded: sum(l.degraded.hosts, all),
	}
}

// warm notes the hosts that are seen healthy for the first time.
//
// Rule: RuleSlowStartOnce.
func (w *workers) warm(c *Cluster, hosts []int32, at int64) {
	if c.cfg.SlowStart == nil {
		return
	}
	for len(w.since) < len(c.hosts) {
		w.since = append(w.since, longAgo)
	}
	for _, h := range hosts {
		if w.since[h] == longAgo && coarse(c.hosts[h].Health, c.mark(h)) == isHealthy {
			w.since[h], w.latest = at, max(w.latest, at)
		}
	}
}

// updateGroups counts the localities anew. Their schedules start at a place of
// their own at every update.
//
// Rule: RuleLocalityScheduler.
func (w *workers) updateGroups(c *Cluster, s hostSet, at int64, ch *Chooser) {
	l := &w.levels[s.level]
	l.sched, l.zones = [2]*lb.EDF{}, locality.Routing{}
	if len(l.groups) == 0 {
		return
	}
	is := make(map[int32]standing, len(s.hosts))
	for i, h := range s.hosts {
		is[h] = s.counts[i]
	}
	var counts [2][]locality.Group
	for g := range l.groups {
		gr := &l.groups[g]
		gr.excluded = 0
		for _, h := range gr.hosts {
			if is[h]&countsExcluded != 0 {
				gr.excluded++
			}
		}
		for k, counts := range []standing{countsHealthy, countsDegraded} {
			gr.eligible[k].set(c, gr.hosts, func(i int) bool { return is[gr.hosts[i]]&counts != 0 }, at)
		}
		for k := range counts {
			counts[k] = append(counts[k], locality.Group{Weight: gr.weight, Hosts: len(gr.hosts), Excluded: gr.excluded, Eligible: len(gr.eligible[k].hosts)})
		}
	}
	if !c.cfg.LocalityWeighted {
		l.zones = zonesOf(c.cfg.ZoneAware, l.groups)
		return
	}
	seed := ch.Uniform(DrawSeed, 1<<62)
	for k := range counts {
		l.weight[k] = locality.Effective(counts[k], c.cfg.OverprovisioningFactor)
		l.sched[k] = nil
		if l.weight[k] != nil {
			l.sched[k] = newSchedule(c, l.weight[k], seed)
		}
	}
}

// zonesOf is how the proxy routes by zone now.
func zonesOf(z *xds.ZoneAware, gs []group) locality.Routing {
	l := locality.Limits{
		Own: gs[0].locality == z.Own, CallerZones: len(z.Callers), MinClusterSize: z.MinClusterSize, ForceDirect: z.ForceLocalityDirectRouting,
	}
	healthy := map[xds.Locality]int{}
	for _, c := range z.Callers {
		healthy[c.Locality] = c.Healthy
		l.Callers += c.Healthy
		if c.Locality == z.Own {
			l.CallersHere = c.Hosts
		}
	}
	zones := make([]locality.Zone, len(gs))
	for i, g := range gs {
		zones[i] = locality.Zone{Hosts: len(g.eligible[0].hosts), Callers: healthy[g.locality]}
	}
	return locality.NewRouting(zones, l)
}

// newSchedule builds a schedule that starts somewhere; before Envoy 1.30, at its
// beginning.
//
// Rule: RuleSchedulerStart.
func newSchedule(c *Cluster, weights []float64, seed uint64) *lb.EDF {
	if !c.rules.SchedulerRandomStart {
		return lb.NewEDF(weights)
	}
	return lb.NewEDFAfter(weights, seed)
}

// set makes the list of those hosts that are in it. The counter of round robin
// survives; the schedule of unequal weights does not. Hosts of equal weight are
// scheduled too while some host may be warming up, until the next list is made.
//
// Rule: RuleSlowStartSchedule.
func (s *source) set(c *Cluster, hosts []int32, in func(i int) bool, at int64) {
	s.hosts, s.weights, s.edf = nil, nil, nil
	equal := true
	for i, h := range hosts {
		if in(i) {
			s.hosts = append(s.hosts, h)
			equal = equal && c.hosts[h].Weight == c.hosts[s.hosts[0]].Weight
		}
	}
	warming := lb.Warming(c.cfg.SlowStart, c.workers.latest, at)
	if c.cfg.LBPolicy == xds.Random || len(s.hosts) < 2 || equal && !warming {
		return
	}
	s.weights = make([]float64, len(s.hosts))
	for i, h := range s.hosts {
		s.weights[i] = float64(max(1, c.hosts[h].Weight))
	}
	if warming || c.cfg.LBPolicy == xds.LeastRequest {
		s.schedule(c, at) // weights are those of this moment
	}
}

// schedule makes the schedule of a source with unequal weights.
func (s *source) schedule(c *Cluster, at int64) {
	now := make([]float64, len(s.weights))
	for i := range now {
		now[i] = c.weightOf(s, i, at)
	}
	s.edf = newSchedule(c, now, c.workers.seed)
}

// weightOf is what a host is scheduled with at an instant.
func (c *Cluster) weightOf(s *source, i int, at int64) float64 {
	w, h := s.weights[i], s.hosts[i]
	if c.cfg.LBPolicy == xds.LeastRequest {
		w = lb.ByActive(w, c.active[h], c.workers.bias)
	}
	if !lb.Warming(c.cfg.SlowStart, c.workers.latest, at) || c.workers.since[h] == longAgo || coarse(c.hosts[h].Health, c.mark(h)) != isHealthy {
		return w
	}
	return lb.SlowStart(w, c.cfg.SlowStart, c.workers.since[h], at)
}

// health is what the load balancer goes by.
type health uint8

const (
	isHealthy health = iota
	isDegraded
	isUnhealthy
)

// coarse is the health of a host from what the control plane says of it and from
// what outlier detection has done to it. The worse of the two counts.
//
// Rule: RuleCoarseHealth.
func coarse(h xds.Health, m mark) health {
	said := isUnhealthy
	switch h {
	case xds.HealthUnknown, xds.HealthHealthy:
		said = isHealthy
	case xds.HealthDegraded:
		said = isDegraded
	}
	switch m {
	case ejected:
		return isUnhealthy
	case degraded:
		return max(said, isDegraded)
	}
	return said
}

// excluded hosts are left out of every denominator. Draining ones are since Envoy 1.30.
//
// Rule: RuleDraining.
func excluded(c *Cluster, h int32) bool {
	return c.hosts[h].Health == xds.HealthDraining && c.rules.DrainingExcluded
}
