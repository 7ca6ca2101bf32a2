package explain

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// noOutlierDetection: without the block nothing is ejected, and locality
// failover is off as well - all localities share one priority
// (loadbalancer.go: ApplyLocalityLoadBalancer).
func noOutlierDetection(s *site, d *drill) []Finding {
	if s.cluster.OutlierDetection != nil || s.hosts < 2 || len(portLevelSettings(s, d)) > 0 {
		return nil
	}
	where := map[xds.Locality]bool{}
	for _, l := range s.cluster.Localities {
		where[l.Locality] = true
	}
	field, r, path := "spec.trafficPolicy.outlierDetection", s.service(), ""
	rule, at := s.policyPath("outlierDetection")
	if rule != nil {
		r, field, path = rule, at, at
	}
	if r == nil {
		return nil
	}
	f := finding(CodeNoOutlierDetection, SeverityWarning, r, path)
	if rule == nil { // where the service is
		use, _ := s.t.Use(s.cluster.Name, istio.PartService)
		f.Pos = use.Pos()
	}
	f.Field, f.Line, f.Default = field, f.Pos.Line, "none"
	f.Message = "no outlierDetection: " + why(CodeNoOutlierDetection)
	if len(where) > 1 {
		f.Message += fmt.Sprintf("; and without it locality failover is off, so that the endpoints of %d localities share one priority and serve the client side by side", len(where))
	}
	if rule == nil {
		f.Message += " (no DestinationRule applies)"
	}
	for _, b := range blocks() {
		if rule != nil {
			f.edits = append(f.edits, set(rule, at, b))
		} else {
			f.edits = append(f.edits, newRule(s, "outlierDetection", b))
		}
	}
	return []Finding{f}
}

// blocks are the outlierDetection blocks to propose, the one with the fewest
// fields first. Both allow every host to go; the second one also reacts to the
// first error.
func blocks() []map[string]any {
	return []map[string]any{
		{"maxEjectionPercent": 100},
		{"consecutive5xxErrors": 1, "maxEjectionPercent": 100},
	}
}

// newRule proposes a DestinationRule for the host of the cluster, with one block
// of its trafficPolicy.
func newRule(s *site, block string, value any) edit {
	host := hostName(s.cluster.Name)
	svc := s.service()
	r := &istio.Resource{
		APIVersion: svc.APIVersion, Kind: "DestinationRule", Name: objectName(host) + "-failover",
		Namespace: svc.Namespace, Pos: istio.Position{File: svc.Pos.File}, Spec: &networking.DestinationRule{Host: host},
	}
	e := set(r, "spec.trafficPolicy."+block, value)
	e.change(r.Spec)
	return edit{field: "DestinationRule spec.trafficPolicy." + block, to: e.to, create: r}
}

// newRoute proposes a VirtualService for the host of the cluster, with one field
// of its route.
func newRoute(s *site, field string, value any) edit {
	host := hostName(s.cluster.Name)
	svc := s.service()
	r := &istio.Resource{
		APIVersion: svc.APIVersion, Kind: "VirtualService", Name: objectName(host) + "-failover",
		Namespace: svc.Namespace, Pos: istio.Position{File: svc.Pos.File},
		Spec: &networking.VirtualService{Hosts: []string{host}, Http: []*networking.HTTPRoute{{
			Route: []*networking.HTTPRouteDestination{{Destination: &networking.Destination{Host: host}}},
		}}},
	}
	e := set(r, "spec.http[0]."+field, value)
	e.change(r.Spec)
	return edit{field: "VirtualService spec.http[0]." + field, to: e.to, create: r}
}

// objectName makes a name of a host: *.example.com is example-com.
func objectName(host string) string {
	return strings.ReplaceAll(strings.TrimPrefix(host, "*."), ".", "-")
}
