package istio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

func entryYAML(name, spec string) string {
	return "kind: ServiceEntry\nmetadata: " + name + "\nspec: {" + spec + "}"
}

// endpoints draws a cluster: address:port*weight, a word an endpoint.
func endpoints(c xds.Cluster) string {
	var list []string
	for _, l := range c.Localities {
		for _, e := range l.Endpoints {
			s := fmt.Sprintf("%s:%d", e.Address, e.Port)
			if e.Weight != 1 {
				s += fmt.Sprintf("*%d", e.Weight)
			}
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}

func TestEndpointPorts(t *testing.T) {
	for _, c := range []struct{ port, endpoint, want string }{
		{"number: 80, name: http", "address: 10.0.0.1", "10.0.0.1:80"},
		{"number: 80, name: http, targetPort: 8080", "address: 10.0.0.1", "10.0.0.1:8080"},
		{"number: 80, name: http, targetPort: 8080", "address: 10.0.0.1, ports: {http: 81}", "10.0.0.1:81"},
		{"number: 80, name: http", "address: 10.0.0.1, ports: {other: 81}", "10.0.0.1:80"},
		{"number: 80, name: http, targetPort: 8080", "address: 'unix:///run/x'", "/run/x:0"},
		{"number: 80, name: http", "address: 10.0.0.1, weight: 5", "10.0.0.1:80*5"},
	} {
		rs := read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{"+c.port+", protocol: HTTP}], endpoints: [{"+c.endpoint+"}]"))
		if got := endpoints(cluster(t, Translate(rs, inR1, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")); got != c.want {
			t.Errorf("port {%s}, endpoint {%s}: got %s, want %s", c.port, c.endpoint, got, c.want)
		}
	}
}

func TestResolution(t *testing.T) {
	dns := func(d time.Duration) *xds.DNS {
		return &xds.DNS{RefreshRate: time.Minute, RespectTTL: true, Jitter: d}
	}
	for _, c := range []struct {
		what, spec string
		kind       xds.DiscoveryType
		lb         xds.LBPolicy
		endpoints  string
		dns        *xds.DNS
	}{
		{"STATIC", "resolution: STATIC, endpoints: [{address: 10.0.0.1}]", xds.EDS, xds.LeastRequest, "10.0.0.1:80", nil},
		{"STATIC without endpoints is sent", "resolution: STATIC", xds.EDS, xds.LeastRequest, "", nil},
		{"STATIC drops names", "resolution: STATIC, endpoints: [{address: b.com}, {address: 10.0.0.1}]", xds.EDS, xds.LeastRequest, "10.0.0.1:80", nil},
		{"DNS", "resolution: DNS, endpoints: [{address: b.com}, {address: 10.0.0.1}]", xds.StrictDNS, xds.LeastRequest, "b.com:80 10.0.0.1:80", dns(100 * time.Millisecond)},
		{"DNS of the host", "resolution: DNS", xds.StrictDNS, xds.LeastRequest, "a.com:80", dns(100 * time.Millisecond)},
		{"DNS_ROUND_ROBIN", "resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}]", xds.LogicalDNS, xds.LeastRequest, "b.com:80", dns(100 * time.Millisecond)},
		{"NONE", "resolution: NONE", xds.OriginalDst, xds.ClusterProvided, "", nil},
		{"NONE by default", "location: MESH_EXTERNAL", xds.OriginalDst, xds.ClusterProvided, "", nil},
	} {
		rs := read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP}], "+c.spec))
		got := cluster(t, Translate(rs, inR1, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")
		if got.Type != c.kind || got.LBPolicy != c.lb || endpoints(got) != c.endpoints {
			t.Errorf("%s: got %s %s %q, want %s %s %q", c.what, got.Type, got.LBPolicy, endpoints(got), c.kind, c.lb, c.endpoints)
		}
		if (got.DNS == nil) != (c.dns == nil) || got.DNS != nil && *got.DNS != *c.dns {
			t.Errorf("%s: got DNS %+v, want %+v", c.what, got.DNS, c.dns)
		}
	}
}

func TestDNSByRelease(t *testing.T) {
	rs := read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]"))
	for release, want := range map[string]xds.DNS{
		"1.13": {RefreshRate: 5 * time.Second, RespectTTL: true},
		"1.24": {RefreshRate: time.Minute, RespectTTL: true},
		"1.25": {RefreshRate: time.Minute, RespectTTL: true, Jitter: 100 * time.Millisecond},
	} {
		if got := *cluster(t, Translate(rs, inR1, Mesh{}, profile(t, release)), "outbound|80||a.com").DNS; got != want {
			t.Errorf("%s: got %+v, want %+v", release, got, want)
		}
	}
}

// A DNS cluster without endpoints is not sent, with its subsets.
func TestNoEmptyDNSCluster(t *testing.T) {
	rs := read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: b.com, labels: {v: one}}]")+
		"\n---\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: a.com, subsets: [{name: one, labels: {v: one}}, {name: two, labels: {v: two}}]}")
	tr := Translate(rs, inR1, Mesh{}, profile(t, "1.31"))
	if got := names(tr); !slices.Equal(got, []string{"outbound|80||a.com", "outbound|80|one|a.com"}) {
		t.Errorf("got %v", got)
	}
}

