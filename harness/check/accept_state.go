package check

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// state is one explanation of what was observed so far.
type state struct {
	c       *engine.Cluster
	ch      engine.Chooser
	untold  []engine.Change // decided, and not observed yet
	ahead   []*trace.Change // observed, and not decided yet
	kept    []keptBy        // of requests under a retry priority
	asking  []asking        // of requests for which nobody is found
	going   []going         // the attempts that have begun and not ended
	traceOf []int32
	rowOf   func(*engine.Host) int32
	beats   *beats // nil: ticks are when they should be
	coarse  int64  // to how much the instants of refused ejections are kept; 0: as they are
}

// keptBy is what a request's retry priority keeps.
type keptBy struct {
	client, request int32
	loads           engine.Kept
}

func (st *state) clone() *state {
	return &state{c: st.c.Clone(), ch: st.ch, untold: slices.Clone(st.untold), ahead: slices.Clone(st.ahead), kept: slices.Clone(st.kept), asking: slices.Clone(st.asking), going: slices.Clone(st.going), traceOf: slices.Clip(st.traceOf), rowOf: st.rowOf, beats: st.beats, coarse: st.coarse}
}

func (k keptBy) same(o keptBy) bool {
	return k.client == o.client && k.request == o.request && k.loads.Equal(o.loads)
}

// keptOf is what the request of an attempt keeps; its place in the state, which
// only a request under a retry priority has.
func (st *state) keptOf(at *trace.Attempt, p *xds.RetryPolicy) *engine.Kept {
	if p == nil || p.PreviousPriorities == 0 {
		return nil
	}
	for i := range st.kept {
		if k := &st.kept[i]; k.client == at.Client && k.request == at.Request {
			return &k.loads
		}
	}
	st.kept = append(st.kept, keptBy{client: at.Client, request: at.Request})
	return &st.kept[len(st.kept)-1].loads
}

func (st *state) tell(c engine.Change) {
	if c.Kind == engine.HostAdded {
		st.traceOf = append(st.traceOf, st.rowOf(&st.c.Hosts()[c.Host]))
	}
	if i := slices.IndexFunc(st.ahead, func(o *trace.Change) bool { return st.is(c, o) && trace.Sec(c.At) >= o.At }); i >= 0 {
		st.ahead = slices.Delete(st.ahead, i, i+1)
		return
	}
	if c.Kind == engine.EjectionOverflow && st.coarse > 0 {
		c.At -= c.At % st.coarse
	}
	if c.Kind != engine.LoadChanged {
		st.untold = append(st.untold, c)
	}
}

// is reports whether a change is the one that was observed, but for when it was.
func (st *state) is(u engine.Change, c *trace.Change) bool {
	return st.traceOf[u.Host] == c.Host && changeNames[u.Kind] == c.Event && causeOf(&u) == c.Cause
}

// construct is what can have become of a cluster that was made: which of its names was
// answered first, nobody saw.
func (a *acceptor) construct(l *line, m moment) []*state {
	c, at := m.config, m.built
	var out []*state
	for first, n := uint64(0), uint64(1); first < n; first++ {
		d := &answered{first: first, names: 1}
		st := &state{ch: engine.NewChooser(1), rowOf: func(h *engine.Host) int32 { return a.rowOf(l, h) }, coarse: int64(a.coarse())}
		names := a.namesAt(at)
		_, hosts := names.LookUps(c, int64(at), &st.ch)
		for i := range hosts {
			hosts[i].Trace = st.rowOf(&hosts[i])
			st.traceOf = append(st.traceOf, hosts[i].Trace)
		}
		st.beats = a.beatsOf(l, c, at, l.until(c))
		st.ch = st.ch.Guided(d)
		st.c = engine.NewCluster(c, a.s.Profile.Rules, hosts, hops, int64(at), &st.ch)
		st.ch = st.ch.Guided(nil)
		st.c.AnsweredAt(int64(m.read))
		if tick, ok := st.c.NextTick(); ok && st.beats != nil {
			st.c.Retick(tick, int64(a.timing.Slack)) // the windows are in doubt from the beginning
		}
		n = d.names
		out = append(out, st)
	}
	return distinct(out)
}

// answered says which name of a new cluster is answered first.
type answered struct{ first, names uint64 }

// Answer implements engine.Guide.
func (d *answered) Answer(q engine.Question) (uint64, bool) {
	if q.Draw != engine.DrawAnswer {
		return 0, false
	}
	d.names = q.N
	return d.first, true
}

