package report

import (
	"strings"

	"github.com/faildrill/faildrill/harness/trace"
)

// axis maps the drill's seconds to columns, and knows where lanes begin.
type axis struct {
	duration float64
	name     int // columns of a lane's name
	n        int // columns of the chart
}

const (
	kindWidth = 9 // columns of a lane's kind: answered, errors, ...
	leastName = 8
)

func newAxis(s Style, groups []named) axis {
	a := axis{name: leastName}
	longest := 0
	for _, g := range groups {
		a.duration = max(a.duration, g.t.Run.Duration.Seconds()*scaleOf(g.t))
		for _, u := range g.t.Run.Upstreams {
			longest = max(longest, say(u).columns())
		}
	}
	a.name = max(leastName, min(longest, s.width()/5))
	a.n = s.width() - len(indent) - kindWidth - a.name - 1
	return a
}

// column is how many seconds a column stands for.
func (a *axis) column() float64 { return a.duration / float64(a.n) }

// at is the column of a time.
func (a *axis) at(seconds float64) int {
	return min(a.n-1, max(0, int(seconds/a.column()+1e-6)))
}

// tick is the distance of the labels: a round number of seconds, and room to
// read them.
func (a *axis) tick() float64 {
	const room = 6
	for _, m := range []float64{0.1, 1, 10, 100, 1000, 10000, 100000} {
		for _, f := range []float64{1, 2, 5} {
			if f*m/a.column() >= room {
				return f * m
			}
		}
	}
	return a.duration
}

// rulers draws the axis: times, and a line with ticks.
func (a *axis) rulers(p *page) {
	times := []rune(strings.Repeat(" ", a.n))
	line := []rune(strings.Repeat(p.s.pick("─", "-"), a.n))
	tick := a.tick()
	for i := 0; float64(i)*tick < a.duration; i++ {
		c := a.at(float64(i) * tick)
		line[c] = []rune(p.s.pick("┬", "+"))[0]
		label := []rune(number(float64(i) * tick))
		if c+len(label) <= a.n {
			copy(times[c:], label)
		}
	}
	a.lane(p, "seconds", "", in(faint, string(times)))
	a.lane(p, "", "", in(faint, string(line)))
}

// lane writes one lane. The chart has to be as wide as the axis.
func (a *axis) lane(p *page, kind, name string, chart text) {
	cs := say(indent).paint(faint, pad(kind, kindWidth)).cells(p.s.ASCII)
	cs = append(cs, middle(say(name).cells(p.s.ASCII), a.name, p.s)...)
	cs = append(cs, blanks(1+len(indent)+kindWidth+a.name-measure(cs))...)
	cs = append(cs, chart.cells(p.s.ASCII)...)
	render(&p.b, trimRight(cs), p.s.Color)
	p.blank()
}

// middle shortens cells to n columns by leaving out their middle.
func middle(cs []cell, n int, s Style) []cell {
	if measure(cs) <= n {
		return cs
	}
	head := fits(cs, n/2)
	tail := len(cs)
	room := n - measure(cs[:head]) - 1
	for tail > head && room >= cs[tail-1].w {
		tail--
		room -= cs[tail].w
	}
	out := append([]cell{}, cs[:head]...)
	out = append(out, say(s.pick("…", "~")).cells(s.ASCII)...)
	return append(out, cs[tail:]...)
}

// group draws the lanes of one trace.
func (a *axis) group(p *page, t *trace.Trace, used legend) {
	tr := a.traffic(t)
	shown, more := shownUpstreams(t, tr)
	for k, u := range shown {
		kind := ""
		if k == 0 {
			kind = "answered"
		}
		tint := upstreamPaints[int(u)%len(upstreamPaints)]
		a.lane(p, kind, t.UpstreamName(u), tr.bars(tr.answered[u], tint, p.s, used))
	}
	a.lane(p, "errors", "", tr.bars(tr.failed, red, p.s, used))
	first := true
	for _, u := range shown {
		chart, ok := a.health(t, u, p.s, used)
		if !ok {
			continue
		}
		kind := ""
		if first {
			kind = "state"
		}
		a.lane(p, kind, t.UpstreamName(u), chart)
		first = false
	}
	if more > 0 {
		p.para(strings.Repeat(" ", len(indent)+kindWidth), indent, in(faint, "and "+count(more, "upstream")+" more"))
	}
}

// shownUpstreams are the upstreams worth a lane, in the order of the run: all
// when there are few, else those that answered or changed.
func shownUpstreams(t *trace.Trace, tr *traffic) (shown []int32, more int) {
	n := len(t.Run.Upstreams)
	busy := make([]bool, n)
	for _, c := range t.Changes {
		if u := t.UpstreamOf(c.Host); u >= 0 && int(u) < n {
			busy[u] = true
		}
	}
	for i := range n {
		if n > upstreamsShown && !busy[i] && !tr.anyAnswered(i) || len(shown) == upstreamsShown {
			more++
			continue
		}
		shown = append(shown, int32(i))
	}
	return shown, more
}
