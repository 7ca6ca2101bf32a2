package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
)

func load(t testing.TB, text string) *scenario.Input {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	files := scenario.Disk()
	in, err := scenario.Load(files, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return in[0]
}

func TestJudge(t *testing.T) {
	pass, fail, inconclusive := result.Pass, result.Fail, result.Inconclusive
	for _, c := range []struct {
		expect string
		want   result.Verdict
		seen   string // in what was observed, or in the evidence
	}{
		// Shares: of the answered requests; a failure belongs to nobody.
		{`{name: x, during: [0s, 9.5s], share: {east: 100%}}`, pass, "east: 100% (10 of 10)"},
		{`{name: x, during: [0s, 9.5s], share: {west: 0%}}`, pass, "west: 0% (0 of 10)"},
		{`{name: x, during: [9.5s, 20s], share: {west: 100%}}`, pass, "west: 100% (8 of 8)"},
		{`{name: x, during: [0s, 20s], share: {west: 100%}}`, fail, "west: 44.4% (8 of 18)"},
		{`{name: x, during: [10s, 12s], share: {west: 100%}}`, inconclusive, "no request to count"},
		{`{name: x, during: [0s, 9.5s], share: {"locality:us-east1": 100%}}`, pass, "locality:us-east1: 100%"},
		{`{name: x, during: [12s, 20s], share: {"locality:us-west/a": 100%}}`, pass, "100% (8 of 8)"},
		{`{name: x, during: [12s, 20s], share: {"priority:1": 100%, "priority:0": 0%}}`, pass, "priority:1: 100%"},
		{`{name: x, during: [12s, 20s], share: {west: ">= 90%"}}`, pass, "west: 100%"},
		// Errors: a number is a count, a percentage is a rate.
		{`{name: x, errors: 2}`, pass, "errors: 2 of 20"},
		{`{name: x, errors: 0}`, fail, "errors: 2 of 20"},
		{`{name: x, errors: "<= 3"}`, pass, ""},
		{`{name: x, during: [9.5s, 12s], errors: 100%}`, pass, "errors: 100% (2 of 2)"},
		{`{name: x, during: [9.5s, 13s], errors: 100%}`, fail, "errors: 66.7% (2 of 3)"},
		{`{name: x, during: [0s, 9.5s], errors: 0%}`, pass, ""},
		// A window has its beginning and not its end.
		{`{name: x, during: [10s, 11s], requests: 1, errors: 1}`, pass, ""},
		{`{name: x, during: [9.1s, 10s], requests: 0}`, pass, ""},
		{`{name: x, during: [9.1s, 10s], errors: 0}`, inconclusive, "no request was due"},
		// Statuses, flags, attempts, requests.
		{`{name: x, statuses: {"503": 2, "200": 18}}`, pass, "status 503: 2 of 20"},
		{`{name: x, statuses: {"500": 1}}`, fail, "status 500: 0 of 20"},
		{`{name: x, flags: {UF: 2, URX: 2, UH: 0}}`, pass, "flag UF: 2 of 20"},
		{`{name: x, flags: {UF: 1}}`, fail, ""},
		{`{name: x, attempts: {east: 12, west: 8}}`, pass, "attempts on east: 12 of 20"},
		{`{name: x, during: [12s, 20s], attempts: {east: 0}}`, pass, ""},
		{`{name: x, requests: 20}`, pass, "20 requests"},
		{`{name: x, requests: ">= 21"}`, fail, ""},
		// The endpoint table of an instant.
		{`{name: x, at: 15s, endpoint: {upstream: east, status: HEALTHY, outlierCheck: FAILED, ejections: 1, priority: 0}}`, pass, "HEALTHY / FAILED"},
		{`{name: x, at: 5s, endpoint: {upstream: east, outlierCheck: FAILED}}`, fail, "HEALTHY / OK"},
		{`{name: x, at: 15s, endpoint: {upstream: west, priority: 0}}`, fail, "priority 1"},
		{`{name: x, at: 8s, endpoint: {upstream: east, outlierCheck: OK}}`, inconclusive, "no endpoint table was recorded at 8s"},
		{`{name: x, at: 15.4s, endpoint: {upstream: east, outlierCheck: FAILED}}`, pass, ""},
		// Events.
		{`{name: x, events: {east: {ejected: 1, returned: 0, overflow: 0}}}`, pass, "east ejected: 1"},
		{`{name: x, during: [0s, 10s], events: {east: {ejected: 1}}}`, fail, "east ejected: 0"},
		{`{name: x, events: {west: {ejected: 0}}}`, pass, ""},
		// Failover and return.
		{`{name: x, failover: "<= 3s"}`, pass, "failover after 2.5s"},
		{`{name: x, failover: "<= 2s"}`, fail, "failover after 2.5s"},
		{`{name: x, return: "<= 90s"}`, fail, "return: never"},
		// after, within, for.
		{`{name: x, after: 9.5s, within: 3s, share: {west: 100%}, errors: 0}`, pass, "from 12s on"},
		{`{name: x, after: 9.5s, within: 1s, errors: 0}`, fail, "read from 10.5s, the latest permitted moment"},
		{`{name: x, after: 5s, for: 4s, errors: 0}`, pass, "from 5s on"},
		{`{name: x, after: 5s, within: 1s, for: 8s, errors: 0}`, fail, ""},
		{`{name: x, after: 12s, share: {west: 100%}}`, pass, "from 12s on"},
		// One client of several.
		{`{name: x, client: a, requests: 20}`, pass, ""},
		{`{name: x, client: b, requests: 0}`, pass, ""},
		{`{name: x, client: b, errors: 0}`, inconclusive, "no request was due"},
		// Expressions.
		{`{name: x, cel: "window('9.5s', '12s').errors == 2"}`, pass, "true"},
		{`{name: x, cel: "window('0s', '20s').share['west'] > 0.5"}`, fail, "false"},
		{`{name: x, cel: "window('0s', '20s').slowest < 5.0 && window('0s', '20s').fastest > 0.0 && window('18s', '18s').slowest == 0.0"}`, pass, ""},
		{`{name: x, cel: "window('0s', '20s').errorRate < 0.11 && window('0s', '20s').statuses['503'] == 2"}`, pass, ""},
		{`{name: x, cel: "window('0s', '20s').flags['UF'] == 2 && window('12s', '20s').attempts['west'] == 8"}`, pass, ""},
		{`{name: x, cel: "endpoint('east', '15s').outlierCheck == 'FAILED' && endpoint('east', '15s').ejections == 1"}`, pass, ""},
		{`{name: x, cel: "endpoint('west', '15s').priority == 1 && endpoint('west', '15s').status == 'HEALTHY'"}`, pass, ""},
		{`{name: x, cel: "times('east', 'ejected').size() == 1 && times('east', 'ejected')[0] < 11.1"}`, pass, ""},
		{`{name: x, cel: "failoverAfter == 2.5 && returnAfter == -1.0"}`, pass, ""},
		{`{name: x, cel: "endpoint('east', '8s').ejections == 1"}`, inconclusive, "no endpoint of east was recorded at 8s"},
		{`{name: x, cel: "window('soon', '20s').errors == 2"}`, inconclusive, `"soon" is not a time`},
		{`{name: x, cel: "window('0s', '20s').nothing == 2"}`, inconclusive, "no such key: nothing"},
		{`{name: x, cel: "window('0s', '20s').errors"}`, inconclusive, "the expression gives 2; expected true or false"},
		// Several at once: the worst counts.
		{`{name: x, errors: 2, requests: 21}`, fail, "20 requests, errors: 2 of 20"},
		{`{name: x, during: [10s, 12s], errors: 2, share: {west: 100%}}`, inconclusive, ""},
	} {
		t.Run(c.expect, func(t *testing.T) {
			tr := failsOver()
			got := check.Judge([]scenario.Expectation{expectation(t, c.expect)}, tr, tr)[0]
			if got.Verdict != c.want || !strings.Contains(got.Observed+" "+got.Evidence, c.seen) {
				t.Errorf("got  %s: %s (%s)\nwant %s: %s", got.Verdict, got.Observed, got.Evidence, c.want, c.seen)
			}
			if got.Expected == "" || got.Name != "x" {
				t.Errorf("it is reported as %q: %q", got.Name, got.Expected)
			}
		})
	}
}

func TestJudgeNeedsAWitness(t *testing.T) {
	e := []scenario.Expectation{
		expectation(t, `{name: x, errors: 2}`),
		expectation(t, `{name: x, during: [0s, 9.5s], errors: 0}`),
		expectation(t, `{name: x, at: 15s, endpoint: {upstream: east, outlierCheck: FAILED}}`),
	}
	tr := failsOver()
	tr.Steps[0].Witness, tr.Steps[0].Error = "", "nobody looked"
	got := check.Judge(e, tr, tr)
	for i, want := range []result.Verdict{result.Inconclusive, result.Pass, result.Inconclusive} {
		if got[i].Verdict != want {
			t.Errorf("%s: got %s, want %s", got[i].Expected, got[i].Verdict, want)
		}
	}
	if got[0].Observed != "nobody saw that east-refuse at 9.5s took effect" || got[0].Evidence != "nobody looked" {
		t.Errorf("got %q (%q)", got[0].Observed, got[0].Evidence)
	}
}

func TestJudgeOfAScaledRun(t *testing.T) {
	tr := failsOver()
	fast := *tr
	fast.Run.Scale, fast.Run.Duration = 10, tr.Run.Duration/10
	for i := range fast.Steps {
		fast.Steps[i].At /= 10
		fast.Steps[i].Done /= 10
		fast.Steps[i].Witnessed /= 10
	}
	for i := range fast.Requests {
		fast.Requests[i].At /= 10
	}
	for i := range fast.Attempts {
		fast.Attempts[i].At /= 10
	}
	for i := range fast.Changes {
		fast.Changes[i].At /= 10
	}
	for i := range fast.Endpoints {
		fast.Endpoints[i].At /= 10
	}
	for _, text := range []string{
		`{name: x, during: [9.5s, 12s], requests: 2, errors: 100%}`,
		`{name: x, after: 9.5s, within: 3s, share: {west: 100%}, errors: 0}`,
		`{name: x, at: 15s, endpoint: {upstream: east, outlierCheck: FAILED}}`,
		`{name: x, failover: "2s..3s"}`,
		`{name: x, cel: "times('east', 'ejected')[0] > 11.0 && failoverAfter == 2.5 && window('9.5s', '12s').errors == 2"}`,
	} {
		if got := check.Judge([]scenario.Expectation{expectation(t, text)}, &fast, &fast)[0]; got.Verdict != result.Pass {
			t.Errorf("%s: got %s: %s (%s)", text, got.Verdict, got.Observed, got.Evidence)
		}
	}
	// Half a second of the drill is 50 ms of the run.
	e := expectation(t, `{name: x, at: 8s, endpoint: {upstream: east, outlierCheck: OK}}`)
	if got := check.Judge([]scenario.Expectation{e}, &fast, &fast)[0]; got.Verdict != result.Inconclusive {
		t.Errorf("the table three seconds away: got %s: %s", got.Verdict, got.Observed)
	}
}

func TestCompileCEL(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"window('0s', '1s').errors == 0", ""},
		{"true", ""},
		{"window('0s', '1s').errors", ""}, // dynamic: known only when it is evaluated
		{"1 + 1", "expected a condition"},
		{"'yes'", "expected a condition"},
		{"window('0s')", "no matching overload"},
		{"windo('0s', '1s').errors == 0", "undeclared reference to 'windo'"},
		{"errors == 0", "undeclared reference to 'errors'"},
		{"window('0s', '1s'", "Syntax error"},
		{"", "Syntax error"},
	} {
		err := check.CompileCEL(c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestAnExpressionCannotRunForEver(t *testing.T) {
	list := "[" + strings.Repeat("1,", 200) + "1]"
	e := scenario.Expectation{Name: "x", CEL: list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c > 0)))"}
	tr := failsOver()
	got := check.Judge([]scenario.Expectation{e}, tr, tr)[0]
	if got.Verdict != result.Inconclusive || !strings.Contains(got.Evidence, "cost limit") {
		t.Errorf("got %s: %s (%s)", got.Verdict, got.Observed, got.Evidence)
	}
}

