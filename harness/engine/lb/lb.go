// Package lb picks a host from a list the way Envoy's load balancers do.
//
// A list is the candidates of one source: a priority's healthy hosts, say, or
// all hosts of one locality. Draws come in as arguments:
//
//	var rr lb.RoundRobin                 // one for each source
//	i := rr.Pick(n)
//	i = lb.Fewer(a, b, active[a], active[b])               // least request, choice by choice
//	i = lb.Random(n, d)
//	e := lb.NewEDFAfter(weights, seed); i = e.Next(); e.Again(weight)     // unequal weights
//	w := lb.SlowStart(weight, since, now, cfg)             // warming up
//
// Rules: Envoy's documentation, "Supported load balancers" and "Slow start
// mode"; round_robin_lb.h, least_request_lb.cc, random_lb.cc and
// edf_scheduler.h below source/extensions/load_balancing_policies and
// source/common/upstream. Not here: ring hash, maglev.
package lb

import "math"

// RoundRobin is the counter of one source with equal weights. It starts at the
// balancer's seed and never restarts, so that a list that gets shorter shifts
// the phase.
type RoundRobin struct {
	next uint64
	at   uint32 // next modulo n: a division by n costs as much as the rest of a pick
	n    uint32
}

// Seed sets where the counter starts.
func (r *RoundRobin) Seed(seed uint64) { *r = RoundRobin{next: seed} }

// Equal reports whether two counters stand at the same number.
func (r *RoundRobin) Equal(o *RoundRobin) bool { return r.next == o.next }

// Pick returns an index into a list of n hosts; n is at least 1.
//
// Rule: RuleRoundRobin.
func (r *RoundRobin) Pick(n int) int {
	if r.n != uint32(n) {
		r.n, r.at = uint32(n), uint32(r.next%uint64(n))
	}
	i := r.at
	r.next++
	if r.at++; r.at == r.n {
		r.at = 0
	}
	return int(i)
}

// Align moves a counter that is known only modulo known (0: not at all) so that
// its next pick of n is i, without touching what is known. It returns what the
// counter is known modulo from then on, or 0 if no such counter exists.
func (r *RoundRobin) Align(n, i int, known uint64) uint64 {
	if known == 0 {
		r.Seed(uint64(i))
		return uint64(n)
	}
	for k := range uint64(n) {
		if (r.next+k*known)%uint64(n) == uint64(i) {
			r.Seed(r.next + k*known)
			return known / gcd(known, uint64(n)) * uint64(n)
		}
	}
	return 0
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Fewer is the choice of least request between the host that it holds and
// another one that it drew: the other one only if it has strictly fewer active
// requests. Hosts are drawn with replacement, two of them unless configured.
//
// Rule: RuleLeastRequest.
func Fewer(held, drawn int, activeHeld, activeDrawn uint32) int {
	if activeDrawn < activeHeld {
		return drawn
	}
	return held
}

// Fewest lists the indices of the hosts with the fewest active requests: a full
// scan takes any of them. The list is appended to into.
//
// Rule: RuleFullScan.
func Fewest(into []int32, n int, active func(i int) uint32) []int32 {
	least := uint32(math.MaxUint32)
	for i := range n {
		switch a := active(i); {
		case a < least || i == 0:
			least, into = a, append(into[:0], int32(i))
		case a == least:
			into = append(into, int32(i))
		}
	}
	return into
}

// ByActive is the weight of a host for least request where weights are unequal:
// its own, divided by its active requests and one to the power of the bias.
//
// Rule: RuleLeastRequestWeights.
func ByActive(weight float64, active uint32, bias float64) float64 {
	switch bias {
	case 0:
		return weight
	case 1:
		return weight / (float64(active) + 1)
	}
	return weight / math.Pow(float64(active)+1, bias)
}

// Bias is active_request_bias as Envoy takes it: 1 where it is negative or not a number.
//
// Rule: RuleActiveRequestBias.
func Bias(configured float64) float64 {
	if configured < 0 || math.IsNaN(configured) {
		return 1
	}
	return configured
}

// Random takes any host; weights are ignored. The draw is the one that chose
// the priority, so that the two are correlated.
//
// Rule: RuleRandom.
func Random(n int, draw uint64) int { return int(draw % uint64(n)) }
