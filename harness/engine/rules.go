package engine

// RuleID names one rule of the engine. The kill list has a mutant for each.
type RuleID string

// The rules of the engine, by topic. Behind each stand the section of the
// founders' reference (envoy-semantics) and the place in Envoy's source that it
// restates; files without a folder are below source/common/upstream. The comment
// at the code that follows a rule names its constant.
const (
	// Outlier detection: what is counted.
	RuleEveryAttemptCharged RuleID = "envoy/every-attempt-charged" // 4.2, 11.5: router.cc, onUpstreamHeaders, onUpstreamReset
	RuleLocalErrorsAsCodes  RuleID = "envoy/local-errors-as-codes" // 4.3: outlier_detection_impl.cc, putResultNoLocalExternalSplit
	RuleSplitLocalOrigin    RuleID = "envoy/split-local-origin"    // 4.3: outlier_detection_impl.cc, putResultWithLocalExternalSplit
	RuleGatewayCodes        RuleID = "envoy/gateway-codes"         // 4.3: outlier_detection_impl.cc, putHttpResponseCode
	RuleGatewayFirst        RuleID = "envoy/gateway-before-5xx"    // 4.3, 18.4: outlier_detection_impl.cc, putHttpResponseCode
	RuleSuccessEndsRuns     RuleID = "envoy/success-ends-runs"     // 4.3: outlier_detection_impl.cc, putHttpResponseCode
	RuleThresholdEquality   RuleID = "envoy/threshold-equality"    // 4.1, 4.3: outlier_detection_impl.cc, putHttpResponseCode
	RuleTimeoutCharged      RuleID = "envoy/timeout-charged"       // 4.2: router.cc, onResponseTimeout, onPerTryTimeoutCommon
	RulePendingNotCharged   RuleID = "envoy/pending-not-charged"   // 4.2, measured X08, X50: upstream_request.cc
	RuleOverflowNotCharged  RuleID = "envoy/overflow-not-charged"  // 4.2, 9.6: router.cc, onUpstreamReset
	RuleLostAfterHeaders    RuleID = "envoy/lost-after-headers"    // 4.2, measured X09: router.cc, onUpstreamReset
	RuleRetiredNotCharged   RuleID = "envoy/retired-not-charged"   // 4.3, 12.3: outlier_detection_impl.cc, putHttpResponseCode

	// Outlier detection: what is ejected.
	RuleEjectedDropped           RuleID = "envoy/ejected-dropped"              // 4.4: outlier_detection_impl.cc, onConsecutiveErrorWorker
	RuleCounterRestarts          RuleID = "envoy/counter-restarts"             // 4.4: outlier_detection_impl.cc, onConsecutiveErrorWorker
	RuleMaxEjectionPercent       RuleID = "envoy/max-ejection-percent"         // 4.5: outlier_detection_impl.cc, ejectHost
	RuleStrictMaxEjectionPercent RuleID = "envoy/strict-max-ejection-percent"  // 15, 1.28: check_mep_on_first_eject
	RuleAlwaysEjectOneHost       RuleID = "envoy/always-eject-one-host"        // 4.5: outlier_detection_impl.cc, ejectHost
	RuleCapBeforeSampler         RuleID = "envoy/cap-before-sampler"           // 4.9, measured X02: outlier_detection_impl.cc, ejectHost
	RuleEnforcing                RuleID = "envoy/enforcing"                    // 4.1: outlier_detection_impl.cc, enforceEjection
	RuleEjectionTime             RuleID = "envoy/ejection-time"                // 4.6: outlier_detection_impl.cc, checkHostForUneject
	RuleMultiplierCap            RuleID = "envoy/multiplier-cap"               // 4.6: outlier_detection_impl.cc, ejectHost
	RuleReturnAtTick             RuleID = "envoy/return-at-tick"               // 4.6, 4.7: outlier_detection_impl.cc, onIntervalTimer
	RuleTickPhase                RuleID = "envoy/tick-phase"                   // 4.7, measured X61: outlier_detection_impl.cc, armIntervalTimer
	RuleReturnClearsCounters     RuleID = "envoy/return-clears-counters"       // 4.7: outlier_detection_impl.cc, unejectHost
	RuleReturnsOneByOne          RuleID = "envoy/returns-one-by-one"           // 4.7, measured on 1.40.0: outlier_detection_impl.cc, onIntervalTimer
	RuleDecay                    RuleID = "envoy/decay"                        // 4.7, measured X40: outlier_detection_impl.cc, onIntervalTimer
	RuleDecayNeedsInterval       RuleID = "envoy/decay-needs-healthy-interval" // 15, 1.28: outlier_detection_impl.cc, onIntervalTimer
	RuleJitter                   RuleID = "envoy/ejection-jitter"              // 4.5, 4.6, measured X46: outlier_detection_impl.cc, ejectHost, checkHostForUneject
	RuleTickOrder                RuleID = "envoy/tick-order"                   // 4.7, 18.4: outlier_detection_impl.cc, onIntervalTimer
	RuleDeprecatedCounters       RuleID = "envoy/deprecated-counters"          // 4.9, measured X02, X23: outlier_detection_impl.cc, ejectHost, onConsecutiveErrorWorker
	RuleEventLog                 RuleID = "envoy/event-log"                    // 4.12, measured X29: outlier_detection_impl.cc, logEject, logUneject

	// Outlier detection: hosts that are compared at a tick, and degraded ones.
	RuleWindows           RuleID = "envoy/success-rate-windows" // 4.7, 4.8: outlier_detection_impl.cc, updateCurrentWriter
	RuleRequestVolume     RuleID = "envoy/request-volume"       // 4.8, measured X53: outlier_detection_impl.cc, processSuccessRateEjections
	RuleMinimumHosts      RuleID = "envoy/minimum-hosts"        // 4.8: outlier_detection_impl.cc, processSuccessRateEjections
	RuleSuccessRate       RuleID = "envoy/success-rate"         // 4.8, measured X23: outlier_detection_impl.cc, successRateEjectionThreshold
	RuleFailurePercentage RuleID = "envoy/failure-percentage"   // 4.8, measured X53: outlier_detection_impl.cc, processSuccessRateEjections
	RuleDoubleEjection    RuleID = "envoy/double-ejection"      // 4.8, measured X23: outlier_detection_impl.cc, processSuccessRateEjections
	RuleOutlierOrder      RuleID = "envoy/outlier-order"        // 4.8, 18.5: outlier_detection_impl.cc, processSuccessRateEjections
	RuleDegraded          RuleID = "envoy/degraded-detection"   // 4.11, measured X28; 15, 1.38: outlier_detection_impl.cc, setHostDegradedMainThread
	RuleDegradedUntilTick RuleID = "envoy/degraded-until-tick"  // 4.11, measured X28: outlier_detection_impl.cc, checkHostForUndegrade
	RuleSharedJitter      RuleID = "envoy/shared-jitter"        // 4.11, measured X71: outlier_detection_impl.cc, setJitter
	RuleCoarseHealth      RuleID = "envoy/coarse-health"        // 3.1, measured X28: upstream_impl.h, coarseHealth

	// From the ejection to the load balancer.
	RuleThreadHops      RuleID = "envoy/thread-hops"             // 4.4, 5.4: outlier_detection_impl.cc, notifyMainThreadConsecutiveError
	RuleEveryLevel      RuleID = "envoy/every-level"             // 5.2, measured X05: upstream_impl.cc, reloadHealthyHostsHelper
	RuleMergeWindow     RuleID = "envoy/update-merge-window"     // 5.2, measured G07: cluster_manager_impl.cc, scheduleUpdate
	RuleMergeRideAlong  RuleID = "envoy/merge-ride-along"        // 5.2, measured X05: cluster_manager_impl.cc, applyUpdates
	RuleDrain           RuleID = "envoy/drain-on-ejection"       // 5.3, measured X32: cluster_manager_impl.cc, onHostHealthFailure
	RuleDrainConnecting RuleID = "envoy/drain-closes-connecting" // 5.3, measured on 1.36.2, 1.40.0: conn_pool_base.cc, closeIdleConnectionsForDrainingPool
	RulePartition       RuleID = "envoy/partition"               // 3.1, 3.2: upstream_impl.cc, partitionHostList
	RuleDraining        RuleID = "envoy/draining-excluded"       // 3.2; 15, 1.30: upstream_impl.cc, excludeBasedOnHealthFlag

	// Who is there: what an update of the assignment or an answer of the DNS does.
	RuleSameAddressStays RuleID = "envoy/same-address-stays"          // 4.13, measured X25, G16: upstream_impl.cc, updateDynamicHostList
	RuleLocalityIdentity RuleID = "envoy/locality-identity"           // 4.13, measured X25: upstream_impl.cc, updateDynamicHostList
	RuleHostnameIdentity RuleID = "envoy/hostname-in-identity"        // 4.13; 15, 1.39, measured X25: upstream_impl.cc, updateDynamicHostList
	RuleHostOrder        RuleID = "envoy/host-order"                  // 12.1, measured X24: upstream_impl.cc, updateDynamicHostList
	RuleCoarseUnchanged  RuleID = "envoy/coarse-unchanged"            // 12.2, measured X42: upstream_impl.cc, updateDynamicHostList
	RuleMembersEjected   RuleID = "envoy/members-ejected"             // 4.13, measured G15, X46: outlier_detection_impl.cc, initialize
	RuleGoneNotCharged   RuleID = "envoy/gone-not-charged"            // 4.13: outlier_detection_impl.cc, onConsecutiveErrorWorker
	RuleMembersAtOnce    RuleID = "envoy/members-at-once"             // 5.2, measured X43: cluster_manager_impl.cc, onClusterInit
	RuleEDSHealthAtOnce  RuleID = "envoy/eds-health-change-immediate" // 5.2; 15, 1.40, measured X43, X54: cluster_manager_impl.cc, scheduleUpdate
	RuleFirstAnswer      RuleID = "envoy/first-answer"                // measured on 1.40.0: dns_cluster.cc, startResolve (onPreInitComplete)
	RuleRemovedDrained   RuleID = "envoy/removed-drained"             // 5.3: cluster_manager_impl.cc, onClusterInit
	RuleAssignmentUpdate RuleID = "envoy/assignment-in-place"         // 12.2, 12.3: eds.cc, onConfigUpdate

	// The DNS; source/extensions/clusters/dns, source/extensions/network/dns_resolver/cares.
	RuleDNSRefresh        RuleID = "envoy/dns-refresh"                  // 12.1, measured X52: dns_cluster.cc, startResolve
	RuleDNSJitter         RuleID = "envoy/dns-jitter"                   // 12.1: dns_cluster.cc, startResolve
	RuleDNSFailureRefresh RuleID = "envoy/dns-failure-refresh"          // 12.1, measured X52: dns_cluster.cc, startResolve
	RuleDNSEmpty          RuleID = "envoy/dns-empty"                    // 12.1, measured G17: dns_impl.cc, isResponseWithNoRecords
	RuleDNSFailureKeeps   RuleID = "envoy/dns-failure-keeps"            // 12.1, measured G17: dns_cluster.cc, startResolve
	RuleDNSDualFamily     RuleID = "envoy/dual-dns-failure-keeps-hosts" // 12.1; 15, 1.40, measured X69: dns_impl.cc, onAresGetAddrInfoCallback
	RuleDNSTries          RuleID = "envoy/dns-tries"                    // measured: c-ares asks four times
	RuleLogicalDNSList    RuleID = "envoy/logical-dns-list"             // 12.1, measured X24: dns_cluster.cc, updateLogicalDnsHosts
	RuleLogicalDNSEmpty   RuleID = "envoy/logical-dns-empty"            // 12.1, measured X24: dns_cluster.cc, isSuccessfulResponse
	RuleLogicalDNSHost    RuleID = "envoy/logical-dns-replaces-host"    // 12.1; 15, 1.39, measured X24: dns_cluster.cc, logical_dns_cluster.cc
	RuleOldConnections    RuleID = "envoy/old-connections"              // measured on 1.36.2: logical_host.cc

	// Priorities and panic; load_balancer_impl.cc.
	RuleAvailability           RuleID = "envoy/availability"             // 6.1: recalculatePerPriorityState
	RuleLoadDistribution       RuleID = "envoy/load-distribution"        // 6.2: recalculatePerPriorityState, distributeLoad
	RuleHealthyBeforeDegraded  RuleID = "envoy/healthy-before-degraded"  // 6.2: recalculatePerPriorityState
	RuleLoadRemainder          RuleID = "envoy/load-remainder"           // 6.2: recalculatePerPriorityState
	RulePanicThreshold         RuleID = "envoy/panic-threshold"          // 6.3: isHostSetInPanic
	RulePanicNeedsLoss         RuleID = "envoy/panic-needs-loss"         // 6.3: recalculatePerPriorityPanic
	RuleTotalPanic             RuleID = "envoy/total-panic"              // 6.3: recalculateLoadInTotalPanic
	RulePanicOff               RuleID = "envoy/panic-off"                // 6.3: recalculatePerPriorityPanic
	RulePanicAllHosts          RuleID = "envoy/panic-all-hosts"          // 6.3: hostSourceToUse
	RuleWeightedPriorityHealth RuleID = "envoy/weighted-priority-health" // 6.1, measured X25: recalculatePerPriorityState
	RuleChoosePriority         RuleID = "envoy/choose-priority"          // 6.4: choosePriority

	// Localities and hosts; source/extensions/load_balancing_policies.
	RuleLocalityWeight      RuleID = "envoy/locality-weight"               // 7.1, measured X12: locality_wrr.cc
	RuleNoLocalitySchedule  RuleID = "envoy/no-locality-schedule"          // 7.1: locality_wrr.cc
	RuleLocalityScheduler   RuleID = "envoy/locality-scheduler-per-worker" // 7.1; 15, 1.36: locality_wrr.cc
	RuleLocalityOrder       RuleID = "envoy/locality-order"                // 7.1: upstream_impl.cc, updateClusterPrioritySet
	RuleZonePreconditions   RuleID = "envoy/zone-preconditions"            // 7.2: load_balancer_impl.cc, earlyExitNonLocalityRouting
	RuleZoneDirect          RuleID = "envoy/zone-direct"                   // 7.2: load_balancer_impl.cc, regenerateLocalityRoutingStructures
	RuleZoneResidual        RuleID = "envoy/zone-residual"                 // 7.2: load_balancer_impl.cc, regenerateLocalityRoutingStructures, tryChooseLocalLocalityHosts
	RuleZoneSampled         RuleID = "envoy/zone-sampled"                  // 7.2: load_balancer_impl.cc, hostSourceToUse
	RuleCallersPanic        RuleID = "envoy/callers-panic"                 // 7.2: load_balancer_impl.cc, hostSourceToUse
	RuleFailTrafficOnPanic  RuleID = "envoy/fail-traffic-on-panic"         // 6.3: load_balancer_impl.cc, hostSourceToUse
	RuleRoundRobin          RuleID = "envoy/round-robin"                   // 8.1.1, measured G20, X56: round_robin_lb.h
	RuleEDF                 RuleID = "envoy/edf"                           // 8.1.2, measured X33: edf_scheduler.h
	RuleSchedulerStart      RuleID = "envoy/scheduler-random-start"        // 8.1.2; 15, 1.30: edf_scheduler.h, createWithPicks
	RuleLeastRequest        RuleID = "envoy/least-request"                 // 8.2, measured X10: least_request_lb.cc, unweightedHostPickNChoices
	RuleChoiceCount         RuleID = "envoy/choice-count"                  // 8.2: least_request_lb.cc, unweightedHostPickNChoices
	RuleFullScan            RuleID = "envoy/full-scan"                     // 8.2, measured X10: least_request_lb.cc, unweightedHostPickFullScan
	RuleLeastRequestWeights RuleID = "envoy/least-request-weights"         // 8.2, measured X49: least_request_lb.cc, hostWeight
	RuleActiveRequestBias   RuleID = "envoy/active-request-bias"           // 8.2, measured X49, X70: least_request_lb.h, refresh
	RuleRandom              RuleID = "envoy/random-one-draw"               // 8.3, measured X10: random_lb.cc
	RuleActiveRequests      RuleID = "envoy/active-requests"               // 8.2: upstream_request.cc; streams on a connection only
	RuleSlowStart           RuleID = "envoy/slow-start"                    // 8.7: load_balancer_impl.cc, applySlowStartFactor
	RuleSlowStartMode       RuleID = "envoy/slow-start-mode"               // 8.7: load_balancer_impl.cc, noHostsAreInSlowStart
	RuleSlowStartSchedule   RuleID = "envoy/slow-start-schedule"           // 8.7: load_balancer_impl.cc, refresh
	RuleSlowStartOnce       RuleID = "envoy/slow-start-once"               // 8.7, measured X44: load_balancer_impl.cc, recalculateHostsInSlowStart

	// Connection pools and circuit breakers; conn_pool_base.cc.
	RulePendingLimit    RuleID = "envoy/max-pending-requests"      // 9.2: newStreamImpl
	RuleMaxRequests     RuleID = "envoy/max-requests"              // 9.3, measured G18: attachStreamToClient
	RuleMaxConnections  RuleID = "envoy/max-connections"           // 9.4, measured X07: tryCreateNewConnection
	RuleFailTogether    RuleID = "envoy/pending-fail-together"     // 9.5, measured G12: onConnectionEvent, purgePendingStreams
	RuleFailOldestFirst RuleID = "envoy/pending-fail-oldest-first" // 9.5, 15, measured X64: purgePendingStreams
	RuleConnectGoesOn   RuleID = "envoy/connect-goes-on"           // 4.2, measured X08: onPendingStreamCancel
	RuleOthersConnect   RuleID = "envoy/other-connections-go-on"   // 9.5, measured on 1.36.2, 1.40.0: onConnectionEvent
	RuleConnectTimeout  RuleID = "envoy/connect-timeout"           // 9.5: onConnectTimeout

	// TLS to upstreams; source/common/tls.
	RuleTLSVerify            RuleID = "envoy/tls-verify"             // measured on 1.36.2, 1.40.0: cert_validator/default_validator.cc
	RuleTLSNameMatch         RuleID = "envoy/tls-name-match"         // measured on 1.40.0: utility.cc, dnsNameMatch
	RuleTLSFailure           RuleID = "envoy/tls-failure"            // measured on 1.36.2, 1.40.0: ssl_handshaker.cc; conn_pool_base.cc, onConnectionEvent
	RuleTLSClientCertificate RuleID = "envoy/tls-client-certificate" // measured on 1.36.2, 1.40.0: the alert comes after the handshake
	RuleTLSHost              RuleID = "envoy/tls-host"               // measured on 1.40.0: router.cc, decodeHeaders
	RuleTLSMatch             RuleID = "envoy/tls-socket-match"       // measured on 1.40.0: transport_socket_match_impl.cc

	// HTTP/2; source/common/conn_pool/conn_pool_base.cc unless another is named.
	RuleMultiplexed    RuleID = "envoy/http2-multiplexes"     // 9.4, measured G12: tryCreateNewConnection
	RuleStreamReset    RuleID = "envoy/http2-stream-reset"    // measured X57: onStreamClosed
	RuleConnectionLost RuleID = "envoy/http2-connection-lost" // measured on 1.36.2, 1.40.0: codec_client.cc, onEvent
	RuleGoAway         RuleID = "envoy/http2-go-away"         // measured on 1.36.2, 1.40.0: http2/conn_pool.cc, onGoAway

	// Retries; source/common/router.
	RuleRetryOnResponse    RuleID = "envoy/retry-on-response"   // 11.2: retry_state_impl.cc, wouldRetryFromHeaders
	RuleRetryOnReset       RuleID = "envoy/retry-on-reset"      // 11.2, measured X06: retry_state_impl.cc, wouldRetryFromReset
	RuleOverflowNoRetry    RuleID = "envoy/overflow-no-retry"   // 9.6: retry_state_impl.cc, wouldRetryFromReset
	RuleRetryLimit         RuleID = "envoy/retry-limit"         // 11.2, 10.5: retry_state_impl.cc, shouldRetry
	RuleRetryBreaker       RuleID = "envoy/max-retries"         // 9.7, 10.5, measured X64: retry_state_impl.cc, shouldRetry
	RuleRetryBudget        RuleID = "envoy/retry-budget"        // 9.7, measured on 1.36.2, 1.40.0: resource_manager_impl.h, RetryBudgetImpl
	RuleBackOff            RuleID = "envoy/back-off"            // 11.3, measured X63: backoff_strategy.cc
	RulePreviousHosts      RuleID = "envoy/previous-hosts"      // 11.4, measured X60: load_balancer_impl.cc, chooseHost
	RulePreviousPriorities RuleID = "envoy/previous-priorities" // 11.4, measured X27: previous_priorities.cc
	RuleRetryLoadsKept     RuleID = "envoy/retry-loads-kept"    // 11.4: previous_priorities.cc, determinePriorityLoad
	RuleChargeThenRetry    RuleID = "envoy/charge-then-retry"   // 11.5, 18.4: router.cc, onUpstreamReset
	RuleRetryFindsCluster  RuleID = "envoy/retry-finds-cluster" // 10.2: router.cc, doRetry
	RulePerTryTimeout      RuleID = "envoy/per-try-timeout"     // 10.4, measured X50: upstream_request.cc, setupPerTryTimeout

	// What the client sees, and configuration.
	RuleNoHost          RuleID = "envoy/no-host"          // 10.2: router.cc, sendNoHealthyUpstreamResponse
	RuleFailureReplies  RuleID = "envoy/failure-replies"  // 10.3, 10.5: router.cc, onUpstreamReset
	RuleRouteTimeout    RuleID = "envoy/route-timeout"    // 10.4: router.cc, onResponseTimeout
	RuleClusterRebuilt  RuleID = "envoy/cluster-rebuilt"  // 12.3, measured X47: cluster_manager_impl.cc, addOrUpdateCluster
	RuleDNSHosts        RuleID = "envoy/dns-hosts"        // 12.1, measured X24: dns_cluster.cc
	RuleOneAddressOnce  RuleID = "envoy/one-address-once" // 4.13, measured X25: eds.cc, updateLocalityEndpoints
	RuleBestDomain      RuleID = "envoy/best-domain"      // config_impl.cc, findVirtualHost
	RuleFirstRouteFits  RuleID = "envoy/first-route-fits" // config_impl.cc, getRouteFromEntries
	RuleUnknownClusters RuleID = "envoy/unknown-clusters" // 10.1: router.cc, decodeHeaders
)

