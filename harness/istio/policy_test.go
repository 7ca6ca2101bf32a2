package istio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

// service is a STATIC ServiceEntry of two endpoints in two regions, ports 80 and 8080.
const twoRegions = `
kind: ServiceEntry
metadata: {name: svc}
spec:
  hosts: [svc.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 8080, name: alt, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, locality: r1, labels: {version: v1}}
  - {address: 10.0.0.2, locality: r2, labels: {version: v2}}
`

var inR1 = Client{Namespace: "default", Locality: xds.Locality{Region: "r1"}}

// translate gives the translation of twoRegions and the documents.
func translate(t testing.TB, p string, docs ...string) Translation {
	t.Helper()
	text := twoRegions
	for _, d := range docs {
		text += "---\n" + d + "\n"
	}
	return Translate(read(t, "in.yaml", text), inR1, Mesh{}, profile(t, p))
}

func ruleYAML(name, policy string) string {
	return "kind: DestinationRule\nmetadata: {name: " + name + "}\nspec: {host: svc.com, trafficPolicy: {" + policy + "}}"
}

func cluster(t testing.TB, tr Translation, name string) xds.Cluster {
	t.Helper()
	c := tr.Config.Cluster(name)
	if c == nil {
		var have []string
		for _, c := range tr.Config.Clusters {
			have = append(have, c.Name)
		}
		t.Fatalf("no cluster %s; have %v", name, have)
	}
	return *c
}

// istio-semantics 3.3, executed.
func TestOutlierDetection(t *testing.T) {
	base := func(change func(*xds.OutlierDetection)) xds.OutlierDetection {
		d := xds.DefaultOutlierDetection()
		d.EnforcingSuccessRate = 0
		change(&d)
		return d
	}
	for _, c := range []struct {
		block  string
		panic  float64
		change func(*xds.OutlierDetection)
	}{
		{"", 0, func(*xds.OutlierDetection) {}},
		{"consecutive5xxErrors: 3", 0, func(d *xds.OutlierDetection) { d.Consecutive5xx = 3 }},
		{"consecutive5xxErrors: 0", 0, func(d *xds.OutlierDetection) { d.Consecutive5xx, d.EnforcingConsecutive5xx = 0, 0 }},
		{"consecutiveGatewayErrors: 3", 0, func(d *xds.OutlierDetection) {
			d.ConsecutiveGatewayFailure, d.EnforcingConsecutiveGatewayFailure = 3, 100
		}},
		{"consecutiveGatewayErrors: 0", 0, func(d *xds.OutlierDetection) { d.ConsecutiveGatewayFailure = 0 }},
		{"consecutiveErrors: 1", 0, func(*xds.OutlierDetection) {}},
		{"interval: 15s, baseEjectionTime: 1m", 0, func(d *xds.OutlierDetection) {
			d.Interval, d.BaseEjectionTime = 15*time.Second, time.Minute
		}},
		{"baseEjectionTime: 10m", 0, func(d *xds.OutlierDetection) { d.BaseEjectionTime, d.MaxEjectionTime = 10*time.Minute, 10*time.Minute }},
		{"maxEjectionPercent: 100", 0, func(d *xds.OutlierDetection) { d.MaxEjectionPercent = 100 }},
		{"maxEjectionPercent: 0", 0, func(*xds.OutlierDetection) {}},
		{"minHealthPercent: 40", 40, func(*xds.OutlierDetection) {}},
		{"splitExternalLocalOriginErrors: true", 0, func(d *xds.OutlierDetection) {
			d.SplitExternalLocalOriginErrors, d.EnforcingLocalOriginSuccessRate = true, 0
		}},
		{"splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2", 0, func(d *xds.OutlierDetection) {
			d.SplitExternalLocalOriginErrors, d.EnforcingLocalOriginSuccessRate, d.ConsecutiveLocalOriginFailure = true, 0, 2
		}},
		{"splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 0", 0, func(d *xds.OutlierDetection) {
			d.SplitExternalLocalOriginErrors, d.EnforcingLocalOriginSuccessRate = true, 0
		}},
	} {
		got := cluster(t, translate(t, "1.31", ruleYAML("d", "outlierDetection: {"+c.block+"}")), "outbound|80||svc.com")
		want := base(c.change)
		if d := cmp.Diff(&want, got.OutlierDetection); d != "" {
			t.Errorf("{%s}: differs (-want +got):\n%s", c.block, d)
		}
		if got.HealthyPanicThreshold != c.panic {
			t.Errorf("{%s}: panic threshold: got %v, want %v", c.block, got.HealthyPanicThreshold, c.panic)
		}
	}
}

