package xds

import (
	"encoding/json"
	"time"
)

// DiscoveryType is how a cluster learns its hosts (config.cluster.v3.Cluster.DiscoveryType).
type DiscoveryType string

// The discovery types that Istio uses for a ServiceEntry.
const (
	EDS         DiscoveryType = "EDS"
	StrictDNS   DiscoveryType = "STRICT_DNS"
	LogicalDNS  DiscoveryType = "LOGICAL_DNS"
	OriginalDst DiscoveryType = "ORIGINAL_DST"
)

// LBPolicy is a load balancing policy (config.cluster.v3.Cluster.LbPolicy).
type LBPolicy string

// The policies that a DestinationRule can ask for.
const (
	RoundRobin      LBPolicy = "ROUND_ROBIN"
	LeastRequest    LBPolicy = "LEAST_REQUEST"
	Random          LBPolicy = "RANDOM"
	RingHash        LBPolicy = "RING_HASH"
	Maglev          LBPolicy = "MAGLEV"
	ClusterProvided LBPolicy = "CLUSTER_PROVIDED"
)

// Cluster is one upstream cluster of a proxy.
type Cluster struct {
	Name           string        `json:"name"`
	Type           DiscoveryType `json:"type"`
	LBPolicy       LBPolicy      `json:"lbPolicy"`
	ConnectTimeout time.Duration `json:"connectTimeout"` // covers TCP and TLS

	// Localities are the groups of the load assignment in the order in which
	// the control plane sends them.
	Localities []LocalityEndpoints `json:"localities"`

	// OverprovisioningFactor in percent; 140 unless the assignment says otherwise.
	OverprovisioningFactor uint32 `json:"overprovisioningFactor"`
	// HealthyPanicThreshold in percent, 0..100; 0 switches panic off.
	HealthyPanicThreshold float64 `json:"healthyPanicThreshold"`
	// WeightedPriorityHealth counts hosts by their weight where the availability of a priority is computed.
	WeightedPriorityHealth bool `json:"weightedPriorityHealth,omitempty"`
	// LocalityWeighted is set when common_lb_config has locality_weighted_lb_config.
	LocalityWeighted bool `json:"localityWeighted,omitempty"`
	// ZoneAware is common_lb_config's zone_aware_lb_config, with the local cluster; nil: no zone-aware routing.
	ZoneAware *ZoneAware `json:"zoneAware,omitempty"`
	// LeastRequest is what least_request_lb_config says; nil: its defaults.
	LeastRequest *LeastRequestConfig `json:"leastRequest,omitempty"`
	// SlowStart warms hosts up, for ROUND_ROBIN and LEAST_REQUEST only; nil: it does not.
	SlowStart *SlowStart `json:"slowStart,omitempty"`
	// UpdateMergeWindow delays health changes that follow another within it; 0 switches it off.
	UpdateMergeWindow time.Duration `json:"updateMergeWindow"`

	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"` // nil: no detector
	CircuitBreakers  CircuitBreakers   `json:"circuitBreakers"`
	// MaxConcurrentStreams is how many requests one HTTP/2 connection carries at once; 0: the hosts speak HTTP/1.1.
	MaxConcurrentStreams uint32 `json:"maxConcurrentStreams,omitempty"`

	DNS *DNS `json:"dns,omitempty"`
	TLS *TLS `json:"tls,omitempty"` // nil: plain text
}

// LeastRequestConfig is config.cluster.v3.Cluster.LeastRequestLbConfig with its defaults written out.
type LeastRequestConfig struct {
	// ChoiceCount is how many hosts are drawn, with replacement; at least 2.
	ChoiceCount uint32 `json:"choiceCount"`
	// ActiveRequestBias is the power of active requests that a weight is divided by, where weights are unequal.
	ActiveRequestBias float64 `json:"activeRequestBias"`
	// FullScan looks at all hosts instead of drawing some (selection_method FULL_SCAN).
	FullScan bool `json:"fullScan,omitempty"`
}

// DefaultLeastRequest is what an absent least_request_lb_config means to Envoy.
func DefaultLeastRequest() LeastRequestConfig {
	return LeastRequestConfig{ChoiceCount: 2, ActiveRequestBias: 1}
}

// SlowStart is config.cluster.v3.Cluster.SlowStartConfig with its defaults written out.
type SlowStart struct {
	Window time.Duration `json:"window"` // 0 switches it off
	// Aggression bends the ramp: the weight grows with the time to the power of 1/aggression. 1 is a straight line.
	Aggression float64 `json:"aggression"`
	// MinWeightPercent is the least part of its weight that a host has, 0..100.
	MinWeightPercent float64 `json:"minWeightPercent"`
}

// DefaultSlowStart is a slow_start_config with nothing but a window.
func DefaultSlowStart(window time.Duration) SlowStart {
	return SlowStart{Window: window, Aggression: 1, MinWeightPercent: 10}
}

