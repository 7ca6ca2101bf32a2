package check_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

func same(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
}

func TestOutcome(t *testing.T) {
	errorAt := func(tr *trace.Trace, at float64, host int32) { request(tr, at, 0, host, 503, trace.FlagUF) }
	for _, c := range []struct {
		name     string
		make     func(*trace.Trace)
		want     result.Outcome
		failover float64 // -1: never
		errors   int
	}{
		{"nothing happens", func(tr *trace.Trace) {
			for i := range 20 {
				answer(tr, float64(i), 0, 200)
			}
		}, result.NoImpact, 0, 0},
		{"what is lost was not used", func(tr *trace.Trace) {
			broke(tr, 9.5, "refused")
			for i := range 20 {
				answer(tr, float64(i), 1, 200)
			}
		}, result.NoImpact, 0.5, 0},
		{"no error, and an ejection", func(tr *trace.Trace) {
			broke(tr, 9.5, "refused")
			for i := range 20 {
				answer(tr, float64(i), int32(i/10), 200)
			}
			tr.Add(trace.Attempt{At: sec(10), Done: sec(10), Request: 10, N: 1, Host: 0, Result: trace.Refused, Charged: true})
			tr.Add(trace.Change{At: sec(10), Host: 0, Event: trace.Ejected})
		}, result.FailsOver, 0.5, 0},
		{"two errors, then none", func(tr *trace.Trace) { *tr = *failsOver() }, result.FailsOver, 2.5, 2},
		{"errors to the end", func(tr *trace.Trace) {
			broke(tr, 9.5, "refused")
			for i := range 20 {
				if i < 10 {
					answer(tr, float64(i), 0, 200)
				} else {
					errorAt(tr, float64(i), 0)
				}
			}
		}, result.NeverFailsOver, -1, 10},
		{"half of it was lost, and stays lost", func(tr *trace.Trace) {
			for i := range 20 {
				if i < 10 || i%2 == 0 {
					answer(tr, float64(i), int32(i%2), 200)
				} else {
					errorAt(tr, float64(i), 1)
				}
			}
			tr.Steps = []trace.Step{{At: sec(9.5), Kind: "fault", Upstream: west, Done: sec(9.5), Witness: "refused", Witnessed: sec(9.5)}}
		}, result.NeverFailsOver, -1, 5},
		{"all of it was lost, and part is saved", func(tr *trace.Trace) {
			broke(tr, 1.5, "refused")
			answer(tr, 0, 0, 200)
			answer(tr, 1, 0, 200)
			for i := range 60 {
				at := 2 + float64(i)*0.3
				if i%4 == 3 {
					errorAt(tr, at, 0)
				} else {
					answer(tr, at, 1, 200)
				}
			}
		}, result.Partial, -1, 15},
		{"nobody is left", func(tr *trace.Trace) {
			broke(tr, 9.5, "refused")
			for i := range 20 {
				if i < 10 {
					answer(tr, float64(i), 0, 200)
				} else {
					errorAt(tr, float64(i), int32(i%2))
				}
			}
		}, result.TotalLoss, -1, 10},
		{"two good requests at the end are no failover", func(tr *trace.Trace) {
			broke(tr, 9.5, "refused")
			for i := range 20 {
				if i < 10 || i > 17 {
					answer(tr, float64(i), 0, 200)
				} else {
					errorAt(tr, float64(i), 0)
				}
			}
		}, result.Partial, -1, 8},
		{"one error in three is not over after four good ones", func(tr *trace.Trace) {
			broke(tr, 0.5, "refused")
			for i := range 20 {
				if i%3 == 0 && i > 0 && i < 16 {
					errorAt(tr, float64(i), 0)
				} else {
					answer(tr, float64(i), min(1, int32(i)), 200)
				}
			}
		}, result.Partial, -1, 5},
		{"before the fault does not count", func(tr *trace.Trace) {
			errorAt(tr, 0, 0)
			broke(tr, 9.5, "refused")
			for i := 1; i < 20; i++ {
				answer(tr, float64(i), int32(i/10), 200)
			}
		}, result.NoImpact, 0.5, 0},
		{"a return that costs", func(tr *trace.Trace) {
			*tr = *failsOver()
			tr.Requests[16].Status, tr.Requests[16].Host, tr.Requests[16].Upstream = 503, -1, -1
			tr.Attempts[16].Host, tr.Attempts[16].Result = 0, trace.Refused
			tr.Add(trace.Change{At: sec(15.5), Host: 0, Event: trace.Returned})
			tr.Add(trace.Change{At: sec(16.001), Host: 0, Event: trace.Ejected})
			tr.Add(trace.Load{At: sec(16.5), Cluster: "c", Percent: []int32{0, 100}, Panic: []bool{false, false}})
		}, result.FailsOver, 2.5, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := hand()
			c.make(tr)
			im := check.Outcome(tr)
			failover := -1.0
			if im.FailoverAfter != nil {
				failover = *im.FailoverAfter
			}
			if im.Outcome != c.want || failover != c.failover || im.Errors != c.errors {
				t.Errorf("got  %s after %v with %d errors\nwant %s after %v with %d", im.Outcome, failover, im.Errors, c.want, c.failover, c.errors)
			}
		})
	}
}

func TestReturnErrorsAreCounted(t *testing.T) {
	tr := failsOver()
	tr.Requests[16].Status = 503
	tr.Attempts[16].Host, tr.Attempts[16].Result = 0, trace.Refused
	tr.Add(trace.Change{At: sec(15.5), Host: 0, Event: trace.Returned})
	tr.Add(trace.Change{At: sec(16.001), Host: 0, Event: trace.Ejected})
	if im := check.Outcome(tr); im.ReturnErrors != 1 || im.Errors != 3 {
		t.Errorf("got %d of %d errors; want 1 of 3", im.ReturnErrors, im.Errors)
	}
	// Without an ejection afterwards it is an error like any other.
	tr.Changes = tr.Changes[:2]
	if im := check.Outcome(tr); im.ReturnErrors != 0 || im.Errors != 3 {
		t.Errorf("got %d of %d errors; want 0 of 3", im.ReturnErrors, im.Errors)
	}
}

func TestReturnAfterIsMeasuredFromTheHeal(t *testing.T) {
	tr := failsOver()
	tr.Add(trace.Step{At: sec(14.5), Kind: "heal", Upstream: east, Done: sec(14.5), Witness: "accepted", Witnessed: sec(14.5)})
	tr.Requests[18].Host, tr.Requests[18].Upstream = 0, east
	im := check.Outcome(tr)
	if im.ReturnAfter == nil || *im.ReturnAfter != 3.5 {
		t.Errorf("got %v, want 3.5", im.ReturnAfter)
	}
	tr.Steps[1].Witness, tr.Steps[1].Witnessed = "", 0
	if im := check.Outcome(tr); im.ReturnAfter != nil {
		t.Errorf("nobody saw the heal: got %v, want nothing", *im.ReturnAfter)
	}
}