// Rules lists every rule ID, in the order above.
func Rules() []RuleID {
	return []RuleID{
		RuleEveryAttemptCharged, RuleLocalErrorsAsCodes, RuleSplitLocalOrigin, RuleGatewayCodes, RuleGatewayFirst,
		RuleSuccessEndsRuns, RuleThresholdEquality, RuleTimeoutCharged, RulePendingNotCharged, RuleOverflowNotCharged,
		RuleLostAfterHeaders, RuleRetiredNotCharged,
		RuleEjectedDropped, RuleCounterRestarts, RuleMaxEjectionPercent, RuleStrictMaxEjectionPercent,
		RuleAlwaysEjectOneHost, RuleCapBeforeSampler, RuleEnforcing, RuleEjectionTime, RuleMultiplierCap,
		RuleReturnAtTick, RuleTickPhase, RuleReturnClearsCounters, RuleReturnsOneByOne, RuleDecay,
		RuleDecayNeedsInterval, RuleJitter, RuleTickOrder, RuleDeprecatedCounters, RuleEventLog,
		RuleWindows, RuleRequestVolume, RuleMinimumHosts, RuleSuccessRate, RuleFailurePercentage, RuleDoubleEjection,
		RuleOutlierOrder, RuleDegraded, RuleDegradedUntilTick, RuleSharedJitter, RuleCoarseHealth,
		RuleThreadHops, RuleEveryLevel, RuleMergeWindow, RuleMergeRideAlong, RuleDrain, RuleDrainConnecting, RulePartition, RuleDraining,
		RuleSameAddressStays, RuleLocalityIdentity, RuleHostnameIdentity, RuleHostOrder, RuleCoarseUnchanged, RuleMembersEjected,
		RuleGoneNotCharged, RuleMembersAtOnce, RuleEDSHealthAtOnce, RuleFirstAnswer, RuleRemovedDrained, RuleAssignmentUpdate,
		RuleDNSRefresh, RuleDNSJitter, RuleDNSFailureRefresh, RuleDNSEmpty, RuleDNSFailureKeeps, RuleDNSDualFamily, RuleDNSTries,
		RuleLogicalDNSList, RuleLogicalDNSEmpty, RuleLogicalDNSHost, RuleOldConnections,
		RuleAvailability, RuleLoadDistribution, RuleHealthyBeforeDegraded, RuleLoadRemainder, RulePanicThreshold,
		RulePanicNeedsLoss, RuleTotalPanic, RulePanicOff, RulePanicAllHosts, RuleWeightedPriorityHealth, RuleChoosePriority,
		RuleLocalityWeight, RuleNoLocalitySchedule, RuleLocalityScheduler, RuleLocalityOrder,
		RuleZonePreconditions, RuleZoneDirect, RuleZoneResidual, RuleZoneSampled, RuleCallersPanic, RuleFailTrafficOnPanic,
		RuleRoundRobin, RuleEDF, RuleSchedulerStart,
		RuleLeastRequest, RuleChoiceCount, RuleFullScan, RuleLeastRequestWeights, RuleActiveRequestBias,
		RuleRandom, RuleActiveRequests,
		RuleSlowStart, RuleSlowStartMode, RuleSlowStartSchedule, RuleSlowStartOnce,
		RulePendingLimit, RuleMaxRequests, RuleMaxConnections, RuleFailTogether, RuleFailOldestFirst,
		RuleConnectGoesOn, RuleOthersConnect, RuleConnectTimeout,
		RuleTLSVerify, RuleTLSNameMatch, RuleTLSFailure, RuleTLSClientCertificate, RuleTLSHost, RuleTLSMatch,
		RuleMultiplexed, RuleStreamReset, RuleConnectionLost, RuleGoAway,
		RuleRetryOnResponse, RuleRetryOnReset, RuleOverflowNoRetry, RuleRetryLimit, RuleRetryBreaker, RuleRetryBudget, RuleBackOff,
		RulePreviousHosts, RulePreviousPriorities, RuleRetryLoadsKept, RuleChargeThenRetry, RuleRetryFindsCluster, RulePerTryTimeout,
		RuleNoHost, RuleFailureReplies, RuleRouteTimeout, RuleClusterRebuilt, RuleDNSHosts, RuleOneAddressOnce,
		RuleBestDomain, RuleFirstRouteFits, RuleUnknownClusters,
	}
}
