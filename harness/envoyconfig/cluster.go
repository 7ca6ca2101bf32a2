//lint:file-ignore SA1019 istiod sends the DNS fields that Envoy calls deprecated

package envoyconfig

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/faildrill/faildrill/harness/xds"
)

// Envoy's defaults of the fields that istiod leaves out (config.cluster.v3 and
// config.endpoint.v3 of Envoy's API reference).
const (
	defaultOverprovisioning = 140               // percent
	defaultPanicThreshold   = 50                // percent
	defaultMergeWindow      = time.Second       // update_merge_window
	defaultMaxEjectionTime  = 300 * time.Second // or the base, if that is longer
	defaultRoutingEnabled   = 100               // percent
	defaultMinClusterSize   = 6
)

// runtimeKey is the key that istiod gives to numbers that a runtime could
// override. Envoy asks for one; no runtime has it.
const runtimeKey = "("

// udpMaxQueries is how many questions istiod lets c-ares ask from one socket.
const udpMaxQueries = 100

// httpProtocolOptions is where a cluster keeps its HTTP options.
const httpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// Cluster is the message that istiod sends for the cluster. An EDS cluster asks
// its endpoints from the same connection (ADS); LoadAssignment has them.
// pilot/pkg/networking/core/cluster_builder.go: buildCluster.
func Cluster(c *xds.Cluster) *clusterv3.Cluster {
	out := &clusterv3.Cluster{
		Name:                 c.Name,
		AltStatName:          c.Name + ";", // the semicolon ends the name in what /stats writes
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_DiscoveryType(clusterv3.Cluster_DiscoveryType_value[string(c.Type)])},
		LbPolicy:             clusterv3.Cluster_LbPolicy(clusterv3.Cluster_LbPolicy_value[string(c.LBPolicy)]),
		ConnectTimeout:       durationpb.New(c.ConnectTimeout),
		CommonLbConfig:       commonLB(c),
		CircuitBreakers:      circuitBreakers(&c.CircuitBreakers),
		OutlierDetection:     outlierDetection(c.OutlierDetection),
	}
	setLoadBalancer(out, c)
	setDNS(out, c.DNS)
	setTLS(out, c.TLS)
	out.TypedExtensionProtocolOptions = httpOptions(c)
	switch c.Type {
	case xds.EDS:
		out.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{ServiceName: c.Name, EdsConfig: adsSource()}
	case xds.OriginalDst: // the connection says where it goes
	default:
		out.LoadAssignment = LoadAssignment(c)
	}
	return out
}

// Inline is the cluster for a control plane that sends no endpoints by
// themselves: an EDS cluster becomes a STATIC one with its endpoints inside.
func Inline(c *xds.Cluster) *clusterv3.Cluster {
	out := Cluster(c)
	if c.Type != xds.EDS {
		return out
	}
	out.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	out.EdsClusterConfig = nil
	out.LoadAssignment = LoadAssignment(c)
	dropRepeated(out.LoadAssignment)
	return out
}

// Filed is the cluster for the built-in control plane: an EDS cluster reads its
// endpoints from the file that WriteEDS puts into the folder.
func Filed(c *xds.Cluster, dir string) *clusterv3.Cluster {
	out := Cluster(c)
	if c.Type == xds.EDS {
		out.EdsClusterConfig.EdsConfig = fileSource(dir, EDSFile(dir, c.Name))
	}
	return out
}

// dropRepeated keeps the first of several endpoints with one address, which is
// what EDS does and STATIC does not (source/extensions/clusters/eds/eds.cc).
func dropRepeated(la *endpointv3.ClusterLoadAssignment) {
	seen := map[string]bool{}
	for _, g := range la.Endpoints {
		var kept []*endpointv3.LbEndpoint
		for _, e := range g.LbEndpoints {
			a := e.GetEndpoint().GetAddress()
			key := a.GetPipe().GetPath()
			if s := a.GetSocketAddress(); s != nil {
				key = s.Address + " " + strconv.FormatUint(uint64(s.GetPortValue()), 10)
			}
			if !seen[key] {
				kept = append(kept, e)
			}
			seen[key] = true
		}
		g.LbEndpoints = kept
	}
}

