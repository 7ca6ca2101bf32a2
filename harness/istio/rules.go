package istio

// RuleID names one rule of the translation. The kill list has a mutant for each.
type RuleID string

// The rules of the translation, by topic. The comment at the code that follows a
// rule names its ID and the function of istio/istio that it restates.
const (
	// ServiceEntry.
	RuleResolution            RuleID = "istio/resolution"
	RuleHostAsEndpoint        RuleID = "istio/host-as-endpoint"
	RulePortPrecedence        RuleID = "istio/port-precedence"
	RuleEndpointWeight        RuleID = "istio/endpoint-weight"
	RuleEndpointLocality      RuleID = "istio/endpoint-locality"
	RuleTopologyLocalityLabel RuleID = "istio/topology-locality-label"
	RuleTopologyLabels        RuleID = "istio/topology-labels"
	RuleNoEmptyDNSCluster     RuleID = "istio/no-empty-dns-cluster"
	RuleOneRoundRobinEndpoint RuleID = "istio/one-round-robin-endpoint"
	RuleStaticNeedsAddress    RuleID = "istio/static-needs-address"
	RuleMergeSameHost         RuleID = "istio/merge-same-host"
	RuleAddressRepeats        RuleID = "istio/address-repeats"
	RulePickNamespace         RuleID = "istio/pick-namespace"
	RuleServiceOrder          RuleID = "istio/service-order"
	RuleHiddenDestination     RuleID = "istio/hidden-destination"
	RuleServiceExport         RuleID = "istio/service-export"
	RuleDNSRefreshMinute      RuleID = "istio/dns-refresh-minute"
	RuleDNSJitter             RuleID = "istio/dns-jitter"

	// Locality.
	RuleClientLocality           RuleID = "istio/client-locality"
	RuleGroupByLocality          RuleID = "istio/group-by-locality"
	RuleEffectiveLocality        RuleID = "istio/effective-locality"
	RuleFailoverNeedsOutlier     RuleID = "istio/failover-needs-outlier"
	RuleLocalityMatch            RuleID = "istio/locality-match"
	RuleFailoverRegion           RuleID = "istio/failover-region"
	RuleCompactPriorities        RuleID = "istio/compact-priorities"
	RuleFailoverPriority         RuleID = "istio/failover-priority"
	RuleFailoverPriorityOverride RuleID = "istio/failover-priority-override"
	RuleFailoverPriorityThenFive RuleID = "istio/failover-priority-then-failover"
	RuleNetworkPreferred         RuleID = "istio/network-preferred"
	RuleDNSFailoverPriority      RuleID = "istio/dns-failover-priority"
	RuleDistribute               RuleID = "istio/distribute"
	RuleLocalityWeighted         RuleID = "istio/locality-weighted"
	RuleTrafficDistribution      RuleID = "istio/traffic-distribution"

	// DestinationRule: which one, and which part of it.
	RuleRuleNamespaces   RuleID = "istio/rule-namespaces"
	RuleMostSpecificHost RuleID = "istio/most-specific-host"
	RuleMergeRules       RuleID = "istio/merge-rules"
	RuleMergeSameExport  RuleID = "istio/merge-same-export"
	RuleWorkloadSelector RuleID = "istio/workload-selector"
	RulePortLevel        RuleID = "istio/port-level"
	RuleSubsetPolicy     RuleID = "istio/subset-policy"
	RuleSubsetLabels     RuleID = "istio/subset-labels"

	// DestinationRule: what it means.
	RuleOutlierDetection    RuleID = "istio/outlier-detection"
	RulePanicThreshold      RuleID = "istio/panic-threshold"
	RulePanicOff            RuleID = "istio/panic-off"
	RuleLoadBalancer        RuleID = "istio/load-balancer"
	RuleDefaultLeastRequest RuleID = "istio/default-least-request"
	RuleWarmup              RuleID = "istio/warmup"
	RuleWarmupDuration      RuleID = "istio/warmup-duration"
	RulePassthrough         RuleID = "istio/passthrough"
	RuleSubsetPassthrough   RuleID = "istio/subset-passthrough"
	RuleConnectTimeout      RuleID = "istio/connect-timeout"
	RuleCircuitBreakers     RuleID = "istio/circuit-breakers"
	RuleHTTP2               RuleID = "istio/http2"
	RuleRetryBudget         RuleID = "istio/retry-budget"
	RuleRetryBudgetPercent  RuleID = "istio/retry-budget-percent"
	RuleRetryBudgetSubset   RuleID = "istio/retry-budget-subset"
	RuleTLSMode             RuleID = "istio/tls-mode"
	RuleTLSMesh             RuleID = "istio/tls-mesh"
	RuleTLSAuto             RuleID = "istio/tls-auto"
	RuleTLSModeLabel        RuleID = "istio/tls-mode-label"
	RuleTLSAccounts         RuleID = "istio/tls-accounts"
	RuleTLSNames            RuleID = "istio/tls-names"
	RuleTLSByDefault        RuleID = "istio/tls-verified-by-default"
	RuleTLSCredential       RuleID = "istio/tls-credential"

	// Routes.
	RuleVirtualHosts             RuleID = "istio/virtual-hosts"
	RuleRouteServices            RuleID = "istio/route-services"
	RuleAbsoluteDomain           RuleID = "istio/absolute-domain"
	RuleRouteOrder               RuleID = "istio/route-order"
	RuleRouteMatch               RuleID = "istio/route-match"
	RuleRouteDestination         RuleID = "istio/route-destination"
	RuleRouteTimeout             RuleID = "istio/route-timeout"
	RuleRewriteAuthority         RuleID = "istio/rewrite-authority"
	RuleDefaultRetries           RuleID = "istio/default-retries"
	RuleRetries                  RuleID = "istio/retries"
	RuleNo503Retry               RuleID = "istio/no-503-retry"
	RuleRetryHashKeepsHost       RuleID = "istio/retry-hash-keeps-host"
	RuleRetryIgnorePreviousHosts RuleID = "istio/retry-ignore-previous-hosts"
	RuleRetryBackoff             RuleID = "istio/retry-backoff"
)

