package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// Runs writes runs as text: a headline for each, and the details of those that
// did not pass; of all when there is only one, or when the style is verbose.
// After several runs a table of scenarios and backends sums them up.
//
// The traces of run i come from timelines, which may be nil, as may each of
// them. Times in results and traces are as they were played: those of a run
// with a scale are shown as the drill's own.
func Runs(w io.Writer, s Style, runs []result.Run, timelines func(i int) (prediction, observed *trace.Trace)) error {
	p := newPage(s)
	seen := seenCauses{}
	detailed := false
	for i := range runs {
		r := &runs[i]
		more := len(runs) == 1 || s.Verbose || r.Verdict != result.Pass && r.Verdict != result.Skip
		if i > 0 && (more || detailed) {
			p.blank()
		}
		p.para("", "    ", p.runHeadline(r, more))
		if more {
			p.runDetails(r, tracesOf(timelines, i), seen)
		}
		detailed = more
	}
	if len(runs) > 1 {
		p.blank()
		p.grid(runs)
		p.para("", indent, runSummary(runs))
	}
	return p.flush(w)
}

func tracesOf(timelines func(int) (prediction, observed *trace.Trace), i int) Timeline {
	if timelines == nil {
		return Timeline{}
	}
	return NewTimeline(timelines(i))
}

// verdictStyle is how a verdict looks.
func verdictStyle(v result.Verdict) (glyph, ascii string, p paint) {
	switch v {
	case result.Pass:
		return "✓", "+", green
	case result.Fail:
		return "✗", "x", redBold
	case result.Skip:
		return "-", "-", faint
	case result.Inconclusive:
		return "?", "?", yellow
	case result.Error:
		return "!", "!", redBold
	}
	return " ", " ", plain
}

// tick is a verdict's sign.
func (p *page) tick(v result.Verdict) text {
	glyph, ascii, c := verdictStyle(v)
	return in(c, p.s.pick(glyph, ascii))
}

// word is a verdict's word.
func word(v result.Verdict) text {
	_, _, c := verdictStyle(v)
	if v == "" {
		v = "no verdict"
	}
	return in(c, string(v))
}

func (p *page) runHeadline(r *result.Run, detailed bool) text {
	t := p.tick(r.Verdict).add(" ").then(word(r.Verdict)).add("  ").paint(bold, r.Scenario).add(" on " + r.Backend)
	im := runImpact(r)
	if o := im.text(); o != nil {
		t = t.add(": ").then(o)
		if im.expected {
			t = t.paint(green, "; as its expectations say")
		}
	}
	if r.Reason != "" && r.Outcome == "" {
		t = t.add(": " + r.Reason)
	} else if r.Reason != "" {
		t = t.add("; " + r.Reason)
	}
	if n := len(r.Expectations); n > 0 && !detailed {
		t = t.add(fmt.Sprintf("; %s met", count(n-missed(r.Expectations), "expectation")))
		if f := faster(r.Scale); f != "" {
			t = t.add("; " + number(r.Scale) + " times as fast")
		}
	}
	if r.Setting != "" && !detailed {
		t = t.add("; " + r.Setting)
	}
	return t
}

func runImpact(r *result.Run) impact {
	return impact{
		outcome: r.Outcome, requests: r.Requests, errors: r.ClientErrors, failoverAfter: r.FailoverAfter, returnAfter: r.ReturnAfter,
		scale: r.Scale, expected: r.Verdict == result.Pass && !r.Outcome.Passes(),
	}
}

func (p *page) runDetails(r *result.Run, tl Timeline, seen seenCauses) {
	if r.Verdict == result.Error && r.Outcome == "" { // it broke before anything was sent: the headline says it all
		p.where(r)
		return
	}
	p.blank()
	p.scale = r.Scale
	if f := faster(r.Scale); f != "" {
		p.row("scale", in(yellow, f).add("; times in tables and on the timeline are the drill's own"))
	}
	if r.Setting != "" {
		p.row("played", in(yellow, r.Setting))
	}
	p.expectations(r.Expectations)
	p.divergence(r)
	p.list("differences", plain, r.ConfigDifferences)
	p.runTimeline(r, &tl)
	p.phases(r.Phases)
	p.events(r.Events)
	p.counters(r.Counters, r.Endpoints)
	p.causesOnce(r.Causes, r.Scenario+" on "+r.Backend, seen)
	p.notModelled(r.NotModelled)
	p.row("rules of", say(rules(r.Profile, r.Seed)))
	p.where(r)
	p.scale = 0
}

// where is where to look on.
func (p *page) where(r *result.Run) {
	if r.Folder != "" {
		p.copyable("folder", r.Folder)
	}
	if r.Replay != "" {
		p.copyable("replay", r.Replay)
	}
}

// runTimeline draws the timeline of the run, set off by blank lines.
func (p *page) runTimeline(r *result.Run, tl *Timeline) {
	if tl.prediction == nil && tl.observed == nil {
		return
	}
	if r.Divergence != nil {
		at := r.Divergence.At * scaleOr1(r.Scale)
		tl.diverged = &at
	}
	p.blank()
	p.timeline(tl)
	p.blank()
}

// divergence shows both sides of the first decision that the model does not permit.
func (p *page) divergence(r *result.Run) {
	d := r.Divergence
	if d == nil {
		return
	}
	when := "at " + moment(d.At, r.Scale)
	if faster(r.Scale) != "" {
		when += " (" + seconds(d.At) + " played)"
	}
	p.row("divergence", in(redBold, when).add(": "+d.Decision))
	p.row("", in(green, "the model permits: ").add(d.Permitted))
	p.row("", in(red, "observed:          ").add(d.Observed))
}

// expectations ticks each expectation: what was expected, and what was observed.
func (p *page) expectations(es []result.Expectation) {
	label := "expected"
	for i := range es {
		e := &es[i]
		t := p.tick(e.Verdict).add(" ")
		if e.Name != "" {
			t = t.paint(bold, e.Name).add(": ")
		}
		p.row(label, t.add(e.Expected))
		label = ""
		what := "observed " + e.Observed
		if e.Verdict == result.Inconclusive || e.Verdict == result.Skip || e.Verdict == result.Error {
			what = string(e.Verdict) + ": " + e.Observed
		}
		if e.Observed == "" {
			what = string(e.Verdict)
		}
		if e.Evidence != "" {
			what += " (" + e.Evidence + ")"
		}
		_, _, c := verdictStyle(e.Verdict)
		if e.Verdict == result.Pass {
			c = faint
		}
		p.sub(in(c, what))
	}
}

// sub writes a paragraph below a tick.
func (p *page) sub(t text) {
	s := strings.Repeat(" ", hang+2)
	p.para(s, s, t)
}
