package explain_test

import (
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
)

const (
	odPath = "spec.trafficPolicy.outlierDetection."
	lbPath = "spec.trafficPolicy.loadBalancer."
)

// Each cause is found in the scenario that teaches it, with the field that
// decides, the numbers, and a fix that is confirmed.
func TestEachCauseInItsScenario(t *testing.T) {
	for _, c := range []struct {
		scenario, code, field, message, from, to string
	}{
		{"failover/external-failover-invalid-port", "maxEjectionPercent", odPath + "maxEjectionPercent", "of 2 hosts = 0 ejections", "", "100"},
		{"locality/no-outlier-detection", "no-outlier-detection", odPath[:len(odPath)-1], "never taken out", "", "{maxEjectionPercent: 100}"},
		{
			"policy/port-level-settings", "port-level-settings", "spec.trafficPolicy.portLevelSettings[0].outlierDetection",
			"not in force on this port: outlierDetection of spec.trafficPolicy", "",
			"{baseEjectionTime: 300s, consecutive5xxErrors: 1, interval: 10s, maxEjectionPercent: 100}",
		},
		{"outlier/gateway-errors-and-500", "gateway-errors-only", odPath + "consecutive5xxErrors", "consecutiveGatewayErrors 2 alone", "0", "2"},
		{"outlier/detectors-off", "no-detector", odPath + "consecutive5xxErrors", "no failure is counted", "0", "5"},
		{"outlier/success-ends-a-run", "threshold-not-reached", odPath + "consecutive5xxErrors", "20 failures were charged, and never 2 in a row on one host, at most 1", "2", "1"},
		{"outlier/split-resets", "split-local-errors", odPath + "consecutiveLocalOriginFailures", "25 requests failed so here", "2", "1"},
		{"faults/hang-without-timeout", "no-timeout", "spec.http[0].timeout", "17 requests were given up unanswered", "", "1s"},
		{"faults/blackhole-short-timeout", "connect-timeout", "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "default 10s) is not below the route's timeout 1s", "", "500ms"},
		{"priority/panic-serves-ejected", "panic", odPath + "minHealthPercent", "attempts failed on ejected hosts", "50", "(removed)"},
		{"retries/one-request-ejects-all", "retries-strike", "spec.http[0].retries.retryOn", "one request struck 3 times, on 3 hosts", "5xx", "(removed)"},
		{"retries/round-robin-lock", "round-robin-lock", lbPath + "simple", "50 of 50 requests met the broken one of 2 hosts first", "ROUND_ROBIN", "LEAST_REQUEST"},
		{
			"locality/distribute-one-region", "distribute-one-region", lbPath + "localityLbSetting.distribute", "left out: us-west1",
			"[{from: us-east1/*, to: {us-east1/*: 100}}]", "(removed)",
		},
		{"locality/endpoint-without-locality", "endpoint-without-locality", "spec.endpoints[0].locality", "it ranks with the other regions", "", "us-east1"},
		{"locality/failover-from-mismatch", "failover-from", lbPath + "localityLbSetting.failover[0].from", "they are for us-east-1", "us-east-1", "us-east1"},
		{
			"tls/failover-name-missing", "tls-name-not-verified", "spec.trafficPolicy.tls.subjectAltNames",
			"TLS expects one of dynamodb.us-east-1.amazonaws.com in certificates, and that of dynamodb.us-west-1.amazonaws.com lacks it",
			"[dynamodb.us-east-1.amazonaws.com]", "[dynamodb.us-east-1.amazonaws.com, dynamodb.us-west-1.amazonaws.com]",
		},
		{"outlier/returns-cost", "return-cost", odPath + "baseEjectionTime", "3 returns to a host that is still broken cost 3 client errors, 33 returns cost 33 in the first hour", "6s", "5m"},
		{"policy/refused-percentage", "rejected", odPath + "maxEjectionPercent", "200 is not a percentage", "200", "100"},
		{
			"policy/failover-priority-crashes-istiod", "crashes-istiod", lbPath + "localityLbSetting.failoverPriority", "istiod 1.30 and 1.31 panics",
			"[topology.kubernetes.io/region]", "(removed)",
		},
	} {
		t.Run(c.code, func(t *testing.T) {
			d, err := schedule.New(inputs(t, "scenarios/"+c.scenario+".yaml")[0], schedule.Options{})
			if err != nil {
				t.Fatal(err)
			}
			cs := harness.Plan(d).Causes
			if len(cs) == 0 {
				t.Fatal("no cause")
			}
			got := cs[0]
			if got.Code != c.code || got.Field != c.field || !strings.Contains(got.Message, c.message) || got.Line == 0 {
				t.Errorf("got %+v", got)
			}
			f := got.Fix
			if f == nil || !f.Confirmed || f.From != c.from || f.To != c.to || len(f.Edits) != 1 || f.Edits[0].To != c.to || f.Edits[0].Resource == "" || !strings.HasSuffix(f.Field, c.field) {
				t.Fatalf("fix %+v; want %q to %q", f, c.from, c.to)
			}
		})
	}
}

