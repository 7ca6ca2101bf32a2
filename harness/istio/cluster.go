package istio

import (
	"fmt"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// Envoy's own values for what istiod never sends.
const (
	overprovisioningFactor = 140
	updateMergeWindow      = time.Second
	dnsJitter              = 100 * time.Millisecond
)

// addClusters makes the clusters of a service: one a port, and one more for each subset.
// pilot/pkg/networking/core/cluster.go: buildOutboundClusters.
func (t *translator) addClusters(s *service) {
	kind, ok := s.discoveryType()
	if !ok {
		return
	}
	r := t.ruleFor(s.host, s.namespace)
	if r != nil {
		for _, from := range r.from {
			t.used[from] = true
		}
	}
	for i, port := range s.ports {
		if protocolOf(port.Protocol) == "UDP" {
			continue
		}
		var base policy
		if r != nil {
			base, _ = portPolicy(r.policy, r.policyAt, port.Number)
			base.selects = r.selects
		}
		base.dialled = kind == xds.OriginalDst || r != nil && passthrough(r.policy.GetLoadBalancer())
		// Subsets hang on the default cluster: without it there are none.
		if !t.addCluster(s, i, kind, base, nil) || r == nil {
			continue
		}
		for j := range r.subsets {
			sub, kind := &r.subsets[j], kind
			// Rule: RuleSubsetPassthrough, cluster_builder.go: buildSubsetCluster: a subset
			// begins with the type that the rule's policy gave the default cluster, or
			// that its own gives it, whatever an entry for the port says.
			if passthrough(base.loadBalancer) || passthrough(sub.TrafficPolicy.GetLoadBalancer()) {
				kind = xds.OriginalDst
			}
			p := t.subsetPolicy(base, *sub, port.Number)
			p.dialled = s.resolution == networking.ServiceEntry_NONE || passthrough(sub.TrafficPolicy.GetLoadBalancer())
			t.addCluster(s, i, kind, p, sub)
		}
	}
}

// addCluster makes one cluster and says whether istiod would send it.
// pilot/pkg/networking/core/cluster_builder.go: buildCluster, applyDestinationRule, buildSubsetCluster.
func (t *translator) addCluster(s *service, portIndex int, kind xds.DiscoveryType, p policy, sub *subset) bool {
	port := s.ports[portIndex]
	var name string
	var selector map[string]string
	if sub != nil {
		name, selector = sub.Name, sub.Labels
	}
	instances := s.endpointsOf(port, kind, selector)
	// Rule: RuleNoEmptyDNSCluster: a DNS cluster without endpoints is not sent, an EDS one is.
	if len(instances) == 0 && (kind == xds.StrictDNS || kind == xds.LogicalDNS) {
		return false
	}
	c := xds.Cluster{
		Name:                   clusterName(port.Number, name, s.host),
		Type:                   kind,
		LBPolicy:               t.lbPolicy(p.loadBalancer),
		ConnectTimeout:         t.connectTimeout(p.connectionPool),
		OverprovisioningFactor: overprovisioningFactor,
		HealthyPanicThreshold:  t.panicThreshold(p.outlierDetection, s),
		UpdateMergeWindow:      updateMergeWindow,
		OutlierDetection:       outlierDetection(p.outlierDetection),
		CircuitBreakers:        t.circuitBreakers(p),
	}
	c.MaxConcurrentStreams = t.concurrentStreams(port.Protocol, p.connectionPool)
	c.SlowStart = t.slowStart(p.loadBalancer, c.LBPolicy)
	set := t.effectiveLocality(s, p.loadBalancer, p.loadBalancerAt)
	c.LocalityWeighted = t.localityWeighted(set, c.OutlierDetection != nil)

	var groups []group
	if kind != xds.OriginalDst { // before PASSTHROUGH takes the endpoints away: istiod may die of them
		groups = t.applyLocality(groupByLocality(instances), set, c.OutlierDetection != nil, kind, name)
	}
	switch {
	case kind == xds.OriginalDst || passthrough(p.loadBalancer):
		groups = nil
		c.Type, c.LBPolicy, c.SlowStart = xds.OriginalDst, xds.ClusterProvided, nil
	default:
		for _, g := range groups {
			for i := range g.instances {
				g.Endpoints[i].TLSMode = sentTLSMode(p.tls, g.instances[i])
			}
		}
		if kind != xds.EDS {
			c.DNS = &xds.DNS{RefreshRate: t.mesh.DNSRefreshRate, RespectTTL: true}
			if t.v.has(RuleDNSJitter) {
				c.DNS.Jitter = dnsJitter
			}
		}
	}
	c.TLS = t.tlsContext(s, port, name, c.Type, p)
	for _, g := range groups {
		c.Localities = append(c.Localities, g.LocalityEndpoints)
	}
	t.out.Config.Clusters = append(t.out.Config.Clusters, c)
	t.explain(c.Name, s, portIndex, p, set, sub, groups)
	return true
}

// explain records where the parts of the cluster come from.
func (t *translator) explain(cluster string, s *service, portIndex int, p policy, set *localitySetting, sub *subset, groups []group) {
	add := func(part Part, at place) {
		if at.res != nil {
			t.use(Use{Part: part, Cluster: cluster, Resource: at.res, Path: at.path})
		}
	}
	add(PartService, s.portAt[portIndex])
	switch {
	case sub != nil && p.base.path == "": // neither the rule nor the subset has a policy
		add(PartPolicy, sub.at.sub("trafficPolicy"))
	default:
		add(PartPolicy, p.base)
	}
	if p.outlierDetection != nil {
		add(PartOutlierDetection, p.outlierAt)
	}
	if p.loadBalancer != nil {
		add(PartLoadBalancer, p.loadBalancerAt)
	}
	if set != nil {
		add(PartLocality, set.at)
	}
	if p.connectionPool != nil {
		add(PartConnectionPool, p.connectionPoolAt)
	}
	if p.tls != nil {
		add(PartTLS, p.tlsAt)
	}
	for i, g := range groups {
		for j, in := range g.instances {
			path := indexed("spec.endpoints", in.index)
			if in.index < 0 {
				path = "spec.hosts"
			}
			t.use(Use{Part: PartEndpoint, Cluster: cluster, Resource: in.entry, Path: path, Group: i, Index: j})
		}
	}
}

// protocolOf reads a port's protocol; unknown and empty ones are sniffed.
// pkg/config/protocol/instance.go: Parse.
func protocolOf(text string) string {
	switch p := strings.ToUpper(text); p {
	case "TCP", "UDP", "GRPC", "GRPC-WEB", "HTTP", "HTTP_PROXY", "HTTP2", "HTTPS", "TLS", "MONGO", "REDIS", "MYSQL":
		return p
	}
	return ""
}

// HTTP reports whether the requests to a port of that protocol are routed as
// HTTP; the others pass through as connections.
func HTTP(protocol string) bool { return isHTTP(protocol) }

// isHTTP reports whether a port's requests are routed as HTTP.
func isHTTP(protocol string) bool {
	switch protocolOf(protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY", "":
		return true
	}
	return false
}

func indexed(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
