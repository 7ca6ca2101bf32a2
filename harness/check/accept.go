package check

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Slack is how far two clocks of one process may be apart: what happened within
// it of a change may have seen either side of the change.
const Slack = trace.Sec(2 * time.Millisecond)

// hops are as short as can be: they make what the main thread decides, and what
// the workers hear of it, two moments that the slack can fall between.
var hops = engine.Delays{ToMain: 1, ToWorker: 1}

// maxStates bounds how many explanations of the same observation are carried.
const maxStates = 128

// Accept asks whether the model permits the run: every host that was picked,
// every ejection, refusal and return, and what became of each request. The
// observed attempts are fed to the engine in order; what is chance is decided
// by the observation. It returns the first decision that is not permitted, nil
// if there is none, and why nothing can be said where there are more
// explanations than it follows.
//
// The run must have been made with the engine's own delays of zero, as inproc
// does, or with delays below Slack.
func Accept(s *schedule.Schedule, t *trace.Trace) (d *result.Divergence, undecided string) {
	a := acceptor{s: s, t: t.Unpack(), slack: Slack + trace.Sec(t.LongestStall()), changes: map[int32][]*trace.Change{}}
	for i := range t.Changes {
		c := &t.Changes[i]
		a.changes[c.Host] = append(a.changes[c.Host], c)
	}
	if d := a.requests(); d != nil {
		return d, ""
	}
	for _, line := range a.lines() {
		if d := a.line(line); d != nil {
			return d, ""
		}
	}
	return nil, a.undecided
}

type acceptor struct {
	s         *schedule.Schedule
	t         *trace.Trace
	slack     trace.Sec
	changes   map[int32][]*trace.Change // by host
	undecided string
}

// line is the life of one cluster of one client.
type line struct {
	client  int32
	cluster string
	events  []moment
}

// moment is something that was observed of a cluster.
type moment struct {
	at     trace.Sec
	rank   int // order within an instant
	config *xds.Cluster
	assign *xds.Cluster // the cluster goes on with other endpoints
	pick   *trace.Attempt
	report *trace.Attempt
	change *trace.Change
	noHost *trace.Request
}

// The order of what happens at one instant: a change is told when the result
// that set it off is in, and a pick sees what was decided before it.
const (
	rankConfig = iota
	rankReport
	rankChange
	rankPick
)

// lines sorts the trace by cluster and time.
func (a *acceptor) lines() []*line {
	var out []*line
	get := func(client int32, cluster string) *line {
		for _, l := range out {
			if l.client == client && l.cluster == cluster {
				return l
			}
		}
		l := &line{client: client, cluster: cluster}
		out = append(out, l)
		return l
	}
	for i := range a.s.Clients {
		a.constructions(int32(i), get)
	}
	for i := range a.t.Attempts {
		at := &a.t.Attempts[i]
		if at.Host < 0 {
			continue
		}
		l := get(at.Client, a.t.Hosts[at.Host].Cluster)
		l.events = append(l.events, moment{at: at.At, rank: rankPick, pick: at}, moment{at: at.Done, rank: rankReport, report: at})
	}
	for i := range a.t.Changes {
		c := &a.t.Changes[i]
		l := get(c.Client, a.t.Hosts[c.Host].Cluster)
		l.events = append(l.events, moment{at: c.At, rank: rankChange, change: c})
	}
	for i := range a.t.Requests {
		r := &a.t.Requests[i]
		if r.Flags&trace.FlagUH == 0 {
			continue
		}
		load := &a.s.Clients[r.Client].Load
		if route := engine.Route(a.configAt(r.Client, r.Done), load.Host, load.Port, load.Path); route != nil {
			l := get(r.Client, route.Cluster)
			l.events = append(l.events, moment{at: r.Done, rank: rankPick, noHost: r})
		}
	}
	for _, l := range out {
		slices.SortStableFunc(l.events, func(x, y moment) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.rank, y.rank)) })
	}
	return out
}

// configAt is the configuration of a client at an instant.
func (a *acceptor) configAt(client int32, at trace.Sec) *xds.Config {
	cfg := &a.s.Configs[0][client]
	for _, st := range a.t.Steps {
		if st.Kind == schedule.KindConfig && st.Done <= at {
			cfg = &a.s.Configs[a.s.Steps[st.Index].Config][client]
		}
	}
	return cfg
}

