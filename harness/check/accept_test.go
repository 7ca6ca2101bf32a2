package check_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
	"pgregory.net/rapid"
)

// The model permits what the model does, with the delays of threads and without.
func TestAcceptPermitsTheModel(t *testing.T) {
	undecided, all := 0, 0
	// Many connections that fail at one instant have many explanations.
	rapid.Check(t, func(t *rapid.T) {
		s := shapes().Draw(t, "shape").schedule()
		steps, _ := json.Marshal(s.Steps)
		t.Logf("steps %s", steps)
		for _, delays := range []engine.Delays{{}, engine.DefaultDelays} {
			tr := engine.PlayWith(s, delays)
			d, why := check.Accept(s, tr)
			if d != nil {
				t.Fatalf("delays %v: at %v: %s: permitted %s, observed %s\n%s", delays, d.At, d.Decision, d.Permitted, d.Observed, history(tr, d.At))
			}
			all++
			if why != "" {
				undecided++
			}
		}
	})
	t.Logf("%d of %d undecided", undecided, all)
	if undecided*8 > all {
		t.Errorf("%d of %d traces are undecided; Accept should decide nearly all", undecided, all)
	}
}

// The same where hosts are compared at the ticks, where only some detections are
// enforced, and where ejections have a jitter: all that is chance there is decided
// by what was observed.
func TestAcceptPermitsComparedHosts(t *testing.T) {
	undecided, all, found := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := shapes().Draw(t, "shape")
		o.every, o.duration = max(o.every/4, 10*time.Millisecond), 10*time.Second
		some := rapid.SampledFrom([]uint32{0, 50, 100})
		od := xds.DefaultOutlierDetection()
		od.SuccessRateMinimumHosts = rapid.Uint32Range(1, 3).Draw(t, "success rate hosts")
		od.SuccessRateRequestVolume = rapid.Uint32Range(1, 10).Draw(t, "success rate volume")
		od.SuccessRateStdevFactor = rapid.Uint32Range(200, 1500).Draw(t, "stdev factor")
		od.EnforcingSuccessRate = some.Draw(t, "enforcing success rate")
		od.FailurePercentageMinimumHosts = rapid.Uint32Range(1, 3).Draw(t, "failure percentage hosts")
		od.FailurePercentageRequestVolume = rapid.Uint32Range(1, 10).Draw(t, "failure percentage volume")
		od.FailurePercentageThreshold = rapid.Uint32Range(1, 100).Draw(t, "failure percentage")
		od.EnforcingFailurePercentage = some.Draw(t, "enforcing failure percentage")
		od.MaxEjectionTimeJitter = rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "jitter")
		od.Consecutive5xx = rapid.SampledFrom([]uint32{0, 3}).Draw(t, "consecutive")
		o.outlier = func(to *xds.OutlierDetection) {
			od.Interval, od.BaseEjectionTime, od.MaxEjectionPercent = to.Interval, to.BaseEjectionTime, to.MaxEjectionPercent
			*to = od
		}
		s := o.schedule()
		for _, delays := range []engine.Delays{{}, engine.DefaultDelays} {
			tr := engine.PlayWith(s, delays)
			d, why := check.Accept(s, tr)
			if d != nil {
				steps, _ := json.Marshal(s.Steps)
				t.Fatalf("steps %s\ndelays %v: at %v: %s: permitted %s, observed %s\n%s", steps, delays, d.At, d.Decision, d.Permitted, d.Observed, history(tr, d.At))
			}
			all++
			if why != "" {
				undecided++
			}
			if slices.ContainsFunc(tr.Changes, func(c trace.Change) bool { return strings.HasSuffix(c.Cause, "_rate") && c.Event == trace.Ejected }) {
				found++
			}
		}
	})
	t.Logf("%d of %d undecided, in %d a success rate ejected", undecided, all, found)
	if undecided*4 > all {
		t.Errorf("%d of %d traces are undecided; Accept should decide most", undecided, all)
	}
	if found*20 < all {
		t.Errorf("in %d of %d traces a success rate ejected; the drills show too little", found, all)
	}
}

// The first pick from a shorter list may be a retry's that was rejected: the
// counter is then one further than the host that was observed says.
func TestAcceptCountsARejectedPickFromANewList(t *testing.T) {
	o := recipe()
	o.priorities, o.policy, o.threshold, o.percent = []uint32{0, 0, 0}, xds.RoundRobin, 2, 34
	o.interval, o.base, o.merge = 500*time.Millisecond, 500*time.Millisecond, 0
	o.every, o.duration, o.seed = 599*time.Millisecond, 20*time.Second, 3
	o.steps = []schedule.Step{
		fault(5450*time.Millisecond, 2, schedule.Fault{Behaviour: schedule.Blackhole, For: trace.Sec(3 * time.Second)}),
		fault(7008*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 503}),
	}
	s, tr := play(o)
	if d, why := check.Accept(s, tr); d != nil || why != "" {
		t.Errorf("%+v %s", d, why)
	}
}

