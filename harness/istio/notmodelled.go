package istio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"
)

// NotModelled is a field or a whole resource that the translation does not read.
type NotModelled struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column,omitempty"`
	Resource string `json:"resource"` // as Resource.ID
	Field    string `json:"field"`    // path in the document; "" is the whole resource
	Decides  bool   `json:"decides"`  // it may change which endpoint answers this client
	Why      string `json:"why"`      // what it would do, or why it does not matter
}

func (n NotModelled) String() string {
	field := n.Field
	if field == "" {
		field = n.Resource
	}
	return fmt.Sprintf("%s:%d:%d: %s is not modelled: %s", n.File, n.Line, n.Column, field, n.Why)
}

// listNotModelled walks every field that is set and keeps what no rule reads.
func (t *translator) listNotModelled(resources []*Resource) {
	for _, r := range resources {
		switch r.Spec.(type) {
		case *networking.ServiceEntry, *networking.DestinationRule, *networking.VirtualService:
			w := walker{root: r.Spec, res: r, unused: !t.used[r]}
			w.message(r.Spec.ProtoReflect(), "spec")
			t.out.NotModelled = append(t.out.NotModelled, w.found...)
		default:
			k := kinds[r.Kind]
			why := k.why
			if why == "" {
				why, k.decides = "this kind is not read", true
			}
			t.out.NotModelled = append(t.out.NotModelled, newNotModelled(r, "", k.decides, why))
		}
	}
	slices.SortStableFunc(t.out.NotModelled, func(a, b NotModelled) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
}

func newNotModelled(r *Resource, field string, decides bool, why string) NotModelled {
	pos := r.Pos
	if field != "" {
		pos = r.Where(field)
	}
	return NotModelled{pos.File, pos.Line, pos.Column, r.ID(), field, decides, why}
}

type walker struct {
	root   proto.Message
	res    *Resource
	unused bool
	found  []NotModelled
}

// message visits the set fields of a message. Fields that the table does not
// have count as not modelled and as deciding: a field that a new API brings is
// found without a change here.
func (w *walker) message(m protoreflect.Message, path string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := path + "." + fd.JSONName()
		name := strings.TrimPrefix(string(fd.FullName()), "istio.networking.v1alpha3.")
		f, known := fields[name]
		switch {
		case !known:
			w.add(at, true, "no rule reads it yet")
		case f.unread == nil: // read
			w.into(fd, v, at)
		default:
			if why, decides := f.unread(w.root, m, v); why != "" {
				w.add(at, decides, why)
			} else {
				w.into(fd, v, at)
			}
		}
		return true
	})
}

// into descends into the messages of a field that is read.
func (w *walker) into(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) {
	switch {
	case fd.IsList():
		for i := range v.List().Len() {
			w.value(fd, v.List().Get(i), indexed(at, i))
		}
	case fd.IsMap():
		v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
			w.value(fd.MapValue(), e, at+"."+k.String())
			return true
		})
	default:
		w.value(fd, v, at)
	}
}

func (w *walker) value(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) {
	if fd.Message() == nil || strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.") {
		return
	}
	w.message(v.Message(), at)
}

func (w *walker) add(field string, decides bool, why string) {
	if w.unused && decides {
		decides, why = false, why+"; the resource applies to nothing that this client uses"
	}
	w.found = append(w.found, newNotModelled(w.res, field, decides, why))
}

// field says how the translation treats a field: it reads it (the zero value),
// or unread tells why not and whether that may decide; "" means that this value is read.
type field struct {
	unread func(root proto.Message, parent protoreflect.Message, v protoreflect.Value) (why string, decides bool)
	why    string // of a field that is never read
}

// harmless fields cannot change which endpoint answers; a deciding one may.
func harmless(why string) field {
	return field{func(proto.Message, protoreflect.Message, protoreflect.Value) (string, bool) { return why, false }, why}
}

func decides(why string) field {
	return field{func(proto.Message, protoreflect.Message, protoreflect.Value) (string, bool) { return why, true }, why}
}

// Field is a field of the API that the translation knows.
type Field struct {
	Name string // message and field as the API's proto files have them: OutlierDetection.max_ejection_percent
	Why  string // why it is never read; "": it is, for some values at least
}

// Fields lists them, sorted by name.
func Fields() []Field {
	var out []Field
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		out = append(out, Field{name, fields[name].why})
	}
	return out
}