// ZoneAware is config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig with its
// defaults written out, and what the proxy knows of its own zone.
type ZoneAware struct {
	RoutingEnabled uint32 `json:"routingEnabled"` // percent of picks that may be routed by zone; 100 by default
	MinClusterSize uint64 `json:"minClusterSize"` // healthy hosts below which no pick is; 6 by default
	// FailTrafficOnPanic answers 503 instead of using unhealthy hosts.
	FailTrafficOnPanic bool `json:"failTrafficOnPanic,omitempty"`
	// ForceLocalityDirectRouting keeps everything in the own zone.
	ForceLocalityDirectRouting bool `json:"forceLocalityDirectRouting,omitempty"`

	// Own is the proxy's locality (node.locality).
	Own Locality `json:"own"`
	// Callers are the hosts of the local cluster (cluster_manager.local_cluster_name), by locality.
	Callers []Callers `json:"callers"`
}

// Callers counts the proxies of one locality that share the traffic.
type Callers struct {
	Locality Locality `json:"locality"`
	Hosts    int      `json:"hosts"`
	Healthy  int      `json:"healthy"`
}

// DefaultZoneAware is an empty zone_aware_lb_config.
func DefaultZoneAware() ZoneAware { return ZoneAware{RoutingEnabled: 100, MinClusterSize: 6} }

// Locality is a region, zone and sub-zone; empty parts are absent.
type Locality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	SubZone string `json:"subZone,omitempty"`
}

// String writes the locality the way Istio does: region[/zone[/subzone]].
func (l Locality) String() string {
	switch {
	case l.SubZone != "":
		return l.Region + "/" + l.Zone + "/" + l.SubZone
	case l.Zone != "":
		return l.Region + "/" + l.Zone
	}
	return l.Region
}

