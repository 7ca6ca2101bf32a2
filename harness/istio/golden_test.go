package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/xds"
)

// The vectors of istio-semantics 2.8, executed with istiod of the 1.31 branch:
// one endpoint a letter, weight 1, client in r1/z1/s1 unless said.
var goldenEndpoints = map[string]string{
	"A": "r1/z1/s1", "B": "r1/z1/s2", "C": "r1/z2/s1", "D": "r2/z1/s1", "E": "r3/z1/s1", "F": "", "G": "r1",
}

const (
	all  = "ABCDEFG"
	both = "STATIC DNS"
	od   = "outlierDetection: {}"
)

var priorityVectors = []struct {
	name       string
	resolution string
	client     string // locality; "-" is none
	policy     string // trafficPolicy
	mesh       Mesh
	labels     map[string]string // ver by endpoint, and "client"
	annotation string
	endpoints  string // letters; "" is all
	want       string // letters a priority
	weighted   bool
}{
	{name: "no rule", resolution: both, want: "ABCDEFG"},
	{name: "outlierDetection alone", resolution: both, policy: od, want: "A B CG DEF"},
	{name: "failover without outlierDetection", resolution: both, policy: lb("failover: [{from: r1, to: r3}]"), want: all},
	{name: "failover", resolution: both, policy: od + ", " + lb("failover: [{from: r1, to: r3}]"), want: "A B CG E DF", weighted: true},
	{name: "switched off", resolution: both, policy: od + ", " + lb("enabled: false"), want: all},
	{name: "failoverPriority region, zone", resolution: "STATIC", policy: od + ", " + lb("failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone]"), want: "AB CG DEF", weighted: true},
	{name: "failoverPriority without outlierDetection", resolution: both, policy: lb("failoverPriority: [topology.kubernetes.io/region]"), want: all},
	{name: "failoverPriority with a value", resolution: "STATIC", policy: od + ", " + lb("failoverPriority: [topology.kubernetes.io/region=r2]"), want: "D ABCEFG", weighted: true},
	{
		name: "failoverPriority and failover", resolution: "STATIC", policy: od + ", " + lb("failoverPriority: [ver], failover: [{from: r1, to: r3}]"),
		labels: map[string]string{"client": "v1", "C": "v1", "D": "v1", "F": "v1"}, want: "C DF A B G E", weighted: true,
	},
	{name: "client without locality", resolution: "STATIC", client: "-", policy: od, want: "F ABCDEG"},
	{name: "failover, client without locality", resolution: "STATIC", client: "-", policy: od + ", " + lb("failover: [{from: r1, to: r3}]"), want: "F ABCDEG", weighted: true},
	{name: "failoverPriority, client without locality", resolution: "STATIC", client: "-", policy: od + ", " + lb("failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone]"), want: "F ABCDEG", weighted: true},
	{name: "client with a region", resolution: "STATIC", client: "r1", policy: od, want: "G ABC DEF"},
	{name: "failover, client with a region", resolution: "STATIC", client: "r1", policy: od + ", " + lb("failover: [{from: r1, to: r3}]"), want: "G ABC E DF", weighted: true},
	{name: "failover of the mesh", resolution: "STATIC", policy: od, mesh: Mesh{Failover: []Failover{{"r1", "r3"}}}, want: "A B CG E DF", weighted: true},
	{name: "PreferSameZone", resolution: "STATIC", annotation: "PreferSameZone", endpoints: "ACDF", want: "A C DF", weighted: true},
}

func lb(setting string) string { return "loadBalancer: {localityLbSetting: {" + setting + "}}" }

func TestPriorityVectors(t *testing.T) {
	for _, v := range priorityVectors {
		for _, resolution := range strings.Fields(v.resolution) {
			t.Run(v.name+"/"+resolution, func(t *testing.T) {
				c := golden(t, v.client, resolution, v.endpoints, v.policy, v.annotation, v.labels, v.mesh)
				if got := priorities(c); got != v.want {
					t.Errorf("priorities: got %q, want %q", got, v.want)
				}
				if c.LocalityWeighted != v.weighted {
					t.Errorf("locality-weighted: got %v, want %v", c.LocalityWeighted, v.weighted)
				}
			})
		}
	}
}

var distributeVectors = []struct {
	name, setting, policy, want string // letters with the weight of their group; an emptied one in brackets
}{
	{"half the mesh", "{from: r1/*, to: {r1/*: 70, r2/*: 30}}", "", "A18 B18 C18 D30 [E1] [F1] G18"},
	{"with outlierDetection", "{from: r1/z1/*, to: {r1/z1/*: 70, r2/*: 30}}", od, "A35 B35 [C1] D30 [E1] [F1] [G1]"},
	{"no rule matches", "{from: r9/*, to: {r1/*: 70, r2/*: 30}}", "", "A1 B1 C1 D1 E1 F1 G1"},
}