// kinds has the kinds that are not translated at all.
var kinds = map[string]struct {
	decides bool
	why     string
}{
	"Sidecar":               {true, "it narrows which services the client sees"},
	"EnvoyFilter":           {true, "it may change anything"},
	"WorkloadEntry":         {true, "it may be an endpoint of a ServiceEntry with a workloadSelector"},
	"WorkloadGroup":         {true, "its entries may be endpoints of a ServiceEntry with a workloadSelector"},
	"Gateway":               {false, "the client is a sidecar"},
	"ProxyConfig":           {false, "it does not reach clusters and routes"},
	"Telemetry":             {false, "it only observes"},
	"PeerAuthentication":    {true, "it changes TLS inside the mesh"},
	"RequestAuthentication": {false, "it acts where requests arrive"},
	"AuthorizationPolicy":   {true, "it may refuse requests where they arrive"},
	"WasmPlugin":            {true, "it may answer or change requests"},
}

// fields is the list of all fields that the translation knows, by their name in
// the API's proto files. The test TestFieldsExist keeps it honest.
var fields = map[string]field{
	"ServiceEntry.hosts":             {},
	"ServiceEntry.addresses":         {},
	"ServiceEntry.ports":             {},
	"ServiceEntry.location":          {},
	"ServiceEntry.resolution":        {unread: dynamicDNS},
	"ServiceEntry.endpoints":         {},
	"ServiceEntry.workload_selector": decides("workloads and WorkloadEntries are not looked up"),
	"ServiceEntry.export_to":         {},
	"ServiceEntry.subject_alt_names": {},

	"ServicePort.number":      {},
	"ServicePort.name":        {},
	"ServicePort.protocol":    {unread: tcpPort},
	"ServicePort.target_port": {unread: originalPort},

	"WorkloadEntry.address":         {},
	"WorkloadEntry.ports":           {},
	"WorkloadEntry.labels":          {},
	"WorkloadEntry.network":         {},
	"WorkloadEntry.locality":        {},
	"WorkloadEntry.weight":          {},
	"WorkloadEntry.service_account": {},

	"DestinationRule.host":                             {},
	"DestinationRule.traffic_policy":                   {},
	"DestinationRule.subsets":                          {},
	"DestinationRule.export_to":                        {},
	"DestinationRule.workload_selector":                {},
	"istio.type.v1beta1.WorkloadSelector.match_labels": {},
	"Subset.name":                                      {},
	"Subset.labels":                                    {},
	"Subset.traffic_policy":                            {},

	"TrafficPolicy.load_balancer":       {},
	"TrafficPolicy.connection_pool":     {},
	"TrafficPolicy.outlier_detection":   {},
	"TrafficPolicy.tls":                 {},
	"TrafficPolicy.port_level_settings": {},
	"TrafficPolicy.tunnel":              decides("TCP tunnels are not modelled"),
	"TrafficPolicy.proxy_protocol":      decides("an upstream that does not expect the PROXY header fails"),
	"TrafficPolicy.retry_budget":        {},

	"TrafficPolicy.RetryBudget.percent":               {},
	"TrafficPolicy.RetryBudget.min_retry_concurrency": {},
	"TrafficPolicy.RetryBudget.budget_interval":       decides("the requests of the last interval count too"),

	"TrafficPolicy.PortTrafficPolicy.port":              {},
	"TrafficPolicy.PortTrafficPolicy.load_balancer":     {},
	"TrafficPolicy.PortTrafficPolicy.connection_pool":   {},
	"TrafficPolicy.PortTrafficPolicy.outlier_detection": {},
	"TrafficPolicy.PortTrafficPolicy.tls":               {},
	"PortSelector.number":                               {},

	"LoadBalancerSettings.simple":                {},
	"LoadBalancerSettings.consistent_hash":       decides("hash keys and tables are not modelled"),
	"LoadBalancerSettings.locality_lb_setting":   {},
	"LoadBalancerSettings.zone_aware_lb_setting": decides("zone-aware routing replaces locality priorities"),
	"LoadBalancerSettings.warmup_duration_secs":  {},
	"LoadBalancerSettings.warmup":                {},
	"WarmupConfiguration.duration":               {},
	"WarmupConfiguration.minimum_percent":        {},
	"WarmupConfiguration.aggression":             {},

	"LocalityLoadBalancerSetting.distribute":        {},
	"LocalityLoadBalancerSetting.failover":          {},
	"LocalityLoadBalancerSetting.failover_priority": {},
	"LocalityLoadBalancerSetting.enabled":           {},
	"LocalityLoadBalancerSetting.Distribute.from":   {},
	"LocalityLoadBalancerSetting.Distribute.to":     {},
	"LocalityLoadBalancerSetting.Failover.from":     {},
	"LocalityLoadBalancerSetting.Failover.to":       {},

	"OutlierDetection.consecutive_errors":                 harmless("deprecated; Istio ignores it too"),
	"OutlierDetection.split_external_local_origin_errors": {},
	"OutlierDetection.consecutive_local_origin_failures":  {},
	"OutlierDetection.consecutive_gateway_errors":         {},
	"OutlierDetection.consecutive_5xx_errors":             {},
	"OutlierDetection.interval":                           {},
	"OutlierDetection.base_ejection_time":                 {},
	"OutlierDetection.max_ejection_percent":               {},
	"OutlierDetection.min_health_percent":                 {},
	"OutlierDetection.outlier_detection_http_error_codes": harmless("Istio up to 1.31 has the field and ignores it"),

	"ConnectionPoolSettings.tcp":                                      {},
	"ConnectionPoolSettings.http":                                     {},
	"ConnectionPoolSettings.TCPSettings.max_connections":              {},
	"ConnectionPoolSettings.TCPSettings.connect_timeout":              {},
	"ConnectionPoolSettings.TCPSettings.tcp_keepalive":                harmless("it finds dead idle connections, not hosts"),
	"ConnectionPoolSettings.TCPSettings.max_connection_duration":      harmless("connections are renewed, hosts stay"),
	"ConnectionPoolSettings.TCPSettings.idle_timeout":                 harmless("connections are renewed, hosts stay"),
	"ConnectionPoolSettings.HTTPSettings.http1_max_pending_requests":  {},
	"ConnectionPoolSettings.HTTPSettings.http2_max_requests":          {},
	"ConnectionPoolSettings.HTTPSettings.max_requests_per_connection": harmless("connections are renewed, hosts stay"),
	"ConnectionPoolSettings.HTTPSettings.max_retries":                 {},
	"ConnectionPoolSettings.HTTPSettings.idle_timeout":                harmless("connections are renewed, hosts stay"),
	"ConnectionPoolSettings.HTTPSettings.h2_upgrade_policy":           {unread: upgrade},
	"ConnectionPoolSettings.HTTPSettings.use_client_protocol":         harmless("clients speak HTTP/1.1, and so does the proxy then"),
	"ConnectionPoolSettings.HTTPSettings.max_concurrent_streams":      {},
	"ConnectionPoolSettings.HTTPSettings.http2_keep_alive":            harmless("it finds dead connections, not hosts"),

	"ClientTLSSettings.mode":                 {},
	"ClientTLSSettings.client_certificate":   {},
	"ClientTLSSettings.private_key":          {},
	"ClientTLSSettings.ca_certificates":      {},
	"ClientTLSSettings.credential_name":      {},
	"ClientTLSSettings.subject_alt_names":    {},
	"ClientTLSSettings.sni":                  {},
	"ClientTLSSettings.insecure_skip_verify": {},
	"ClientTLSSettings.ca_crl":               {unread: revoked},

	"VirtualService.hosts":     {},
	"VirtualService.gateways":  {},
	"VirtualService.http":      {},
	"VirtualService.tls":       harmless("only HTTP requests are modelled"),
	"VirtualService.tcp":       harmless("only HTTP requests are modelled"),
	"VirtualService.export_to": {},

	"HTTPRoute.name":              {},
	"HTTPRoute.match":             {},
	"HTTPRoute.route":             {unread: weights},
	"HTTPRoute.redirect":          decides("the proxy answers by itself"),
	"HTTPRoute.direct_response":   decides("the proxy answers by itself"),
	"HTTPRoute.delegate":          decides("the routes of another VirtualService are not pulled in"),
	"HTTPRoute.rewrite":           {},
	"HTTPRoute.timeout":           {},
	"HTTPRoute.retries":           {},
	"HTTPRoute.fault":             decides("the proxy delays or answers by itself"),
	"HTTPRoute.mirror":            decides("copies of requests load another cluster"),
	"HTTPRoute.mirrors":           decides("copies of requests load another cluster"),
	"HTTPRoute.mirror_percent":    harmless("it only says how much is mirrored"),
	"HTTPRoute.mirror_percentage": harmless("it only says how much is mirrored"),
	"HTTPRoute.cors_policy":       harmless("it adds headers to answers"),
	"HTTPRoute.headers":           {unread: authority},

	"HTTPRewrite.authority":         {},
	"HTTPRewrite.uri":               decides("the upstream sees another path"),
	"HTTPRewrite.uri_regex_rewrite": decides("the upstream sees another path"),

	"HTTPMatchRequest.name":             {},
	"HTTPMatchRequest.uri":              {unread: uri},
	"HTTPMatchRequest.scheme":           decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.method":           decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.authority":        decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.headers":          decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.port":             {},
	"HTTPMatchRequest.source_labels":    {},
	"HTTPMatchRequest.gateways":         {},
	"HTTPMatchRequest.query_params":     decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.ignore_uri_case":  decides("paths are compared with their case"),
	"HTTPMatchRequest.without_headers":  decides("the match is not evaluated; its route is left out"),
	"HTTPMatchRequest.source_namespace": {},
	"HTTPMatchRequest.stat_prefix":      harmless("it names statistics"),
	"StringMatch.exact":                 {},
	"StringMatch.prefix":                {},
	"StringMatch.regex":                 {},

	"HTTPRouteDestination.destination": {},
	"HTTPRouteDestination.weight":      {},
	"HTTPRouteDestination.headers":     {unread: authority},
	"Destination.host":                 {},
	"Destination.subset":               {},
	"Destination.port":                 {},

	"HTTPRetry.attempts":                    {},
	"HTTPRetry.per_try_timeout":             {},
	"HTTPRetry.retry_on":                    {},
	"HTTPRetry.retry_remote_localities":     {},
	"HTTPRetry.retry_ignore_previous_hosts": {},
	"HTTPRetry.backoff":                     {},
}

