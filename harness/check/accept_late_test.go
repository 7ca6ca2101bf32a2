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

// A tick can be as late as the machine stood still by then, all times together: each
// arms the next. One stall of the same length does not explain it, nor do those that
// came later, nor notes of the same while.
func TestAcceptLateTicksAddUp(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.retries, o.interval, o.base, o.duration = []uint32{0, 0}, xds.RoundRobin, 0, 2030*time.Millisecond, time.Second, 9*time.Second
	o.percent = 50
	o.steps = []schedule.Step{fault(4250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse, First: 1})}
	stall := func(at trace.Sec, d time.Duration) trace.Note { return trace.Stall(at*trace.Sec(time.Millisecond), d) }
	for _, c := range []struct {
		name     string
		late     time.Duration
		notes    []trace.Note
		accepted bool
	}{
		{"on time", 0, nil, true},
		{"late for no reason", 140 * time.Millisecond, nil, false},
		{"one stall of many that it takes", 140 * time.Millisecond, []trace.Note{stall(2500, 50*time.Millisecond)}, false},
		{"three stalls", 140 * time.Millisecond, []trace.Note{stall(2100, 50*time.Millisecond), stall(3500, 50*time.Millisecond), stall(4200, 40*time.Millisecond)}, true},
		{"a busy main thread and two stalls", 140 * time.Millisecond, []trace.Note{trace.Busy(trace.Sec(2100*time.Millisecond), 50*time.Millisecond), stall(3500, 50*time.Millisecond), stall(4200, 40*time.Millisecond)}, true},
		{"the same while three times", 140 * time.Millisecond, []trace.Note{stall(4200, 50*time.Millisecond), stall(4201, 50*time.Millisecond), trace.Busy(trace.Sec(4200*time.Millisecond), 50*time.Millisecond)}, false},
		{"threads waited for a processor", 140 * time.Millisecond, []trace.Note{trace.Waited(trace.Sec(2500*time.Millisecond), 80*time.Millisecond, 250*time.Millisecond), trace.Waited(trace.Sec(2750*time.Millisecond), 70*time.Millisecond, 250*time.Millisecond)}, false},
		{"two of three come later", 140 * time.Millisecond, []trace.Note{stall(2100, 50*time.Millisecond), stall(7500, 50*time.Millisecond), stall(8200, 40*time.Millisecond)}, false},
	} {
		s, tr := play(o)
		i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned })
		if at := tr.Changes[i].At; at != trace.Sec(6090*time.Millisecond) {
			t.Fatalf("the host returns at %v", at)
		}
		tr.Changes[i].At += trace.Sec(c.late)
		tr.Notes = c.notes
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("%s: %+v %s", c.name, d, why)
		}
	}
}

// The merge windows that the first answers open count from when the proxy came to the
// cluster, which of a hundred that came at once is later than what its ticks count from.
func TestAcceptWindowsFromWhenItWasRead(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.percent, o.retries, o.every, o.duration = []uint32{0, 0}, xds.RoundRobin, 50, 0, 20*time.Millisecond, 4*time.Second
	o.interval, o.merge = 30*time.Second, 2500*time.Millisecond
	o.steps = []schedule.Step{fault(2450*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse})}
	const ms = trace.Sec(time.Millisecond)
	for _, c := range []struct {
		built, read trace.Sec // read 0: with the others
		accepted    bool
	}{{0, 0, true}, {-60 * ms, -1, true}, {-60 * ms, 0, false}, {-110 * ms, -60 * ms, false}} {
		s, tr := play(o)
		out := tr.Changes[slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Ejected })].At
		if out < 2455*ms || out > 2490*ms {
			t.Fatalf("the host is ejected at %v", out)
		}
		tr.Loads[0].At, tr.Loads[0].Read = c.built, c.read
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("built at %v, read at %v: %+v %s", c.built, c.read, d, why)
		}
	}
}

