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
func (t *translator) circuitBreakers(p policy) xds.CircuitBreakers {
	cp := p.connectionPool
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
		RetryBudget:        t.retryBudget(p.retryBudget),
	}
}

// retryBudget maps the budget, which replaces the limit of retries; a minimum of 0 is unset.
// Rule: RuleRetryBudget, RuleRetryBudgetPercent, cluster_traffic_policy.go: applyRetryBudget.
func (t *translator) retryBudget(in *networking.TrafficPolicy_RetryBudget) *xds.RetryBudget {
	if in == nil || !t.v.has(RuleRetryBudget) {
		return nil
	}
	b := &xds.RetryBudget{Percent: 20, MinRetryConcurrency: 3}
	if !t.v.has(RuleRetryBudgetPercent) {
		b.Percent = 0.2
	}
	if in.Percent != nil {
		b.Percent = in.Percent.Value
	}
	if in.MinRetryConcurrency > 0 {
		b.MinRetryConcurrency = in.MinRetryConcurrency
	}
	return b
}

// Envoy's own limit of requests on one HTTP/2 connection, before and since 1.36.
const (
	manyStreams = 1<<31 - 1
	safeStreams = 1024
)

// concurrentStreams is how many requests a connection carries at once; 0: the cluster speaks HTTP/1.1.
// Rule: RuleHTTP2, cluster_builder.go: setH2Options, and
// cluster_traffic_policy.go: shouldH2Upgrade, applyConnectionPool. The port's
// protocol says so, or the rule upgrades it; useClientProtocol, and a protocol
// that is sniffed, is HTTP/1.1, like the clients.
func (t *translator) concurrentStreams(protocol string, cp *networking.ConnectionPoolSettings) uint32 {
	http := cp.GetHttp()
	switch {
	case http.GetUseClientProtocol() || protocolOf(protocol) == "":
		return 0
	case http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE:
	default:
		switch protocolOf(protocol) {
		case "HTTP2", "GRPC", "GRPC-WEB":
		default:
			return 0
		}
	}
	if n := http.GetMaxConcurrentStreams(); n > 0 {
		return uint32(n)
	}
	if t.v.has("envoy/http2-stream-limit") {
		return safeStreams
	}
	return manyStreams
}
