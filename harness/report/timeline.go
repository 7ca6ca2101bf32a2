package report

import (
	"fmt"
	"io"
	"math"

	"github.com/faildrill/faildrill/harness/trace"
)

// Timeline is a drill over time: what was done to it, who answered, what failed,
// and which endpoints were ejected; predicted, observed, or both on one axis.
type Timeline struct {
	prediction, observed *trace.Trace
	diverged             *float64 // the drill's own seconds
}

// NewTimeline makes a timeline of a prediction, an observation, or both; either
// may be nil. The axis shows the drill's own seconds: times of a trace that was
// played n times as fast are multiplied by n.
func NewTimeline(prediction, observed *trace.Trace) Timeline {
	return Timeline{prediction: prediction, observed: observed}
}

// Write draws the timeline as text, as wide as the style says.
func (t *Timeline) Write(w io.Writer, s Style) error {
	p := newPage(s)
	p.timeline(t)
	return p.flush(w)
}

// named is a trace with what it is to the reader.
type named struct {
	title string
	t     *trace.Trace
}

func (t *Timeline) groups() []named {
	var out []named
	if t.prediction != nil {
		out = append(out, named{"prediction", t.prediction})
	}
	if t.observed != nil {
		title := "rehearsal"
		if b := t.observed.Run.Backend; b != "" {
			title += " on " + b
		}
		if f := faster(t.observed.Run.Scale); f != "" {
			title += ", " + f
		}
		out = append(out, named{title, t.observed})
	}
	return out
}

// scaleOf is what the times of a trace are multiplied by.
func scaleOf(t *trace.Trace) float64 { return scaleOr1(t.Run.Scale) }

// upstreamsShown is the most lanes of one kind: more say nothing to the eye.
const upstreamsShown = 10

// timeline draws the lanes on the page.
func (p *page) timeline(t *Timeline) {
	groups := t.groups()
	if len(groups) == 0 {
		return
	}
	a := newAxis(p.s, groups)
	if a.duration <= 0 {
		return
	}
	p.row("timeline", say(fmt.Sprintf("0 to %s s of the drill; a column is %s s", number(math.Round(a.duration*10)/10), short(a.column()))))
	a.rulers(p)
	a.steps(p, stepItems(groups[0].t, t.diverged, a.duration))
	used := legend{}
	for _, g := range groups {
		p.para(indent, indent, in(bold, g.title))
		a.group(p, g.t, used)
	}
	p.para(indent, indent, used.text(p.s))
}
