package istio

import (
	"maps"
	"math"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// applyDistribute weighs the localities as the first rule for the client's own locality says.
// Rule: RuleDistribute, loadbalancer.go: applyLocalityWeights. A percentage is
// shared among the groups it covers by their old weights, rounded up; groups
// that no pattern covers lose their endpoints and keep their weight.
func applyDistribute(groups []group, client xds.Locality, rules []*networking.LocalityLoadBalancerSetting_Distribute) {
	for _, rule := range rules {
		if rule == nil || !localityCovers(rule.From, client) {
			continue
		}
		claimed := make([]bool, len(groups))
		for _, pattern := range slices.Sorted(maps.Keys(rule.To)) {
			share(groups, claimed, pattern, rule.To[pattern])
		}
		for i := range groups {
			if !claimed[i] {
				groups[i].Endpoints, groups[i].instances = nil, nil
			}
		}
		return
	}
}

func share(groups []group, claimed []bool, pattern string, percent uint32) {
	var mine []int
	var total uint32
	for i, g := range groups {
		if !claimed[i] && localityCovers(pattern, g.Locality) {
			claimed[i] = true
			mine = append(mine, i)
			total += g.Weight
		}
	}
	for _, i := range mine {
		// The product wraps like istiod's own.
		if w := float64(groups[i].Weight*percent) / float64(total); w > 0 {
			groups[i].Weight = uint32(math.Ceil(w))
		}
	}
}

// localityCovers matches a pattern such as us-east1/*; an absent zone or sub-zone covers all.
// pilot/pkg/networking/util/util.go: LocalityMatch.
func localityCovers(pattern string, l xds.Locality) bool {
	p := splitLocality(pattern)
	return (p.Region == "*" || p.Region == l.Region) &&
		(p.Zone == "*" || p.Zone == "" || p.Zone == l.Zone) &&
		(p.SubZone == "*" || p.SubZone == "" || p.SubZone == l.SubZone)
}
