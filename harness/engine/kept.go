package engine

import (
	"github.com/faildrill/faildrill/harness/engine/priority"
	"github.com/faildrill/faildrill/harness/xds"
)

// Kept are the priority loads that the retries of one request go by: its retry
// priority works them out at some attempts, and keeps them in between. The zero
// value belongs to a request that was not tried again yet. A Kept may be copied.
type Kept struct{ to *keptLoads }

// keptLoads do not change.
type keptLoads struct {
	cfg   *xds.Cluster    // of the cluster that they belong to
	loads *priority.Loads // nil: the ordinary ones
	at    int             // attempts that were made by then
	from  int             // attempts before this one are forgotten
}

// Equal reports whether two requests go by the same loads.
func (k Kept) Equal(o Kept) bool {
	if k.to == nil || o.to == nil {
		return k.to == o.to
	}
	a, b := k.to, o.to
	if a.cfg != b.cfg || a.at != b.at || a.from != b.from || (a.loads == nil) != (b.loads == nil) {
		return false
	}
	return a.loads == nil || a.loads.Equal(b.loads)
}

// retryLoads are the loads for the next pick. Under previous_priorities, whenever
// the number of attempts is a multiple of the update frequency, every level that
// was tried is left out of the loads from then on; when that leaves nobody, the
// attempts are forgotten and this one pick may go to any level. In between the
// loads stay what they were, whatever becomes of the hosts
// (previous_priorities.cc, determinePriorityLoad).
//
// Rule: RulePreviousPriorities, RuleRetryLoadsKept.
func (c *Cluster) retryLoads(tried []int32, p *xds.RetryPolicy, kept *Kept) *priority.Loads {
	usual, every := &c.workers.loads, int(p.PreviousPriorities)
	if every == 0 || len(tried) < every {
		return usual
	}
	k := keptLoads{cfg: c.cfg}
	if kept.to != nil && kept.to.cfg == c.cfg {
		k = *kept.to
	}
	made := len(tried) - k.from
	switch {
	case made < every:
		return usual
	case k.loads != nil && (made%every != 0 || k.at == len(tried)):
		return k.loads
	}
	avoid := make([]bool, len(c.levels))
	for _, h := range tried[k.from:] {
		avoid[c.hosts[h].Priority] = true
	}
	k.at = len(tried)
	loads := usual.Clone()
	k.loads = &loads
	if !loads.Without(c.workers.counts, c.cfg.OverprovisioningFactor, avoid) {
		clear(avoid)
		k.from = len(tried)
		if !loads.Without(c.workers.counts, c.cfg.OverprovisioningFactor, avoid) {
			k.loads = nil
		}
	}
	kept.to = &k
	if k.loads == nil {
		return usual
	}
	return k.loads
}