func TestPanicThreshold(t *testing.T) {
	for _, c := range []struct {
		profile, policy string
		want            float64
	}{
		{"1.31", "connectionPool: {tcp: {}}", 0},
		{"1.30", "connectionPool: {tcp: {}}", 50},
		{"1.30", "outlierDetection: {}", 0},
		{"1.30", "outlierDetection: {minHealthPercent: 30}", 30},
	} {
		got := cluster(t, translate(t, c.profile, ruleYAML("d", c.policy)), "outbound|80||svc.com").HealthyPanicThreshold
		if got != c.want {
			t.Errorf("%s, %s: got %v, want %v", c.profile, c.policy, got, c.want)
		}
	}
}

// istio-semantics 3.1.
func TestLoadBalancer(t *testing.T) {
	for _, c := range []struct {
		profile, block string
		want           xds.LBPolicy
	}{
		{"1.31", "simple: UNSPECIFIED", xds.LeastRequest},
		{"1.31", "localityLbSetting: {enabled: true}", xds.LeastRequest},
		{"1.14", "localityLbSetting: {enabled: true}", xds.LeastRequest},
		{"1.13", "localityLbSetting: {enabled: true}", xds.RoundRobin},
		{"1.31", "simple: ROUND_ROBIN", xds.RoundRobin},
		{"1.31", "simple: LEAST_REQUEST", xds.LeastRequest},
		{"1.13", "simple: LEAST_CONN", xds.LeastRequest},
		{"1.31", "simple: RANDOM", xds.Random},
		{"1.31", "consistentHash: {useSourceIp: true}", xds.RingHash},
		{"1.31", "consistentHash: {useSourceIp: true, ringHash: {}}", xds.RingHash},
		{"1.31", "consistentHash: {useSourceIp: true, maglev: {tableSize: 7}}", xds.Maglev},
	} {
		got := cluster(t, translate(t, c.profile, ruleYAML("d", "loadBalancer: {"+c.block+"}")), "outbound|80||svc.com")
		if got.LBPolicy != c.want {
			t.Errorf("%s {%s}: got %s, want %s", c.profile, c.block, got.LBPolicy, c.want)
		}
	}
	got := cluster(t, translate(t, "1.31", ruleYAML("d", "loadBalancer: {simple: PASSTHROUGH}")), "outbound|80||svc.com")
	if got.Type != xds.OriginalDst || got.LBPolicy != xds.ClusterProvided || got.Localities != nil {
		t.Errorf("PASSTHROUGH: got %s %s with %d localities", got.Type, got.LBPolicy, len(got.Localities))
	}
}

// Warm-up becomes slow start in the two balancers that schedule; warmup beats the
// older warmupDurationSecs (istio-semantics 3.1).
func TestWarmup(t *testing.T) {
	slow := func(window time.Duration, aggression, percent float64) *xds.SlowStart {
		return &xds.SlowStart{Window: window, Aggression: aggression, MinWeightPercent: percent}
	}
	for _, c := range []struct {
		profile, block string
		want           *xds.SlowStart
	}{
		{"1.31", "simple: ROUND_ROBIN", nil},
		{"1.31", "simple: ROUND_ROBIN, warmup: {duration: 1m}", slow(time.Minute, 1, 10)},
		{"1.31", "warmup: {duration: 1m}", slow(time.Minute, 1, 10)},
		{"1.31", "simple: LEAST_CONN, warmup: {duration: 5s, minimumPercent: 0, aggression: 2.5}", slow(5*time.Second, 2.5, 0)},
		{"1.31", "simple: LEAST_REQUEST, warmup: {duration: 5s, minimumPercent: 30}, warmupDurationSecs: 9s", slow(5*time.Second, 1, 30)},
		{"1.31", "simple: ROUND_ROBIN, warmupDurationSecs: 9s", slow(9*time.Second, 1, 10)},
		{"1.31", "simple: RANDOM, warmup: {duration: 1m}", nil},
		{"1.31", "simple: PASSTHROUGH, warmup: {duration: 1m}", nil},
		{"1.31", "consistentHash: {useSourceIp: true}, warmup: {duration: 1m}", nil},
		{"1.24", "warmup: {duration: 1m}", slow(time.Minute, 1, 10)},
		{"1.23", "warmup: {duration: 1m}", nil},
		{"1.23", "warmup: {duration: 1m}, warmupDurationSecs: 9s", slow(9*time.Second, 1, 10)},
		{"1.14", "simple: ROUND_ROBIN, warmupDurationSecs: 9s", slow(9*time.Second, 1, 10)},
		{"1.13", "simple: ROUND_ROBIN, warmupDurationSecs: 9s", nil},
	} {
		tr := translate(t, c.profile, ruleYAML("d", "loadBalancer: {"+c.block+"}"))
		if d := cmp.Diff(c.want, cluster(t, tr, "outbound|80||svc.com").SlowStart); d != "" {
			t.Errorf("%s {%s} (-want +got)\n%s", c.profile, c.block, d)
		}
		for _, n := range tr.NotModelled {
			if strings.Contains(n.Field, "warmup") {
				t.Errorf("%s {%s}: %s", c.profile, c.block, n)
			}
		}
	}
}

