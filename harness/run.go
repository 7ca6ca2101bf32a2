// Package harness is the story of a drill: load, schedule, play, judge, report.
//
//	inputs, err := scenario.Load(scenario.Disk(), paths)
//	drills, err := harness.Drills(inputs, harness.Options{})
//	p := harness.Plan(drills[0])                                  // predicted
//	r := harness.Run(ctx, drills[0], inproc.New(), harness.RunOptions{Dir: dir})
//	err = report.Runs(os.Stdout, style, ...)
//
// Everything after the play works on what a run folder holds, so that Rejudge
// can do it again. It leaves out what the command line looks like.
package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// RunOptions are what the command line decides about playing.
type RunOptions struct {
	Scale    float64 // 0 or 1: as written
	Folder   *Folder // nil: nothing is kept
	Progress func(trace.Event)
}

// Played is one drill on one backend, with its traces.
type Played struct {
	result.Run
	Prediction *trace.Trace
	Observed   *trace.Trace
	Err        error // what broke underneath: the backend, or the run folder

	flags []string // of the backend, for the play that repeats this one
	open  bool     // it passes, and too much happened at once for Accept to follow
}

// flagsOf are the flags that choose how a backend plays.
func flagsOf(b backend.Backend) []string {
	if f, ok := b.(interface{ Flags() string }); ok {
		return strings.Fields(f.Flags())
	}
	return nil
}

// Run plays a drill on a backend and says what came out.
func Run(ctx context.Context, d *schedule.Drill, b backend.Backend, o RunOptions) Played {
	c := d.Compile()
	p := Played{Run: newRun(d, c, b.Name()), flags: flagsOf(b)}
	if s, ok := b.(interface{ Setting() string }); ok {
		p.Setting = s.Setting()
	}
	if problems := Rejections(c); len(problems) > 0 {
		p.Causes = explain.Refusals(c)
		p.rejected(d, problems[0])
		return p.unplayed(o.Folder, p.Verdict, p.Outcome, p.Reason)
	}
	s, err := scaled(c.Schedule, o.Scale)
	if err != nil {
		return p.unplayed(o.Folder, result.Inconclusive, "", err.Error())
	}
	p.Scale = s.Scale
	if m := b.Missing(s); len(m) > 0 {
		return p.unplayed(o.Folder, result.Skip, "", fmt.Sprintf("%s lacks %s: %s", b.Name(), m[0].Feature, m[0].Why))
	}
	if ctx.Err() != nil {
		p = p.unplayed(o.Folder, result.Error, "", reasonInterrupted)
		p.Err = ctx.Err()
		return p
	}
	p.Prediction = engine.Predict(s)
	sink := &backend.Collector{OnEvent: o.Progress}
	if err := o.Folder.begin(d, s, &p, sink); err != nil {
		p.Err = err
		p.Verdict, p.Reason = result.Error, err.Error()
		return p
	}
	if err := b.Play(ctx, s, sink); err != nil {
		p.Err = fmt.Errorf("playing %s on %s: %w", d.Name, b.Name(), err)
		if errors.Is(err, context.Canceled) {
			p.Err = context.Canceled
		}
	}
	p.refused(sink)
	if p.Err != nil && !errors.Is(p.Err, context.Canceled) {
		sink.Event(trace.Note{Text: noteBroke + p.Err.Error()})
	}
	p.Observed = &sink.Trace
	backend.InOrder(p.Observed)
	p.ConfigDifferences = configDifferences(s, func(name string) []byte { return sink.Files[name] })
	p.judge(d, c, s)
	if err := o.Folder.end(&p); err != nil && p.Err == nil {
		p.Err = err
		p.Verdict, p.Reason = result.Error, err.Error()
	}
	return p
}

func newRun(d *schedule.Drill, c *schedule.Compiled, name string) result.Run {
	return result.Run{
		Scenario: d.Name, File: d.Input.File, Backend: name, Profile: profileOf(d.Profile), Seed: d.Seed, Scale: 1,
		Expectations: []result.Expectation{}, Phases: []result.Phase{}, Events: []result.Event{}, Counters: map[string]result.Counter{},
		Endpoints: []result.Endpoints{}, Causes: []result.Cause{}, NotModelled: notModelled(c), ConfigDifferences: []string{},
	}
}

// refused moves the refusal of a configuration from the error of the play to the
// trace: it is an outcome, and nothing broke.
func (p *Played) refused(sink backend.Sink) {
	if r := (*backend.RejectedError)(nil); errors.As(p.Err, &r) {
		sink.Event(trace.Refusal{By: r.By, Reason: r.Reason})
		p.Err = nil
	}
}