// Rules lists every rule ID, in the order above.
func Rules() []RuleID {
	return []RuleID{
		RuleResolution, RuleHostAsEndpoint, RulePortPrecedence, RuleEndpointWeight, RuleEndpointLocality,
		RuleTopologyLocalityLabel, RuleTopologyLabels, RuleNoEmptyDNSCluster, RuleOneRoundRobinEndpoint,
		RuleStaticNeedsAddress, RuleMergeSameHost, RuleAddressRepeats, RulePickNamespace, RuleServiceOrder, RuleHiddenDestination,
		RuleServiceExport, RuleDNSRefreshMinute, RuleDNSJitter,
		RuleClientLocality, RuleGroupByLocality, RuleEffectiveLocality, RuleFailoverNeedsOutlier, RuleLocalityMatch,
		RuleFailoverRegion, RuleCompactPriorities, RuleFailoverPriority, RuleFailoverPriorityOverride,
		RuleFailoverPriorityThenFive, RuleNetworkPreferred, RuleDNSFailoverPriority, RuleDistribute, RuleLocalityWeighted,
		RuleTrafficDistribution,
		RuleRuleNamespaces, RuleMostSpecificHost, RuleMergeRules, RuleMergeSameExport, RuleWorkloadSelector,
		RulePortLevel, RuleSubsetPolicy, RuleSubsetLabels,
		RuleOutlierDetection, RulePanicThreshold, RulePanicOff, RuleLoadBalancer, RuleDefaultLeastRequest,
		RuleWarmup, RuleWarmupDuration, RulePassthrough, RuleSubsetPassthrough, RuleConnectTimeout, RuleCircuitBreakers, RuleHTTP2, RuleRetryBudget, RuleRetryBudgetPercent,
		RuleRetryBudgetSubset, RuleTLSMode, RuleTLSMesh, RuleTLSAuto, RuleTLSModeLabel, RuleTLSAccounts, RuleTLSNames, RuleTLSByDefault,
		RuleTLSCredential,
		RuleVirtualHosts, RuleRouteServices, RuleAbsoluteDomain, RuleRouteOrder, RuleRouteMatch, RuleRouteDestination, RuleRouteTimeout, RuleRewriteAuthority,
		RuleDefaultRetries, RuleRetries, RuleNo503Retry, RuleRetryHashKeepsHost, RuleRetryIgnorePreviousHosts, RuleRetryBackoff,
	}
}