func TestConnectionPool(t *testing.T) {
	u := xds.Unlimited
	for _, c := range []struct {
		block   string
		timeout time.Duration
		want    xds.CircuitBreakers
	}{
		{"tcp: {}", 10 * time.Second, xds.CircuitBreakers{MaxConnections: u, MaxPendingRequests: u, MaxRequests: u, MaxRetries: u}},
		{"tcp: {connectTimeout: 25ms, maxConnections: 80}", 25 * time.Millisecond, xds.CircuitBreakers{MaxConnections: 80, MaxPendingRequests: u, MaxRequests: u, MaxRetries: u}},
		{"http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRetries: 3}", 10 * time.Second, xds.CircuitBreakers{MaxConnections: u, MaxPendingRequests: 1, MaxRequests: 2, MaxRetries: 3}},
		{"http: {http1MaxPendingRequests: 0, maxRetries: 0}", 10 * time.Second, xds.CircuitBreakers{MaxConnections: u, MaxPendingRequests: u, MaxRequests: u, MaxRetries: u}},
	} {
		got := cluster(t, translate(t, "1.31", ruleYAML("d", "connectionPool: {"+c.block+"}")), "outbound|80||svc.com")
		if got.CircuitBreakers != c.want || got.ConnectTimeout != c.timeout {
			t.Errorf("{%s}: got %v %+v", c.block, got.ConnectTimeout, got.CircuitBreakers)
		}
	}
	mesh := Mesh{ConnectTimeout: 3 * time.Second, DNSRefreshRate: 5 * time.Second}
	got := Translate(read(t, "in.yaml", twoRegions), inR1, mesh, profile(t, "1.31"))
	if d := cluster(t, got, "outbound|80||svc.com").ConnectTimeout; d != 3*time.Second {
		t.Errorf("mesh connectTimeout: got %v", d)
	}
}

