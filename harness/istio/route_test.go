package istio

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

func vsYAML(meta, spec string) string {
	return "kind: VirtualService\nmetadata: " + meta + "\nspec: {" + spec + "}"
}

// routes draws the virtual hosts of a port: host[domains]: prefix->cluster ...
func routes(tr Translation, port uint32) string {
	var out []string
	for _, vh := range tr.Config.VirtualHosts {
		if vh.Port != port {
			continue
		}
		s := vh.Name + "[" + strings.Join(vh.Domains, " ") + "]:"
		for _, r := range vh.Routes {
			s += " " + r.Prefix + "->" + r.Cluster
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// istio-semantics 4, executed.
func TestRetries(t *testing.T) {
	base := func(change func(*xds.RetryPolicy)) *xds.RetryPolicy {
		p := &xds.RetryPolicy{
			RetryOn:    []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"},
			NumRetries: 2, BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond, PreviousHosts: true, HostSelectionMaxAttempts: 5,
		}
		change(p)
		return p
	}
	unchanged := func(*xds.RetryPolicy) {}
	for _, c := range []struct {
		release, retries string // "" is no retries block, "-" no VirtualService
		want             *xds.RetryPolicy
	}{
		{"1.31", "-", base(unchanged)},
		{"1.31", "", base(unchanged)},
		{"1.24", "-", base(unchanged)},
		{"1.23", "-", base(func(p *xds.RetryPolicy) { p.RetriableStatusCodes = []uint32{503} })},
		{"1.23", "attempts: 4", base(func(p *xds.RetryPolicy) { p.NumRetries, p.RetriableStatusCodes = 4, []uint32{503} })},
		{"1.23", "attempts: 4, retryOn: reset", base(func(p *xds.RetryPolicy) { p.NumRetries, p.RetryOn = 4, []string{"reset"} })},
		{"1.31", "attempts: 0", nil},
		{"1.31", "attempts: 1", base(func(p *xds.RetryPolicy) { p.NumRetries = 1 })},
		{"1.31", "attempts: 3, perTryTimeout: 2s", base(func(p *xds.RetryPolicy) { p.NumRetries, p.PerTryTimeout = 3, 2*time.Second })},
		{"1.31", "attempts: 2, retryOn: '5xx'", base(func(p *xds.RetryPolicy) { p.RetryOn = []string{"5xx"} })},
		{"1.31", "attempts: 2, retryOn: 'reset,503,418'", base(func(p *xds.RetryPolicy) {
			p.RetryOn, p.RetriableStatusCodes = []string{"reset", "retriable-status-codes"}, []uint32{503, 418}
		})},
		{"1.31", "attempts: 2, retryOn: 'retriable-status-codes,503'", base(func(p *xds.RetryPolicy) {
			p.RetryOn, p.RetriableStatusCodes = []string{"retriable-status-codes"}, []uint32{503}
		})},
		{"1.31", "attempts: 2, retryRemoteLocalities: true", base(func(p *xds.RetryPolicy) { p.PreviousPriorities = 2 })},
		{"1.31", "attempts: 2, retryRemoteLocalities: false", base(unchanged)},
		{"1.31", "attempts: 2, retryIgnorePreviousHosts: false", base(func(p *xds.RetryPolicy) { p.PreviousHosts = false })},
		{"1.25", "attempts: 2, retryIgnorePreviousHosts: false", base(unchanged)},
		{"1.31", "attempts: 2, backoff: 1s", base(func(p *xds.RetryPolicy) { p.BackOffBase, p.BackOffMax = time.Second, 10*time.Second })},
		{"1.25", "attempts: 2, backoff: 1s", base(unchanged)},
	} {
		var docs []string
		switch c.retries {
		case "-":
		case "":
			docs = []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}}]}]")}
		default:
			docs = []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}}], retries: {"+c.retries+"}}]")}
		}
		tr := translate(t, c.release, docs...)
		if d := cmp.Diff(c.want, tr.Config.VirtualHosts[0].Routes[0].Retry); d != "" {
			t.Errorf("%s {%s}: differs (-want +got):\n%s", c.release, c.retries, d)
		}
	}
}