// The counter of refused ejections is read every so often: when it was is no tick.
func TestAcceptRefusalsAreNoTicks(t *testing.T) {
	o := equals()
	refused, s, tr := 0, (*schedule.Schedule)(nil), (*trace.Trace)(nil)
	o.percent = 0
	s, tr = play(o)
	for i := range tr.Changes {
		if c := &tr.Changes[i]; c.Event == trace.OverflowEvent {
			c.At += trace.Sec(180 * time.Millisecond)
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("no ejection is refused")
	}
	if d, why := check.AcceptWithin(s, tr, check.Envoy); d != nil || why != "" {
		t.Errorf("%+v %s", d, why)
	}
}

// Before the workers have heard that a host left they pick it, though one with its
// address has come meanwhile, and its result is nobody's.
func TestAcceptPicksOneThatHasGone(t *testing.T) {
	o := recipe()
	o.profile, o.priorities, o.policy, o.percent, o.retries = "1.19", []uint32{0, 0, 0, 0}, xds.RoundRobin, 10, 0
	o.interval, o.base, o.merge, o.every, o.duration = 500*time.Millisecond, 500*time.Millisecond, 0, 20*time.Millisecond, 4*time.Second
	o.keepAlive = false
	o.steps = []schedule.Step{fault(2428*time.Millisecond, 1, schedule.Fault{Behaviour: schedule.Reset})}
	s := o.schedule()
	reassign(s, 0, func(i int) bool { return i == 0 || i == 3 })
	reassign(s, 0, func(i int) bool { return i < 3 })
	reassign(s, time.Millisecond, func(int) bool { return true })
	inOrder(s)
	tr := engine.PlayWith(s, engine.DefaultDelays)
	if h := tr.Attempts[0].Host; h == 0 {
		t.Fatal("the first pick is of a host that has not gone")
	}
	if d, _ := check.Accept(s, tr); d != nil {
		t.Errorf("%+v", d)
	}
}

// A merged update comes up to a step of the timers' clock early, and what the clocks of
// the logs are apart; no earlier.
func TestAcceptMergedUpdatesAStepEarly(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.retries, o.every, o.duration = []uint32{0, 1, 2}, xds.RoundRobin, 0, 70*time.Millisecond, 6*time.Second
	o.interval = 30 * time.Second
	o.steps = []schedule.Step{
		fault(2240*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse}),
		fault(2340*time.Millisecond, 1, schedule.Fault{Behaviour: schedule.Refuse}),
	}
	for _, c := range []struct {
		early    time.Duration
		accepted bool
	}{{0, true}, {4 * time.Millisecond, true}, {8 * time.Millisecond, true}, {11 * time.Millisecond, false}, {25 * time.Millisecond, false}} {
		s, tr := play(o)
		out := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return tr.Hosts[c.Host].Priority == 1 })
		due := tr.Changes[out].At + trace.Sec(time.Second)
		a := &tr.Attempts[slices.IndexFunc(tr.Attempts, func(a trace.Attempt) bool { return tr.Hosts[a.Host].Priority == 2 })]
		if a.At < due || a.At > due+trace.Sec(70*time.Millisecond) {
			t.Fatalf("the last priority is used from %v on, its update is due at %v", a.At, due)
		}
		r := &tr.Requests[slices.IndexFunc(tr.Requests, func(r trace.Request) bool { return r.N == a.Request })]
		shift := due - trace.Sec(c.early) - a.At
		a.At, a.Done, r.At, r.Sent, r.Done = a.At+shift, a.Done+shift, r.At+shift, r.Sent+shift, r.Done+shift
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("%v early: %+v %s", c.early, d, why)
		}
	}
}

