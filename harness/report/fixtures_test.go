package report_test

import (
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

const ruleFile = "fixtures/recipes/external-failover/destinationrule.yaml"

var profile131 = result.Profile{Istio: "1.31", Envoy: "1.39", IstioMark: istio.Measured, EnvoyMark: istio.FromSource}

func at(f float64) *float64 { return &f }

// asPublished is the recipe with the invalid port: five requests, each tried
// three times, nothing ejected.
func asPublished() result.Plan {
	events := []result.Event{}
	for i := range 18 {
		e := result.Event{At: 10.3 + 2*float64(i*5/18), Upstream: "east", Address: "198.18.0.1:81", Event: trace.OverflowEvent, Cause: "consecutive_5xx"}
		if i%5 == 4 {
			e.Cause = "consecutive_gateway_failure"
		}
		events = append(events, e)
	}
	return result.Plan{
		Name: "us-east1 loses dynamodb.us-east-1.amazonaws.com", Client: "us-east1", Fault: "dynamodb-us-east-1-lost",
		Profile: profile131, Seed: 1, Outcome: result.NeverFailsOver, Verdict: result.Fail, Requests: 5, ClientErrors: 5,
		Assumed: []string{
			"a client in region us-east1, namespace default, without labels (--client locality=...,namespace=...,labels=...)",
			"http://mydb.com/, 5 requests and then one every 2s for 2m0s",
			"every endpoint name resolves to one address; what is lost refuses connections",
		},
		NotModelled: []result.NotModelled{},
		Phases: []result.Phase{
			{From: 0, To: 9.5, Requests: 5, Share: map[string]float64{"east": 1}, Statuses: map[string]int{"200": 5}, Flags: map[string]int{}},
			{From: 9.5, To: 20, Requests: 5, Share: map[string]float64{}, Errors: 5, Statuses: map[string]int{"503": 5}, Flags: map[string]int{"URX": 5, "UF": 5}},
		},
		Events:   events,
		Counters: map[string]result.Counter{"east": {Attempts: 20, Charged: 15, Overflow: 18, Retries: 10, ConnectFail: 15}, "west": {}},
		Endpoints: []result.Endpoints{{At: 20, Rows: []result.Row{
			{Upstream: "east", Address: "198.18.0.1:81", Locality: "us-east1", Status: "HEALTHY", OutlierCheck: "OK"},
			{Upstream: "west", Address: "198.18.0.2:80", Locality: "us-west", Priority: 1, Status: "HEALTHY", OutlierCheck: "OK"},
		}}},
		Causes: []result.Cause{budget()},
	}
}

func budget() result.Cause {
	return result.Cause{
		Code: "maxEjectionPercent", Field: "spec.trafficPolicy.outlierDetection.maxEjectionPercent", File: ruleFile, Line: 9,
		Default: "10", Since: "Envoy 1.28 (Istio 1.20)",
		Message: "maxEjectionPercent (not set, default 10 %) of 2 hosts = 0 ejections: a failing endpoint is never taken out, and traffic stays on its priority; " +
			"since Envoy 1.28 (Istio 1.20) the first ejection has to fit too",
		Fix: &result.Fix{Field: "spec.trafficPolicy.outlierDetection.maxEjectionPercent", To: "100", Confirmed: true},
	}
}

// fixed is the recipe with maxEjectionPercent 100.
func fixed() result.Plan {
	p := asPublished()
	p.Outcome, p.Verdict, p.ClientErrors, p.Causes = result.FailsOver, result.Pass, 0, []result.Cause{}
	p.Requests = 61
	p.FailoverAfter = at(0)
	p.Phases = []result.Phase{
		p.Phases[0],
		{From: 9.5, To: 84.5, Requests: 38, Share: map[string]float64{"west": 1}, Statuses: map[string]int{"200": 38}, Flags: map[string]int{}},
		{From: 84.5, To: 130, Requests: 23, Share: map[string]float64{"west": 1}, Statuses: map[string]int{"200": 23}, Flags: map[string]int{}},
	}
	p.Events = []result.Event{
		{At: 10.3, Upstream: "east", Address: "198.18.0.1:81", Event: trace.Ejected, Cause: "consecutive_5xx", Until: at(84.5)},
		{At: 84.5, Upstream: "east", Address: "198.18.0.1:81", Event: trace.Returned},
		{At: 86.3, Upstream: "east", Address: "198.18.0.1:81", Event: trace.Ejected, Cause: "consecutive_5xx", Until: at(219.5)},
	}
	p.Counters = map[string]result.Counter{"east": {Attempts: 7, Charged: 2, Ejections: 2, ConnectFail: 2}, "west": {Attempts: 61, Retries: 2}}
	p.Endpoints = []result.Endpoints{{At: 130, Rows: []result.Row{
		{Upstream: "east", Address: "198.18.0.1:81", Locality: "us-east1", Status: "HEALTHY", OutlierCheck: "FAILED", Ejections: 2},
		{Upstream: "west", Address: "198.18.0.2:80", Locality: "us-west", Priority: 1, Status: "HEALTHY", OutlierCheck: "OK"},
	}}}
	return p
}

func noImpact() result.Plan {
	p := fixed()
	p.Name, p.Outcome, p.Events = "us-east1 loses dynamodb.us-west-1.amazonaws.com", result.NoImpact, []result.Event{}
	return p
}

// plainYAML is what plan says of the recipe's folder: four drills of two clients.
func plainYAML() []result.Plan {
	ps := []result.Plan{asPublished(), noImpact(), noImpact(), asPublished()}
	ps[2].Name = "us-west loses dynamodb.us-east-1.amazonaws.com"
	ps[3].Name = "us-west loses dynamodb.us-west-1.amazonaws.com"
	for i := range ps[2:] {
		ps[i+2].Assumed = append([]string{"a client in region us-west, namespace default, without labels (--client locality=...,namespace=...,labels=...)"}, ps[i+2].Assumed[1:]...)
	}
	return ps
}

// played is the recipe as a trace: one request every two seconds, east on an
// invalid port from 9.5 s on. Fixed, east is ejected for 60 s and then 120 s.
func played(backend string, fixed bool, duration, scale float64) *trace.Trace {
	sec := func(f float64) trace.Sec { return trace.Sec(f / scale * 1e9) }
	t := &trace.Trace{Run: trace.Run{
		Schema: trace.Schema, Scenario: "external-failover", Backend: backend, Istio: "1.31", Envoy: "1.39", Seed: 1, Scale: scale,
		Duration: sec(duration), Clients: []string{"sleep"}, Upstreams: []string{"east", "west"},
	}, Ended: true}
	const cluster = "outbound|80||mydb.com"
	t.Hosts = []trace.Host{
		{Index: 0, Upstream: 0, Cluster: cluster, Address: "198.18.0.1:80", Locality: "us-east1", Weight: 1},
		{Index: 1, Upstream: 1, Cluster: cluster, Address: "198.18.0.2:80", Locality: "us-west", Priority: 1, Weight: 1},
		{At: sec(9.5), Index: 2, Upstream: 0, Cluster: cluster, Address: "198.18.0.1:81", Locality: "us-east1", Weight: 1},
	}
	t.Steps = []trace.Step{{At: sec(9.5), Kind: "config", Name: "apply ../../fixtures/recipes/external-failover-invalid-port/", Upstream: -1, Done: sec(9.5), Witness: "virtual time", Witnessed: sec(9.5)}}
	t.Loads = []trace.Load{{At: sec(9.5), Cluster: cluster, Percent: []int32{100, 0}, Panic: []bool{false, false}}}
	change := func(f float64, event string, until float64) {
		t.Changes = append(t.Changes, trace.Change{At: sec(f), Host: 2, Event: event, Cause: "consecutive_5xx", Until: sec(until)})
	}
	returns := 84.5
	for n := int32(0); ; n++ {
		f := 0.3 + 2*float64(n)
		if f >= duration {
			break
		}
		r := trace.Request{At: sec(f), Sent: sec(f), Done: sec(f), N: n, Status: 200, Host: 0, Upstream: 0, Attempts: 1}
		switch {
		case f < 9.5:
		case !fixed:
			r.Status, r.Host, r.Upstream, r.Attempts, r.Flags = 503, -1, -1, 3, trace.FlagURX|trace.FlagUF
			for range 3 {
				change(f, trace.OverflowEvent, 0)
			}
		default:
			r.Host, r.Upstream = 1, 1
			if f < 11 {
				r.Attempts = 2
				change(f, trace.Ejected, returns)
			} else if f > returns && f < returns+2 {
				r.Attempts = 2
				change(returns, trace.Returned, 0)
				change(f, trace.Ejected, 219.5)
			}
		}
		t.Requests = append(t.Requests, r)
	}
	return t
}

// withFaults has three faults of which two are healed, and two clients' worth
// of half-hearted failover.
func withFaults() *trace.Trace {
	t := played("model", false, 120, 1)
	t.Hosts[2].At, t.Changes, t.Loads = 0, nil, nil
	t.Run.Upstreams = []string{"dynamodb-us-east-1", "dynamodb-us-west-1", "dynamodb-eu-central-1-with-a-long-name"}
	s := func(f float64) trace.Sec { return trace.Sec(f * 1e9) }
	t.Steps = []trace.Step{
		{At: s(10), Kind: "fault", Name: "fault east-refuse", Upstream: 0, Done: s(10), Witness: "x"},
		{At: s(30), Kind: "fault", Name: "fault flaky", Upstream: 1, Done: s(30), Witness: "x"},
		{At: s(50), Kind: "heal", Name: "heal east-refuse", Upstream: 0, Done: s(50), Witness: "x"},
		{At: s(55), Kind: "heal", Name: "all well", Upstream: 1, Done: s(55), Witness: "x"},
		{At: s(110), Kind: "fault", Name: "fault a fault with quite a long name near the end", Upstream: 1, Done: s(110), Witness: "x"},
		{At: s(100), Kind: "config", Name: "apply a", Upstream: -1, Done: s(100), Witness: "x"},
	}
	t.Requests = nil
	for n := int32(0); n < 960; n++ {
		f := float64(n) / 8
		r := trace.Request{At: s(f), N: n, Status: 200, Host: n % 2, Upstream: n % 2}
		if f > 10 && f < 50 && n%2 == 0 {
			if f < 20 {
				r.Status, r.Host, r.Upstream = 503, -1, -1
			} else {
				r.Host, r.Upstream = 1, 1
			}
		}
		if f > 110 && n%3 == 0 {
			r.Status, r.Host, r.Upstream = 503, -1, -1
		}
		t.Requests = append(t.Requests, r)
	}
	t.Hosts = append(t.Hosts, trace.Host{Index: 3, Upstream: 0, Cluster: "c", Address: "198.18.0.9:80"})
	t.Changes = []trace.Change{
		{At: s(20), Host: 0, Event: trace.Ejected, Until: s(52)},
		{At: s(22), Host: 2, Event: trace.Ejected, Until: s(52)},
		{At: s(24), Host: 3, Event: trace.Ejected, Until: s(54)},
		{At: s(52), Host: 0, Event: trace.Returned},
		{At: s(52), Host: 2, Event: trace.Returned},
		{At: s(60), Host: 3, Event: trace.Returned},
	}
	return t
}

func exp(name string, v result.Verdict, expected, observed, evidence string) result.Expectation {
	return result.Expectation{Name: name, Verdict: v, Expected: expected, Observed: observed, Evidence: evidence}
}

func runOf(p result.Plan, scenario, backend string) result.Run {
	return result.Run{
		Scenario: scenario, File: "scenarios/failover/" + scenario + ".yaml", Backend: backend, Profile: p.Profile, Seed: p.Seed, Scale: 1,
		Verdict: result.Pass, Outcome: p.Outcome, Requests: p.Requests, ClientErrors: p.ClientErrors, FailoverAfter: p.FailoverAfter,
		Phases: p.Phases, Events: p.Events, Counters: p.Counters, Endpoints: p.Endpoints, Causes: p.Causes, NotModelled: p.NotModelled,
		ConfigDifferences: []string{}, Folder: ".faildrill/runs/20260801T101500-" + scenario,
		Replay: "faildrill replay .faildrill/runs/20260801T101500-" + scenario,
	}
}

func passing(backend string) result.Run {
	r := runOf(fixed(), "external-failover-fixed", backend)
	r.Expectations = []result.Expectation{
		exp("local first", result.Pass, "share of east 100%, errors 0 during [0s, 10s)", "east 100.0 % of 5, 0 errors in 5", ""),
		exp("fails over", result.Pass, "share of west 100% after 10s within 5s for 45s", "west 100.0 % of 22", "from 10.0 s on"),
		exp("east is out", result.Pass, "east: HEALTHY, outlier check FAILED at 20s", "HEALTHY, FAILED", ""),
	}
	return r
}

// scaled shrinks the times of a run as playing it faster does.
func scaled(r result.Run, n float64) result.Run {
	r.Scale = n
	r.Phases = append([]result.Phase{}, r.Phases...)
	for i := range r.Phases {
		r.Phases[i].From /= n
		r.Phases[i].To /= n
	}
	r.Events = append([]result.Event{}, r.Events...)
	for i := range r.Events {
		r.Events[i].At /= n
		if u := r.Events[i].Until; u != nil {
			r.Events[i].Until = at(*u / n)
		}
	}
	return r
}

func failing(backend string) result.Run {
	r := runOf(asPublished(), "external-failover-invalid-port", backend)
	r.Verdict = result.Fail
	r.Expectations = []result.Expectation{
		exp("local first", result.Pass, "share of east 100%, errors 0 during [0s, 10s)", "east 100.0 % of 5, 0 errors in 5", ""),
		exp("fails over", result.Fail, "share of west 100%, errors 0 after 10s within 5s for 45s", "nothing was answered, 3 errors in 3", "read from 15.0 s, the latest permitted moment"),
		exp("east is out", result.Fail, "east: HEALTHY, outlier check FAILED at 20s", "HEALTHY, OK", ""),
	}
	return r
}

func inconclusive() result.Run {
	r := runOf(fixed(), "weighted-split", "envoy")
	r.Verdict, r.Outcome = result.Inconclusive, result.NoImpact
	r.Expectations = []result.Expectation{
		exp("three to one", result.Inconclusive, "share of east 75%", "east 71.0 % of 31", "31 requests bound the share to 46 - 89 %, wider than 10 points"),
	}
	return r
}

func diverging() result.Run {
	r := passing("envoy")
	r.Scenario, r.Verdict = "least-request", result.Error
	r.Divergence = &result.Divergence{
		At: 12.3, Decision: "host of attempt 2 of request 6 of sleep", Permitted: "west (the only host that is left after previous_hosts)", Observed: "east 198.18.0.1:81",
	}
	r.ConfigDifferences = []string{"cluster outbound|80||mydb.com: outlier_detection.max_ejection_percent predicted 100, observed 10"}
	return r
}

func skipped() result.Run {
	return result.Run{Scenario: "blackhole", Backend: "inproc", Verdict: result.Skip, Reason: "inproc lacks blackhole: a loopback socket cannot drop packets", Expectations: []result.Expectation{}}
}

func broken() result.Run {
	return result.Run{Scenario: "blackhole", Backend: "kind", Verdict: result.Error, Reason: "no kind cluster: docker is not running", Profile: profile131, Seed: 7}
}

func suite() []result.Run {
	return []result.Run{
		passing("model"), passing("inproc"), passing("envoy"),
		failing("model"), failing("inproc"),
		inconclusive(), diverging(), skipped(), broken(),
	}
}

func suiteTraces(i int) (prediction, observed *trace.Trace) {
	switch i {
	case 3:
		return played("model", false, 20, 1), nil
	case 4:
		return played("model", false, 20, 1), played("inproc", false, 20, 1)
	case 6:
		return played("model", true, 130, 1), played("envoy", true, 130, 1)
	}
	return nil, nil
}

// gallery is one plan of each kind that the recipe does not show.
func gallery() []result.Plan {
	expected := asPublished()
	expected.Name, expected.Client, expected.Fault, expected.Verdict = "external-failover-invalid-port", "sleep in us-east1", "apply ../../fixtures/recipes/external-failover-invalid-port/", result.Pass
	expected.Expectations = []result.Expectation{
		exp("local first", result.Pass, "share of east 100% during [0s, 10s)", "east 100.0 % of 5", ""),
		exp("does not fail over", result.Pass, "errors 100% after 10s", "5 errors in 5", ""),
	}
	missed := fixed()
	missed.Name, missed.Verdict = "external-failover-fixed", result.Fail
	missed.Expectations = []result.Expectation{exp("", result.Fail, "errors 0", "2 errors in 66", ""), exp("b", result.Pass, "x", "", "")}

	partial := asPublished()
	partial.Name, partial.Outcome, partial.Requests, partial.ClientErrors = "eu loses one of three", result.Partial, 200, 1
	partial.Events = nil
	for i := range 20 {
		for _, c := range []string{"sleep-a", "sleep-b"} {
			partial.Events = append(partial.Events,
				result.Event{At: float64(10 + 5*i), Client: c, Upstream: "east", Address: "198.18.0.1:80", Event: trace.Ejected, Until: at(float64(12 + 5*i)), Cause: "gateway"},
				result.Event{At: float64(12 + 5*i), Client: c, Upstream: "east", Address: "198.18.0.1:80", Event: trace.Returned})
		}
	}
	partial.Events = append(partial.Events, result.Event{At: 111, Client: "sleep-a", Upstream: "east", Address: "198.18.0.2:80", Event: trace.Detected})
	partial.NotModelled = []result.NotModelled{
		{File: "dr.yaml", Line: 30, Field: "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
		{File: "dr.yaml", Line: 12, Field: "spec.trafficPolicy.tunnel", Decides: true, Why: "a tunnel changes who connects"},
	}
	partial.Phases = []result.Phase{{From: 0, To: 120, Requests: 200, Errors: 1, Share: map[string]float64{"east": 0.004, "west": 0.498, "north": 0.498}, Statuses: map[string]int{"0": 1, "200": 199}}}
	partial.Counters["north"] = result.Counter{Attempts: 3}
	partial.Causes = []result.Cause{{
		Code: "no-outlier-detection", Field: "spec.trafficPolicy.outlierDetection", File: "dr.yaml", Line: 8, Default: "none", Message: "no outlierDetection: a failing endpoint is never taken out",
		Fix: &result.Fix{Field: "spec.trafficPolicy.outlierDetection", To: "{maxEjectionPercent: 100}", Edits: []result.Edit{
			{Resource: "DestinationRule default/a", Field: "spec.trafficPolicy.outlierDetection", To: "{maxEjectionPercent: 100}"},
			{Resource: "ServiceEntry default/a", Field: "spec.endpoints[0].locality", To: "us-east1"},
		}},
	}, {
		Code: "threshold-not-reached", Field: "spec.trafficPolicy.outlierDetection.consecutive5xxErrors", File: "dr.yaml", Line: 9, Since: "Envoy 1.10",
		Message: "consecutive5xxErrors 5: 8 failures were charged, and never 5 in a row on one host, so that nothing was ejected",
		Fix:     &result.Fix{Field: "spec.trafficPolicy.outlierDetection.consecutive5xxErrors", From: "5", To: "1", Confirmed: true}, ErrorsAvoided: new(8),
	}}
	cost := fixed()
	cost.Name, cost.ClientErrors, cost.ReturnErrors, cost.ReturnAfter = "us-east1 loses locality us-east1 (3 endpoints)", 3, 2, at(30.8)
	lost := asPublished()
	lost.Name, lost.Outcome, lost.Causes = "us-east1 loses everything", result.TotalLoss, nil
	rejected := result.Plan{Name: "us-east1 loses a", Outcome: result.Rejected, Verdict: result.Fail, Profile: profile131, Problems: []string{"DestinationRule default/a: baseEjectionTime must be at least 1ms", "second problem"}}
	standing := noImpact()
	standing.Causes = []result.Cause{{
		Code: "endpoint-without-locality", Field: "spec.endpoints[1].locality", File: "se.yaml", Line: 14, Default: "none",
		Message: "endpoint dynamodb.us-west-1.amazonaws.com has no locality: for a client in us-east1 it ranks with the other regions, priority 1",
		Fix:     &result.Fix{Field: "spec.endpoints[1].locality", To: "us-east1", Confirmed: true},
	}}
	return []result.Plan{expected, missed, partial, cost, lost, rejected, standing, {Name: "nothing"}}
}