// What each fix alone is worth is what the engine says with it.
func TestErrorsAvoided(t *testing.T) {
	d := scene(t, inputs(t, "scenarios/locality/no-outlier-detection.yaml")[0], "")
	c := d.causes()[0]
	fixed, _, ok := explain.Repair(d.Compiled, d.trace, d.impact)
	if !ok {
		t.Fatal("no fix")
	}
	if want := d.impact.Errors - play(t, fixed).impact.Errors; c.ErrorsAvoided == nil || *c.ErrorsAvoided != want || want < 1000 {
		t.Errorf("%v errors avoided, want %d", c.ErrorsAvoided, want)
	}
	// The drill passes either way: a fix of where the traffic goes avoids none.
	d = scene(t, inputs(t, "scenarios/locality/endpoint-without-locality.yaml")[0], "")
	if c := d.causes()[0]; c.ErrorsAvoided == nil || *c.ErrorsAvoided != 0 {
		t.Errorf("%v errors avoided, want 0", c.ErrorsAvoided)
	}
}

// Of two causes the one whose fix helps more comes first; when neither alone
// will do, the fix is both, edit by edit.
func TestTwoCausesOneFix(t *testing.T) {
	d := scene(t, load(t, recipe(twoRegions, "hang: headers", rule("{outlierDetection: {consecutive5xxErrors: 1}}"))), "")
	cs := d.causes()
	if len(cs) != 2 || cs[0].Fix == nil || len(cs[0].Fix.Edits) != 2 {
		t.Fatalf("got %+v", cs)
	}
	f := cs[0].Fix
	if f.Field != f.Edits[0].Field || f.To != f.Edits[0].To || !f.Confirmed {
		t.Errorf("the fix is %+v; want its first edit in front", f)
	}
	fields := f.Edits[0].Resource + " " + f.Edits[0].Field + ", " + f.Edits[1].Resource + " " + f.Edits[1].Field
	for _, want := range []string{"maxEjectionPercent", "timeout", "DestinationRule default/mydb", "VirtualService default/mydb-com-failover"} {
		if !strings.Contains(fields, want) {
			t.Errorf("edits of %s; want %s", fields, want)
		}
	}
	if strings.Count(f.Patch, "kind:") != 2 {
		t.Errorf("the patch has not both objects:\n%s", f.Patch)
	}
	repaired(t, d)
}