// A merged update and a tick that end together come in any order: what the tick does
// is in the update, or waits for the next one.
func TestAcceptMergedUpdatesAtATick(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.percent, o.retries, o.every, o.duration = []uint32{0, 0, 0}, xds.RoundRobin, 100, 0, 20*time.Millisecond, 6*time.Second
	o.interval, o.base = 499*time.Millisecond, 700*time.Millisecond
	first := schedule.Fault{Behaviour: schedule.Status, Status: 503, First: 1}
	o.steps = []schedule.Step{fault(2030*time.Millisecond, 0, first), fault(3030*time.Millisecond, 1, first)}
	back := func(tr *trace.Trace, h int32) *trace.Change {
		return &tr.Changes[slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned && c.Host == h })]
	}
	for _, c := range []struct {
		after    time.Duration // the update
		accepted bool
	}{{-2 * time.Millisecond, true}, {time.Millisecond, true}, {3 * time.Millisecond, true}, {10 * time.Millisecond, false}} {
		s, tr := play(o)
		due := back(tr, 0).At + trace.Sec(time.Second)
		last := back(tr, 1)
		if due-last.At != trace.Sec(2*time.Millisecond) {
			t.Fatalf("the update is due at %v, the host is back at %v", due, last.At)
		}
		if !slices.ContainsFunc(tr.Attempts, func(a trace.Attempt) bool {
			return a.Host == 1 && a.At > due && a.At < due+trace.Sec(500*time.Millisecond)
		}) {
			t.Fatal("the host that is back is not used")
		}
		last.At = due + trace.Sec(c.after)
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("a tick %v after the update: %+v %s", c.after, d, why)
		}
	}
}

// Two results are counted before the main thread hears of either: one detection by
// either detector, and it hears of them in the order of the results.
func TestAcceptDetectionsOfTwoResults(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.retries, o.threshold, o.merge = []uint32{0}, xds.RoundRobin, 0, 2, 0
	o.every, o.duration, o.interval, o.base = 100*time.Millisecond, 4*time.Second, 30*time.Second, 30*time.Second
	o.steps = []schedule.Step{fault(2030*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 503})}
	o.outlier = func(od *xds.OutlierDetection) {
		od.ConsecutiveGatewayFailure, od.EnforcingConsecutiveGatewayFailure = 1, 0
	}
	for _, c := range []struct {
		apart    time.Duration // the two results
		accepted bool
	}{{0, true}, {500 * time.Microsecond, true}, {50 * time.Millisecond, false}} {
		s, tr := play(o)
		var failed []*trace.Attempt
		for i := range tr.Attempts {
			if tr.Attempts[i].Status == 503 {
				failed = append(failed, &tr.Attempts[i])
			}
		}
		// The log has one line of each detector: of the first result, and of both.
		var changes []trace.Change
		for _, ch := range tr.Changes {
			if ch.Event == trace.Ejected || ch.At < failed[1].Done {
				changes = append(changes, ch)
			}
		}
		if len(changes) != 2 {
			t.Fatalf("%d lines", len(changes))
		}
		second := failed[1]
		r := &tr.Requests[slices.IndexFunc(tr.Requests, func(r trace.Request) bool { return r.N == second.Request })]
		second.Done = failed[0].Done + trace.Sec(c.apart)
		second.At, r.At, r.Sent, r.Done = second.Done-trace.Sec(100*time.Microsecond), second.Done-trace.Sec(200*time.Microsecond), second.Done-trace.Sec(200*time.Microsecond), second.Done
		changes[0].At, changes[1].At = max(second.Done, failed[0].Done)+1, second.Done+1
		if c.apart > trace.Sec(time.Millisecond).D() {
			changes[0].At = failed[0].Done + 1
		}
		tr.Changes = changes
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("results %v apart: %+v %s", c.apart, d, why)
		}
	}
}