func names(tr Translation) []string {
	var list []string
	for _, c := range tr.Config.Clusters {
		list = append(list, c.Name)
	}
	return list
}

// istio-semantics 1.2: the locality field beats labels, the new label the old one, dots stand for slashes.
func TestEndpointLocality(t *testing.T) {
	for _, c := range []struct{ release, endpoint, want string }{
		{"1.31", "locality: r1/z1/s1/more", "r1/z1/s1"},
		{"1.31", "locality: r1, labels: {istio-locality: r2.z2}", "r1"},
		{"1.31", "labels: {istio-locality: r2.z2.s2}", "r2/z2/s2"},
		{"1.31", "labels: {istio-locality: r.2/z2}", "r.2/z2"},
		{"1.31", "labels: {topology.istio.io/locality: r3.z3, istio-locality: r2.z2}", "r3/z3"},
		{"1.28", "labels: {topology.istio.io/locality: r3.z3, istio-locality: r2.z2}", "r2/z2"},
		{"1.31", "labels: {topology.kubernetes.io/region: r9}", ""},
	} {
		rs := read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, "+c.endpoint+"}]"))
		if got := cluster(t, Translate(rs, inR1, Mesh{}, profile(t, c.release)), "outbound|80||a.com").Localities[0].Locality.String(); got != c.want {
			t.Errorf("%s {%s}: got %q, want %q", c.release, c.endpoint, got, c.want)
		}
	}
}

// istio-semantics 2.1.
func TestClientLocality(t *testing.T) {
	given := xds.Locality{Region: "given"}
	for _, c := range []struct {
		labels map[string]string
		want   string
	}{
		{nil, "given"},
		{map[string]string{labelRegion: "r1"}, "r1"},
		{map[string]string{labelRegion: "r1", labelZone: "z1", labelSubZone: "s1"}, "r1/z1/s1"},
		{map[string]string{labelRegionBeta: "r1", labelZoneBeta: "z1"}, "r1/z1"},
		{map[string]string{labelRegion: "r1", labelRegionBeta: "r2"}, "r1"},
		{map[string]string{labelLocalityLegacy: "r3/z3"}, "r3/z3"},
		{map[string]string{labelLocalityLegacy: "r3.z3"}, "r3.z3"}, // istiod converts no dots here
		{map[string]string{labelLocality: "r4", labelLocalityLegacy: "r3"}, "r4"},
		{map[string]string{labelRegion: "r1", labelLocality: "r4"}, "r1"},
	} {
		tr := &translator{v: profile(t, "1.31").versions()}
		if got := tr.clientLocality(Client{Locality: given, Labels: c.labels}).String(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.labels, got, c.want)
		}
	}
}