// LoadAssignment has the endpoints of the cluster: what EDS sends, and what is
// inside a DNS cluster.
func LoadAssignment(c *xds.Cluster) *endpointv3.ClusterLoadAssignment {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: c.Name}
	if c.OverprovisioningFactor != defaultOverprovisioning || c.WeightedPriorityHealth {
		out.Policy = &endpointv3.ClusterLoadAssignment_Policy{WeightedPriorityHealth: c.WeightedPriorityHealth}
		if c.OverprovisioningFactor != defaultOverprovisioning {
			out.Policy.OverprovisioningFactor = number(c.OverprovisioningFactor)
		}
	}
	for _, l := range c.Localities {
		g := &endpointv3.LocalityLbEndpoints{Locality: locality(l.Locality), Priority: l.Priority}
		if l.Weight > 0 {
			g.LoadBalancingWeight = number(l.Weight)
		}
		for _, e := range l.Endpoints {
			g.LbEndpoints = append(g.LbEndpoints, endpoint(e))
		}
		out.Endpoints = append(out.Endpoints, g)
	}
	return out
}

func endpoint(e xds.Endpoint) *endpointv3.LbEndpoint {
	out := &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(e.Address, e.Port)}},
		HealthStatus:   corev3.HealthStatus(corev3.HealthStatus_value[string(e.Health)]), // "" is UNKNOWN, 0
	}
	if e.Weight > 0 {
		out.LoadBalancingWeight = number(e.Weight)
	}
	setTLSMode(out, e.TLSMode)
	return out
}

// address is that of a socket path if the text is one.
func address(text string, port uint32) *corev3.Address {
	if strings.HasPrefix(text, "/") {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: text}}}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: text, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func locality(l xds.Locality) *corev3.Locality {
	return &corev3.Locality{Region: l.Region, Zone: l.Zone, SubZone: l.SubZone}
}

func commonLB(c *xds.Cluster) *clusterv3.Cluster_CommonLbConfig {
	out := &clusterv3.Cluster_CommonLbConfig{}
	if c.HealthyPanicThreshold != defaultPanicThreshold {
		out.HealthyPanicThreshold = &typev3.Percent{Value: c.HealthyPanicThreshold}
	}
	if c.UpdateMergeWindow != defaultMergeWindow {
		out.UpdateMergeWindow = durationpb.New(c.UpdateMergeWindow)
	}
	switch z := c.ZoneAware; {
	case c.LocalityWeighted:
		out.LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig{}}
	case z != nil:
		config := &clusterv3.Cluster_CommonLbConfig_ZoneAwareLbConfig{FailTrafficOnPanic: z.FailTrafficOnPanic}
		if z.RoutingEnabled != defaultRoutingEnabled {
			config.RoutingEnabled = &typev3.Percent{Value: float64(z.RoutingEnabled)}
		}
		if z.MinClusterSize != defaultMinClusterSize {
			config.MinClusterSize = wrapperspb.UInt64(z.MinClusterSize)
		}
		out.LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_ZoneAwareLbConfig_{ZoneAwareLbConfig: config}
	}
	return out
}

// setLoadBalancer adds what the policy has of its own.
func setLoadBalancer(out *clusterv3.Cluster, c *xds.Cluster) {
	slow := slowStart(c.SlowStart)
	switch {
	case c.LBPolicy == xds.LeastRequest && (c.LeastRequest != nil || slow != nil):
		config := &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}
		if l, d := c.LeastRequest, xds.DefaultLeastRequest(); l != nil {
			config.ChoiceCount = unless(l.ChoiceCount, d.ChoiceCount)
			if l.ActiveRequestBias != d.ActiveRequestBias {
				config.ActiveRequestBias = runtimeDouble(l.ActiveRequestBias)
			}
		}
		out.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: config}
	case c.LBPolicy == xds.RoundRobin && slow != nil:
		out.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
	}
}

func slowStart(s *xds.SlowStart) *clusterv3.Cluster_SlowStartConfig {
	if s == nil {
		return nil
	}
	return &clusterv3.Cluster_SlowStartConfig{
		SlowStartWindow:  durationpb.New(s.Window),
		Aggression:       runtimeDouble(s.Aggression),
		MinWeightPercent: &typev3.Percent{Value: s.MinWeightPercent},
	}
}

