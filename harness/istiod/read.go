//lint:file-ignore SA1019 istiod sends the old fields of DNS clusters

package istiod

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previousprio "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstream "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/faildrill/faildrill/harness/xds"
)

// Envoy's own values for what a message leaves out (config.cluster.v3, config.route.v3).
const (
	defaultConnectTimeout   = 5 * time.Second
	defaultOverprovisioning = 140
	defaultPanicThreshold   = 50
	defaultMergeWindow      = time.Second
	defaultMaxConnections   = 1024 // of pending requests and requests too
	defaultMaxRetries       = 3
	defaultDNSRefresh       = 5 * time.Second
	defaultRouteTimeout     = 15 * time.Second
	defaultBackOff          = 25 * time.Millisecond
	backOffFactor           = 10
	defaultBudgetPercent    = 20
	defaultBudgetMinimum    = 3
	defaultHTTP2Streams     = 1024 // since 1.36; before, 2147483647

	http2Options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	tlsSocket    = "envoy.transport_sockets.tls"
)

// reading takes fields from copies of messages, so that what is left over in
// the end was read by nobody.
type reading struct {
	unread []string // paths of fields, without indexes
}

// rest lists the fields that are still set.
func (r *reading) rest(path string, m proto.Message) {
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		r.unread = append(r.unread, path+"."+string(fd.Name()))
		return true
	})
}

func (r *reading) done() []string {
	slices.Sort(r.unread)
	return slices.Compact(r.unread)
}

// take reads a field and clears it.
func take[T any](field *T) T {
	v := *field
	var zero T
	*field = zero
	return v
}

func uint32Or(v **wrapperspb.UInt32Value, otherwise uint32) uint32 {
	if w := take(v); w != nil {
		return w.Value
	}
	return otherwise
}

func durationOr(v **durationpb.Duration, otherwise time.Duration) time.Duration {
	if d := take(v); d != nil {
		return d.AsDuration()
	}
	return otherwise
}

func percentOr(v **typev3.Percent, otherwise float64) float64 {
	if p := take(v); p != nil {
		return p.Value
	}
	return otherwise
}

// FromCluster turns a cluster, and the assignment of an EDS cluster, into a
// value of harness/xds with Envoy's defaults written out. The fields of the
// messages that the value has no place for are listed by their paths.
func FromCluster(message *cluster.Cluster, assignment *endpoint.ClusterLoadAssignment) (xds.Cluster, []string) {
	r := &reading{}
	m := proto.Clone(message).(*cluster.Cluster)
	c := xds.Cluster{Name: take(&m.Name), ConnectTimeout: durationOr(&m.ConnectTimeout, defaultConnectTimeout)}
	if t, ok := m.ClusterDiscoveryType.(*cluster.Cluster_Type); ok {
		c.Type = xds.DiscoveryType(t.Type.String())
		m.ClusterDiscoveryType = nil
	}
	c.LBPolicy = xds.LBPolicy(take(&m.LbPolicy).String())
	if eds := m.EdsClusterConfig; eds != nil && c.Type == xds.EDS {
		if take(&eds.ServiceName) == c.Name && eds.EdsConfig.GetAds() != nil {
			m.EdsClusterConfig = nil // it is asked for under its own name, where everything comes from
		}
	}
	dns := r.dns(m) // a cluster that does not look up keeps the settings for it, if PASSTHROUGH made it one
	if c.Type == xds.StrictDNS || c.Type == xds.LogicalDNS {
		c.DNS = dns
		c.Localities, c.OverprovisioningFactor = r.assignment(take(&m.LoadAssignment))
	} else {
		c.Localities, c.OverprovisioningFactor = r.assignment(assignment)
	}
	r.commonLB(&c, take(&m.CommonLbConfig))
	r.balancer(&c, m)
	c.OutlierDetection = r.outlierDetection(take(&m.OutlierDetection))
	c.CircuitBreakers = r.circuitBreakers(take(&m.CircuitBreakers))
	var names *core.UpstreamHttpProtocolOptions
	if any := m.TypedExtensionProtocolOptions[http2Options]; any != nil {
		delete(m.TypedExtensionProtocolOptions, http2Options)
		c.MaxConcurrentStreams, names = r.protocol(any)
	}
	c.TLS = r.tls(m, names)
	r.rest("cluster", m)
	return c, r.done()
}

