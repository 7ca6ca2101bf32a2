package explain

import (
	"maps"
	"slices"
)

// fieldText is what a field of Istio's API decides.
type fieldText struct {
	decides string
	def     string // in force when it is not set, with its unit
	since   string // the release since which it is so
}

// fieldTexts has the fields that the translation reads, by their name in the
// API's proto files (istio.Fields). One that is not read at all says why by itself.
var fieldTexts = map[string]fieldText{
	"ServiceEntry.hosts":             {"the names that clients ask for; each is a service", "required", ""},
	"ServiceEntry.addresses":         {"virtual addresses; an HTTP service can be asked for by them too", "none", ""},
	"ServiceEntry.ports":             {"each is a cluster; HTTP ones are routes too", "required", ""},
	"ServiceEntry.location":          {"inside or outside the mesh; automatic mutual TLS comes with inside", "MESH_EXTERNAL", ""},
	"ServiceEntry.resolution":        {"where the hosts come from: STATIC from endpoints that are IP addresses, DNS from look-ups of each endpoint's name, DNS_ROUND_ROBIN from one address of one look-up, NONE from what the client dialled", "NONE", ""},
	"ServiceEntry.endpoints":         {"the places that serve, each with a locality; the hosts of the clusters", "with DNS, the host itself", ""},
	"ServiceEntry.subject_alt_names": {"names that certificates are expected to have when the rule that begins TLS names none; the Host of the request is expected beside them, unless the rule has sni", "none", ""},
	"ServiceEntry.export_to":         {"the namespaces whose clients see the service", "all", ""},

	"ServicePort.number":      {"the port that clients ask for", "required", ""},
	"ServicePort.name":        {"what endpoints[].ports refers to", "required", ""},
	"ServicePort.protocol":    {"HTTP, HTTP2 and GRPC are routed and their answers counted; TLS, HTTPS and TCP pass through as connections", "sniffed", ""},
	"ServicePort.target_port": {"the port of the endpoints, unless they have their own", "number", ""},

	"WorkloadEntry.address":         {"an IP address, or with resolution DNS a name, which can be several hosts", "required", ""},
	"WorkloadEntry.ports":           {"the endpoint's own port, by the name of the service's port", "targetPort, else number", ""},
	"WorkloadEntry.labels":          {"what subsets and failoverPriority compare", "none", ""},
	"WorkloadEntry.network":         {"the network, which failoverPriority can prefer", "none", ""},
	"WorkloadEntry.locality":        {"region/zone/subzone; how near the endpoint is to a client decides its priority", "the label topology.istio.io/locality or istio-locality, else none", "Istio 1.29 for the first label"},
	"WorkloadEntry.weight":          {"its share of the load beside others of one priority", "1", ""},
	"WorkloadEntry.service_account": {"who it is for mutual TLS; with one the endpoint is taken to have a sidecar", "none", ""},

	"DestinationRule.host":                             {"the service that the policy is for; the most specific host wins", "required", ""},
	"DestinationRule.traffic_policy":                   {"the policy of all its clusters, and of subsets as far as they have none", "none", ""},
	"DestinationRule.subsets":                          {"further clusters of endpoints with certain labels; a route has to name them", "none", ""},
	"DestinationRule.export_to":                        {"the namespaces whose clients use the rule", "all", ""},
	"DestinationRule.workload_selector":                {"the clients that use the rule, by their labels", "all of the namespace", "Istio 1.14"},
	"istio.type.v1beta1.WorkloadSelector.match_labels": {"the labels that a client has to have", "none", ""},
	"Subset.name":                                      {"what routes call it", "required", ""},
	"Subset.labels":                                    {"the endpoints that belong to it", "all", ""},
	"Subset.traffic_policy":                            {"its own policy; a block that it lacks comes from the rule", "that of the rule", ""},

	"TrafficPolicy.load_balancer":       {"how hosts are chosen, and how localities are ordered", "LEAST_REQUEST", ""},
	"TrafficPolicy.connection_pool":     {"limits and the connect timeout", "no limits", ""},
	"TrafficPolicy.outlier_detection":   {"which hosts are ejected, and the switch for locality failover: without it all localities share one priority", "none", ""},
	"TrafficPolicy.tls":                 {"whether the proxy begins TLS; a handshake that fails is a failed connect: charged, and retried", "mutual TLS to endpoints with a sidecar, plain text to others", ""},
	"TrafficPolicy.port_level_settings": {"a policy for one port, which replaces all of the policy around it", "none", ""},

	"TrafficPolicy.retry_budget":                      {"a limit of retries in flight that grows with the load; it replaces maxRetries", "none", "Istio 1.27"},
	"TrafficPolicy.RetryBudget.percent":               {"retries in flight, in percent of the requests in flight", "20 %", "Istio 1.30; before, 0.2 %"},
	"TrafficPolicy.RetryBudget.min_retry_concurrency": {"retries in flight that are always allowed", "3", ""},

	"TrafficPolicy.PortTrafficPolicy.port":              {"the port that the entry is for", "required", ""},
	"TrafficPolicy.PortTrafficPolicy.load_balancer":     {"as in the policy around it, for this port", "not inherited", ""},
	"TrafficPolicy.PortTrafficPolicy.connection_pool":   {"as in the policy around it, for this port", "not inherited", ""},
	"TrafficPolicy.PortTrafficPolicy.outlier_detection": {"as in the policy around it, for this port", "not inherited", ""},
	"TrafficPolicy.PortTrafficPolicy.tls":               {"as in the policy around it, for this port", "not inherited", ""},
	"PortSelector.number":                               {"a port of the service", "required", ""},

	"LoadBalancerSettings.simple":              {"which host of a priority and locality is next", "LEAST_REQUEST", "Istio 1.14; before, ROUND_ROBIN"},
	"LoadBalancerSettings.locality_lb_setting": {"the order of localities, or their shares; it replaces the mesh's own", "that of the mesh: the nearest first", ""},

	"LoadBalancerSettings.warmup":               {"how a new host's share grows to the full one; with ROUND_ROBIN and LEAST_REQUEST only", "none", "Istio 1.24"},
	"LoadBalancerSettings.warmup_duration_secs": {"how long a new host's share grows; counts where warmup is not set", "none", "Istio 1.14"},
	"WarmupConfiguration.duration":              {"how long it takes to the full share", "required", ""},
	"WarmupConfiguration.minimum_percent":       {"the share that a new host begins with, in percent of its full one", "10 %", ""},
	"WarmupConfiguration.aggression":            {"the exponent of the growth: at 1 the share grows evenly", "1", ""},

	"LocalityLoadBalancerSetting.distribute":        {"shares of the traffic of a locality, in percent; instead of failover", "none", ""},
	"LocalityLoadBalancerSetting.failover":          {"the region that takes over for a region; the others come behind it", "none: every other region alike", ""},
	"LocalityLoadBalancerSetting.failover_priority": {"labels, in order: endpoints rank by how many they share with the client from the first on", "none: region, zone, subzone", "Istio 1.30 for DNS services; key=value since 1.18"},
	"LocalityLoadBalancerSetting.enabled":           {"whether localities are ordered at all", "true", ""},
	"LocalityLoadBalancerSetting.Distribute.from":   {"the locality of the clients; region/zone/subzone with * at the end", "required", ""},
	"LocalityLoadBalancerSetting.Distribute.to":     {"percent by locality; they add up to 100, and localities that are not named lose their endpoints", "required", ""},
	"LocalityLoadBalancerSetting.Failover.from":     {"the region of the clients, spelled as their nodes' label has it", "required", ""},
	"LocalityLoadBalancerSetting.Failover.to":       {"the region that takes over", "required", ""},

	"OutlierDetection.split_external_local_origin_errors": {"whether failed connections, resets and timeouts are counted apart from answers of 5xx", "false", ""},
	"OutlierDetection.consecutive_local_origin_failures":  {"failed connections, resets and timeouts in a row that eject a host; with splitExternalLocalOriginErrors only", "5", ""},
	"OutlierDetection.consecutive_gateway_errors":         {"502, 503 and 504 in a row that eject a host; failed connections count as 503, timeouts as 504; 0 switches it off", "off", ""},
	"OutlierDetection.consecutive_5xx_errors":             {"failures in a row that eject a host: any 5xx, failed connections, resets, timeouts; 0 switches it off", "5", ""},
	"OutlierDetection.interval":                           {"the time between ticks, counted from the cluster's last change; hosts return at ticks only", "10s", ""},
	"OutlierDetection.base_ejection_time":                 {"how long an ejection lasts, times the number of ejections so far, at most 300s or this, whichever is longer", "30s", ""},
	"OutlierDetection.max_ejection_percent":               {"the share of all hosts of the cluster, every priority together, that may be out at a time, the next one included", "10 %", "Envoy 1.28 (Istio 1.20); before, a first host always went"},
	"OutlierDetection.min_health_percent":                 {"the panic threshold: with fewer healthy hosts than that, in percent, the ejected ones serve too; 0 switches panic off", "0 %", "Istio 1.31 without outlierDetection; before, 50 % there"},

	"ConnectionPoolSettings.tcp":                                     {"connections and connect timeout", "no limits", ""},
	"ConnectionPoolSettings.http":                                    {"requests and retries", "no limits", ""},
	"ConnectionPoolSettings.TCPSettings.max_connections":             {"connections to the cluster; each host may open one all the same", "4294967295", ""},
	"ConnectionPoolSettings.TCPSettings.connect_timeout":             {"how long a connection may take, TLS included; the only thing that charges a host which drops packets", "10s (meshConfig.connectTimeout)", ""},
	"ConnectionPoolSettings.HTTPSettings.http1_max_pending_requests": {"requests that wait for a connection; one more is refused with 503 UO, and charges nobody", "4294967295", ""},
	"ConnectionPoolSettings.HTTPSettings.http2_max_requests":         {"requests in flight, HTTP/1.1 included; one more is refused with 503 UO", "4294967295", ""},
	"ConnectionPoolSettings.HTTPSettings.max_concurrent_streams":     {"requests that one HTTP/2 connection carries at once; without HTTP/2 it does nothing", "1024", ""},
	"ConnectionPoolSettings.HTTPSettings.max_retries":                {"retries in flight in the cluster; one more is not made", "4294967295", ""},
	"ConnectionPoolSettings.HTTPSettings.h2_upgrade_policy":          {"whether the proxy speaks HTTP/2 to the hosts", "DEFAULT: as the mesh says", ""},
	"ClientTLSSettings.mode":                                         {"how the proxy begins TLS: DISABLE does not, SIMPLE verifies the server, MUTUAL shows a certificate from files too, ISTIO_MUTUAL uses the certificates of the mesh", "DISABLE", ""},
	"ClientTLSSettings.client_certificate":                           {"what MUTUAL shows; a server that wants one closes the connections of a client without, after the handshake", "none", ""},
	"ClientTLSSettings.private_key":                                  {"the key of clientCertificate", "none", ""},
	"ClientTLSSettings.ca_certificates":                              {"the CAs that the server's certificate is verified with", "those of the system", "Istio 1.21; before, nothing is verified without"},
	"ClientTLSSettings.credential_name":                              {"a secret of the cluster instead of files; a sidecar begins no TLS at all with one unless the rule has a workloadSelector", "none", ""},
	"ClientTLSSettings.subject_alt_names":                            {"names of which the server's certificate has to have one, exactly; every endpoint that may serve needs one of its own here", "subjectAltNames of the ServiceEntry, and without sni also the Host of the request", ""},
	"ClientTLSSettings.sni":                                          {"the name that the server is asked for, one for all endpoints; with it and without subjectAltNames no name is verified", "the Host of the request", "Istio 1.21; before, none"},
	"ClientTLSSettings.insecure_skip_verify":                         {"no certificate and no name is verified", "false", ""},
	"ClientTLSSettings.ca_crl":                                       {"the certificates that are revoked", "none", ""},

	"VirtualService.hosts":     {"the hosts that the routes are for", "required", ""},
	"VirtualService.gateways":  {"mesh, or the gateways that the routes are for; sidecars read those of mesh", "mesh", ""},
	"VirtualService.http":      {"the routes, the first that matches wins", "one to the service itself", ""},
	"VirtualService.export_to": {"the namespaces whose clients use the routes", "all", ""},

	"HTTPRoute.name":    {"the route's name in the proxy", "none", ""},
	"HTTPRoute.match":   {"the requests that the route is for; any of the list", "all", ""},
	"HTTPRoute.route":   {"where they go; of several by weight the heaviest is played", "required", ""},
	"HTTPRoute.timeout": {"the time for the whole request with its retries; when it fires the host that has it is charged with a 504", "none", ""},
	"HTTPRoute.retries": {"what is sent again, and how often", "2 attempts on connect-failure,refused-stream,unavailable,cancelled, on another host", "Istio 1.24; before, answers of 503 too"},
	"HTTPRoute.headers": {"decides only when it changes the host that the upstream sees", "none", ""},

	"HTTPRoute.rewrite":     {"what the upstream sees instead", "nothing", ""},
	"HTTPRewrite.authority": {"the Host that the upstream sees; TLS that the proxy begins asks for it, and verifies it", "the Host of the request", ""},

	"HTTPMatchRequest.name":             {"part of the route's name", "none", ""},
	"HTTPMatchRequest.uri":              {"the path; only prefixes are matched", "all", ""},
	"HTTPMatchRequest.port":             {"the port that the client asks for", "all", ""},
	"HTTPMatchRequest.source_labels":    {"the labels of the client", "all", ""},
	"HTTPMatchRequest.gateways":         {"as in the VirtualService", "those of the VirtualService", ""},
	"HTTPMatchRequest.source_namespace": {"the namespace of the client", "all", ""},
	"StringMatch.exact":                 {"the whole text", "", ""},
	"StringMatch.prefix":                {"how the text begins", "", ""},
	"StringMatch.regex":                 {"an RE2 expression for the whole text", "", ""},

	"HTTPRouteDestination.destination": {"the service", "required", ""},
	"HTTPRouteDestination.weight":      {"its share beside other destinations", "100 when it is alone", ""},
	"HTTPRouteDestination.headers":     {"decides only when it changes the host that the upstream sees", "none", ""},
	"Destination.host":                 {"a host of a ServiceEntry or service", "required", ""},
	"Destination.subset":               {"a subset of its DestinationRule", "the whole service", ""},
	"Destination.port":                 {"the port of the service", "the one that was asked for", ""},

	"HTTPRetry.attempts":                    {"how often a request is sent again; 0 switches retries off", "2", ""},
	"HTTPRetry.per_try_timeout":             {"the time for one attempt, from the moment it has a connection; when it fires the host is charged with a 504", "none", ""},
	"HTTPRetry.retry_on":                    {"what is retried: conditions of Envoy and status codes", "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "Istio 1.24; before, 503 too"},
	"HTTPRetry.retry_remote_localities":     {"whether a third attempt leaves the priority of the first two", "false", ""},
	"HTTPRetry.retry_ignore_previous_hosts": {"whether a retry avoids the hosts that the request has tried; up to six picks, the last one counts", "true", "Istio 1.26"},
	"HTTPRetry.backoff":                     {"the base of the pause before a retry, which is drawn from 0 to base x (2^n - 1), at most ten times the base", "25ms", "Istio 1.26"},
}

// FieldTexts lists the fields that have a text, by their name in the API's proto files.
func FieldTexts() []string { return slices.Sorted(maps.Keys(fieldTexts)) }
