// Package lb picks a host from a list the way Envoy's load balancers do.
//
// A list is the candidates of one source: a priority's healthy hosts, say, or
// all hosts of one locality. Draws come in as arguments:
//
//	var rr lb.RoundRobin                 // one for each source
//	i := rr.Pick(n)
//	i = lb.LeastRequest(n, d1, d2, func(i int) uint32 { return active[i] })
//	i = lb.Random(n, d)
//	e := lb.NewEDF(weights, picks); i = e.Pick(weight)     // unequal weights
//
// Rules: Envoy's documentation, "Supported load balancers"; round_robin_lb.h,
// least_request_lb.cc, random_lb.cc and edf_scheduler.h below
// source/extensions/load_balancing_policies and source/common/upstream.
// Not here: ring hash, maglev, slow start.
package lb

// RoundRobin is the counter of one source with equal weights. It starts at the
// balancer's seed and never restarts, so that a list that gets shorter shifts
// the phase.
type RoundRobin struct{ next uint64 }

// Seed sets where the counter starts.
func (r *RoundRobin) Seed(seed uint64) { r.next = seed }

// Pick returns an index into a list of n hosts; n is at least 1.
//
// Rule: RuleRoundRobin.
func (r *RoundRobin) Pick(n int) int {
	i := int(r.next % uint64(n))
	r.next++
	return i
}

// Align moves a counter that is known only modulo known (0: not at all) so that
// its next pick of n is i, without touching what is known. It returns what the
// counter is known modulo from then on, or 0 if no such counter exists.
func (r *RoundRobin) Align(n, i int, known uint64) uint64 {
	if known == 0 {
		r.next = uint64(i)
		return uint64(n)
	}
	for k := range uint64(n) {
		if (r.next+k*known)%uint64(n) == uint64(i) {
			r.next += k * known
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

// LeastRequest draws two hosts, with replacement, and takes the second only if
// it has strictly fewer active requests than the first (two choices are
// Envoy's default). The draws are any numbers; n is at least 1.
//
// Rule: RuleLeastRequest.
func LeastRequest(n int, first, second uint64, active func(i int) uint32) int {
	a, b := int(first%uint64(n)), int(second%uint64(n))
	if active(b) < active(a) {
		return b
	}
	return a
}

// Random takes any host; weights are ignored. The draw is the one that chose
// the priority, so that the two are correlated.
//
// Rule: RuleRandom.
func Random(n int, draw uint64) int { return int(draw % uint64(n)) }
