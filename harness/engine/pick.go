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
// picked again, level and all, and the last pick is used even if rejected.
//
// Rule: RulePreviousHosts.
func (c *Cluster) Pick(tried []int32, p *xds.RetryPolicy, ch *Chooser) int32 {
	again := uint32(0)
	if len(tried) > 0 && p != nil && p.PreviousHosts {
		again = max(1, p.HostSelectionMaxAttempts)
	}
	loads := c.retryLoads(tried, p)
	for {
		h := c.pickOnce(loads, ch)
		if h == NoHost || again == 0 || !slices.Contains(tried, h) {
			return h
		}
		again--
	}
}

// retryLoads are the loads for the next attempt. Under previous_priorities,
// whenever the number of attempts is a multiple of the update frequency, every
// level that was tried is left out from then on; when that leaves nobody, the
// attempts are forgotten. Envoy computes the loads at that moment and keeps them;
// here they follow the health of the hosts.
//
// Rule: RulePreviousPriorities.
func (c *Cluster) retryLoads(tried []int32, p *xds.RetryPolicy) *priority.Loads {
	l := &c.workers.loads
	if p == nil || p.PreviousPriorities == 0 || len(tried) < int(p.PreviousPriorities) {
		return l
	}
	avoid, from := make([]bool, len(c.levels)), 0
	for i, h := range tried {
		avoid[c.hosts[h].Priority] = true
		if (i+1-from)%int(p.PreviousPriorities) != 0 {
			continue
		}
		other := c.workers.loads.Clone()
		if other.Without(c.workers.counts, c.cfg.OverprovisioningFactor, avoid) {
			l = &other
			continue
		}
		l, from = &c.workers.loads, i+1
		clear(avoid)
	}
	return l
}

// pickOnce chooses level, locality and host.
func (c *Cluster) pickOnce(loads *priority.Loads, ch *Chooser) int32 {
	w := &c.workers
	if len(w.levels) == 0 {
		return NoHost
	}
	draw := ch.Next(Question{Draw: DrawLevel, N: 100, Loads: loads})
	p, degraded := loads.Choose(uint32(draw) + 1)
	l := &w.levels[p]
	s := c.sourceOf(l, w.loads.Panic(p), degraded, ch)
	if len(s.hosts) == 0 {
		return NoHost
	}
	return s.hosts[c.indexIn(s, draw, ch)]
}

// sourceOf is the list that a pick at the level chooses from.
//
// Rule: RulePanicAllHosts, RuleNoLocalitySchedule.
func (c *Cluster) sourceOf(l *level, inPanic, degraded bool, ch *Chooser) *source {
	if inPanic {
		return &l.all
	}
	k := 0
	if degraded {
		k = 1
	}
	if sched := l.sched[k]; sched != nil {
		g := c.groupOf(l, k, ch)
		return &l.groups[g].eligible[k]
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
		for g := range l.groups {
			if l.weight[k][g] == 0 {
				continue
			}
			hosts := l.groups[g].eligible[k].hosts
			if i, ok := ch.guide.Answer(Question{Draw: DrawHost, N: uint64(len(hosts)), Hosts: hosts}); ok && int(i) < len(hosts) {
				return g
			}
		}
	}
	return l.sched[k].Pick(func(i int) float64 { return l.weight[k][i] })
}

// indexIn asks the balancer for a position in the list; draw is what chose the level.
//
// Rule: RuleRandom.
func (c *Cluster) indexIn(s *source, draw uint64, ch *Chooser) int {
	n := len(s.hosts)
	q := Question{Draw: DrawHost, N: uint64(n), Hosts: s.hosts}
	if !s.equal && c.cfg.LBPolicy != xds.Random {
		return c.scheduled(s, q, ch)
	}
	switch c.cfg.LBPolicy {
	case xds.LeastRequest:
		first := ch.Next(q)
		return lb.LeastRequest(n, first, ch.Next(q), func(i int) uint32 { return c.active[s.hosts[i]] })
	case xds.RoundRobin:
		c.align(s, q, ch)
		return s.rr.Pick(n)
	case xds.Random:
		// One number serves both: the level had its remainder by 100.
		return lb.Random(n, ch.Observed(q, draw+100*(ch.bits(DrawHost)>>8)))
	}
	return lb.Random(n, ch.Next(q))
}

// align sets where the counter of a source stands: at the cluster's seed before
// its first pick. When accepting, the seed is not known, and what is known of the
// counter is only its remainder for the lengths that were observed; a pick from a
// list of another length tells more.
//
// Rule: RuleRoundRobin.
func (c *Cluster) align(s *source, q Question, ch *Chooser) {
	if ch.guide == nil {
		if !s.seeded {
			s.seeded = true
			s.rr.Seed(c.workers.seed)
		}
		return
	}
	s.seeded = true
	if s.known != 0 && s.known%q.N == 0 {
		return
	}
	if i, ok := ch.guide.Answer(q); ok {
		if known := s.rr.Align(int(q.N), int(i), s.known); known != 0 {
			s.known = known
		}
	}
}

// scheduled picks from hosts of unequal weight; least request divides a host's
// weight by its active requests plus one when it puts it in again.
//
// Rule: RuleLeastRequestWeights.
func (c *Cluster) scheduled(s *source, q Question, ch *Chooser) int {
	if ch.guide != nil {
		if i, ok := ch.guide.Answer(q); ok {
			return int(i)
		}
	}
	weight := func(i int) float64 {
		w := float64(max(1, c.hosts[s.hosts[i]].Weight))
		if c.cfg.LBPolicy == xds.LeastRequest {
			w /= float64(c.active[s.hosts[i]] + 1) // active_request_bias is 1
		}
		return w
	}
	if s.edf == nil {
		ws := make([]float64, len(s.hosts))
		for i := range ws {
			ws[i] = weight(i)
		}
		s.edf = lb.NewEDF(ws, scheduleStart(c, c.workers.seed))
	}
	return s.edf.Pick(weight)
}
