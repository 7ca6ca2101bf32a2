package check_test

import (
	"fmt"
	"testing"

	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
)

// sec is an offset in seconds.
func sec(s float64) trace.Sec { return trace.Sec(s * 1e9) }

// east and west are the upstreams of hand-written traces; hosts 0 and 1 are theirs.
const (
	east = int32(0)
	west = int32(1)
)

// hand is a trace of 20 s: east is local with priority 0, west has priority 1;
// the client is a.
func hand() *trace.Trace {
	return &trace.Trace{
		Run: trace.Run{Schema: trace.Schema, Scenario: "hand", Backend: "model", Scale: 1, Duration: sec(20), Clients: []string{"a", "b"}, Upstreams: []string{"east", "west"}},
		Hosts: []trace.Host{
			{Index: 0, Upstream: east, Cluster: "c", Address: "198.18.0.1:80", Locality: "us-east1", Priority: 0, Weight: 1},
			{Index: 1, Upstream: west, Cluster: "c", Address: "198.18.1.1:80", Locality: "us-west/a", Priority: 1, Weight: 1},
		},
		Loads: []trace.Load{{Cluster: "c", Percent: []int32{100, 0}, Panic: []bool{false, false}}},
		Ended: true,
	}
}

// answer adds a request of client a at an instant that the host answers.
func answer(t *trace.Trace, at float64, host int32, status int32) {
	request(t, at, 0, host, status, 0)
}

// request adds a request with one attempt.
func request(t *trace.Trace, at float64, client, host, status int32, flags trace.Flags) {
	n := int32(0)
	for _, r := range t.Requests {
		if r.Client == client {
			n++
		}
	}
	done := sec(at + 0.001)
	r := trace.Request{At: sec(at), Sent: sec(at), Done: done, Client: client, N: n, Status: status, Host: host, Upstream: t.UpstreamOf(host), Attempts: 1, Flags: flags}
	if host >= 0 {
		t.Add(trace.Attempt{At: sec(at), Done: done, Client: client, Request: n, N: 1, Host: host, Status: status, Charged: status >= 500})
	}
	t.Add(r)
}

// broke adds the first step: east refuses connections.
func broke(t *trace.Trace, at float64, witness string) {
	t.Add(trace.Step{At: sec(at), Kind: "fault", Name: "east-refuse", Upstream: east, Done: sec(at), Witness: witness, Witnessed: sec(at)})
}

// failsOver is one request a second: east until 10 s, then two errors, then west.
func failsOver() *trace.Trace {
	t := hand()
	for i := range 10 {
		answer(t, float64(i), 0, 200)
	}
	broke(t, 9.5, "refused")
	request(t, 10, 0, 0, 503, trace.FlagUF|trace.FlagURX)
	request(t, 11, 0, 0, 503, trace.FlagUF|trace.FlagURX)
	t.Add(trace.Change{At: sec(11.001), Host: 0, Event: trace.Ejected, Cause: "consecutive_5xx", Until: sec(30), Ejections: 1})
	t.Add(trace.Load{At: sec(11.5), Cluster: "c", Percent: []int32{0, 100}, Panic: []bool{false, false}})
	for i := 12; i < 20; i++ {
		answer(t, float64(i), 1, 200)
	}
	for _, at := range []float64{5, 15} {
		check := "OK"
		if at > 11 {
			check = "FAILED"
		}
		t.Add(trace.Endpoints{At: sec(at), Rows: []trace.Row{
			{Host: 0, Upstream: east, Address: "198.18.0.1:80", Priority: 0, Status: "HEALTHY", OutlierCheck: check, Ejections: int32(len(check) / 6), Cluster: "c"},
			{Host: 1, Upstream: west, Address: "198.18.1.1:80", Priority: 1, Status: "HEALTHY", OutlierCheck: "OK", Cluster: "c"},
		}})
	}
	return t
}

// expectation reads one as scenarios have it: {errors: 0}.
func expectation(t testing.TB, yaml string) scenario.Expectation {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: one}
spec:
  duration: 20s
  clients: [{name: a, locality: us-east1, traffic: {url: "http://mydb.com/"}}, {name: b, traffic: {url: "http://mydb.com/"}}]
  upstreams: [{name: east, address: e.x, ports: [80]}, {name: west, address: w.x, ports: [80]}]
  expect:
  - %s
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints: [{address: e.x, locality: us-east1}, {address: w.x, locality: us-west/a}]
`, yaml)
	return load(t, text).Scenario.Spec.Expect[0]
}
