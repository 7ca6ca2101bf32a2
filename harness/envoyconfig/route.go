package envoyconfig

import (
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	previousprioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/faildrill/faildrill/harness/xds"
)

// Envoy's back-off between retries when a policy names none
// (config.route.v3.RetryPolicy.RetryBackOff).
const (
	defaultBackOff   = 25 * time.Millisecond
	maxBackOffFactor = 10 // the longest, in base intervals
)

const maxDirectResponse = 1 << 20 // bytes; as istiod says

// Routes is the route configuration of one port, named after it as istiod names
// it. A host that no virtual host has gets Envoy's 404; istiod would add a last
// virtual host for the mesh's outbound traffic policy.
// pilot/pkg/networking/core/httproute.go: buildSidecarOutboundHTTPRouteConfig.
func Routes(hosts []xds.VirtualHost, port uint32) *routev3.RouteConfiguration {
	out := &routev3.RouteConfiguration{
		Name:                           strconv.FormatUint(uint64(port), 10),
		ValidateClusters:               wrapperspb.Bool(false),
		MaxDirectResponseBodySizeBytes: number(maxDirectResponse),
		IgnorePortInHostMatching:       true,
	}
	for i := range hosts {
		if v := &hosts[i]; v.Port == port {
			out.VirtualHosts = append(out.VirtualHosts, virtualHost(v))
		}
	}
	return out
}

func virtualHost(v *xds.VirtualHost) *routev3.VirtualHost {
	out := &routev3.VirtualHost{Name: v.Name, Domains: slices.Clone(v.Domains), IncludeRequestAttemptCount: true}
	for i := range v.Routes {
		out.Routes = append(out.Routes, route(&v.Routes[i]))
	}
	return out
}

func route(r *xds.Route) *routev3.Route {
	prefix := r.Prefix
	if prefix == "" {
		prefix = "/"
	}
	out := &routev3.Route{Name: r.Name, Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}}}
	// The redirects and direct responses of a VirtualService have no cluster; how they answer is not modelled.
	if r.Cluster == "" {
		out.Action = &routev3.Route_NonForwardingAction{NonForwardingAction: &routev3.NonForwardingAction{}}
		return out
	}
	timeout := durationpb.New(r.Timeout) // 0: none; Envoy's own default is 15 s
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: r.Cluster},
		Timeout:          timeout,
		//lint:ignore SA1019 istiod sends it
		MaxGrpcTimeout: timeout,
		RetryPolicy:    retryPolicy(r.Retry),
	}
	if r.HostRewrite != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.HostRewrite}
	}
	out.Action = &routev3.Route_Route{Route: action}
	return out
}

// retryPolicy: pilot/pkg/networking/core/route/retry/retry.go: ConvertPolicy.
func retryPolicy(p *xds.RetryPolicy) *routev3.RetryPolicy {
	if p == nil {
		return nil
	}
	out := &routev3.RetryPolicy{
		RetryOn:                       strings.Join(p.RetryOn, ","),
		RetriableStatusCodes:          slices.Clone(p.RetriableStatusCodes),
		NumRetries:                    number(p.NumRetries),
		HostSelectionRetryMaxAttempts: int64(p.HostSelectionMaxAttempts),
	}
	if p.PerTryTimeout > 0 {
		out.PerTryTimeout = durationpb.New(p.PerTryTimeout)
	}
	longest := p.BackOffBase * maxBackOffFactor
	if p.BackOffBase != defaultBackOff || p.BackOffMax != longest {
		out.RetryBackOff = &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(p.BackOffBase)}
		if p.BackOffMax != longest {
			out.RetryBackOff.MaxInterval = durationpb.New(p.BackOffMax)
		}
	}
	if p.PreviousHosts {
		out.RetryHostPredicate = []*routev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{})},
		}}
	}
	if p.PreviousPriorities > 0 {
		out.RetryPriority = &routev3.RetryPolicy_RetryPriority{
			Name: "envoy.retry_priorities.previous_priorities",
			ConfigType: &routev3.RetryPolicy_RetryPriority_TypedConfig{
				TypedConfig: packed(&previousprioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: int32(p.PreviousPriorities)}),
			},
		}
	}
	return out
}

// adsSource asks from the connection to the control plane, without a time limit.
func adsSource() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(0),
	}
}