func runtimeDouble(v float64) *corev3.RuntimeDouble {
	return &corev3.RuntimeDouble{DefaultValue: v, RuntimeKey: runtimeKey}
}

func circuitBreakers(cb *xds.CircuitBreakers) *clusterv3.CircuitBreakers {
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxConnections:     number(cb.MaxConnections),
		MaxPendingRequests: number(cb.MaxPendingRequests),
		MaxRequests:        number(cb.MaxRequests),
		MaxRetries:         number(cb.MaxRetries),
	}
	if b := cb.RetryBudget; b != nil {
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent:       &typev3.Percent{Value: b.Percent},
			MinRetryConcurrency: number(b.MinRetryConcurrency),
		}
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
}

func outlierDetection(od *xds.OutlierDetection) *clusterv3.OutlierDetection {
	if od == nil {
		return nil
	}
	d := xds.DefaultOutlierDetection()
	out := &clusterv3.OutlierDetection{
		MaxEjectionPercent: unless(od.MaxEjectionPercent, d.MaxEjectionPercent),

		Consecutive_5Xx:                    unless(od.Consecutive5xx, d.Consecutive5xx),
		EnforcingConsecutive_5Xx:           unless(od.EnforcingConsecutive5xx, d.EnforcingConsecutive5xx),
		ConsecutiveGatewayFailure:          unless(od.ConsecutiveGatewayFailure, d.ConsecutiveGatewayFailure),
		EnforcingConsecutiveGatewayFailure: unless(od.EnforcingConsecutiveGatewayFailure, d.EnforcingConsecutiveGatewayFailure),

		SplitExternalLocalOriginErrors:         od.SplitExternalLocalOriginErrors,
		ConsecutiveLocalOriginFailure:          unless(od.ConsecutiveLocalOriginFailure, d.ConsecutiveLocalOriginFailure),
		EnforcingConsecutiveLocalOriginFailure: unless(od.EnforcingConsecutiveLocalOriginFailure, d.EnforcingConsecutiveLocalOriginFailure),

		SuccessRateMinimumHosts:         unless(od.SuccessRateMinimumHosts, d.SuccessRateMinimumHosts),
		SuccessRateRequestVolume:        unless(od.SuccessRateRequestVolume, d.SuccessRateRequestVolume),
		SuccessRateStdevFactor:          unless(od.SuccessRateStdevFactor, d.SuccessRateStdevFactor),
		EnforcingSuccessRate:            unless(od.EnforcingSuccessRate, d.EnforcingSuccessRate),
		EnforcingLocalOriginSuccessRate: unless(od.EnforcingLocalOriginSuccessRate, d.EnforcingLocalOriginSuccessRate),

		FailurePercentageThreshold:            unless(od.FailurePercentageThreshold, d.FailurePercentageThreshold),
		FailurePercentageMinimumHosts:         unless(od.FailurePercentageMinimumHosts, d.FailurePercentageMinimumHosts),
		FailurePercentageRequestVolume:        unless(od.FailurePercentageRequestVolume, d.FailurePercentageRequestVolume),
		EnforcingFailurePercentage:            unless(od.EnforcingFailurePercentage, d.EnforcingFailurePercentage),
		EnforcingFailurePercentageLocalOrigin: unless(od.EnforcingFailurePercentageLocalOrigin, d.EnforcingFailurePercentageLocalOrigin),
	}
	if od.Interval != d.Interval {
		out.Interval = durationpb.New(od.Interval)
	}
	if od.BaseEjectionTime != d.BaseEjectionTime {
		out.BaseEjectionTime = durationpb.New(od.BaseEjectionTime)
	}
	if od.MaxEjectionTime != max(defaultMaxEjectionTime, od.BaseEjectionTime) {
		out.MaxEjectionTime = durationpb.New(od.MaxEjectionTime)
	}
	if od.MaxEjectionTimeJitter != 0 {
		out.MaxEjectionTimeJitter = durationpb.New(od.MaxEjectionTimeJitter)
	}
	if od.AlwaysEjectOneHost {
		out.AlwaysEjectOneHost = wrapperspb.Bool(true)
	}
	if od.DetectDegradedHosts {
		out.DetectDegradedHosts = wrapperspb.Bool(true)
	}
	return out
}