func (r *reading) dns(m *cluster.Cluster) *xds.DNS {
	d := &xds.DNS{
		RefreshRate: durationOr(&m.DnsRefreshRate, defaultDNSRefresh), RespectTTL: take(&m.RespectDnsTtl),
		Jitter: durationOr(&m.DnsJitter, 0),
	}
	if family := take(&m.DnsLookupFamily); family != cluster.Cluster_V4_ONLY {
		d.LookupFamily = xds.LookupFamily(family.String())
	}
	if f := take(&m.DnsFailureRefreshRate); f != nil {
		d.FailureBase = f.BaseInterval.AsDuration()
		d.FailureMax = durationOr(&f.MaxInterval, backOffFactor*d.FailureBase)
	}
	return d
}

func (r *reading) assignment(message *endpoint.ClusterLoadAssignment) ([]xds.LocalityEndpoints, uint32) {
	if message == nil {
		return nil, defaultOverprovisioning
	}
	m := proto.Clone(message).(*endpoint.ClusterLoadAssignment)
	m.ClusterName = ""
	factor := uint32(defaultOverprovisioning)
	if p := m.Policy; p != nil {
		factor = uint32Or(&p.OverprovisioningFactor, factor)
		r.rest("assignment.policy", take(&m.Policy))
	}
	var list []xds.LocalityEndpoints
	for _, g := range take(&m.Endpoints) {
		l := xds.LocalityEndpoints{
			Locality: locality(take(&g.Locality)), Priority: take(&g.Priority), Weight: uint32Or(&g.LoadBalancingWeight, 0),
		}
		for _, e := range take(&g.LbEndpoints) {
			l.Endpoints = append(l.Endpoints, r.endpoint(e))
		}
		r.rest("assignment.endpoints", g)
		list = append(list, l)
	}
	r.rest("assignment", m)
	return list, factor
}

func locality(l *core.Locality) xds.Locality {
	return xds.Locality{Region: l.GetRegion(), Zone: l.GetZone(), SubZone: l.GetSubZone()}
}

func (r *reading) endpoint(m *endpoint.LbEndpoint) xds.Endpoint {
	e := xds.Endpoint{Weight: uint32Or(&m.LoadBalancingWeight, 1)}
	if h := take(&m.HealthStatus); h != core.HealthStatus_UNKNOWN {
		e.Health = xds.Health(h.String())
	}
	if inner, ok := m.HostIdentifier.(*endpoint.LbEndpoint_Endpoint); ok {
		m.HostIdentifier = nil
		switch a := inner.Endpoint.Address.GetAddress().(type) {
		case *core.Address_SocketAddress:
			e.Address, e.Port = a.SocketAddress.Address, a.SocketAddress.GetPortValue()
			inner.Endpoint.Address = nil
		case *core.Address_Pipe:
			e.Address = a.Pipe.Path
			inner.Endpoint.Address = nil
		}
		r.rest("endpoint", inner.Endpoint)
	}
	if f := m.GetMetadata().GetFilterMetadata(); f[matchFilter] != nil {
		e.TLSMode = f[matchFilter].GetFields()[matchKey].GetStringValue()
		if delete(f, matchFilter); len(f) == 0 {
			m.Metadata = nil
		}
	}
	r.rest("lb_endpoint", m)
	return e
}

