package istio

import (
	"slices"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/xds"
)

// Tests that the kill list asked for: without them a mutant survived.

// static is the cluster of a.com on port 80, a STATIC entry with these endpoints
// and this traffic policy.
func static(t *testing.T, client Client, endpoints, policy string) xds.Cluster {
	t.Helper()
	doc := entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: ["+endpoints+"]") +
		"\n---\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: a.com, trafficPolicy: {" + policy + "}}"
	return cluster(t, Translate(read(t, "in.yaml", doc), client, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")
}

// ranks are the priorities of the localities that have endpoints, in order.
func ranks(c xds.Cluster) []uint32 {
	var list []uint32
	for _, l := range c.Localities {
		if len(l.Endpoints) > 0 {
			list = append(list, l.Priority)
		}
	}
	return list
}

// istiod's own topology labels replace what the user wrote: the locality counts.
func TestRuleTopologyLabels(t *testing.T) {
	c := static(t, inR1, "{address: 10.0.0.1, locality: r1, labels: {topology.kubernetes.io/region: r2}}, {address: 10.0.0.2, locality: r2, labels: {topology.kubernetes.io/region: r1}}",
		"outlierDetection: {}, "+lb("failoverPriority: [topology.kubernetes.io/region]"))
	if got := ranks(c); !slices.Equal(got, []uint32{0, 1}) {
		t.Errorf("got priorities %v, want [0 1]", got)
	}
}

// Of two foreign namespaces the one that exports to the client by name wins, also
// over one that is first by name.
func TestRulePickNamespace(t *testing.T) {
	entry := func(meta, more, address string) string {
		return entryYAML(meta, "hosts: [a.com], resolution: STATIC, "+more+"ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: "+address+"}]")
	}
	doc := entry("{name: a, namespace: x}", "", "10.0.0.1") + "\n---\n" + entry("{name: b, namespace: y}", "exportTo: [default], ", "10.0.0.2")
	if got := endpoints(cluster(t, Translate(read(t, "in.yaml", doc), inR1, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")); got != "10.0.0.2:80" {
		t.Errorf("got %s, want the entry that is exported by name", got)
	}
}

// Groups are made by the text of the locality, and weigh the sum of their
// endpoints, which stops at the largest number.
func TestRuleGroupByLocality(t *testing.T) {
	c := static(t, inR1, "{address: 10.0.0.1, locality: r1/z1/s1/a, weight: 2}, {address: 10.0.0.2, locality: r1/z1/s1/b, weight: 5}, {address: 10.0.0.3, locality: r1/z1/s1/a, weight: 3}, "+
		"{address: 10.0.0.4, locality: r2, weight: 4294967295}, {address: 10.0.0.5, locality: r2, weight: 4294967295}", "loadBalancer: {}")
	var got []uint32
	for _, l := range c.Localities {
		got = append(got, l.Weight)
	}
	if !slices.Equal(got, []uint32{5, 5, xds.Unlimited}) {
		t.Errorf("got weights %v, want [5 5 %d]", got, xds.Unlimited)
	}
}

// failover ranks five deep below each priority of failoverPriority: another region
// that shares the label stays before the own sub-zone that does not.
func TestRuleFailoverPriorityThenFive(t *testing.T) {
	client := Client{Locality: splitLocality("r1/z1/s1"), Labels: map[string]string{"ver": "v1"}}
	c := static(t, client, "{address: 10.0.0.1, locality: r1/z1/s1}, {address: 10.0.0.2, locality: r2, labels: {ver: v1}}, {address: 10.0.0.3, locality: r3, labels: {ver: v1}}",
		"outlierDetection: {}, "+lb("failoverPriority: [ver], failover: [{from: r1, to: r3}]"))
	if got := ranks(c); !slices.Equal(got, []uint32{2, 1, 0}) {
		t.Errorf("got priorities %v, want [2 1 0]", got)
	}
}

// The first distribute rule for the client's locality counts, and no other.
func TestRuleDistribute(t *testing.T) {
	c := static(t, inR1, "{address: 10.0.0.1, locality: r1}, {address: 10.0.0.2, locality: r2}",
		lb("distribute: [{from: r1/*, to: {r1/*: 100}}, {from: '*', to: {r2/*: 100}}]"))
	if got := endpoints(c); got != "10.0.0.1:80" {
		t.Errorf("got %s, want 10.0.0.1:80", got)
	}
}

// PreferSameNode tells the nodes of one zone apart, PreferSameZone does not.
func TestRuleTrafficDistribution(t *testing.T) {
	client := Client{Locality: splitLocality("r1/z1"), Labels: map[string]string{labelHostname: "n1"}}
	for annotation, want := range map[string][]uint32{"PreferSameNode": {0, 1}, "PreferSameZone": {0}} {
		doc := entryYAML("{name: a, annotations: {"+trafficDistributionAnnotation+": "+annotation+"}}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], "+
			"endpoints: [{address: 10.0.0.1, locality: r1/z1, labels: {"+labelHostname+": n1}}, {address: 10.0.0.2, locality: r1/z1, labels: {"+labelHostname+": n2}}]")
		if got := ranks(cluster(t, Translate(read(t, "in.yaml", doc), client, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")); !slices.Equal(got, want) {
			t.Errorf("%s: got priorities %v, want %v", annotation, got, want)
		}
	}
}

// An endpoint belongs to a subset when it has every label of it.
func TestRuleSubsetLabels(t *testing.T) {
	doc := entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], "+
		"endpoints: [{address: 10.0.0.1, labels: {v: one, w: two}}, {address: 10.0.0.2, labels: {v: one}}, {address: 10.0.0.3, labels: {v: one, w: three}}]") +
		"\n---\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: a.com, subsets: [{name: s, labels: {v: one, w: two}}]}"
	if got := endpoints(cluster(t, Translate(read(t, "in.yaml", doc), inR1, Mesh{}, profile(t, "1.31")), "outbound|80|s|a.com")); got != "10.0.0.1:80" {
		t.Errorf("got %s, want 10.0.0.1:80", got)
	}
}

// consecutiveLocalOriginFailures is read only together with the split.
func TestRuleOutlierDetection(t *testing.T) {
	c := static(t, inR1, "{address: 10.0.0.1}", "outlierDetection: {consecutiveLocalOriginFailures: 2}")
	if got := c.OutlierDetection.ConsecutiveLocalOriginFailure; got != 5 {
		t.Errorf("without the split: got %d, want Envoy's default 5", got)
	}
}

// A VirtualService for hosts that no service has gives a virtual host on port 80
// alone; one that routes a service of the port too gives it there as well.
func TestRuleVirtualHosts(t *testing.T) {
	to := "http: [{route: [{destination: {host: svc.com}}]}]"
	alone := translate(t, "1.31", vsYAML("{name: v}", "hosts: [unknown.com], "+to))
	beside := translate(t, "1.31", vsYAML("{name: v}", "hosts: [unknown.com, svc.com], "+to))
	for _, c := range []struct {
		what string
		tr   Translation
		port uint32
		want bool
	}{{"alone", alone, 80, true}, {"alone", alone, 8080, false}, {"beside a service", beside, 8080, true}} {
		if got := strings.Contains(routes(c.tr, c.port), "unknown.com"); got != c.want {
			t.Errorf("%s, port %d: got %v, want %v", c.what, c.port, got, c.want)
		}
	}
}

// The private VirtualService of the client's namespace comes before one that
// another namespace exports to it by name.
func TestRuleRouteOrder(t *testing.T) {
	tr := translate(t, "1.31", vsYAML("{name: a, namespace: other}", "hosts: [svc.com], exportTo: [default], http: [{route: [{destination: {host: a.com}}]}]"),
		vsYAML("{name: b}", "hosts: [svc.com], exportTo: [.], http: [{route: [{destination: {host: b.com}}]}]"))
	if got := routes(tr, 80); !strings.Contains(got, "outbound|80||b.com") {
		t.Errorf("got %s, want the route to b.com", got)
	}
}

// A destination without a port takes the port of the request, and its short name is
// resolved where the VirtualService is.
func TestRuleRouteDestination(t *testing.T) {
	tr := translate(t, "1.31", vsYAML("{name: v, namespace: other}", "hosts: [svc.com], http: [{route: [{destination: {host: ratings}}]}]"))
	if got := routes(tr, 8080); !strings.Contains(got, "outbound|8080||ratings.other.svc.cluster.local") {
		t.Errorf("got %s, want port 8080 of ratings in the namespace other", got)
	}
}

// A route without a timeout has none: 0 switches Envoy's own off.
func TestRuleRouteTimeout(t *testing.T) {
	tr := translate(t, "1.31", vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}}]}]"))
	if got := tr.Config.VirtualHosts[0].Routes[0].Timeout; got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
