package engine

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine/lb"
	"github.com/faildrill/faildrill/harness/engine/priority"
	"github.com/faildrill/faildrill/harness/xds"
)

// NoHost is the pick that found nobody: 503 UH.
const NoHost int32 = -1

// Pick chooses a host for an attempt. On a retry, tried are the hosts that this
// request has been at, and the policy's predicate may reject them: then it is
// picked again, level and all, and the last pick is used even if rejected. A
// policy with a retry priority needs PickAgain.
func (c *Cluster) Pick(tried []int32, p *xds.RetryPolicy, ch *Chooser) int32 {
	return c.PickAgain(tried, p, nil, ch)
}

// PickAgain is Pick for a request that keeps the loads of its retry priority from
// one attempt to the next.
//
// Rule: RulePreviousHosts.
func (c *Cluster) PickAgain(tried []int32, p *xds.RetryPolicy, kept *Kept, ch *Chooser) int32 {
	if len(tried) == 0 || p == nil {
		return c.pickOnce(&c.workers.loads, ch)
	}
	again := uint32(0)
	if p.PreviousHosts {
		again = max(1, p.HostSelectionMaxAttempts)
	}
	for {
		loads := &c.workers.loads
		if kept != nil {
			loads = c.retryLoads(tried, p, kept)
		}
		h := c.pickOnce(loads, ch)
		if h == NoHost || again == 0 || !slices.Contains(tried, h) {
			return h
		}
		again--
	}
}

// pickOnce chooses level, locality and host.
func (c *Cluster) pickOnce(loads *priority.Loads, ch *Chooser) int32 {
	w := &c.workers
	if len(w.levels) == 0 {
		return NoHost
	}
	draw := ch.level(loads)
	p, degraded := loads.Choose(uint32(draw) + 1)
	s := c.sourceOf(p, degraded, ch)
	if s == nil || len(s.hosts) == 0 {
		return NoHost
	}
	return s.hosts[c.indexIn(s, draw, ch)]
}

// sourceOf is the list that a pick at the level chooses from; nil: none.
//
// Rule: RulePanicAllHosts, RuleNoLocalitySchedule, RuleFailTrafficOnPanic.
func (c *Cluster) sourceOf(p int, degraded bool, ch *Chooser) *source {
	l := &c.workers.levels[p]
	if c.workers.loads.Panic(p) {
		if z := c.cfg.ZoneAware; z != nil && z.FailTrafficOnPanic {
			return nil
		}
		return &l.all
	}
	k := 0
	if degraded {
		k = 1
	}
	switch {
	case l.sched[k] != nil:
		return &l.groups[c.groupOf(l, k, ch)].eligible[k]
	case l.zones.On:
		if z, fail := c.zoneOf(l, k, ch); fail {
			return nil
		} else if z >= 0 {
			return &l.groups[z].eligible[k]
		}
	}
	if degraded {
		return &l.degraded
	}
	return &l.healthy
}

// groupOf picks a locality. When accepting, the one that was observed decides:
// where the schedule stands is not known.
func (c *Cluster) groupOf(l *level, k int, ch *Chooser) int {
	if ch.guide != nil {
		if g, ok := ch.guide.Answer(Question{Draw: DrawLocality, N: uint64(len(l.groups)), Groups: l.open(k)}); ok {
			return int(g)
		}
	}
	g := l.sched[k].Next()
	l.sched[k].Again(l.weight[k][g])
	return g
}

// open are the hosts of each locality that the schedule has; of the others, none.
func (l *level) open(k int) [][]int32 {
	out := make([][]int32, len(l.groups))
	for g := range l.groups {
		if l.weight[k][g] > 0 {
			out[g] = l.groups[g].eligible[k].hosts
		}
	}
	return out
}