// LocalityEndpoints is one group of a load assignment (config.endpoint.v3.LocalityLbEndpoints).
type LocalityEndpoints struct {
	Locality  Locality   `json:"locality"`
	Priority  uint32     `json:"priority"`
	Weight    uint32     `json:"weight"` // 0: no weight, never chosen by locality weight
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is one address of a group. Address is an IP, or a DNS name in a DNS cluster.
type Endpoint struct {
	Address string `json:"address"`
	Port    uint32 `json:"port"`
	Weight  uint32 `json:"weight"` // at least 1
	Health  Health `json:"health,omitempty"`
	// TLSMode is the value tlsMode of the metadata envoy.transport_socket_match; "istio" or "".
	TLSMode string `json:"tlsMode,omitempty"`
}

// Health is the status that the control plane gives an endpoint (config.core.v3.HealthStatus).
type Health string

// Health statuses; the empty string is UNKNOWN, which Envoy treats as healthy.
const (
	HealthUnknown   Health = ""
	HealthHealthy   Health = "HEALTHY"
	HealthUnhealthy Health = "UNHEALTHY"
	HealthDraining  Health = "DRAINING"
	HealthTimeout   Health = "TIMEOUT"
	HealthDegraded  Health = "DEGRADED"
)

// OutlierDetection is config.cluster.v3.OutlierDetection with its defaults written out.
// Percentages are 0..100; a threshold of 0 switches a consecutive detector off. A
// field that is missing in JSON has Envoy's default.
type OutlierDetection struct {
	Interval         time.Duration `json:"interval"`
	BaseEjectionTime time.Duration `json:"baseEjectionTime"`
	// MaxEjectionTime bounds an ejection; unset, it is the longer of 300 s and the base.
	MaxEjectionTime time.Duration `json:"maxEjectionTime"`
	// MaxEjectionTimeJitter is the most that chance adds to an ejection, in whole milliseconds.
	MaxEjectionTimeJitter time.Duration `json:"maxEjectionTimeJitter,omitempty"`
	MaxEjectionPercent    uint32        `json:"maxEjectionPercent"`
	// AlwaysEjectOneHost lets one host go although the percentage forbids it (Envoy 1.31 and later).
	AlwaysEjectOneHost bool `json:"alwaysEjectOneHost,omitempty"`

	Consecutive5xx                     uint32 `json:"consecutive5xx"`
	EnforcingConsecutive5xx            uint32 `json:"enforcingConsecutive5xx"`
	ConsecutiveGatewayFailure          uint32 `json:"consecutiveGatewayFailure"`
	EnforcingConsecutiveGatewayFailure uint32 `json:"enforcingConsecutiveGatewayFailure,omitempty"`

	SplitExternalLocalOriginErrors         bool   `json:"splitExternalLocalOriginErrors,omitempty"`
	ConsecutiveLocalOriginFailure          uint32 `json:"consecutiveLocalOriginFailure"`
	EnforcingConsecutiveLocalOriginFailure uint32 `json:"enforcingConsecutiveLocalOriginFailure"`

	SuccessRateMinimumHosts         uint32 `json:"successRateMinimumHosts"`
	SuccessRateRequestVolume        uint32 `json:"successRateRequestVolume"` // requests in an interval
	SuccessRateStdevFactor          uint32 `json:"successRateStdevFactor"`   // thousandths
	EnforcingSuccessRate            uint32 `json:"enforcingSuccessRate"`
	EnforcingLocalOriginSuccessRate uint32 `json:"enforcingLocalOriginSuccessRate"`

	FailurePercentageThreshold            uint32 `json:"failurePercentageThreshold"`
	FailurePercentageMinimumHosts         uint32 `json:"failurePercentageMinimumHosts"`
	FailurePercentageRequestVolume        uint32 `json:"failurePercentageRequestVolume"` // requests in an interval
	EnforcingFailurePercentage            uint32 `json:"enforcingFailurePercentage,omitempty"`
	EnforcingFailurePercentageLocalOrigin uint32 `json:"enforcingFailurePercentageLocalOrigin,omitempty"`

	// DetectDegradedHosts takes x-envoy-degraded in an answer for a sign (Envoy 1.38 and later).
	DetectDegradedHosts bool `json:"detectDegradedHosts,omitempty"`
}

// UnmarshalJSON reads what differs from Envoy's defaults.
func (od *OutlierDetection) UnmarshalJSON(b []byte) error {
	type plain OutlierDetection
	d := plain(DefaultOutlierDetection())
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	*od = OutlierDetection(d)
	return nil
}

// DefaultOutlierDetection is what a present but empty outlier_detection message means to Envoy.
func DefaultOutlierDetection() OutlierDetection {
	return OutlierDetection{
		Interval:                               10 * time.Second,
		BaseEjectionTime:                       30 * time.Second,
		MaxEjectionTime:                        300 * time.Second,
		MaxEjectionPercent:                     10,
		Consecutive5xx:                         5,
		EnforcingConsecutive5xx:                100,
		ConsecutiveGatewayFailure:              5,
		EnforcingConsecutiveGatewayFailure:     0,
		ConsecutiveLocalOriginFailure:          5,
		EnforcingConsecutiveLocalOriginFailure: 100,
		SuccessRateMinimumHosts:                5,
		SuccessRateRequestVolume:               100,
		SuccessRateStdevFactor:                 1900,
		EnforcingSuccessRate:                   100,
		EnforcingLocalOriginSuccessRate:        100,
		FailurePercentageThreshold:             85,
		FailurePercentageMinimumHosts:          5,
		FailurePercentageRequestVolume:         50,
		EnforcingFailurePercentage:             0,
		EnforcingFailurePercentageLocalOrigin:  0,
	}
}

// CircuitBreakers are the thresholds of the default routing priority.
type CircuitBreakers struct {
	MaxConnections     uint32 `json:"maxConnections"`
	MaxPendingRequests uint32 `json:"maxPendingRequests"`
	MaxRequests        uint32 `json:"maxRequests"`
	MaxRetries         uint32 `json:"maxRetries"`
	// RetryBudget, if present, is the limit of concurrent retries instead of MaxRetries.
	RetryBudget *RetryBudget `json:"retryBudget,omitempty"`
}

// RetryBudget limits the concurrent retries of a cluster by its requests.
type RetryBudget struct {
	Percent             float64 `json:"percent"` // of the requests that are active or wait for a connection
	MinRetryConcurrency uint32  `json:"minRetryConcurrency"`
}

// Unlimited is the threshold that istiod sends for every limit that a rule does not set.
const Unlimited uint32 = 1<<32 - 1

// DNS is how a DNS cluster asks for its names.
type DNS struct {
	// RefreshRate is how long after an answer without a TTL, or after a failure, a name is asked for again.
	RefreshRate time.Duration `json:"refreshRate"`
	RespectTTL  bool          `json:"respectTTL"`
	Jitter      time.Duration `json:"jitter"` // drawn in whole milliseconds, after answers only
	// FailureBase and FailureMax bound the back-off of failed look-ups (dns_failure_refresh_rate); 0: RefreshRate.
	FailureBase time.Duration `json:"failureBase,omitempty"`
	FailureMax  time.Duration `json:"failureMax,omitempty"`
	// LookupFamily is which addresses are asked for; "" is V4_ONLY.
	LookupFamily LookupFamily `json:"lookupFamily,omitempty"`
}

// LookupFamily is which addresses a DNS cluster asks for (config.cluster.v3.Cluster.DnsLookupFamily).
type LookupFamily string

// The families. istiod sends V4_ONLY to a proxy that has IPv4 addresses alone.
const (
	V4Only      LookupFamily = "V4_ONLY"
	V6Only      LookupFamily = "V6_ONLY"
	Auto        LookupFamily = "AUTO" // IPv6, else IPv4
	V4Preferred LookupFamily = "V4_PREFERRED"
	AllFamilies LookupFamily = "ALL"
)