// setDNS adds how a DNS cluster asks; the resolver is the one that istiod names,
// with the servers of the machine's resolv.conf.
func setDNS(out *clusterv3.Cluster, d *xds.DNS) {
	if d == nil {
		return
	}
	family := d.LookupFamily
	if family == "" {
		family = xds.V4Only
	}
	out.DnsLookupFamily = clusterv3.Cluster_DnsLookupFamily(clusterv3.Cluster_DnsLookupFamily_value[string(family)])
	out.DnsRefreshRate = durationpb.New(d.RefreshRate)
	out.RespectDnsTtl = d.RespectTTL
	if d.Jitter > 0 {
		out.DnsJitter = durationpb.New(d.Jitter)
	}
	if d.FailureBase > 0 {
		out.DnsFailureRefreshRate = &clusterv3.Cluster_RefreshRate{BaseInterval: durationpb.New(d.FailureBase)}
		if d.FailureMax > 0 {
			out.DnsFailureRefreshRate.MaxInterval = durationpb.New(d.FailureMax)
		}
	}
	out.TypedDnsResolverConfig = resolver(udpMaxQueries, netip.AddrPort{})
}

// Ask lets a DNS cluster ask one server, and nobody else.
func Ask(c *clusterv3.Cluster, server netip.AddrPort) {
	if c.TypedDnsResolverConfig != nil {
		c.TypedDnsResolverConfig = resolver(udpMaxQueries, server)
	}
}

// resolver is c-ares; 0 queries a socket is Envoy's default, no limit. A server
// that is named is asked for names as they are.
func resolver(udpMaxQueries uint32, server netip.AddrPort) *corev3.TypedExtensionConfig {
	config := &caresv3.CaresDnsResolverConfig{}
	if server.IsValid() {
		config.Resolvers = []*corev3.Address{address(server.Addr().String(), uint32(server.Port()))}
		config.DnsResolverOptions = &corev3.DnsResolverOptions{NoDefaultSearchDomain: true}
	}
	if udpMaxQueries > 0 {
		config.UdpMaxQueries = number(udpMaxQueries)
	}
	return &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: packed(config)}
}

// httpOptions are what a cluster says of HTTP; nil: nothing. With the names that
// TLS takes from requests they have to name a protocol, and istiod names HTTP/1.1.
func httpOptions(c *xds.Cluster) map[string]*anypb.Any {
	if c.MaxConcurrentStreams > 0 {
		o := http2Options(c.MaxConcurrentStreams)
		autoNames(o, c.TLS)
		return map[string]*anypb.Any{httpProtocolOptions: packed(o)}
	}
	o := &httpv3.HttpProtocolOptions{}
	if autoNames(o, c.TLS); o.UpstreamHttpProtocolOptions == nil {
		return nil
	}
	o.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
	}}
	return map[string]*anypb.Any{httpProtocolOptions: packed(o)}
}

// http2 are the options of a cluster whose hosts speak HTTP/2; 0 streams is
// Envoy's default.
func http2(maxConcurrentStreams uint32) map[string]*anypb.Any {
	return map[string]*anypb.Any{httpProtocolOptions: packed(http2Options(maxConcurrentStreams))}
}

func http2Options(maxConcurrentStreams uint32) *httpv3.HttpProtocolOptions {
	o := &corev3.Http2ProtocolOptions{}
	if maxConcurrentStreams > 0 {
		o.MaxConcurrentStreams = number(maxConcurrentStreams)
	}
	return &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: o},
		}},
	}
}

func number(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }

// unless is the number, or nothing if it is Envoy's default.
func unless(n, unset uint32) *wrapperspb.UInt32Value {
	if n == unset {
		return nil
	}
	return number(n)
}

// packed never fails: the messages of this package have no required fields, and
// their text comes from YAML, which is UTF-8.
func packed(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic("packing " + string(m.ProtoReflect().Descriptor().FullName()) + ": " + err.Error())
	}
	return a
}
