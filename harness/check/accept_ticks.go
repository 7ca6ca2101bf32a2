package check

import (
	"maps"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// beats are the interval ticks of a cluster as a run shows them. Only a tick that
// did something shows: the others are somewhere near.
type beats struct {
	built    trace.Sec
	interval trace.Sec
	seen     map[int64]*beat
	held     map[int64]trace.Sec // by how much more than the last one that was seen others can be late
}

// beat is a tick at which something happened.
type beat struct {
	at    trace.Sec
	hosts map[int32]bool // those that returned
}

// beatsOf are the ticks of a cluster from its construction to its end; nil when
// they come exactly when they should.
func (a *acceptor) beatsOf(l *line, c *xds.Cluster, built, end trace.Sec) *beats {
	if c.OutlierDetection == nil || a.timing.Early == 0 && a.timing.Late == 0 {
		return nil
	}
	b := &beats{built: built, interval: trace.Sec(c.OutlierDetection.Interval), seen: map[int64]*beat{}, held: map[int64]trace.Sec{}}
	if b.interval < 4*(a.timing.Early+a.timing.Late) {
		return nil
	}
	for i := range a.t.Changes {
		ch := &a.t.Changes[i]
		if ch.Client != l.client || a.t.Hosts[ch.Host].Cluster != l.cluster || ch.At <= built || ch.At > end || !atTick(ch) || a.counted(ch.Event) {
			continue
		}
		n := b.number(ch.At)
		// Another process can have had the longest stall at another time.
		slack := a.timing.Slack + max(a.stood(b.nominal(1)-a.timing.Late, ch.At), trace.Sec(a.t.LongestStall()))
		if d := ch.At - b.nominal(n); d < -a.timing.Early-slack || d > min(a.timing.Late+trace.Sec(n)*a.timing.Drift, b.interval/2)+slack {
			continue // no tick: a divergence
		}
		s := b.seen[n]
		if s == nil {
			s = &beat{at: ch.At, hosts: map[int32]bool{}}
			b.seen[n] = s
		}
		s.at = min(s.at, ch.At)
		if ch.Event == trace.Returned || ch.Event == trace.Undegraded {
			s.hosts[ch.Host] = true
		}
	}
	return b
}

// atTick reports whether a change happens at a tick only.
func atTick(c *trace.Change) bool {
	return c.Event == trace.Returned || c.Event == trace.Undegraded || slices.Contains(atTicks, c.Cause)
}

func (b *beats) nominal(n int64) trace.Sec { return b.built + trace.Sec(n)*b.interval }

// number is which tick is nearest, if it is as late as those before it.
func (b *beats) number(at trace.Sec) int64 {
	nearest := func(at trace.Sec) int64 { return int64((at - b.built + b.interval/2) / b.interval) }
	return nearest(at - b.off(nearest(at)-1))
}

// hostsAt are those that returned at a tick.
func (b *beats) hostsAt(n int64) map[int32]bool {
	if s := b.seen[n]; s != nil {
		return s.hosts
	}
	return nil
}

// off is by how much the last tick that was seen up to this one was off.
func (b *beats) off(n int64) trace.Sec {
	last := int64(0)
	for k := range maps.Keys(b.seen) {
		if k <= n && k > last {
			last = k
		}
	}
	if last == 0 {
		return 0
	}
	return b.seen[last].at - b.nominal(last)
}

// instants are when the tick can have been, the likeliest first.
func (b *beats) instants(n int64, t Timing) []trace.Sec {
	if s := b.seen[n]; s != nil {
		return []trace.Sec{s.at, s.at + max(0, t.Cut-1)}
	}
	at := b.nominal(n) + b.off(n)
	out := []trace.Sec{at, at - t.Early, at + t.Early, at + t.Late}
	if held := min(b.held[n], b.interval/2); held > t.Late {
		out = append(out, at+held)
	}
	return out
}

// hold finds out how late a tick that did nothing can be: by what stood still since the
// last one that shows, or since the first one was due, and by what each tick drifts.
func (a *acceptor) hold(b *beats, n int64) {
	if _, ok := b.held[n]; ok {
		return
	}
	from, last := b.nominal(1)-a.timing.Late, int64(0)
	for k, s := range b.seen {
		if k < n {
			from, last = max(from, s.at), max(last, k)
		}
	}
	b.held[n] = a.stood(from, b.nominal(n)) + a.timing.Late + trace.Sec(n-last)*a.timing.Drift
}

// returned reports whether exactly the hosts that came back at the tick are told.
func (b *beats) returned(n int64, st *state, told int) bool {
	want, got := b.hostsAt(n), 0
	for _, u := range st.untold[told:] {
		if u.Kind == engine.HostReturned || u.Kind == engine.HostUndegraded {
			if !want[st.traceOf[u.Host]] {
				return false
			}
			got++
		}
	}
	return got == len(want)
}

// advance is what can have become of the state by an instant. Interval ticks are
// where the run shows them: the timer of a live proxy is some milliseconds off, and
// who is due back at a tick depends on it.
func (a *acceptor) advance(st *state, to trace.Sec) []*state {
	tick, ok := st.c.NextTick()
	if st.beats == nil || !ok {
		return a.drawn(st, to)
	}
	n := st.beats.number(trace.Sec(tick))
	var out []*state
	for _, x := range a.merged(st, n, to) {
		out = append(out, a.toTick(x, n, to)...)
	}
	return out
}

// merged are the state, and what it is if a merged update that is due about as a tick is
// delivered on the other side of it. Both timers were armed by a tick before, in one
// turn of the event loop, whose clock goes in steps: two that end in one fire in any
// order. Where the tick did nothing it makes no difference.
func (a *acceptor) merged(st *state, n int64, to trace.Sec) []*state {
	out := []*state{st}
	s, near := st.beats.seen[n], int64(a.timing.Step)
	if s == nil || near == 0 {
		return out
	}
	at := int64(s.at)
	if x := st.clone(); x.c.MoveMerges(at-near, min(at, int64(to)), at+1) {
		out = append(out, x)
	}
	if x := st.clone(); s.at <= to && x.c.MoveMerges(at+2, at+near, at) {
		out = append(out, x)
	}
	return out
}

// toTick advances a state to an instant by way of its next tick.
func (a *acceptor) toTick(st *state, n int64, to trace.Sec) []*state {
	a.hold(st.beats, n)
	instants := st.beats.instants(n, a.timing)
	if slices.Min(instants) > to {
		st = st.clone()
		st.c.Retick(int64(instants[0]), int64(a.timing.Slack))
		return a.drawn(st, to)
	}
	at, after := a.tick(st, n, instants)
	if at > to {
		st = st.clone()
		st.c.Retick(int64(at), int64(a.timing.Slack))
		return a.drawn(st, to)
	}
	var out []*state
	for _, x := range after {
		out = append(out, a.advance(x, to)...)
	}
	out = append(out, a.laterTick(st, n, instants, to)...)
	// What compares hosts can have counted results that were in before it fired.
	if last := slices.Max(instants); st.c.ComparesHosts() && len(st.beats.hostsAt(n)) == 0 && last > to {
		x := st.clone()
		x.c.Retick(int64(last), int64(a.timing.Slack))
		out = append(out, a.drawn(x, to)...)
	}
	return out
}

// laterTick is what can have become of the state if a tick that was seen came at the
// end of what the log cut off its time, after a result that was in by then.
func (a *acceptor) laterTick(st *state, n int64, instants []trace.Sec, to trace.Sec) (out []*state) {
	last := slices.Max(instants)
	if len(st.beats.hostsAt(n)) == 0 {
		return nil
	}
	x := st.clone()
	x.c.Retick(int64(last), int64(a.timing.Slack))
	if due, ok := x.c.Next(); !ok || due >= int64(last) {
		return nil
	}
	if last > to {
		return a.drawn(x, to)
	}
	for _, y := range a.drawn(x, last) {
		if st.beats.returned(n, y, len(st.untold)) {
			out = append(out, a.advance(y, to)...)
		}
	}
	return out
}

// tick finds the instant at which the tick does what was observed, and what comes
// of it. If there is none, it is the likeliest.
func (a *acceptor) tick(st *state, n int64, instants []trace.Sec) (trace.Sec, []*state) {
	var first []*state
	for _, at := range instants {
		x := st.clone()
		x.c.Retick(int64(at), int64(a.timing.Slack))
		after := a.drawn(x, at)
		fits := slices.DeleteFunc(slices.Clone(after), func(y *state) bool {
			return !st.beats.returned(n, y, len(st.untold))
		})
		if len(fits) > 0 {
			return at, fits
		}
		if first == nil {
			first = after
		}
	}
	return instants[0], first
}