// constructions are the instants at which each cluster of a client was made, or
// made anew. The load that the run recorded then says when.
func (a *acceptor) constructions(client int32, get func(int32, string) *line) {
	have := map[string]*xds.Cluster{}
	take := func(cfg *xds.Config, from, to trace.Sec) {
		next := map[string]*xds.Cluster{}
		for i := range cfg.Clusters {
			c := &cfg.Clusters[i]
			next[c.Name] = c
			if o := have[c.Name]; o != nil && reflect.DeepEqual(o, c) {
				continue
			}
			if o := have[c.Name]; o != nil && engine.OnlyAssigned(o, c) {
				l := get(client, c.Name)
				l.events = append(l.events, moment{at: from, rank: rankConfig, assign: c})
				continue
			}
			at := from
			for _, ld := range a.t.Loads {
				if ld.Client == client && ld.Cluster == c.Name && ld.At >= from && ld.At <= to {
					at = ld.At
				}
			}
			l := get(client, c.Name)
			l.events = append(l.events, moment{at: at, rank: rankConfig, config: c})
		}
		have = next
	}
	take(&a.s.Configs[0][client], 0, 0)
	for i := range a.t.Steps {
		if st := &a.t.Steps[i]; st.Kind == schedule.KindConfig {
			take(&a.s.Configs[a.s.Steps[st.Index].Config][client], st.At, st.Done)
		}
	}
}

// state is one explanation of what was observed so far.
type state struct {
	c       *engine.Cluster
	ch      engine.Chooser
	untold  []engine.Change // decided, and not observed yet
	kept    []keptBy        // of requests under a retry priority
	traceOf []int32
	rowOf   func(*engine.Host) int32
}

// keptBy is what a request's retry priority keeps.
type keptBy struct {
	client, request int32
	loads           engine.Kept
}