func TestPhases(t *testing.T) {
	ps := check.Phases(failsOver())
	want := []result.Phase{
		{From: 0, To: 9.5, Requests: 10, Share: map[string]float64{"east": 1}, Statuses: map[string]int{"200": 10}, Flags: map[string]int{}},
		{From: 9.5, To: 11.5, Requests: 2, Share: map[string]float64{}, Errors: 2, Statuses: map[string]int{"503": 2}, Flags: map[string]int{"UF": 2, "URX": 2}},
		{From: 11.5, To: 20, Requests: 8, Share: map[string]float64{"west": 1}, Statuses: map[string]int{"200": 8}, Flags: map[string]int{}},
	}
	same(t, want, ps)
	tr := hand()
	tr.Add(trace.Step{At: sec(5), Done: sec(5), Kind: "config", Upstream: -1})
	same(t, []result.Phase{}, check.Phases(tr)) // nothing was sent
}

func TestCountersAndEvents(t *testing.T) {
	tr := failsOver()
	tr.Add(trace.Attempt{At: sec(13), Done: sec(13), Request: 13, N: 2, Host: 1, Result: trace.Refused, Charged: true})
	tr.Add(trace.Change{At: sec(14), Host: 1, Event: trace.OverflowEvent, Cause: "consecutive_5xx"})
	same(t, map[string]result.Counter{
		"east": {Attempts: 12, Charged: 2, Ejections: 1},
		"west": {Attempts: 9, Charged: 1, Overflow: 1, Retries: 1, ConnectFail: 1},
	}, check.Counters(tr))
	until := 30.0
	same(t, []result.Event{
		{At: 11.001, Client: "a", Upstream: "east", Address: "198.18.0.1:80", Event: "ejected", Cause: "consecutive_5xx", Until: &until},
		{At: 14, Client: "a", Upstream: "west", Address: "198.18.1.1:80", Event: "overflow", Cause: "consecutive_5xx"},
	}, check.Events(tr))
	if rows := check.EndpointTables(tr); len(rows) != 2 || rows[1].Rows[0].OutlierCheck != "FAILED" || rows[1].Rows[0].Upstream != "east" {
		t.Errorf("got %+v", rows)
	}
}
