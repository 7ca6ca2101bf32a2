package istio

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// outlierDetection maps the block to Envoy's, whose defaults fill what it leaves out.
// Rule: RuleOutlierDetection, pilot/pkg/networking/core/cluster_traffic_policy.go: applyOutlierDetection.
// consecutiveErrors is deprecated and read by nobody.
func outlierDetection(od *networking.OutlierDetection) *xds.OutlierDetection {
	if od == nil {
		return nil
	}
	out := xds.DefaultOutlierDetection()
	out.EnforcingSuccessRate = 0
	if n := od.Consecutive_5XxErrors; n != nil {
		out.Consecutive5xx, out.EnforcingConsecutive5xx = n.Value, enforced(n.Value)
	}
	if n := od.ConsecutiveGatewayErrors; n != nil {
		out.ConsecutiveGatewayFailure, out.EnforcingConsecutiveGatewayFailure = n.Value, enforced(n.Value)
	}
	if od.Interval != nil {
		out.Interval = od.Interval.AsDuration()
	}
	if od.BaseEjectionTime != nil {
		out.BaseEjectionTime = od.BaseEjectionTime.AsDuration()
	}
	// Envoy takes the longer of 300 s and the base time when the maximum is unset.
	out.MaxEjectionTime = max(out.MaxEjectionTime, out.BaseEjectionTime)
	if od.MaxEjectionPercent > 0 {
		out.MaxEjectionPercent = uint32(od.MaxEjectionPercent)
	}
	if od.SplitExternalLocalOriginErrors {
		out.SplitExternalLocalOriginErrors = true
		out.EnforcingLocalOriginSuccessRate = 0
		if n := od.ConsecutiveLocalOriginFailures.GetValue(); n > 0 {
			out.ConsecutiveLocalOriginFailure = n
		}
	}
	return &out
}

// enforced: 0 switches a detector off, any other threshold is always enforced.
func enforced(threshold uint32) uint32 {
	if threshold == 0 {
		return 0
	}
	return 100
}

const envoyPanicThreshold = 50 // percent, when istiod sends none

// panicThreshold is in percent; 0 switches panic off.
// Rule: RulePanicThreshold, cluster_traffic_policy.go: applyOutlierDetection and applyLoadBalancer.
// Rule: RulePanicOff: without outlier detection too, since unhealthy endpoints are sent.
func (t *translator) panicThreshold(od *networking.OutlierDetection, s *service) float64 {
	switch {
	case len(s.distribution) > 0:
		return 0
	case od != nil && od.MinHealthPercent >= 0:
		return float64(od.MinHealthPercent)
	case t.v.has(RulePanicOff):
		return 0
	}
	return envoyPanicThreshold
}
