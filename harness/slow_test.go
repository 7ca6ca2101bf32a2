package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
)

// A run that cannot be held against the model is played again when the machine
// stood still in it, and stays inconclusive when it did not.
func TestBlame(t *testing.T) {
	for _, c := range []struct {
		stall time.Duration
		slow  bool
	}{{0, false}, {time.Millisecond, false}, {40 * time.Millisecond, true}} {
		tr := &trace.Trace{}
		if c.stall > 0 {
			tr.Add(trace.Stall(0, c.stall))
		}
		p := Played{Run: result.Run{Verdict: result.Inconclusive, Reason: blame("there are many explanations", tr)}}
		if p.TooSlow() != c.slow || !strings.Contains(p.Reason, "many explanations") {
			t.Errorf("a stall of %v: %q, too slow %v, want %v", c.stall, p.Reason, p.TooSlow(), c.slow)
		}
	}
}

// What a run leaves open because the machine stood still is played again, like what
// it fails for that; what chance leaves open is not.
func TestOpenBecauseItStoodStill(t *testing.T) {
	in, err := scenario.Load(scenario.Files{Stdin: strings.NewReader(flaky)}, []string{"-"})
	if err != nil {
		t.Fatal(err)
	}
	drills, err := Drills(in, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := drills[0]
	c := d.Compile()
	traces := map[result.Verdict]*trace.Trace{}
	for seed := uint64(1); len(traces) < 2 && seed < 100; seed++ {
		s := *c.Schedule
		s.Seed = seed
		tr := engine.Predict(&s)
		v := verdict(check.Judge(expectations(d), tr, tr), check.Outcome(tr).Outcome)
		if traces[v] == nil {
			traces[v] = tr
		}
	}
	open := traces[result.Inconclusive]
	if open == nil || traces[result.Pass] == nil {
		t.Fatal("no seed passes, or none leaves the share open")
	}
	for _, c := range []struct {
		stall time.Duration
		slow  bool
	}{{0, false}, {400 * time.Millisecond, true}} {
		tr := *open
		if c.stall > 0 {
			tr.Add(trace.Stall(trace.Sec(time.Second), c.stall))
		}
		p := Played{Prediction: traces[result.Pass], Observed: &tr, Run: result.Run{Backend: "envoy"}}
		p.judge(d, d.Compile(), d.Compile().Schedule)
		if p.Verdict != result.Inconclusive || p.TooSlow() != c.slow {
			t.Errorf("a stall of %v: %s, %q, too slow %v, want %v", c.stall, p.Verdict, p.Reason, p.TooSlow(), c.slow)
		}
	}
}

const flaky = `
apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: flaky}
spec:
  profile: "1.31"
  duration: 10s
  clients:
  - {name: sleep, locality: us-east1, traffic: {url: "http://mydb.com/", every: 10ms}}
  upstreams:
  - {name: east, address: 10.10.0.1}
  timeline:
  - {at: 0s, fault: {upstream: east, status: 500, percentage: 10}}
  expect:
  - {name: a tenth, errors: "<= 10%"}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints:
  - {address: 10.10.0.1, locality: us-east1}
`
