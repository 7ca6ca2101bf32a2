// Package locality weighs the localities of one priority the way Envoy's
// locality-weighted balancing does.
//
//	w := locality.Effective([]locality.Group{
//	        {Weight: 1, Hosts: 5, Eligible: 3},    // 1 x min(1, 1.4 x 3/5) = 0.84
//	        {Weight: 2, Hosts: 4, Eligible: 4},    // 2
//	}, 140)
//
// A balancer schedules the groups by these weights, earliest deadline first
// (package lb), and then picks a host inside the group.
//
// Zone-aware routing is the other way of going about localities: see Routing.
//
// Rules: Envoy's documentation, "Locality weighted load balancing" and "Zone aware
// routing"; locality_wrr.cc and load_balancer_impl.cc below
// source/extensions/load_balancing_policies/common.
package locality

// Group counts the hosts of one locality within one priority.
type Group struct {
	Weight   uint32 // of the load assignment; 0 is never chosen
	Hosts    int
	Excluded int
	Eligible int // healthy ones, or degraded ones for the degraded schedule
}

// Effective returns the weights with which the groups are scheduled: the
// configured weight times the share of hosts that can serve, overprovisioned by
// factor percent and at most 1. Unlike the load of a priority this is floating
// point and is not truncated. A nil result means that there is no schedule, and
// that the pick falls through to the hosts of the whole priority.
//
// Rule: RuleLocalityWeight, RuleNoLocalitySchedule.
func Effective(groups []Group, factor uint32) []float64 {
	w := make([]float64, len(groups))
	some := false
	for i, g := range groups {
		n := g.Hosts - g.Excluded
		if n <= 0 {
			continue
		}
		available := float64(g.Eligible) / float64(n)
		w[i] = float64(g.Weight) * min(1, float64(factor)/100*available)
		some = some || w[i] > 0
	}
	if !some {
		return nil
	}
	return w
}
