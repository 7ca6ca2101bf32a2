package istio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/xds"
)

// Half is the part of a profile that a change belongs to.
type Half string

// The halves of a profile.
const (
	IstioHalf Half = "istio"
	EnvoyHalf Half = "envoy"
)

// Change is one difference between releases that faildrill knows.
type Change struct {
	Name   string `json:"name"`   // a rule ID; "istio/..." or "envoy/..."
	Half   Half   `json:"half"`   // whose release decides
	Since  string `json:"since"`  // the first release that has it
	What   string `json:"what"`   // what that release does, and what came before
	Source string `json:"source"` // how it is known
}

// Changes is the table of everything that depends on a release, oldest first within each half.
// The translation and the engine know no other release numbers.
func Changes() []Change { return slices.Clone(changes) }

// "istio-semantics" and "envoy-semantics" are the founders' reference notes; a
// tag such as 1.13.0..1.14.0 names the istio/istio tags between which the code
// was seen to change.
var changes = []Change{
	{string(RuleDefaultLeastRequest), IstioHalf, "1.14", "LEAST_REQUEST is the default balancer; before, ROUND_ROBIN", "release note new_lb_algorithm_default"},
	{string(RuleDNSRefreshMinute), IstioHalf, "1.14", "failed look-ups are repeated after 60 s; before, after 5 s", "pkg/config/mesh/mesh.go at 1.13.0 and 1.14.0"},
	{string(RuleWorkloadSelector), IstioHalf, "1.14", "DestinationRule.workloadSelector; before, ignored", "pilot/pkg/model/destination_rule.go at 1.13.0 and 1.14.0"},
	{string(RuleWarmupDuration), IstioHalf, "1.14", "warmupDurationSecs warms hosts up; before, ignored", "pilot/pkg/networking/core/v1alpha3/cluster.go at 1.13.0 and 1.14.0"},
	{string(RuleFailoverPriorityOverride), IstioHalf, "1.18", "failoverPriority takes key=value; before, the whole text was the key", "loadbalancer.go at 1.17.0 and 1.18.0"},
	{string(RuleTLSByDefault), IstioHalf, "1.21", "TLS that a rule begins sends the Host of the request as server name and verifies the certificate with the CAs of the operating system; before, only what the rule says", "upgrade notes of 1.21: ENABLE_AUTO_SNI, VERIFY_CERTIFICATE_AT_CLIENT"},
	{string(RuleMergeSameExport), IstioHalf, "1.24", "DestinationRules of one host merge only when their exportTo agrees; before, always", "release note 52519"},
	{string(RuleLocalityWeighted), IstioHalf, "1.24", "locality weights count only with distribute, or with failover or failoverPriority and outlierDetection; before, always unless localityLbSetting is off", "cluster_traffic_policy.go at 1.23.0 and 1.24.0"},
	{string(RuleNo503Retry), IstioHalf, "1.24", "the default retry policy lists no status code; before, 503", "release note 50506"},
	{string(RuleWarmup), IstioHalf, "1.24", "warmup warms hosts up; before, only warmupDurationSecs did", "cluster_traffic_policy.go at 1.23.0 and 1.24.0"},
	{string(RuleDNSJitter), IstioHalf, "1.25", "DNS refreshes are jittered by up to 100 ms; before, not", "release note 52877"},
	{string(RuleTrafficDistribution), IstioHalf, "1.25", "the annotation networking.istio.io/traffic-distribution orders endpoints; before, ignored", "loadbalancer.go at 1.24.0 and 1.25.0"},
	{string(RuleRetryIgnorePreviousHosts), IstioHalf, "1.26", "retries.retryIgnorePreviousHosts; before, ignored", "release note retry-hosts"},
	{string(RuleRetryBackoff), IstioHalf, "1.26", "retries.backoff; before, ignored", "release note retry_backoff"},
	{string(RuleAbsoluteDomain), IstioHalf, "1.27", "the host with a final dot is a domain too; before, not", "PILOT_ENABLE_ABSOLUTE_FQDN_VHOST_DOMAIN"},
	{string(RuleRetryBudget), IstioHalf, "1.27", "trafficPolicy.retryBudget; before, ignored", "cluster_traffic_policy.go at 1.26.0 and 1.27.0"},
	{string(RuleTopologyLocalityLabel), IstioHalf, "1.29", "the label topology.istio.io/locality beats istio-locality; before, ignored", "release note 58186"},
	{string(RuleDNSFailoverPriority), IstioHalf, "1.30", "failoverPriority applies to DNS clusters, and kills istiod when their endpoints lie in several localities; before, ignored there", "release note dns-failover-priority; istio-semantics 2.6, executed"},
	{string(RuleRetryBudgetPercent), IstioHalf, "1.30", "a retryBudget without percent allows 20 %; before, 0.2 %", "cluster_traffic_policy.go at 1.29.0 and 1.30.0"},
	{string(RuleRetryBudgetSubset), IstioHalf, "1.30", "a subset's policy inherits the rule's retryBudget or replaces it; before, laid over a rule's policy it dropped both", "pilot/pkg/networking/util/util.go at 1.29.0 and 1.30.0"},
	{string(RuleNetworkPreferred), IstioHalf, "1.31", "a leading topology.istio.io/network in failoverPriority prefers, and the walk goes on; before, a mismatch ended it", "loadbalancer.go at 1.30.0 and release-1.31"},
	{string(RulePanicOff), IstioHalf, "1.31", "panic is off without outlierDetection; before, Envoy's 50 %", "release note 60690"},

	{"envoy/strict-max-ejection-percent", EnvoyHalf, "1.28", "the host to be ejected counts towards maxEjectionPercent; before, a first host always went", "changelog 1.28.0; envoy-semantics 4.5, measured"},
	{"envoy/decay-needs-healthy-interval", EnvoyHalf, "1.28", "the ejection multiplier shrinks after a whole healthy interval; before, at once", "changelog 1.28.0"},
	{"envoy/draining-excluded", EnvoyHalf, "1.30", "DRAINING hosts leave the denominators of availability and panic; before, they counted", "changelog 1.30.0"},
	{"envoy/scheduler-random-start", EnvoyHalf, "1.30", "weighted schedulers start at a random host; before, always at the same", "changelog 1.30.0"},
	{"envoy/locality-scheduler-per-worker", EnvoyHalf, "1.36", "each worker draws localities by itself; before, one scheduler for all", "changelog 1.36.0"},
	{"envoy/http2-stream-limit", EnvoyHalf, "1.36", "an HTTP/2 connection carries 1024 requests at once; before, 2147483647", "changelog 1.36.0"},
	{"envoy/active-overflow-counter", EnvoyHalf, "1.38", "max_requests counts in upstream_rq_active_overflow; before, in upstream_rq_pending_overflow", "changelog 1.38.0"},
	{"envoy/retry-counted-at-start", EnvoyHalf, "1.38.3", "upstream_rq_retry moves after the back-off; before, ahead of it", "envoy-semantics 15, measured between 1.37.0 and 1.38.3"},
	{"envoy/body-hides-transport-reason", EnvoyHalf, "1.38.3", "a 503 body ends before the transport failure reason; before, it was in the body", "envoy-semantics 15, measured between 1.37.0 and 1.38.3"},
	{"envoy/degraded-detection", EnvoyHalf, "1.38", "detect_degraded_hosts; before, Envoy refuses the field", "changelog 1.38.0; envoy-semantics 4.11, measured"},
	{"envoy/logical-dns-replaces-host", EnvoyHalf, "1.39", "a new first address replaces the logical host; before, it moved the host", "changelog 1.39.0"},
	{"envoy/hostname-in-identity", EnvoyHalf, "1.39", "an endpoint whose hostname changes is a new host; before, it kept its state", "changelog 1.39.0; envoy-semantics 4.13, measured"},
	{"envoy/pending-fail-oldest-first", EnvoyHalf, "1.40", "requests waiting for a failed connection fail oldest first; before, newest first", "envoy-semantics 9.5, measured"},
	{"envoy/eds-health-change-immediate", EnvoyHalf, "1.40", "an EDS change of health alone skips the merge window; before, it waited", "envoy-semantics 12.2, measured"},
	{"envoy/dual-dns-failure-keeps-hosts", EnvoyHalf, "1.40", "one address family that fails keeps the hosts when the other is empty; before, they went", "changelog 1.40.0; envoy-semantics 12.1, measured"},
}