func (r *reading) commonLB(c *xds.Cluster, m *cluster.Cluster_CommonLbConfig) {
	if m == nil {
		m = &cluster.Cluster_CommonLbConfig{}
	}
	c.HealthyPanicThreshold = percentOr(&m.HealthyPanicThreshold, defaultPanicThreshold)
	c.UpdateMergeWindow = durationOr(&m.UpdateMergeWindow, defaultMergeWindow)
	if _, ok := m.LocalityConfigSpecifier.(*cluster.Cluster_CommonLbConfig_LocalityWeightedLbConfig_); ok {
		c.LocalityWeighted, m.LocalityConfigSpecifier = true, nil
	}
	r.rest("cluster.common_lb_config", m)
}

func (r *reading) balancer(c *xds.Cluster, m *cluster.Cluster) {
	switch lb := m.LbConfig.(type) {
	case *cluster.Cluster_RoundRobinLbConfig_:
		c.SlowStart = r.slowStart(take(&lb.RoundRobinLbConfig.SlowStartConfig))
		r.rest("cluster.round_robin_lb_config", lb.RoundRobinLbConfig)
		m.LbConfig = nil
	case *cluster.Cluster_LeastRequestLbConfig_:
		c.SlowStart = r.slowStart(take(&lb.LeastRequestLbConfig.SlowStartConfig))
		r.rest("cluster.least_request_lb_config", lb.LeastRequestLbConfig)
		m.LbConfig = nil
	}
}

func (r *reading) slowStart(m *cluster.Cluster_SlowStartConfig) *xds.SlowStart {
	if m == nil {
		return nil
	}
	s := xds.DefaultSlowStart(durationOr(&m.SlowStartWindow, 0))
	if a := take(&m.Aggression); a != nil {
		s.Aggression = a.DefaultValue // its runtime key has no value but this
	}
	s.MinWeightPercent = percentOr(&m.MinWeightPercent, s.MinWeightPercent)
	r.rest("slow_start_config", m)
	return &s
}

func (r *reading) outlierDetection(m *cluster.OutlierDetection) *xds.OutlierDetection {
	if m == nil {
		return nil
	}
	d := xds.DefaultOutlierDetection()
	d.Interval = durationOr(&m.Interval, d.Interval)
	d.BaseEjectionTime = durationOr(&m.BaseEjectionTime, d.BaseEjectionTime)
	d.MaxEjectionTime = durationOr(&m.MaxEjectionTime, max(d.MaxEjectionTime, d.BaseEjectionTime))
	d.MaxEjectionTimeJitter = durationOr(&m.MaxEjectionTimeJitter, 0)
	for _, f := range []struct {
		from **wrapperspb.UInt32Value
		to   *uint32
	}{
		{&m.MaxEjectionPercent, &d.MaxEjectionPercent},
		{&m.Consecutive_5Xx, &d.Consecutive5xx},
		{&m.EnforcingConsecutive_5Xx, &d.EnforcingConsecutive5xx},
		{&m.ConsecutiveGatewayFailure, &d.ConsecutiveGatewayFailure},
		{&m.EnforcingConsecutiveGatewayFailure, &d.EnforcingConsecutiveGatewayFailure},
		{&m.ConsecutiveLocalOriginFailure, &d.ConsecutiveLocalOriginFailure},
		{&m.EnforcingConsecutiveLocalOriginFailure, &d.EnforcingConsecutiveLocalOriginFailure},
		{&m.SuccessRateMinimumHosts, &d.SuccessRateMinimumHosts},
		{&m.SuccessRateRequestVolume, &d.SuccessRateRequestVolume},
		{&m.SuccessRateStdevFactor, &d.SuccessRateStdevFactor},
		{&m.EnforcingSuccessRate, &d.EnforcingSuccessRate},
		{&m.EnforcingLocalOriginSuccessRate, &d.EnforcingLocalOriginSuccessRate},
		{&m.FailurePercentageThreshold, &d.FailurePercentageThreshold},
		{&m.FailurePercentageMinimumHosts, &d.FailurePercentageMinimumHosts},
		{&m.FailurePercentageRequestVolume, &d.FailurePercentageRequestVolume},
		{&m.EnforcingFailurePercentage, &d.EnforcingFailurePercentage},
		{&m.EnforcingFailurePercentageLocalOrigin, &d.EnforcingFailurePercentageLocalOrigin},
	} {
		*f.to = uint32Or(f.from, *f.to)
	}
	d.SplitExternalLocalOriginErrors = take(&m.SplitExternalLocalOriginErrors)
	d.AlwaysEjectOneHost = take(&m.AlwaysEjectOneHost).GetValue()
	d.DetectDegradedHosts = take(&m.DetectDegradedHosts).GetValue()
	r.rest("cluster.outlier_detection", m)
	return &d
}

