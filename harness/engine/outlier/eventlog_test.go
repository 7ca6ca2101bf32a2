package outlier

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

// logged is what the event log says of events, from a time of day that was measured.
func logged(cluster string, es ...Event) string {
	origin := time.Date(2026, 11, 22, 20, 18, 29, 882_000_000, time.UTC)
	out := ""
	for _, e := range es {
		if l, ok := e.Log(cluster, "127.77.19.1:8000", origin); ok {
			out += l.String() + "\n"
		}
	}
	return out
}

// The lines of Envoy 1.40.0, field by field: an ejection, an overflow (no line), a
// detection that was not enforced, a return.
func TestX29EventLog(t *testing.T) {
	d := probe(2, func(c *xds.OutlierDetection) {
		c.MaxEjectionPercent, c.Interval, c.BaseEjectionTime = 50, time.Second, time.Second
	})
	ms := int64(time.Millisecond)
	es := answers(d, 887*ms, 0, 500)
	es = append(es, answers(d, 900*ms, 1, 500)...)
	d.OnInterval(&dice{}, quiet)
	d.OnInterval(&dice{}, func(e Event) { es = append(es, e) })
	es = append(es, answers(d, 2500*ms, 0, 500)...)
	b := probe(1, func(c *xds.OutlierDetection) { c.EnforcingConsecutive5xx = 0 })
	want := `{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:30.769Z","cluster_name":"a","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":1,"enforced":true,"eject_consecutive_event":{}}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:31.882Z","secs_since_last_action":"1","cluster_name":"a","upstream_url":"127.77.19.1:8000","action":"UNEJECT","num_ejections":1,"enforced":false}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:32.382Z","secs_since_last_action":"0","cluster_name":"a","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":2,"enforced":true,"eject_consecutive_event":{}}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:30.882Z","cluster_name":"b","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":0,"enforced":false,"eject_consecutive_event":{}}
`
	got := logged("a", es...) + logged("b", answers(b, 1000*ms, 0, 500)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := len(es); n != 4 || d.Stats().Overflow != 1 {
		t.Errorf("%d events with %d overflows, want 4 with 1", n, d.Stats().Overflow)
	}
}

// The lines of the other detectors: rates are whole percent, cut; the second
// ejection of one tick has its own number; a degradation is an ejection of its
// own type that counts no ejection, and ends as one.
func TestEventLogOfRates(t *testing.T) {
	d := probe(9, func(c *xds.OutlierDetection) {
		c.Consecutive5xx, c.ConsecutiveGatewayFailure, c.Interval, c.DetectDegradedHosts, c.BaseEjectionTime = 0, 0, time.Second, true, 2*time.Second
		c.SuccessRateRequestVolume, c.FailurePercentageRequestVolume, c.EnforcingSuccessRate, c.EnforcingFailurePercentage = 10, 10, 100, 100
	})
	for h := range int32(9) {
		answers(d, 0, h, times(10, map[bool]int{true: 500, false: 200}[h == 0])...)
	}
	es := results(d, int64(60*time.Millisecond), 1, RequestDegraded, 200)
	for range 5 {
		d.OnInterval(&dice{}, func(e Event) { es = append(es, e) })
	}
	want := `{"type":"DEGRADED","timestamp":"2026-11-22T20:18:29.942Z","cluster_name":"two","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":0,"enforced":true,"eject_consecutive_event":{}}
{"type":"SUCCESS_RATE","timestamp":"2026-11-22T20:18:30.882Z","cluster_name":"two","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":1,"enforced":true,"eject_success_rate_event":{"host_success_rate":0,"cluster_average_success_rate":88,"cluster_success_rate_ejection_threshold":29}}
{"type":"FAILURE_PERCENTAGE","timestamp":"2026-11-22T20:18:30.882Z","cluster_name":"two","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":2,"enforced":true,"eject_failure_percentage_event":{"host_success_rate":0}}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:32.882Z","cluster_name":"two","upstream_url":"127.77.19.1:8000","action":"UNEJECT","num_ejections":0,"enforced":false}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:18:34.882Z","secs_since_last_action":"4","cluster_name":"two","upstream_url":"127.77.19.1:8000","action":"UNEJECT","num_ejections":2,"enforced":false}
`
	if diff := cmp.Diff(want, logged("two", es...)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	local := Event{Verdict: Unenforced, Type: LocalOriginFailurePercentage, SinceLast: -1, At: int64(118 * time.Millisecond), Rates: Rates{Host: 12.9}}
	want = `{"type":"FAILURE_PERCENTAGE_LOCAL_ORIGIN","timestamp":"2026-11-22T20:18:30Z","cluster_name":"c","upstream_url":"127.77.19.1:8000","action":"EJECT","num_ejections":0,"enforced":false,"eject_failure_percentage_event":{"host_success_rate":12}}`
	if got := strings.TrimSpace(logged("c", local)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := logged("c", Event{Verdict: Dropped}, Event{Verdict: Overflow}); got != "" {
		t.Errorf("dropped and refused detections have lines: %s", got)
	}
}

// The names of the statistics, as GET /stats of Envoy 1.40.0 lists them.
func TestCounters(t *testing.T) {
	want := strings.Fields(`ejections_active ejections_consecutive_5xx ejections_detected_consecutive_5xx
		ejections_detected_consecutive_gateway_failure ejections_detected_consecutive_local_origin_failure ejections_detected_degradation
		ejections_detected_failure_percentage ejections_detected_local_origin_failure_percentage ejections_detected_local_origin_success_rate
		ejections_detected_success_rate ejections_enforced_consecutive_5xx ejections_enforced_consecutive_gateway_failure
		ejections_enforced_consecutive_local_origin_failure ejections_enforced_failure_percentage
		ejections_enforced_local_origin_failure_percentage ejections_enforced_local_origin_success_rate ejections_enforced_success_rate
		ejections_enforced_total ejections_overflow ejections_success_rate ejections_total`)
	seen := map[string]bool{}
	d := probe(1, nil)
	for _, c := range d.Counters() {
		if seen[c.Name] || c.Value != 0 {
			t.Errorf("%s: twice, or %d", c.Name, c.Value)
		}
		seen[c.Name] = true
	}
	for _, name := range want {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d statistics, want %d", len(seen), len(want))
	}
}