// instants are the state as it may have been: whatever is due within the slack
// around the instant may have happened already or not yet; a merged update, if it is
// due so much later.
func (a *acceptor) instants(st *state, at, early trace.Sec) []*state {
	slack := a.slack(at)
	if early > 0 {
		st = st.clone()
		if !st.c.MoveMerges(int64(at+slack)+1, int64(at+slack+early), int64(at)) {
			return nil
		}
	}
	now := a.advance(st, at-slack)
	out := slices.Clone(now)
	for range 8 {
		var next []*state
		for _, x := range now {
			if due, ok := x.c.Next(); ok && due <= int64(at+slack) {
				next = append(next, a.advance(x, trace.Sec(due))...)
			}
		}
		if len(next) == 0 {
			break
		}
		out = append(out, next...)
		now = next
	}
	// What fits the clock best is tried first.
	slices.Reverse(out)
	return out
}

// drawn is what can have become of the state by an instant: one state for each
// way in which the draws can fall that nobody observes when they are made.
func (a *acceptor) drawn(st *state, to trace.Sec) []*state {
	scripts := [][]uint64{nil}
	var out []*state
	for len(scripts) > 0 && len(out) < maxStates {
		d := &draws{fall: scripts[0], first: func(q engine.Question) uint64 { return a.firstOut(st, q) }}
		scripts = scripts[1:]
		x := st.clone()
		x.ch = x.ch.Guided(d)
		x.c.Advance(int64(to), &x.ch, x.tell)
		x.ch = x.ch.Guided(nil)
		out = append(out, x)
		for i := len(d.fall); i < len(d.options); i++ {
			for _, o := range d.options[i][1:] {
				scripts = append(scripts, append(d.fallen(i), o))
			}
		}
	}
	return out
}

// firstOut is which of several outliers the run had gone first: what Envoy did
// to one after another it wrote down in that order.
func (a *acceptor) firstOut(st *state, q engine.Question) uint64 {
	slack := a.slack(trace.Sec(q.At))
	for i := range a.t.Changes {
		c := &a.t.Changes[i]
		if d := c.At - trace.Sec(q.At); d > slack || d < -slack || c.Cause != q.Detector.String() || c.Event == trace.OverflowEvent {
			continue
		}
		for k, h := range q.Hosts {
			if st.traceOf[h] == c.Host {
				return uint64(k)
			}
		}
	}
	return 0
}

// draws decides the draws that only show later: whether a back-off decays early,
// whether a detection is enforced, whether the jitter is over at a tick, who
// returns first, which priority's merged update is delivered first. What it does not decide falls to the first option, and is noted.
type draws struct {
	fall    []uint64
	options [][]uint64                   // of each draw so far
	first   func(engine.Question) uint64 // which outlier goes first: that was observed
}

// Answer implements engine.Guide.
func (d *draws) Answer(q engine.Question) (uint64, bool) {
	var options []uint64
	switch q.Draw {
	case engine.DrawOutlier:
		return d.first(q), true
	case engine.DrawDecay, engine.DrawSample, engine.DrawJitter, engine.DrawMerge:
		options = []uint64{0, q.N - 1} // one way and the other
	case engine.DrawReturn, engine.DrawTimer:
		for i := range q.N {
			options = append(options, i)
		}
	default:
		return 0, false
	}
	i := len(d.options)
	d.options = append(d.options, options)
	if i < len(d.fall) {
		return d.fall[i], true
	}
	return options[0], true
}

// fallen are the first n answers that were given.
func (d *draws) fallen(n int) []uint64 {
	out := slices.Clone(d.fall[:min(n, len(d.fall))])
	for i := len(out); i < n; i++ {
		out = append(out, d.options[i][0])
	}
	return out
}

// sameTold reports whether the same is to be observed of two changes. Whose ejection was
// refused, and by which detector, no counter tells.
func (st *state) sameTold(a, b engine.Change) bool {
	if st.coarse > 0 && a.Kind == engine.EjectionOverflow {
		return b.Kind == a.Kind && b.At == a.At
	}
	return a == b
}

// distinct drops explanations that cannot differ any more: the cluster is in the
// same state, and the same is left to be told.
func distinct(states []*state) []*state {
	var out []*state
	for _, st := range states {
		same := slices.ContainsFunc(out, func(o *state) bool {
			return slices.EqualFunc(o.untold, st.untold, o.sameTold) && slices.EqualFunc(o.kept, st.kept, keptBy.same) && slices.Equal(o.asking, st.asking) && slices.Equal(o.going, st.going) && slices.Equal(o.ahead, st.ahead) && o.c.Same(st.c)
		})
		if !same {
			out = append(out, st)
		}
	}
	return out
}
