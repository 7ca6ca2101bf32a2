package explain

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// endpointWithoutLocality: an endpoint that says nothing of where it is ranks
// with the other regions, so that it is never preferred and, when it is the
// local one, shares a priority with the remote ones.
func endpointWithoutLocality(s *site) []Finding {
	some := false
	for _, l := range s.cluster.Localities {
		some = some || l.Locality != xds.Locality{}
	}
	if !some || s.cluster.OutlierDetection == nil || s.client.Region == "" {
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
			f := Finding{Severity: SeverityWarning, Pos: use.Resource.Where(path), resource: use.Resource.ID(), standing: true}
			f.Code, f.Field, f.File, f.Line = CodeEndpointWithoutLocality, path, f.Pos.File, f.Pos.Line
			f.Default = "none"
			f.Message = fmt.Sprintf("endpoint %s has no locality: for a client in %s it ranks with the other regions, priority %d", e.Address, s.client, l.Priority)
			var n int
			if scan(use.Path, "spec.endpoints[%d]", &n) {
				f.edits = []edit{{
					id: use.Resource.ID(), field: path, to: s.client.String(),
					change: func(m proto.Message) {
						if se, ok := m.(*networking.ServiceEntry); ok && n < len(se.Endpoints) {
							se.Endpoints[n].Locality = s.client.String()
						}
					},
				}}
			}
			out = append(out, f)
		}
	}
	return out
}

// failoverFrom: there are failover rules, and none is for the client's region:
// it fails over to any other region instead of the one that is meant.
func failoverFrom(s *site) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartLocality)
	if !ok || s.client.Region == "" {
		return nil
	}
	dr, ok := use.Resource.Spec.(*networking.DestinationRule)
	if !ok {
		return nil
	}
	set := localitySetting(dr, use.Path)
	if set == nil || len(set.GetFailover()) == 0 || otherRegions(s) < 2 {
		return nil
	}
	var froms []string
	for _, f := range set.Failover {
		if f.From == s.client.Region {
			return nil
		}
		froms = append(froms, f.From)
	}
	path := use.Path + ".failover[0].from"
	f := Finding{Severity: SeverityWarning, Pos: use.Resource.Where(path), resource: use.Resource.ID(), standing: true}
	f.Code, f.Field, f.File, f.Line = CodeFailoverFrom, path, f.Pos.File, f.Pos.Line
	f.Message = fmt.Sprintf("no failover rule is for the client's region %s (they are for %s): it fails over to every other region alike", s.client.Region, strings.Join(froms, ", "))
	for i := range set.Failover {
		if set.Failover[i].To == s.client.Region {
			continue
		}
		f.edits = append(f.edits, edit{
			id: use.Resource.ID(), field: fmt.Sprintf("%s.failover[%d].from", use.Path, i), from: set.Failover[i].From, to: s.client.Region,
			change: func(m proto.Message) {
				if d, ok := m.(*networking.DestinationRule); ok {
					if ls := localitySetting(d, use.Path); ls != nil && i < len(ls.Failover) {
						ls.Failover[i].From = s.client.Region
					}
				}
			},
		})
	}
	return []Finding{f}
}

// otherRegions is how many regions but the client's the endpoints are in. With
// one there is nothing to choose from.
func otherRegions(s *site) int {
	seen := map[string]bool{s.client.Region: true}
	for _, l := range s.cluster.Localities {
		seen[l.Locality.Region] = true
	}
	return len(seen) - 1
}

// localitySetting is the localityLbSetting at a path of a DestinationRule.
func localitySetting(dr *networking.DestinationRule, path string) *networking.LocalityLoadBalancerSetting {
	var i, k int
	switch {
	case path == "spec.trafficPolicy.loadBalancer.localityLbSetting":
		return dr.GetTrafficPolicy().GetLoadBalancer().GetLocalityLbSetting()
	case scan(path, "spec.trafficPolicy.portLevelSettings[%d].loadBalancer.localityLbSetting", &i):
		if ps := dr.GetTrafficPolicy().GetPortLevelSettings(); i < len(ps) {
			return ps[i].GetLoadBalancer().GetLocalityLbSetting()
		}
	case scan(path, "spec.subsets[%d].trafficPolicy.portLevelSettings[%d].loadBalancer.localityLbSetting", &i, &k):
		if i < len(dr.Subsets) {
			if ps := dr.Subsets[i].GetTrafficPolicy().GetPortLevelSettings(); k < len(ps) {
				return ps[k].GetLoadBalancer().GetLocalityLbSetting()
			}
		}
	case scan(path, "spec.subsets[%d].trafficPolicy.loadBalancer.localityLbSetting", &i):
		if i < len(dr.Subsets) {
			return dr.Subsets[i].GetTrafficPolicy().GetLoadBalancer().GetLocalityLbSetting()
		}
	}
	return nil
}