func (r *reading) circuitBreakers(m *cluster.CircuitBreakers) xds.CircuitBreakers {
	out := xds.CircuitBreakers{
		MaxConnections: defaultMaxConnections, MaxPendingRequests: defaultMaxConnections, MaxRequests: defaultMaxConnections,
		MaxRetries: defaultMaxRetries,
	}
	if m == nil {
		return out
	}
	for _, t := range take(&m.Thresholds) {
		if t.Priority != core.RoutingPriority_DEFAULT {
			r.unread = append(r.unread, "cluster.circuit_breakers.thresholds.priority")
			continue
		}
		out.MaxConnections = uint32Or(&t.MaxConnections, out.MaxConnections)
		out.MaxPendingRequests = uint32Or(&t.MaxPendingRequests, out.MaxPendingRequests)
		out.MaxRequests = uint32Or(&t.MaxRequests, out.MaxRequests)
		out.MaxRetries = uint32Or(&t.MaxRetries, out.MaxRetries)
		if b := take(&t.RetryBudget); b != nil {
			out.RetryBudget = &xds.RetryBudget{
				Percent:             percentOr(&b.BudgetPercent, defaultBudgetPercent),
				MinRetryConcurrency: uint32Or(&b.MinRetryConcurrency, defaultBudgetMinimum),
			}
			r.rest("cluster.circuit_breakers.retry_budget", b)
		}
		r.rest("cluster.circuit_breakers.thresholds", t)
	}
	r.rest("cluster.circuit_breakers", m)
	return out
}

// protocol returns how many requests a connection carries at once, 0 is HTTP/1.1,
// and what TLS takes from requests.
func (r *reading) protocol(any *anypb.Any) (uint32, *core.UpstreamHttpProtocolOptions) {
	o := &upstream.HttpProtocolOptions{}
	if any.UnmarshalTo(o) != nil {
		r.unread = append(r.unread, "cluster.typed_extension_protocol_options")
		return 0, nil
	}
	var streams uint32
	if e := o.GetExplicitHttpConfig(); e != nil {
		switch p := e.ProtocolConfig.(type) {
		case *upstream.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions:
			streams = uint32Or(&p.Http2ProtocolOptions.MaxConcurrentStreams, defaultHTTP2Streams)
			r.rest("http_protocol_options.http2", p.Http2ProtocolOptions)
			o.UpstreamProtocolOptions = nil
		case *upstream.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions:
			r.rest("http_protocol_options.http1", p.HttpProtocolOptions)
			o.UpstreamProtocolOptions = nil
		}
	}
	if c := take(&o.CommonHttpProtocolOptions); c != nil {
		r.rest("http_protocol_options.common", c)
	}
	names := take(&o.UpstreamHttpProtocolOptions)
	r.rest("http_protocol_options", o)
	return streams, names
}

