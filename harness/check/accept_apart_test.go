package check_test

import (
	"slices"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// The main thread takes the detections of one result one after the other, and another
// result can come between: Envoy 1.38 restarted the run of gateway failures, counted
// the next failure, and restarted the run of 5xx, which that failure had gone on with.
func TestAcceptAResultBetweenTwoDetections(t *testing.T) {
	o := recipe()
	o.priorities, o.retries, o.duration = []uint32{0}, 0, 8*time.Second
	o.steps = []schedule.Step{fault(2250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 503})}
	o.outlier = func(od *xds.OutlierDetection) { od.EnforcingConsecutive5xx, od.ConsecutiveGatewayFailure = 0, 2 }
	played := func() (*schedule.Schedule, *trace.Trace, []*trace.Attempt) {
		s, tr := play(o)
		var failed []*trace.Attempt
		for i := range tr.Attempts {
			if tr.Attempts[i].Status == 503 {
				failed = append(failed, &tr.Attempts[i])
			}
		}
		return s, tr, failed
	}
	by := func(tr *trace.Trace, at *trace.Attempt) int {
		return slices.IndexFunc(tr.Changes, func(c trace.Change) bool {
			return c.Cause == "consecutive_5xx" && c.At >= at.Done && c.At < at.Done+trace.Sec(time.Millisecond)
		})
	}
	s, tr, failed := played()
	i := by(tr, failed[2])
	tr.Changes = slices.Delete(tr.Changes, i, i+1)
	second, third := failed[1], failed[2]
	third.At, third.Done = second.Done+trace.Sec(100*time.Microsecond), second.Done+trace.Sec(300*time.Microsecond)
	tr.Changes[by(tr, second)].At = third.Done + 1 // the log has it after both
	if d, why := check.Accept(s, tr); d != nil || why != "" {
		t.Errorf("a failure between the two detections of the one before it: %+v %s", d, why)
	}
	s, tr, failed = played()
	i = by(tr, failed[2])
	tr.Changes = slices.Delete(tr.Changes, i, i+1)
	if d, _ := check.Accept(s, tr); d == nil {
		t.Error("a failure half a second after another that sets nothing off is accepted")
	}
}

// A result that a log has within the slack of a tick can have been in before it,
// though the line of the tick is the earlier one. One that is later can not.
func TestAcceptAResultBeforeItsTick(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.percent, o.retries, o.merge = []uint32{0, 0}, xds.RoundRobin, 50, 0, 0
	o.interval, o.base, o.every, o.duration = 2030*time.Millisecond, time.Second, 100*time.Millisecond, 6*time.Second
	o.steps = []schedule.Step{
		fault(2250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse}),
		fault(2250*time.Millisecond, 1, schedule.Fault{Behaviour: schedule.Refuse}),
	}
	for _, c := range []struct {
		after    time.Duration // the tick
		accepted bool
	}{{-20 * time.Millisecond, true}, {1500 * time.Microsecond, true}, {12 * time.Millisecond, false}} {
		s, tr := play(o)
		tick := tr.Changes[slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned })].At
		var last *trace.Attempt // before the tick, refused while the other host is out
		for i := range tr.Attempts {
			if tr.Attempts[i].Done < tick {
				last = &tr.Attempts[i]
			}
		}
		for i := range tr.Changes {
			if ch := &tr.Changes[i]; ch.Host == last.Host && ch.At >= last.Done && ch.At < tick {
				ch.At = tick + trace.Sec(c.after) + 1
			}
		}
		r := &tr.Requests[slices.IndexFunc(tr.Requests, func(r trace.Request) bool { return r.N == last.Request })]
		last.Done = tick + trace.Sec(c.after)
		last.At, r.Done = last.Done-trace.Sec(2*time.Millisecond), last.Done+1
		slices.SortStableFunc(tr.Changes, func(a, b trace.Change) int { return int(a.At - b.At) })
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("refused %v after the tick with which the other host returned: %+v %s", c.after, d, why)
		}
	}
}