func TestHostsPortsAndVisibility(t *testing.T) {
	const ports = "ports: [{number: 80, name: http, protocol: HTTP}]"
	for _, c := range []struct {
		what    string
		entries []string
		want    []string
	}{
		{"hosts and ports", []string{entryYAML("{name: a}", "hosts: [b.com, a.com], resolution: STATIC, ports: [{number: 90, name: x, protocol: HTTP}, {number: 80, name: http, protocol: HTTP}]")},
			[]string{"outbound|90||a.com", "outbound|80||a.com", "outbound|90||b.com", "outbound|80||b.com"}},
		{"UDP has no cluster", []string{entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{number: 53, name: dns, protocol: UDP}]")}, nil},
		{"not exported", []string{entryYAML("{name: a, namespace: other}", "hosts: [a.com], resolution: STATIC, exportTo: [.], "+ports)}, nil},
		{"exported to nobody", []string{entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, exportTo: ['~'], "+ports)}, nil},
		{"exported by name", []string{entryYAML("{name: a, namespace: other}", "hosts: [a.com], resolution: STATIC, exportTo: [default], "+ports)}, []string{"outbound|80||a.com"}},
		{"private at home", []string{entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, exportTo: [.], "+ports)}, []string{"outbound|80||a.com"}},
		{"DYNAMIC_DNS", []string{entryYAML("{name: a}", "hosts: ['*.a.com'], resolution: DYNAMIC_DNS, "+ports)}, nil},
	} {
		tr := Translate(read(t, "in.yaml", strings.Join(c.entries, "\n---\n")), inR1, Mesh{}, profile(t, "1.31"))
		if got := names(tr); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
}

func TestSameHost(t *testing.T) {
	static := func(name, more, address string) string {
		return entryYAML(name, "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}"+more+"], endpoints: [{address: "+address+"}]")
	}
	for _, c := range []struct {
		what    string
		entries []string
		want    string
		n       int
	}{
		{"one namespace: endpoints add up", []string{static("{name: b}", "", "10.0.0.2"), static("{name: a}", "", "10.0.0.1")}, "10.0.0.1:80 10.0.0.2:80", 1},
		{"one namespace: ports add up", []string{static("{name: a}", "", "10.0.0.1"), static("{name: b}", ", {number: 81, name: x, protocol: HTTP}", "10.0.0.2")}, "10.0.0.1:80 10.0.0.2:80", 2},
		{"other labels: ports do not", []string{static("{name: a}", "", "10.0.0.1"), static("{name: b, labels: {x: y}}", ", {number: 81, name: x, protocol: HTTP}", "10.0.0.2")}, "10.0.0.1:80 10.0.0.2:80", 1},
		{"two namespaces: the client's wins", []string{static("{name: a, namespace: a}", "", "10.0.0.1"), static("{name: b, namespace: default}", "", "10.0.0.2")}, "10.0.0.2:80", 1},
		{"two foreign namespaces: the first by namespace wins", []string{static("{name: b, namespace: x}", "", "10.0.0.1"), static("{name: a, namespace: y}", "", "10.0.0.2")}, "10.0.0.1:80", 1},
		{"another name for the port: EDS selects by name", []string{static("{name: a}", "", "10.0.0.1"),
			entryYAML("{name: b}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: web, protocol: HTTP}], endpoints: [{address: 10.0.0.2}]")}, "10.0.0.1:80", 1},
		{"round robin keeps one", []string{
			entryYAML("{name: a}", "hosts: [a.com], resolution: DNS_ROUND_ROBIN, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: x.com}]"),
			entryYAML("{name: b}", "hosts: [a.com], resolution: DNS_ROUND_ROBIN, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: y.com}]")}, "x.com:80", 1},
	} {
		tr := Translate(read(t, "in.yaml", strings.Join(c.entries, "\n---\n")), inR1, Mesh{}, profile(t, "1.31"))
		if got := endpoints(cluster(t, tr, "outbound|80||a.com")); got != c.want || len(tr.Config.Clusters) != c.n {
			t.Errorf("%s: got %s in %d clusters, want %s in %d", c.what, got, len(tr.Config.Clusters), c.want, c.n)
		}
	}
}

// istiod of the 1.31 branch sends the endpoints of an entry with two addresses
// twice, in this order, and Envoy has each name of a DNS cluster as two hosts.
func TestAddressesRepeatEndpoints(t *testing.T) {
	for addresses, want := range map[string]string{
		"[]":                        "x.com:80*2 y.com:80",
		"[240.1.2.3]":               "x.com:80*2 y.com:80",
		"[240.1.2.3, 240.1.0.0/24]": "x.com:80*2 y.com:80 x.com:80*2 y.com:80",
	} {
		tr := Translate(read(t, "in.yaml", entryYAML("{name: a}", "hosts: [a.com], addresses: "+addresses+
			", resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: x.com, weight: 2}, {address: y.com}]")), inR1, Mesh{}, profile(t, "1.31"))
		c := cluster(t, tr, "outbound|80||a.com")
		if got := endpoints(c); got != want {
			t.Errorf("addresses %s: got %s, want %s", addresses, got, want)
		}
		if got, want := c.Localities[0].Weight, uint32(3*len(c.Localities[0].Endpoints)/2); got != want {
			t.Errorf("addresses %s: locality weight %d, want %d", addresses, got, want)
		}
	}
}