// tls reads the transport socket, and the names that TLS takes from requests.
func (r *reading) tls(m *cluster.Cluster, names *core.UpstreamHttpProtocolOptions) *xds.TLS {
	socket, match := take(&m.TransportSocket), false
	if ms := m.TransportSocketMatches; socket == nil && len(ms) == 2 && ms[0].Name == matchMesh && ms[1].Name == matchPlain {
		socket, match = ms[0].TransportSocket, true
		m.TransportSocketMatches = nil
	}
	out := &xds.TLS{Match: match, AutoSNI: names.GetAutoSni(), AutoSANValidation: names.GetAutoSanValidation()}
	if socket == nil {
		if names != nil {
			r.unread = append(r.unread, "http_protocol_options.upstream_http_protocol_options")
		}
		return nil
	}
	c := &tls.UpstreamTlsContext{}
	if socket.Name != tlsSocket || socket.GetTypedConfig().UnmarshalTo(c) != nil {
		r.unread = append(r.unread, "cluster.transport_socket")
		return nil
	}
	out.SNI = take(&c.Sni)
	common := take(&c.CommonTlsContext)
	r.rest("tls", c)
	common.TlsParams, common.AlpnProtocols = nil, nil // what every Envoy offers; in the mesh, that both ends are
	for _, s := range take(&common.TlsCertificateSdsSecretConfigs) {
		out.Certificate = s.Name
	}
	switch v := common.ValidationContextType.(type) {
	case *tls.CommonTlsContext_CombinedValidationContext:
		common.ValidationContextType = nil
		combined := v.CombinedValidationContext
		out.CA = take(&combined.ValidationContextSdsSecretConfig).GetName()
		for _, n := range combined.DefaultValidationContext.GetMatchSubjectAltNames() {
			out.SANs = append(out.SANs, n.GetExact())
		}
		combined.DefaultValidationContext = nil
		r.rest("tls.validation", combined)
	case *tls.CommonTlsContext_ValidationContext:
		common.ValidationContextType = nil
		r.rest("tls.validation", v.ValidationContext)
	}
	r.rest("tls.common", common)
	return out
}

// The transport sockets of automatic mutual TLS, and where an endpoint says which is its own.
const (
	matchMesh   = "tlsMode-istio"
	matchPlain  = "tlsMode-disabled"
	matchFilter = "envoy.transport_socket_match"
	matchKey    = "tlsMode"
)

// FromVirtualHost turns a virtual host of a route configuration, which istiod
// names by its port, into a value; the unread fields as FromCluster.
func FromVirtualHost(configuration string, message *route.VirtualHost) (xds.VirtualHost, []string) {
	r := &reading{}
	m := proto.Clone(message).(*route.VirtualHost)
	port, _ := strconv.ParseUint(configuration, 10, 32) // 0 for other names
	h := xds.VirtualHost{Name: take(&m.Name), Domains: take(&m.Domains), Port: uint32(port)}
	for _, e := range take(&m.Routes) {
		h.Routes = append(h.Routes, r.route(e))
	}
	r.rest("virtual_host", m)
	return h, r.done()
}

func (r *reading) route(m *route.Route) xds.Route {
	out := xds.Route{Name: take(&m.Name)}
	if match := take(&m.Match); match != nil {
		if p, ok := match.PathSpecifier.(*route.RouteMatch_Prefix); ok {
			out.Prefix, match.PathSpecifier = p.Prefix, nil
		}
		if match.CaseSensitive.GetValue() { // which is the default
			match.CaseSensitive = nil
		}
		r.rest("route.match", match)
	}
	if a, ok := m.Action.(*route.Route_Route); ok {
		m.Action = nil
		r.action(&out, a.Route)
	}
	r.rest("route", m)
	return out
}

func (r *reading) action(out *xds.Route, m *route.RouteAction) {
	switch c := m.ClusterSpecifier.(type) {
	case *route.RouteAction_Cluster:
		out.Cluster, m.ClusterSpecifier = c.Cluster, nil
	case *route.RouteAction_WeightedClusters:
		// The heaviest stands for all; if others have a weight too, that is not read.
		var most, others uint32
		for _, w := range c.WeightedClusters.Clusters {
			if n := w.Weight.GetValue(); n > most {
				out.Cluster, most, others = w.Name, n, others+most
			} else {
				others += n
			}
		}
		if others == 0 {
			m.ClusterSpecifier = nil
		}
	}
	out.Timeout = durationOr(&m.Timeout, defaultRouteTimeout)
	out.Retry = r.retry(take(&m.RetryPolicy))
	r.rest("route.route", m)
}

