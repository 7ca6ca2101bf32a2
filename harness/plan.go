package harness

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Options are what the command line decides about drills.
type Options struct {
	Profile  *istio.Profile           // nil: the input's own
	Seed     uint64                   // 0: 1
	Client   *schedule.ClientOverride // of plain Istio YAML
	Duration time.Duration            // 0: the scenario's own
}

// Planned is the prediction of one drill, with what it was made from.
type Planned struct {
	result.Plan
	Drill    *schedule.Drill
	Compiled *schedule.Compiled
	Trace    *trace.Trace
}

// Drills are the drills of the inputs: one a scenario; for plain Istio YAML, one
// for each loss that a client can suffer.
func Drills(inputs []*scenario.Input, o Options) ([]*schedule.Drill, error) {
	var out []*schedule.Drill
	var problems scenario.Problems
	for _, in := range inputs {
		so := schedule.Options{Profile: o.Profile, Seed: o.Seed}
		if in.Scenario == nil {
			ds, err := schedule.Drills(in, so, o.Client)
			if err != nil {
				return nil, err
			}
			if len(ds) == 0 {
				problems = append(problems, scenario.Problem{Pos: istio.Position{File: in.File}, Message: "no drill can be made of it; expected a ServiceEntry with an HTTP port and endpoints"})
			}
			out = append(out, ds...)
			continue
		}
		if o.Duration > 0 {
			if p := tooShort(in, scenario.Duration(o.Duration)); len(p) > 0 {
				problems = append(problems, p...)
				continue
			}
			in.Scenario.Spec.Duration = scenario.Duration(o.Duration)
		}
		d, err := schedule.New(in, so)
		if p, ok := err.(scenario.Problems); ok {
			problems = append(problems, p...)
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return out, nil
}

// tooShort are the entries and expectations of a scenario that another duration
// than its own would cut off.
func tooShort(in *scenario.Input, d scenario.Duration) scenario.Problems {
	var ps scenario.Problems
	add := func(path string, at scenario.Duration) {
		ps = append(ps, scenario.Problem{Pos: in.Where(path), Message: fmt.Sprintf("%s: lasts to %s, after the end of the drill (--duration %s)", path, at, d)})
	}
	for i, st := range in.Scenario.Spec.Timeline {
		if st.At >= d {
			add(fmt.Sprintf("spec.timeline[%d]", i), st.At)
		}
	}
	for i, e := range in.Scenario.Spec.Expect {
		end := e.Within + e.For
		for _, at := range append([]scenario.Duration{end}, e.During...) {
			end = max(end, at)
		}
		if e.After != nil {
			end += *e.After
		}
		if e.At != nil {
			end = max(end, *e.At)
		}
		if end > d {
			add(fmt.Sprintf("spec.expect[%d]", i), end)
		}
	}
	return ps
}

// Plans predicts the drills, as many at a time as there are processors, and
// returns the results in the order of the drills.
func Plans(drills []*schedule.Drill) []result.Plan {
	out := make([]result.Plan, len(drills))
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(drills)) {
		running.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(drills)); i = next.Add(1) - 1 {
				out[i] = Plan(drills[i]).Plan
			}
		})
	}
	running.Wait()
	return out
}

// Plan predicts one drill: translate, play, judge, explain.
func Plan(d *schedule.Drill) Planned {
	c := d.Compile()
	p := Planned{Drill: d, Compiled: c}
	p.Plan = result.Plan{
		Name: d.Name, File: d.Input.File, Client: clientWords(c.Schedule), Fault: faultWords(c.Schedule),
		Profile: profileOf(d.Profile), Seed: d.Seed, Assumed: append([]string{}, d.Assumed...), NotModelled: notModelled(c),
		Causes: []result.Cause{}, Phases: []result.Phase{}, Events: []result.Event{}, Endpoints: []result.Endpoints{}, Counters: map[string]result.Counter{},
	}
	if problems := Rejections(c); len(problems) > 0 {
		p.Outcome, p.Verdict, p.Problems = result.Rejected, result.Error, problems
		p.Causes = explain.Refusals(c)
		p.Expectations = check.JudgeRefused(expectations(d))
		if refusalExpected(p.Expectations) {
			p.Verdict = result.Pass
		}
		return p
	}
	p.Trace = engine.Predict(c.Schedule)
	im := check.Outcome(p.Trace)
	p.Outcome = im.Outcome
	p.Requests, p.ClientErrors, p.ReturnErrors = im.Requests, im.Errors, im.ReturnErrors
	p.FailoverAfter, p.ReturnAfter = im.FailoverAfter, im.ReturnAfter
	p.Phases, p.Events = check.Phases(p.Trace), check.Events(p.Trace)
	p.Counters, p.Endpoints = check.Counters(p.Trace), check.EndpointTables(p.Trace)
	p.Causes = explain.Causes(c, p.Trace, im)
	p.Expectations = check.Judge(expectations(d), p.Trace, p.Trace)
	p.Verdict = verdict(p.Expectations, im.Outcome)
	if decides(p.NotModelled) {
		p.Verdict = result.Inconclusive
	}
	return p
}