func dynamicDNS(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	if networking.ServiceEntry_Resolution(v.Enum()) == networking.ServiceEntry_DYNAMIC_DNS {
		return "DYNAMIC_DNS forwards by Host header and has no endpoints to fail over between", true
	}
	return "", false
}

func tcpPort(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	if !isHTTP(v.String()) {
		return "only HTTP requests are modelled; the port has a cluster, but no route", false
	}
	return "", false
}

func originalPort(root proto.Message, _ protoreflect.Message, _ protoreflect.Value) (string, bool) {
	if root.(*networking.ServiceEntry).Resolution == networking.ServiceEntry_NONE {
		return "with resolution NONE it replaces the port that was dialled", true
	}
	return "", false
}

func upgrade(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	if networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy(v.Enum()) == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		return "the upstream has to speak HTTP/2", true
	}
	return "", false
}

func revoked(_ proto.Message, parent protoreflect.Message, _ protoreflect.Value) (string, bool) {
	tls := parent.Interface().(*networking.ClientTLSSettings)
	return "certificates that are revoked are not modelled", tls.Mode != networking.ClientTLSSettings_DISABLE
}

func weights(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	weighted := 0
	for i := range v.List().Len() {
		if v.List().Get(i).Message().Interface().(*networking.HTTPRouteDestination).Weight > 0 {
			weighted++
		}
	}
	if v.List().Len() > 1 && weighted > 1 {
		return "traffic is not split by weight; all of it goes to the heaviest destination", true
	}
	return "", false
}

// authority: headers do not decide, unless they change the host that the upstream sees.
func authority(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	h := v.Message().Interface().(*networking.Headers)
	for _, m := range []map[string]string{h.GetRequest().GetSet(), h.GetRequest().GetAdd()} {
		for k := range m {
			if strings.EqualFold(k, ":authority") || strings.EqualFold(k, "host") {
				return "the upstream sees another host", true
			}
		}
	}
	return "headers are not modelled", false
}

func uri(_ proto.Message, _ protoreflect.Message, v protoreflect.Value) (string, bool) {
	m := v.Message().Interface().(*networking.StringMatch)
	if m.GetExact() != "" || m.GetRegex() != "" && m.GetRegex() != ".*" {
		return "only prefixes are matched; the route is left out", true
	}
	return "", false
}