// rejected is the judgement of a configuration that was refused.
func (p *Played) rejected(d *schedule.Drill, why string) {
	p.Outcome, p.Reason = result.Rejected, "the configuration is rejected: "+why
	p.Expectations, p.Verdict = check.JudgeRefused(expectations(d)), result.Error
	if refusalExpected(p.Expectations) {
		p.Verdict = result.Pass
	}
}

// unplayed is the end of a drill that was not played: its folder has the verdict alone.
func (p Played) unplayed(f *Folder, v result.Verdict, o result.Outcome, reason string) Played {
	p.Verdict, p.Outcome, p.Reason = v, o, reason
	p.Err = f.end(&p)
	return p
}

// judge reads the traces: everything that can be done again from a run folder.
func (p *Played) judge(d *schedule.Drill, c *schedule.Compiled, s *schedule.Schedule) {
	t := p.Observed
	im := check.Outcome(t)
	p.Outcome, p.Requests, p.ClientErrors = im.Outcome, im.Requests, im.Errors
	p.FailoverAfter, p.ReturnAfter = im.FailoverAfter, im.ReturnAfter
	p.Phases, p.Events = check.Phases(t), check.Events(t)
	p.Counters, p.Endpoints = check.Counters(t), check.EndpointTables(t)
	p.Expectations = check.Judge(expectations(d), t, p.Prediction)
	switch {
	case errors.Is(p.Err, context.Canceled), broke(t) == "" && interrupted(t):
		p.Verdict, p.Reason = result.Error, reasonInterrupted
		return
	case broke(t) != "":
		p.Verdict, p.Reason = result.Error, broke(t)
		if im.Requests == 0 { // it broke before there was anything to say
			p.Outcome, p.Expectations, p.Phases, p.Counters = "", []result.Expectation{}, []result.Phase{}, map[string]result.Counter{}
		}
		return
	case t.Refusal != nil:
		p.rejected(d, (&backend.RejectedError{By: t.Refusal.By, Reason: t.Refusal.Reason}).Error())
		return
	case !t.Ended:
		p.Verdict, p.Reason = result.Error, "the run was not played to its end"
		return
	}
	undecided := ""
	if p.Backend != "model" {
		p.Divergence, undecided = check.Accept(s, t)
	}
	p.Verdict = verdict(p.Expectations, im.Outcome)
	switch {
	case len(p.ConfigDifferences) > 0:
		p.Verdict, p.Reason = result.Error, "a proxy had another configuration than was predicted"
	case p.Divergence != nil:
		p.Verdict, p.Reason = result.Error, "the run did something that the model does not permit"
	case doubted(t) != "":
		p.Verdict, p.Reason = result.Inconclusive, doubted(t)
	case decides(p.NotModelled):
		p.Verdict, p.Reason = result.Inconclusive, "the configuration has a field that may decide the outcome and is not modelled"
	case p.Verdict != result.Pass && tooLate(s, t) != "":
		p.Verdict, p.Reason = result.Inconclusive, tooLate(s, t)
	case p.Verdict != result.Pass && p.stoodStill(d) != "":
		p.Verdict, p.Reason = result.Inconclusive, p.stoodStill(d)
	case undecided != "" && p.Verdict == result.Pass:
		p.Verdict, p.Reason, p.open = result.Inconclusive, blame(undecided, t), true
	case unwitnessed(t) != "" && p.Verdict == result.Pass:
		p.Verdict, p.Reason = result.Inconclusive, "nobody saw that "+unwitnessed(t)+" took effect"
	}
	if !im.Outcome.Passes() || p.Verdict == result.Fail {
		full := engine.Predict(c.Schedule)
		p.Causes = explain.Causes(c, full, check.Outcome(full))
	}
}

// reasonInterrupted is the reason of a run that somebody ended before its time.
const reasonInterrupted = "interrupted"

// interrupted reports whether somebody ended the run before its time.
func interrupted(t *trace.Trace) bool {
	return !t.Ended && slices.ContainsFunc(t.Notes, func(n trace.Note) bool { return n.Text == reasonInterrupted })
}

// noteBroke begins the note of what broke underneath.
const noteBroke = "broke: "

// broke is what broke underneath; "" if nothing did.
func broke(t *trace.Trace) string {
	for _, n := range t.Notes {
		if why, ok := strings.CutPrefix(n.Text, noteBroke); ok {
			return why
		}
	}
	return ""
}

