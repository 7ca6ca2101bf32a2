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

// slowStart maps the warm-up, which only the two balancers that schedule know; a
// cluster that hashes has none.
// Rule: RuleWarmup, cluster_traffic_policy.go: applyRoundRobinLoadBalancer, applyLeastRequestLoadBalancer, setWarmup.
// Rule: RuleWarmupDuration: warmupDurationSecs counts where warmup is unset.
func (t *translator) slowStart(lb *networking.LoadBalancerSettings, p xds.LBPolicy) *xds.SlowStart {
	if p != xds.RoundRobin && p != xds.LeastRequest {
		return nil
	}
	if w := lb.GetWarmup(); w != nil && t.v.has(RuleWarmup) {
		s := xds.DefaultSlowStart(w.Duration.AsDuration())
		if w.Aggression != nil {
			s.Aggression = w.Aggression.Value
		}
		if w.MinimumPercent != nil {
			s.MinWeightPercent = w.MinimumPercent.Value
		}
		return &s
	}
	if d := lb.GetWarmupDurationSecs(); d != nil && t.v.has(RuleWarmupDuration) {
		s := xds.DefaultSlowStart(d.AsDuration())
		return &s
	}
	return nil
}

// leastConn is the deprecated LEAST_CONN, an old name of LEAST_REQUEST.
const leastConn networking.LoadBalancerSettings_SimpleLB = 1

// passthrough reports whether connections go where the application dialled.
// Rule: RulePassthrough: the cluster then has no endpoints, whatever the resolution.
func passthrough(lb *networking.LoadBalancerSettings) bool {
	return lb.GetConsistentHash() == nil && lb.GetSimple() == networking.LoadBalancerSettings_PASSTHROUGH
}