// history is what a trace did in the second around an instant.
func history(tr *trace.Trace, at float64) string {
	var b strings.Builder
	near := func(x trace.Sec) bool { return x.Seconds() > at-3 && x.Seconds() < at+0.5 }
	for _, a := range tr.Attempts {
		if near(a.Done) {
			line(&b, a)
		}
	}
	for _, c := range tr.Changes {
		if near(c.At) {
			line(&b, c)
		}
	}
	for _, l := range tr.Loads {
		if near(l.At) {
			line(&b, l)
		}
	}
	return b.String()
}

func line(b *strings.Builder, e trace.Event) {
	text, _ := trace.AppendLine(nil, e)
	b.Write(text)
}

// play is the recipe in short, with its prediction.
func play(o shape) (*schedule.Schedule, *trace.Trace) {
	s := o.schedule()
	return s, engine.PlayWith(s, engine.Delays{})
}

// equals is a shape in which two of four hosts are equally bad, and one may go.
func equals() shape {
	o := recipe()
	o.priorities, o.policy, o.percent, o.retries, o.threshold, o.every = []uint32{0, 0, 0, 0}, xds.RoundRobin, 25, 0, 0, 50*time.Millisecond
	o.steps = []schedule.Step{
		fault(250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 500}),
		fault(250*time.Millisecond, 1, schedule.Fault{Behaviour: schedule.Status, Status: 500}),
	}
	o.outlier = func(od *xds.OutlierDetection) {
		od.EnforcingSuccessRate, od.SuccessRateMinimumHosts, od.SuccessRateRequestVolume, od.SuccessRateStdevFactor = 100, 3, 5, 500
		od.FailurePercentageMinimumHosts = 100
	}
	return o
}

// Whoever of two equal outliers went, the model permits it.
func TestAcceptPermitsEitherOutlier(t *testing.T) {
	gone := map[int32]bool{}
	for seed := range uint64(8) {
		o := equals()
		o.seed = seed
		s, tr := play(o)
		i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Ejected })
		if i < 0 {
			t.Fatal("nobody was ejected")
		}
		gone[tr.Changes[i].Host] = true
		s.Seed = 1 // the observation decides, not the seed
		if d, why := check.Accept(s, tr); d != nil || why != "" {
			t.Errorf("seed %d: %+v %s", seed, d, why)
		}
	}
	if !gone[0] || !gone[1] {
		t.Errorf("ejected first: %v, want h0 in some runs and h1 in others", gone)
	}
}

