package check

import (
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// hops are as short as can be: they make what the main thread decides, and what
// the workers hear of it, two moments that the slack can fall between.
var hops = engine.Delays{ToMain: 1, ToWorker: 1, Apart: 1}

// maxStates bounds how many explanations of the same observation are carried.
const maxStates = 128

// Accept asks whether the model permits the run: every host that was picked,
// every ejection, refusal and return, and what became of each request. The
// observed attempts are fed to the engine in order; what is chance is decided
// by the observation. It returns the first decision that is not permitted, nil
// if there is none, and why nothing can be said where there are more
// explanations than it follows.
//
// How exactly the run was observed follows from its backend (TimingOf). One of
// inproc must have been made with the engine's own delays of zero, or with delays
// below Slack.
func Accept(s *schedule.Schedule, t *trace.Trace) (d *result.Divergence, undecided string) {
	return AcceptWithin(s, t, TimingOf(t.Run.Backend))
}

// AcceptWithin is Accept for a run that was observed so exactly. A stall that the
// run noted is added to what its clocks may be apart around it.
func AcceptWithin(s *schedule.Schedule, t *trace.Trace, timing Timing) (d *result.Divergence, undecided string) {
	a := acceptor{s: s, t: t.Unpack(), timing: timing, stalls: t.Stalls(), busy: t.BusyTimes(), changes: map[int32][]*trace.Change{}}
	for i := range t.Changes {
		c := &t.Changes[i]
		a.changes[c.Host] = append(a.changes[c.Host], c)
	}
	if d := a.requests(); d != nil {
		return a.orUnknown(d)
	}
	for _, line := range a.lines() {
		if d := a.line(line); d != nil {
			return a.orUnknown(d)
		}
	}
	return nil, a.undecided
}

// orUnknown is a divergence, unless an attempt before it was inferred, or the names
// of a live proxy's hosts had begun to change: nobody sees when it looks them up.
func (a *acceptor) orUnknown(d *result.Divergence) (*result.Divergence, string) {
	for i := range a.s.Steps {
		if st := &a.s.Steps[i]; a.timing.Cut > 0 && st.Fault != nil && st.Fault.IsDNS() && st.At.Seconds() <= d.At {
			return nil, fmt.Sprintf("nobody saw when the proxy looked up %s after %s", st.Fault.DNS, seconds(st.At))
		}
	}
	for at := range a.t.AllAttempts() {
		if at.Inferred && (at.At-a.slack(at.At)).Seconds() <= d.At {
			return nil, fmt.Sprintf("nobody saw attempt %d of request %d, at %s", at.N, at.Request, seconds(at.At))
		}
	}
	return d, ""
}

type acceptor struct {
	s         *schedule.Schedule
	t         *trace.Trace
	timing    Timing
	stalls    []trace.Standstill
	busy      []trace.Standstill
	changes   map[int32][]*trace.Change // by host
	undecided string
}

// line replays one cluster.
func (a *acceptor) line(l *line) *result.Divergence {
	var states []*state
	for i := 0; i < len(l.events); {
		m := l.events[i]
		if m.config != nil {
			if d := a.quiet(states, m.at, l); d != nil {
				return d
			}
			states = a.construct(l, m)
			i++
			continue
		}
		if len(states) == 0 {
			return &result.Divergence{At: m.at.Seconds(), Decision: "cluster " + l.cluster, Permitted: "no traffic before it is configured", Observed: "traffic"}
		}
		n := picksAtOnce(l.events[i:])
		budget := maxOrders
		next, d := a.inSomeOrder(states, l.events[i:i+n], &budget)
		if d != nil && budget < 0 {
			a.undecided = fmt.Sprintf("at %s more than %d orders of what %s did at once are possible", seconds(m.at), maxOrders, l.cluster)
			return nil
		}
		if d != nil {
			return d
		}
		i += n
		if states = next; len(states) > maxStates {
			a.undecided = fmt.Sprintf("from %s on there are more than %d explanations of what %s did", seconds(m.at), maxStates, l.cluster)
			return nil
		}
	}
	return a.quiet(states, a.s.Duration, l)
}

// inSomeOrder feeds moments of one instant in every order that the states
// permit. Without one it says what is wrong with the order of the record.
func (a *acceptor) inSomeOrder(states []*state, ms []moment, budget *int) ([]*state, *result.Divergence) {
	if len(ms) == 0 {
		return states, nil
	}
	var out []*state
	var first *result.Divergence
	for i, m := range ms {
		if *budget--; *budget < 0 && len(out)+i > 0 {
			break
		}
		next, late := a.step(states, m)
		var d *result.Divergence
		switch {
		case len(next) == 0 && late != nil:
			d = a.missing(late, m.at)
		case len(next) == 0:
			d = a.divergence(states, m)
		default:
			if next = distinct(next); len(next) > maxStates {
				return next, nil
			}
			rest := slices.Delete(slices.Clone(ms), i, i+1)
			next, d = a.inSomeOrder(next, rest, budget)
			out = append(out, next...)
		}
		if first == nil {
			first = d
		}
	}
	if len(out) > 0 {
		return distinct(out), nil
	}
	return nil, first
}

// step feeds one moment to every state, as of every instant that the clocks
// allow, and keeps the states that permit it. The last one that permits it, and
// decided something before it that was not observed, is returned too. Where none
// permits it, a merged update can have come early by a step of the timers' clock, and
// the line of a change can be ahead of its cause by what was cut off its time: they are
// from two logs.
func (a *acceptor) step(states []*state, m moment) (out []*state, late *state) {
	out, late = a.stepWithin(states, m, 0)
	if len(out) == 0 && late == nil && a.timing.Step > 0 {
		out, late = a.stepWithin(states, m, a.timing.Step)
	}
	if len(out) == 0 && late == nil && a.timing.Cut > 0 && m.change != nil && caused(m.change) && !a.counted(m.change.Event) {
		for _, st := range states {
			x := st.clone()
			x.ahead = append(x.ahead, m.change)
			out = append(out, x)
		}
	}
	return out, late
}

// stepWithin is step where merged updates can come so much early.
func (a *acceptor) stepWithin(states []*state, m moment, early trace.Sec) (out []*state, late *state) {
	for _, st := range states {
		for _, x := range a.instants(st, m.at, early) {
			for _, y := range a.feed(x, m) {
				switch {
				case a.tooFarAhead(y, m.at):
				case a.overdue(y, m.at):
					late = y
				default:
					out = append(out, y)
				}
			}
		}
	}
	return out, late
}

// tooFarAhead reports whether the state has not decided something that was observed, and
// should have by now.
func (a *acceptor) tooFarAhead(st *state, now trace.Sec) bool {
	return slices.ContainsFunc(st.ahead, func(c *trace.Change) bool { return c.At+a.timing.Cut < now })
}

// feed gives the moment to a state. Nothing comes of it when the state does not
// permit it.
func (a *acceptor) feed(st *state, m moment) []*state {
	permitted := true
	a.ask(st)
	switch {
	case m.ready != nil:
		a.connected(st, m.ready)
	case m.pick != nil:
		return a.pick(st, m.pick)
	case m.report != nil:
		out := a.report(st, m.report)
		for _, x := range out {
			a.ask(x)
		}
		return out
	case m.change != nil:
		return a.changed(st, m.change)
	case m.assign != nil:
		a.assign(st, m.assign, m.at)
	case m.asked != nil:
		st.asking = append(st.asking, asking{request: m.asked})
	case m.noHost != nil:
		permitted = a.nobody(st, m.noHost)
	}
	if !permitted {
		return nil
	}
	a.ask(st)
	return []*state{st}
}

// quiet checks the end of a cluster's life: nothing may be left to be observed.
func (a *acceptor) quiet(states []*state, at trace.Sec, l *line) *result.Divergence {
	if len(states) == 0 {
		return nil
	}
	var last *state
	for _, st := range states {
		for _, x := range a.advance(st, at-2*a.slack(at)) {
			switch {
			case a.tooFarAhead(x, at):
			case a.overdue(x, at):
				last = x
			default:
				return nil
			}
		}
	}
	if last == nil {
		return a.divergence(states, moment{at: at})
	}
	return a.missing(last, at)
}