func (st *state) clone() *state {
	return &state{c: st.c.Clone(), ch: st.ch, untold: slices.Clone(st.untold), kept: slices.Clone(st.kept), traceOf: slices.Clip(st.traceOf), rowOf: st.rowOf}
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
	if c.Kind != engine.LoadChanged {
		st.untold = append(st.untold, c)
	}
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
			states = []*state{a.construct(l, m.config, m.at)}
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

// maxOrders bounds how many orders of picks at one instant are tried.
const maxOrders = 200

// picksAtOnce is how many of the first moments are picks at the same instant:
// the record does not say which of them came first. It is at least 1.
func picksAtOnce(ms []moment) int {
	n := 1
	for ms[0].pick != nil && n < len(ms) && ms[n].pick != nil && ms[n].at == ms[0].at {
		n++
	}
	return n
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

func (a *acceptor) construct(l *line, c *xds.Cluster, at trace.Sec) *state {
	st := &state{ch: engine.NewChooser(1), rowOf: func(h *engine.Host) int32 { return a.rowOf(l, h) }}
	names := a.namesAt(at)
	_, hosts := names.LookUps(c, int64(at), &st.ch)
	for i := range hosts {
		hosts[i].Trace = st.rowOf(&hosts[i])
		st.traceOf = append(st.traceOf, hosts[i].Trace)
	}
	st.c = engine.NewCluster(c, a.s.Profile.Rules, hosts, hops, int64(at), &st.ch)
	return st
}

// step feeds one moment to every state, as of every instant that the clocks
// allow, and keeps the states that permit it. The last one that permits it, and
// decided something before it that was not observed, is returned too.
func (a *acceptor) step(states []*state, m moment) (out []*state, late *state) {
	for _, st := range states {
		for _, x := range a.instants(st, m.at) {
			for _, y := range a.feed(x, m) {
				if a.overdue(y, m.at) {
					late = y
				} else {
					out = append(out, y)
				}
			}
		}
	}
	return out, late
}

// instants are the state as it may have been: whatever is due within the slack
// around the instant may have happened already or not yet.
func (a *acceptor) instants(st *state, at trace.Sec) []*state {
	now := a.advance(st, at-a.slack)
	out := slices.Clone(now)
	for range 8 {
		var next []*state
		for _, x := range now {
			if due, ok := x.c.Next(); ok && due <= int64(at+a.slack) {
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

// advance is what can have become of the state by an instant: one state for each
// way in which the draws can fall that nobody observes when they are made.
func (a *acceptor) advance(st *state, to trace.Sec) []*state {
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
	for i := range a.t.Changes {
		c := &a.t.Changes[i]
		if d := c.At - trace.Sec(q.At); d > a.slack || d < -a.slack || c.Cause != q.Detector.String() || c.Event == trace.OverflowEvent {
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
// returns first. What it does not decide falls to the first option, and is noted.
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
	case engine.DrawDecay, engine.DrawSample, engine.DrawJitter:
		options = []uint64{0, q.N - 1} // one way and the other
	case engine.DrawReturn:
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

// feed gives the moment to a state. Nothing comes of it when the state does not
// permit it.
func (a *acceptor) feed(st *state, m moment) []*state {
	permitted := true
	switch {
	case m.pick != nil:
		return a.pick(st, m.pick)
	case m.report != nil:
		a.report(st, m.report)
	case m.change != nil:
		return a.changed(st, m.change)
	case m.assign != nil:
		a.assign(st, m.assign, m.at)
	case m.noHost != nil:
		ch := st.ch
		permitted = st.c.Pick(nil, nil, &ch) == engine.NoHost
	}
	if !permitted {
		return nil
	}
	return []*state{st}
}

// toward answers so that the observed host is picked, if it can be.
type toward struct {
	host  int32
	level int
}

func (g toward) Answer(q engine.Question) (uint64, bool) {
	switch q.Draw {
	case engine.DrawLevel:
		for r := uint64(0); r < q.N; r++ {
			if p, _ := q.Loads.Choose(uint32(r) + 1); p == g.level {
				return r, true
			}
		}
	case engine.DrawHost:
		if i := slices.Index(q.Hosts, g.host); i >= 0 {
			return uint64(i), true
		}
	case engine.DrawLocality:
		return localityOf(q, g.host)
	}
	return 0, false
}

// localityOf is the locality that has the host.
func localityOf(q engine.Question, host int32) (uint64, bool) {
	for i, hosts := range q.Groups {
		if slices.Contains(hosts, host) {
			return uint64(i), true
		}
	}
	return 0, false
}

// maxRejected bounds how many ways to the observed host are followed.
const maxRejected = 64

// pick is what can have become of the state by picking the observed host. A retry
// may have picked hosts before it that its predicate rejected, and a round robin
// counts those picks too; which levels and hosts they were is not observed.
func (a *acceptor) pick(st *state, at *trace.Attempt) []*state {
	h := st.hostOf(at.Host)
	if h < 0 {
		return nil
	}
	tried, policy := a.tried(st, at), a.policy(at)
	hidden := len(tried) > 0 && st.c.Config().LBPolicy == xds.RoundRobin
	var out []*state
	scripts := [][]int{nil}
	for n := 0; len(scripts) > 0 && n < maxRejected; n++ {
		g := &way{toward: toward{h, int(st.c.Hosts()[h].Priority)}, rejected: tried, fall: scripts[0]}
		scripts = scripts[1:]
		x := st.clone()
		ch := x.ch.Guided(g)
		got := x.c.PickAgain(tried, policy, x.keptOf(at, policy), &ch)
		x.ch = ch.Guided(nil)
		if got == h {
			if at.Result != trace.Overflow {
				x.c.Begin(h)
			}
			out = append(out, x)
		}
		if hidden {
			scripts = append(scripts, g.others()...)
		}
	}
	return distinct(out)
}

// way leads toward a host on a given way through levels and rejected hosts.
type way struct {
	toward
	rejected []int32 // hosts that the predicate rejects
	fall     []int   // what each question falls to; then what leads to the host
	went     []int   // the answers so far
	open     [][]int // which others each could have been
}

// Answer implements engine.Guide.
func (g *way) Answer(q engine.Question) (uint64, bool) {
	switch q.Draw {
	case engine.DrawLevel:
		return g.levelOf(q)
	case engine.DrawHost:
		return g.hostOf(q)
	case engine.DrawLocality:
		return g.localityOf(q)
	}
	return 0, false
}

// localityOf leads to the locality of the host, or of one that is rejected.
func (g *way) localityOf(q engine.Question) (uint64, bool) {
	own, ok := localityOf(q, g.host)
	at := g.next(int(own))
	var others []int
	for _, h := range g.rejected {
		if i, in := localityOf(q, h); in && int(i) != at && !slices.Contains(others, int(i)) {
			others = append(others, int(i))
		}
	}
	g.note(at, others)
	return uint64(at), ok || len(g.went) <= len(g.fall)
}

func (g *way) levelOf(q engine.Question) (uint64, bool) {
	level := g.next(g.level)
	r, ok := toward{g.host, level}.Answer(q)
	if !ok {
		return 0, false
	}
	var others []int
	for x := uint64(0); x < q.N; x++ {
		if p, _ := q.Loads.Choose(uint32(x) + 1); p != level && !slices.Contains(others, p) {
			others = append(others, p)
		}
	}
	g.note(level, others)
	return r, true
}

// hostOf is asked where the counter is not known: it may stand at the host, or
// at one that is rejected.
func (g *way) hostOf(q engine.Question) (uint64, bool) {
	host := g.next(int(g.host))
	i := slices.Index(q.Hosts, int32(host))
	var others []int
	for _, h := range g.rejected {
		if int(h) != host && slices.Contains(q.Hosts, h) {
			others = append(others, int(h))
		}
	}
	g.note(host, others)
	return uint64(max(i, 0)), i >= 0
}

// next is what the next question falls to.
func (g *way) next(otherwise int) int {
	if i := len(g.went); i < len(g.fall) {
		return g.fall[i]
	}
	return otherwise
}

func (g *way) note(answer int, others []int) {
	g.went, g.open = append(g.went, answer), append(g.open, others)
}

// others are the ways that part from this one after its script.
func (g *way) others() [][]int {
	var out [][]int
	for i := len(g.fall); i < len(g.went); i++ {
		for _, o := range g.open[i] {
			out = append(out, append(slices.Clone(g.went[:i]), o))
		}
	}
	return out
}

// tried are the hosts that the request was at before this attempt.
func (a *acceptor) tried(st *state, at *trace.Attempt) []int32 {
	var out []int32
	for i := range a.t.Attempts {
		o := &a.t.Attempts[i]
		if o.Client == at.Client && o.Request == at.Request && o.N < at.N {
			if h := st.hostOf(o.Host); h >= 0 {
				out = append(out, h)
			}
		}
	}
	return out
}

func (a *acceptor) policy(at *trace.Attempt) *xds.RetryPolicy {
	load := &a.s.Clients[at.Client].Load
	if r := engine.Route(a.configAt(at.Client, at.At), load.Host, load.Port, load.Path); r != nil {
		return r.Retry
	}
	return nil
}

// report counts the attempt's result.
func (a *acceptor) report(st *state, at *trace.Attempt) {
	h := st.hostOf(at.Host)
	if h < 0 || at.Result == trace.Overflow {
		return
	}
	st.c.End(h)
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
		return // cancelled: nothing was reported
	}
	now := int64(a.heard(at)) - hops.ToMain
	if at.Result != trace.Refused && at.Result != trace.ConnectTimeout {
		st.c.Report(now, h, outlier.ConnectSuccess, 0, &st.ch, st.tell)
	}
	st.c.Report(now, h, res, int(at.Status), &st.ch, st.tell)
}

// heard is when the main thread hears of the attempt's result: when a change of
// its host was observed near it, and else at once. The ejection time counts from
// there, and decides between one tick and the next.
func (a *acceptor) heard(at *trace.Attempt) trace.Sec {
	best := at.Done + trace.Sec(hops.ToMain)
	off := a.slack + 1
	for _, c := range a.changes[at.Host] {
		if d := max(c.At-at.Done, at.Done-c.At); caused(c) && d < off {
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
	for i, u := range st.untold {
		if st.traceOf[u.Host] != c.Host || changeNames[u.Kind] != c.Event || causeOf(&u) != c.Cause {
			continue
		}
		if d := trace.Sec(u.At) - c.At; d > a.slack || d < -a.slack {
			continue
		}
		st.untold = slices.Delete(st.untold, i, i+1)
		return true
	}
	return false
}

// overdue reports whether the state decided something that should have been
// observed by now.
func (a *acceptor) overdue(st *state, now trace.Sec) bool {
	for _, u := range st.untold {
		if trace.Sec(u.At)+2*a.slack < now {
			return true
		}
	}
	return false
}

// quiet checks the end of a cluster's life: nothing may be left to be observed.
func (a *acceptor) quiet(states []*state, at trace.Sec, l *line) *result.Divergence {
	if len(states) == 0 {
		return nil
	}
	var last *state
	for _, st := range states {
		for _, x := range a.advance(st, at-2*a.slack) {
			if !a.overdue(x, at) {
				return nil
			}
			last = x
		}
	}
	return a.missing(last, at)
}

// missing says what the state decided and nobody observed.
func (a *acceptor) missing(last *state, at trace.Sec) *result.Divergence {
	u := last.untold[0]
	return &result.Divergence{
		At: trace.Sec(u.At).Seconds(), Decision: "endpoint " + a.hostName(last.traceOf[u.Host]),
		Permitted: changeNames[u.Kind] + words(u), Observed: "nothing of the kind until " + seconds(at),
	}
}

func words(u engine.Change) string {
	switch {
	case u.Kind == engine.HostReturned:
		return " at the tick"
	case causeOf(&u) == "":
		return ""
	}
	return " by " + u.Type.String()
}

func (a *acceptor) hostName(h int32) string {
	if h < 0 || int(h) >= len(a.t.Hosts) {
		return "unknown"
	}
	return a.t.UpstreamName(a.t.Hosts[h].Upstream) + " " + a.t.Hosts[h].Address
}

// divergence says what the states permitted instead.
func (a *acceptor) divergence(states []*state, m moment) *result.Divergence {
	d := &result.Divergence{At: m.at.Seconds()}
	st := a.advance(states[0], m.at)[0]
	switch {
	case m.pick != nil:
		d.Decision = fmt.Sprintf("host of request %d, attempt %d", m.pick.Request, m.pick.N)
		d.Observed = a.hostName(m.pick.Host)
		d.Permitted = a.permitted(st)
	case m.change != nil:
		d.Decision = "endpoint " + a.hostName(m.change.Host)
		d.Observed = strings.TrimSpace(m.change.Event + " " + m.change.Cause)
		d.Permitted = "no change"
		if len(st.untold) > 0 {
			u := st.untold[0]
			d.Permitted = fmt.Sprintf("%s of %s at %s", changeNames[u.Kind]+words(u), a.hostName(st.traceOf[u.Host]), seconds(trace.Sec(u.At)))
		}
	case m.noHost != nil:
		d.Decision = fmt.Sprintf("host of request %d", m.noHost.N)
		d.Observed = "no host (UH)"
		d.Permitted = a.permitted(st)
	default:
		d.Decision = "result of an attempt"
		d.Observed = "no change of the endpoint"
		if len(st.untold) > 0 {
			u := st.untold[0]
			d.At = trace.Sec(u.At).Seconds()
			d.Decision = "endpoint " + a.hostName(st.traceOf[u.Host])
			d.Permitted = changeNames[u.Kind] + words(u)
		}
	}
	return d
}

// permitted lists the hosts that the state can pick.
func (a *acceptor) permitted(st *state) string {
	var names []string
	l := st.c.Loads()
	for h := range st.c.Hosts() {
		x := st.clone()
		ch := x.ch.Guided(toward{int32(h), int(x.c.Hosts()[h].Priority)})
		if x.c.Pick(nil, nil, &ch) == int32(h) {
			names = append(names, a.hostName(st.traceOf[h]))
		}
	}
	loads := make([]string, l.Levels())
	for p := range loads {
		loads[p] = fmt.Sprintf("priority %d: %d %%", p, l.Percent(p))
	}
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	return strings.Join(names, " or ") + " (" + strings.Join(loads, ", ") + ")"
}

// distinct drops explanations that cannot differ any more: the cluster is in the
// same state, and the same is left to be told.
func distinct(states []*state) []*state {
	var out []*state
	for _, st := range states {
		same := slices.ContainsFunc(out, func(o *state) bool {
			return slices.Equal(o.untold, st.untold) && slices.EqualFunc(o.kept, st.kept, keptBy.same) && o.c.Same(st.c)
		})
		if !same {
			out = append(out, st)
		}
	}
	return out
}