// retryBudget: since 1.27; without percent 20 %, and 0.2 % before 1.30; without a
// minimum 3. An entry for the port loses it. A subset's policy over a rule's inherits
// or replaces it since 1.30, and lost both before; over none it counts.
func TestRetryBudget(t *testing.T) {
	const (
		rule   = "  trafficPolicy: {retryBudget: {percent: 50, minRetryConcurrency: 7}}\n"
		bare   = "  trafficPolicy: {retryBudget: {}}\n"
		ported = "  trafficPolicy: {retryBudget: {}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 7}}}]}\n"
		tcp    = "  subsets: [{name: s, trafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}}]\n"
		own    = "  subsets: [{name: s, trafficPolicy: {retryBudget: {percent: 10}}}]\n"
		port   = "  subsets: [{name: s, trafficPolicy: {retryBudget: {percent: 10}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}}]\n"
		none   = "  subsets: [{name: s}]\n"
	)
	const whole, subset = "outbound|80||svc.com", "outbound|80|s|svc.com"
	for _, c := range []struct {
		release, spec, cluster string
		want                   *xds.RetryBudget
	}{
		{"1.26", rule, whole, nil},
		{"1.27", rule, whole, &xds.RetryBudget{Percent: 50, MinRetryConcurrency: 7}},
		{"1.27", bare, whole, &xds.RetryBudget{Percent: 0.2, MinRetryConcurrency: 3}},
		{"1.29", bare, whole, &xds.RetryBudget{Percent: 0.2, MinRetryConcurrency: 3}},
		{"1.30", bare, whole, &xds.RetryBudget{Percent: 20, MinRetryConcurrency: 3}},
		{"1.31", "  trafficPolicy: {retryBudget: {percent: 0}}\n", whole, &xds.RetryBudget{MinRetryConcurrency: 3}},
		{"1.31", ported, whole, nil},
		{"1.31", rule + none, subset, &xds.RetryBudget{Percent: 50, MinRetryConcurrency: 7}},
		{"1.29", rule + none, subset, &xds.RetryBudget{Percent: 50, MinRetryConcurrency: 7}},
		{"1.31", rule + tcp, subset, &xds.RetryBudget{Percent: 50, MinRetryConcurrency: 7}},
		{"1.29", rule + tcp, subset, nil},
		{"1.30", rule + own, subset, &xds.RetryBudget{Percent: 10, MinRetryConcurrency: 3}},
		{"1.29", rule + own, subset, nil},
		{"1.29", own, subset, &xds.RetryBudget{Percent: 10, MinRetryConcurrency: 3}},
		{"1.31", rule + port, subset, &xds.RetryBudget{Percent: 50, MinRetryConcurrency: 7}},
	} {
		got := cluster(t, translate(t, c.release, "kind: DestinationRule\nmetadata: {name: d}\nspec:\n  host: svc.com\n"+c.spec), c.cluster)
		if d := cmp.Diff(c.want, got.CircuitBreakers.RetryBudget); d != "" {
			t.Errorf("%s, %s of\n%s(-want +got)\n%s", c.release, c.cluster, c.spec, d)
		}
	}
}

// istio-semantics 3.7: the port entry is whole, the subset overlays blocks.
func TestPortLevelAndSubsets(t *testing.T) {
	tr := translate(t, "1.31", `
kind: DestinationRule
metadata: {name: d}
spec:
  host: svc.com
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    outlierDetection: {consecutive5xxErrors: 1}
    portLevelSettings:
    - {port: {number: 8080}, connectionPool: {tcp: {maxConnections: 7}}}
  subsets:
  - {name: plain, labels: {version: v1}}
  - {name: random, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
  - name: ported
    trafficPolicy:
      loadBalancer: {simple: RANDOM}
      portLevelSettings:
      - {port: {number: 80}, connectionPool: {tcp: {maxConnections: 9}}}
`)
	u := xds.Unlimited
	for _, c := range []struct {
		cluster     string
		lb          xds.LBPolicy
		outlier     bool
		connections uint32
		hosts       string
	}{
		{"outbound|80||svc.com", xds.RoundRobin, true, u, "10.0.0.1 10.0.0.2"},
		{"outbound|8080||svc.com", xds.LeastRequest, false, 7, "10.0.0.1 10.0.0.2"},
		{"outbound|80|plain|svc.com", xds.RoundRobin, true, u, "10.0.0.1"},
		{"outbound|8080|plain|svc.com", xds.LeastRequest, false, 7, "10.0.0.1"},
		{"outbound|80|random|svc.com", xds.Random, true, u, "10.0.0.2"},
		{"outbound|8080|random|svc.com", xds.Random, false, 7, "10.0.0.2"},
		{"outbound|80|ported|svc.com", xds.LeastRequest, false, 9, "10.0.0.1 10.0.0.2"},
		{"outbound|8080|ported|svc.com", xds.Random, false, 7, "10.0.0.1 10.0.0.2"},
	} {
		got := cluster(t, tr, c.cluster)
		if got.LBPolicy != c.lb || (got.OutlierDetection != nil) != c.outlier || got.CircuitBreakers.MaxConnections != c.connections || hosts(got) != c.hosts {
			t.Errorf("%s: got %s, outlier %v, %d connections, hosts %s; want %+v", c.cluster, got.LBPolicy, got.OutlierDetection != nil,
				got.CircuitBreakers.MaxConnections, hosts(got), c)
		}
	}
	if n := len(tr.Config.Clusters); n != 8 {
		t.Errorf("got %d clusters, want 8", n)
	}

	for _, c := range []struct {
		cluster string
		part    Part
		want    string
	}{
		{"outbound|80||svc.com", PartOutlierDetection, "spec.trafficPolicy.outlierDetection"},
		{"outbound|80|plain|svc.com", PartOutlierDetection, "spec.trafficPolicy.outlierDetection"},
		{"outbound|80|random|svc.com", PartLoadBalancer, "spec.subsets[1].trafficPolicy.loadBalancer"},
		{"outbound|80|random|svc.com", PartPolicy, "spec.subsets[1].trafficPolicy"},
		{"outbound|8080||svc.com", PartPolicy, "spec.trafficPolicy.portLevelSettings[0]"},
		{"outbound|8080||svc.com", PartConnectionPool, "spec.trafficPolicy.portLevelSettings[0].connectionPool"},
		{"outbound|80|ported|svc.com", PartConnectionPool, "spec.subsets[2].trafficPolicy.portLevelSettings[0].connectionPool"},
		{"outbound|8080|plain|svc.com", PartEndpoint, "spec.endpoints[0]"},
		{"outbound|80|random|svc.com", PartEndpoint, "spec.endpoints[1]"},
		{"outbound|8080||svc.com", PartService, "spec.ports[1]"},
	} {
		u, ok := tr.Use(c.cluster, c.part)
		if !ok || u.Path != c.want {
			t.Errorf("use of %s for %s: got %q, want %q", c.part, c.cluster, u.Path, c.want)
		}
		if ok && u.Pos().Line == 0 {
			t.Errorf("use of %s for %s has no position", c.part, c.cluster)
		}
	}
	if _, ok := tr.Use("outbound|8080||svc.com", PartOutlierDetection); ok {
		t.Error("the port entry inherited outlierDetection")
	}
}

