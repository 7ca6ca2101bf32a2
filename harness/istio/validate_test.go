package istio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each document is refused at the fields that are named, in this order; none means accepted.
func TestRejected(t *testing.T) {
	se := func(spec string) string { return entryYAML("{name: x}", spec) }
	const ok = "hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}]"
	dns := strings.Replace(ok, "STATIC", "DNS", 1)
	dr := func(policy string) string { return ruleYAML("x", policy) }
	locality := func(s string) string { return dr("outlierDetection: {}, " + lb(s)) }
	vs := func(http string) string {
		return vsYAML("{name: x}", "hosts: [a.com], http: [{route: [{destination: {host: a.com}}], "+http+"}]")
	}
	for _, c := range []struct {
		doc  string
		want string
	}{
		{se(ok), ""},
		{se("hosts: ['*'], resolution: STATIC"), "spec.hosts[0]"},
		{se("hosts: ['*.a.com'], resolution: STATIC"), ""},
		{se("hosts: ['a b'], resolution: STATIC"), "spec.hosts[0]"},
		{se("hosts: [-a.com], resolution: STATIC"), "spec.hosts[0]"},
		{se("hosts: [a.1], resolution: STATIC"), "spec.hosts[0]"},
		{se("resolution: STATIC"), "spec.hosts"},
		{se(ok + ", endpoints: [{address: b.com}]"), "spec.endpoints[0].address"},
		{se(ok + ", endpoints: [{address: 10.0.0.1, ports: {web: 81}}]"), "spec.endpoints[0].ports.web"},
		{se(ok + ", endpoints: [{address: 10.0.0.1, ports: {http: 81}}]"), ""},
		{se(ok + ", endpoints: [{locality: r1}]"), "spec.endpoints[0]"},
		{se(ok + ", endpoints: [{address: 'unix:///x'}]"), ""},
		{se(ok + ", endpoints: [{address: 'unix://x'}]"), "spec.endpoints[0].address"},
		{se(ok + ", endpoints: [{address: 10.0.0.1, labels: {'a b': c}}]"), "spec.endpoints[0].labels"},
		{se("hosts: [a.com], endpoints: [{address: 10.0.0.1}]"), "spec.endpoints"},
		{se("hosts: [a.com], resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}, {address: c.com}]"), "spec.endpoints"},
		{se("hosts: [a.com], resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}]"), ""},
		{se("hosts: ['*.a.com'], resolution: DNS"), "spec.hosts[0]"},
		{se(dns + ", endpoints: [{address: 'b c'}]"), "spec.endpoints[0].address"},
		{se(dns + ", addresses: [10.0.0.0/8]"), "spec.addresses[0]"},
		{se(ok + ", addresses: [10.0.0.0/8, x]"), "spec.addresses[1]"},
		{se(ok + ", endpoints: [{address: 10.0.0.1}], workloadSelector: {labels: {a: b}}"), "spec.workloadSelector"},
		{se("hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: a}, {number: 80, name: a}]"), "spec.ports[1].name spec.ports[1].number"},
		{se("hosts: [a.com], resolution: STATIC, ports: [{number: 0, name: a, protocol: FTP}]"), "spec.ports[0].number spec.ports[0].protocol"},
		{se("hosts: [a.com, b.com], resolution: STATIC, ports: [{number: 80, name: a, protocol: TCP}]"), "spec.ports[0].protocol"},
		{se("hosts: [a.com, b.com], ports: [{number: 80, name: a, protocol: TCP}]"), ""},
		{se("hosts: [a.com], resolution: DYNAMIC_DNS, ports: [{number: 80, name: a, protocol: HTTP}]"), "spec.hosts[0]"},
		{se(ok + ", exportTo: [., default]"), "spec.exportTo[1]"},
		{se(ok + ", exportTo: ['*', x]"), "spec.exportTo"},

		{dr("outlierDetection: {}"), ""},
		{dr(""), "spec.trafficPolicy"},
		{dr("outlierDetection: {interval: 0s, baseEjectionTime: 1.0005s}"), "spec.trafficPolicy.outlierDetection.baseEjectionTime spec.trafficPolicy.outlierDetection.interval"},
		{dr("outlierDetection: {maxEjectionPercent: 101, minHealthPercent: -1}"), "spec.trafficPolicy.outlierDetection.maxEjectionPercent spec.trafficPolicy.outlierDetection.minHealthPercent"},
		{dr("outlierDetection: {consecutiveLocalOriginFailures: 1}"), "spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures"},
		{dr("outlierDetection: {consecutiveLocalOriginFailures: 0}"), ""},
		{dr("connectionPool: {}"), "spec.trafficPolicy.connectionPool"},
		{dr("connectionPool: {tcp: {connectTimeout: 0s, maxConnections: -1, idleTimeout: 0s}}"), "spec.trafficPolicy.connectionPool.tcp.maxConnections spec.trafficPolicy.connectionPool.tcp.connectTimeout"},
		{dr("loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 8}}}"), "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"},
		{dr("tls: {mode: MUTUAL}"), "spec.trafficPolicy.tls spec.trafficPolicy.tls"},
		{dr("tls: {mode: SIMPLE}"), ""},
		{dr("portLevelSettings: [{connectionPool: {tcp: {}}}, {port: {number: 80}}]"), "spec.trafficPolicy.portLevelSettings[0] spec.trafficPolicy.portLevelSettings[1]"},
		{locality("failover: [{from: r1, to: r2}, {from: r1, to: r1}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[1]"},
		{locality("failover: [{from: r1/z1, to: r2}, {from: '*', to: r2}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0] spec.trafficPolicy.loadBalancer.localityLbSetting.failover[1]"},
		{locality("failover: [{from: r1, to: r2}], failoverPriority: [a, topology.kubernetes.io/zone]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority[1]"},
		{locality("failover: [{from: r1, to: r2}], distribute: [{from: r1, to: {r1: 100}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting"},
		{locality("distribute: [{from: r1/*, to: {r1/*: 70, r2/*: 20}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to"},
		{locality("distribute: [{from: r1/*, to: {r1/*: 100, r2/*: 0}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.r2/*"},
		{locality("distribute: [{from: r1/*, to: {r1/*: 50, r1/z1: 50}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.r1/z1"},
		{locality("distribute: [{from: r1/*, to: {r1: 100}}, {from: '*', to: {r1: 100}}]"), ""},
		{locality("distribute: [{from: '*', to: {r1: 100}}, {from: r1/*, to: {r1: 100}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
		{locality("distribute: [{from: '*/z1', to: {r1: 100}}]"), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].from"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: svc.com, subsets: [{name: a}, {name: a}, {name: B_}]}", "spec.subsets[1].name spec.subsets[2].name"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: svc.com, workloadSelector: {matchLabels: {a: b}}, exportTo: ['*']}", "spec.exportTo"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: svc.com, exportTo: ['~']}", "spec.exportTo[0]"},

		{vs("timeout: 1s, retries: {attempts: 2, retryOn: '5xx,503'}"), ""},
		{vs("timeout: 0s"), "spec.http[0].timeout"},
		{vs("retries: {attempts: 0}"), ""},
		{vs("retries: {attempts: 0, perTryTimeout: 1s}"), "spec.http[0].retries.attempts"},
		{vs("retries: {attempts: -1}"), "spec.http[0].retries.attempts"},
		{vs("retries: {attempts: 1, retryOn: 'resett, 503'}"), "spec.http[0].retries.retryOn spec.http[0].retries.retryOn"},
		{vs("redirect: {uri: /}"), "spec.http[0].redirect"},
		{vs("match: [{uri: {regex: '('}}]"), "spec.http[0].match[0].uri.regex"},
		{vsYAML("{name: x}", "hosts: ['*'], http: [{route: [{destination: {host: a.com}}]}]"), "spec.hosts[0]"},
		{vsYAML("{name: x}", "hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: a.com}}]}]"), ""},
		{vsYAML("{name: x}", "hosts: [a.com, '*.com'], http: [{route: [{destination: {host: a.com}}]}]"), "spec.hosts[1]"},
		{vsYAML("{name: x}", "hosts: [a.com]"), "spec"},
		{vsYAML("{name: x}", "hosts: [a.com], http: [{}]"), "spec.http[0]"},
		{vsYAML("{name: x}", "hosts: [a.com], http: [{route: [{destination: {host: a.com}}, {destination: {host: b.com}}]}]"), "spec.http[0].route"},
		{vsYAML("{name: x}", "hosts: [a.com], http: [{route: [{weight: 1}]}]"), "spec.http[0].route[0]"},
	} {
		tr := Translate(read(t, "in.yaml", c.doc), inR1, Mesh{}, profile(t, "1.31"))
		var got []string
		for _, p := range tr.Rejected {
			got = append(got, p.Field)
			if p.Pos.Line == 0 || p.Message == "" || p.Resource == "" {
				t.Errorf("%s\nincomplete: %+v", c.doc, p)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\nrefused at: got %q, want %q\n%v", c.doc, s, c.want, tr.Rejected)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{ruleYAML("x", "outlierDetection: {consecutiveErrors: 5}"), "spec.trafficPolicy.outlierDetection.consecutiveErrors"},
		{ruleYAML("x", lb("failover: [{from: r1, to: r2}]")), "spec.trafficPolicy.loadBalancer.localityLbSetting"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: forecast, trafficPolicy: {outlierDetection: {}}}", "spec.host"},
		{"kind: DestinationRule\nmetadata: {name: x, namespace: other}\nspec: {host: svc.com, trafficPolicy: {outlierDetection: {}}}", "spec.host"},
	} {
		tr := translate(t, "1.31", c.doc)
		var got []string
		for _, p := range tr.Warnings {
			got = append(got, p.Field)
		}
		if s := strings.Join(got, " "); s != c.want || len(tr.Rejected) > 0 {
			t.Errorf("%s\nwarned at: got %q, want %q; refused %v", c.doc, s, c.want, tr.Rejected)
		}
	}
}

// Everything that is written and not read is listed; + marks what may decide.
func TestNotModelled(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{ruleYAML("x", "outlierDetection: {consecutiveErrors: 5}"), "spec.trafficPolicy.outlierDetection.consecutiveErrors"},
		{ruleYAML("x", "loadBalancer: {consistentHash: {useSourceIp: true}}"), "+spec.trafficPolicy.loadBalancer.consistentHash"},
		{ruleYAML("x", "loadBalancer: {simple: RANDOM, warmup: {duration: 1m, minimumPercent: 5, aggression: 2}}"), ""},
		{ruleYAML("x", "loadBalancer: {zoneAwareLbSetting: {enabled: true}}"), "+spec.trafficPolicy.loadBalancer.zoneAwareLbSetting"},
		{ruleYAML("x", "connectionPool: {tcp: {tcpKeepalive: {probes: 3}}, http: {maxRequestsPerConnection: 10, maxRetries: 3}}"),
			"spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection spec.trafficPolicy.connectionPool.tcp.tcpKeepalive"},
		{ruleYAML("x", "connectionPool: {http: {h2UpgradePolicy: UPGRADE}}"), "+spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
		{ruleYAML("x", "connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}"), ""},
		{ruleYAML("x", "tls: {mode: DISABLE}"), ""},
		{ruleYAML("x", "tls: {mode: SIMPLE, sni: a, caCrl: /p}"), "+spec.trafficPolicy.tls.caCrl"},
		{ruleYAML("x", "tls: {mode: DISABLE, caCrl: /p}"), "spec.trafficPolicy.tls.caCrl"},
		{ruleYAML("x", "portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, caCrl: /p}}]"), "+spec.trafficPolicy.portLevelSettings[0].tls.caCrl"},
		{ruleYAML("x", "proxyProtocol: {version: V2}"), "+spec.trafficPolicy.proxyProtocol"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: svc.com, subsets: [{name: s, trafficPolicy: {tls: {mode: SIMPLE, caCrl: /p}}}]}", "+spec.subsets[0].trafficPolicy.tls.caCrl"},
		{"kind: DestinationRule\nmetadata: {name: x}\nspec: {host: other.com, trafficPolicy: {tls: {mode: SIMPLE, caCrl: /p}}}", "spec.trafficPolicy.tls.caCrl"}, // unused
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}, weight: 50}, {destination: {host: b.com}, weight: 50}]}]"), "+spec.http[0].route"},
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: a.com}, weight: 100}, {destination: {host: b.com}}]}]"), ""},
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}}], fault: {abort: {httpStatus: 500}}, mirror: {host: a.com}, corsPolicy: {maxAge: 1s}, headers: {request: {set: {x: y}}}}]"),
			"spec.http[0].corsPolicy +spec.http[0].fault spec.http[0].headers +spec.http[0].mirror"},
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}, headers: {request: {set: {host: y}}}}]}]"), "+spec.http[0].route[0].headers"},
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{match: [{headers: {x: {exact: y}}}, {uri: {exact: /a}}, {uri: {prefix: /b}, sourceLabels: {}}], route: [{destination: {host: svc.com}}]}]"),
			"+spec.http[0].match[0].headers +spec.http[0].match[1].uri"},
		{vsYAML("{name: v}", "hosts: [svc.com], http: [{route: [{destination: {host: svc.com}}], rewrite: {uri: /x, authority: y}}]"), "+spec.http[0].rewrite.uri"},
		{vsYAML("{name: v}", "hosts: [svc.com], gateways: [g], http: [{route: [{destination: {host: a.com}}], fault: {abort: {httpStatus: 500}}}]"), "spec.http[0].fault"},
		{entryYAML("{name: n}", "hosts: [n.com], resolution: NONE, subjectAltNames: [x], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 81}, {number: 81, name: tcp, protocol: TCP}]"),
			"+spec.ports[0].targetPort spec.ports[1].protocol"},
		{entryYAML("{name: n}", "hosts: ['*.n.com'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: http, protocol: HTTP}]"), "+spec.resolution"},
		{entryYAML("{name: n}", "hosts: [n.com], resolution: STATIC, workloadSelector: {labels: {a: b}}, ports: [{number: 80, name: http, protocol: HTTP}]"), "+spec.workloadSelector"},
		{entryYAML("{name: n}", "hosts: [n.com], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, serviceAccount: x}]"), ""},
		{"kind: Sidecar\nmetadata: {name: s}\nspec: {}", "+"},
		{"kind: Gateway\nmetadata: {name: g}\nspec: {}", "-"},
	} {
		tr := translate(t, "1.31", c.doc)
		var got []string
		for _, n := range tr.NotModelled {
			mark := ""
			if n.Decides {
				mark = "+"
			} else if n.Field == "" {
				mark = "-"
			}
			got = append(got, mark+n.Field)
			if n.File != "in.yaml" || n.Line == 0 || n.Why == "" || n.Resource == "" {
				t.Errorf("incomplete: %+v", n)
			}
		}
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(strings.TrimLeft(a, "+-"), strings.TrimLeft(b, "+-")) })
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\ngot %q, want %q", c.doc, s, c.want)
		}
	}
}

