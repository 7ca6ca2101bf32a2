package explain

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// noOutlierDetection: without the block nothing is ejected, and locality
// failover is off as well - all localities share one priority
// (loadbalancer.go: ApplyLocalityLoadBalancer).
func noOutlierDetection(s *site) []Finding {
	if s.cluster.OutlierDetection != nil || s.hosts < 2 {
		return nil
	}
	where := map[xds.Locality]bool{}
	for _, l := range s.cluster.Localities {
		where[l.Locality] = true
	}
	f := Finding{Severity: SeverityWarning}
	f.Code = CodeNoOutlierDetection
	f.Field = "spec.trafficPolicy.outlierDetection"
	f.Default = "none"
	f.Message = "no outlierDetection: a failing endpoint is never taken out"
	if len(where) > 1 {
		f.Message += fmt.Sprintf("; and without it locality failover is off, so that the endpoints of %d localities share one priority and serve the client side by side", len(where))
	}
	use, hasRule := s.t.Use(s.cluster.Name, istio.PartPolicy)
	if hasRule && use.Resource.Kind == "DestinationRule" {
		f.Pos, f.resource = use.Pos(), use.Resource.ID()
		f.edits = existingRule(use)
		if use.Path != "" && use.Path != "spec.trafficPolicy" {
			f.Field = use.Path + ".outlierDetection"
		}
	} else if svc, ok := s.t.Use(s.cluster.Name, istio.PartService); ok {
		f.Pos, f.resource = svc.Pos(), svc.Resource.ID()
		f.Message += " (no DestinationRule applies)"
		f.edits = newRule(s.cluster.Name, svc.Resource)
	}
	f.File, f.Line = f.Pos.File, f.Pos.Line
	return []Finding{f}
}

// blocks are the outlierDetection blocks to propose, the one with the fewest
// fields first. Both allow every host to go; the second one also reacts to the
// first error.
func blocks() []*networking.OutlierDetection {
	return []*networking.OutlierDetection{
		{MaxEjectionPercent: 100},
		{MaxEjectionPercent: 100, Consecutive_5XxErrors: wrapperspb.UInt32(1)},
	}
}

func blockWords(b *networking.OutlierDetection) string {
	w := fmt.Sprintf("{maxEjectionPercent: %d}", b.MaxEjectionPercent)
	if b.Consecutive_5XxErrors != nil {
		w = fmt.Sprintf("{consecutive5xxErrors: %d, maxEjectionPercent: %d}", b.Consecutive_5XxErrors.Value, b.MaxEjectionPercent)
	}
	return w
}

// existingRule adds the block to the policy of the DestinationRule that applies.
func existingRule(use istio.Use) []edit {
	var es []edit
	for _, b := range blocks() {
		es = append(es, edit{
			id: use.Resource.ID(), field: "spec.trafficPolicy.outlierDetection", to: blockWords(b),
			change: func(m proto.Message) {
				dr, ok := m.(*networking.DestinationRule)
				if !ok {
					return
				}
				var i int
				switch {
				case scan(use.Path, "spec.trafficPolicy.portLevelSettings[%d]", &i) && i < len(dr.GetTrafficPolicy().GetPortLevelSettings()):
					dr.TrafficPolicy.PortLevelSettings[i].OutlierDetection = b
				case scan(use.Path, "spec.subsets[%d].trafficPolicy", &i) && i < len(dr.Subsets) && dr.Subsets[i].TrafficPolicy != nil:
					dr.Subsets[i].TrafficPolicy.OutlierDetection = b
				default:
					if dr.TrafficPolicy == nil {
						dr.TrafficPolicy = &networking.TrafficPolicy{}
					}
					dr.TrafficPolicy.OutlierDetection = b
				}
			},
		})
	}
	return es
}

// newRule proposes a DestinationRule for the host of the cluster.
func newRule(cluster string, svc *istio.Resource) []edit {
	host := cluster[strings.LastIndex(cluster, "|")+1:]
	var es []edit
	for _, b := range blocks() {
		r := &istio.Resource{
			APIVersion: svc.APIVersion, Kind: "DestinationRule", Name: strings.ReplaceAll(strings.TrimPrefix(host, "*."), ".", "-") + "-failover",
			Namespace: svc.Namespace, Pos: istio.Position{File: svc.Pos.File},
			Spec: &networking.DestinationRule{Host: host, TrafficPolicy: &networking.TrafficPolicy{OutlierDetection: b}},
		}
		es = append(es, edit{field: "DestinationRule spec.trafficPolicy.outlierDetection", to: blockWords(b), create: r})
	}
	return es
}