// The main thread can be held up between the two detections of a result, no longer than
// it can take to hear of the result.
func TestAcceptDetectionsHeldApart(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.retries, o.threshold = []uint32{0, 1}, xds.RoundRobin, 0, 2
	o.every, o.duration, o.interval, o.base = 100*time.Millisecond, 4*time.Second, 30*time.Second, 30*time.Second
	o.steps = []schedule.Step{fault(2030*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 503})}
	o.outlier = func(od *xds.OutlierDetection) {
		od.ConsecutiveGatewayFailure, od.EnforcingConsecutiveGatewayFailure = 2, 0
	}
	for _, c := range []struct {
		apart    time.Duration
		accepted bool
	}{{0, true}, {15 * time.Millisecond, true}, {40 * time.Millisecond, false}} {
		s, tr := play(o)
		if len(tr.Changes) != 2 || tr.Changes[1].Event != trace.Ejected {
			t.Fatalf("%+v", tr.Changes)
		}
		tr.Changes[1].At += trace.Sec(c.apart)
		d, why := check.AcceptWithin(s, tr, check.Envoy)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("%v apart: %+v %s", c.apart, d, why)
		}
	}
}

// Nobody sees when a tick was that did nothing: it can have been as late as the machine
// stood still, and by what each before it drifted, so that results count for it that are
// later than it was due.
func TestAcceptLateTicksThatDoNothing(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.percent, o.retries, o.threshold = []uint32{0, 0}, xds.RoundRobin, 100, 0, 100
	o.interval, o.base, o.every, o.duration = time.Second, 30*time.Second, 100*time.Millisecond, 5500*time.Millisecond
	o.outlier = func(od *xds.OutlierDetection) {
		od.FailurePercentageThreshold, od.FailurePercentageMinimumHosts, od.FailurePercentageRequestVolume = 20, 1, 3
		od.EnforcingFailurePercentage = 0
	}
	const ms = trace.Sec(time.Millisecond)
	stalls := []trace.Note{trace.Stall(1500*ms, 25*time.Millisecond), trace.Stall(2000*ms, 25*time.Millisecond), trace.Stall(2500*ms, 25*time.Millisecond)}
	tried := 0
	for host := range int32(2) {
		// One of the five results before the fourth tick is bad; of six it is too few.
		o.steps = []schedule.Step{fault(3730*time.Millisecond, host, schedule.Fault{Behaviour: schedule.Status, Status: 500, First: 1})}
		s, tr := play(o)
		if slices.ContainsFunc(tr.Attempts, func(a trace.Attempt) bool { return a.Host == host && a.Done > 3990*ms && a.Done < 4090*ms }) {
			continue // it would be in by the slack alone
		}
		tried++
		if len(tr.Changes) != 1 || tr.Changes[0].At != 4000*ms || tr.Changes[0].Cause != "failure_percentage" {
			t.Fatalf("%+v", tr.Changes)
		}
		tr.Changes = nil
		for n := range len(stalls) + 1 {
			tr.Notes = stalls[:n]
			d, why := check.AcceptWithin(s, tr, check.Envoy)
			if accepted := n == len(stalls); why != "" || (d == nil) != accepted {
				t.Errorf("after %d stalls: %+v %s", n, d, why)
			}
		}
	}
	if tried == 0 {
		t.Error("the result after the tick is always at the tick")
	}
}

// In which order picks of one instant were made makes no difference afterwards: it is one
// explanation, not one for each order.
func TestAcceptManyPicksAtOnce(t *testing.T) {
	o := recipe()
	o.priorities, o.every, o.duration, o.steps = []uint32{0, 0}, 100*time.Microsecond, 200*time.Millisecond, nil
	s, tr := play(o)
	tr = tr.Unpack()
	for _, first := range []int{20, 24} {
		at := tr.Attempts[first+3].At
		for i := first; i < first+4; i++ {
			tr.Attempts[i].At, tr.Attempts[i].Connected = at, at
			if tr.Attempts[i].Done <= at {
				t.Fatal("an attempt ends before all of its batch begin")
			}
		}
	}
	if d, why := check.Accept(s, tr); d != nil || why != "" {
		t.Errorf("%+v %s", d, why)
	}
}