func hosts(c xds.Cluster) string {
	var list []string
	for _, l := range c.Localities {
		for _, e := range l.Endpoints {
			list = append(list, e.Address)
		}
	}
	return strings.Join(list, " ")
}

// The rules of 3.8: the percentage tells which rule was taken.
func TestRuleSelection(t *testing.T) {
	type dr struct{ name, namespace, host, more string }
	for _, c := range []struct {
		what   string
		client Client
		prof   string
		rules  []dr
		want   uint32
	}{
		{"none", inR1, "1.31", nil, 0},
		{"client's namespace first", inR1, "1.31", []dr{{"10", "default", "svc.com", ""}, {"20", "svc", "svc.com", ""}, {"30", "istio-system", "svc.com", ""}}, 10},
		{"then the service's", inR1, "1.31", []dr{{"20", "svc", "svc.com", ""}, {"30", "istio-system", "svc.com", ""}}, 20},
		{"then the root's", inR1, "1.31", []dr{{"30", "istio-system", "svc.com", ""}, {"40", "elsewhere", "svc.com", ""}}, 30},
		{"never another's", inR1, "1.31", []dr{{"40", "elsewhere", "svc.com", ""}}, 0},
		{"exact before wildcard", inR1, "1.31", []dr{{"10", "default", "*.com", ""}, {"20", "default", "svc.com", ""}}, 20},
		{"longest wildcard", inR1, "1.31", []dr{{"10", "default", "*", ""}, {"20", "default", "*vc.com", ""}, {"30", "default", "*.com", ""}}, 20},
		{"a wildcard at home before an exact one elsewhere", inR1, "1.31", []dr{{"10", "default", "*.com", ""}, {"20", "svc", "svc.com", ""}}, 10},
		{"unexported rule of the service's namespace", inR1, "1.31", []dr{{"20", "svc", "svc.com", "exportTo: [.]"}, {"30", "istio-system", "svc.com", ""}}, 30},
		{"exported by name", inR1, "1.31", []dr{{"20", "svc", "svc.com", "exportTo: [default]"}}, 20},
		{"exported to others", inR1, "1.31", []dr{{"20", "svc", "svc.com", "exportTo: [other]"}}, 0},
		{"private rule at home", inR1, "1.31", []dr{{"10", "default", "svc.com", "exportTo: [.]"}}, 10},
		{"rule at home for others only", inR1, "1.31", []dr{{"10", "default", "svc.com", "exportTo: [other]"}}, 0},
		{"private rule of the root is not for others", inR1, "1.31", []dr{{"30", "istio-system", "svc.com", "exportTo: [.]"}}, 0},
		{"private rule of the root for itself", Client{Namespace: "istio-system"}, "1.31", []dr{{"30", "istio-system", "svc.com", "exportTo: [.]"}, {"20", "svc", "svc.com", ""}}, 30},
		{"a root client skips its public rules", Client{Namespace: "istio-system"}, "1.31", []dr{{"30", "istio-system", "svc.com", ""}, {"20", "svc", "svc.com", ""}}, 20},
		{"selector wins", Client{Labels: map[string]string{"app": "a"}}, "1.31", []dr{{"10", "default", "svc.com", ""}, {"20", "default", "svc.com", "workloadSelector: {matchLabels: {app: a}}"}}, 20},
		{"selector does not match", Client{Labels: map[string]string{"app": "b"}}, "1.31", []dr{{"10", "default", "svc.com", ""}, {"20", "default", "svc.com", "workloadSelector: {matchLabels: {app: a}}"}}, 10},
		{"selector of another namespace", Client{Labels: map[string]string{"app": "a"}}, "1.31", []dr{{"20", "svc", "svc.com", "workloadSelector: {matchLabels: {app: a}}"}}, 0},
		{"selector before 1.14", Client{Labels: map[string]string{"app": "b"}}, "1.13", []dr{{"20", "default", "svc.com", "workloadSelector: {matchLabels: {app: a}}"}}, 20},
		{"two rules of a host: the first by name", inR1, "1.31", []dr{{"20", "default", "svc.com", ""}, {"10", "default", "svc.com", ""}}, 10},
		{"different exportTo do not merge: the last for all", inR1, "1.31", []dr{{"10", "default", "svc.com", "exportTo: [.]"}, {"20", "default", "svc.com", ""}}, 20},
		{"different exportTo merged before 1.24", inR1, "1.23", []dr{{"10", "default", "svc.com", "exportTo: [.]"}, {"20", "default", "svc.com", ""}}, 10},
	} {
		text := strings.Replace(twoRegions, "metadata: {name: svc}", "metadata: {name: svc, namespace: svc}", 1)
		for _, r := range c.rules {
			text += fmt.Sprintf("---\nkind: DestinationRule\nmetadata: {name: r%s, namespace: %s}\nspec: {host: %q, trafficPolicy: {outlierDetection: {maxEjectionPercent: %s}}, %s}\n",
				r.name, r.namespace, r.host, r.name, r.more)
		}
		text = strings.ReplaceAll(text, "}, }", "}}")
		tr := Translate(read(t, "in.yaml", text), c.client, Mesh{}, profile(t, c.prof))
		var got uint32
		if d := cluster(t, tr, "outbound|80||svc.com").OutlierDetection; d != nil {
			got = d.MaxEjectionPercent
		}
		if got != c.want {
			t.Errorf("%s: got rule %d, want %d", c.what, got, c.want)
		}
	}
}