func TestProblemString(t *testing.T) {
	p := translate(t, "1.31", ruleYAML("x", "outlierDetection: {maxEjectionPercent: 101}")).Rejected[0]
	if got, want := p.String(), "in.yaml:14:58: 101 is not a percentage; expected 0 to 100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	n := translate(t, "1.31", ruleYAML("x", "tls: {mode: SIMPLE, caCrl: /p}")).NotModelled[0]
	if got, want := fmt.Sprint(n), "in.yaml:14:59: spec.trafficPolicy.tls.caCrl is not modelled: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A file may use the names of the proto files.
func TestUnderscoreNames(t *testing.T) {
	rs := read(t, "in.yaml", "kind: DestinationRule\nmetadata: {name: x}\nspec:\n  host: a.com\n  traffic_policy:\n    outlier_detection:\n      consecutive_5xx_errors: 1\n      interval: 0s\n")
	if got := rs[0].Where("spec.trafficPolicy.outlierDetection.consecutive5xxErrors"); got.Line != 7 {
		t.Errorf("got line %d, want 7", got.Line)
	}
	if got := rs[0].Where("spec.trafficPolicy.outlierDetection.maxEjectionPercent"); got.Line != 6 {
		t.Errorf("got line %d, want 6, the block", got.Line)
	}
}