// Which name of a new cluster is answered first decides whose merge windows are open,
// and nobody saw it: both are permitted, and nothing else.
func TestAcceptEitherFirstAnswer(t *testing.T) {
	o := recipe()
	o.merge, o.every, o.duration, o.retries = 2500*time.Millisecond, 100*time.Millisecond, 6*time.Second, 0
	o.steps = []schedule.Step{fault(50*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse})}
	s := o.schedule()
	learned := map[time.Duration]bool{}
	for _, first := range []int{0, 1} {
		played := o.schedule()
		l := played.Configs[0][0].Clusters[0].Localities
		l[0], l[first] = l[first], l[0] // the first one is asked for first
		tr := engine.PlayWith(played, engine.Delays{})
		if d, why := check.Accept(s, tr); d != nil || why != "" {
			t.Errorf("name %d answered first: %+v %s", first, d, why)
		}
		i := slices.IndexFunc(tr.Attempts, func(a trace.Attempt) bool { return tr.UpstreamOf(a.Host) == 1 })
		learned[tr.Attempts[i].At.D()] = true
		tr.Attempts[i+1].Host = 1 - tr.Attempts[i+1].Host
		if d, _ := check.Accept(s, tr); d == nil {
			t.Errorf("name %d answered first: the ejected host after its ejection is known is accepted", first)
		}
	}
	if len(learned) != 2 {
		t.Errorf("the ejection is known after %v; want two instants", learned)
	}
}

// A main thread that was asked for something else hears of results later, and what
// fails meanwhile sets nothing off: it is known for how long, and permitted then only.
func TestAcceptAllowsForABusyProxy(t *testing.T) {
	o := recipe()
	o.priorities, o.retries, o.duration = []uint32{0}, 0, 8*time.Second
	o.steps = []schedule.Step{fault(2250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 503})}
	o.outlier = func(od *xds.OutlierDetection) { od.EnforcingConsecutive5xx, od.ConsecutiveGatewayFailure = 0, 100 }
	for _, c := range []struct {
		name     string
		after    time.Duration // the detection that is late
		busy     time.Duration
		accepted bool
	}{
		{"idle", 0, 0, false},
		{"busy", time.Millisecond, 40 * time.Millisecond, true},
		{"not busy for long enough", time.Millisecond, 22 * time.Millisecond, false},
		{"busy at another time", time.Second, 40 * time.Millisecond, false},
		{"without a processor", 100 * time.Millisecond, -40 * time.Millisecond, true},
		{"without one for too short a time", 100 * time.Millisecond, -22 * time.Millisecond, false},
		{"without one before", 300 * time.Millisecond, -40 * time.Millisecond, false},
	} {
		s, tr := play(o)
		var failed []*trace.Attempt
		for i := range tr.Attempts {
			if tr.Attempts[i].Status == 503 {
				failed = append(failed, &tr.Attempts[i])
			}
		}
		first, second := failed[0], failed[1]
		i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.At >= second.Done })
		tr.Changes = slices.Delete(tr.Changes, i, i+1)
		second.At, second.Done = first.Done+trace.Sec(28*time.Millisecond), first.Done+trace.Sec(30*time.Millisecond)
		tr.Changes[i-1].At = first.Done + trace.Sec(35*time.Millisecond)
		at := tr.Changes[i-1].At + trace.Sec(c.after)
		switch {
		case c.busy > 0:
			tr.Notes = []trace.Note{trace.Busy(at, c.busy)}
		case c.busy < 0: // at some time of the last 200 ms
			tr.Notes = []trace.Note{trace.Waited(at, -c.busy, 200*time.Millisecond)}
		}
		if d, why := check.AcceptWithin(s, tr, check.Envoy); (d == nil) != c.accepted || why != "" {
			t.Errorf("%s: %+v %s", c.name, d, why)
		}
	}
}