// A cause is told only when what was played shows it. The only host is lost, so
// that no change helps and every finding stays.
func TestNoCauseWithoutEvidence(t *testing.T) {
	od := "{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100, minHealthPercent: 10, baseEjectionTime: 300s}"
	route := func(more string) string {
		return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  http: [{route: [{destination: {host: mydb.com}}], ` + more + "}]\n"
	}
	for _, c := range []struct{ name, fault, more, code string }{
		{"a refused connection is no connect timeout", "refuse: true", rule(od+"}") + route("timeout: 1s, retries: {attempts: 0}"), "connect-timeout"},
		{"answers need no timeout", "status: 503", rule(od+"}") + route("retries: {attempts: 0}"), "no-timeout"},
		{"panic that never comes", "status: 503", rule(strings.Replace(od, "Errors: 1", "Errors: 500", 1)+"}") + route("retries: {attempts: 0}"), "panic"},
		{"one attempt is one strike", "status: 503", rule(od+"}") + route("retries: {attempts: 2, retryOn: connect-failure}"), "retries-strike"},
		{"gateway errors are counted", "status: 503", rule("{outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, maxEjectionPercent: 50}}"), "gateway-errors-only"},
		{"the round robin is of one host", "refuse: true", rule("{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 0}}"), "round-robin-lock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := scene(t, load(t, recipe(`[{address: east.x, locality: us-east1/a}]`, c.fault, c.more)), "")
			if got, ok := cause(d, c.code); ok || d.impact.Outcome != result.TotalLoss {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// retries-hide says how many attempts were hidden, and how many errors there
// would be: one for the request that ejects the host.
func TestRetriesHide(t *testing.T) {
	d := scene(t, load(t, recipe(twoRegions, "refuse: true", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s}}"))), "")
	c, ok := cause(d, "retries-hide")
	if !ok || c.Fix != nil || !strings.Contains(c.Message, "hid 1 failed attempt of 1 request") || !strings.Contains(c.Message, "without them 1 more would have failed") {
		t.Errorf("got %+v", c)
	}
}

// On a port that is not HTTP the proxy sees connections: that is told, and
// nothing is predicted.
func TestTLSPassThrough(t *testing.T) {
	text := strings.NewReplacer("http://mydb.com/", "https://mydb.com/", "{number: 80, name: http, protocol: HTTP}", "{number: 443, name: tls, protocol: TLS}").
		Replace(recipe(twoRegions, "status: 500", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}}")))
	in := load(t, text)
	d, err := schedule.New(in, schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := harness.Plan(d)
	if p.Verdict != result.Inconclusive {
		t.Errorf("the verdict is %s", p.Verdict)
	}
	if len(p.Causes) != 1 || p.Causes[0].Code != "tls-pass-through" || p.Causes[0].Field != "spec.ports[0].protocol" {
		t.Errorf("got %+v", p.Causes)
	}
	found := false
	for _, l := range explain.Lint(in, istio.DefaultProfile()) {
		found = found || l.Code == "tls-pass-through" && l.Severity == explain.SeverityInfo
	}
	if !found {
		t.Error("lint does not know it")
	}
}

// What istiod refuses is repaired where that makes the drill pass.
func TestRefusals(t *testing.T) {
	d, err := schedule.New(inputs(t, "scenarios/policy/refused-percentage.yaml")[0], schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fixed, c, ok := explain.RepairRefusal(d.Compile())
	if !ok || c.Code != "rejected" {
		t.Fatalf("not repaired: %+v", c)
	}
	if im := play(t, fixed).impact; im.Outcome != result.FailsOver {
		t.Errorf("repaired, it %s", im.Outcome)
	}
	// Two refusals are one change; the drill without the rule is no failover, and the change is not confirmed.
	in := load(t, recipe(twoRegions, "status: 503", rule("{outlierDetection: {maxEjectionPercent: 10, minHealthPercent: 300, interval: 0s}}")))
	d, err = schedule.New(in, schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c2 := d.Compile()
	cs := explain.Refusals(c2)
	if len(cs) != 2 || cs[0].Fix == nil || len(cs[0].Fix.Edits) != 2 || cs[0].Fix.Confirmed {
		t.Errorf("got %+v", cs)
	}
	if _, _, ok := explain.RepairRefusal(c2); ok {
		t.Error("a change that does not pass was made")
	}
}

// A timeout that is proposed leaves good answers alone.
func TestATimeoutAboveGoodAnswers(t *testing.T) {
	text := strings.Replace(recipe(twoRegions, "hang: headers", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}}")),
		"  timeline:", "  upstreams: [{name: east, address: east.x, latency: 800ms}, {name: west, address: west.x, latency: 800ms}]\n  timeline:", 1)
	d := scene(t, load(t, text), "")
	if c, ok := cause(d, "no-timeout"); !ok || c.Fix == nil || c.Fix.To != "5s" {
		t.Errorf("good answers take 800ms: got %+v, fix %+v", c, c.Fix)
	}
}

// One request struck twice, and the host had to go anyway: nothing is better
// without the retries.
func TestNoStrikesSaved(t *testing.T) {
	od := "{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s}}"
	d := scene(t, load(t, recipe(`[{address: east.x, locality: us-east1/a}, {address: west.x, locality: us-west1/b}]`, "status: 503", rule(od)+`---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  http: [{route: [{destination: {host: mydb.com}}], retries: {attempts: 5, retryOn: "503", retryIgnorePreviousHosts: false, backoff: 1ms}}]
`)), "")
	if d.impact.Errors != 0 {
		t.Fatalf("%d errors; the retries should hide all", d.impact.Errors)
	}
	if c, ok := cause(d, "retries-strike"); ok {
		t.Errorf("got %+v", c)
	}
}

// An answer of 503 is not retried: the one request that met the host failed, and
// nothing was hidden.
func TestNothingHidden(t *testing.T) {
	d := scene(t, load(t, recipe(twoRegions, "status: 503", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s}}"))), "")
	if d.impact.Errors != 1 || d.impact.Outcome != result.FailsOver {
		t.Fatalf("%s with %d errors", d.impact.Outcome, d.impact.Errors)
	}
	if c, ok := cause(d, "retries-hide"); ok {
		t.Errorf("got %+v", c)
	}
}
