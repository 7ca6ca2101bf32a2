package check

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
)

// report counts the attempt's result. Of two results that are counted before the main
// thread hears of either, it can hear of either first.
func (a *acceptor) report(st *state, at *trace.Attempt) []*state {
	h := st.hostOf(at)
	if h < 0 || at.Result == trace.Overflow {
		return []*state{st}
	}
	st.end(at, h)
	res := outlier.RequestSuccess
	switch at.Result {
	case trace.Answered:
		if at.Status >= 500 {
			res = outlier.RequestFailed
		}
	case trace.Refused, trace.ConnectTimeout, trace.Reset:
		res = outlier.ConnectFailed
	case trace.Timeout, trace.PerTryTimeout:
		res = outlier.Timeout
	default:
		return []*state{st} // cancelled: nothing was reported
	}
	now := int64(a.heard(at)) - hops.ToMain
	// A state in which something that is due has not happened yet hears of it before that.
	if due, ok := st.c.Next(); ok && a.timing.Hop > 0 && due <= now+hops.ToMain && due > int64(at.Done-a.slack(at.Done)) {
		now = due - 1 - hops.ToMain
	}
	pending := st.c.Pending()
	st.c.Report(now, h, res, int(at.Status), &st.ch, st.tell)
	out := []*state{st}
	if x := st.clone(); x.c.InOrder() {
		out = append(out, x)
	}
	if x := st.clone(); a.apart(x, at, pending) {
		out = append(out, x)
	}
	return out
}

// apart lets the main thread hear of each detection of a result when the run shows what
// it did about it: it can be held up between two of them, and a tick can be. It reports
// whether it was.
func (a *acceptor) apart(st *state, at *trace.Attempt, pending int) bool {
	slack, held := a.slack(at.Done), false
	tick, ticks := a.tickNear(st, at.Done)
	for _, c := range a.changes[at.Host] {
		d := c.At - at.Done
		if !caused(c) || a.counted(c.Event) || d > max(slack, a.timing.Hop)+1 {
			continue
		}
		switch {
		case d > slack:
			held = st.c.Hear(pending, c.Cause, int64(c.At)) || held
		case ticks && d >= -slack:
			held = st.c.Hear(pending, c.Cause, int64(tick)) || held
		}
	}
	return held
}

// tickNear is an instant after the next tick, if that is one that was seen about an instant.
func (a *acceptor) tickNear(st *state, at trace.Sec) (trace.Sec, bool) {
	tick, ok := st.c.NextTick()
	if !ok || st.beats == nil || a.timing.Cut == 0 {
		return 0, false
	}
	s := st.beats.seen[st.beats.number(trace.Sec(tick))]
	if s == nil || s.at > at+a.slack(at) || s.at+a.timing.Cut < at-a.slack(at) {
		return 0, false
	}
	return s.at + a.timing.Cut, true
}

// connected counts that the attempt had a connection.
func (a *acceptor) connected(st *state, at *trace.Attempt) {
	if h := st.hostOf(at); h >= 0 {
		st.c.Report(int64(connectedAt(at)), h, outlier.ConnectSuccess, 0, &st.ch, st.tell)
	}
}

// connectedAt is when an attempt had its connection: where nobody saw that, as soon
// as it was picked.
func connectedAt(at *trace.Attempt) trace.Sec { return min(max(at.At, at.Connected), at.Done) }

// wasConnected reports whether outlier detection heard of a connection of the
// attempt.
func wasConnected(at *trace.Attempt) bool {
	switch at.Result {
	case trace.Answered, trace.Reset, trace.Timeout, trace.PerTryTimeout:
		return true
	}
	return false
}