func TestMergedRules(t *testing.T) {
	tr := translate(t, "1.31",
		"kind: DestinationRule\nmetadata: {name: a}\nspec: {host: svc.com, subsets: [{name: x, labels: {version: v1}}]}",
		"kind: DestinationRule\nmetadata: {name: b}\nspec: {host: svc.com, trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}, subsets: [{name: x, labels: {version: v2}}, {name: y, labels: {version: v2}}]}",
		"kind: DestinationRule\nmetadata: {name: c}\nspec: {host: svc.com, trafficPolicy: {loadBalancer: {simple: RANDOM}, outlierDetection: {maxEjectionPercent: 99}}}")
	for name, want := range map[string]string{
		"outbound|80||svc.com": "10.0.0.1 10.0.0.2", "outbound|80|x|svc.com": "10.0.0.1", "outbound|80|y|svc.com": "10.0.0.2",
	} {
		c := cluster(t, tr, name)
		if hosts(c) != want || c.LBPolicy != xds.LeastRequest || c.OutlierDetection.MaxEjectionPercent != 50 {
			t.Errorf("%s: got hosts %s, %s, %+v", name, hosts(c), c.LBPolicy, c.OutlierDetection)
		}
	}
	if n := len(tr.Config.Clusters); n != 6 {
		t.Errorf("got %d clusters, want 6: two ports of the default and two subsets", n)
	}
	if u, _ := tr.Use("outbound|80||svc.com", PartOutlierDetection); u.Resource.Name != "b" {
		t.Errorf("the policy comes from %s, want b", u.Resource.Name)
	}
	if len(tr.Warnings) != 0 {
		t.Errorf("unexpected warnings: %v", tr.Warnings)
	}
}
