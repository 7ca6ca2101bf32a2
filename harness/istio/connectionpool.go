package istio

import (
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// connectTimeout covers TCP and TLS.
// Rule: RuleConnectTimeout, cluster_traffic_policy.go: applyConnectionPool.
func (t *translator) connectTimeout(cp *networking.ConnectionPoolSettings) time.Duration {
	if d := cp.GetTcp().GetConnectTimeout(); d != nil {
		return d.AsDuration()
	}
	return t.mesh.ConnectTimeout
}

// circuitBreakers maps the limits; istiod cannot tell 0 from unset, and sends the largest number then.
// Rule: RuleCircuitBreakers, cluster_traffic_policy.go: getDefaultCircuitBreakerThresholds, applyConnectionPool.
func circuitBreakers(cp *networking.ConnectionPoolSettings) xds.CircuitBreakers {
	limit := func(n int32) uint32 {
		if n > 0 {
			return uint32(n)
		}
		return xds.Unlimited
	}
	return xds.CircuitBreakers{
		MaxConnections:     limit(cp.GetTcp().GetMaxConnections()),
		MaxPendingRequests: limit(cp.GetHttp().GetHttp1MaxPendingRequests()),
		MaxRequests:        limit(cp.GetHttp().GetHttp2MaxRequests()), // HTTP/1 requests count too
		MaxRetries:         limit(cp.GetHttp().GetMaxRetries()),
	}
}