func TestMeshRetries(t *testing.T) {
	for attempts, want := range map[int]uint32{0: 0, 7: 7} {
		tr := Translate(read(t, "in.yaml", twoRegions), inR1, Mesh{DefaultRetryAttempts: &attempts}, profile(t, "1.31"))
		var got uint32
		if p := tr.Config.VirtualHosts[0].Routes[0].Retry; p != nil {
			got = p.NumRetries
		}
		if got != want {
			t.Errorf("attempts %d: got %d retries, want %d", attempts, got, want)
		}
	}
}

// A consistent hash takes the predicate from the routes of a VirtualService, not from default ones.
func TestRetriesStayOnHash(t *testing.T) {
	hash := "loadBalancer: {consistentHash: {useSourceIp: true}}"
	vs := vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com, subset: s}}]}]")
	for _, c := range []struct {
		what string
		docs []string
		want bool
	}{
		{"default route", []string{ruleYAML("d", hash)}, true},
		{"routed", []string{ruleYAML("d", hash), vs}, false},
		{"subset", []string{"kind: DestinationRule\nmetadata: {name: d}\nspec: {host: svc.com, subsets: [{name: s, trafficPolicy: {" + hash + "}}]}", vs}, false},
		{"other subset", []string{"kind: DestinationRule\nmetadata: {name: d}\nspec: {host: svc.com, subsets: [{name: x, trafficPolicy: {" + hash + "}}]}", vs}, true},
	} {
		tr := translate(t, "1.31", c.docs...)
		if got := tr.Config.VirtualHosts[0].Routes[0].Retry.PreviousHosts; got != c.want {
			t.Errorf("%s: previous_hosts: got %v, want %v", c.what, got, c.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	const to = "route: [{destination: {host: svc.com}}]"
	for _, c := range []struct {
		what string
		docs []string
		want string // of port 80
	}{
		{"default", nil, "svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"subset and port", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com, subset: s, port: {number: 8080}}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|8080|s|svc.com"},
		{"prefixes in order", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}], route: [{destination: {host: a.com}}]}, {"+to+"}, {route: [{destination: {host: never.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /a->outbound|80||a.com /b->outbound|80||a.com /->outbound|80||svc.com"},
		{"nothing after a catch-all match", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{uri: {prefix: /}}, {uri: {prefix: /b}}], "+to+"}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"a match that is not modelled is left out", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{headers: {x: {exact: y}}}], route: [{destination: {host: a.com}}]}, {match: [{uri: {exact: /}}], route: [{destination: {host: a.com}}]}, {"+to+"}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"other port", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{port: 8080}], route: [{destination: {host: a.com}}]}, {"+to+"}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"other gateway in the match", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{gateways: [g]}], route: [{destination: {host: a.com}}]}, {"+to+"}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"other source", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{sourceLabels: {app: x}}, {sourceNamespace: y}], route: [{destination: {host: a.com}}]}, {"+to+"}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"only for others: the default route remains", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{sourceNamespace: y}], route: [{destination: {host: a.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"other gateway", []string{vsYAML("{name: v}", "hosts: [svc.com], gateways: [g], http: [{route: [{destination: {host: a.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"not exported", []string{vsYAML("{name: v, namespace: other}", "hosts: [svc.com], exportTo: [.], http: [{route: [{destination: {host: a.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"own namespace before public", []string{vsYAML("{name: a, namespace: other}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}}]}]"), vsYAML("{name: b}", "hosts: [svc.com], exportTo: [.], http: [{route: [{destination: {host: b.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||b.com"},
		{"exported by name before public", []string{vsYAML("{name: a, namespace: other}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}}]}]"), vsYAML("{name: b, namespace: other}", "hosts: [svc.com], exportTo: [default], http: [{route: [{destination: {host: b.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||b.com"},
		{"first by name", []string{vsYAML("{name: b}", "hosts: [svc.com], http: [{route: [{destination: {host: b.com}}]}]"), vsYAML("{name: a}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||a.com"},
		{"wildcard", []string{vsYAML("{name: v}", "hosts: ['*.com'], http: [{route: [{destination: {host: a.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||a.com"},
		{"exact before wildcard", []string{vsYAML("{name: a}", "hosts: ['*.com'], http: [{route: [{destination: {host: a.com}}]}]"), vsYAML("{name: b}", "hosts: [svc.com], http: [{route: [{destination: {host: b.com}}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||b.com"},
		{"short names", []string{vsYAML("{name: v}", "hosts: [reviews], http: [{route: [{destination: {host: ratings}}]}]")},
			"reviews.default.svc.cluster.local:80[reviews.default.svc.cluster.local]: /->outbound|80||ratings.default.svc.cluster.local\n" +
				"svc.com:80[svc.com svc.com.]: /->outbound|80||svc.com"},
		{"one destination has all the weight", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}, weight: 0}, {destination: {host: b.com}, weight: 100}]}]")},
			"svc.com:80[svc.com svc.com.]: /->outbound|80||b.com"},
		{"redirect", []string{vsYAML("{name: v}", "hosts: [svc.com], http: [{redirect: {uri: /x}}]")},
			"svc.com:80[svc.com svc.com.]: /->"},
	} {
		tr := translate(t, "1.31", c.docs...)
		if got := routes(tr, 80); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
}

func TestVirtualHosts(t *testing.T) {
	spec := "hosts: [a.com], resolution: STATIC, addresses: [9.9.9.9/32], ports: [{number: 80, name: http, protocol: HTTP}, {number: 5432, name: tcp, protocol: TCP}, {number: 90, name: sniffed}]"
	for _, c := range []struct{ release, want string }{
		{"1.31", "a.com:80[a.com a.com. 9.9.9.9]: /->outbound|80||a.com"},
		{"1.26", "a.com:80[a.com 9.9.9.9]: /->outbound|80||a.com"},
	} {
		tr := Translate(read(t, "in.yaml", entryYAML("{name: a}", spec)), inR1, Mesh{}, profile(t, c.release))
		if got := routes(tr, 80); got != c.want {
			t.Errorf("%s: got %s, want %s", c.release, got, c.want)
		}
		if got := routes(tr, 5432); got != "" {
			t.Errorf("%s: the TCP port got routes: %s", c.release, got)
		}
		if got := routes(tr, 90); got == "" {
			t.Errorf("%s: the sniffed port got no routes", c.release)
		}
	}
}

func TestTimeout(t *testing.T) {
	tr := translate(t, "1.31", vsYAML("{name: v}", "hosts: [svc.com], http: [{name: n, match: [{name: m, uri: {prefix: /}}], route: [{destination: {host: svc.com}}], timeout: 3s, retries: {attempts: 1}}]"))
	r := tr.Config.VirtualHosts[0].Routes[0]
	if r.Timeout != 3*time.Second || r.Name != "n.m" {
		t.Errorf("got timeout %v, name %q", r.Timeout, r.Name)
	}
	for part, want := range map[Part]string{PartRoute: "spec.http[0]", PartTimeout: "spec.http[0].timeout", PartRetries: "spec.http[0].retries"} {
		if u, _ := tr.Use("outbound|80||svc.com", part); u.Path != want || u.VirtualHost != "svc.com:80" {
			t.Errorf("use of %s: got %q in %q", part, u.Path, u.VirtualHost)
		}
	}
}

func TestStatusCodes(t *testing.T) {
	for n := range 1000 {
		if want := http.StatusText(n) != ""; isStatusCode(n) != want {
			t.Errorf("isStatusCode(%d): got %v, want %v", n, !want, want)
		}
	}
}

// istio-semantics 2.6: executed with istiod 1.31; ignored before 1.30.
func TestDNSFailoverPriority(t *testing.T) {
	entry := func(second string) string {
		return entryYAML("{name: a}", "hosts: [a.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], "+
			"endpoints: [{address: x.com, locality: r1, labels: {v: one}}, {address: y.com, locality: "+second+", labels: {v: two}}]")
	}
	rule := "\n---\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: a.com, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [v]}}}, subsets: [{name: s}]}"
	for _, c := range []struct {
		release, second string
		crash           bool
		want            string // priority of x.com, y.com
	}{
		{"1.31", "r2", true, ""},
		{"1.30", "r2", true, ""},
		{"1.29", "r2", false, "00"},
		{"1.31", "r1", false, "01"},
		{"1.29", "r1", false, "00"},
	} {
		tr := Translate(read(t, "in.yaml", entry(c.second)+rule), Client{Locality: inR1.Locality, Labels: map[string]string{"v": "one"}}, Mesh{}, profile(t, c.release))
		if (tr.Crash != nil) != c.crash {
			t.Errorf("%s, second endpoint in %s: crash: got %v, want %v", c.release, c.second, tr.Crash, c.crash)
		}
		if tr.Crash != nil {
			if tr.Crash.Field != "spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority" || tr.Crash.Pos.Line == 0 {
				t.Errorf("crash: got %+v", tr.Crash)
			}
			continue
		}
		for _, name := range []string{"outbound|80||a.com", "outbound|80|s|a.com"} {
			want := c.want
			if strings.Contains(name, "|s|") {
				want = "00" // subsets of DNS hosts have no endpoint labels
			}
			got := ""
			for _, l := range cluster(t, tr, name).Localities {
				for range l.Endpoints {
					got += fmt.Sprint(l.Priority)
				}
			}
			if got != want {
				t.Errorf("%s, second endpoint in %s, %s: got priorities %s, want %s", c.release, c.second, name, got, want)
			}
		}
	}
}

// The annotation puts failover priorities on DNS hosts too, by the same code.
func TestDNSTrafficDistribution(t *testing.T) {
	doc := entryYAML("{name: a, annotations: {networking.istio.io/traffic-distribution: PreferClose}}", "hosts: [a.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], "+
		"endpoints: [{address: x.com, locality: r1}, {address: y.com, locality: r2}]")
	for release, want := range map[string]string{"1.31": "metadata.annotations." + trafficDistributionAnnotation, "1.29": ""} {
		tr := Translate(read(t, "in.yaml", doc), inR1, Mesh{}, profile(t, release))
		got := ""
		if tr.Crash != nil {
			got = tr.Crash.Field
		}
		if got != want {
			t.Errorf("%s: crash at %q, want %q", release, got, want)
		}
	}
	tr := Translate(read(t, "in.yaml", strings.Replace(doc, "DNS", "STATIC", 1)), inR1, Mesh{FailoverPriority: []string{"x"}}, profile(t, "1.31"))
	if tr.Crash != nil {
		t.Errorf("STATIC: crash %v", tr.Crash)
	}
}

// From 1.25 on the annotation orders endpoints; panic is then off whatever the rule says.
func TestTrafficDistributionByRelease(t *testing.T) {
	doc := strings.Replace(twoRegions, "{name: svc}", "{name: svc, annotations: {networking.istio.io/traffic-distribution: PreferSameNode}}", 1)
	for _, c := range []struct {
		release, policy string
		second          uint32
		panic           float64
	}{
		{"1.24", "connectionPool: {tcp: {}}", 0, 50},
		{"1.25", "connectionPool: {tcp: {}}", 1, 0},
		{"1.31", "outlierDetection: {minHealthPercent: 30}", 1, 0},
		{"1.31", "loadBalancer: {localityLbSetting: {enabled: false}}", 0, 0},
	} {
		got := cluster(t, Translate(read(t, "in.yaml", doc+"---\n"+ruleYAML("d", c.policy)), inR1, Mesh{}, profile(t, c.release)), "outbound|80||svc.com")
		if got.Localities[1].Priority != c.second || got.HealthyPanicThreshold != c.panic {
			t.Errorf("%s {%s}: got priority %d, panic threshold %v", c.release, c.policy, got.Localities[1].Priority, got.HealthyPanicThreshold)
		}
	}
}

// A network label of the endpoint stands before its network field.
func TestEndpointNetwork(t *testing.T) {
	for endpoint, want := range map[string]uint32{
		"network: n": 0, "network: m": 1, "labels: {topology.istio.io/network: m}, network: n": 1, "labels: {topology.istio.io/network: n}, network: m": 0,
	} {
		doc := entryYAML("{name: a}", "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], "+
			"endpoints: [{address: 10.0.0.1, locality: a, network: n}, {address: 10.0.0.2, locality: b, "+endpoint+"}]") +
			"\n---\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: a.com, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.istio.io/network]}}}}"
		got := cluster(t, Translate(read(t, "in.yaml", doc), Client{Network: "n"}, Mesh{}, profile(t, "1.31")), "outbound|80||a.com")
		if p := got.Localities[1].Priority; p != want {
			t.Errorf("{%s}: got priority %d, want %d", endpoint, p, want)
		}
	}
}

// istio-semantics 2.5: the network of 1.31, key=value of 1.18.
func TestLabelPriority(t *testing.T) {
	for _, c := range []struct {
		release, labels string
		endpoint        map[string]string
		want            uint32
	}{
		{"1.31", "a b", map[string]string{"a": "1", "b": "1"}, 0},
		{"1.31", "a b", map[string]string{"a": "1"}, 1},
		{"1.31", "a b", map[string]string{"b": "1"}, 2},
		{"1.31", "c d", nil, 0}, // absent on both sides
		{"1.31", "a=2", map[string]string{"a": "2"}, 0},
		{"1.31", "a=2", map[string]string{"a": "1"}, 1},
		{"1.31", "a= b", map[string]string{"b": "1"}, 0},
		{"1.31", "a=1=1", map[string]string{"a": "1"}, 0}, // more than one sign: only the key counts
		{"1.18", "a=1", map[string]string{"a": "2"}, 1},
		{"1.17", "a=1", map[string]string{"a": "2"}, 0}, // nobody has a label named a=1
		{"1.31", labelNetwork + " a", map[string]string{labelNetwork: "n", "a": "1"}, 0},
		{"1.31", labelNetwork + " a", map[string]string{labelNetwork: "n"}, 1},
		{"1.31", labelNetwork + " a", map[string]string{labelNetwork: "m", "a": "1"}, 2},
		{"1.31", labelNetwork + " a", map[string]string{labelNetwork: "m"}, 3},
		{"1.30", labelNetwork + " a", map[string]string{labelNetwork: "m", "a": "1"}, 2},
		{"1.30", labelNetwork + " a", map[string]string{labelNetwork: "m"}, 2},
		{"1.31", "a " + labelNetwork, map[string]string{"a": "1", labelNetwork: "m"}, 1},
	} {
		tr := &translator{v: profile(t, c.release).versions(), client: Client{Labels: map[string]string{"a": "1", "b": "1", labelNetwork: "n"}}}
		if got := tr.labelPriority(c.endpoint, strings.Fields(c.labels)); got != c.want {
			t.Errorf("%s [%s] %v: got %d, want %d", c.release, c.labels, c.endpoint, got, c.want)
		}
	}
}

// Until 1.23 locality weights counted whenever there was a locality setting at all.
func TestLocalityWeightedByRelease(t *testing.T) {
	for _, c := range []struct {
		release, policy string
		want            bool
	}{
		{"1.24", "outlierDetection: {}", false},
		{"1.23", "outlierDetection: {}", true},
		{"1.23", "outlierDetection: {}, loadBalancer: {localityLbSetting: {enabled: false}}", false},
	} {
		if got := cluster(t, translate(t, c.release, ruleYAML("d", c.policy)), "outbound|80||svc.com").LocalityWeighted; got != c.want {
			t.Errorf("%s {%s}: got %v, want %v", c.release, c.policy, got, c.want)
		}
	}
	off := false
	tr := Translate(read(t, "in.yaml", twoRegions+"---\n"+ruleYAML("d", "outlierDetection: {}")), inR1, Mesh{LocalityEnabled: &off}, profile(t, "1.31"))
	c := cluster(t, tr, "outbound|80||svc.com")
	if got := []uint32{c.Localities[0].Priority, c.Localities[1].Priority}; !slices.Equal(got, []uint32{0, 0}) {
		t.Errorf("mesh setting off: got priorities %v", got)
	}
}
