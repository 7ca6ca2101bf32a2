package check

import (
	"slices"
	"strings"
)

// fields are what is known about the fields of one kind of message. Paths are
// those of a Difference with [] for what stands in brackets.
type fields struct {
	prefix   string            // before the paths that are shown
	defaults map[string]string // what Envoy takes for a field that is absent
	present  map[string]bool   // empty messages that say something by being there
	state    map[string]bool   // fields of a dump that are no configuration
	known    []knownDifference
}

// knownDifference is something that is observed and was not predicted, for a reason.
type knownDifference struct {
	path   string // the field, or anything below it
	reason string
}

// reason looks a difference up; a path of the table may name what is in brackets, or not.
func (f fields) reason(path, kind string) string {
	for _, k := range f.known {
		if below(path, k.path) || below(kind, k.path) {
			return k.reason
		}
	}
	return ""
}

// splits reports whether the table has lines for parts of the field. What is in
// brackets is there as a whole or not at all.
func (f fields) splits(kind string) bool {
	return !strings.HasSuffix(kind, "[]") && slices.ContainsFunc(f.known, func(k knownDifference) bool { return k.path != kind && below(k.path, kind) })
}

// below reports whether the path is the other one or leads on from it.
func below(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// unpredicted are the clusters that istiod adds by itself. No scenario's traffic
// ends there, or it would have no upstream to break.
// pilot/pkg/networking/core/cluster.go: buildClusters.
var unpredicted = map[string]string{
	"BlackHoleCluster":          "istiod's own: what may not leave the mesh ends there",
	"PassthroughCluster":        "istiod's own: for hosts that the mesh does not know",
	"InboundPassthroughCluster": "istiod's own: for requests to the client itself",
}

// ownService is why a service of a Kubernetes cluster is there and was not predicted.
const ownService = "a service of the cluster itself"

// unpredictedCluster is why a cluster is there that was not predicted; "": there is no reason.
func unpredictedCluster(name string) string {
	if why := unpredicted[name]; why != "" {
		return why
	}
	if host := name[strings.LastIndexByte(name, '|')+1:]; host != name && inCluster(host) {
		return ownService
	}
	return ""
}

// inCluster reports whether a host is that of a Kubernetes service.
func inCluster(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	return strings.HasSuffix(host, ".svc.cluster.local")
}

// unpredictedRoutes is why routes are there that were not predicted; "": there is no reason.
func unpredictedRoutes(routes object) string {
	hosts, _ := routes["virtual_hosts"].([]any)
	own := 0
	for _, h := range hosts {
		host, _ := h.(object)
		switch name, _ := host["name"].(string); {
		case inCluster(name):
			own++
		case name != "allow_any" && name != "block_all":
			return ""
		}
	}
	if own == 0 {
		return ""
	}
	return ownService
}

const httpOptions = "typed_extension_protocol_options.envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// Defaults: config.cluster.v3 of Envoy's API reference; zero values that proto3
// leaves out by itself are not in it.
var clusterFields = fields{
	defaults: map[string]string{
		"lb_policy":                                              "ROUND_ROBIN",
		"connect_timeout":                                        "5s",
		"dns_lookup_family":                                      "AUTO",
		"common_lb_config.update_merge_window":                   "1s",
		"common_lb_config.healthy_panic_threshold":               "50",
		"common_lb_config.zone_aware_lb_config.routing_enabled":  "100",
		"common_lb_config.zone_aware_lb_config.min_cluster_size": "6",

		"load_assignment.policy.overprovisioning_factor":                   "140",
		"load_assignment.endpoints[].lb_endpoints[].load_balancing_weight": "1",

		"ring_hash_lb_config.minimum_ring_size":                        "1024",
		"maglev_lb_config.table_size":                                  "65537",
		"least_request_lb_config.choice_count":                         "2",
		"least_request_lb_config.active_request_bias":                  "1",
		"least_request_lb_config.slow_start_config.aggression":         "1",
		"round_robin_lb_config.slow_start_config.aggression":           "1",
		"least_request_lb_config.slow_start_config.min_weight_percent": "10",
		"round_robin_lb_config.slow_start_config.min_weight_percent":   "10",

		"circuit_breakers.thresholds[].max_connections":                    "1024",
		"circuit_breakers.thresholds[].max_pending_requests":               "1024",
		"circuit_breakers.thresholds[].max_requests":                       "1024",
		"circuit_breakers.thresholds[].max_retries":                        "3",
		"circuit_breakers.thresholds[].retry_budget.budget_percent":        "20",
		"circuit_breakers.thresholds[].retry_budget.min_retry_concurrency": "3",

		"outlier_detection.interval":                                   "10s",
		"outlier_detection.base_ejection_time":                         "30s",
		"outlier_detection.max_ejection_percent":                       "10",
		"outlier_detection.max_ejection_time_jitter":                   "0s",
		"outlier_detection.consecutive_5xx":                            "5",
		"outlier_detection.enforcing_consecutive_5xx":                  "100",
		"outlier_detection.consecutive_gateway_failure":                "5",
		"outlier_detection.enforcing_consecutive_gateway_failure":      "0",
		"outlier_detection.consecutive_local_origin_failure":           "5",
		"outlier_detection.enforcing_consecutive_local_origin_failure": "100",
		"outlier_detection.success_rate_minimum_hosts":                 "5",
		"outlier_detection.success_rate_request_volume":                "100",
		"outlier_detection.success_rate_stdev_factor":                  "1900",
		"outlier_detection.enforcing_success_rate":                     "100",
		"outlier_detection.enforcing_local_origin_success_rate":        "100",
		"outlier_detection.failure_percentage_threshold":               "85",
		"outlier_detection.failure_percentage_minimum_hosts":           "5",
		"outlier_detection.failure_percentage_request_volume":          "50",
		"outlier_detection.enforcing_failure_percentage":               "0",
		"outlier_detection.enforcing_failure_percentage_local_origin":  "0",
		"outlier_detection.always_eject_one_host":                      "false",
		"outlier_detection.detect_degraded_hosts":                      "false",
	},
	present: map[string]bool{
		"outlier_detection":                                          true,
		"circuit_breakers.thresholds[].retry_budget":                 true,
		"common_lb_config.locality_weighted_lb_config":               true,
		"common_lb_config.zone_aware_lb_config":                      true,
		"least_request_lb_config.slow_start_config":                  true,
		"round_robin_lb_config.slow_start_config":                    true,
		httpOptions + ".explicit_http_config.http2_protocol_options": true,
		"transport_socket":                                           true,
	},
	known: []knownDifference{
		{"metadata", "names of Istio's objects; they decide nothing"},
		{httpOptions + ".common_http_protocol_options", "when connections end by themselves is not modelled"},
		{"ring_hash_lb_config", "the size of the ring is not modelled"},
		{"maglev_lb_config", "the size of the table is not modelled"},
		{"upstream_connection_options.tcp_keepalive", "the kernel's probes of idle connections are not modelled"},
	},
}

// endpointFields are those of what EDS sent. The dump shows what Envoy made of it.
var endpointFields = fields{
	prefix: "load_assignment.",
	defaults: map[string]string{
		"policy.overprovisioning_factor":                   "140",
		"endpoints[].load_balancing_weight":                "0",
		"endpoints[].lb_endpoints[].load_balancing_weight": "1",
	},
	// What the host was at the moment of the dump, not what was sent.
	state: map[string]bool{"endpoints[].lb_endpoints[].health_status": true},
}

// Defaults: config.route.v3 of Envoy's API reference.
var routeFields = fields{
	defaults: map[string]string{
		"virtual_hosts[].routes[].match.case_sensitive":                                 "true",
		"virtual_hosts[].routes[].route.timeout":                                        "15s",
		"virtual_hosts[].routes[].route.retry_policy.num_retries":                       "1",
		"virtual_hosts[].routes[].route.retry_policy.retry_back_off.base_interval":      "0.025s",
		"virtual_hosts[].routes[].route.retry_policy.host_selection_retry_max_attempts": "1",
	},
	present: map[string]bool{
		"virtual_hosts[].routes[].route.retry_policy": true,
	},
	known: []knownDifference{
		{"virtual_hosts[block_all]", "istiod's last virtual host, for hosts that the mesh does not know"},
		{"virtual_hosts[allow_any]", "the same where the mesh lets such requests pass"},
		{"virtual_hosts[].routes[].metadata", "names of Istio's objects; they decide nothing"},
		{"virtual_hosts[].routes[].decorator", "the name that tracing shows"},
		{"virtual_hosts[].routes[].route.hash_policy", "what a request is hashed by is not modelled"},
	},
}

// sortedLists are lists in one text, in any order.
var sortedLists = map[string]bool{"retry_on": true}

// percent reports whether the field is a type.v3.Percent, which is 0 if empty.
func percent(kind string) bool {
	switch lastOf(kind) {
	case "healthy_panic_threshold", "budget_percent", "min_weight_percent", "routing_enabled":
		return true
	}
	return false
}

// runtimeDouble reports whether the field is a config.core.v3.RuntimeDouble; the
// runtime key that comes with the number is nobody's.
func runtimeDouble(kind string) bool {
	last := lastOf(kind)
	return last == "aggression" || last == "active_request_bias"
}
