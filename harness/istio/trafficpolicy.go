package istio

import (
	networking "istio.io/api/networking/v1alpha3"
)

// policy is a traffic policy for one port of one cluster, each block with the place it comes from.
type policy struct {
	connectionPool   *networking.ConnectionPoolSettings
	loadBalancer     *networking.LoadBalancerSettings
	outlierDetection *networking.OutlierDetection
	tls              *networking.ClientTLSSettings
	retryBudget      *networking.TrafficPolicy_RetryBudget

	given            bool  // there is a policy at all
	selects          bool  // its rule is for the workloads that it selects
	base             place // where a missing block would go
	connectionPoolAt place
	loadBalancerAt   place
	outlierAt        place
	tlsAt            place

	dialled bool // requests go where they were sent to: by the resolution, or by PASSTHROUGH in the policy itself, not its port's
}

// portPolicy takes the blocks for one port from a policy.
// Rule: RulePortLevel, pilot/pkg/networking/util/util.go: GetPortLevelTrafficPolicy.
// An entry for the port replaces the whole policy; what it omits is default, not inherited.
func portPolicy(p *networking.TrafficPolicy, at place, port uint32) (policy, bool) {
	for i, e := range p.GetPortLevelSettings() {
		if e.GetPort() != nil && e.Port.Number == port {
			at = place{at.res, indexed(at.path+".portLevelSettings", i)}
			return newPolicy(e.ConnectionPool, e.LoadBalancer, e.OutlierDetection, e.Tls, at), true
		}
	}
	whole := newPolicy(p.GetConnectionPool(), p.GetLoadBalancer(), p.GetOutlierDetection(), p.GetTls(), at)
	whole.retryBudget, whole.given = p.GetRetryBudget(), p != nil
	return whole, false
}

func newPolicy(cp *networking.ConnectionPoolSettings, lb *networking.LoadBalancerSettings,
	od *networking.OutlierDetection, tls *networking.ClientTLSSettings, at place,
) policy {
	return policy{
		connectionPool: cp, loadBalancer: lb, outlierDetection: od, tls: tls, given: true, base: at,
		connectionPoolAt: at.sub("connectionPool"), loadBalancerAt: at.sub("loadBalancer"), outlierAt: at.sub("outlierDetection"), tlsAt: at.sub("tls"),
	}
}

// subsetPolicy lays a subset's policy over that of its rule.
// Rule: RuleSubsetPolicy, util.go: MergeSubsetTrafficPolicy, and
// pilot/pkg/model/destination_rule.go: MergeTrafficPolicy. A block that the subset
// has replaces the rule's; with an entry for the port, the absent ones do too.
// Rule: RuleRetryBudgetSubset: a retry budget is never lost to an entry for the port.
func (t *translator) subsetPolicy(base policy, s subset, port uint32) policy {
	if s.TrafficPolicy == nil {
		return base
	}
	own, forPort := portPolicy(s.TrafficPolicy, s.at.sub("trafficPolicy"), port)
	merged := base
	merged.base = own.base
	if own.connectionPool != nil || forPort {
		merged.connectionPool, merged.connectionPoolAt = own.connectionPool, own.connectionPoolAt
	}
	if own.loadBalancer != nil || forPort {
		merged.loadBalancer, merged.loadBalancerAt = own.loadBalancer, own.loadBalancerAt
	}
	if own.outlierDetection != nil || forPort {
		merged.outlierDetection, merged.outlierAt = own.outlierDetection, own.outlierAt
	}
	if own.tls != nil || forPort {
		merged.tls, merged.tlsAt = own.tls, own.tlsAt
	}
	switch {
	case own.retryBudget != nil && (!base.given || t.v.has(RuleRetryBudgetSubset)):
		merged.retryBudget = own.retryBudget
	case !t.v.has(RuleRetryBudgetSubset):
		merged.retryBudget = nil
	}
	return merged
}
