package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// endpointWithoutLocality: an endpoint that says nothing of where it is ranks
// with the other regions, so that it is never preferred and, when it is the
// local one, shares a priority with the remote ones.
func endpointWithoutLocality(s *site, _ *drill) []Finding {
	some := false
	for _, l := range s.cluster.Localities {
		some = some || l.Locality != xds.Locality{}
	}
	if !some || s.cluster.OutlierDetection == nil || s.client.Locality.Region == "" {
		return nil
	}
	var out []Finding
	for g, l := range s.cluster.Localities {
		if l.Locality != (xds.Locality{}) {
			continue
		}
		for i, e := range l.Endpoints {
			use, ok := s.t.EndpointUse(s.cluster.Name, g, i)
			if !ok {
				continue
			}
			path := use.Path + ".locality"
			f := finding(CodeEndpointWithoutLocality, SeverityWarning, use.Resource, path)
			f.Default, f.goal = "none", goalMoves
			f.Message = fmt.Sprintf("endpoint %s has no locality: for a client in %s %s, priority %d", e.Address, s.client.Locality, why(CodeEndpointWithoutLocality), l.Priority)
			if strings.HasPrefix(use.Path, "spec.endpoints[") {
				f.edits = []edit{set(use.Resource, path, s.client.Locality.String())}
			}
			out = append(out, f)
		}
	}
	return out
}

// failoverFrom: there are failover rules, and none is for the client's region:
// it fails over to any other region instead of the one that is meant.
func failoverFrom(s *site, _ *drill) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartLocality)
	if !ok || s.client.Locality.Region == "" {
		return nil
	}
	setting := localitySetting(use)
	if len(setting.GetFailover()) == 0 || otherRegions(s) < 2 {
		return nil
	}
	var froms []string
	for _, f := range setting.Failover {
		if f.From == s.client.Locality.Region {
			return nil
		}
		froms = append(froms, f.From)
	}
	path := use.Path + ".failover[0].from"
	f := finding(CodeFailoverFrom, SeverityWarning, use.Resource, path)
	f.goal = goalMoves
	f.Message = fmt.Sprintf("no failover rule is for the client's region %s (they are for %s): %s", s.client.Locality.Region, strings.Join(froms, ", "), why(CodeFailoverFrom))
	for i := range setting.Failover {
		if setting.Failover[i].To == s.client.Locality.Region {
			continue
		}
		f.edits = append(f.edits, set(use.Resource, fmt.Sprintf("%s.failover[%d].from", use.Path, i), s.client.Locality.Region))
	}
	return []Finding{f}
}

// otherRegions is how many regions but the client's the endpoints are in. With
// one there is nothing to choose from.
func otherRegions(s *site) int {
	seen := map[string]bool{s.client.Locality.Region: true}
	for _, l := range s.cluster.Localities {
		seen[l.Locality.Region] = true
	}
	return len(seen) - 1
}

// localitySetting is the localityLbSetting of a use; nil when it is not in a file.
func localitySetting(use istio.Use) *networking.LocalityLoadBalancerSetting {
	v := lookup(use.Resource.Spec, use.Path)
	b, err := json.Marshal(v)
	out := &networking.LocalityLoadBalancerSetting{}
	if v == nil || err != nil || json.Unmarshal(b, out) != nil {
		return nil
	}
	return out
}

// distributeOneRegion: distribute sends all that a client asks to one region.
// The endpoints of the others are taken out of the cluster, so that there is
// nothing to fail over to (loadbalancer.go: applyLocalityWeights).
func distributeOneRegion(s *site, _ *drill) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartLocality)
	if !ok || len(localitySetting(use).GetDistribute()) == 0 {
		return nil
	}
	kept, cut := map[string]bool{}, map[string]bool{}
	for _, l := range s.cluster.Localities {
		if len(l.Endpoints) > 0 {
			kept[l.Locality.Region] = true
		} else {
			cut[l.Locality.Region] = true
		}
	}
	for r := range kept {
		delete(cut, r)
	}
	if len(kept) != 1 || len(cut) == 0 {
		return nil
	}
	path := use.Path + ".distribute"
	f := finding(CodeDistributeOneRegion, SeverityWarning, use.Resource, path)
	f.Message = fmt.Sprintf("distribute sends all traffic of a client in %s to %s: %s; left out: %s",
		s.client.Locality, strings.Join(slices.Sorted(maps.Keys(kept)), ", "), why(CodeDistributeOneRegion), strings.Join(slices.Sorted(maps.Keys(cut)), ", "))
	f.edits = []edit{set(use.Resource, path, nil)}
	return []Finding{f}
}