// refusalExpected reports whether the drill is about a configuration that istiod refuses.
func refusalExpected(es []result.Expectation) bool {
	return len(es) > 0 && verdict(es, result.Rejected) == result.Pass
}

// expectations are those of the drill's scenario; a generated drill has none.
func expectations(d *schedule.Drill) []scenario.Expectation {
	return d.Input.Scenario.Spec.Expect
}

// verdict of a drill: the worst of its expectations, or, without any, by its outcome.
func verdict(es []result.Expectation, o result.Outcome) result.Verdict {
	if len(es) == 0 {
		if o.Passes() {
			return result.Pass
		}
		return result.Fail
	}
	v := result.Pass
	for _, e := range es {
		switch {
		case e.Verdict == result.Fail:
			return result.Fail
		case e.Verdict == result.Inconclusive:
			v = result.Inconclusive
		}
	}
	return v
}

func decides(ns []result.NotModelled) bool {
	for _, n := range ns {
		if n.Decides {
			return true
		}
	}
	return false
}

// Rejections are the reasons why istiod would not push a configuration of the
// drill, in the order of the timeline.
func Rejections(c *schedule.Compiled) []string {
	var out []string
	seen := map[string]bool{}
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	for _, ts := range c.Translations {
		for i := range ts {
			for _, p := range ts[i].Rejected {
				add(p.String())
			}
			if p := ts[i].Crash; p != nil {
				add(p.String())
			}
		}
	}
	return out
}

func notModelled(c *schedule.Compiled) []result.NotModelled {
	out := []result.NotModelled{}
	seen := map[istio.NotModelled]bool{}
	for _, ts := range c.Translations {
		for i := range ts {
			for _, n := range ts[i].NotModelled {
				if !seen[n] {
					seen[n] = true
					field := n.Field
					if field == "" {
						field = n.Resource
					}
					out = append(out, result.NotModelled{File: n.File, Line: n.Line, Field: field, Decides: n.Decides, Why: n.Why})
				}
			}
		}
	}
	for i, ts := range c.Translations {
		for k := range ts {
			if n, ok := passedThrough(c, i, k); ok && !seen[n] {
				seen[n] = true
				out = append(out, result.NotModelled{File: n.File, Line: n.Line, Field: n.Field, Decides: true, Why: n.Why})
			}
		}
	}
	return out
}

// passedThrough says that a client's requests are no requests to its proxy,
// because the port is not HTTP: what they meet is not predicted.
func passedThrough(c *schedule.Compiled, config, client int) (n istio.NotModelled, ok bool) {
	t, l := &c.Translations[config][client], &c.Schedule.Clients[client].Load
	cluster := schedule.PassedThrough(&t.Config, l)
	if cluster == nil {
		return n, false
	}
	use, ok := t.Use(cluster.Name, istio.PartService)
	if !ok {
		return n, false
	}
	pos := use.Pos()
	return istio.NotModelled{
		File: pos.File, Line: pos.Line, Resource: use.Resource.ID(), Field: use.Path, Decides: true,
		Why: fmt.Sprintf("%s passes through port %d as a connection, and only HTTP requests are played", l.URL, l.Port),
	}, true
}

func profileOf(p istio.Profile) result.Profile {
	return result.Profile{Istio: p.Istio, Envoy: p.Envoy, IstioMark: p.IstioMark, EnvoyMark: p.EnvoyMark}
}

func clientWords(s *schedule.Schedule) string {
	var b []string
	for _, c := range s.Clients {
		w := c.Name
		if l := c.Locality.String(); l != "" && l != c.Name {
			w += " in " + l
		}
		b = append(b, w)
	}
	return strings.Join(b, ", ")
}

func faultWords(s *schedule.Schedule) string {
	var b []string
	for _, st := range s.Steps {
		w := fmt.Sprintf("%s at %v", st.Name, st.At.D())
		if st.Kind == schedule.KindFault {
			w = fmt.Sprintf("%s %s from %v", s.Upstreams[st.Fault.Upstream].Name, schedule.FaultWords(st.Fault), st.At.D())
		}
		b = append(b, w)
	}
	if len(b) == 0 {
		return "none"
	}
	return strings.Join(b, "; ")
}

// Repair returns the drill with the change made that makes it pass, and without
// its expectations, which are about the configuration as it is. It is false
// when the drill needs none, or none was found.
func Repair(d *schedule.Drill) (*schedule.Drill, result.Cause, bool) {
	c := d.Compile()
	repair := func() (*schedule.Drill, result.Cause, bool) { return explain.RepairRefusal(c) }
	if len(Rejections(c)) == 0 {
		t := engine.Predict(c.Schedule)
		im := check.Outcome(t)
		if im.Outcome.Passes() {
			return nil, result.Cause{}, false
		}
		repair = func() (*schedule.Drill, result.Cause, bool) { return explain.Repair(c, t, im) }
	}
	fixed, cause, ok := repair()
	if !ok {
		return nil, cause, false
	}
	in := *fixed.Input
	sc := *in.Scenario
	sc.Spec.Expect = nil
	in.Scenario = &sc
	fixed.Input = &in
	fixed.Name += ", fixed"
	return fixed, cause, true
}
