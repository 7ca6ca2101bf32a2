package istio

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/xds"
)

// What comparing with istiod of the 1.31 branch found: hack/translate.

func inDefault(t testing.TB, docs ...string) Translation {
	t.Helper()
	return Translate(read(t, "in.yaml", strings.Join(docs, "\n---\n")), inR1, Mesh{}, profile(t, "1.31"))
}

// The protocol of the port, or a rule, makes a cluster speak HTTP/2.
func TestHTTP2(t *testing.T) {
	for _, c := range []struct {
		profile, protocol, http string
		want                    uint32
	}{
		{"1.31", "HTTP", "", 0},
		{"1.31", "TCP", "", 0},
		{"1.31", "HTTP2", "", 1024},
		{"1.31", "grpc", "", 1024},
		{"1.31", "GRPC-WEB", "", 1024},
		{"1.27", "GRPC", "", 1<<31 - 1}, // with Envoy 1.35
		{"1.31", "GRPC", "maxConcurrentStreams: 7", 7},
		{"1.31", "HTTP", "maxConcurrentStreams: 7", 0},
		{"1.31", "HTTP", "h2UpgradePolicy: UPGRADE", 1024},
		{"1.31", "HTTP", "h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 7", 7},
		{"1.31", "HTTP2", "h2UpgradePolicy: DO_NOT_UPGRADE", 1024},
		{"1.31", "GRPC", "useClientProtocol: true", 0},
		{"1.31", "", "h2UpgradePolicy: UPGRADE", 0}, // sniffed
	} {
		docs := entryYAML("{name: a}", "hosts: [svc.com], resolution: STATIC, ports: [{number: 80, name: x, protocol: '"+c.protocol+"'}]") + "\n---\n" +
			ruleYAML("a", "connectionPool: {http: {maxRetries: 1, "+c.http+"}}")
		tr := Translate(read(t, "in.yaml", docs), inR1, Mesh{}, profile(t, c.profile))
		if got := cluster(t, tr, "outbound|80||svc.com").MaxConcurrentStreams; got != c.want {
			t.Errorf("%s, protocol %s, %s: got %d streams, want %d", c.profile, c.protocol, c.http, got, c.want)
		}
	}
}

// In one namespace, too, an entry that is exported by name comes first, and
// gives what the endpoints of all do not.
func TestServiceOrder(t *testing.T) {
	tr := inDefault(t,
		entryYAML("{name: a}", "hosts: [x.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1}]"),
		entryYAML("{name: b}", "hosts: [x.com], exportTo: [.], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: b.com}]"))
	if c := cluster(t, tr, "outbound|80||x.com"); c.Type != xds.StrictDNS {
		t.Errorf("got %s, want the resolution of the second, STRICT_DNS", c.Type)
	}
}

// A VirtualService that leads to a service of the client's namespace which is
// not exported to it brings its clusters, but no virtual host.
func TestHiddenDestination(t *testing.T) {
	hidden := entryYAML("{name: a}", "hosts: [x.com], exportTo: [other], resolution: STATIC, endpoints: [{address: 10.0.0.1}], "+
		"ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: alt, protocol: HTTP}]")
	elsewhere := strings.Replace(hidden, "{name: a}", "{name: a, namespace: elsewhere}", 1)
	route := func(more, match string) string {
		return vsYAML("{name: v}", "hosts: [y.com], http: [{"+match+"route: [{destination: {host: x.com"+more+"}}]}]")
	}
	for _, c := range []struct {
		what string
		docs []string
		want string
	}{
		{"nothing leads to it", []string{hidden}, ""},
		{"all ports", []string{hidden, route("", "")}, "outbound|80||x.com outbound|81||x.com"},
		{"one port", []string{hidden, route(", port: {number: 81}", "")}, "outbound|81||x.com"},
		{"another port", []string{hidden, route(", port: {number: 82}", "")}, ""},
		{"for the namespace", []string{hidden, route("", "match: [{sourceNamespace: other}, {sourceNamespace: default}], ")}, "outbound|80||x.com outbound|81||x.com"},
		{"for another namespace", []string{hidden, route("", "match: [{sourceNamespace: other}], ")}, ""},
		{"of another namespace", []string{elsewhere, route("", "")}, ""},
	} {
		tr := inDefault(t, c.docs...)
		var got []string
		for _, cl := range tr.Config.Clusters {
			got = append(got, cl.Name)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %q, want %q", c.what, s, c.want)
		}
		for _, h := range tr.Config.VirtualHosts {
			if strings.HasPrefix(h.Name, "x.com:") {
				t.Errorf("%s: there is a virtual host %s", c.what, h.Name)
			}
		}
	}
}