// heard is when the main thread hears of the attempt's result: when a change of
// its host was observed near it, and else at once. The ejection time counts from
// there, and decides between one tick and the next.
func (a *acceptor) heard(at *trace.Attempt) trace.Sec {
	best := at.Done + trace.Sec(hops.ToMain)
	slack := a.slack(at.Done)
	off := max(slack, a.timing.Hop) + 1
	for _, c := range a.changes[at.Host] {
		d := max(c.At-at.Done, at.Done-c.At)
		if c.At < at.Done && (d > slack || a.timing.Hop > 0) {
			continue // it was decided already: the logs are merged so that a change follows its cause
		}
		if caused(c) && !a.counted(c.Event) && d < off {
			best, off = c.At, d
		}
	}
	return best
}

var changeNames = map[engine.ChangeKind]string{
	engine.HostEjected: trace.Ejected, engine.HostReturned: trace.Returned,
	engine.EjectionOverflow: trace.OverflowEvent, engine.EjectionUnenforced: trace.Detected,
	engine.HostDegraded: trace.Degraded, engine.HostUndegraded: trace.Undegraded,
	engine.HostAdded: trace.Added, engine.HostRemoved: trace.Removed,
}

// caused reports whether a change was set off by a result, and not by a tick.
func caused(c *trace.Change) bool { return c.Cause != "" && !slices.Contains(atTicks, c.Cause) }

// atTicks are the detectors that compare hosts when the interval timer fires.
var atTicks = []string{
	outlier.SuccessRate.String(), outlier.LocalOriginSuccessRate.String(),
	outlier.FailurePercentage.String(), outlier.LocalOriginFailurePercentage.String(),
}

// causeOf is the cause that a trace gives for a change.
func causeOf(c *engine.Change) string {
	switch c.Kind {
	case engine.HostReturned, engine.HostUndegraded, engine.HostAdded, engine.HostRemoved:
		return ""
	}
	return c.Type.String()
}

// change ticks off what the state decided, too.
func (a *acceptor) change(st *state, c *trace.Change) bool {
	if a.counted(c.Event) {
		return a.count(st, c)
	}
	slack := a.slack(c.At)
	for i, u := range st.untold {
		if !st.is(u, c) {
			continue
		}
		if d := trace.Sec(u.At) - c.At; d > slack || d < -slack {
			continue
		}
		st.untold = slices.Delete(st.untold, i, i+1)
		return true
	}
	return false
}

// overdue reports whether the state decided something that should have been
// observed by now.
func (a *acceptor) overdue(st *state, now trace.Sec) bool { return a.firstOverdue(st, now) >= 0 }

// firstOverdue is the first of what should have been observed by now, -1 if nothing is.
func (a *acceptor) firstOverdue(st *state, now trace.Sec) int {
	return slices.IndexFunc(st.untold, func(u engine.Change) bool {
		late := 2 * max(a.slack(trace.Sec(u.At)), a.slack(now))
		if a.counted(changeNames[u.Kind]) {
			late += 2*a.timing.Overflow + a.coarse()
		}
		// After the drill nobody looks.
		return trace.Sec(u.At) <= a.s.Duration && trace.Sec(u.At)+late < now
	})
}

// counted reports whether changes of a kind were read from a counter: how many
// there were is exact, when and of which host is not.
func (a *acceptor) counted(event string) bool {
	return event == trace.OverflowEvent && a.timing.Overflow > 0
}

// coarse is to how much the instant of a refused ejection is kept where a counter is
// all that tells of it: explanations that differ by less are one.
func (a *acceptor) coarse() trace.Sec { return a.timing.Overflow / 45 }

// count ticks off the first refused ejection that the counter can be about.
func (a *acceptor) count(st *state, c *trace.Change) bool {
	slack := a.timing.Overflow + a.coarse() + a.slack(c.At)
	for i, u := range st.untold {
		if u.Kind != engine.EjectionOverflow {
			continue
		}
		if d := trace.Sec(u.At) - c.At; d > slack || d < -slack {
			continue
		}
		st.untold = slices.Delete(st.untold, i, i+1)
		return true
	}
	return false
}