func TestAcceptNamesWhatIsNotPermitted(t *testing.T) {
	three := recipe()
	three.priorities = []uint32{0, 0, 0}
	three.percent = 34
	three.retries = 0
	for _, c := range []struct {
		name   string
		shape  shape
		change func(*trace.Trace)
		want   string // in the decision, what is permitted, or what was observed
	}{
		{
			"another host", recipe(),
			func(tr *trace.Trace) { tr.Attempts[2].Host = 1; tr.Requests[2].Host, tr.Requests[2].Upstream = 1, 1 },
			"host of request 2, attempt 1: up0 198.18.0.1:80 (priority 0: 100 %, priority 1: 0 %): up1 198.18.1.1:80",
		},
		{
			"an ejection left out", recipe(),
			func(tr *trace.Trace) { tr.Changes = slices.Delete(tr.Changes, 0, 1) },
			"endpoint up0 198.18.0.1:80: ejected by consecutive_5xx",
		},
		{
			"an ejection that nobody charged", recipe(),
			func(tr *trace.Trace) {
				tr.Changes = slices.Insert(tr.Changes, 0, trace.Change{At: trace.Sec(2 * time.Second), Host: 1, Event: trace.Ejected, Cause: "consecutive_5xx", Ejections: 1})
			},
			"endpoint up1 198.18.1.1:80: no change: ejected consecutive_5xx",
		},
		{
			"a return an interval late", recipe(),
			func(tr *trace.Trace) {
				i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned })
				tr.Changes[i].At += trace.Sec(5 * time.Second)
				slices.SortStableFunc(tr.Changes, func(a, b trace.Change) int { return int(a.At - b.At) })
			},
			"returned at the tick",
		},
		{
			"a return an interval early", recipe(),
			func(tr *trace.Trace) {
				i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned })
				tr.Changes[i].At -= trace.Sec(5 * time.Second)
				slices.SortStableFunc(tr.Changes, func(a, b trace.Change) int { return int(a.At - b.At) })
			},
			"endpoint up0 198.18.0.1:80: no change: returned",
		},
		{
			"another detector", recipe(),
			func(tr *trace.Trace) { tr.Changes[0].Cause = "consecutive_gateway_failure" },
			"ejected consecutive_gateway_failure",
		},
		{
			"an outlier that is none", equals(),
			func(tr *trace.Trace) {
				for i := range tr.Changes {
					if tr.Changes[i].Cause == "success_rate" && tr.Changes[i].Event == trace.Ejected {
						tr.Changes[i].Host = 3
					}
				}
			},
			"ejected success_rate",
		},
		{
			"two equal outliers where one may go", equals(),
			func(tr *trace.Trace) {
				i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Cause == "success_rate" && c.Event == trace.OverflowEvent })
				tr.Changes[i].Event = trace.Ejected
			},
			"ejected success_rate",
		},
		{
			"an ejection over the cap", beyondCap(three),
			func(tr *trace.Trace) {
				i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.OverflowEvent && c.Cause == "consecutive_5xx" })
				tr.Changes[i].Event = trace.Ejected
			},
			"ejected consecutive_5xx",
		},
		{
			"a retry left out", recipe(),
			func(tr *trace.Trace) {
				i := slices.IndexFunc(tr.Attempts, func(a trace.Attempt) bool { return a.N == 2 })
				tr.Attempts = slices.Delete(tr.Attempts, i, i+1)
			},
			"another attempt: none",
		},
		{
			"a retry that the policy does not know", recipe(),
			func(tr *trace.Trace) {
				a := tr.Attempts[3]
				a.N, a.At, a.Done = 2, a.Done, a.Done+trace.Sec(time.Millisecond)
				tr.Attempts = append(tr.Attempts, a)
			},
			"no retry: attempt 2",
		},
		{
			"another status", recipe(),
			func(tr *trace.Trace) { tr.Requests[3].Status = 502 },
			"status 200, flags -: status 502, flags -",
		},
		{
			"another flag", recipe(),
			func(tr *trace.Trace) { tr.Requests[3].Flags = trace.FlagUF },
			"status 200, flags -: status 200, flags UF",
		},
		{
			"no host where there is one", recipe(),
			func(tr *trace.Trace) {
				r := &tr.Requests[4]
				tr.Attempts = slices.DeleteFunc(tr.Attempts, func(a trace.Attempt) bool { return a.Request == 4 })
				r.Status, r.Flags, r.Host, r.Upstream, r.Attempts = 503, trace.FlagUH, -1, -1, 0
			},
			"host of request 4: up0 198.18.0.1:80 (priority 0: 100 %, priority 1: 0 %): no host (UH)",
		},
		{
			"a host that the cluster does not have", recipe(),
			func(tr *trace.Trace) {
				tr.Hosts = append(tr.Hosts, trace.Host{Index: 2, Client: 0, Upstream: 0, Cluster: clusterName, Address: "198.18.9.9:80"})
				tr.Attempts[3].Host = 2
			},
			"up0 198.18.9.9:80",
		},
		{
			"traffic on a cluster that was never configured", recipe(),
			func(tr *trace.Trace) {
				tr.Hosts = append(tr.Hosts, trace.Host{Index: 2, Client: 0, Upstream: 0, Cluster: "outbound|80||other.com", Address: "198.18.0.1:80"})
				tr.Attempts[3].Host = 2
			},
			"cluster outbound|80||other.com: no traffic before it is configured",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tr := play(c.shape)
			if d, why := check.Accept(s, tr); d != nil || why != "" {
				t.Fatalf("the trace as it is: %+v %s", d, why)
			}
			c.change(tr)
			d, why := check.Accept(s, tr)
			if d == nil {
				t.Fatalf("accepted (%s)", why)
			}
			if got := words(d); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func words(d *result.Divergence) string {
	return d.Decision + ": " + d.Permitted + ": " + d.Observed
}

// beyondCap breaks two of three upstreams where one may go.
func beyondCap(o shape) shape {
	o.steps = []schedule.Step{
		fault(5250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse}),
		fault(5250*time.Millisecond, 1, schedule.Fault{Behaviour: schedule.Refuse}),
	}
	return o
}

// What the model gives without chance, it permits in no other way: any single
// host of the recipe changed is noticed.
func TestAcceptNoticesEveryHost(t *testing.T) {
	o := recipe()
	o.duration = 10 * time.Second
	s, tr := play(o)
	for i := range tr.Attempts {
		m := *tr
		m.Attempts = slices.Clone(tr.Attempts)
		m.Attempts[i].Host = 1 - m.Attempts[i].Host
		if d, _ := check.Accept(s, &m); d == nil {
			a := tr.Attempts[i]
			t.Errorf("attempt %d of request %d at %v on the other host is accepted", a.N, a.Request, a.At.D())
		}
	}
}

// A run that says that it stood still may be off by as much, around that.
func TestAcceptAllowsForStalls(t *testing.T) {
	s, tr := play(recipe())
	i := slices.IndexFunc(tr.Changes, func(c trace.Change) bool { return c.Event == trace.Returned })
	returned := tr.Changes[i].At
	tr.Changes[i].At += trace.Sec(30 * time.Millisecond)
	if d, _ := check.Accept(s, tr); d == nil {
		t.Fatal("a return 30 ms late is accepted although nothing stood still")
	}
	for _, c := range []struct {
		after    time.Duration
		accepted bool
	}{{-2 * time.Second, false}, {-900 * time.Millisecond, true}, {0, true}, {time.Second, true}, {2 * time.Second, false}} {
		tr.Notes = []trace.Note{trace.Stall(returned+trace.Sec(c.after), 40*time.Millisecond)}
		if d, why := check.Accept(s, tr); (d == nil) != c.accepted || why != "" {
			t.Errorf("a return 30 ms late, %v from where the run stood still for 40 ms: %+v %s", -c.after, d, why)
		}
	}
}