func TestDistributeVectors(t *testing.T) {
	for _, v := range distributeVectors {
		for _, resolution := range strings.Fields(both) {
			t.Run(v.name+"/"+resolution, func(t *testing.T) {
				policy := lb("distribute: [" + v.setting + "]")
				if v.policy != "" {
					policy += ", " + v.policy
				}
				c := golden(t, "", resolution, "", policy, "", nil, Mesh{})
				if !c.LocalityWeighted {
					t.Error("locality-weighted: got false, want true")
				}
				var got []string
				for _, l := range c.Localities {
					if l.Priority != 0 {
						t.Errorf("locality %v: got priority %d, want 0", l.Locality, l.Priority)
					}
					if len(l.Endpoints) == 0 {
						got = append(got, fmt.Sprintf("[%s%d]", letterOf(l.Locality.String()), l.Weight))
					} else {
						got = append(got, fmt.Sprintf("%s%d", letter(l.Endpoints[0]), l.Weight))
					}
				}
				slices.SortFunc(got, func(a, b string) int { return strings.Compare(strings.Trim(a, "[]"), strings.Trim(b, "[]")) })
				if s := strings.Join(got, " "); s != v.want {
					t.Errorf("weights: got %s, want %s", s, v.want)
				}
			})
		}
	}
}

// The vector of istio's own cluster_test.go: TestSidecarLocalityLB: weights 40 and
// 20 under region1/zone1/* at 50 %, 40 elsewhere at 50 %.
func TestDistributeUpstreamVector(t *testing.T) {
	rs := read(t, "upstream.yaml", `
kind: ServiceEntry
metadata: {name: s}
spec:
  hosts: [test.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, locality: region1/zone1/subzone1, weight: 40}
  - {address: 10.0.0.2, locality: region1/zone1/subzone2, weight: 20}
  - {address: 10.0.0.3, locality: region2/zone1/subzone1, weight: 40}
---
kind: DestinationRule
metadata: {name: d}
spec:
  host: test.com
  trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: region1/zone1/subzone1, to: {region1/zone1/*: 50, region2/zone1/subzone1: 50}}]}}}
`)
	got := Translate(rs, Client{Locality: splitLocality("region1/zone1/subzone1")}, Mesh{}, profile(t, "1.31"))
	var weights []uint32
	for _, l := range got.Config.Clusters[0].Localities {
		weights = append(weights, l.Weight)
	}
	if want := []uint32{34, 17, 50}; !slices.Equal(weights, want) {
		t.Errorf("weights: got %v, want %v", weights, want)
	}
}

// golden translates one vector and returns its cluster.
func golden(t *testing.T, client, resolution, letters, policy, annotation string, labels map[string]string, mesh Mesh) xds.Cluster {
	t.Helper()
	if letters == "" {
		letters = all
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kind: ServiceEntry\nmetadata: {name: golden, annotations: {x: y%s}}\nspec:\n  hosts: [golden.com]\n  resolution: %s\n"+
		"  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n", annotationPair(annotation), resolution)
	for _, l := range strings.Split(letters, "") {
		address := fmt.Sprintf("10.0.0.%d", l[0])
		if resolution == "DNS" {
			address = strings.ToLower(l) + ".golden.com"
		}
		fmt.Fprintf(&b, "  - {address: %s, locality: %q, labels: {letter: %s%s}}\n", address, goldenEndpoints[l], l, version(labels[l]))
	}
	if policy != "" {
		fmt.Fprintf(&b, "---\nkind: DestinationRule\nmetadata: {name: golden}\nspec: {host: golden.com, trafficPolicy: {%s}}\n", policy)
	}
	c := Client{Labels: map[string]string{}}
	switch client {
	case "":
		client = "r1/z1/s1"
	case "-":
		client = ""
	}
	c.Locality = splitLocality(client)
	if labels["client"] != "" {
		c.Labels["ver"] = labels["client"]
	}
	got := Translate(read(t, "golden.yaml", b.String()), c, mesh, profile(t, "1.31"))
	if len(got.Rejected) > 0 || got.Crash != nil {
		t.Fatalf("refused: %v %v\n%s", got.Rejected, got.Crash, b.String())
	}
	if len(got.Config.Clusters) != 1 {
		t.Fatalf("got %d clusters, want 1", len(got.Config.Clusters))
	}
	return got.Config.Clusters[0]
}

func annotationPair(value string) string {
	if value == "" {
		return ""
	}
	return ", networking.istio.io/traffic-distribution: " + value
}

func version(v string) string {
	if v == "" {
		return ""
	}
	return ", ver: " + v
}

// priorities draws a cluster as the letters of its endpoints, a word a priority.
func priorities(c xds.Cluster) string {
	words := map[uint32][]string{}
	for _, l := range c.Localities {
		for _, e := range l.Endpoints {
			words[l.Priority] = append(words[l.Priority], letter(e))
		}
	}
	var out []string
	for i, p := range slices.Sorted(maps.Keys(words)) {
		if int(p) != i {
			return fmt.Sprintf("gap before priority %d", p)
		}
		slices.Sort(words[p])
		out = append(out, strings.Join(words[p], ""))
	}
	return strings.Join(out, " ")
}

func letter(e xds.Endpoint) string {
	if n := strings.TrimPrefix(e.Address, "10.0.0."); n != e.Address {
		for l := range goldenEndpoints {
			if fmt.Sprint(l[0]) == n {
				return l
			}
		}
	}
	return strings.ToUpper(e.Address[:1])
}

func letterOf(locality string) string {
	for l, text := range goldenEndpoints {
		if text == locality {
			return l
		}
	}
	return "?"
}
