package xds

// Rules are the points on which Envoy releases differ, as plain switches.
//
// Every switch says what the release does; the zero value is the oldest Envoy
// that faildrill knows, except that FirstEjectionAlwaysAllowed is false there
// too. harness/istio keeps the table of releases and computes a Rules for a
// profile; the engine reads nothing else about versions.
type Rules struct {
	// FirstEjectionAlwaysAllowed: max_ejection_percent looks at the hosts that
	// are out already, so that a first host always goes. Before Envoy 1.28;
	// since then the host to be ejected counts too.
	FirstEjectionAlwaysAllowed bool `json:"firstEjectionAlwaysAllowed"`
	// DecayNeedsHealthyInterval: the ejection multiplier shrinks only after a
	// whole interval without an ejection. Envoy 1.28 and later.
	DecayNeedsHealthyInterval bool `json:"decayNeedsHealthyInterval"`
	// DrainingExcluded: hosts with EDS status DRAINING are left out of the
	// availability and panic denominators. Envoy 1.30 and later.
	DrainingExcluded bool `json:"drainingExcluded"`
	// SchedulerRandomStart: weighted round robin starts at a random place in
	// its cycle instead of always at the same host. Envoy 1.30 and later.
	SchedulerRandomStart bool `json:"schedulerRandomStart"`
	// LocalitySchedulerPerWorker: each worker draws localities from a scheduler
	// of its own, seeded anew by every host update. Envoy 1.36 and later.
	LocalitySchedulerPerWorker bool `json:"localitySchedulerPerWorker"`
	// ActiveOverflowCounter: a refusal by max_requests counts in
	// upstream_rq_active_overflow and no longer in upstream_rq_pending_overflow.
	// Envoy 1.38 and later.
	ActiveOverflowCounter bool `json:"activeOverflowCounter"`
	// RetryCountedAtStart: upstream_rq_retry moves when the retry is sent, after
	// the back-off, instead of when it is scheduled. Envoy 1.38.3 and later.
	RetryCountedAtStart bool `json:"retryCountedAtStart"`
	// BodyHidesTransportReason: the 503 body no longer ends in the transport
	// failure reason. Envoy 1.38.3 and later.
	BodyHidesTransportReason bool `json:"bodyHidesTransportReason"`
	// DetectsDegradedHosts: detect_degraded_hosts is known. Envoy 1.38 and later;
	// before, Envoy refuses a configuration that has it.
	DetectsDegradedHosts bool `json:"detectsDegradedHosts"`
	// LogicalDNSReplacesHost: a new first address makes a new host, without the
	// ejections of the old one. Envoy 1.39 and later.
	LogicalDNSReplacesHost bool `json:"logicalDNSReplacesHost"`
	// HostnameInIdentity: an endpoint whose hostname changes is a new host,
	// without the ejections of the old one. Envoy 1.39 and later.
	HostnameInIdentity bool `json:"hostnameInIdentity"`
	// PendingFailOldestFirst: the requests that wait for a failed connection
	// fail in the order in which they came; before, the newest first. Envoy
	// 1.40 and later.
	PendingFailOldestFirst bool `json:"pendingFailOldestFirst"`
	// EDSHealthChangeImmediate: an EDS update that only changes health skips the
	// merge window. Envoy 1.40 and later.
	EDSHealthChangeImmediate bool `json:"edsHealthChangeImmediate"`
	// DualDNSFailureKeepsHosts: a look-up of both families that fails in one and
	// is empty in the other is a failure, not an empty answer. Envoy 1.40 and later.
	DualDNSFailureKeepsHosts bool `json:"dualDNSFailureKeepsHosts"`
}
