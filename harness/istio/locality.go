package istio

import (
	"maps"
	"math/bits"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// The labels that carry a locality, a network and a cluster.
const (
	labelRegion         = "topology.kubernetes.io/region"
	labelZone           = "topology.kubernetes.io/zone"
	labelSubZone        = "topology.istio.io/subzone"
	labelNetwork        = "topology.istio.io/network"
	labelCluster        = "topology.istio.io/cluster"
	labelHostname       = "kubernetes.io/hostname"
	labelLocality       = "topology.istio.io/locality"
	labelLocalityLegacy = "istio-locality"
	labelRegionBeta     = "failure-domain.beta.kubernetes.io/region"
	labelZoneBeta       = "failure-domain.beta.kubernetes.io/zone"
)

// splitLocality takes region/zone/subzone apart; further parts are dropped.
func splitLocality(s string) xds.Locality {
	parts := append(strings.Split(s, "/"), "", "")
	return xds.Locality{Region: parts[0], Zone: parts[1], SubZone: parts[2]}
}

// localityLabel is the label that names a whole locality.
// Rule: RuleTopologyLocalityLabel, pkg/model/proxy.go: GetLocalityLabel.
func (t *translator) localityLabel(labels map[string]string) string {
	if l, ok := labels[labelLocality]; ok && t.v.has(RuleTopologyLocalityLabel) {
		return l
	}
	return labels[labelLocalityLegacy]
}

// endpointLocality is the text by which an endpoint is grouped.
// Rule: RuleEndpointLocality, conversion.go: convertWorkloadEntryToWorkloadInstance.
// Labels cannot hold a slash, so dots stand for it.
func (t *translator) endpointLocality(e *networking.WorkloadEntry) string {
	if e.Locality != "" {
		return e.Locality
	}
	l := t.localityLabel(e.Labels)
	if strings.Contains(l, "/") {
		return l
	}
	return strings.ReplaceAll(l, ".", "/")
}

// clientLocality prefers labels to the locality that the proxy reports.
// Rule: RuleClientLocality, pilot/pkg/xds/ads.go: setTopologyLabels, localityFromProxyLabels;
// the beta node labels as pilot/pkg/serviceregistry/kube/controller: getPodLocality reads them.
func (t *translator) clientLocality(c Client) xds.Locality {
	region, hasRegion := first(c.Labels, labelRegion, labelRegionBeta)
	zone, hasZone := first(c.Labels, labelZone, labelZoneBeta)
	subZone, hasSubZone := c.Labels[labelSubZone]
	if hasRegion || hasZone || hasSubZone {
		return xds.Locality{Region: region, Zone: zone, SubZone: subZone}
	}
	if l := t.localityLabel(c.Labels); l != "" {
		return splitLocality(l)
	}
	return c.Locality
}

func first(labels map[string]string, keys ...string) (string, bool) {
	for _, k := range keys {
		if v, ok := labels[k]; ok {
			return v, true
		}
	}
	return "", false
}

// augmentLabels adds what istiod knows of a workload to its labels.
// Rule: RuleTopologyLabels, pilot/pkg/serviceregistry/util/label/label.go: AugmentLabels.
func augmentLabels(labels map[string]string, l xds.Locality, network string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	for key, value := range map[string]string{
		labelRegion: l.Region, labelZone: l.Zone, labelSubZone: l.SubZone, labelCluster: meshCluster,
	} {
		if value != "" {
			out[key] = value
		}
	}
	if network != "" && out[labelNetwork] == "" {
		out[labelNetwork] = network
	}
	return out
}

// group is one LocalityLbEndpoints with the instances behind its endpoints.
type group struct {
	xds.LocalityEndpoints
	instances []instance
}

// groupByLocality makes a group for each locality text, sorted by it.
// Rule: RuleGroupByLocality, pilot/pkg/xds/endpoints/endpoint_builder.go: generate.
func groupByLocality(instances []instance) []group {
	byText := map[string][]instance{}
	for _, in := range instances {
		byText[in.locality] = append(byText[in.locality], in)
	}
	var groups []group
	for _, text := range slices.Sorted(maps.Keys(byText)) {
		groups = append(groups, newGroup(splitLocality(text), byText[text]))
	}
	return groups
}

// newGroup weighs a group by the sum of its endpoints, which stops at the largest uint32.
func newGroup(l xds.Locality, instances []instance) group {
	g := group{LocalityEndpoints: xds.LocalityEndpoints{Locality: l}, instances: instances}
	for _, in := range instances {
		g.Endpoints = append(g.Endpoints, xds.Endpoint{Address: in.address, Port: in.port, Weight: in.weight})
		sum, carry := bits.Add32(g.Weight, in.weight, 0)
		if carry != 0 {
			sum = 1<<32 - 1
		}
		g.Weight = sum
	}
	return g
}

// localitySetting is the setting that applies to a cluster, and where it is written (nil: mesh defaults).
type localitySetting struct {
	*networking.LocalityLoadBalancerSetting
	force bool // failover without outlierDetection
	at    place
}

// effectiveLocality picks one of DestinationRule, service and mesh; they do not merge.
// Rule: RuleEffectiveLocality, pilot/pkg/networking/core/loadbalancer/loadbalancer.go: GetEffectiveLbSetting.
func (t *translator) effectiveLocality(s *service, lb *networking.LoadBalancerSettings, at place) *localitySetting {
	if own := lb.GetLocalityLbSetting(); own != nil {
		if own.Enabled != nil && !own.Enabled.Value {
			return nil
		}
		return &localitySetting{own, false, at.sub("localityLbSetting")}
	}
	if len(s.distribution) > 0 {
		return &localitySetting{&networking.LocalityLoadBalancerSetting{FailoverPriority: s.distribution}, true,
			place{s.head, "metadata.annotations." + trafficDistributionAnnotation}}
	}
	if t.mesh.locality == nil {
		return nil
	}
	return &localitySetting{t.mesh.locality, false, place{}}
}

const trafficDistributionAnnotation = "networking.istio.io/traffic-distribution"

// trafficDistribution turns the annotation of a ServiceEntry into failover priorities.
// Rule: RuleTrafficDistribution, pilot/pkg/model/service.go: GetTrafficDistribution and GetEffectiveLbSetting.
func (t *translator) trafficDistribution(r *Resource) []string {
	if !t.v.has(RuleTrafficDistribution) {
		return nil
	}
	switch strings.ToLower(r.Annotations[trafficDistributionAnnotation]) {
	case "preferclose", "prefersamezone":
		return []string{labelNetwork, labelRegion, labelZone}
	case "prefersamenode":
		return []string{labelNetwork, labelRegion, labelZone, labelSubZone, labelHostname}
	}
	return nil
}

// applyLocality gives the groups their priorities and weights.
// Rule: RuleFailoverNeedsOutlier, loadbalancer.go: ApplyLocalityLoadBalancer. Without
// outlier detection Envoy would never leave a priority, so istiod makes none.
func (t *translator) applyLocality(groups []group, set *localitySetting, outlier bool, kind xds.DiscoveryType, subset string) []group {
	if set == nil {
		return groups
	}
	if len(set.Distribute) > 0 {
		applyDistribute(groups, t.client.Locality, set.Distribute)
		return groups
	}
	if !outlier && !set.force {
		return groups
	}
	if len(set.FailoverPriority) == 0 {
		applyFailover(groups, t.client.Locality, set.Failover)
		return groups
	}
	groups = t.applyFailoverPriority(groups, set, kind, subset)
	if len(set.Failover) > 0 {
		applyFailover(groups, t.client.Locality, set.Failover)
	}
	return groups
}

// applyFailover ranks groups by how much of the client's locality they share.
// loadbalancer.go: applyLocalityFailover.
func applyFailover(groups []group, client xds.Locality, failover []*networking.LocalityLoadBalancerSetting_Failover) {
	for i := range groups {
		g := &groups[i]
		rank := localityRank(client, g.Locality)
		if rank == rankOtherRegion {
			// Rule: RuleFailoverRegion: the first rule for the client's region
			// names the one region that comes before all others.
			for _, f := range failover {
				if f.GetFrom() == client.Region {
					if g.Locality.Region != f.GetTo() {
						rank = rankOtherThanFailover
					}
					break
				}
			}
		}
		// Rule: RuleFailoverPriorityThenFive: five ranks below each priority that failoverPriority gave.
		g.Priority = g.Priority*(rankOtherThanFailover+1) + rank
	}
	compact(groups)
}

const (
	rankOtherRegion       = 3
	rankOtherThanFailover = 4
)

// localityRank is 0 for the client's sub-zone, 1 for its zone, 2 for its region, 3 for others.
// Rule: RuleLocalityMatch, pilot/pkg/networking/util/util.go: LbPriority. An absent part equals an absent part.
func localityRank(client, endpoint xds.Locality) uint32 {
	switch {
	case client.Region != endpoint.Region:
		return rankOtherRegion
	case client.Zone != endpoint.Zone:
		return 2
	case client.SubZone != endpoint.SubZone:
		return 1
	}
	return 0
}

// compact renumbers the priorities 0, 1, 2, ... in their order.
// Rule: RuleCompactPriorities: Envoy wants no gaps.
func compact(groups []group) {
	seen := map[uint32]bool{}
	for _, g := range groups {
		seen[g.Priority] = true
	}
	order := slices.Sorted(maps.Keys(seen))
	for i := range groups {
		n, _ := slices.BinarySearch(order, groups[i].Priority)
		groups[i].Priority = uint32(n)
	}
}

// localityWeighted says whether Envoy chooses a locality by weight before it chooses a host.
// Rule: RuleLocalityWeighted, loadbalancer.go: LocalityLBSettings.ApplyToCluster.
func (t *translator) localityWeighted(set *localitySetting, outlier bool) bool {
	if set == nil {
		return false
	}
	if !t.v.has(RuleLocalityWeighted) || len(set.Distribute) > 0 {
		return true
	}
	return (outlier || set.force) && (len(set.Failover) > 0 || len(set.FailoverPriority) > 0)
}