// has reports whether the profile's release has the change of that name.
func (v versions) has(name RuleID) bool {
	for _, c := range changes {
		if c.Name != string(name) {
			continue
		}
		since, _ := parseRelease(c.Since)
		if c.Half == EnvoyHalf {
			return v.envoy.atLeast(since)
		}
		return v.istio.atLeast(since)
	}
	panic("istio: no change named " + string(name)) // a programming error: the table and rules.go disagree
}

// versions is a profile with its releases taken apart.
type versions struct{ istio, envoy release }

// envoyRules reads the Envoy half of the table into the engine's switches.
func (v versions) envoyRules() xds.Rules {
	return xds.Rules{
		FirstEjectionAlwaysAllowed: !v.has("envoy/strict-max-ejection-percent"),
		DecayNeedsHealthyInterval:  v.has("envoy/decay-needs-healthy-interval"),
		DrainingExcluded:           v.has("envoy/draining-excluded"),
		SchedulerRandomStart:       v.has("envoy/scheduler-random-start"),
		LocalitySchedulerPerWorker: v.has("envoy/locality-scheduler-per-worker"),
		ActiveOverflowCounter:      v.has("envoy/active-overflow-counter"),
		RetryCountedAtStart:        v.has("envoy/retry-counted-at-start"),
		BodyHidesTransportReason:   v.has("envoy/body-hides-transport-reason"),
		DetectsDegradedHosts:       v.has("envoy/degraded-detection"),
		LogicalDNSReplacesHost:     v.has("envoy/logical-dns-replaces-host"),
		HostnameInIdentity:         v.has("envoy/hostname-in-identity"),
		PendingFailOldestFirst:     v.has("envoy/pending-fail-oldest-first"),
		EDSHealthChangeImmediate:   v.has("envoy/eds-health-change-immediate"),
		DualDNSFailureKeepsHosts:   v.has("envoy/dual-dns-failure-keeps-hosts"),
	}
}

// release is 1.minor[.patch]; a release without a patch stands for the last one of its line.
type release struct{ minor, patch int }

const lastPatch = 1 << 30

// parseRelease accepts 1.31, 1.31.2, v1.31.2 and 1.31.2-rc.0.
func parseRelease(text string) (release, error) {
	core, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), "-")
	parts := strings.Split(core, ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "1" {
		return release{}, fmt.Errorf("%q is not a release; expected 1.MINOR or 1.MINOR.PATCH", text)
	}
	n := []int{0, lastPatch}
	for i, p := range parts[1:] {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return release{}, fmt.Errorf("%q is not a release; expected 1.MINOR or 1.MINOR.PATCH", text)
		}
		n[i] = int(v)
	}
	return release{n[0], n[1]}, nil
}

func (r release) atLeast(s release) bool {
	if s.patch == lastPatch { // a change known by its minor release came with the first patch
		s.patch = 0
	}
	return r.minor > s.minor || r.minor == s.minor && r.patch >= s.patch
}