// zoneOf picks a locality by zone; -1: the hosts of the whole level, because the
// percentage or a panic among the callers says so. It may fail instead. That the
// callers panic is judged by the threshold of the cluster that is called.
//
// Rule: RuleZoneSampled, RuleCallersPanic.
func (c *Cluster) zoneOf(l *level, k int, ch *Chooser) (zone int, fail bool) {
	z := c.cfg.ZoneAware
	if z.RoutingEnabled < 100 && ch.Uniform(DrawLocality, 100) >= uint64(z.RoutingEnabled) {
		return -1, false
	}
	hosts, healthy := 0, 0
	for _, x := range z.Callers {
		hosts, healthy = hosts+x.Hosts, healthy+x.Healthy
	}
	if priority.Below(priority.Level{Hosts: hosts, Healthy: healthy}, c.cfg.HealthyPanicThreshold) {
		return -1, z.FailTrafficOnPanic
	}
	if ch.guide != nil {
		may := make([][]int32, len(l.groups))
		for g := range l.groups {
			if l.zones.May(g) {
				may[g] = l.groups[g].eligible[k].hosts
			}
		}
		if g, ok := ch.guide.Answer(Question{Draw: DrawLocality, N: uint64(len(may)), Groups: may}); ok {
			return int(g), false
		}
	}
	return l.zones.Pick(ch.bits(DrawLocality), ch.bits(DrawLocality)), false
}

// indexIn asks the balancer for a position in the list; draw is what chose the level.
//
// Rule: RuleRandom.
func (c *Cluster) indexIn(s *source, draw uint64, ch *Chooser) int {
	if s.weights != nil {
		return c.scheduled(s, ch)
	}
	switch c.cfg.LBPolicy {
	case xds.RoundRobin:
		c.align(s, ch)
		return s.rr.Pick(len(s.hosts))
	case xds.LeastRequest:
		return c.leastRequest(s, ch)
	case xds.Random:
		// One number serves both: the level had its remainder by 100.
		any := draw + 100*(ch.bits(DrawHost)>>8)
		if ch.guide != nil {
			any = ch.Observed(Question{Draw: DrawHost, N: uint64(len(s.hosts)), Hosts: s.hosts}, any)
		}
		return lb.Random(len(s.hosts), any)
	}
	return ch.host(s.hosts)
}

// leastRequest draws some hosts and keeps the least busy, or takes one of the
// least busy of all.
//
// Rule: RuleChoiceCount.
func (c *Cluster) leastRequest(s *source, ch *Chooser) int {
	choices := uint32(2)
	if cfg := c.cfg.LeastRequest; cfg != nil {
		if cfg.FullScan {
			return c.fullScan(s, ch)
		}
		choices = cfg.ChoiceCount
	}
	i := ch.host(s.hosts)
	for range choices - 1 {
		j := ch.host(s.hosts)
		i = lb.Fewer(i, j, c.active[s.hosts[i]], c.active[s.hosts[j]])
	}
	return i
}

func (c *Cluster) fullScan(s *source, ch *Chooser) int {
	fewest := lb.Fewest(make([]int32, 0, len(s.hosts)), len(s.hosts), func(i int) uint32 { return c.active[s.hosts[i]] })
	hosts := make([]int32, len(fewest))
	for n, i := range fewest {
		hosts[n] = s.hosts[i]
	}
	return int(fewest[ch.host(hosts)])
}

// align sets where the counter of a source stands: at the cluster's seed before
// its first pick. When accepting, the seed is not known, and what is known of the
// counter is only its remainder for the lengths that were observed; a pick from a
// list of another length tells more.
//
// Rule: RuleRoundRobin.
func (c *Cluster) align(s *source, ch *Chooser) {
	if ch.guide == nil {
		if !s.seeded {
			s.seeded = true
			s.rr.Seed(c.workers.seed)
		}
		return
	}
	s.seeded = true
	n := uint64(len(s.hosts))
	if s.known != 0 && s.known%n == 0 {
		return
	}
	if i, ok := ch.guide.Answer(Question{Draw: DrawHost, N: n, Hosts: s.hosts}); ok {
		if known := s.rr.Align(int(n), int(i), s.known); known != 0 {
			s.known = known
		}
	}
}

// scheduled picks by weight. When accepting, the observed host decides: where the
// schedule stands is not known.
func (c *Cluster) scheduled(s *source, ch *Chooser) int {
	if ch.guide != nil {
		if i, ok := ch.guide.Answer(Question{Draw: DrawHost, N: uint64(len(s.hosts)), Hosts: s.hosts}); ok {
			return int(i)
		}
	}
	if s.edf == nil {
		s.schedule(c, c.now)
	}
	i := s.edf.Next()
	s.edf.Again(c.weightOf(s, i, c.now))
	return i
}