// Virtual hosts are of the last entry with the port, even if that has not
// become part of the service with clusters.
func TestRouteServices(t *testing.T) {
	port := "ports: [{number: 80, name: http, protocol: HTTP}]"
	for _, c := range []struct{ what, a, b, want string }{
		{"the last one", "addresses: [240.0.0.1], " + port, "addresses: [240.0.0.2], " + port, "x.com x.com. 240.0.0.2"},
		{"the last one with the port", "addresses: [240.0.0.1], " + port, "addresses: [240.0.0.2]", "x.com x.com. 240.0.0.1"},
		{"one without clusters", "addresses: [240.0.0.1]", "resolution: STATIC, addresses: [240.0.0.2], " + port, "x.com x.com. 240.0.0.2"},
	} {
		tr := inDefault(t, entryYAML("{name: a}", "hosts: [x.com], "+c.a), entryYAML("{name: b}", "hosts: [x.com], "+c.b))
		if len(tr.Config.VirtualHosts) != 1 {
			t.Fatalf("%s: got %d virtual hosts, want 1", c.what, len(tr.Config.VirtualHosts))
		}
		if got := strings.Join(tr.Config.VirtualHosts[0].Domains, " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}

// A subset of a rule with PASSTHROUGH passes connections through, whatever its own balancer is.
func TestSubsetPassthrough(t *testing.T) {
	entry := entryYAML("{name: a}", "hosts: [svc.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: a.com}]")
	rule := func(top, subset string) string {
		return "kind: DestinationRule\nmetadata: {name: r}\nspec: {host: svc.com, trafficPolicy: {loadBalancer: {simple: " + top +
			"}}, subsets: [{name: v, labels: {no: ne}, trafficPolicy: {" + subset + "}}]}"
	}
	for _, c := range []struct{ top, subset, want string }{
		{"PASSTHROUGH", "loadBalancer: {simple: RANDOM}", "ORIGINAL_DST CLUSTER_PROVIDED"},
		{"RANDOM", "loadBalancer: {simple: PASSTHROUGH}", "ORIGINAL_DST CLUSTER_PROVIDED"},
		{"RANDOM", "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: PASSTHROUGH}}]", "none"},
		{"RANDOM", "loadBalancer: {simple: PASSTHROUGH}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]", "ORIGINAL_DST CLUSTER_PROVIDED"},
		{"RANDOM", "loadBalancer: {simple: RANDOM}", "none"},
	} {
		tr, got := inDefault(t, entry, rule(c.top, c.subset)), "none"
		if s := tr.Config.Cluster("outbound|80|v|svc.com"); s != nil {
			got = fmt.Sprint(s.Type, " ", s.LBPolicy)
		}
		if got != c.want {
			t.Errorf("%s, subset %s: got %s, want %s", c.top, c.subset, got, c.want)
		}
	}
}

// failoverPriority kills istiod before PASSTHROUGH would take the endpoints away.
func TestPassthroughCrash(t *testing.T) {
	entry := entryYAML("{name: a}", "hosts: [svc.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: a.com, locality: r1}, {address: b.com, locality: r2}]")
	tr := inDefault(t, entry, ruleYAML("r", "outlierDetection: {}, loadBalancer: {simple: PASSTHROUGH, localityLbSetting: {failoverPriority: [ver]}}"))
	if tr.Crash == nil {
		t.Error("no crash is predicted")
	}
}

// The weight of a group that failoverPriority makes wraps; of others it stops at the largest number.
func TestFailoverPriorityWeight(t *testing.T) {
	c := static(t, inR1, "{address: 10.0.0.1, weight: 4294967295}, {address: 10.0.0.2, weight: 3}", "outlierDetection: {}, "+lb("failoverPriority: [ver]"))
	var got []uint32
	for _, l := range c.Localities {
		got = append(got, l.Weight)
	}
	if !slices.Equal(got, []uint32{2}) {
		t.Errorf("got weights %v, want [2]", got)
	}
}

// Of two rules with one wildcard the first has the service, even on a port that it does not route.
func TestWildcardOwner(t *testing.T) {
	entry := entryYAML("{name: a}", "hosts: ['*.x.com'], ports: [{number: 80, name: http, protocol: HTTP}]")
	first := vsYAML("{name: a}", "hosts: ['*.x.com'], http: [{match: [{port: 81}], route: [{destination: {host: a.x.com}}]}]")
	second := vsYAML("{name: b}", "hosts: ['*.x.com'], http: [{route: [{destination: {host: b.x.com}}]}]")
	tr := inDefault(t, entry, first, second)
	if len(tr.Config.VirtualHosts) != 1 || tr.Config.VirtualHosts[0].Routes[0].Cluster != "outbound|80||*.x.com" {
		t.Errorf("got %+v, want the default route", tr.Config.VirtualHosts)
	}
}
