package engine

import (
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
}

// level is one priority as the workers see it.
type level struct {
	all      source
	healthy  source
	degraded source
	excluded int

	groups []group // by locality, in order; only for locality-weighted clusters
	sched  [2]*lb.EDF
	weight [2][]float64
}

type group struct {
	weight   uint32
	hosts    []int32
	excluded int
	eligible [2]source // healthy, degraded
}

// source is a list of candidates with the balancer's memory for it.
type source struct {
	hosts  []int32
	equal  bool // all weights are the same
	seeded bool
	known  uint64 // accepting: the counter is known modulo this
	rr     lb.RoundRobin
	edf    *lb.EDF
}

func (s *source) clone() source {
	c := *s
	c.hosts = append([]int32(nil), s.hosts...)
	c.edf = s.edf.Clone()
	return c
}

func (w *workers) init(c *Cluster, ch *Chooser) {
	w.seed = ch.Uniform(DrawSeed, 1<<62)
	w.levels = make([]level, len(c.levels))
	w.counts = make([]priority.Level, len(c.levels))
	for p := range c.levels {
		if c.cfg.LocalityWeighted {
			w.levels[p].groups = groupsOf(c, p)
		}
		w.update(c, p, make([]mark, len(c.levels[p])), ch)
	}
}

func (w *workers) clone() workers {
	d := workers{seed: w.seed, counts: append([]priority.Level(nil), w.counts...), loads: w.loads.Clone(), levels: make([]level, len(w.levels))}
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
	return w.loads.Equal(&o.loads) && slices.EqualFunc(w.levels, o.levels, func(a, b level) bool {
		return a.all.same(&b.all) && a.healthy.same(&b.healthy) && a.degraded.same(&b.degraded) &&
			slices.EqualFunc(a.groups, b.groups, func(a, b group) bool {
				return a.eligible[0].same(&b.eligible[0]) && a.eligible[1].same(&b.eligible[1])
			})
	})
}

func (s *source) same(o *source) bool {
	return slices.Equal(s.hosts, o.hosts) && s.seeded == o.seeded && s.known == o.known && s.rr == o.rr
}

// groupsOf are the localities of one priority with their weights.
func groupsOf(c *Cluster, p int) []group {
	weights := map[xds.Locality]uint32{}
	for _, l := range c.cfg.Localities {
		if int(l.Priority) == p {
			weights[l.Locality] += l.Weight
		}
	}
	var gs []group
	at := map[xds.Locality]int{}
	for _, h := range c.levels[p] {
		loc := c.hosts[h].Locality
		i, ok := at[loc]
		if !ok {
			i = len(gs)
			at[loc] = i
			w := weights[loc]
			if loc == (xds.Locality{}) {
				w = 0 // endpoints without a locality have no locality weight
			}
			gs = append(gs, group{weight: w})
		}
		gs[i].hosts = append(gs[i].hosts, h)
	}
	return gs
}

// update takes the snapshot of one priority; marks are what outlier detection has
// done to its hosts. It reports whether the loads changed.
//
// Rule: RulePartition.
func (w *workers) update(c *Cluster, p int, marks []mark, ch *Chooser) bool {
	l := &w.levels[p]
	hosts := c.levels[p]
	l.all.set(c, hosts, func(int) bool { return true })
	l.healthy.set(c, hosts, func(i int) bool { return coarse(c.hosts[hosts[i]].Health, marks[i]) == isHealthy })
	l.degraded.set(c, hosts, func(i int) bool { return coarse(c.hosts[hosts[i]].Health, marks[i]) == isDegraded })
	l.excluded = 0
	for _, h := range hosts {
		if excluded(c, h) {
			l.excluded++
		}
	}
	w.updateGroups(c, l, hosts, marks, ch)
	w.counts[p] = priority.Level{Hosts: len(hosts), Healthy: len(l.healthy.hosts), Degraded: len(l.degraded.hosts), Excluded: l.excluded}
	old := w.loads.Clone()
	w.loads.Compute(w.counts, c.cfg.OverprovisioningFactor, c.cfg.HealthyPanicThreshold)
	return !old.Equal(&w.loads)
}

// updateGroups counts the localities anew. Their schedules start at a place of
// their own at every update.
//
// Rule: RuleLocalityScheduler.
func (w *workers) updateGroups(c *Cluster, l *level, hosts []int32, marks []mark, ch *Chooser) {
	if len(l.groups) == 0 {
		return
	}
	of := make(map[int32]mark, len(marks))
	for i, h := range hosts {
		of[h] = marks[i]
	}
	var counts [2][]locality.Group
	for g := range l.groups {
		gr := &l.groups[g]
		gr.excluded = 0
		for _, h := range gr.hosts {
			if excluded(c, h) {
				gr.excluded++
			}
		}
		gr.eligible[0].set(c, gr.hosts, func(i int) bool { return coarse(c.hosts[gr.hosts[i]].Health, of[gr.hosts[i]]) == isHealthy })
		gr.eligible[1].set(c, gr.hosts, func(i int) bool { return coarse(c.hosts[gr.hosts[i]].Health, of[gr.hosts[i]]) == isDegraded })
		for k := range counts {
			counts[k] = append(counts[k], locality.Group{Weight: gr.weight, Hosts: len(gr.hosts), Excluded: gr.excluded, Eligible: len(gr.eligible[k].hosts)})
		}
	}
	for k := range counts {
		l.weight[k] = locality.Effective(counts[k], c.cfg.OverprovisioningFactor)
		l.sched[k] = nil
		if l.weight[k] != nil {
			l.sched[k] = lb.NewEDF(l.weight[k], scheduleStart(c, ch.Uniform(DrawSeed, 1<<62)))
		}
	}
}

// scheduleStart is how many picks a new schedule starts after: any number,
// since Envoy 1.30; before, none.
//
// Rule: RuleSchedulerStart.
func scheduleStart(c *Cluster, seed uint64) uint32 {
	if !c.rules.SchedulerRandomStart {
		return 0
	}
	return uint32(seed % 429496729)
}

// set makes the list of those hosts that are in it. The counter of round robin
// survives; the schedule of unequal weights does not.
func (s *source) set(c *Cluster, hosts []int32, in func(i int) bool) {
	s.hosts = s.hosts[:0:0]
	s.equal = true
	for i, h := range hosts {
		if in(i) {
			s.hosts = append(s.hosts, h)
			s.equal = s.equal && c.hosts[h].Weight == c.hosts[s.hosts[0]].Weight
		}
	}
	s.edf = nil
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