func (r *reading) retry(m *route.RetryPolicy) *xds.RetryPolicy {
	if m == nil {
		return nil
	}
	p := &xds.RetryPolicy{
		RetriableStatusCodes: take(&m.RetriableStatusCodes), NumRetries: uint32Or(&m.NumRetries, 1),
		PerTryTimeout: durationOr(&m.PerTryTimeout, 0), BackOffBase: defaultBackOff, BackOffMax: backOffFactor * defaultBackOff,
		HostSelectionMaxAttempts: uint32(max(1, take(&m.HostSelectionRetryMaxAttempts))),
	}
	for _, on := range strings.Split(take(&m.RetryOn), ",") { // Envoy passes over empty ones
		if on = strings.TrimSpace(on); on != "" {
			p.RetryOn = append(p.RetryOn, on)
		}
	}
	if b := take(&m.RetryBackOff); b != nil {
		// Envoy rounds below a millisecond up to one.
		p.BackOffBase = max(b.BaseInterval.AsDuration(), time.Millisecond)
		p.BackOffMax = durationOr(&b.MaxInterval, backOffFactor*p.BackOffBase)
	}
	for _, predicate := range take(&m.RetryHostPredicate) {
		if predicate.Name == "envoy.retry_host_predicates.previous_hosts" {
			p.PreviousHosts = true
			continue
		}
		r.unread = append(r.unread, "retry_policy.retry_host_predicate."+predicate.Name)
	}
	if prio := take(&m.RetryPriority); prio != nil {
		config := &previousprio.PreviousPrioritiesConfig{}
		if prio.GetTypedConfig().UnmarshalTo(config) == nil {
			p.PreviousPriorities = uint32(config.UpdateFrequency)
		} else {
			r.unread = append(r.unread, "retry_policy.retry_priority")
		}
	}
	r.rest("retry_policy", m)
	return p
}

// ByPort reports whether a route configuration is that of a whole port. One of a
// single address, host:port, has the routes of that host once more, for any name.
func ByPort(configuration string) bool { return !strings.Contains(configuration, ":") }

// UnknownHosts reports whether the virtual host is the one for all names that nobody defined.
func UnknownHosts(v *route.VirtualHost) bool { return v.Name == "block_all" || v.Name == "allow_any" }

// Read turns a whole snapshot into values, sorted by name, with all unread
// fields. What istiod adds for hosts that nobody defined is left out: clusters
// without a service, and the virtual host of all other names.
func (s *Snapshot) Read() (xds.Config, []string) {
	var out xds.Config
	unread := map[string]bool{}
	note := func(list []string) {
		for _, u := range list {
			unread[u] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Clusters)) {
		if !strings.HasPrefix(name, "outbound|") {
			continue
		}
		c, left := FromCluster(s.Clusters[name], s.Endpoints[name])
		out.Clusters = append(out.Clusters, c)
		note(left)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Routes)) {
		for _, v := range s.Routes[name].VirtualHosts {
			if !ByPort(name) || UnknownHosts(v) {
				continue
			}
			h, left := FromVirtualHost(name, v)
			out.VirtualHosts = append(out.VirtualHosts, h)
			note(left)
		}
	}
	return out, slices.Sorted(maps.Keys(unread))
}

// String is a summary for logs.
func (s *Snapshot) String() string {
	return fmt.Sprintf("push %s: %d clusters, %d assignments, %d listeners, %d route configurations",
		s.Version, len(s.Clusters), len(s.Endpoints), len(s.Listeners), len(s.Routes))
}