// ReasonTooSlow begins the reason of a run that the machine could not keep up with.
const ReasonTooSlow = "the machine was too slow"

// tooLate says why a live run that did not pass proves nothing: a request was sent so
// late that it met another part of the drill than it was meant for.
func tooLate(s *schedule.Schedule, t *trace.Trace) string {
	for r := range t.AllRequests() {
		every := s.Clients[r.Client].Load.Every
		// Load that is denser than a stall of the machine is not held against it.
		if late := r.Sent - r.At; late > max(every, trace.Sec(20*time.Millisecond)) {
			return fmt.Sprintf("%s: the request due at %v was sent %v late; play it less fast", ReasonTooSlow, r.At.D(), late.D().Round(time.Millisecond))
		}
	}
	return ""
}

// stoodStill says why a live run that did not pass proves nothing: the machine stood
// still in it, the model permits what came of that, and predicts that the drill passes.
func (p *Played) stoodStill(d *schedule.Drill) string {
	stall := p.Observed.LongestStall()
	if p.Backend == "model" || trace.Sec(stall) <= check.Slack {
		return ""
	}
	predicted := check.Judge(expectations(d), p.Prediction, p.Prediction)
	if verdict(predicted, check.Outcome(p.Prediction).Outcome) != result.Pass {
		return ""
	}
	return fmt.Sprintf("%s: it stood still for %v, and the prediction passes", ReasonTooSlow, stall.Round(time.Millisecond))
}

// blame says why a run cannot be held against the model. Where the machine stood
// still nobody knows what came first, and the possible orders are many.
func blame(undecided string, t *trace.Trace) string {
	if stall := t.LongestStall(); trace.Sec(stall) > check.Slack {
		return fmt.Sprintf("%s: it stood still for %v, and %s", ReasonTooSlow, stall.Round(time.Millisecond), undecided)
	}
	return undecided
}

// TooSlow reports whether the run proves nothing because the machine was too slow.
func (p *Played) TooSlow() bool {
	return p.Verdict == result.Inconclusive && strings.HasPrefix(p.Reason, ReasonTooSlow)
}

// Open reports whether the run proves nothing, and another one may: the machine was too
// slow, or too much happened at once for Accept to follow.
func (p *Played) Open() bool { return p.TooSlow() || p.open }

// attempts is how often RunSteadily plays a drill.
const attempts = 3

// RunSteadily is Run, and again at half the speed when the machine was too slow
// for the drill to prove anything, or too much happened at once. It returns every
// attempt; the last counts.
func RunSteadily(ctx context.Context, d *schedule.Drill, b backend.Backend, o RunOptions) []Played {
	var all []Played
	for range attempts {
		p := Run(ctx, d, b, o)
		all = append(all, p)
		if ctx.Err() != nil || !p.TooSlow() && !(p.open && o.Scale > 1) {
			break
		}
		o.Scale = max(1, o.Scale/2)
	}
	return all
}

// FastestScale is the largest of the scales at which the model tells the same
// story of the drill as at full length.
func FastestScale(d *schedule.Drill, scales ...float64) float64 {
	c := d.Compile()
	best := 1.0
	for _, n := range scales {
		if n > best {
			if _, err := scaled(c.Schedule, n); err == nil {
				best = n
			}
		}
	}
	return best
}

// doubted is why the endpoint tables of the run cannot be believed; "" if they can.
func doubted(t *trace.Trace) string {
	for _, n := range t.Notes {
		if strings.HasPrefix(n.Text, trace.TwoViews) {
			return n.Text
		}
	}
	return ""
}

// unwitnessed is the first step that nobody saw take effect.
func unwitnessed(t *trace.Trace) string {
	for _, s := range t.Steps {
		if s.Witness == "" {
			return s.Name
		}
	}
	return ""
}

// ErrScale says that a drill does not tell the same story when it is played
// faster.
var ErrScale = errors.New("the drill does not scale")

// scaled is the schedule n times as fast, after the model has shown that it
// tells the same story: the same endpoint changes in the same order, and the
// same answers in the same phases.
func scaled(s *schedule.Schedule, n float64) (*schedule.Schedule, error) {
	if n == 0 || n == 1 {
		return s, nil
	}
	fast := s.Scaled(n)
	if why := check.SameStory(engine.Play(s), engine.Play(fast)); why != "" {
		return nil, fmt.Errorf("%w by %v: %s", ErrScale, n, why)
	}
	return fast, nil
}
