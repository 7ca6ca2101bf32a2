package istio

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// lbPolicy maps the balancer.
// Rule: RuleLoadBalancer, cluster_traffic_policy.go: applyLoadBalancer, ApplyRingHashLoadBalancer.
func (t *translator) lbPolicy(lb *networking.LoadBalancerSettings) xds.LBPolicy {
	if hash := lb.GetConsistentHash(); hash != nil {
		if hash.GetMaglev() != nil {
			return xds.Maglev
		}
		return xds.RingHash
	}
	switch lb.GetSimple() {
	case networking.LoadBalancerSettings_ROUND_ROBIN:
		return xds.RoundRobin
	case networking.LoadBalancerSettings_RANDOM:
		return xds.Random
	case networking.LoadBalancerSettings_PASSTHROUGH:
		return xds.ClusterProvided
	case networking.LoadBalancerSettings_LEAST_REQUEST, leastConn:
		return xds.LeastRequest
	}
	// Rule: RuleDefaultLeastRequest.
	if t.v.has(RuleDefaultLeastRequest) {
		return xds.LeastRequest
	}
	return xds.RoundRobin
}

// leastConn is the deprecated LEAST_CONN, an old name of LEAST_REQUEST.
const leastConn networking.LoadBalancerSettings_SimpleLB = 1

// passthrough reports whether connections go where the application dialled.
// Rule: RulePassthrough: the cluster then has no endpoints, whatever the resolution.
func passthrough(lb *networking.LoadBalancerSettings) bool {
	return lb.GetConsistentHash() == nil && lb.GetSimple() == networking.LoadBalancerSettings_PASSTHROUGH
}
